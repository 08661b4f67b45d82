using System.Numerics;
using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

// Cutting areas out of holes and giving them back: what happens to the entries, and to the kernel's tree of holes.
internal sealed unsafe partial class AreaIndex
{
    /// <summary>Cuts an area from the low end of the hole behind the entry moved to; neither is huge.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CutLow(long page, int pages)
    {
        unchecked
        {
            byte* leaf = _path->Node;
            int lane = _path->Lane;
            int block = WideNode.Blocks(leaf)[lane];
            int hole = WideNode.Holes(leaf)[lane];
            BlockNode* node = _shape.Nodes + block;
            if (hole == pages)
            {
                _shape.Erase(block);
                InsertEntry(holeBefore: 0, blockBefore: 0, page, pages, hole: 0, block: 0);
                return;
            }

            node->Start = page + pages;
            int rest = hole != WideNode.Saturated ? hole - pages : HoleLane(node->End - node->Start);
            InsertEntry(holeBefore: 0, blockBefore: 0, page, pages, rest, block);
            _path->Lane++;
        }
    }

    /// <summary>Cuts an area out of a hole, the one behind the entry moved to.</summary>
    /// <remarks>Source: mm/vmalloc.c, adjust_va_to_fit_type(), va_clip() from 6.9.</remarks>
    private void Cut(int block, long page, long pages)
    {
        unchecked
        {
            BlockNode* node = _shape.Nodes + block;
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
            BlockNode* node = _shape.Nodes + block;
            int size = SizeLane(page, pages);
            int holeBefore = block == _bottom ? 0 : HoleLane(page - node->Start);
            long start = node->Start;
            long rest = node->End - page - pages;
            if (rest == 0)
            {
                node->End = page;
                InsertEntry(holeBefore, block, page, size, hole: 0, block: 0);
                return;
            }

            // The existing node keeps the upper part and its place in the tree; the lower part is a new one.
            node->Start = page + pages;
            int lower = _shape.InsertBefore(start, page, block);
            if (block == _bottom)
            {
                _bottom = lower;
                _knownPages = WideNode.Saturated;   // its upper part is a hole like any other now
            }

            InsertEntry(holeBefore, lower, page, size, HoleLane(rest), block);
        }
    }

    /// <summary>Turns the area moved to into a hole, or a part of its neighbours.</summary>
    /// <remarks>Source: mm/vmalloc.c, merge_or_add_vmap_area().</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Free()
    {
        unchecked
        {
            byte* leaf = _path->Node;
            int lane = _path->Lane;
            int pages = WideNode.Sizes(leaf)[lane];
            int before = lane - 1;
            if (before < 0 || pages == WideNode.Saturated || WideNode.Sizes(leaf)[before] == WideNode.Saturated)
            {
                FreeSlowly();
                return;
            }

            long start = WideNode.Starts(leaf)[lane];
            int block = GiveBlock(leaf, lane, WideNode.Blocks(leaf)[before], WideNode.Blocks(leaf)[lane], start, start + pages);
            bool atBottom = block == _bottom;
            int hole = atBottom ? 0 : HoleLane((long)WideNode.Holes(leaf)[before] + pages + WideNode.Holes(leaf)[lane]);
            WideNode.RemoveBehind(leaf, before, hole, block);
            AreaCount--;
            _path->Lane = before;
            if (atBottom)
            {
                RefreshHoles(_path);
            }
            else
            {
                _knownBelow = Math.Min(_knownBelow, WideNode.Starts(leaf)[before] + WideNode.Sizes(leaf)[before]);
                RaiseHoles(_path, hole);
            }

            ShrinkIfFew();
        }
    }

    /// <summary>The same for the first area of a leaf, whose neighbour is in another, and for huge ones.</summary>
    private void FreeSlowly()
    {
        _knownPages = WideNode.Saturated;
        byte* leaf = _path->Node;
        int lane = _path->Lane;
        long start = AreaStart;
        long end = start + AreaPages;
        if (lane == 0)
        {
            FindEntryBefore();
        }
        else
        {
            CopyPath();
            _other->Lane--;
        }

        byte* leafBefore = _other->Node;
        int laneBefore = _other->Lane;
        int block = GiveBlock(leaf, lane, WideNode.Blocks(leafBefore)[laneBefore], WideNode.Blocks(leaf)[lane], start, end);
        BlockNode* node = _shape.Nodes + block;
        WideNode.SetBlock(leafBefore, laneBefore, block);
        WideNode.SetHole(leafBefore, laneBefore, block == _bottom ? 0 : HoleLane(node->End - node->Start));
        RefreshHoles(_other);
        RemoveEntry(start);
    }

