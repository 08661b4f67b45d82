using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VmScope.Vmalloc;

// The tree of wide nodes: moving about in it, and keeping it in order. Nodes fill from the left; a leaf holds areas, an
// inner node its children with the first start and the largest hole below each. A "path" is the node and lane of every
// level from the leaf (0) up to the root. The one in `_path` always leads to some leaf of the tree, most often the one
// that changed last.
internal sealed unsafe partial class AreaIndex
{
    private const int HeightMax = 16;
    private const int FewEntries = 12;      // a node with fewer looks for a neighbour to join,
    private const int JoinedEntries = 26;  // if together they leave some room
    private const int AppendSplit = 28;    // a sequential fill leaves nodes this full behind

    private const int NodeUnitShift = 6;

    private readonly long[] _paths = GC.AllocateArray<long>(2 * 2 * HeightMax, pinned: true);
    private SlotArena _nodes = null!;
    private Step* _path;    // where the last move went
    private Step* _other;   // a second one, for the neighbour
    private byte* _root;
    private int _rootId;
    private int _height;

    // Sizes that do not fit their lane, by first page. There are hardly ever any.
    private Dictionary<long, long>? _hugePages;

    private struct Step
    {
        internal byte* Node;
        internal int Lane;
    }

    private AreaIndex(AreaIndex other)
        : this(other.Rule, other._pageMask + 1, other._lastAddress, other._shape.Clone())
    {
        _nodes = other._nodes.Clone();
        (_bottom, _rootId, _height, AreaCount) = (other._bottom, other._rootId, other._height, other.AreaCount);
        _hugePages = other._hugePages is null ? null : new(other._hugePages);
        _root = At(_rootId);
        PlacePaths();
    }

    /// <summary>The first page of the area moved to.</summary>
    private long AreaStart => WideNode.Starts(_path->Node)[_path->Lane];

    /// <summary>The length of the area moved to.</summary>
    private long AreaPages => PagesOf(_path->Node, _path->Lane);

    private void StartTree(int bottomBlock)
    {
        _nodes = new(WideNode.Bytes, NodeUnitShift, capacity: 2 * HeightMax);
        _rootId = _nodes.Take();
        _root = At(_rootId);
        WideNode.Clear(_root);
        WideNode.Starts(_root)[0] = 0;
        WideNode.Blocks(_root)[0] = bottomBlock;
        PlacePaths();
    }

    private void PlacePaths()
    {
        _path = (Step*)Marshal.UnsafeAddrOfPinnedArrayElement(_paths, 0);
        _other = _path + HeightMax;
        MoveTo(0);
    }

