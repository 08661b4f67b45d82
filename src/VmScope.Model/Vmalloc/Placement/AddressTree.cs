using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

/// <summary>A range of addresses as a node of an <see cref="AddressTree{TUpkeep}"/> (the kernel's <c>vmap_area</c>).</summary>
internal sealed class AddressNode
{
    internal ulong Start;
    internal ulong End;

    /// <summary>The largest range of the subtree, in bytes (the kernel's <c>subtree_max_size</c>), where it is kept.</summary>
    internal ulong SubtreeMax;

    internal AddressNode? Parent;
    internal AddressNode? Left;
    internal AddressNode? Right;
    internal bool IsBlack;

    // The list of the same nodes in address order.
    internal AddressNode? Previous;
    internal AddressNode? Next;

    internal ulong Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => End - Start;
    }

    internal FreeBlock Block => new(Start, End);
}

/// <summary>What a tree keeps per subtree. A struct, so that a tree that keeps nothing pays nothing.</summary>
internal interface ISubtreeUpkeep
{
    /// <summary>Makes the values right from <paramref name="node"/> up to the root.</summary>
    static abstract void Refresh(AddressNode? node);

    /// <summary><paramref name="above"/> has just taken the place of <paramref name="below"/>, now its child.</summary>
    static abstract void Rotated(AddressNode below, AddressNode above);

    /// <summary><paramref name="heir"/> has taken the place of <paramref name="removed"/>.</summary>
    static abstract void Replaced(AddressNode removed, AddressNode heir);
}

/// <summary>Keeps nothing: the tree of busy areas.</summary>
internal readonly struct NoUpkeep : ISubtreeUpkeep
{
    public static void Refresh(AddressNode? node)
    {
    }

    public static void Rotated(AddressNode below, AddressNode above)
    {
    }

    public static void Replaced(AddressNode removed, AddressNode heir)
    {
    }
}

/// <summary>Keeps the largest range of each subtree: the tree of free blocks.</summary>
internal readonly struct LargestUpkeep : ISubtreeUpkeep
{
    public static void Refresh(AddressNode? node)
    {
        for (; node is not null; node = node.Parent)
        {
            ulong max = LargestOf(node);
            if (node.SubtreeMax == max)
            {
                return;   // nothing above can have changed either
            }

            node.SubtreeMax = max;
        }
    }

    public static void Rotated(AddressNode below, AddressNode above)
    {
        above.SubtreeMax = below.SubtreeMax;   // the same set of nodes as before
        below.SubtreeMax = LargestOf(below);
    }

    public static void Replaced(AddressNode removed, AddressNode heir) => heir.SubtreeMax = removed.SubtreeMax;

    internal static ulong LargestOf(AddressNode node)
    {
        ulong max = node.Size;
        if (node.Left is { } left && left.SubtreeMax > max)
        {
            max = left.SubtreeMax;
        }

        if (node.Right is { } right && right.SubtreeMax > max)
        {
            max = right.SubtreeMax;
        }

        return max;
    }
}

/// <summary>A red-black tree of address ranges that balances itself as the kernel's does, rotation for rotation.</summary>
/// <remarks>
/// The shape decides where aligned areas go, so every choice a textbook leaves open is made as the kernel makes it.
/// Source: lib/rbtree.c, __rb_insert(), ____rb_erase_color(); include/linux/rbtree_augmented.h, __rb_erase_augmented();
/// the same in 5.2 to 7.1.
/// </remarks>
/// <typeparam name="TUpkeep">What is kept per subtree.</typeparam>
internal sealed class AddressTree<TUpkeep> where TUpkeep : struct, ISubtreeUpkeep
{
    internal AddressNode? Root { get; set; }

    internal AddressNode? First { get; set; }

    internal int Count { get; set; }

