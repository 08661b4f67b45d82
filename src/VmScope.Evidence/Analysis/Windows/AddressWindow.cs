namespace VmScope.Analysis;

/// <summary>How far a bound can be trusted.</summary>
public enum Sureness
{
    /// <summary>The kernel itself printed it.</summary>
    Printed,

    /// <summary>Computed from what was printed, by the rule of that kernel.</summary>
    Derived,

    /// <summary>A constant of the architecture, or a prediction; nothing in the evidence contradicts it.</summary>
    Assumed,

    /// <summary>Only the span of the rows.</summary>
    Guessed,
}

/// <summary>A run of addresses that one allocator hands out.</summary>
/// <param name="Name">vmalloc, modules, or other.</param>
/// <param name="Start">The first address.</param>
/// <param name="Bytes">The length in bytes, at least 1.</param>
/// <param name="Source">Where the bounds came from, one clause.</param>
/// <param name="Sureness">How far to trust them.</param>
public sealed record AddressWindow(string Name, ulong Start, ulong Bytes, string Source, Sureness Sureness)
{
    /// <summary>The last address (inclusive).</summary>
    public ulong Last => Start + (Bytes - 1);

    /// <summary>The exclusive end; 0 for the top of the 64-bit space.</summary>
    public ulong EndExclusive => unchecked(Start + Bytes);

    /// <summary>Whether an address lies inside.</summary>
    public bool Contains(ulong address) => address >= Start && address <= Last;

    /// <summary>The word for a sureness in JSON and text.</summary>
    public static string Word(Sureness sureness) => sureness switch
    {
        Sureness.Printed => "printed",
        Sureness.Derived => "derived",
        Sureness.Assumed => "assumed",
        Sureness.Guessed => "guessed",
    };
}
