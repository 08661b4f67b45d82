using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

/// <summary>A free block: its pages and its place in the kernel's red-black tree.</summary>
/// <remarks>32 bytes: two share a cache line.</remarks>
internal struct BlockNode
{
    internal long Start;
    internal long End;
    internal int Left;
    internal int Right;
    internal int Parent;
    internal int IsBlack;
}

/// <summary>The kernel's red-black tree of free blocks, kept for its shape alone: no maxima, no searches by size.</summary>
/// <remarks>
/// <para>
/// The same choices as <see cref="AddressTree{TUpkeep}"/>, on 32-bit ids in one piece of memory. Source: lib/rbtree.c,
/// include/linux/rbtree_augmented.h.
/// </para>
/// <para>
/// Which side of its parent a node is on is a matter of luck that no branch predictor guesses, so sides are computed: side 0
/// is left, side 1 right, and one code serves both. Id 0 stands for "none": it reads as a black node, may be told any
/// parent, and holds the root as its right child, so that links are changed without asking whether there is a node.
/// </para>
/// </remarks>
internal sealed unsafe class BlockShapeTree
{
    private const int FirstLink = 4;   // the links in words of four bytes from the start of a node
    private readonly SlotArena _arena;

    internal BlockShapeTree()
    {
        _arena = new(sizeof(BlockNode), capacity: 64);
        Memory = _arena.Base;
        *At(0) = new() { IsBlack = 1 };
    }

    private BlockShapeTree(BlockShapeTree other)
    {
        _arena = other._arena.Clone();
        Memory = _arena.Base;
    }

    internal int Root
    {
        get => At(0)->Right;
        private set => At(0)->Right = value;
    }

    internal int Count => _arena.Taken;

    internal long UsedBytes => _arena.UsedBytes;

    /// <summary>Where id 0 is; the others are as many bytes behind it as they say. Changes when a block is added.</summary>
    internal byte* Memory { get; private set; }

    internal BlockShapeTree Clone() => new(this);

    /// <summary>A node by its id.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal BlockNode* At(int id) => unchecked((BlockNode*)(Memory + id));

    /// <summary>Takes the links of a tree that was read; returns the id of each node by its index.</summary>
    internal int[] Load(ReadOnlySpan<FreeTreeNode> preorder, FreeTreeShape shape, int pageShift)
    {
        int[] ids = new int[preorder.Length];
        _arena.Reserve(shape.Count);
        Memory = _arena.Base;
        for (int index = 0; index < ids.Length; index++)
        {
            ids[index] = preorder[index].IsMissing ? 0 : _arena.Take();
        }

        int Id(int index) => index == FreeTreeShape.None ? 0 : ids[index];
        for (int index = 0; index < ids.Length; index++)
        {
            if (ids[index] != 0)
            {
                FreeTreeNode read = preorder[index];
                *At(ids[index]) = new()
                {
                    Start = (long)(read.Start >> pageShift),
                    End = (long)(read.End >> pageShift) + (read.End % (1UL << pageShift) == 0 ? 0 : 1),
                    Left = Id(shape.Left[index]),
                    Right = Id(shape.Right[index]),
                    Parent = Id(shape.Parent[index]),
                    IsBlack = read.IsBlack ? 1 : 0,
                };
            }
        }

        Root = ids[0];
        return ids;
    }

    /// <summary>Makes a block the root of the empty tree; returns its id.</summary>
    internal int InsertFirst(long start, long end) => Insert(start, end, parent: 0, side: 1);

    /// <summary>Adds a block directly before <paramref name="next"/> in address order.</summary>
    internal int InsertBefore(long start, long end, int next) => InsertBeside(start, end, next, side: 0);

    /// <summary>Adds a block directly behind <paramref name="previous"/> in address order.</summary>
    internal int InsertAfter(long start, long end, int previous) => InsertBeside(start, end, previous, side: 1);

