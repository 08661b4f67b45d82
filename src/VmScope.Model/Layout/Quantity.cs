namespace VmScope.Layout;

/// <summary>What a number of a layout counts.</summary>
public enum QuantityUnit
{
    /// <summary>A virtual address.</summary>
    Address,

    /// <summary>A physical address.</summary>
    PhysicalAddress,

    /// <summary>Bytes.</summary>
    Bytes,

    /// <summary>Units of 1024 bytes.</summary>
    KiB,

    /// <summary>A page frame number, or a count of page frames.</summary>
    Frames,

    /// <summary>A plain count.</summary>
    Count,
}

/// <summary>One number of a layout and where it comes from.</summary>
/// <remarks>
/// Every number is recorded with the text of its formula, because that costs nothing: formula and source are
/// constants. Putting values into the formula (<see cref="DerivationText"/>) happens only when somebody asks.
/// </remarks>
/// <param name="Name">The name people ask by: lower-case words joined by '-', such as vmalloc-end.</param>
/// <param name="Symbol">The kernel's name for it, such as VMALLOC_END; empty where the kernel has none.</param>
/// <param name="Value">The number.</param>
/// <param name="Unit">What it counts.</param>
/// <param name="Formula">The formula; {name} stands for another quantity. Empty for something given.</param>
/// <param name="Source">Kernel file and version, "given", "assumed: …" or "UNVERIFIED: …".</param>
public readonly record struct Quantity(
    string Name, string Symbol, ulong Value, QuantityUnit Unit, string Formula, string Source)
{
    /// <summary>What a derivation calls it: the kernel's name where it has one.</summary>
    public string Label => Symbol.Length > 0 ? Symbol : Name;
}
