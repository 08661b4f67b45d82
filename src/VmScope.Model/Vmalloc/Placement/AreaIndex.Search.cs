using System.Numerics;
using System.Runtime.CompilerServices;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

// Which hole the kernel's walk ends at.
//
// Let "big" mean: at least as long as the searched length. Let a hole be "low" when it starts at or below the start of
// the window, else "high". When the length is padded by the alignment, every big high hole has room for the request.
//
// * Without padding (and up to page alignment) the answer is the lowest hole with room, whatever the shape.
// * With padding the kernel descends from the root. At a high node it turns left if something big lies there, else takes
//   the node if there is room in it (smaller ones may have: that is what depends on the shape), else turns right if
//   something big lies there. At a low node it does the same but never turns left. At a dead end it climbs, asking each
//   ancestor again, and turns into the first right subtree with something big in it.
//   What lies in a subtree is a run of holes in address order. So all these questions are answered by two holes: the
//   highest big low one, B, and the lowest big high one, H. The walk cannot pass H: it ends at H or at a hole below it.
// * Most often the only low hole is the one at the bottom of the address space, and it is big. Then the descent goes
//   straight down the left edge of the tree to it and climbs back, and the answer is: the lowest hole with room among
//   those on the left edge below H and the ancestors of H below H; otherwise H. No descent is needed for that.
internal sealed unsafe partial class AreaIndex
{
    // What is known to be too small: every hole that starts below page _knownBelow, the bottom one aside, has fewer than
    // _knownPages pages. The spot is the hole behind the area moved to, if that is known to be the lowest for so many
    // pages, from the least to the most. A request of that many needs no search: the short loops of vmalloc and vfree live
    // on this.
    private int _knownPages = LeafNode.Saturated;
    private long _knownBelow;
    private long _spotPage;
    private int _spotLeast = LeafNode.Saturated;
    private int _spotMost;

    /// <summary>Finds where the kernel would put an area, and moves to the entry in front of the hole it is in.</summary>
    private bool Locate(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out long page, out int block)
    {
        unchecked
        {
            RefuseOddRequest(sizeBytes, alignBytes);
            long pages = (long)(sizeBytes >> _pageShift);
            long from = FirstPage(windowStart);
            long to = (long)(windowEnd >> _pageShift);
            return alignBytes > _alignBytesWithoutShape
                ? LocateAligned(pages, alignBytes, windowEnd - windowStart == sizeBytes, from, to, out page, out block)
                : LocateLowest(pages, alignPages: 1, from, to, out page, out block);
        }
    }

    /// <summary>
    /// Moves in front of the lowest hole of all that is large enough and makes it the spot, if that is easy: it lies in the
    /// window and nothing is huge.
    /// </summary>
    /// <returns>False when it takes more thought.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool MoveToSpot(long pages, long from)
    {
        unchecked
        {
            if (from + pages <= _bottomEnd)
            {
                return false;
            }

            bool here = (pages >= _spotLeast) & (pages <= _spotMost);
            return (here || FindSpot(pages)) && _spotPage >= from;
        }
    }

    /// <summary>Makes the lowest hole of so many pages the spot; false if there is none or they are too many.</summary>
    private bool FindSpot(long pages)
    {
        unchecked
        {
            if ((ulong)(pages - 1) >= LeafNode.Saturated - 1 || !MoveToFirstHole((int)pages))
            {
                return false;
            }

            byte* leaf = _leaf;
            int lane = _lane;
            long start = _leafStart + LeafNode.Offsets(leaf)[lane];
            _spotPage = start + PagesOf(leaf, lane, start);
            _spotLeast = (int)pages;
            _spotMost = Math.Min((int)LeafNode.Holes(leaf)[lane], LeafNode.Saturated - 1);
            _knownPages = (int)pages;
            _knownBelow = _spotPage;
            return true;
        }
    }

    /// <summary>Moves to the first area with a hole behind it of more pages than a lane holds.</summary>
    /// <returns>False when there is none, or the pages fit a lane.</returns>
    private bool MoveToHugeHole(long pages)
    {
        LeaveSpot();
        bool found = pages >= LeafNode.Saturated && MoveToFirstHole(LeafNode.Saturated);
        while (found)
        {
            BlockNode* block = BlockAt(LeafNode.Blocks(_leaf)[_lane]);
            if (block->End - block->Start >= pages)
            {
                break;
            }

            found = MoveToNextHole(LeafNode.Saturated);
        }

        return found;
    }

    /// <summary>Forgets the spot: the area moved to is another now.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void LeaveSpot() => _spotMost = 0;

