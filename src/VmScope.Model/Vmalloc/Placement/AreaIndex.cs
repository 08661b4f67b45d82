using System.Runtime.CompilerServices;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>
/// Areas and the holes between them in one structure: every address the kernel's tree of free blocks would give, at a
/// multiple of its speed.
/// </summary>
/// <remarks>
/// <para>
/// Areas and holes tile the address space, so one entry per area, with the pages of the hole behind it, says all. The
/// entries are the leaves (<see cref="LeafNode"/>) of a tree of wide nodes that is searched by address and by hole size
/// with vector instructions. Beside it stands the kernel's own red-black tree of holes (<see cref="BlockShapeTree"/>),
/// kept for its shape alone: page-aligned requests never look at it, requests whose answer depends on the shape follow
/// a few of its links (AreaIndex.Search.cs explains why those suffice).
/// </para>
/// <para>
/// A range that is not free is an area, whoever may own it: an area freed lazily stays one until its range is
/// inserted. A range handed in may cover several areas, as ranges merged before a purge do, or a part of one; it enters
/// the tree of holes as one block, as in the kernel.
/// </para>
/// <para>
/// Entry 0 is no area but the empty one at page 0: the block [1, ...) at the bottom of the address space is the hole
/// behind it. That block is not among the holes searched by size: it is far below every window, mostly, and would
/// always be found. Page 0 and the last page of the address space are never handed out whole, so the first and the last
/// block always exist. Addresses inside are page numbers.
/// </para>
/// </remarks>
internal sealed unsafe partial class AreaIndex : IFreeSpace
{
    private readonly int _pageShift;
    private readonly ulong _pageMask;
    private readonly ulong _lastAddress;
    private readonly long _topPage;             // one behind the last page
    private readonly ulong _alignBytesWithoutShape;   // up to this alignment the lowest hole that fits is the answer
    private readonly BlockShapeTree _shape;
    private int _bottom;                        // the block at the bottom of the address space
    private long _bottomEnd;                    // and its end

    /// <summary>Makes an address space with one free block, [1, lastAddress).</summary>
    /// <param name="rule">How long a block is searched for.</param>
    /// <param name="pageBytes">The page size in bytes, a power of two of 4096 or more.</param>
    /// <param name="lastAddress">The kernel's ULONG_MAX: 2^32-1 or 2^64-1.</param>
    internal AreaIndex(FreeSearchRule rule, ulong pageBytes, ulong lastAddress)
        : this(rule, pageBytes, lastAddress, new BlockShapeTree())
    {
        _bottom = _shape.InsertFirst(0, _topPage);
        StartTree(_bottom);
    }

    private AreaIndex(FreeSearchRule rule, ulong pageBytes, ulong lastAddress, BlockShapeTree shape)
    {
        if (lastAddress is not (uint.MaxValue or ulong.MaxValue))
        {
            throw new ArgumentOutOfRangeException(nameof(lastAddress), lastAddress, "An address space ends at 2^32-1 or 2^64-1.");
        }

        if (!ulong.IsPow2(pageBytes) || pageBytes < 4096 || pageBytes > lastAddress)
        {
            throw new ArgumentOutOfRangeException(nameof(pageBytes), pageBytes, "A page is a power of two of 4096 or more.");
        }

        Rule = rule;
        _pageShift = (int)ulong.Log2(pageBytes);
        _pageMask = pageBytes - 1;
        _lastAddress = lastAddress;
        _topPage = (long)(lastAddress >> _pageShift) + 1;
        _alignBytesWithoutShape = rule == FreeSearchRule.AlwaysPadded ? 1 : pageBytes;
        _shape = shape;
    }

    /// <inheritdoc />
    public FreeSearchRule Rule { get; }

    /// <inheritdoc />
    public int BlockCount => _shape.Count;

    /// <summary>The number of areas: ranges placed or reserved and not inserted since.</summary>
    internal int AreaCount { get; private set; }

    /// <summary>The bytes of memory in use, at their highest so far.</summary>
    internal long UsedBytes => _leaves.UsedBytes + _inner.UsedBytes + _shape.UsedBytes;

    /// <summary>Makes the space around areas that existed before the allocator: the gaps enter in ascending order.</summary>
    /// <exception cref="ArgumentException">The areas are not ascending, or not made of pages.</exception>
    internal static AreaIndex Around(FreeSearchRule rule, ulong pageBytes, ulong lastAddress, ReadOnlySpan<FreeBlock> early) =>
        FromShape(rule, pageBytes, [.. KernelFreeTree.Around(rule, pageBytes, lastAddress, early).ToShape()]);

    /// <summary>Makes the tree that was read from a running kernel; what lies between two blocks is one area.</summary>
    /// <exception cref="ArgumentException">
    /// The list is no red-black tree of blocks, or does not reach from 1 to the end of the address space.
    /// </exception>
    internal static AreaIndex FromShape(FreeSearchRule rule, ulong pageBytes, ReadOnlySpan<FreeTreeNode> preorder)
    {
        FreeTreeShape shape = FreeTreeShape.Read(preorder, pageBytes);
        FreeTreeNode first = preorder[shape.InOrder[0]];
        FreeTreeNode last = preorder[shape.InOrder[shape.Count - 1]];
        if (first.Start != 1 || last.End is not (uint.MaxValue or ulong.MaxValue))
        {
            throw new ArgumentException($"Blocks reach from 0x{first.Start:x} to 0x{last.End:x}, not from 1 to the end of the address space.");
        }

        BlockShapeTree links = new();
        AreaIndex index = new(rule, pageBytes, last.End, links);
        int[] ids = links.Load(preorder, shape, index._pageShift);
        index._bottom = ids[shape.InOrder[0]];
        index.StartTree(index._bottom);
        for (int position = 1; position < shape.Count; position++)
        {
            BlockNode* below = links.At(ids[shape.InOrder[position - 1]]);
            int block = ids[shape.InOrder[position]];
            index.Append(below->End, links.At(block)->Start, links.At(block)->End, block);
        }

        return index;
    }

