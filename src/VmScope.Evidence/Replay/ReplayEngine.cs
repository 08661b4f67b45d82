using System.Collections.Immutable;
using System.Globalization;
using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Applies recorded operations to a modelled address space and compares every address.</summary>
/// <remarks>The model's answer is taken before the recorded one is looked at; only when they differ is the order questioned.</remarks>
internal sealed class ReplayEngine
{
    /// <summary>After this many requests in a row that no order explains, orders are no longer tried.</summary>
    private const int FailedRepairsMax = 400;

    private readonly OperationWindow _window;
    private readonly OrderRepair _repair;
    private readonly StartState _start;
    private readonly List<FreeBlock> _afterBegins = [];
    private readonly List<FreeBlock> _afterEnds = [];
    private ReplayState _state;
    private int _failedRepairs;
    private int? _openPurge;
    private bool _isLost;
    private bool _lazyUnknown;

    internal ReplayEngine(OperationWindow window, StartState start)
    {
        (_window, _start, _state) = (window, start, new ReplayState(start.Space));
        _repair = new OrderRepair(window);
        _lazyUnknown = start.LazyUnknownUntilPurge;
        _isLost = start.EventsMissing;
    }

    private VmallocSpace Space => _state.Space;

    internal long Allocations { get; private set; }

    internal long Same { get; private set; }

    internal long Unknowable { get; private set; }

    internal long Unexplained { get; private set; }

    internal long FailedInBoth { get; private set; }

    internal long Reordered { get; private set; }

    internal long AlignedRequests { get; private set; }

    internal long Frees { get; private set; }

    internal long UnknownFrees { get; private set; }

    /// <summary>Frees after which another number of pages waited in the model than the event says.</summary>
    internal long LazyOff { get; private set; }

    internal long Purges { get; private set; }

    internal long PurgesOff { get; private set; }

    internal long Chunks { get; private set; }

    internal long ChunksSame { get; private set; }

    internal long ChunksUnplaced { get; private set; }

    internal long Operations { get; private set; }

    /// <summary>Operations left out because no kernel does them.</summary>
    internal long OddOperations { get; private set; }

    /// <summary>The line of the first of them.</summary>
    internal long FirstOddLine { get; private set; }

    /// <summary>Addresses the kernel gave out although the model has something there that cannot be moved.</summary>
    internal long Evictions { get; private set; }

    internal ReplayDifference? First { get; private set; }

    /// <summary>The busy areas when the last listing was about to be read; null without a marker.</summary>
    internal IReadOnlyList<FreeBlock>? AfterBegins { get; private set; }

    /// <summary>The busy areas when it had been read; null without a marker.</summary>
    internal IReadOnlyList<FreeBlock>? AfterEnds { get; private set; }

    /// <summary>Whether more than one processor took part.</summary>
    internal bool SeveralCpus
    {
        get => _state.IsTracking;
        set => _state.IsTracking = value;
    }

    /// <summary>Applies the next operation.</summary>
    /// <returns>False at the end.</returns>
    internal bool Step()
    {
        if (_window.Count < OperationWindow.Capacity / 2 && !_window.Fill())
        {
            return false;
        }

        ref ReplayOperation operation = ref _window[0];
        Operations++;
        SeveralCpus = SeveralCpus || operation.Cpu > 0;
        if (!operation.Done)
        {
            if (operation.IsOdd)
            {
                FirstOddLine = OddOperations++ == 0 ? operation.Line : FirstOddLine;
                _window.Pass();
                return true;
            }

            Apply(ref operation);
            _state.Trim();
        }

        _window.Pass();
        return true;
    }

    private void Apply(ref ReplayOperation operation)
    {
        switch (operation.Kind)
        {
            case OperationKind.Place:
                Place(ref operation);
                break;
            case OperationKind.Free:
                Free(operation);
                break;
            case OperationKind.PurgeBegin:
                BeginPurge(ref operation);
                break;
            case OperationKind.PurgeEnd:
                EndPurge(ref operation);
                break;
            case OperationKind.Appear:
                Adopt(operation);
                break;
            case OperationKind.Chunk:
                Chunk(operation);
                break;
            case OperationKind.ChunkSomewhere:
                ChunkSomewhere(operation);
                break;
            case OperationKind.Marker:
                Marker(operation.Marker);
                break;
            case OperationKind.Lost:
                _isLost = true;
                break;
            default:
                throw new InvalidOperationException($"operation {operation.Kind}");
        }
    }