    /// <summary>Forgets all that is known about holes: some may have grown anywhere.</summary>
    private void ForgetSpot()
    {
        LeaveSpot();
        _knownPages = LeafNode.Saturated;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long FirstPage(ulong windowStart) => unchecked((long)((Math.Max(windowStart, 1) - 1) >> _pageShift) + 1);

    private bool LocateAligned(long pages, ulong alignBytes, bool windowIsExact, long from, long to, out long page, out int block)
    {
        unchecked
        {
            long alignPages = alignBytes <= _pageMask ? 1 : (long)(alignBytes >> _pageShift);
            if (Rule == FreeSearchRule.SizeOnly || (Rule == FreeSearchRule.PaddedAbovePage && windowIsExact))
            {
                return LocateLowest(pages, alignPages, from, to, out page, out block);
            }

            (page, block) = (0, 0);
            long length = pages + alignPages;   // size + align - 1 bytes, in the pages it takes
            if (length >= _topPage)
            {
                return false;   // nothing aligned like this ends inside the address space
            }

            block = EndOfWalk(pages, alignPages, length, from, out page);
            return block != 0 && page + pages <= to;
        }
    }

    /// <summary>Takes the lowest hole with room: the answer wherever the searched length is the size alone.</summary>
    private bool LocateLowest(long pages, long alignPages, long from, long to, out long page, out int block)
    {
        unchecked
        {
            if (HasRoom(_bottom, pages, alignPages, from, out page))
            {
                block = _bottom;
                MoveTo(0);
                return page + pages <= to;
            }

            MoveTo(from);
            block = LeafNode.Blocks(_leaf)[_lane];
            if (block != 0 && HasRoom(block, pages, alignPages, from, out page))
            {
                return page + pages <= to;
            }

            int wanted = (int)Math.Min(pages, LeafNode.Saturated);
            while (MoveToNextHole(wanted))
            {
                block = LeafNode.Blocks(_leaf)[_lane];
                if (HasRoom(block, pages, alignPages, from, out page))
                {
                    return page + pages <= to;
                }
            }

            (page, block) = (0, 0);
            return false;
        }
    }

    /// <summary>Finds the block that the walk for a padded length ends at, 0 for none, and moves in front of it.</summary>
    private int EndOfWalk(long pages, long alignPages, long length, long from, out long page)
    {
        unchecked
        {
            int second = NextOfBottom();
            bool onlyBottomIsLow = second == 0 || BlockAt(second)->Start > from;
            if (!onlyBottomIsLow || _bottomEnd < length)
            {
                return EndOfAnyWalk(pages, alignPages, length, from, out page);
            }

            if (HasRoom(_bottom, pages, alignPages, from, out page))
            {
                MoveTo(0);
                return _bottom;
            }

            (int high, long highStart) = (0, long.MaxValue);
            if ((length >= _spotLeast && length <= _spotMost) || FindSpot(length) || MoveToHugeHole(length))
            {
                high = LeafNode.Blocks(_leaf)[_lane];
                highStart = BlockAt(high)->Start;
            }

            // All blocks from here on start in the window, so the window's start plays no part.
            long top = _topPage - 1;
            int edge = _bottom;
            int id = BlockAt(edge)->Parent;
            while (id != 0)
            {
                BlockNode* node = BlockAt(id);
                if (node->Start >= highStart)
                {
                    break;
                }

                page = (node->Start + alignPages - 1) & -alignPages;
                if (page + pages <= Math.Min(node->End, top))
                {
                    MoveTo(node->Start);
                    return id;
                }

                edge = id;
                id = node->Parent;
            }

            page = (highStart + alignPages - 1) & -alignPages;
            if (high == 0 || id == high)
            {
                return high;
            }

            // The hole lies right of the highest edge node below it. Of its ancestors up to there the last is the lowest.
            // Whether an ancestor is below the hole is a toss; so it is not branched on by itself.
            int chosen = high;
            for (id = BlockAt(high)->Parent; id != edge;)
            {
                BlockNode* node = BlockAt(id);
                long aligned = (node->Start + alignPages - 1) & -alignPages;
                if ((node->Start < highStart) & (aligned + pages <= node->End))
                {
                    (chosen, page) = (id, aligned);
                }

                id = node->Parent;
            }

            if (chosen != high)
            {
                MoveTo(BlockAt(chosen)->Start);
            }

            return chosen;
        }
    }

    private int EndOfAnyWalk(long pages, long alignPages, long length, long from, out long page)
    {
        unchecked
        {
            FindBigAround(from, length, out long lowStart, out long highStart);
            int node = _shape.Root;
            int turnedBefore = 0;    // where the descent turned left although the big high hole is here or on the right
            int deadEnd;
            long floor = -1;         // every hole below `node` starts between these
            long ceiling = long.MaxValue;
            while (true)
            {
                long start = BlockAt(node)->Start;
                if (start > from && (lowStart > floor || highStart < start))
                {
                    if (highStart >= start && highStart < ceiling)
                    {
                        turnedBefore = node;
                    }

                    ceiling = start;
                    node = BlockAt(node)->Left;
                    continue;
                }

                if (HasRoom(node, pages, alignPages, from, out page))
                {
                    return Chosen(node);
                }

                bool bigOnRight = (highStart > start && highStart < ceiling) || (start <= from && lowStart > start);
                if (!bigOnRight)
                {
                    deadEnd = node;
                    break;
                }

                floor = start;
                node = BlockAt(node)->Right;
            }

            for (node = BlockAt(deadEnd)->Parent; node != 0; node = BlockAt(node)->Parent)
            {
                if (HasRoom(node, pages, alignPages, from, out page))
                {
                    return Chosen(node);
                }

                if (node == turnedBefore)
                {
                    break;
                }
            }

            if (node == 0)
            {
                return 0;
            }

            node = BlockAt(node)->Right;
            while (BlockAt(node)->Start != highStart)
            {
                bool below = BlockAt(node)->Start < highStart;
                if (below && HasRoom(node, pages, alignPages, from, out page))
                {
                    break;
                }

                node = below ? BlockAt(node)->Right : BlockAt(node)->Left;
            }

            _ = HasRoom(node, pages, alignPages, from, out page);
            return Chosen(node);
        }
    }

    private int Chosen(int block)
    {
        MoveTo(BlockAt(block)->Start);
        return block;
    }

    /// <summary>Finds the highest big hole at or below the start of a window (-1: none) and the lowest big one above it.</summary>
    private void FindBigAround(long from, long length, out long lowStart, out long highStart)
    {
        int wanted = (int)Math.Min(length, LeafNode.Saturated);
        MoveTo(from);
        int here = LeafNode.Blocks(_leaf)[_lane];
        bool hereIsBig = here != 0 && BlockAt(here)->End - BlockAt(here)->Start >= length;
        bool hereIsLow = here != 0 && BlockAt(here)->Start <= from;

        int low = hereIsBig && hereIsLow ? here : 0;
        SaveCursor();
        while (low == 0 && MoveToPreviousHole(wanted))
        {
            int block = LeafNode.Blocks(_leaf)[_lane];
            low = BlockAt(block)->End - BlockAt(block)->Start >= length ? block : 0;
        }

        if (low == 0 && BlockAt(_bottom)->End >= length)
        {
            low = _bottom;
        }

        RestoreCursor();
        int high = hereIsBig && !hereIsLow ? here : 0;
        while (high == 0 && MoveToNextHole(wanted))
        {
            int block = LeafNode.Blocks(_leaf)[_lane];
            high = BlockAt(block)->End - BlockAt(block)->Start >= length ? block : 0;
        }

        lowStart = low == 0 ? -1 : BlockAt(low)->Start;
        highStart = high == 0 ? long.MaxValue : BlockAt(high)->Start;
    }

    /// <summary>Whether the aligned request fits the hole from the window's start on, and where.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool HasRoom(int block, long pages, long alignPages, long from, out long page)
    {
        unchecked
        {
            BlockNode* node = BlockAt(block);
            page = (Math.Max(node->Start, from) + alignPages - 1) & -alignPages;
            return page + pages <= node->End && page + pages < _topPage;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int NextOfBottom()
    {
        unchecked
        {
            int node = BlockAt(_bottom)->Right;
            if (node == 0)
            {
                return BlockAt(_bottom)->Parent;
            }

            while (BlockAt(node)->Left != 0)
            {
                node = BlockAt(node)->Left;
            }

            return node;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void RefuseOddRequest(ulong sizeBytes, ulong alignBytes)
    {
        unchecked
        {
            if (sizeBytes == 0 || (sizeBytes & _pageMask) != 0 || (alignBytes & (alignBytes - 1)) != 0 || alignBytes == 0)
            {
                RefuseRequest(sizeBytes, alignBytes);
            }
        }
    }

    private static void RefuseRequest(ulong sizeBytes, ulong alignBytes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sizeBytes);
        throw new ArgumentException(BitOperations.IsPow2(alignBytes)
            ? $"A size of {sizeBytes} bytes is not made of whole pages."
            : $"An alignment of {alignBytes} bytes is no power of two.");
    }
}