    /// <summary>Finds the leaf position for a range that overlaps none in the tree.</summary>
    /// <returns>The parent (null in an empty tree) and the side; false when the range overlaps one of the tree.</returns>
    internal bool TryFindPlace(ulong start, ulong end, out AddressNode? parent, out bool isLeft)
    {
        AddressNode? node = Root;
        (parent, isLeft) = (null, false);
        while (node is not null)
        {
            parent = node;
            if (end <= node.Start)
            {
                isLeft = true;
                node = node.Left;
            }
            else if (start >= node.End)
            {
                isLeft = false;
                node = node.Right;
            }
            else
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The node with the greatest start not above the address.</summary>
    internal AddressNode? AtOrBelow(ulong address)
    {
        AddressNode? best = null;
        for (AddressNode? node = Root; node is not null;)
        {
            if (node.Start <= address)
            {
                best = node;
                node = node.Right;
            }
            else
            {
                node = node.Left;
            }
        }

        return best;
    }

    /// <summary>The node that contains the address.</summary>
    internal AddressNode? Find(ulong address)
    {
        AddressNode? node = Root;
        while (node is not null)
        {
            if (address < node.Start)
            {
                node = node.Left;
            }
            else if (address >= node.End)
            {
                node = node.Right;
            }
            else
            {
                break;
            }
        }

        return node;
    }

    /// <summary>Makes <paramref name="node"/> a leaf at a place that <see cref="TryFindPlace"/> gave, and rebalances.</summary>
    internal void Insert(AddressNode node, AddressNode? parent, bool isLeft)
    {
        (node.Parent, node.Left, node.Right, node.IsBlack) = (parent, null, null, false);
        AddressNode? previous;
        if (parent is null)
        {
            Root = node;
            previous = null;
        }
        else if (isLeft)
        {
            parent.Left = node;
            previous = parent.Previous;
        }
        else
        {
            parent.Right = node;
            previous = parent;
        }

        Link(node, previous);
        Count++;
        node.SubtreeMax = 0;
        TUpkeep.Refresh(node);
        BalanceAfterInsert(node);
    }

    /// <summary>Takes a node out and rebalances. The node itself stays as it was, apart from being in no tree.</summary>
    internal void Erase(AddressNode node)
    {
        AddressNode? hollow;   // where a black node is missing below afterwards
        if (node.Left is null || node.Right is null)
        {
            AddressNode? child = node.Left ?? node.Right;
            AddressNode? parent = node.Parent;
            Replace(node, child);
            hollow = null;
            if (child is not null)
            {
                (child.Parent, child.IsBlack) = (parent, node.IsBlack);
            }
            else if (node.IsBlack)
            {
                hollow = parent;
            }

            TUpkeep.Refresh(parent);
        }
        else
        {
            hollow = ReplaceBySuccessor(node);
        }

        if (hollow is not null)
        {
            BalanceAfterErase(hollow);
        }

        Unlink(node);
        Count--;
    }

    private AddressNode? ReplaceBySuccessor(AddressNode node)
    {
        AddressNode heir = node.Right!;
        AddressNode parent = heir;   // of the gap the heir leaves behind
        AddressNode? orphan;
        if (heir.Left is null)
        {
            orphan = heir.Right;
        }
        else
        {
            do
            {
                parent = heir;
                heir = heir.Left;
            }
            while (heir.Left is not null);

            orphan = heir.Right;
            parent.Left = orphan;
            heir.Right = node.Right;
            node.Right!.Parent = heir;
        }

        heir.Left = node.Left;
        node.Left!.Parent = heir;
        Replace(node, heir);
        bool heirWasBlack = heir.IsBlack;
        (heir.Parent, heir.IsBlack) = (node.Parent, node.IsBlack);
        TUpkeep.Replaced(node, heir);
        TUpkeep.Refresh(parent);
        TUpkeep.Refresh(heir);
        if (orphan is not null)
        {
            (orphan.Parent, orphan.IsBlack) = (parent, true);
            return null;
        }

        return heirWasBlack ? parent : null;
    }

    private void BalanceAfterInsert(AddressNode node)
    {
        while (true)
        {
            AddressNode? parent = node.Parent;
            if (parent is null)
            {
                node.IsBlack = true;
                return;
            }

            if (parent.IsBlack)
            {
                return;
            }

            AddressNode grandparent = parent.Parent!;   // red nodes are never the root
            bool parentIsLeft = parent == grandparent.Left;
            AddressNode? uncle = parentIsLeft ? grandparent.Right : grandparent.Left;
            if (uncle is { IsBlack: false })
            {
                (uncle.IsBlack, parent.IsBlack, grandparent.IsBlack) = (true, true, false);
                node = grandparent;
                continue;
            }

            if (node == (parentIsLeft ? parent.Right : parent.Left))
            {
                RotateUp(node);
                parent = node;
            }

            RotateUp(parent);
            (parent.IsBlack, grandparent.IsBlack) = (true, false);
            return;
        }
    }

    /// <summary>Repairs a tree in which one side below <paramref name="parent"/>, an empty one, lacks a black node.</summary>
    private void BalanceAfterErase(AddressNode parent)
    {
        AddressNode? node = null;
        while (true)
        {
            bool isLeft = node != parent.Right;
            AddressNode sibling = isLeft ? parent.Right! : parent.Left!;
            if (!sibling.IsBlack)
            {
                RotateUp(sibling);
                (sibling.IsBlack, parent.IsBlack) = (true, false);
                sibling = isLeft ? parent.Right! : parent.Left!;
            }

            AddressNode? outer = isLeft ? sibling.Right : sibling.Left;
            if (outer is null or { IsBlack: true })
            {
                AddressNode? inner = isLeft ? sibling.Left : sibling.Right;
                if (inner is null or { IsBlack: true })
                {
                    sibling.IsBlack = false;
                    if (!parent.IsBlack)
                    {
                        parent.IsBlack = true;
                        return;
                    }

                    node = parent;
                    if (node.Parent is null)
                    {
                        return;
                    }

                    parent = node.Parent;
                    continue;
                }

                RotateUp(inner);
                (outer, sibling) = (sibling, inner);
            }

            RotateUp(sibling);
            sibling.IsBlack = parent.IsBlack;
            (parent.IsBlack, outer.IsBlack) = (true, true);
            return;
        }
    }

    /// <summary>Turns a node over its parent; colours stay.</summary>
    private void RotateUp(AddressNode node)
    {
        AddressNode parent = node.Parent!;
        AddressNode? middle;
        if (node == parent.Left)
        {
            middle = node.Right;
            (parent.Left, node.Right) = (middle, parent);
        }
        else
        {
            middle = node.Left;
            (parent.Right, node.Left) = (middle, parent);
        }

        if (middle is not null)
        {
            middle.Parent = parent;
        }

        Replace(parent, node);
        node.Parent = parent.Parent;
        parent.Parent = node;
        TUpkeep.Rotated(parent, node);
    }

    /// <summary>Lets the parent of <paramref name="old"/> point at <paramref name="heir"/>.</summary>
    private void Replace(AddressNode old, AddressNode? heir)
    {
        if (old.Parent is not { } parent)
        {
            Root = heir;
        }
        else if (parent.Left == old)
        {
            parent.Left = heir;
        }
        else
        {
            parent.Right = heir;
        }
    }

    private void Link(AddressNode node, AddressNode? previous)
    {
        AddressNode? next = previous is null ? First : previous.Next;
        (node.Previous, node.Next) = (previous, next);
        if (previous is null)
        {
            First = node;
        }
        else
        {
            previous.Next = node;
        }

        if (next is not null)
        {
            next.Previous = node;
        }
    }

    private void Unlink(AddressNode node)
    {
        if (node.Previous is { } previous)
        {
            previous.Next = node.Next;
        }
        else
        {
            First = node.Next;
        }

        if (node.Next is { } next)
        {
            next.Previous = node.Previous;
        }
    }
}