    private void Place(ref ReplayOperation operation)
    {
        AreaRequest request = operation.Request;
        AlignedRequests += request.AlignBytes > Space.Setup.PageBytes ? 1 : 0;
        ulong address;
        bool finds;
        if (operation.Failed)
        {
            finds = Space.TryFind(request, out address);
            // A search that fails leaves its marks in the hint of some eras, so it is made and not only asked about.
            if (!finds && !Space.TryPlace(request, out _))
            {
                FailedInBoth++;
                return;
            }
        }
        else
        {
            ExpectedPlace outcome = Space.PlaceExpected(request, operation.Start, out address);
            if (outcome == ExpectedPlace.Placed)
            {
                Allocations++;
                Same++;
                _state.Note(operation);
                return;
            }

            finds = outcome == ExpectedPlace.Elsewhere;
        }

        Differs(operation, finds, address);
    }

    private void Differs(in ReplayOperation operation, bool finds, ulong address)
    {
        AreaRequest request = operation.Request;
        bool shapeDecides = !_start.ShapeKnown && Space.DependsOnShape(request);
        // Where the place depends on a shape nobody knows, and is free, no other order is needed to explain it.
        bool mayBeOrder = shapeDecides ? SeveralCpus && !operation.Failed && !IsFree(operation.Start, operation.End) : true;
        if (mayBeOrder && _failedRepairs < FailedRepairsMax)
        {
            if (_repair.TryExplain(ref _state))
            {
                _failedRepairs = 0;
                Allocations += operation.Failed ? 0 : 1;
                Same += operation.Failed ? 0 : 1;
                FailedInBoth += operation.Failed ? 1 : 0;
                CountMoved();
                return;
            }

            _failedRepairs++;
        }

        Allocations++;
        // A remembered place that nobody knows decides between free places only.
        bool rememberedDecides = _start.Kind == ReplayStart.Listing && Space.RemembersPlace
            && (operation.Failed || IsFree(operation.Start, operation.End));
        bool unknowable = shapeDecides || rememberedDecides || _isLost || _lazyUnknown || _start.Kind == ReplayStart.Unknown;
        Unknowable += unknowable ? 1 : 0;
        Unexplained += unknowable ? 0 : 1;
        First ??= Describe(operation, finds ? address : null, unknowable);
        if (!operation.Failed)
        {
            Adopt(operation);
        }
    }

    private void CountMoved()
    {
        Reordered += Math.Max(1, _repair.Moved.Count);
        foreach (int ahead in _repair.Moved)
        {
            ref ReplayOperation moved = ref _window[ahead];
            switch (moved.Kind)
            {
                case OperationKind.Place when moved.Failed:
                    FailedInBoth++;
                    break;
                case OperationKind.Place:
                    AlignedRequests += moved.AlignBytes > Space.Setup.PageBytes ? 1 : 0;
                    Allocations++;
                    Same++;
                    break;
                case OperationKind.Free:
                    Frees++;
                    break;
                case OperationKind.Chunk:
                    Chunks++;
                    ChunksSame++;
                    break;
            }
        }
    }

    private void Adopt(in ReplayOperation operation)
    {
        AreaRequest request = operation.Request with { SizeBytes = operation.End - operation.Start };
        if (!Space.TryAdopt(request, operation.Start))
        {
            Evictions++;
            Space.Evict(operation.Start, operation.End);
            _ = Space.TryAdopt(request, operation.Start);
            _state.Forget();
            return;
        }

        _state.NoteAdopted(operation);
    }

    private void Free(in ReplayOperation operation)
    {
        Frees++;
        if (Space.TryFree(operation.Start, out FreeBlock freed))
        {
            if (operation.End != 0 && freed.End != operation.End)
            {
                UnknownFrees++;
            }

            _state.Note(operation);
            LazyOff += operation.Limit > 0 && operation.Count != Space.LazyPages ? 1 : 0;
            return;
        }

        UnknownFrees++;
        if (operation.End != 0)
        {
            _ = Space.TryAddKnownLazy(operation.Start, operation.End);
            _state.Forget();
        }
    }

