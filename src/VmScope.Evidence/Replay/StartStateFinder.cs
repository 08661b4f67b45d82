using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Finds the state in which the first operation of a trace met the kernel.</summary>
/// <remarks>
/// A listing taken inside the trace is rewound: what was placed before it is taken out again, what was freed before it
/// is put back. A free told by a probe names its end, so even areas older than the trace come back. What cannot be
/// rewound is an area that was freed before the trace began and purged inside it: until the first purge such areas
/// may lie in the model's holes.
/// </remarks>
internal sealed class StartStateFinder(VmallocSetup setup, IReadOnlyList<ReplayOperation> first)
{
    /// <summary>How many operations are read ahead to look for the marker of the first listing.</summary>
    internal const int OperationsMax = 8192;

    /// <summary>
    /// Who registers areas before the allocator exists: mappings of the kernel image, of devices at fixed places, and a first
    /// per-CPU chunk made of pages. Source: vm_area_add_early(), vm_area_register_early(), 5.2 to 7.1.
    /// </summary>
    private static readonly string[] _earlyOwners =
        ["paging_init", "map_kernel_segment", "declare_kernel_vmas", "iotable_init", "pci_reserve_io", "debug_ll_io_init", "pcpu_page_first_chunk"];

    /// <summary>The state at boot: nothing allocated, but for the areas that the architecture registered before.</summary>
    /// <param name="reason">How it was found.</param>
    /// <param name="chunkBytes">The size of a per-CPU chunk's area.</param>
    /// <param name="listing">A listing read later; null without one.</param>
    internal StartState Boot(string reason, ulong chunkBytes, Listing? listing)
    {
        FreeBlock[] early = EarlyAreas(listing);
        IFreeSpace? tree = early.Length > 0 && setup.Facts.Era >= Kernels.PlacementEra.FreeTree
            ? FreeSpaces.Around(setup.Facts.SearchRule, setup.PageBytes, setup.LastAddress, early)
            : null;
        VmallocSpace space = new(setup, tree);
        foreach (FreeBlock area in early)
        {
            if (tree is not null)
            {
                space.AddKnown(area.Start, area.End);
            }
            else
            {
                _ = space.TryAddKnown(area.Start, area.End);
            }
        }

        return new StartState
        {
            Kind = ReplayStart.Boot,
            Reason = early.Length == 0 ? reason : $"{reason}; {early.Length} areas of {listing?.File} were there before",
            Space = space,
            ChunkBytes = chunkBytes,
        };
    }

    /// <summary>The state when nothing is known.</summary>
    internal StartState Unknown(ulong chunkBytes) => new()
    {
        Kind = ReplayStart.Unknown,
        Reason = "the trace does not begin at boot and no listing was given",
        Space = new VmallocSpace(setup),
        ChunkBytes = chunkBytes,
    };

    /// <summary>Whether the first request of the vmalloc range got the very first address: nothing was there before it.</summary>
    internal bool BeginsAtBoot(Listing? listing)
    {
        int marker = MarkerIndex(TraceMarker.BeforeBegins, TraceMarker.BeforeEnds);
        for (int i = 0; i < first.Count; i++)
        {
            if (listing is not null && i == marker)
            {
                return false;
            }

            ReplayOperation operation = first[i];
            if (operation.Kind is OperationKind.Free or OperationKind.Lost)
            {
                return false;
            }

            if (!operation.IsPossible(setup.PageBytes, setup.LastAddress))
            {
                continue;
            }

            if (operation.Kind == OperationKind.Place && operation.WindowStart == setup.WindowStart)
            {
                return operation.Start == Align.Up(operation.WindowStart, Math.Max(1, operation.AlignBytes));
            }
        }

        return false;
    }

