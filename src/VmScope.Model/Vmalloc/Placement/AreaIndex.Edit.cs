using System.Numerics;
using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

// Cutting areas out of holes and giving them back: what happens to the entries, and to the kernel's tree of holes.
internal sealed unsafe partial class AreaIndex
{
    /// <summary>Cuts an area from the low end of the spot; neither is huge.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CutSpot(int pages)
    {
        unchecked
        {
            byte* leaf = _leaf;
            int lane = _lane;
            long page = _spotPage;
            int block = LeafNode.Blocks(leaf)[lane];
            int hole = LeafNode.Holes(leaf)[lane];
            BlockNode* node = BlockAt(block);
            int rest = hole - pages;
            if (rest == 0)
            {
                _shape.Erase(block);
                block = 0;
            }
            else
            {
                node->Start = page + pages;
                rest = hole != LeafNode.Saturated ? rest : HoleLane(node->End - node->Start);
            }

            _spotPage = page + pages;
            _spotMost = Math.Min(rest, LeafNode.Saturated - 1);
            _knownBelow = page + pages;
            InsertEntry(hole, holeBefore: 0, blockBefore: 0, page, pages, rest, block);
        }
    }

    /// <summary>Cuts an area out of a hole, the one behind the entry moved to.</summary>
    /// <remarks>Source: mm/vmalloc.c, adjust_va_to_fit_type(), va_clip() from 6.9.</remarks>
    private void Cut(int block, long page, long pages)
    {
        unchecked
        {
            BlockNode* node = BlockAt(block);
            LeaveSpot();
            if (node->Start != page)
            {
                CutAbove(block, page, pages);
                return;
            }

            int size = SizeLane(page, pages);
            long rest = node->End - page - pages;
            if (rest == 0)
            {
                _shape.Erase(block);
                block = 0;
            }
            else
            {
                node->Start = page + pages;
            }

            InsertEntry(holeBefore: 0, blockBefore: 0, page, size, HoleLane(rest), block);
        }
    }

    private void CutAbove(int block, long page, long pages)
    {
        unchecked
        {
            BlockNode* node = BlockAt(block);
            int size = SizeLane(page, pages);
            int holeBefore = block == _bottom ? 0 : HoleLane(page - node->Start);
            long start = node->Start;
            long rest = node->End - page - pages;
            _bottomEnd = block == _bottom ? page : _bottomEnd;
            if (rest == 0)
            {
                node->End = page;
                InsertEntry(holeBefore, block, page, size, hole: 0, block: 0);
                return;
            }

            // The existing node keeps the upper part and its place in the tree; the lower part is a new one.
            node->Start = page + pages;
            int lower = _shape.InsertBefore(start, page, block);
            _blockMemory = _shape.Memory;
            if (block == _bottom)
            {
                _bottom = lower;
                ForgetSpot();   // its upper part is a hole like any other now
            }

            InsertEntry(holeBefore, lower, page, size, HoleLane(rest), block);
        }
    }

    /// <summary>
    /// Turns the area moved to into a hole, or a part of its neighbours. It is not the first of its leaf, and not huge.
    /// </summary>
    /// <remarks>Source: mm/vmalloc.c, merge_or_add_vmap_area().</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Free(long start, int pages)
    {
        unchecked
        {
            byte* leaf = _leaf;
            int lane = _lane;
            int before = lane - 1;
            int holeBefore = LeafNode.Holes(leaf)[before];
            int hole = holeBefore + pages + LeafNode.Holes(leaf)[lane];
            int block = GiveBlock(leaf, lane, LeafNode.Blocks(leaf)[before], LeafNode.Blocks(leaf)[lane], start, start + pages);
            _lane = before;
            AreaCount--;
            if (block == _bottom)
            {
                GrowBottom(leaf, before);
                return;
            }

            hole = Math.Min(hole, LeafNode.Saturated);
            LeafNode.RemoveBehind(leaf, before, hole, block);
            long page = start - holeBefore;   // too high if the hole before is huge; then it is above what is known
            _knownBelow = Math.Min(_knownBelow, page);
            _spotPage = page;
            _spotLeast = _knownBelow == page ? _knownPages : LeafNode.Saturated;
            _spotMost = Math.Min(hole, LeafNode.Saturated - 1);
            RaiseHoles(hole);
            ShrinkIfFew();
        }
    }

    private void FreeAny(long start, long pages)
    {
        if (_lane == 0 || pages >= LeafNode.Saturated)
        {
            FreeSlowly();
        }
        else
        {
            Free(start, (int)pages);
        }
    }

    /// <summary>Removes the area behind a lane, which has become part of the block at the bottom.</summary>
    private void GrowBottom(byte* leaf, int before)
    {
        LeafNode.RemoveBehind(leaf, before, holeBefore: 0, _bottom);
        _bottomEnd = BlockAt(_bottom)->End;
        LeaveSpot();
        RefreshHoles(leaf, _above);
        ShrinkIfFew();
    }

