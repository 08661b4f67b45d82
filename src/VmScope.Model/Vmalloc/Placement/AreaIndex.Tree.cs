using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

// Keeping the tree of nodes in order. Nodes fill from the left; a leaf holds areas, an inner node its children with the
// first page and the largest hole below each. The root is an inner node always: a leaf learns where it begins from above.
internal sealed unsafe partial class AreaIndex
{
    private const int FewEntries = 12;      // a node with fewer looks for a neighbour to join,
    private const int JoinedEntries = 26;   // if together they leave some room
    private const int AppendSplit = 31;     // a sequential fill leaves nodes this full behind

    private SlotArena _leaves = null!;
    private SlotArena _inner = null!;
    private byte* _leafMemory;
    private byte* _innerMemory;
    private byte* _blockMemory;
    private byte* _root;
    private int _rootId;
    private int _height;       // of the root; leaves are at level 0

    // Sizes that do not fit their lane, by first page. There are hardly ever any.
    private Dictionary<long, long>? _hugePages;

    private AreaIndex(AreaIndex other)
        : this(other.Rule, other._pageMask + 1, other._lastAddress, other._shape.Clone())
    {
        (_leaves, _inner) = (other._leaves.Clone(), other._inner.Clone());
        (_bottom, _bottomEnd) = (other._bottom, other._bottomEnd);
        (_rootId, _height, AreaCount) = (other._rootId, other._height, other.AreaCount);
        _hugePages = other._hugePages is null ? null : new(other._hugePages);
        FindMemory();
        PlaceCursors();
    }

    private void StartTree(int bottomBlock)
    {
        _leaves = new(LeafNode.Bytes, capacity: 4);
        _inner = new(InnerNode.Bytes, capacity: 2 * HeightMax);
        _rootId = _inner.Take();
        _height = 1;
        FindMemory();
        int leafId = _leaves.Take();
        byte* leaf = LeafAt(leafId);
        LeafNode.Clear(leaf);
        LeafNode.Offsets(leaf)[0] = 0;
        LeafNode.Blocks(leaf)[0] = bottomBlock;
        InnerNode.Clear(_root);
        InnerNode.Insert(_root, -1, start: 0, leafId, hole: 0);
        _bottomEnd = BlockAt(bottomBlock)->End;
        PlaceCursors();
    }

    private void FindMemory()
    {
        _leafMemory = _leaves.Base;
        _innerMemory = _inner.Base;
        _root = InnerAt(_rootId);
        _blockMemory = _shape.Memory;
    }

