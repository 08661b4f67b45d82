namespace VmScope.Analysis;

/// <summary>How a list gives its addresses.</summary>
public enum AddressState
{
    /// <summary>Real ones.</summary>
    Real,

    /// <summary>Hashes: equal addresses look equal, nothing else can be told.</summary>
    Hashed,

    /// <summary>All zero, or a word in their place.</summary>
    Hidden,
}