    /// <summary>Adds a block directly before (0) or behind (1) another: there, or else where the next one has room.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int InsertBeside(long start, long end, nint neighbour, nint side)
    {
        byte* memory = Memory;
        nint node = Link(memory, neighbour, side);
        if (node == 0)
        {
            return Insert(start, end, neighbour, side);
        }

        side ^= 1;
        for (nint next = node; next != 0; next = Link(memory, node, side))
        {
            node = next;
        }

        return Insert(start, end, node, side);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Insert(long start, long end, nint parent, nint side)
    {
        unchecked
        {
            int id = _arena.Take();
            byte* memory = _arena.Base;
            Memory = memory;
            BlockNode* node = At(memory, id);
            node->Start = start;
            node->End = end;
            node->Left = 0;
            node->Right = 0;
            node->Parent = (int)parent;
            node->IsBlack = 0;
            Link(memory, parent, side) = id;
            if (At(memory, parent)->IsBlack == 0)
            {
                BalanceAfterInsert(id);
            }
            else if (parent == 0)
            {
                node->IsBlack = 1;
            }

            return id;
        }
    }

    // Searches by address do branch: most of them look for the top of a window, again and again.

    /// <summary>The block with the greatest start not above the page; 0 if there is none.</summary>
    internal int AtOrBelow(long page)
    {
        byte* memory = Memory;
        nint best = 0;
        for (nint node = Root; node != 0;)
        {
            if (At(memory, node)->Start <= page)
            {
                best = node;
                node = At(memory, node)->Right;
            }
            else
            {
                node = At(memory, node)->Left;
            }
        }

        return (int)best;
    }

    /// <summary>The block with the smallest start above the page; 0 if there is none.</summary>
    internal int Above(long page)
    {
        byte* memory = Memory;
        nint best = 0;
        for (nint node = Root; node != 0;)
        {
            if (At(memory, node)->Start > page)
            {
                best = node;
                node = At(memory, node)->Left;
            }
            else
            {
                node = At(memory, node)->Right;
            }
        }

        return (int)best;
    }

    /// <summary>Takes a block out, rebalances, and frees its id.</summary>
    internal void Erase(int id)
    {
        unchecked
        {
            byte* memory = Memory;
            BlockNode* erased = At(memory, id);
            (nint left, nint right, nint parent) = (erased->Left, erased->Right, erased->Parent);
            int isBlack = erased->IsBlack;
            nint side = SideOf(memory, id, parent);
            nint hollow = 0;   // where a black node is missing below afterwards
            if (left == 0 || right == 0)
            {
                // A child on its own is red and takes the colour.
                nint child = left | right;
                Link(memory, parent, side) = (int)child;
                At(memory, child)->Parent = (int)parent;
                At(memory, child)->IsBlack |= isBlack;
                hollow = child == 0 && isBlack != 0 ? parent : 0;
            }
            else
            {
                nint heir = right;
                nint above = 0;   // the parent of the gap that the heir leaves behind
                for (nint next = At(memory, heir)->Left; next != 0; next = At(memory, heir)->Left)
                {
                    above = heir;
                    heir = next;
                }

                BlockNode* node = At(memory, heir);
                nint orphan = node->Right;
                if (above != 0)
                {
                    At(memory, above)->Left = (int)orphan;
                    node->Right = (int)right;
                    At(memory, right)->Parent = (int)heir;
                }
                else
                {
                    above = heir;
                }

                hollow = orphan == 0 && node->IsBlack != 0 ? above : 0;
                At(memory, orphan)->Parent = (int)above;
                At(memory, orphan)->IsBlack = 1;
                node->Left = (int)left;
                At(memory, left)->Parent = (int)heir;
                node->Parent = (int)parent;
                node->IsBlack = isBlack;
                Link(memory, parent, side) = (int)heir;
            }

            _arena.Return(id);
            if (hollow != 0)
            {
                BalanceAfterErase(memory, hollow);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static BlockNode* At(byte* memory, nint id) => unchecked((BlockNode*)(memory + id));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref int Link(byte* memory, nint id, nint side) => ref unchecked(((int*)(memory + id))[FirstLink + side]);

    /// <summary>Which child of its parent a node is: 0 left, 1 right. The root is the right one of 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint SideOf(byte* memory, nint id, nint parent) => At(memory, parent)->Left == id ? 0 : 1;

    private void BalanceAfterInsert(nint node)
    {
        unchecked
        {
            byte* memory = Memory;
            while (true)
            {
                nint parent = At(memory, node)->Parent;
                if (At(memory, parent)->IsBlack != 0)
                {
                    At(memory, node)->IsBlack |= parent == 0 ? 1 : 0;
                    return;
                }

                nint grandparent = At(memory, parent)->Parent;
                nint left = At(memory, grandparent)->Left;
                nint uncle = left ^ parent ^ At(memory, grandparent)->Right;   // does not wait for the side
                nint side = left == parent ? 0 : 1;
                if (At(memory, uncle)->IsBlack == 0)
                {
                    At(memory, uncle)->IsBlack = 1;
                    At(memory, parent)->IsBlack = 1;
                    At(memory, grandparent)->IsBlack = 0;
                    node = grandparent;
                    continue;
                }

                if (Link(memory, parent, side ^ 1) == node)
                {
                    TurnOverBoth(memory, node, parent, grandparent, side);
                    parent = node;
                }
                else
                {
                    TurnOver(memory, parent, grandparent, side);
                }

                At(memory, parent)->IsBlack = 1;
                At(memory, grandparent)->IsBlack = 0;
                return;
            }
        }
    }

    private static void BalanceAfterErase(byte* memory, nint parent)
    {
        unchecked
        {
            nint node = 0;
            while (true)
            {
                nint right = At(memory, parent)->Right;
                nint side = right == node ? 0 : 1;   // where the sibling is
                nint sibling = right ^ node ^ At(memory, parent)->Left;
                if (At(memory, sibling)->IsBlack == 0)
                {
                    TurnOver(memory, sibling, parent, side);
                    At(memory, sibling)->IsBlack = 1;
                    At(memory, parent)->IsBlack = 0;
                    sibling = Link(memory, parent, side);
                }

                nint outer = Link(memory, sibling, side);
                if (At(memory, outer)->IsBlack != 0)
                {
                    nint inner = Link(memory, sibling, side ^ 1);
                    if (At(memory, inner)->IsBlack != 0)
                    {
                        At(memory, sibling)->IsBlack = 0;
                        if (At(memory, parent)->IsBlack == 0)
                        {
                            At(memory, parent)->IsBlack = 1;
                            return;
                        }

                        node = parent;
                        parent = At(memory, node)->Parent;
                        if (parent == 0)
                        {
                            return;
                        }

                        continue;
                    }

                    TurnOver(memory, inner, sibling, side ^ 1);
                    outer = sibling;
                    sibling = inner;
                }

                TurnOver(memory, sibling, parent, side);
                At(memory, sibling)->IsBlack = At(memory, parent)->IsBlack;
                At(memory, parent)->IsBlack = 1;
                At(memory, outer)->IsBlack = 1;
                return;
            }
        }
    }

    /// <summary>Turns a node over its parent, of which it is the child on a side; colours stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnOver(byte* memory, nint node, nint parent, nint side)
    {
        unchecked
        {
            nint middle = Link(memory, node, side ^ 1);
            nint above = At(memory, parent)->Parent;
            Link(memory, above, SideOf(memory, parent, above)) = (int)node;
            At(memory, node)->Parent = (int)above;
            Link(memory, parent, side) = (int)middle;
            At(memory, middle)->Parent = (int)parent;
            Link(memory, node, side ^ 1) = (int)parent;
            At(memory, parent)->Parent = (int)node;
        }
    }

    /// <summary>Turns an inner grandchild over its parent and then over its grandparent: loads first, then stores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnOverBoth(byte* memory, nint node, nint parent, nint grandparent, nint side)
    {
        unchecked
        {
            nint toParent = Link(memory, node, side);
            nint toGrandparent = Link(memory, node, side ^ 1);
            nint above = At(memory, grandparent)->Parent;
            Link(memory, above, SideOf(memory, grandparent, above)) = (int)node;
            At(memory, node)->Parent = (int)above;
            Link(memory, parent, side ^ 1) = (int)toParent;
            At(memory, toParent)->Parent = (int)parent;
            Link(memory, grandparent, side) = (int)toGrandparent;
            At(memory, toGrandparent)->Parent = (int)grandparent;
            Link(memory, node, side) = (int)parent;
            Link(memory, node, side ^ 1) = (int)grandparent;
            At(memory, parent)->Parent = (int)node;
            At(memory, grandparent)->Parent = (int)node;
        }
    }
}