    /// <summary>The state a listing tells, with the tree of known shape where there is one.</summary>
    /// <exception cref="EvidenceException">Listing and tree contradict each other.</exception>
    internal StartState FromListing(Listing listing, IFreeSpace? tree, string? treeFile)
    {
        Dictionary<ulong, ulong> busy = ByStart(listing);
        List<FreeBlock> lazy = [.. listing.Lazy];
        int taken = TakenAt(busy);
        bool purged = Rewind(listing, busy, lazy, taken, out int skip);
        bool rewound = taken > skip;
        VmallocSpace space = new(setup, tree);
        foreach ((ulong start, ulong end) in busy.OrderBy(area => area.Key))
        {
            Add(space, tree is not null, listing.File, treeFile, start, end);
        }

        // A listing shows what was freed last first where the kernel purges it in that order.
        if (setup.Facts.PurgeOrder == Kernels.PurgeOrder.LastFreedFirst)
        {
            lazy.Reverse();
        }

        foreach (FreeBlock area in purged ? [] : lazy)
        {
            if (((area.Start | area.End) & (setup.PageBytes - 1)) != 0 || area.End > setup.LastAddress)
            {
                throw new EvidenceException($"{listing.File}: area 0x{area.Start:x}-0x{area.End:x} is not made of pages of the address space");
            }

            if (tree is not null)
            {
                space.AddKnownLazy(area.Start, area.End);
            }
            else
            {
                _ = space.TryAddKnownLazy(area.Start, area.End);
            }
        }

        string origin = tree is null ? listing.File : $"{listing.File} and {treeFile}";
        return new StartState
        {
            Kind = tree is null ? ReplayStart.Listing : ReplayStart.FreeTree,
            Reason = rewound ? $"{origin}, rewound over the {taken - skip} operations the trace has before it" : origin,
            Space = space,
            Skip = skip,
            LazyUnknownUntilPurge = purged,
            ChunkBytes = listing.ChunkBytes,
        };
    }

    /// <summary>The areas of a listing that no request of the trace placed.</summary>
    private FreeBlock[] EarlyAreas(Listing? listing)
    {
        int marker = MarkerIndex(TraceMarker.BeforeEnds, TraceMarker.BeforeBegins);
        HashSet<ulong> placed = [];
        foreach (ReplayOperation operation in first)
        {
            if (operation.Kind is OperationKind.Place or OperationKind.Appear or OperationKind.Chunk && !operation.Failed)
            {
                placed.Add(operation.Start);
            }
        }

        List<FreeBlock> early = [];
        foreach (Listing.ListedArea area in listing?.Busy ?? [])
        {
            // Behind the marker of the listing every request before it has been seen; without one the names have to tell.
            bool isKnown = (marker >= 0 && !area.Owner.StartsWith(Listing.ChunkOwner, StringComparison.Ordinal))
                || Array.Exists(_earlyOwners, owner => area.Owner.StartsWith(owner, StringComparison.Ordinal));
            bool isPossible = area.Start > 0 && ((area.Start | area.End) & (setup.PageBytes - 1)) == 0 && area.End <= setup.LastAddress
                && (early.Count == 0 || area.Start >= early[^1].End);
            if (isKnown && isPossible && !placed.Contains(area.Start))
            {
                early.Add(new FreeBlock(area.Start, area.End));
            }
        }

        return [.. early];
    }

    private static Dictionary<ulong, ulong> ByStart(Listing listing)
    {
        Dictionary<ulong, ulong> busy = [];
        foreach (Listing.ListedArea area in listing.Busy)
        {
            if (!busy.TryAdd(area.Start, area.End))
            {
                throw new EvidenceException($"{listing.File}: two areas start at 0x{area.Start:x}");
            }
        }

        return busy;
    }

    private static void Add(VmallocSpace space, bool hasTree, string file, string? treeFile, ulong start, ulong end)
    {
        if (((start | end) & (space.Setup.PageBytes - 1)) != 0 || end > space.Setup.LastAddress || start == 0)
        {
            throw new EvidenceException($"{file}: area 0x{start:x}-0x{end:x} is not made of pages of the address space");
        }

        if (!hasTree)
        {
            if (!space.TryAddKnown(start, end))
            {
                throw new EvidenceException($"{file}: area 0x{start:x}-0x{end:x} overlaps another one");
            }

            return;
        }

        if (space.TryHoleAtOrBelow(end - 1, out FreeBlock hole) && hole.End > start)
        {
            throw new EvidenceException(
                $"{treeFile}: block 0x{hole.Start:x}-0x{hole.End:x} is free, but {file} has an area 0x{start:x}-0x{end:x} there");
        }

        space.AddKnown(start, end);
    }