    /// <summary>Makes sure that the next operation moves nothing in memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ReserveMemory()
    {
        if (_nodes.Spare < HeightMax || _shape.Spare < 1)
        {
            GrowMemory();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void GrowMemory()
    {
        _shape.Reserve(1);
        _nodes.Reserve(HeightMax);
        _root = At(_rootId);
        MoveTo(0);   // the last path points into the old memory
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* At(int id) => unchecked(_nodes.Base + ((long)id << NodeUnitShift));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long PagesOf(byte* leaf, int lane)
    {
        unchecked
        {
            int pages = WideNode.Sizes(leaf)[lane];
            return pages != WideNode.Saturated ? pages : HugePagesAt(WideNode.Starts(leaf)[lane]);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long HugePagesAt(long start) => _hugePages![start];

    private int SizeLane(long start, long pages)
    {
        if (pages < WideNode.Saturated)
        {
            _ = _hugePages?.Remove(start);
            return (int)pages;
        }

        _hugePages ??= [];
        _hugePages[start] = pages;
        return WideNode.Saturated;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int HoleLane(long pages) => unchecked((int)Math.Min(pages, WideNode.Saturated));

    /// <summary>The leaf and lane of the last entry that starts at or below a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* LeafOf(long page, out int lane)
    {
        unchecked
        {
            byte* node = _root;
            for (int level = _height; level > 0; level--)
            {
                node = At(WideNode.Children(node)[WideNode.CountAtOrBelow(node, page) - 1]);
            }

            lane = WideNode.CountAtOrBelow(node, page) - 1;
            return node;
        }
    }

    /// <summary>Moves to the last entry that starts at or below a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void MoveTo(long page)
    {
        unchecked
        {
            byte* node = _root;
            Step* step = _path + _height;
            for (; step > _path; step--)
            {
                int lane = WideNode.CountAtOrBelow(node, page) - 1;
                step->Node = node;
                step->Lane = lane;
                node = At(WideNode.Children(node)[lane]);
            }

            WideNode.Prefetch(node);
            step->Node = node;
            step->Lane = WideNode.CountAtOrBelow(node, page) - 1;
        }
    }

    /// <summary>Moves to an area by its first page; looks in the leaf of the last operation first.</summary>
    /// <returns>False when no area starts there.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MoveToArea(long start)
    {
        unchecked
        {
            byte* leaf = _path->Node;
            int lane = _path->Lane;
            if (WideNode.Starts(leaf)[lane] == start)
            {
                return true;   // placed just now
            }

            lane = WideNode.CountAtOrBelow(leaf, start) - 1;
            if (lane < 0 || WideNode.Starts(leaf)[lane] != start)
            {
                MoveTo(start);
                leaf = _path->Node;
                lane = _path->Lane;
            }

            _path->Lane = lane;
            return WideNode.Starts(leaf)[lane] == start;
        }
    }

    /// <summary>Moves to the first area with a hole of so many pages behind it; the bottom one does not count.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MoveToFirstHole(int pages)
    {
        unchecked
        {
            byte* node = _root;
            uint mask = WideNode.HolesOfAtLeast(node, pages);
            if (mask == 0)
            {
                return false;
            }

            Step* step = _path + _height;
            for (; step > _path; step--)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                step->Node = node;
                step->Lane = lane;
                node = At(WideNode.Children(node)[lane]);
                mask = WideNode.HolesOfAtLeast(node, pages);
            }

            WideNode.Prefetch(node);
            step->Node = node;
            step->Lane = BitOperations.TrailingZeroCount(mask);
            return true;
        }
    }

    /// <summary>Moves on to the next area with a hole of so many pages behind it.</summary>
    private bool MoveToNextHole(int pages)
    {
        for (int level = 0; level <= _height; level++)
        {
            Step* step = _path + level;
            uint later = unchecked(0xffff_fffeu << step->Lane);
            uint mask = WideNode.HolesOfAtLeast(step->Node, pages) & later;
            if (mask == 0)
            {
                continue;
            }

            while (true)
            {
                step->Lane = BitOperations.TrailingZeroCount(mask);
                if (step == _path)
                {
                    return true;
                }

                byte* node = At(WideNode.Children(step->Node)[step->Lane]);
                (--step)->Node = node;
                mask = WideNode.HolesOfAtLeast(node, pages);
            }
        }

        return false;
    }

    /// <summary>Moves back to the area before with a hole of so many pages behind it; the bottom one does not count.</summary>
    private bool MoveToPreviousHole(int pages)
    {
        for (int level = 0; level <= _height; level++)
        {
            Step* step = _path + level;
            uint earlier = (1u << step->Lane) - 1;
            uint mask = WideNode.HolesOfAtLeast(step->Node, pages) & earlier;
            if (mask == 0)
            {
                continue;
            }

            while (true)
            {
                step->Lane = BitOperations.Log2(mask);
                if (step == _path)
                {
                    return true;
                }

                byte* node = At(WideNode.Children(step->Node)[step->Lane]);
                (--step)->Node = node;
                mask = WideNode.HolesOfAtLeast(node, pages);
            }
        }

        return false;
    }

    private void CopyPath() => new Span<Step>(_path, HeightMax).CopyTo(new(_other, HeightMax));

    private void RestorePath() => new Span<Step>(_other, HeightMax).CopyTo(new(_path, HeightMax));

    /// <summary>Lets <see cref="_other"/> point at the entry before the one moved to, which is the first of its leaf.</summary>
    private void FindEntryBefore()
    {
        int level = 1;
        while (_path[level].Lane == 0)
        {
            level++;
        }

        for (int above = _height; above >= level; above--)
        {
            _other[above] = _path[above];
        }

        _other[level].Lane--;
        for (; level > 0; level--)
        {
            byte* node = At(WideNode.Children(_other[level].Node)[_other[level].Lane]);
            _other[level - 1] = new() { Node = node, Lane = WideNode.Count(node) - 1 };
        }
    }

    /// <summary>Puts an area behind the entry moved to, which gets another hole.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void InsertEntry(int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        unchecked
        {
            if (WideNode.IsFull(_path->Node))
            {
                Split(0);
            }

            byte* leaf = _path->Node;
            int lane = _path->Lane;
            int oldHole = WideNode.Holes(leaf)[lane];
            WideNode.InsertBehind(leaf, lane, holeBefore, blockBefore, start, size, hole, block);
            AreaCount++;

            // Only if the hole was the largest of the leaf can the largest have changed; the bottom hole is none of them.
            if (_height > 0 && oldHole != hole && (oldHole == WideNode.Holes(_path[1].Node)[_path[1].Lane] || oldHole < hole))
            {
                RefreshHoles(_path);
            }
        }
    }

    /// <summary>Adds an area and the hole behind it at the end, while a tree is being loaded.</summary>
    private void Append(long start, long holeStart, long holeEnd, int block)
    {
        ReserveMemory();
        MoveTo(WideNode.Unused - 1);
        byte* leaf = _path->Node;
        int lane = _path->Lane;
        InsertEntry(WideNode.Holes(leaf)[lane], WideNode.Blocks(leaf)[lane], start, SizeLane(start, holeStart - start),
            HoleLane(holeEnd - holeStart), block);
    }

    /// <summary>Makes the largest holes right from a leaf up.</summary>
    private void RefreshHoles(Step* path)
    {
        unchecked
        {
            for (int level = 0; level < _height; level++)
            {
                int largest = WideNode.LargestHole(path[level].Node);
                Step above = path[level + 1];
                if (WideNode.Holes(above.Node)[above.Lane] == largest)
                {
                    return;
                }

                WideNode.SetHole(above.Node, above.Lane, largest);
            }
        }
    }

    /// <summary>Makes the largest holes right after one of the leaf grew.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RaiseHoles(Step* path, int hole)
    {
        unchecked
        {
            for (int level = 1; level <= _height; level++)
            {
                Step above = path[level];
                if (WideNode.Holes(above.Node)[above.Lane] >= hole)
                {
                    return;
                }

                WideNode.SetHole(above.Node, above.Lane, hole);
            }
        }
    }

    /// <summary>Splits the full node of the path at a level; the path goes on to the same entry.</summary>
    private void Split(int level)
    {
        Step* step = _path + level;
        byte* node = step->Node;
        if (level == _height)
        {
            int rootId = _nodes.Take();
            byte* root = At(rootId);
            WideNode.Clear(root);
            WideNode.Starts(root)[0] = WideNode.Starts(node)[0];
            WideNode.Children(root)[0] = _rootId;
            WideNode.Holes(root)[0] = WideNode.LargestHole(node);
            _rootId = rootId;
            _root = root;
            _height++;
            step[1] = new() { Node = root, Lane = 0 };
        }
        else if (WideNode.IsFull(step[1].Node))
        {
            Split(level + 1);
        }

        int firstMoved = step->Lane == WideNode.Lanes - 1 ? AppendSplit : WideNode.Lanes / 2;
        int freshId = _nodes.Take();
        byte* fresh = At(freshId);
        WideNode.Clear(fresh);
        WideNode.SplitInto(node, firstMoved, fresh);
        WideNode.InsertBehind(step[1].Node, step[1].Lane, WideNode.LargestHole(node), blockBefore: 0,
            WideNode.Starts(fresh)[0], freshId, WideNode.LargestHole(fresh), block: 0);
        if (step->Lane >= firstMoved)
        {
            step->Node = fresh;
            step->Lane = step->Lane - firstMoved;
            step[1].Lane++;
        }
    }

    /// <summary>Removes the entry moved to, which is the first of its leaf and not the first of all.</summary>
    private void RemoveFirstOfLeaf()
    {
        WideNode.Remove(_path->Node, 0);
        RefreshHoles(_path);
        if (WideNode.Starts(_path->Node)[0] != WideNode.Unused)
        {
            RefreshFirstStart(0);
        }

        ShrinkIfFew();
    }

    /// <summary>Tells the nodes above that the node of the path at a level begins elsewhere now.</summary>
    private void RefreshFirstStart(int level)
    {
        for (; level < _height; level++)
        {
            Step above = _path[level + 1];
            WideNode.Starts(above.Node)[above.Lane] = WideNode.Starts(_path[level].Node)[0];
            if (above.Lane != 0)
            {
                return;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void ShrinkIfFew()
    {
        if (_height > 0 && unchecked(WideNode.Starts(_path->Node)[FewEntries - 1]) == WideNode.Unused && Shrink(0))
        {
            MoveTo(0);   // the node of the path may be gone
        }
    }

    /// <summary>Joins the node of the path at a level with a neighbour that has room, or drops it when it is empty.</summary>
    /// <returns>Whether it did.</returns>
    private bool Shrink(int level)
    {
        byte* node = _path[level].Node;
        byte* parent = _path[level + 1].Node;
        int lane = _path[level + 1].Lane;
        int count = WideNode.Count(node);
        int dropped;
        if (count == 0)
        {
            dropped = lane;
        }
        else if (lane + 1 < WideNode.Count(parent) && TryJoin(parent, lane))
        {
            dropped = lane + 1;
        }
        else if (lane > 0 && TryJoin(parent, lane - 1))
        {
            dropped = lane;
        }
        else
        {
            return false;
        }

        _nodes.Return(WideNode.Children(parent)[dropped]);
        WideNode.Remove(parent, dropped);
        int left = WideNode.Count(parent);
        if (level + 1 == _height)
        {
            if (left == 1)
            {
                int child = WideNode.Children(parent)[0];
                _nodes.Return(_rootId);
                _rootId = child;
                _root = At(child);
                _height--;
            }

            return true;
        }

        if (dropped == 0 && left != 0)
        {
            RefreshFirstStart(level + 1);
        }

        if (left < FewEntries)
        {
            _ = Shrink(level + 1);
        }

        return true;
    }

    /// <summary>Moves the entries of the child behind a lane into the child of the lane, if they are few together.</summary>
    private bool TryJoin(byte* parent, int lane)
    {
        byte* lower = At(WideNode.Children(parent)[lane]);
        byte* upper = At(WideNode.Children(parent)[lane + 1]);
        int lowerCount = WideNode.Count(lower);
        int upperCount = WideNode.Count(upper);
        if (lowerCount + upperCount > JoinedEntries)
        {
            return false;
        }

        WideNode.Join(lower, lowerCount, upper, upperCount);
        WideNode.SetHole(parent, lane, Math.Max(WideNode.Holes(parent)[lane], WideNode.Holes(parent)[lane + 1]));
        return true;
    }
}
