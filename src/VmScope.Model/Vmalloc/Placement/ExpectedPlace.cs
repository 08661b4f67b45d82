namespace VmScope.Vmalloc;

/// <summary>Whether an area goes where somebody expects it.</summary>
public enum ExpectedPlace
{
    /// <summary>There is no room; nothing changed.</summary>
    NoRoom,

    /// <summary>It would go somewhere else; nothing changed.</summary>
    Elsewhere,

    /// <summary>It does, and is placed.</summary>
    Placed,
}
