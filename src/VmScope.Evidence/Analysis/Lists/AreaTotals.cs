namespace VmScope.Analysis;

/// <summary>Sums over areas.</summary>
public record struct AreaTotals
{
    /// <summary>How many areas.</summary>
    public long Areas { get; set; }

    /// <summary>Bytes of address space, guard pages included.</summary>
    public ulong Bytes { get; set; }

    /// <summary>Pages of memory that belong to the areas.</summary>
    public ulong Pages { get; set; }

    /// <summary>Bytes of guard pages among <see cref="Bytes"/>.</summary>
    public ulong GuardBytes { get; set; }
}