    private void BeginPurge(ref ReplayOperation operation)
    {
        Purges++;
        _openPurge = operation.Task;
        if (operation.Begun)
        {
            Reordered++;
            return;
        }

        ReplayOperation purge = operation;
        for (int i = 1; i < _window.Count && !purge.HasCount; i++)
        {
            if (_window[i].Task == operation.Task && _window[i].Kind == OperationKind.PurgeEnd)
            {
                (purge.HasCount, purge.Count, purge.Start, purge.End) =
                    (_window[i].HasCount, _window[i].Count, _window[i].Start, _window[i].End);
                break;
            }
        }

        _state.Begin(purge);
        _lazyUnknown = false;
    }

    private void EndPurge(ref ReplayOperation operation)
    {
        if (operation.Begun || _openPurge == operation.Task)
        {
            Reordered += operation.Begun ? 1 : 0;
            Purges += operation.Begun ? 1 : 0;
            _openPurge = null;
            _state.Finish(operation);
            return;
        }

        if (!operation.HasCount)
        {
            // The return of a purge that was entered before the trace began.
            _state.Finish(operation);
            return;
        }

        Purges++;
        operation.HasLazyPagesAfter = _window.TryLazyPagesBehind(0, Space, out operation.LazyPagesAfter);
        if ((ulong)Space.CountForPurge(0, out ulong lowest, out ulong highest) != operation.Count
            || (operation.Count > 0 && (lowest, highest) != (operation.Start, operation.End)))
        {
            HoistFrees(operation);
            PurgesOff += PurgeChoice.TryLeaveOut(Space, operation, [], out IReadOnlyList<ulong> waiting)
                && (ulong)Space.CountForPurge(waiting.Count, out _, out _) == operation.Count ? 0 : 1;
        }

        _state.Begin(operation);
        _state.Finish(operation);
        _lazyUnknown = false;
    }

    /// <summary>A purge that returned more than the model has waiting took areas whose freeing is written later.</summary>
    private void HoistFrees(in ReplayOperation purge)
    {
        for (int i = 1; i < _window.Count; i++)
        {
            if (PurgeChoice.CountWithin(Space, purge) >= purge.Count)
            {
                return;
            }

            ref ReplayOperation free = ref _window[i];
            if (MayHoist(i, purge.Task) && free.Start >= purge.Start && free.Start < purge.End
                && (free.CanPrecedePurgeOf(Space.LazyPages) || IsAtBound(free, purge)))
            {
                Hoist(ref free);
            }
        }
    }

    /// <summary>Whether an area lies at an end of the range a purge took: then it was among them.</summary>
    private bool IsAtBound(in ReplayOperation free, in ReplayOperation purge) =>
        free.Start == purge.Start || (Space.TryGetBusy(free.Start, out FreeBlock area) && area.End == purge.End);

    private bool MayHoist(int ahead, int task)
    {
        ref ReplayOperation free = ref _window[ahead];
        return free.Kind == OperationKind.Free && !free.Done && !free.IsOdd && free.Task != task && _window.IsFirstOfItsTask(ahead);
    }

    private void Hoist(ref ReplayOperation free)
    {
        if (Space.TryFree(free.Start, out _))
        {
            free.Done = true;
            _state.Note(free);
            Frees++;
            Reordered++;
        }
    }

    private void Chunk(in ReplayOperation operation)
    {
        Chunks++;
        ImmutableArray<PercpuGroup> groups = _start.GroupsOf(operation.SizeBytes);
        ulong align = operation.AlignBytes != 0 ? operation.AlignBytes : _start.ChunkAlignFor(operation.SizeBytes);
        if (Space.TryFindPercpu(groups.AsSpan(), align, out ulong address) && address == operation.Start)
        {
            Space.TryPlacePercpu(groups.AsSpan(), align, out _);
            NoteChunk(operation, groups);
            ChunksSame++;
            return;
        }

        if (!Space.TryAddKnown(operation.Start, operation.End))
        {
            Space.Evict(operation.Start, operation.End);
            _ = Space.TryAddKnown(operation.Start, operation.End);
            _state.Forget();
            return;
        }

        _state.Note(operation);
    }

