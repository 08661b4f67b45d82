using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>Makes structures of free blocks.</summary>
public static class FreeSpaces
{
    /// <summary>The free space of a kernel that has allocated nothing yet: one block [1, <paramref name="lastAddress"/>).</summary>
    public static IFreeSpace Empty(FreeSearchRule rule, ulong pageBytes, ulong lastAddress) =>
        new AreaIndex(rule, pageBytes, lastAddress);

    /// <summary>The free space whose tree was read from a running kernel.</summary>
    /// <param name="rule">The search rule of that kernel.</param>
    /// <param name="pageBytes">Its page size.</param>
    /// <param name="preorder">Every node in preorder, with the missing children.</param>
    /// <exception cref="ArgumentException">It is no such tree; the message names the node.</exception>
    public static IFreeSpace FromShape(FreeSearchRule rule, ulong pageBytes, ReadOnlySpan<FreeTreeNode> preorder) =>
        AreaIndex.FromShape(rule, pageBytes, preorder);
}
