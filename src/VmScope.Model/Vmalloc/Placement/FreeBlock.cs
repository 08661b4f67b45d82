namespace VmScope.Vmalloc;

/// <summary>A run of free addresses.</summary>
/// <param name="Start">The first free address; 1 for the block at the bottom of the address space.</param>
/// <param name="End">The first address behind it; the last address of the address space for the block at its top.</param>
public readonly record struct FreeBlock(ulong Start, ulong End)
{
    /// <summary>The length in bytes.</summary>
    public ulong SizeBytes => End - Start;
}

/// <summary>A node of a free tree whose shape is known, as it is read from a running kernel in preorder.</summary>
/// <param name="Start">The first free address.</param>
/// <param name="End">The exclusive end.</param>
/// <param name="IsBlack">The node's colour.</param>
/// <param name="SubtreeMaxBytes">The largest block of the subtree, in bytes.</param>
/// <remarks>The default value stands for "no child here"; a leaf is a node followed by two of them.</remarks>
public readonly record struct FreeTreeNode(ulong Start, ulong End, bool IsBlack, ulong SubtreeMaxBytes)
{
    /// <summary>Whether there is no node at this place.</summary>
    public bool IsMissing => End == 0;
}
