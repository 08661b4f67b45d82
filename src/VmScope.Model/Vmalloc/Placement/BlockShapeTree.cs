using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

/// <summary>A free block: its pages and its place in the kernel's red-black tree.</summary>
/// <remarks>32 bytes: two share a cache line. Id 0 stands for "none" and reads as a black node.</remarks>
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
/// The same choices as <see cref="AddressTree{TUpkeep}"/>, on 32-bit ids in one piece of memory. Source: lib/rbtree.c,
/// include/linux/rbtree_augmented.h.
/// </remarks>
internal sealed unsafe class BlockShapeTree
{
    private readonly SlotArena _arena;
    private BlockNode* _nodes;

    internal BlockShapeTree()
    {
        _arena = new(sizeof(BlockNode), unitShift: 5, capacity: 64);
        _nodes = (BlockNode*)_arena.Base;
        _nodes[0] = new() { IsBlack = 1 };
    }

    private BlockShapeTree(BlockShapeTree other)
    {
        _arena = other._arena.Clone();
        _nodes = (BlockNode*)_arena.Base;
        (Root, Count) = (other.Root, other.Count);
    }

    internal int Root { get; private set; }

    internal int Count { get; private set; }

    internal long UsedBytes => _arena.UsedBytes;

    /// <summary>All nodes by id; valid until the next <see cref="Reserve"/>.</summary>
    internal BlockNode* Nodes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _nodes;
    }

    internal BlockShapeTree Clone() => new(this);

    /// <summary>How many insertions move no node in memory.</summary>
    internal int Spare
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _arena.Spare;
    }

    /// <summary>Makes sure that so many insertions move no node in memory.</summary>
    internal void Reserve(int nodes)
    {
        _arena.Reserve(nodes);
        _nodes = (BlockNode*)_arena.Base;
    }

    /// <summary>Takes the links of a tree that was read; returns the id of each node by its index.</summary>
    internal int[] Load(ReadOnlySpan<FreeTreeNode> preorder, FreeTreeShape shape, int pageShift)
    {
        int[] ids = new int[preorder.Length];
        Reserve(shape.Count);
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
                _nodes[ids[index]] = new()
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

    /// <summary>Adds a block below <paramref name="parent"/> (0 in an empty tree) and rebalances; returns its id.</summary>
    internal int Insert(long start, long end, int parent, bool isLeft)
    {
        unchecked
        {
            int id = _arena.Take();
            BlockNode* nodes = _nodes;
            nodes[id] = new() { Start = start, End = end, Parent = parent };
            Count++;
            if (parent == 0)
            {
                Root = id;
            }
            else if (isLeft)
            {
                nodes[parent].Left = id;
            }
            else
            {
                nodes[parent].Right = id;
            }

            BalanceAfterInsert(id);
            return id;
        }
    }

    /// <summary>Adds a block directly before <paramref name="next"/> in address order.</summary>
    internal int InsertBefore(long start, long end, int next)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int node = nodes[next].Left;
            if (node == 0)
            {
                return Insert(start, end, next, isLeft: true);
            }

            while (nodes[node].Right != 0)
            {
                node = nodes[node].Right;
            }

            return Insert(start, end, node, isLeft: false);
        }
    }

    /// <summary>Adds a block directly behind <paramref name="previous"/> in address order.</summary>
    internal int InsertAfter(long start, long end, int previous)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int node = nodes[previous].Right;
            if (node == 0)
            {
                return Insert(start, end, previous, isLeft: false);
            }

            while (nodes[node].Left != 0)
            {
                node = nodes[node].Left;
            }

            return Insert(start, end, node, isLeft: true);
        }
    }

    /// <summary>The block with the greatest start not above the page; 0 if there is none.</summary>
    internal int AtOrBelow(long page)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int best = 0;
            for (int node = Root; node != 0;)
            {
                bool below = nodes[node].Start <= page;
                best = below ? node : best;
                node = below ? nodes[node].Right : nodes[node].Left;
            }

            return best;
        }
    }

    /// <summary>The block with the smallest start above the page; 0 if there is none.</summary>
    internal int Above(long page)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int best = 0;
            for (int node = Root; node != 0;)
            {
                bool above = nodes[node].Start > page;
                best = above ? node : best;
                node = above ? nodes[node].Left : nodes[node].Right;
            }

            return best;
        }
    }

    /// <summary>Takes a block out, rebalances, and frees its id.</summary>
    internal void Erase(int id)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            (int left, int right, int parent) = (nodes[id].Left, nodes[id].Right, nodes[id].Parent);
            int hollow = 0;   // where a black node is missing below afterwards
            if (left == 0 || right == 0)
            {
                int child = left | right;
                Replace(id, child);
                if (child != 0)
                {
                    (nodes[child].Parent, nodes[child].IsBlack) = (parent, nodes[id].IsBlack);
                }
                else if (nodes[id].IsBlack != 0)
                {
                    hollow = parent;
                }
            }
            else
            {
                int heir = right;
                int above = heir;   // the parent of the gap that the heir leaves behind
                if (nodes[heir].Left != 0)
                {
                    do
                    {
                        above = heir;
                        heir = nodes[heir].Left;
                    }
                    while (nodes[heir].Left != 0);

                    nodes[above].Left = nodes[heir].Right;
                    nodes[heir].Right = right;
                    int orphanBelow = nodes[above].Left;
                    nodes[right].Parent = heir;
                    hollow = TakeOverOrphan(orphanBelow, above, nodes[heir].IsBlack);
                }
                else
                {
                    hollow = TakeOverOrphan(nodes[heir].Right, above, nodes[heir].IsBlack);
                }

                nodes[heir].Left = left;
                nodes[left].Parent = heir;
                Replace(id, heir);
                (nodes[heir].Parent, nodes[heir].IsBlack) = (parent, nodes[id].IsBlack);
            }

            if (hollow != 0)
            {
                BalanceAfterErase(hollow);
            }

            Count--;
            _arena.Return(id);
        }
    }

    /// <summary>Gives the heir's only child its new parent; returns where a black node is missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int TakeOverOrphan(int orphan, int parent, int heirIsBlack)
    {
        unchecked
        {
            if (orphan == 0)
            {
                return heirIsBlack != 0 ? parent : 0;
            }

            (_nodes[orphan].Parent, _nodes[orphan].IsBlack) = (parent, 1);
            return 0;
        }
    }

    private void BalanceAfterInsert(int node)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            while (true)
            {
                int parent = nodes[node].Parent;
                if (parent == 0)
                {
                    nodes[node].IsBlack = 1;
                    return;
                }

                if (nodes[parent].IsBlack != 0)
                {
                    return;
                }

                int grandparent = nodes[parent].Parent;
                bool parentIsLeft = nodes[grandparent].Left == parent;
                int uncle = parentIsLeft ? nodes[grandparent].Right : nodes[grandparent].Left;
                if (nodes[uncle].IsBlack == 0)
                {
                    (nodes[uncle].IsBlack, nodes[parent].IsBlack, nodes[grandparent].IsBlack) = (1, 1, 0);
                    node = grandparent;
                    continue;
                }

                if (node == (parentIsLeft ? nodes[parent].Right : nodes[parent].Left))
                {
                    RotateUp(node);
                    parent = node;
                }

                RotateUp(parent);
                (nodes[parent].IsBlack, nodes[grandparent].IsBlack) = (1, 0);
                return;
            }
        }
    }

    private void BalanceAfterErase(int parent)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int node = 0;
            while (true)
            {
                bool isLeft = node != nodes[parent].Right;
                int sibling = isLeft ? nodes[parent].Right : nodes[parent].Left;
                if (nodes[sibling].IsBlack == 0)
                {
                    RotateUp(sibling);
                    (nodes[sibling].IsBlack, nodes[parent].IsBlack) = (1, 0);
                    sibling = isLeft ? nodes[parent].Right : nodes[parent].Left;
                }

                int outer = isLeft ? nodes[sibling].Right : nodes[sibling].Left;
                if (nodes[outer].IsBlack != 0)
                {
                    int inner = isLeft ? nodes[sibling].Left : nodes[sibling].Right;
                    if (nodes[inner].IsBlack != 0)
                    {
                        nodes[sibling].IsBlack = 0;
                        if (nodes[parent].IsBlack == 0)
                        {
                            nodes[parent].IsBlack = 1;
                            return;
                        }

                        node = parent;
                        parent = nodes[node].Parent;
                        if (parent == 0)
                        {
                            return;
                        }

                        continue;
                    }

                    RotateUp(inner);
                    (outer, sibling) = (sibling, inner);
                }

                RotateUp(sibling);
                nodes[sibling].IsBlack = nodes[parent].IsBlack;
                (nodes[parent].IsBlack, nodes[outer].IsBlack) = (1, 1);
                return;
            }
        }
    }

    /// <summary>Turns a node over its parent; colours stay.</summary>
    private void RotateUp(int node)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int parent = nodes[node].Parent;
            int middle;
            if (nodes[parent].Left == node)
            {
                middle = nodes[node].Right;
                (nodes[parent].Left, nodes[node].Right) = (middle, parent);
            }
            else
            {
                middle = nodes[node].Left;
                (nodes[parent].Right, nodes[node].Left) = (middle, parent);
            }

            if (middle != 0)
            {
                nodes[middle].Parent = parent;
            }

            Replace(parent, node);
            nodes[node].Parent = nodes[parent].Parent;
            nodes[parent].Parent = node;
        }
    }

    /// <summary>Lets the parent of <paramref name="old"/> point at <paramref name="heir"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Replace(int old, int heir)
    {
        unchecked
        {
            BlockNode* nodes = _nodes;
            int parent = nodes[old].Parent;
            if (parent == 0)
            {
                Root = heir;
            }
            else if (nodes[parent].Left == old)
            {
                nodes[parent].Left = heir;
            }
            else
            {
                nodes[parent].Right = heir;
            }
        }
    }
}
