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
        Count = other.Count;
    }

    internal int Root
    {
        get => At(0)->Right;
        private set => At(0)->Right = value;
    }

    internal int Count { get; private set; }

    internal long UsedBytes => _arena.UsedBytes;

    /// <summary>Where id 0 is; the others are as many bytes behind it as they say. Changes only in <see cref="Reserve"/>.</summary>
    internal byte* Memory { get; private set; }

    /// <summary>How many insertions move no node in memory.</summary>
    internal int Spare
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _arena.Spare;
    }

    internal BlockShapeTree Clone() => new(this);

    /// <summary>A node by its id.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal BlockNode* At(int id) => unchecked((BlockNode*)(Memory + id));

    /// <summary>Makes sure that so many insertions move no node in memory.</summary>
    internal void Reserve(int nodes)
    {
        _arena.Reserve(nodes);
        Memory = _arena.Base;
    }

    /// <summary>Takes the links of a tree that was read; returns the id of each node by its index.</summary>
    internal int[] Load(ReadOnlySpan<FreeTreeNode> preorder, FreeTreeShape shape, int pageShift)
    {
        int[] ids = new int[preorder.Length];
        Reserve(shape.Count + 1);
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

        (Root, Count) = (ids[0], shape.Count);
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
    private int InsertBeside(long start, long end, int neighbour, int side)
    {
        int node = Link(neighbour, side);
        if (node == 0)
        {
            return Insert(start, end, neighbour, side);
        }

        side ^= 1;
        for (int next = node; next != 0; next = Link(node, side))
        {
            node = next;
        }

        return Insert(start, end, node, side);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Insert(long start, long end, int parent, int side)
    {
        unchecked
        {
            int id = _arena.Take();
            *At(id) = new() { Start = start, End = end, Parent = parent };
            Count++;
            Link(parent, side) = id;
            if (At(parent)->IsBlack == 0)
            {
                BalanceAfterInsert(id);
            }
            else if (parent == 0)
            {
                At(id)->IsBlack = 1;
            }

            return id;
        }
    }

    /// <summary>The block with the greatest start not above the page; 0 if there is none.</summary>
    internal int AtOrBelow(long page)
    {
        int best = 0;
        for (int node = Root; node != 0;)
        {
            bool below = At(node)->Start <= page;
            best = below ? node : best;
            node = Link(node, below ? 1 : 0);
        }

        return best;
    }

    /// <summary>The block with the smallest start above the page; 0 if there is none.</summary>
    internal int Above(long page)
    {
        int best = 0;
        for (int node = Root; node != 0;)
        {
            bool above = At(node)->Start > page;
            best = above ? node : best;
            node = Link(node, above ? 0 : 1);
        }

        return best;
    }

    /// <summary>Takes a block out, rebalances, and frees its id.</summary>
    internal void Erase(int id)
    {
        unchecked
        {
            BlockNode* erased = At(id);
            (int left, int right, int parent) = (erased->Left, erased->Right, erased->Parent);
            int side = SideOf(id, parent);
            int hollow;   // where a black node is missing below afterwards
            if (left == 0 || right == 0)
            {
                int child = left | right;
                Link(parent, side) = child;
                At(child)->Parent = parent;
                At(child)->IsBlack |= erased->IsBlack;   // a child on its own is red, and takes the colour; none is black
                hollow = child == 0 && erased->IsBlack != 0 ? parent : 0;
            }
            else
            {
                int heir = right;
                int above = right;   // the parent of the gap that the heir leaves behind
                int gapSide = 1;
                for (int next = At(heir)->Left; next != 0; next = At(heir)->Left)
                {
                    above = heir;
                    heir = next;
                    gapSide = 0;
                }

                BlockNode* node = At(heir);
                int orphan = node->Right;
                if (gapSide == 0)
                {
                    At(above)->Left = orphan;
                    node->Right = right;
                    At(right)->Parent = heir;
                }
                else
                {
                    above = heir;
                }

                At(orphan)->Parent = above;
                hollow = orphan == 0 && node->IsBlack != 0 ? above : 0;
                At(orphan)->IsBlack = 1;
                node->Left = left;
                At(left)->Parent = heir;
                Link(parent, side) = heir;
                (node->Parent, node->IsBlack) = (parent, erased->IsBlack);
            }

            Count--;
            _arena.Return(id);
            if (hollow != 0)
            {
                BalanceAfterErase(hollow);
            }
        }
    }

    /// <summary>Which child of its parent a node is: 0 left, 1 right. The root is the right one of 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int SideOf(int id, int parent) => At(parent)->Left == id ? 0 : 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref int Link(int id, int side) => ref unchecked(((int*)(Memory + id))[FirstLink + side]);

    private void BalanceAfterInsert(int node)
    {
        unchecked
        {
            while (true)
            {
                int parent = At(node)->Parent;
                if (At(parent)->IsBlack != 0)
                {
                    At(node)->IsBlack |= parent == 0 ? 1 : 0;
                    return;
                }

                int grandparent = At(parent)->Parent;
                int side = SideOf(parent, grandparent);
                int uncle = Link(grandparent, side ^ 1);
                if (At(uncle)->IsBlack == 0)
                {
                    (At(uncle)->IsBlack, At(parent)->IsBlack, At(grandparent)->IsBlack) = (1, 1, 0);
                    node = grandparent;
                    continue;
                }

                if (Link(parent, side ^ 1) == node)
                {
                    TurnOverBoth(node, parent, grandparent, side);
                    parent = node;
                }
                else
                {
                    TurnOver(parent, grandparent, side);
                }

                (At(parent)->IsBlack, At(grandparent)->IsBlack) = (1, 0);
                return;
            }
        }
    }

    private void BalanceAfterErase(int parent)
    {
        unchecked
        {
            int node = 0;
            while (true)
            {
                int side = At(parent)->Right == node ? 0 : 1;   // where the sibling is
                int sibling = Link(parent, side);
                if (At(sibling)->IsBlack == 0)
                {
                    TurnOver(sibling, parent, side);
                    (At(sibling)->IsBlack, At(parent)->IsBlack) = (1, 0);
                    sibling = Link(parent, side);
                }

                int outer = Link(sibling, side);
                if (At(outer)->IsBlack != 0)
                {
                    int inner = Link(sibling, side ^ 1);
                    if (At(inner)->IsBlack != 0)
                    {
                        At(sibling)->IsBlack = 0;
                        if (At(parent)->IsBlack == 0)
                        {
                            At(parent)->IsBlack = 1;
                            return;
                        }

                        node = parent;
                        parent = At(node)->Parent;
                        if (parent == 0)
                        {
                            return;
                        }

                        continue;
                    }

                    TurnOver(inner, sibling, side ^ 1);
                    (outer, sibling) = (sibling, inner);
                }

                TurnOver(sibling, parent, side);
                At(sibling)->IsBlack = At(parent)->IsBlack;
                (At(parent)->IsBlack, At(outer)->IsBlack) = (1, 1);
                return;
            }
        }
    }

    /// <summary>Turns a node over its parent, of which it is the child on a side; colours stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TurnOver(int node, int parent, int side)
    {
        int middle = Link(node, side ^ 1);
        int above = At(parent)->Parent;
        Link(above, SideOf(parent, above)) = node;
        At(node)->Parent = above;
        Link(parent, side) = middle;
        At(middle)->Parent = parent;
        Link(node, side ^ 1) = parent;
        At(parent)->Parent = node;
    }

    /// <summary>Turns an inner grandchild over its parent and then over its grandparent: loads first, then stores.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TurnOverBoth(int node, int parent, int grandparent, int side)
    {
        int toParent = Link(node, side);
        int toGrandparent = Link(node, side ^ 1);
        int above = At(grandparent)->Parent;
        Link(above, SideOf(grandparent, above)) = node;
        At(node)->Parent = above;
        Link(parent, side ^ 1) = toParent;
        At(toParent)->Parent = parent;
        Link(grandparent, side) = toGrandparent;
        At(toGrandparent)->Parent = grandparent;
        Link(node, side) = parent;
        Link(node, side ^ 1) = grandparent;
        At(parent)->Parent = node;
        At(grandparent)->Parent = node;
    }
}