    /// <summary>Makes sure that the next new leaf, and the inner nodes it may bring, move none in memory.</summary>
    /// <remarks>Called when an operation is through with its pointers, so that none has to ask first.</remarks>
    private void ReserveNodes()
    {
        if (_leaves.Spare < 1 || _inner.Spare < HeightMax)
        {
            long start = AreaStart;
            _leaves.Reserve(1);
            _inner.Reserve(HeightMax);
            FindMemory();
            MoveTo(start);   // the cursor points into the old memory
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* LeafAt(int id) => unchecked(_leafMemory + id);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* InnerAt(int id) => unchecked(_innerMemory + id);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private BlockNode* BlockAt(int id) => unchecked((BlockNode*)(_blockMemory + id));

    /// <summary>The length of an area, which starts at a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long PagesOf(byte* leaf, int lane, long start)
    {
        unchecked
        {
            int pages = LeafNode.Sizes(leaf)[lane];
            return pages != LeafNode.Saturated ? pages : HugePagesAt(start);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long HugePagesAt(long start) => _hugePages![start];

    private int SizeLane(long start, long pages)
    {
        if (pages < LeafNode.Saturated)
        {
            _ = _hugePages?.Remove(start);
            return (int)pages;
        }

        _hugePages ??= [];
        _hugePages[start] = pages;
        return LeafNode.Saturated;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int HoleLane(long pages) => unchecked((int)Math.Min(pages, LeafNode.Saturated));

    /// <summary>Puts an area behind the one moved to, which gets another hole, and moves to it.</summary>
    private void InsertEntry(int holeBefore, int blockBefore, long start, int size, int hole, int block) =>
        InsertEntry(LeafNode.Holes(_leaf)[_lane], holeBefore, blockBefore, start, size, hole, block);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void InsertEntry(int oldHole, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        unchecked
        {
            byte* leaf = _leaf;
            int lane = _lane;
            long offset = start - _leafStart;
            if (LeafNode.IsFull(leaf) || offset >= LeafNode.Unused)
            {
                InsertElsewhere(holeBefore, blockBefore, start, size, hole, block);
                return;
            }

            LeafNode.InsertBehind(leaf, lane, holeBefore, blockBefore, (int)offset, size, hole, block);
            _lane = lane + 1;
            AreaCount++;

            // Only if the hole was the largest of the leaf can the largest have changed; the bottom hole is none of them.
            if (oldHole != hole && (oldHole == InnerNode.Holes(_above[1].Node)[_above[1].Lane] || oldHole < hole))
            {
                RefreshHoles(leaf, _above);
            }
        }
    }

    /// <summary>The same where the leaf has no room for the area or the area is too far behind it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void InsertElsewhere(int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        if (start - _leafStart >= LeafNode.Unused)
        {
            InsertFar(holeBefore, blockBefore, start, size, hole, block);
        }
        else
        {
            SplitLeaf();
            LeafNode.InsertBehind(_leaf, _lane, holeBefore, blockBefore, (int)(start - _leafStart), size, hole, block);
            _lane++;
        }

        AreaCount++;
        RefreshHoles(_leaf, _above);
        ReserveNodes();
    }

    /// <summary>
    /// Puts an area behind the one moved to as the first of another leaf: of the next one if that is near, else of a new
    /// one. It comes behind all areas of its predecessor's leaf: what comes behind it would be farther still.
    /// </summary>
    private void InsertFar(int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        HoleLanes.Set(LeafNode.Holes(_leaf), _lane, holeBefore);
        LeafNode.Blocks(_leaf)[_lane] = blockBefore;
        RefreshHoles(_leaf, _above);
        if (MoveToNextLeaf() && !LeafNode.IsFull(_leaf)
            && AreaStart + LeafNode.Offsets(_leaf)[LeafNode.Count(_leaf) - 1] - start < LeafNode.Unused)
        {
            // Areas placed from the top down come here one below the other.
            LeafNode.Rebase(_leaf, (int)(start - _leafStart));
            TellStart(1, start);
            _leafStart = start;
        }
        else
        {
            MoveTo(start);
            AddLeafBehind(start);
        }

        LeafNode.InsertBehind(_leaf, lane: -1, holeBefore: 0, blockBefore: 0, offset: 0, size, hole, block);
    }

    /// <summary>Adds an empty leaf behind the one of the cursor and moves to its first lane.</summary>
    private void AddLeafBehind(long start)
    {
        if (InnerNode.IsFull(_above[1].Node))
        {
            SplitInner(1);
        }

        int id = _leaves.Take();
        byte* fresh = LeafAt(id);
        LeafNode.Clear(fresh);
        InnerNode.Insert(_above[1].Node, _above[1].Lane, start, id, hole: 0);
        _above[1].Lane++;
        _leaf = fresh;
        (_leafStart, _lane) = (start, 0);
    }

    /// <summary>Splits the full leaf of the cursor; the cursor stays at its area.</summary>
    private void SplitLeaf()
    {
        byte* leaf = _leaf;
        long leafStart = _leafStart;
        int lane = _lane;
        int firstMoved = lane == LeafNode.Lanes - 1 ? AppendSplit : LeafNode.Lanes / 2;
        int offset = LeafNode.Offsets(leaf)[firstMoved];
        AddLeafBehind(leafStart + offset);
        LeafNode.Move(leaf, firstMoved, LeafNode.Lanes - firstMoved, _leaf, 0, offset);
        Step* parent = _above + 1;
        HoleLanes.Set(InnerNode.Holes(parent->Node), parent->Lane, LeafNode.LargestHole(_leaf));
        HoleLanes.Set(InnerNode.Holes(parent->Node), parent->Lane - 1, LeafNode.LargestHole(leaf));
        if (lane >= firstMoved)
        {
            _lane = lane - firstMoved;
            return;
        }

        parent->Lane--;
        _leaf = leaf;
        (_leafStart, _lane) = (leafStart, lane);
    }

    /// <summary>Splits the full inner node of the cursor at a level; the cursor goes on to the same child.</summary>
    private void SplitInner(int level)
    {
        Step* step = _above + level;
        byte* node = step->Node;
        if (level == _height)
        {
            int rootId = _inner.Take();
            byte* root = InnerAt(rootId);
            InnerNode.Clear(root);
            InnerNode.Insert(root, -1, InnerNode.Starts(node)[0], _rootId, InnerNode.LargestHole(node));
            _rootId = rootId;
            _root = root;
            _height++;
            step[1] = new() { Node = root, Lane = 0 };
        }
        else if (InnerNode.IsFull(step[1].Node))
        {
            SplitInner(level + 1);
        }

        int firstMoved = step->Lane == InnerNode.Lanes - 1 ? AppendSplit : InnerNode.Lanes / 2;
        int id = _inner.Take();
        byte* fresh = InnerAt(id);
        InnerNode.Clear(fresh);
        InnerNode.Move(node, firstMoved, InnerNode.Lanes - firstMoved, fresh, 0);
        HoleLanes.Set(InnerNode.Holes(step[1].Node), step[1].Lane, InnerNode.LargestHole(node));
        InnerNode.Insert(step[1].Node, step[1].Lane, InnerNode.Starts(fresh)[0], id, InnerNode.LargestHole(fresh));
        if (step->Lane >= firstMoved)
        {
            step->Node = fresh;
            step->Lane -= firstMoved;
            step[1].Lane++;
        }
    }

    /// <summary>Adds an area and the hole behind it at the end, while a tree is being loaded.</summary>
    private void Append(long start, long holeStart, long holeEnd, int block)
    {
        MoveTo(InnerNode.Unused - 1);
        InsertEntry(LeafNode.Holes(_leaf)[_lane], LeafNode.Blocks(_leaf)[_lane], start, SizeLane(start, holeStart - start),
            HoleLane(holeEnd - holeStart), block);
    }

    /// <summary>Makes the largest holes right from a leaf up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RefreshHoles(byte* leaf, Step* above)
    {
        unchecked
        {
            int largest = LeafNode.LargestHole(leaf);
            Step parent = above[1];
            if (InnerNode.Holes(parent.Node)[parent.Lane] != largest)
            {
                HoleLanes.Set(InnerNode.Holes(parent.Node), parent.Lane, largest);
                RefreshHolesAbove(above);
            }
        }
    }

    private void RefreshHolesAbove(Step* above)
    {
        unchecked
        {
            for (int level = 1; level < _height; level++)
            {
                int largest = InnerNode.LargestHole(above[level].Node);
                Step parent = above[level + 1];
                if (InnerNode.Holes(parent.Node)[parent.Lane] == largest)
                {
                    return;
                }

                HoleLanes.Set(InnerNode.Holes(parent.Node), parent.Lane, largest);
            }
        }
    }

    /// <summary>Makes the largest holes right after one of the leaf grew.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RaiseHoles(int hole)
    {
        unchecked
        {
            for (int level = 1; level <= _height; level++)
            {
                Step above = _above[level];
                if (InnerNode.Holes(above.Node)[above.Lane] >= hole)
                {
                    return;
                }

                HoleLanes.Set(InnerNode.Holes(above.Node), above.Lane, hole);
            }
        }
    }

    /// <summary>Removes the area moved to, which is the first of its leaf and not the first of all.</summary>
    private void RemoveFirstOfLeaf()
    {
        int next = LeafNode.Offsets(_leaf)[1];
        LeafNode.RemoveBehind(_leaf, lane: -1, holeBefore: 0, blockBefore: 0);
        RefreshHoles(_leaf, _above);
        if (next != LeafNode.Unused)
        {
            LeafNode.Rebase(_leaf, next);
            _leafStart += next;
            TellStart(1, _leafStart);
        }

        ShrinkIfFew();
    }

    /// <summary>Writes where the child of the cursor at a level begins, and all nodes above that begin with it.</summary>
    private void TellStart(int level, long start)
    {
        for (; level <= _height; level++)
        {
            Step step = _above[level];
            InnerNode.Starts(step.Node)[step.Lane] = start;
            if (step.Lane != 0)
            {
                return;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ShrinkIfFew()
    {
        if (unchecked(LeafNode.Offsets(_leaf)[FewEntries - 1]) == LeafNode.Unused)
        {
            ShrinkLeaf();
        }
    }

    /// <summary>Joins the leaf of the cursor with a neighbour that has room, or drops it when it is empty.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ShrinkLeaf()
    {
        int count = LeafNode.Count(_leaf);
        if (count % 4 != 3 && count != 0)
        {
            return;   // asked at the last removal, or soon
        }

        byte* parent = _above[1].Node;
        int lane = _above[1].Lane;
        int dropped;
        if (count == 0)
        {
            dropped = lane;
        }
        else if (lane + 1 < InnerNode.Count(parent) && TryJoinLeaves(parent, lane))
        {
            dropped = lane + 1;
        }
        else if (lane > 0 && TryJoinLeaves(parent, lane - 1))
        {
            dropped = lane;
        }
        else
        {
            return;
        }

        _leaves.Return(InnerNode.Children(parent)[dropped]);
        DropChild(1, dropped);
        MoveTo(0);   // the leaf of the cursor may be gone
    }

    /// <summary>Takes a child out of the node of the cursor at a level, and joins that one with a neighbour if it has few.</summary>
    private void DropChild(int level, int dropped)
    {
        byte* node = _above[level].Node;
        InnerNode.Remove(node, dropped);
        int left = InnerNode.Count(node);
        if (level == _height)
        {
            if (left == 1 && _height > 1)
            {
                _inner.Return(_rootId);
                _rootId = InnerNode.Children(node)[0];
                _root = InnerAt(_rootId);
                _height--;
            }

            return;
        }

        if (dropped == 0 && left != 0)
        {
            TellStart(level + 1, InnerNode.Starts(node)[0]);
        }

        if (left < FewEntries)
        {
            ShrinkInner(level, left);
        }
    }

    private void ShrinkInner(int level, int count)
    {
        byte* parent = _above[level + 1].Node;
        int lane = _above[level + 1].Lane;
        int dropped;
        if (count == 0)
        {
            dropped = lane;
        }
        else if (lane + 1 < InnerNode.Count(parent) && TryJoinInner(parent, lane))
        {
            dropped = lane + 1;
        }
        else if (lane > 0 && TryJoinInner(parent, lane - 1))
        {
            dropped = lane;
        }
        else
        {
            return;
        }

        _inner.Return(InnerNode.Children(parent)[dropped]);
        DropChild(level + 1, dropped);
    }

    /// <summary>Moves the areas of the leaf behind a lane into the leaf of the lane, if they are few together.</summary>
    private bool TryJoinLeaves(byte* parent, int lane)
    {
        byte* lower = LeafAt(InnerNode.Children(parent)[lane]);
        byte* upper = LeafAt(InnerNode.Children(parent)[lane + 1]);
        int lowerCount = LeafNode.Count(lower);
        int upperCount = LeafNode.Count(upper);
        long apart = InnerNode.Starts(parent)[lane + 1] - InnerNode.Starts(parent)[lane];
        if (lowerCount + upperCount > JoinedEntries || apart + LeafNode.Offsets(upper)[upperCount - 1] >= LeafNode.Unused)
        {
            return false;
        }

        LeafNode.Move(upper, 0, upperCount, lower, lowerCount, -(int)apart);
        JoinHoles(parent, lane);
        return true;
    }

    private bool TryJoinInner(byte* parent, int lane)
    {
        byte* lower = InnerAt(InnerNode.Children(parent)[lane]);
        byte* upper = InnerAt(InnerNode.Children(parent)[lane + 1]);
        int lowerCount = InnerNode.Count(lower);
        int upperCount = InnerNode.Count(upper);
        if (lowerCount + upperCount > JoinedEntries)
        {
            return false;
        }

        InnerNode.Move(upper, 0, upperCount, lower, lowerCount);
        JoinHoles(parent, lane);
        return true;
    }

    private static void JoinHoles(byte* parent, int lane)
    {
        ushort* holes = InnerNode.Holes(parent);
        HoleLanes.Set(holes, lane, Math.Max(holes[lane], holes[lane + 1]));
    }
}