    /// <summary>The same for the first area of a leaf, whose neighbour is in another, and for huge ones.</summary>
    private void FreeSlowly()
    {
        ForgetSpot();
        byte* leaf = _leaf;
        int lane = _lane;
        long start = AreaStart;
        long end = start + AreaPages;
        if (lane == 0)
        {
            FindAreaBefore();
        }
        else
        {
            SaveCursor();
            _otherLane--;
        }

        int block = GiveBlock(leaf, lane, LeafNode.Blocks(_otherLeaf)[_otherLane], LeafNode.Blocks(leaf)[lane], start, end);
        BlockNode* node = BlockAt(block);
        LeafNode.Blocks(_otherLeaf)[_otherLane] = block;
        HoleLanes.Set(LeafNode.Holes(_otherLeaf), _otherLane, block == _bottom ? 0 : HoleLane(node->End - node->Start));
        _bottomEnd = BlockAt(_bottom)->End;
        RefreshHoles(_otherLeaf, _otherAbove);
        RemoveEntry(start);
    }

    /// <summary>Removes the area moved to; its hole, if any, is another's already.</summary>
    private void RemoveEntry(long start)
    {
        _ = _hugePages?.Remove(start);
        AreaCount--;
        if (_lane == 0)
        {
            RemoveFirstOfLeaf();
            return;
        }

        int before = _lane - 1;
        LeafNode.RemoveBehind(_leaf, before, LeafNode.Holes(_leaf)[before], LeafNode.Blocks(_leaf)[before]);
        RefreshHoles(_leaf, _above);
        ShrinkIfFew();
    }

    /// <summary>Changes the tree of holes for a range that becomes free; returns the block it is part of then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int GiveBlock(byte* leaf, int lane, int below, int above, long start, long end)
    {
        unchecked
        {
            if (below != 0 && above != 0)
            {
                end = BlockAt(above)->End;   // of three, the lowest survives
                _shape.Erase(above);
                BlockAt(below)->End = end;
                return below;
            }

            if ((below | above) != 0)
            {
                // Which of the two is a matter of luck; computed rather than branched on.
                int block = below | above;
                ((long*)BlockAt(block))[below != 0 ? 1 : 0] = below != 0 ? end : start;
                return block;
            }

            return NewBlock(leaf, lane, start, end);
        }
    }

    private int NewBlock(byte* leaf, int lane, long start, long end)
    {
        unchecked
        {
            // Any neighbour tells the place in the tree: it is next to it, wherever the tree has room there.
            uint withBlock = LeafNode.WithBlock(leaf);
            uint earlier = withBlock & ((1u << lane) - 1);
            int block = earlier != 0 ? _shape.InsertAfter(start, end, LeafNode.Blocks(leaf)[BitOperations.Log2(earlier)])
                : withBlock != 0 ? _shape.InsertBefore(start, end, LeafNode.Blocks(leaf)[BitOperations.TrailingZeroCount(withBlock)])
                : _shape.InsertAfter(start, end, _shape.AtOrBelow(start));   // the block at the bottom is below everything
            _blockMemory = _shape.Memory;   // may have grown
            return block;
        }
    }

    /// <summary>Gives a range back that is not free anywhere: one area, several, or parts of some.</summary>
    private bool TryGive(long start, long end)
    {
        if (start == 0 || end >= _topPage)
        {
            return false;
        }

        MoveTo(start);
        if (AreaStart == start && AreaPages == end - start)
        {
            FreeAny(start, end - start);
            return true;
        }

        if (!IsCovered(start, end))
        {
            return false;
        }

        SplitArea(start);
        SplitArea(end);
        while (true)
        {
            MoveTo(start);
            long pages = AreaPages;
            if (pages == end - start)
            {
                FreeAny(start, pages);
                return true;
            }

            AbsorbNext(start, pages);
        }
    }

    private bool IsCovered(long start, long end)
    {
        for (long page = start; page < end;)
        {
            byte* leaf = LeafOf(page, out long leafStart, out int lane);
            long areaStart = leafStart + LeafNode.Offsets(leaf)[lane];
            long areaEnd = areaStart + PagesOf(leaf, lane, areaStart);
            if (areaEnd <= page)
            {
                return false;
            }

            page = areaEnd;
        }

        return true;
    }

    /// <summary>Makes an area begin at a page that is inside one.</summary>
    private void SplitArea(long page)
    {
        MoveTo(page);
        byte* leaf = _leaf;
        int lane = _lane;
        long start = AreaStart;
        long end = start + AreaPages;
        if (start == page || end <= page)
        {
            return;
        }

        (int hole, int block) = (LeafNode.Holes(leaf)[lane], LeafNode.Blocks(leaf)[lane]);
        LeafNode.Sizes(leaf)[lane] = (ushort)SizeLane(start, page - start);
        InsertEntry(holeBefore: 0, blockBefore: 0, page, SizeLane(page, end - page), hole, block);
    }

    /// <summary>Makes one area of the one moved to and the one that begins at its end.</summary>
    private void AbsorbNext(long start, long pages)
    {
        MoveTo(start + pages);
        (long nextPages, int hole, int block) = (AreaPages, LeafNode.Holes(_leaf)[_lane], LeafNode.Blocks(_leaf)[_lane]);
        RemoveEntry(start + pages);
        MoveTo(start);
        LeafNode.Sizes(_leaf)[_lane] = (ushort)SizeLane(start, pages + nextPages);
        HoleLanes.Set(LeafNode.Holes(_leaf), _lane, hole);
        LeafNode.Blocks(_leaf)[_lane] = block;
        RefreshHoles(_leaf, _above);
    }
}
