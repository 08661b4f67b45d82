using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VmScope.Vmalloc;

// Moving about in the tree. The cursor is an area: its leaf and lane, where the leaf begins, and the node and lane of every
// level above, 1 to the height. It always stands in some leaf of the tree, most often in the one that changed last.
internal sealed unsafe partial class AreaIndex
{
    private const int HeightMax = 16;

    private readonly long[] _steps = GC.AllocateArray<long>(2 * 2 * HeightMax, pinned: true);
    private Step* _above;        // by level; what is at and above the leaf's parent
    private byte* _leaf;
    private long _leafStart;
    private int _lane;

    // A second cursor, for the neighbour.
    private Step* _otherAbove;
    private byte* _otherLeaf;
    private long _otherLeafStart;
    private int _otherLane;

    private struct Step
    {
        internal byte* Node;
        internal int Lane;
    }

    /// <summary>The first page of the area moved to.</summary>
    private long AreaStart
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => unchecked(_leafStart + LeafNode.Offsets(_leaf)[_lane]);
    }

    /// <summary>The length of the area moved to.</summary>
    private long AreaPages => PagesOf(_leaf, _lane, AreaStart);

    private void PlaceCursors()
    {
        _above = (Step*)Marshal.UnsafeAddrOfPinnedArrayElement(_steps, 0);
        _otherAbove = _above + HeightMax;
        MoveTo(0);
    }

    /// <summary>The leaf and lane of the last area that starts at or below a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* LeafOf(long page, out long leafStart, out int lane)
    {
        unchecked
        {
            byte* node = _root;
            lane = InnerNode.CountAtOrBelow(node, page) - 1;
            for (int level = _height; level > 1; level--)
            {
                node = InnerAt(InnerNode.Children(node)[lane]);
                lane = InnerNode.CountAtOrBelow(node, page) - 1;
            }

            byte* leaf = LeafAt(InnerNode.Children(node)[lane]);
            LeafNode.PrefetchSizes(leaf);
            leafStart = InnerNode.Starts(node)[lane];
            lane = LeafNode.CountAtOrBelow(leaf, page - leafStart) - 1;
            return leaf;
        }
    }

    /// <summary>Moves to the last area that starts at or below a page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void MoveTo(long page)
    {
        unchecked
        {
            byte* node = _root;
            Step* step = _above + _height;
            int lane = InnerNode.CountAtOrBelow(node, page) - 1;
            for (; step > _above + 1; step--)
            {
                step->Node = node;
                step->Lane = lane;
                node = InnerAt(InnerNode.Children(node)[lane]);
                lane = InnerNode.CountAtOrBelow(node, page) - 1;
            }

            step->Node = node;
            step->Lane = lane;
            byte* leaf = LeafAt(InnerNode.Children(node)[lane]);
            LeafNode.Prefetch(leaf);
            long leafStart = InnerNode.Starts(node)[lane];
            _leaf = leaf;
            _leafStart = leafStart;
            _lane = LeafNode.CountAtOrBelow(leaf, page - leafStart) - 1;
            LeaveSpot();
        }
    }

    /// <summary>Moves to an area that is to be freed, by its first page; looks in the leaf of the last operation first.</summary>
    /// <returns>False when no area starts there.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MoveToArea(long start)
    {
        unchecked
        {
            byte* leaf = _leaf;
            long offset = start - _leafStart;
            int lane = _lane;
            if (LeafNode.Offsets(leaf)[lane] == offset)
            {
                return true;   // placed just now
            }

            if ((ulong)offset < LeafNode.Unused)
            {
                // Often next to that; a guess that holds spares waiting for what the last operation wrote.
                if (lane > 0 && LeafNode.Offsets(leaf)[lane - 1] == offset)
                {
                    lane--;
                }
                else if (lane < LeafNode.Lanes - 1 && LeafNode.Offsets(leaf)[lane + 1] == offset)
                {
                    lane++;
                }
                else
                {
                    lane = LeafNode.CountUpTo(leaf, (ushort)offset) - 1;
                }

                if (LeafNode.Offsets(leaf)[lane] == offset)
                {
                    _lane = lane;
                    return true;
                }
            }

            MoveTo(start);
            return LeafNode.Offsets(_leaf)[_lane] == start - _leafStart;
        }
    }

    /// <summary>Moves to the first area with a hole of so many pages behind it; the bottom one does not count.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MoveToFirstHole(int pages)
    {
        unchecked
        {
            byte* node = _root;
            uint mask = InnerNode.HolesOfAtLeast(node, pages);
            if (mask == 0)
            {
                return false;
            }

            Step* step = _above + _height;
            int lane = BitOperations.TrailingZeroCount(mask);
            for (; step > _above + 1; step--)
            {
                step->Node = node;
                step->Lane = lane;
                node = InnerAt(InnerNode.Children(node)[lane]);
                lane = BitOperations.TrailingZeroCount(InnerNode.HolesOfAtLeast(node, pages));
            }

            step->Node = node;
            step->Lane = lane;
            byte* leaf = LeafAt(InnerNode.Children(node)[lane]);
            LeafNode.Prefetch(leaf);
            _leaf = leaf;
            _leafStart = InnerNode.Starts(node)[lane];
            _lane = BitOperations.TrailingZeroCount(LeafNode.HolesOfAtLeast(leaf, pages));
            return true;
        }
    }

    /// <summary>Moves on to the next area with a hole of so many pages behind it.</summary>
    private bool MoveToNextHole(int pages)
    {
        uint later = LeafNode.HolesOfAtLeast(_leaf, pages) & unchecked(0xffff_fffeu << _lane);
        if (later != 0)
        {
            _lane = BitOperations.TrailingZeroCount(later);
            LeaveSpot();
            return true;
        }

        for (int level = 1; level <= _height; level++)
        {
            Step* step = _above + level;
            later = InnerNode.HolesOfAtLeast(step->Node, pages) & unchecked(0xffff_fffeu << step->Lane);
            if (later != 0)
            {
                step->Lane = BitOperations.TrailingZeroCount(later);
                while (--level > 0)
                {
                    byte* node = InnerAt(InnerNode.Children(step->Node)[step->Lane]);
                    step = _above + level;
                    step->Node = node;
                    step->Lane = BitOperations.TrailingZeroCount(InnerNode.HolesOfAtLeast(node, pages));
                }

                EnterLeaf();
                _lane = BitOperations.TrailingZeroCount(LeafNode.HolesOfAtLeast(_leaf, pages));
                return true;
            }
        }

        return false;
    }

    /// <summary>Moves back to the area before with a hole of so many pages behind it; the bottom one does not count.</summary>
    private bool MoveToPreviousHole(int pages)
    {
        uint earlier = LeafNode.HolesOfAtLeast(_leaf, pages) & ((1u << _lane) - 1);
        if (earlier != 0)
        {
            _lane = BitOperations.Log2(earlier);
            LeaveSpot();
            return true;
        }

        for (int level = 1; level <= _height; level++)
        {
            Step* step = _above + level;
            earlier = InnerNode.HolesOfAtLeast(step->Node, pages) & ((1u << step->Lane) - 1);
            if (earlier != 0)
            {
                step->Lane = BitOperations.Log2(earlier);
                while (--level > 0)
                {
                    byte* node = InnerAt(InnerNode.Children(step->Node)[step->Lane]);
                    step = _above + level;
                    step->Node = node;
                    step->Lane = BitOperations.Log2(InnerNode.HolesOfAtLeast(node, pages));
                }

                EnterLeaf();
                _lane = BitOperations.Log2(LeafNode.HolesOfAtLeast(_leaf, pages));
                return true;
            }
        }

        return false;
    }

    /// <summary>Moves to the first area of the next leaf; false, and the cursor is lost, if this is the last.</summary>
    private bool MoveToNextLeaf()
    {
        for (int level = 1; level <= _height; level++)
        {
            Step* step = _above + level;
            if (step->Lane + 1 < InnerNode.Count(step->Node))
            {
                step->Lane++;
                while (--level > 0)
                {
                    byte* node = InnerAt(InnerNode.Children(step->Node)[step->Lane]);
                    step = _above + level;
                    step->Node = node;
                    step->Lane = 0;
                }

                EnterLeaf();
                _lane = 0;
                return true;
            }
        }

        return false;
    }

    private void EnterLeaf()
    {
        Step parent = _above[1];
        _leaf = LeafAt(InnerNode.Children(parent.Node)[parent.Lane]);
        _leafStart = InnerNode.Starts(parent.Node)[parent.Lane];
        LeaveSpot();
    }

    private void SaveCursor()
    {
        new Span<Step>(_above, HeightMax).CopyTo(new(_otherAbove, HeightMax));
        _otherLeaf = _leaf;
        (_otherLeafStart, _otherLane) = (_leafStart, _lane);
    }

    private void RestoreCursor()
    {
        new Span<Step>(_otherAbove, HeightMax).CopyTo(new(_above, HeightMax));
        _leaf = _otherLeaf;
        (_leafStart, _lane) = (_otherLeafStart, _otherLane);
        LeaveSpot();
    }

    /// <summary>Moves the second cursor to the area before the one moved to, which is the first of its leaf.</summary>
    private void FindAreaBefore()
    {
        SaveCursor();
        int level = 1;
        while (_above[level].Lane == 0)
        {
            level++;
        }

        _otherAbove[level].Lane--;
        for (; level > 1; level--)
        {
            byte* node = InnerAt(InnerNode.Children(_otherAbove[level].Node)[_otherAbove[level].Lane]);
            _otherAbove[level - 1] = new() { Node = node, Lane = InnerNode.Count(node) - 1 };
        }

        Step parent = _otherAbove[1];
        _otherLeaf = LeafAt(InnerNode.Children(parent.Node)[parent.Lane]);
        _otherLeafStart = InnerNode.Starts(parent.Node)[parent.Lane];
        _otherLane = LeafNode.Count(_otherLeaf) - 1;
    }
}
