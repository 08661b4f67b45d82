using System.Numerics;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>A kernel's vmalloc address space: where areas go, what is freed lazily, and what a purge brings back.</summary>
/// <remarks>
/// Joins the placer of the era, the pools in front of it, the areas that wait for a purge and the busy ones. A purge can
/// be run in one go or area by area: a recorded kernel returns areas one by one while other processors allocate.
/// Source: mm/vmalloc.c, alloc_vmap_area(), free_vmap_area_noflush(), __purge_vmap_area_lazy(), 2.4 to 7.1.
/// </remarks>
public sealed partial class VmallocSpace
{
    /// <summary>Steps in which the pools of a node are shortened.</summary>
    public const int PoolSteps = 3;

    private readonly IAreaPlacer _placer;
    private readonly NodePools _pools;
    private readonly AreaTable _busy;
    private readonly LazyAreas _lazy;
    private readonly List<LazyAreas.Entry> _detached = [];
    private readonly List<ReturnStep> _returning;
    private readonly List<FreeBlock> _merging = [];
    private readonly List<FreeBlock> _decayed = [];
    private int _returned;
    private bool _decayFully;
    private long _mergedVersion = -1;
    private int _mergedKept;

    /// <summary>Makes an empty address space, as it is when the kernel boots.</summary>
    /// <param name="setup">The kernel and machine.</param>
    /// <param name="free">A free tree of known shape to start from; busy areas are then told with <see cref="AddKnown"/>.</param>
    public VmallocSpace(VmallocSetup setup, IFreeSpace? free = null)
        : this(
            setup,
            AreaPlacers.For(setup.Facts, setup.PageBytes, setup.LastAddress, free),
            new NodePools(setup.Nodes, setup.PageBytes, setup.Facts.PoolDecay),
            new AreaTable(),
            new LazyAreas(),
            [])
    {
    }

    private VmallocSpace(
        VmallocSetup setup, IAreaPlacer placer, NodePools pools, AreaTable busy, LazyAreas lazy, List<ReturnStep> returning) =>
        (Setup, _placer, _pools, _busy, _lazy, _returning) = (setup, placer, pools, busy, lazy, returning);

    /// <summary>What a purge does in one go, between two moments at which another processor can step in.</summary>
    private enum ReturnKind
    {
        /// <summary>The lists of a node's pools are taken away to be shortened; who asks meanwhile finds them empty.</summary>
        HidePools,

        /// <summary>They are back, shorter; what they lost is nowhere yet.</summary>
        ShortenPools,

        /// <summary>What they lost is free.</summary>
        ReleaseDecayed,

        /// <summary>An area lies ready in a pool.</summary>
        ToPool,

        /// <summary>An area is free.</summary>
        ToTree,
    }

    /// <summary>One step of a purge.</summary>
    /// <param name="Kind">What it does.</param>
    /// <param name="Start">The area's start; for the steps that have no area, a number below every page that names the step.</param>
    /// <param name="End">The area's end.</param>
    /// <param name="Node">The node.</param>
    /// <param name="AndNext">Whether the next step happens under the same lock.</param>
    private readonly record struct ReturnStep(ReturnKind Kind, ulong Start, ulong End, int Node, bool AndNext);

    /// <summary>The kernel and machine.</summary>
    public VmallocSetup Setup { get; }

    /// <summary>The number of busy areas.</summary>
    public int BusyCount => _busy.Count;

    /// <summary>Bytes of busy areas, guard pages included.</summary>
    public ulong BusyBytes => _busy.Bytes;

    /// <summary>The number of areas that wait for a purge; neighbours are counted apart.</summary>
    public int LazyCount => _lazy.Count;

    /// <summary>Pages that wait for a purge, guard pages included (the kernel's vmap_lazy_nr).</summary>
    public ulong LazyPages => _lazy.Bytes >> BitOperations.Log2(Setup.PageBytes);

    /// <summary>Bytes lying ready in pools.</summary>
    public ulong PooledBytes => _pools.PooledBytes();

    /// <summary>Whether more waits than may wait.</summary>
    public bool IsPurgeDue => LazyPages > Setup.LazyPagesMax;

    /// <summary>Whether a purge has begun and not returned everything yet.</summary>
    public bool IsReturning => _returned < _returning.Count;

    /// <summary>Says where the kernel would put an area now, and changes nothing.</summary>
    public bool TryFind(in AreaRequest request, out ulong address) =>
        (UsesPools(request) && _pools.TryPeek(NodeFor(request), request.SizeBytes, request.AlignBytes, out address))
        || _placer.TryFind(request, out address);

