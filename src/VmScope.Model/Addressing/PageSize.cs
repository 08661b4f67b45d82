namespace VmScope.Addressing;

/// <summary>The size of a page: a power of two of at least 4 KiB.</summary>
public readonly record struct PageSize
{
    /// <summary>Makes a page size from its shift.</summary>
    /// <param name="shift">log2 of the size in bytes, 12 to 40.</param>
    /// <exception cref="ArgumentOutOfRangeException">The shift is outside 12..40.</exception>
    public PageSize(int shift)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shift, 12);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shift, 40);
        Shift = shift;
    }

    /// <summary>4 KiB pages: every x86, arm and riscv kernel, most arm64 ones.</summary>
    public static PageSize Size4K => new(12);

    /// <summary>16 KiB pages (arm64).</summary>
    public static PageSize Size16K => new(14);

    /// <summary>64 KiB pages (arm64, powerpc).</summary>
    public static PageSize Size64K => new(16);

    /// <summary>log2 of the size in bytes.</summary>
    public int Shift { get; }

    /// <summary>The size in bytes.</summary>
    public ulong Bytes => 1UL << Shift;
}