    /// <summary>Removes the entry moved to; its hole, if any, is another's already.</summary>
    private void RemoveEntry(long start)
    {
        _ = _hugePages?.Remove(start);
        AreaCount--;
        if (_path->Lane == 0)
        {
            RemoveFirstOfLeaf();
            return;
        }

        WideNode.Remove(_path->Node, _path->Lane);
        RefreshHoles(_path);
        ShrinkIfFew();
    }

    /// <summary>Changes the tree of holes for a range that becomes free; returns the block it is part of then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int GiveBlock(byte* leaf, int lane, int below, int above, long start, long end)
    {
        unchecked
        {
            BlockNode* nodes = _shape.Nodes;
            if (below != 0 && above != 0)
            {
                end = nodes[above].End;   // of three, the lowest survives
                _shape.Erase(above);
                nodes[below].End = end;
                return below;
            }

            if ((below | above) != 0)
            {
                // Which of the two is a matter of luck; computed rather than branched on.
                int block = below | above;
                *(below != 0 ? &nodes[block].End : &nodes[block].Start) = below != 0 ? end : start;
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
            uint withBlock = WideNode.WithBlock(leaf);
            uint earlier = withBlock & ((1u << lane) - 1);
            if (earlier != 0)
            {
                return _shape.InsertAfter(start, end, WideNode.Blocks(leaf)[BitOperations.Log2(earlier)]);
            }

            if (withBlock != 0)
            {
                return _shape.InsertBefore(start, end, WideNode.Blocks(leaf)[BitOperations.TrailingZeroCount(withBlock)]);
            }

            return _shape.InsertAfter(start, end, _shape.AtOrBelow(start));   // the block at the bottom is below everything
        }
    }

    /// <summary>Gives a range back that is not free anywhere: one area, several, or parts of some.</summary>
    private bool TryGive(long start, long end)
    {
        ReserveMemory();
        if (start == 0 || end >= _topPage)
        {
            return false;
        }

        MoveTo(start);
        if (AreaStart == start && AreaPages == end - start)
        {
            Free();
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
                Free();
                return true;
            }

            AbsorbNext(start, pages);
        }
    }

    private bool IsCovered(long start, long end)
    {
        for (long page = start; page < end;)
        {
            byte* leaf = LeafOf(page, out int lane);
            long areaEnd = WideNode.Starts(leaf)[lane] + PagesOf(leaf, lane);
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
        ReserveMemory();
        MoveTo(page);
        byte* leaf = _path->Node;
        int lane = _path->Lane;
        long start = AreaStart;
        long end = start + AreaPages;
        if (start == page || end <= page)
        {
            return;
        }

        (int hole, int block) = (WideNode.Holes(leaf)[lane], WideNode.Blocks(leaf)[lane]);
        WideNode.Sizes(leaf)[lane] = SizeLane(start, page - start);
        InsertEntry(holeBefore: 0, blockBefore: 0, page, SizeLane(page, end - page), hole, block);
    }

    /// <summary>Makes one area of the one moved to and the one that begins at its end.</summary>
    private void AbsorbNext(long start, long pages)
    {
        MoveTo(start + pages);
        (long nextPages, int hole, int block) = (AreaPages, WideNode.Holes(_path->Node)[_path->Lane], WideNode.Blocks(_path->Node)[_path->Lane]);
        RemoveEntry(start + pages);
        MoveTo(start);
        WideNode.Sizes(_path->Node)[_path->Lane] = SizeLane(start, pages + nextPages);
        WideNode.SetHole(_path->Node, _path->Lane, hole);
        WideNode.SetBlock(_path->Node, _path->Lane, block);
        RefreshHoles(_path);
    }
}