    /// <summary>Places an area if there is room now; no purge is tried.</summary>
    public bool TryPlace(in AreaRequest request, out ulong address)
    {
        int tag = 0;
        if (UsesPools(request))
        {
            int node = NodeFor(request);
            tag = node + 1;
            if (_pools.TryTake(node, request.SizeBytes, request.AlignBytes, out address))
            {
                _busy.Add(new AreaTable.Entry(address, address + request.SizeBytes, tag));
                return true;
            }
        }

        if (!_placer.TryPlace(request, out address))
        {
            return false;
        }

        _busy.Add(new AreaTable.Entry(address, address + request.SizeBytes, tag));
        return true;
    }

    /// <summary>Says where an area would go, and places it only when that is the expected place.</summary>
    public ExpectedPlace PlaceExpected(in AreaRequest request, ulong expected, out ulong address)
    {
        ExpectedPlace outcome;
        int tag = 0;
        if (UsesPools(request))
        {
            int node = NodeFor(request);
            tag = node + 1;
            if (_pools.TryPeek(node, request.SizeBytes, request.AlignBytes, out address))
            {
                return address == expected && TryPlace(request, out _) ? ExpectedPlace.Placed : ExpectedPlace.Elsewhere;
            }

            outcome = _placer.PlaceExpected(request, expected, out address);
            if (outcome == ExpectedPlace.Placed)
            {
                // A front element that does not serve the alignment has moved to the back of its pool.
                _ = _pools.TryTake(node, request.SizeBytes, request.AlignBytes, out _);
            }
        }
        else
        {
            outcome = _placer.PlaceExpected(request, expected, out address);
        }

        if (outcome == ExpectedPlace.Placed)
        {
            _busy.Add(new AreaTable.Entry(address, address + request.SizeBytes, tag));
        }

        return outcome;
    }

    /// <summary>Places an area as a request that may sleep does: without room, everything is purged once and tried again.</summary>
    /// <param name="request">The request.</param>
    /// <param name="address">Where the area is.</param>
    /// <param name="purged">Whether a purge was needed.</param>
    /// <returns>False when there is no room even then.</returns>
    public bool TryAllocate(in AreaRequest request, out ulong address, out bool purged)
    {
        purged = false;
        if (TryPlace(request, out address))
        {
            return true;
        }

        if (Setup.Facts.PurgeOrder == PurgeOrder.None)
        {
            return false;
        }

        purged = true;
        Purge(PurgeKind.Full);
        return TryPlace(request, out address);
    }

    /// <summary>Takes the place the kernel chose although we would have chosen another.</summary>
    /// <returns>False when part of it is busy, waits for a purge or lies in a pool; then nothing changed.</returns>
    public bool TryAdopt(in AreaRequest request, ulong address)
    {
        if (!_placer.TryAdopt(request, address) && !_pools.TryRemove(address, request.SizeBytes))
        {
            return false;
        }

        int tag = UsesPools(request) ? NodeFor(request) + 1 : 0;
        _busy.Add(new AreaTable.Entry(address, address + request.SizeBytes, tag));
        return true;
    }

    /// <summary>Takes an area that is known to be there, without guard or node of its own.</summary>
    /// <returns>False when part of it is taken already.</returns>
    public bool TryAddKnown(ulong start, ulong endExclusive)
    {
        if (!_placer.TryReserve(start, endExclusive - start))
        {
            return false;
        }

        _busy.Add(new AreaTable.Entry(start, endExclusive, 0));
        return true;
    }

    /// <summary>Notes an area that is busy in a space whose free tree was given with the space.</summary>
    public void AddKnown(ulong start, ulong endExclusive) => _busy.Add(new AreaTable.Entry(start, endExclusive, 0));

    /// <summary>Notes an area that waits for a purge in a space whose free tree was given with the space.</summary>
    public void AddKnownLazy(ulong start, ulong endExclusive) =>
        _lazy.Add(new LazyAreas.Entry(start, endExclusive, _pools.NodeOf(start), false));

    /// <summary>Takes the place of an area that is known to wait for a purge.</summary>
    public bool TryAddKnownLazy(ulong start, ulong endExclusive)
    {
        if (!_placer.TryReserve(start, endExclusive - start))
        {
            return false;
        }

        AddKnownLazy(start, endExclusive);
        return true;
    }

    /// <summary>The busy area that starts there.</summary>
    public bool TryGetBusy(ulong start, out FreeBlock area)
    {
        bool found = _busy.TryGet(start, out AreaTable.Entry entry);
        area = new FreeBlock(entry.Start, entry.End);
        return found;
    }

    /// <summary>A busy area that shares a byte with a range; slow, for explaining.</summary>
    public bool TryGetOverlappingBusy(ulong start, ulong endExclusive, out FreeBlock area)
    {
        bool found = _busy.TryOverlapping(start, endExclusive, out AreaTable.Entry entry);
        area = new FreeBlock(entry.Start, entry.End);
        return found;
    }

