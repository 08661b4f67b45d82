namespace VmScope.Addressing;

/// <summary>Sizes as people say them, in bytes.</summary>
public static class Size
{
    /// <summary>1024 bytes.</summary>
    public const ulong KiB = 1UL << 10;

    /// <summary>2^20 bytes.</summary>
    public const ulong MiB = 1UL << 20;

    /// <summary>2^30 bytes.</summary>
    public const ulong GiB = 1UL << 30;

    /// <summary>2^40 bytes.</summary>
    public const ulong TiB = 1UL << 40;

    /// <summary>2^50 bytes.</summary>
    public const ulong PiB = 1UL << 50;
}

/// <summary>Rounding to powers of two, with the wrap-around of a 64-bit <c>unsigned long</c>.</summary>
public static class Align
{
    /// <summary>Rounds down to a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public static ulong Down(ulong value, ulong alignment) => value & ~(alignment - 1);

    /// <summary>Rounds up to a multiple of <paramref name="alignment"/>, a power of two; wraps to 0 past 2^64.</summary>
    public static ulong Up(ulong value, ulong alignment) => unchecked(value + (alignment - 1)) & ~(alignment - 1);

    /// <summary>Whether the value is a multiple of <paramref name="alignment"/>, a power of two.</summary>
    public static bool IsAligned(ulong value, ulong alignment) => (value & (alignment - 1)) == 0;
}