    /// <summary>How many operations had happened when the listing was read.</summary>
    private int TakenAt(Dictionary<ulong, ulong> busy)
    {
        int begin = MarkerIndex(TraceMarker.BeforeBegins, TraceMarker.BeforeEnds);
        int end = MarkerIndex(TraceMarker.BeforeEnds, TraceMarker.BeforeBegins);
        if (begin < 0)
        {
            return 0;
        }

        HashSet<ulong> placed = [];
        for (int i = begin; i < end; i++)
        {
            if (first[i].Kind == OperationKind.Place && !first[i].Failed)
            {
                placed.Add(first[i].Start);
            }
        }

        for (int i = end - 1; i >= begin; i--)
        {
            ReplayOperation operation = first[i];
            bool listed = busy.TryGetValue(operation.Start, out ulong listedEnd);
            bool reflected = operation.Kind switch
            {
                OperationKind.Place => !operation.Failed && listed && listedEnd == operation.End,
                // An area placed and freed while the listing was read tells nothing by being absent.
                OperationKind.Free => !listed && !placed.Contains(operation.Start),
                _ => false,
            };
            if (reflected)
            {
                return i + 1;
            }
        }

        return begin;
    }

    private int MarkerIndex(TraceMarker wanted, TraceMarker otherwise)
    {
        int found = -1;
        for (int i = 0; i < first.Count; i++)
        {
            if (first[i].Kind != OperationKind.Marker)
            {
                continue;
            }

            if (first[i].Marker == wanted)
            {
                return i;
            }

            found = found < 0 && first[i].Marker == otherwise ? i : found;
        }

        return found;
    }

    /// <summary>Takes back the operations that happened before the listing.</summary>
    /// <returns>Whether a purge was among them, so that nothing is known of what waited at the start.</returns>
    private bool Rewind(Listing listing, Dictionary<ulong, ulong> busy, List<FreeBlock> lazy, int taken, out int skip)
    {
        bool purged = false;
        List<ulong> chunks = [.. listing.ChunkStarts.OrderDescending()];
        for (int i = taken - 1; i >= 0; i--)
        {
            ReplayOperation operation = first[i];
            switch (operation.Kind)
            {
                case var _ when !operation.IsPossible(setup.PageBytes, setup.LastAddress):
                    break;
                case OperationKind.Place when !operation.Failed:
                case OperationKind.Appear:
                case OperationKind.Chunk:
                    busy.Remove(operation.Start);
                    break;
                case OperationKind.ChunkSomewhere when chunks.Count > 0:
                    // Chunks are placed from the top down, so the lowest is the youngest.
                    busy.Remove(chunks[^1]);
                    chunks.RemoveAt(chunks.Count - 1);
                    break;
                case OperationKind.Free:
                    ulong end = operation.End != 0 ? operation.End : EndBefore(i, operation.Start);
                    if (end == 0)
                    {
                        skip = i + 1;
                        return purged;
                    }

                    busy[operation.Start] = end;
                    Cut(lazy, operation.Start, end);
                    break;
                case OperationKind.PurgeBegin:
                case OperationKind.PurgeEnd:
                    purged = true;
                    break;
                case OperationKind.Lost:
                    skip = i + 1;
                    return purged;
            }
        }

        skip = 0;
        return purged;
    }

    private ulong EndBefore(int index, ulong start)
    {
        for (int i = index - 1; i >= 0; i--)
        {
            if (first[i].Kind == OperationKind.Place && first[i].Start == start && !first[i].Failed)
            {
                return first[i].End;
            }
        }

        return 0;
    }

    /// <summary>Takes a range out of the waiting areas, which a listing may show merged with their neighbours.</summary>
    private static void Cut(List<FreeBlock> lazy, ulong start, ulong end)
    {
        int at = lazy.FindIndex(area => area.Start < end && start < area.End);
        if (at < 0)
        {
            return;
        }

        FreeBlock whole = lazy[at];
        lazy.RemoveAt(at);
        if (end < whole.End)
        {
            lazy.Insert(at, new FreeBlock(end, whole.End));
        }

        if (whole.Start < start)
        {
            lazy.Insert(at, new FreeBlock(whole.Start, start));
        }
    }
}