    /// <summary>Whether a kernel's answer to a request depends on the shape of its free tree, not on what is free alone.</summary>
    public bool DependsOnShape(in AreaRequest request) => Setup.Facts.Era >= PlacementEra.FreeTree
        && Setup.Facts.SearchRule switch
        {
            FreeSearchRule.AlwaysPadded => request.AlignBytes > 1,
            FreeSearchRule.SizeOnly => false,
            FreeSearchRule.PaddedAbovePage => request.AlignBytes > Setup.PageBytes
                && request.WindowEnd - request.WindowStart != request.SizeBytes,
        };

    /// <summary>Whether there are requests for which <see cref="DependsOnShape"/> holds.</summary>
    public bool SomeDependOnShape =>
        Setup.Facts.Era >= PlacementEra.FreeTree && Setup.Facts.SearchRule != FreeSearchRule.SizeOnly;

    /// <summary>Whether a search goes on where the one before ended, which no listing shows.</summary>
    public bool RemembersPlace => Setup.Facts.Era is PlacementEra.HintedBusyAreasWithGap or PlacementEra.HintedBusyAreas;

    /// <summary>Frees an area; from 2.6.28 on its addresses wait for a purge. A purge that is due is the caller's to run.</summary>
    /// <param name="start">The area's start.</param>
    /// <param name="freed">The area.</param>
    /// <param name="beforeOthers">Whether it was freed before everything that waits already.</param>
    /// <returns>False when no busy area starts there.</returns>
    public bool TryFree(ulong start, out FreeBlock freed, bool beforeOthers = false)
    {
        if (!_busy.TryRemove(start, out AreaTable.Entry entry))
        {
            freed = default;
            return false;
        }

        freed = new FreeBlock(entry.Start, entry.End);
        if (Setup.WithoutLazyFreeing || Setup.Facts.PurgeOrder == PurgeOrder.None)
        {
            _placer.Release(entry.Start, entry.End);
            return true;
        }

        bool fromNode = entry.NodeTag > 0;
        int node = fromNode ? entry.NodeTag - 1 : _pools.NodeOf(entry.Start);
        LazyAreas.Entry waiting = new(entry.Start, entry.End, node, fromNode);
        if (beforeOthers)
        {
            _lazy.AddOldest(waiting);
        }
        else
        {
            _lazy.Add(waiting);
        }

        return true;
    }

    /// <summary>The name of the last step of the purge under way, the start of an area it returned; 0 before the first.</summary>
    public ulong LastReturned => _returned == 0 ? 0 : _returning[_returned - 1].Start;

    /// <summary>
    /// Whether the last step of the purge under way gave something back to the tree: who had to wait for the tree's lock
    /// searches it right then.
    /// </summary>
    public bool HasJustFreed => _returned > 0 && _returning[_returned - 1].Kind is ReturnKind.ToTree or ReturnKind.ReleaseDecayed;

    /// <summary>Whether an address waits for a purge, or is detached and not returned yet.</summary>
    public AreaState StateOf(ulong address)
    {
        for (int i = _returned; i < _returning.Count; i++)
        {
            if (_returning[i].Start <= address && address < _returning[i].End)
            {
                return AreaState.Returning;
            }
        }

        foreach (FreeBlock block in _decayed)
        {
            if (block.Start <= address && address < block.End)
            {
                return AreaState.Returning;
            }
        }

        foreach (LazyAreas.Entry entry in _lazy.InOrderOfFreeing)
        {
            if (entry.Start <= address && address < entry.End)
            {
                return AreaState.Lazy;
            }
        }

        if (_busy.TryOverlapping(address, address + 1, out _))
        {
            return AreaState.Busy;
        }

        return _placer.TryHoleAtOrBelow(address, out FreeBlock hole) && address < hole.End ? AreaState.Free : AreaState.Pooled;
    }

    /// <summary>Whether an address belongs to an area that the last purge took, and where that area is.</summary>
    public bool TryGetPurged(ulong address, out FreeBlock area)
    {
        foreach (LazyAreas.Entry entry in _detached)
        {
            if (entry.Start <= address && address < entry.End)
            {
                area = new FreeBlock(entry.Start, entry.End);
                return true;
            }
        }

        area = default;
        return false;
    }

    /// <summary>An area that lies ready in a pool and shares a byte with a range, and the pool's node.</summary>
    public bool TryGetPooled(ulong start, ulong endExclusive, out FreeBlock area, out int node) =>
        _pools.TryFindOverlapping(start, endExclusive, out area, out node);

