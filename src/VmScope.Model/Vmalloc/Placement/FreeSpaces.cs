using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>Makes structures of free blocks.</summary>
public static class FreeSpaces
{
    /// <summary>The free space of a kernel that has allocated nothing yet: one block [1, <paramref name="lastAddress"/>).</summary>
    public static IFreeSpace Empty(FreeSearchRule rule, ulong pageBytes, ulong lastAddress) =>
        new AreaIndex(rule, pageBytes, lastAddress);

    /// <summary>The free space of a kernel that has allocated nothing yet but found areas of its architecture when it began.</summary>
    /// <param name="rule">The search rule of that kernel.</param>
    /// <param name="pageBytes">Its page size.</param>
    /// <param name="lastAddress">2^32 - 1 or 2^64 - 1.</param>
    /// <param name="early">The areas, ascending. The gaps between them enter in this order, which decides the tree's shape.</param>
    /// <exception cref="ArgumentException">The areas overlap, are not ascending or not made of pages.</exception>
    public static IFreeSpace Around(FreeSearchRule rule, ulong pageBytes, ulong lastAddress, ReadOnlySpan<FreeBlock> early) =>
        AreaIndex.Around(rule, pageBytes, lastAddress, early);

    /// <summary>The free space whose tree was read from a running kernel.</summary>
    /// <param name="rule">The search rule of that kernel.</param>
    /// <param name="pageBytes">Its page size.</param>
    /// <param name="preorder">Every node in preorder, with the missing children.</param>
    /// <exception cref="ArgumentException">It is no such tree; the message names the node.</exception>
    public static IFreeSpace FromShape(FreeSearchRule rule, ulong pageBytes, ReadOnlySpan<FreeTreeNode> preorder) =>
        AreaIndex.FromShape(rule, pageBytes, preorder);
}