    /// <inheritdoc />
    public bool TryFind(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        bool found = Locate(sizeBytes, alignBytes, windowStart, windowEnd, out long page, out _);
        address = found ? (ulong)page << _pageShift : 0;
        return found;
    }

    /// <inheritdoc />
    [MethodImpl(MethodImplOptions.NoInlining)]   // large, and itself full of inlined code
    public bool TryPlace(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        unchecked
        {
            // Odd requests are refused elsewhere: no spot is for 0 pages.
            long pages = (long)(sizeBytes >> _pageShift);
            if ((sizeBytes & _pageMask) == 0 && IsForLowestHole(alignBytes) && MoveToSpot(pages, FirstPage(windowStart)))
            {
                long page = _spotPage;
                if (page + pages > (long)(windowEnd >> _pageShift))
                {
                    address = 0;
                    return false;
                }

                CutSpot((int)pages);
                address = (ulong)page << _pageShift;
                return true;
            }

            return TryPlaceAnywhere(sizeBytes, alignBytes, windowStart, windowEnd, out address);
        }
    }

    /// <summary>Whether an alignment is a power of two up to which the lowest hole that fits is the answer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsForLowestHole(ulong alignBytes) =>
        unchecked((alignBytes & (alignBytes - 1)) == 0 && alignBytes - 1 < _alignBytesWithoutShape);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryPlaceAnywhere(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        bool found = Locate(sizeBytes, alignBytes, windowStart, windowEnd, out long page, out int block);
        address = 0;
        if (found)
        {
            address = (ulong)page << _pageShift;
            Cut(block, page, (long)(sizeBytes >> _pageShift));
        }

        return found;
    }

    /// <inheritdoc />
    /// <exception cref="ArgumentException">The range is not made of pages.</exception>
    public bool TryReserve(ulong start, ulong sizeBytes)
    {
        RequirePages(start, sizeBytes);
        long page = (long)(start >> _pageShift);
        long pages = (long)(sizeBytes >> _pageShift);
        if (pages == 0 || page == 0 || pages >= _topPage - page)
        {
            return false;
        }

        int block = _shape.AtOrBelow(page);
        if (BlockAt(block)->End < page + pages)
        {
            return false;
        }

        MoveTo(page);
        Cut(block, page, pages);
        return true;
    }

    /// <inheritdoc />
    /// <remarks>The range may cover several areas, or parts of some.</remarks>
    public void Insert(ulong start, ulong endExclusive)
    {
        RequirePages(start, endExclusive);
        if (start >= endExclusive || !TryGive((long)(start >> _pageShift), (long)(endExclusive >> _pageShift)))
        {
            throw new ArgumentException($"Range 0x{start:x}..0x{endExclusive:x} is empty or already free in part.");
        }
    }

    /// <summary>Frees the area that starts at an address.</summary>
    /// <returns>False when no area starts there; then nothing changed.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal bool TryRelease(ulong start, out ulong sizeBytes)
    {
        unchecked
        {
            long page = (long)(start >> _pageShift);
            if ((start & _pageMask) == 0 && page != 0 && MoveToArea(page))
            {
                int pages = LeafNode.Sizes(_leaf)[_lane];
                sizeBytes = (ulong)pages << _pageShift;
                if (pages == LeafNode.Saturated || _lane == 0)
                {
                    sizeBytes = (ulong)AreaPages << _pageShift;
                    FreeSlowly();
                    return true;
                }

                Free(page, pages);
                return true;
            }

            sizeBytes = 0;
            return false;
        }
    }

    /// <summary>Finds the area that contains an address.</summary>
    internal bool TryFindArea(ulong address, out FreeBlock area)
    {
        unchecked
        {
            long page = (long)(address >> _pageShift);
            byte* leaf = LeafOf(page, out long leafStart, out int lane);
            long start = leafStart + LeafNode.Offsets(leaf)[lane];
            long pages = PagesOf(leaf, lane, start);
            area = new((ulong)start << _pageShift, (ulong)(start + pages) << _pageShift);
            return page - start < pages;
        }
    }

    /// <inheritdoc />
    public bool TryBlockAtOrBelow(ulong address, out FreeBlock block)
    {
        int id = address == 0 ? 0 : _shape.AtOrBelow((long)(address >> _pageShift));
        block = BlockOf(id);
        return id != 0;
    }

    /// <inheritdoc />
    public bool TryBlockAbove(ulong address, out FreeBlock block)
    {
        int id = address == 0 ? _bottom : _shape.Above((long)(address >> _pageShift));
        block = BlockOf(id);
        return id != 0;
    }

    /// <inheritdoc />
    public IFreeSpace Clone() => new AreaIndex(this);

    private FreeBlock BlockOf(int id)
    {
        if (id == 0)
        {
            return default;
        }

        BlockNode* node = BlockAt(id);
        return new(
            Start: node->Start == 0 ? 1 : (ulong)node->Start << _pageShift,
            End: node->End == _topPage ? _lastAddress : (ulong)node->End << _pageShift);
    }

    private void RequirePages(ulong first, ulong second)
    {
        if (((first | second) & _pageMask) != 0)
        {
            throw new ArgumentException($"0x{first:x} and 0x{second:x} are not both whole pages of {_pageMask + 1} bytes.");
        }
    }
}