    /// <summary>An area that waits for a purge and shares a byte with a range.</summary>
    public bool TryGetLazy(ulong start, ulong endExclusive, out FreeBlock area)
    {
        foreach (LazyAreas.Entry entry in _lazy.InOrderOfFreeing)
        {
            if (entry.Start < endExclusive && start < entry.End)
            {
                area = new FreeBlock(entry.Start, entry.End);
                return true;
            }
        }

        area = default;
        return false;
    }

    /// <summary>Makes a range free whatever holds it, so that the kernel's answer can be adopted over our own state.</summary>
    public void Evict(ulong start, ulong endExclusive)
    {
        FinishPurge();
        while (_lazy.TryTakeOverlapping(start, endExclusive, out LazyAreas.Entry lazy))
        {
            _placer.Release(lazy.Start, lazy.End);
        }

        while (_busy.TryOverlapping(start, endExclusive, out AreaTable.Entry busy))
        {
            _busy.TryRemove(busy.Start, out _);
            _placer.Release(busy.Start, busy.End);
        }

        while (_pools.TryTakeOverlapping(start, endExclusive, out FreeBlock pooled))
        {
            _placer.Release(pooled.Start, pooled.End);
        }
    }

    /// <summary>Finds and takes the place of a per-CPU chunk; every group becomes a busy area.</summary>
    /// <returns>False when there is no room; a full purge may make some.</returns>
    public bool TryPlacePercpu(ReadOnlySpan<PercpuGroup> groups, ulong alignBytes, out ulong baseAddress)
    {
        if (!TryFindPercpu(groups, alignBytes, out baseAddress))
        {
            return false;
        }

        foreach (PercpuGroup group in groups)
        {
            ulong start = baseAddress + group.OffsetBytes;
            if (!_placer.TryReserve(start, group.SizeBytes))
            {
                throw new InvalidOperationException($"per-CPU group at 0x{start:x} does not lie in one hole");
            }

            AddKnown(start, start + group.SizeBytes);
        }

        return true;
    }

    /// <summary>Says where a per-CPU chunk would go, and changes nothing.</summary>
    public bool TryFindPercpu(ReadOnlySpan<PercpuGroup> groups, ulong alignBytes, out ulong baseAddress) =>
        TopDownPlacement.TryFind(_placer, groups, alignBytes, Setup.WindowStart, Setup.WindowEnd, out baseAddress);

    /// <summary>Lists the busy areas.</summary>
    /// <param name="areas">Takes them.</param>
    /// <param name="inOrder">Whether by address; otherwise in no particular order, which is quicker.</param>
    public void CopyBusyTo(List<FreeBlock> areas, bool inOrder = true) => _busy.CopyTo(areas, inOrder);

    /// <summary>Lists what waits for a purge, in the order of freeing.</summary>
    public void CopyLazyTo(List<FreeBlock> areas)
    {
        foreach (LazyAreas.Entry entry in _lazy.InOrderOfFreeing)
        {
            areas.Add(new FreeBlock(entry.Start, entry.End));
        }
    }

    /// <summary>Lists what waits for a purge with the node in whose list it waits, in the order of freeing.</summary>
    public void CopyLazyTo(List<(int Node, FreeBlock Area)> areas)
    {
        foreach (LazyAreas.Entry entry in _lazy.InOrderOfFreeing)
        {
            areas.Add((entry.Node, new FreeBlock(entry.Start, entry.End)));
        }
    }

    /// <summary>The hole with the smallest start above an address.</summary>
    public bool TryHoleAbove(ulong address, out FreeBlock hole) => _placer.TryHoleAbove(address, out hole);

    /// <summary>The hole with the greatest start not above an address.</summary>
    public bool TryHoleAtOrBelow(ulong address, out FreeBlock hole) => _placer.TryHoleAtOrBelow(address, out hole);

    /// <summary>An independent copy that answers every later operation alike.</summary>
    public VmallocSpace Clone()
    {
        VmallocSpace copy = new(Setup, _placer.Clone(), _pools.Clone(), _busy.Clone(), _lazy.Clone(), [.. _returning]);
        (copy._returned, copy._decayFully) = (_returned, _decayFully);
        copy._decayed.AddRange(_decayed);
        copy._detached.AddRange(_detached);
        return copy;
    }

    private bool UsesPools(in AreaRequest request) =>
        _pools.Nodes > 1 && request.WindowStart == Setup.WindowStart && request.WindowEnd == Setup.WindowEnd;

    private int NodeFor(in AreaRequest request) => request.Cpu % _pools.Nodes;

}

/// <summary>What an address is to the allocator.</summary>
public enum AreaState
{
    /// <summary>In a hole.</summary>
    Free,

    /// <summary>In a busy area.</summary>
    Busy,

    /// <summary>Freed, waiting for a purge.</summary>
    Lazy,

    /// <summary>Taken by a purge, not returned yet.</summary>
    Returning,

    /// <summary>In a pool of ready areas.</summary>
    Pooled,
}