    private void ChunkSomewhere(ReplayOperation operation)
    {
        ImmutableArray<PercpuGroup> groups = _start.GroupsOf(_start.ChunkBytes);
        if (_start.ChunkBytes == 0
            || !Space.TryPlacePercpu(groups.AsSpan(), _start.ChunkAlignFor(_start.ChunkBytes), out ulong address))
        {
            ChunksUnplaced++;
            return;
        }

        (operation.Kind, operation.Start) = (OperationKind.Chunk, address);
        NoteChunk(operation, groups);
    }

    private void NoteChunk(ReplayOperation operation, ImmutableArray<PercpuGroup> groups)
    {
        ulong first = operation.Start;
        foreach (PercpuGroup group in groups)
        {
            (operation.Start, operation.End) = (first + group.OffsetBytes, first + group.OffsetBytes + group.SizeBytes);
            _state.Note(operation);
        }
    }

    private void Marker(TraceMarker marker)
    {
        if (marker is TraceMarker.AfterBegins)
        {
            _afterBegins.Clear();
            Space.CopyBusyTo(_afterBegins);
            AfterBegins = _afterBegins;
        }
        else if (marker is TraceMarker.AfterEnds)
        {
            _afterEnds.Clear();
            Space.CopyBusyTo(_afterEnds);
            AfterEnds = _afterEnds;
        }
    }

    private ReplayDifference Describe(in ReplayOperation operation, ulong? model, bool unknowable)
    {
        SortedDictionary<ulong, FreeBlock> holes = [];
        foreach (ulong? address in new[] { model, operation.Failed ? null : operation.Start })
        {
            if (address is not { } at)
            {
                continue;
            }

            if (Space.TryHoleAtOrBelow(at, out FreeBlock hole))
            {
                holes[hole.Start] = hole;
                if (hole.Start > 1 && Space.TryHoleAtOrBelow(hole.Start - 1, out FreeBlock below))
                {
                    holes[below.Start] = below;
                }
            }

            if (Space.TryHoleAbove(at, out FreeBlock above))
            {
                holes[above.Start] = above;
            }
        }

        return new ReplayDifference(
            Line: operation.Line,
            Time: operation.Time,
            Cpu: operation.Cpu,
            Request: operation.Request,
            Model: model,
            Kernel: operation.Failed ? null : operation.Start,
            Kind: unknowable ? DifferenceKind.Unknowable : DifferenceKind.Unexplained,
            Holes: [.. holes.Values],
            ModelReason: ModelReason(operation.Request, model),
            KernelReason: KernelReason(operation));
    }

    private string ModelReason(in AreaRequest request, ulong? model)
    {
        bool byShape = Space.DependsOnShape(request);
        if (model is not { } address)
        {
            return byShape
                ? "the walk of the free tree for size + align - 1 ends at no place inside the window"
                : "the search ends at no place inside the window";
        }

        if (Space.StateOf(address) == AreaState.Pooled)
        {
            return "the front of the processor's pool of this size";
        }

        if (Space.RemembersPlace)
        {
            return "the first hole that fits, from the remembered area on or, where that is dropped, from the start"
                + (_start.ShapeKnown ? "" : "; the area remembered at the start is not known");
        }

        string how = byShape ? "where the walk of the free tree for size + align - 1 ends" : "the lowest hole that fits";
        return how + (_start.ShapeKnown || !byShape ? "" : "; the tree's shape at the start is not known");
    }

    private string KernelReason(in ReplayOperation operation)
    {
        if (operation.Failed)
        {
            return "found no room";
        }

        if (Space.TryGetOverlappingBusy(operation.Start, operation.End, out FreeBlock busy))
        {
            return string.Create(CultureInfo.InvariantCulture, $"the model has a busy area 0x{busy.Start:x}-0x{busy.End:x} there");
        }

        return Space.StateOf(operation.Start) switch
        {
            AreaState.Lazy => "the model has a freed area there that waits for a purge",
            AreaState.Returning => "the model has an area there that a purge is about to return",
            AreaState.Pooled => "the model has a ready area of a pool there",
            _ when IsFree(operation.Start, operation.End) => "that place is free in the model too, but not where its search ends",
            _ => "only the first part of that place is free in the model",
        };
    }

    private bool IsFree(ulong start, ulong end) => Space.TryHoleAtOrBelow(start, out FreeBlock hole) && hole.End >= end;

    internal ImmutableArray<FreeBlock> BusyNow()
    {
        List<FreeBlock> busy = [];
        Space.CopyBusyTo(busy);
        return [.. busy];
    }
}
