using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Benchmarks.Placement;

/// <summary>One way to keep areas: what a workload asks of it.</summary>
/// <remarks>Implemented by structs, so that the calls of a workload are compiled for each of them alone.</remarks>
internal interface IPeer
{
    /// <summary>Places an area in the peer's window.</summary>
    bool Place(ulong sizeBytes, ulong alignBytes, out ulong address);

    /// <summary>Places an area at the top of the window, as per-CPU chunks are.</summary>
    bool PlaceFromTop(ulong sizeBytes, out ulong address);

    /// <summary>Frees the area that starts at an address.</summary>
    void Free(ulong address);

    /// <summary>The start of the area that contains an address; 0 if none does.</summary>
    ulong Find(ulong address);

    /// <summary>Bytes of memory in use for areas and holes.</summary>
    long UsedBytes { get; }
}

/// <summary>The kernel's way: its tree of free blocks and beside it its tree of busy areas, nodes being objects.</summary>
internal readonly struct KernelPeer(ulong windowStart, ulong windowEnd) : IPeer
{
    private readonly KernelFreeTree _free = new(FreeSearchRule.PaddedAbovePage, 4096, ulong.MaxValue);
    private readonly BusyTree _busy = new();

    public bool Place(ulong sizeBytes, ulong alignBytes, out ulong address)
    {
        if (!_free.TryPlace(sizeBytes, alignBytes, windowStart, windowEnd, out address))
        {
            return false;
        }

        _busy.Add(address, address + sizeBytes);
        return true;
    }

    public bool PlaceFromTop(ulong sizeBytes, out ulong address)
    {
        if (!Top.TryFind(_free, sizeBytes, windowStart, windowEnd, out address) || !_free.TryReserve(address, sizeBytes))
        {
            return false;
        }

        _busy.Add(address, address + sizeBytes);
        return true;
    }

    public void Free(ulong address) => _free.Insert(address, _busy.Remove(address));

    public ulong Find(ulong address) => _busy.Find(address);

    public long UsedBytes => NodeBytes * (_free.BlockCount + _busy.Count);

    // Object header and method table, five references, three words and a flag.
    private const long NodeBytes = 16 + (5 * 8) + (3 * 8) + 8;

    private sealed class BusyTree
    {
        private readonly AddressTree<NoUpkeep> _tree = new();
        private AddressNode? _spare;

        internal int Count => _tree.Count;

        internal void Add(ulong start, ulong end)
        {
            AddressNode node = _spare ?? new();
            _spare = node.Next;
            (node.Start, node.End) = (start, end);
            _ = _tree.TryFindPlace(start, end, out AddressNode? parent, out bool isLeft);
            _tree.Insert(node, parent, isLeft);
        }

        internal ulong Remove(ulong start)
        {
            AddressNode node = _tree.Find(start)!;
            _tree.Erase(node);
            node.Next = _spare;
            _spare = node;
            return node.End;
        }

        internal ulong Find(ulong address) => _tree.Find(address)?.Start ?? 0;
    }
}

/// <summary>The ordinary way: sorted collections of the class library, holes scanned from the bottom.</summary>
/// <remarks>Takes the lowest hole that fits, so above page alignment it gives other addresses than the kernel.</remarks>
internal readonly struct SortedSetPeer : IPeer
{
    private readonly SortedDictionary<ulong, ulong> _areas = [];
    private readonly SortedSet<FreeBlock> _holes = new(Comparer<FreeBlock>.Create((left, right) => left.Start.CompareTo(right.Start)));

    internal SortedSetPeer(ulong windowStart, ulong windowEnd) => _holes.Add(new(windowStart, windowEnd));

    public bool Place(ulong sizeBytes, ulong alignBytes, out ulong address)
    {
        foreach (FreeBlock hole in _holes)
        {
            address = unchecked(hole.Start + alignBytes - 1) & ~(alignBytes - 1);
            if (address >= hole.Start && sizeBytes <= hole.End && address <= hole.End - sizeBytes)
            {
                Take(hole, address, address + sizeBytes);
                return true;
            }
        }

        address = 0;
        return false;
    }

    public bool PlaceFromTop(ulong sizeBytes, out ulong address)
    {
        foreach (FreeBlock hole in _holes.Reverse())
        {
            if (hole.SizeBytes >= sizeBytes)
            {
                address = (hole.End - sizeBytes) & ~4095UL;
                Take(hole, address, address + sizeBytes);
                return true;
            }
        }

        address = 0;
        return false;
    }

    public void Free(ulong address)
    {
        _ = _areas.Remove(address, out ulong end);
        ulong start = address;
        FreeBlock lower = _holes.GetViewBetween(default, new(address, end)).Max;
        if (lower.End == start)
        {
            _ = _holes.Remove(lower);
            start = lower.Start;
        }

        if (_holes.TryGetValue(new(end, end), out FreeBlock upper))
        {
            _ = _holes.Remove(upper);
            end = upper.End;
        }

        _ = _holes.Add(new(start, end));
    }

    // A sorted dictionary has no search for "at or below"; the start itself is all it can be asked for.
    public ulong Find(ulong address) => _areas.ContainsKey(address) ? address : 0;

    public long UsedBytes => 0;

    private void Take(FreeBlock hole, ulong start, ulong end)
    {
        _ = _holes.Remove(hole);
        if (start > hole.Start)
        {
            _ = _holes.Add(new(hole.Start, start));
        }

        if (end < hole.End)
        {
            _ = _holes.Add(new(end, hole.End));
        }

        _areas.Add(start, end);
    }
}

/// <summary>This project's way.</summary>
internal readonly struct IndexPeer(ulong windowStart, ulong windowEnd) : IPeer
{
    private readonly AreaIndex _index = new(FreeSearchRule.PaddedAbovePage, 4096, ulong.MaxValue);

    public bool Place(ulong sizeBytes, ulong alignBytes, out ulong address) =>
        _index.TryPlace(sizeBytes, alignBytes, windowStart, windowEnd, out address);

    public bool PlaceFromTop(ulong sizeBytes, out ulong address) =>
        Top.TryFind(_index, sizeBytes, windowStart, windowEnd, out address) && _index.TryReserve(address, sizeBytes);

    public void Free(ulong address) => _index.TryRelease(address, out _);

    public ulong Find(ulong address) => _index.TryFindArea(address, out FreeBlock area) ? area.Start : 0;

    public long UsedBytes => _index.UsedBytes;

    internal int AreaCount => _index.AreaCount;
}

/// <summary>The search from the top of a window down.</summary>
internal static class Top
{
    internal static bool TryFind(IFreeSpace free, ulong sizeBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        ulong below = windowEnd - 1;
        while (free.TryBlockAtOrBelow(below, out FreeBlock block) && block.End > windowStart)
        {
            ulong end = Math.Min(block.End, windowEnd) & ~4095UL;
            address = end - sizeBytes;
            if (end >= sizeBytes && address >= Math.Max(block.Start, windowStart))
            {
                return true;
            }

            below = block.Start - 1;
        }

        address = 0;
        return false;
    }
}
