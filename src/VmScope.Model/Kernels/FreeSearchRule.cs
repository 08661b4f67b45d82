namespace VmScope.Kernels;

/// <summary>How long a block the kernel looks for when it searches its tree of free blocks.</summary>
/// <remarks>
/// A block that is long enough for the area but shorter than the searched length is taken only when the walk happens
/// to visit it, so the longer length makes the answer depend on the shape of the tree.
/// </remarks>
public enum FreeSearchRule
{
    /// <summary>Size plus alignment minus one, always; and the climb does not raise the start of the search.</summary>
    AlwaysPadded,

    /// <summary>The size alone: the lowest block that fits, whatever the tree looks like.</summary>
    SizeOnly,

    /// <summary>
    /// The size alone up to page alignment, or when the window is exactly as long as the area; size plus alignment
    /// minus one above page alignment.
    /// </summary>
    PaddedAbovePage,
}
