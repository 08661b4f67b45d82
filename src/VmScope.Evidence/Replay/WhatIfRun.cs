using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Another kernel or layout for recorded or generated requests.</summary>
/// <param name="Target">The kernel the requests are put to.</param>
/// <param name="Description">What is different, in a few words.</param>
public sealed record WhatIf(VmallocSetup Target, string Description)
{
    /// <summary>What a reader should know of the target, a sentence each.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}

/// <summary>A request that found no room.</summary>
/// <param name="Line">The line of the trace, or the number of the step.</param>
/// <param name="Time">Its time stamp in nanoseconds.</param>
/// <param name="Request">What was asked, as the target kernel asks it.</param>
/// <param name="LargestHoleBytes">The largest hole then.</param>
/// <param name="UsedBytes">Bytes in use then.</param>
public sealed record WhatIfFailure(long Line, ulong Time, AreaRequest Request, ulong LargestHoleBytes, ulong UsedBytes);

/// <summary>What the same requests led to on another kernel or layout.</summary>
public sealed record WhatIfResult
{
    /// <summary>What was put to it.</summary>
    public required string Source { get; init; }

    /// <summary>Whether the requests were generated: lines then are steps, and times stand for nothing.</summary>
    public bool IsGenerated { get; init; }

    /// <summary>What is different, in a few words.</summary>
    public required string Description { get; init; }

    /// <summary>VMALLOC_START of the target.</summary>
    public required ulong WindowStart { get; init; }

    /// <summary>VMALLOC_END of the target, as its kernel passes it.</summary>
    public required ulong WindowEnd { get; init; }

    /// <summary>Requests, per-CPU chunks included.</summary>
    public long Requests { get; init; }

    /// <summary>Requests without room, even after a purge.</summary>
    public long Failures { get; init; }

    /// <summary>Of those, requests that the recording kernel had no room for either.</summary>
    public long FailedOnRecorder { get; init; }

    /// <summary>Requests that the recording kernel had no room for and the target has.</summary>
    public long NewlyPlaced { get; init; }

    /// <summary>The first request without room; null without one.</summary>
    public WhatIfFailure? FirstFailure { get; init; }

    /// <summary>Most bytes in use at a time, guard pages included.</summary>
    public ulong PeakUsedBytes { get; init; }

    /// <summary>Most bytes waiting for a purge at a time.</summary>
    public ulong PeakLazyBytes { get; init; }

    /// <summary>Purges run.</summary>
    public long Purges { get; init; }

    /// <summary>The highest end of an ordinary area.</summary>
    public ulong HighestEnd { get; init; }

    /// <summary>A checksum over the addresses of all requests in order: two runs that agree in it placed everything alike.</summary>
    public ulong Checksum { get; init; }

    /// <summary>Whether the run was stopped early.</summary>
    public bool Interrupted { get; init; }

    /// <summary>The state over time; the last one is the end.</summary>
    public ImmutableArray<SpaceSample> Samples { get; init; } = [];

    /// <summary>What a reader should know beside the numbers.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}

/// <summary>Puts recorded or generated requests to another kernel or layout, which runs freely.</summary>
/// <remarks>
/// Freely: nobody corrects the model, and areas go where the target's rules put them. What the recording kernel did by
/// itself (threshold purges, purges after a failure) is left out and done by the target's own rules; purges that somebody
/// asked for (page attributes changing, modules going) are kept.
/// </remarks>
public sealed class WhatIfRun : IDisposable
{
    private const int StepsPerReport = 1 << 12;

    private readonly OperationSource _source;
    private readonly VmallocSetup _recorded;
    private readonly WhatIf _what;
    private readonly VmallocSpace _space;
    private readonly SpaceHistory _history;
    private readonly IReadOnlyList<ReplayOperation> _first;
    private readonly OperationFileWriter? _copy;
    private readonly ulong _chunkBytes;
    private readonly Dictionary<ulong, ulong> _places = [];
    private readonly Dictionary<int, ReplayOperation> _retries = [];
    private WhatIfFailure? _firstFailure;
    private long _operations;
    private long _requests;
    private long _failures;
    private long _failedOnRecorder;
    private long _newlyPlaced;
    private long _unknownFrees;
    private long _unplacedChunks;
    private long _overlaps;
    private long _oddOperations;
    private long _firstOddLine;
    private int _askedAgain;
    private ulong _waitingPages;
    private readonly bool _startUnknown;
    private readonly ImmutableArray<string> _inputNotes = [];
    private readonly Func<ImmutableArray<string>>? _damage;
    private long _purges;
    private ulong _lastFreeCount;
    private ulong _lastFreeLimit;
    private ulong _peakUsed;
    private ulong _peakLazy;
    private ulong _checksum = 14695981039346656037;
    private ulong _time;
    private bool _isComplete;

    /// <summary>Opens recorded requests.</summary>
    /// <param name="input">Trace and evidence. A listing at the start gives the areas that were there before.</param>
    /// <param name="what">Makes the target from the recording kernel's setup.</param>
    /// <exception cref="EvidenceException">As for <see cref="ReplayRun"/>.</exception>
    public WhatIfRun(ReplayInput input, Func<VmallocSetup, WhatIf> what)
    {
        _source = OperationSources.Open(input);
        _first = ReplayRun.ReadAhead(_source, input.Before is not null);
        RecordedMachine machine = RecordedMachine.Find(input, _source, _first);
        _recorded = machine.Setup;
        if (input.Record is { } copy)
        {
            _copy = machine.Record(copy, _source, _first);
            _source = new RecordingSource(_source, _copy);
        }

        _what = what(_recorded);
        _space = new VmallocSpace(_what.Target);
        _history = new SpaceHistory(_what.Target);
        Listing? before = input.Before is { } file ? Listing.Read(file.Content, file.Name) : null;
        Listing? after = input.After is { } last ? Listing.Read(last.Content, last.Name) : null;
        _chunkBytes = machine.ChunkBytes(input, before, after);
        _inputNotes = ReplayRun.InputNotes(input, before, after);
        _damage = input.Damage;
        StartStateFinder finder = new(_recorded, _first);
        if (before is not null && !finder.BeginsAtBoot(before))
        {
            _first = Prepare(finder.FromListing(before, null, null));
        }

        _startUnknown = before is null && _source.HasAddresses && !(_source.OverwrittenEvents == 0 && finder.BeginsAtBoot(null));
    }

    /// <summary>Opens a generated workload.</summary>
    /// <param name="workload">The workload.</param>
    /// <param name="settings">Its parameters.</param>
    /// <param name="what">The kernel it runs on.</param>
    /// <param name="record">Where a copy of the operations is written; null for nowhere.</param>
    public WhatIfRun(Workload workload, WorkloadSettings settings, WhatIf what, Stream? record = null)
    {
        (_what, _recorded, _first) = (what, what.Target, []);
        _source = new WorkloadSource(workload, settings, what.Target.WindowStart, what.Target.WindowEnd);
        if (record is not null)
        {
            _copy = new OperationFileWriter(record, _source.Machine, what.Target.Is64Bit, hasAddresses: false);
            _source = new RecordingSource(_source, _copy);
        }

        _space = new VmallocSpace(what.Target);
        _history = new SpaceHistory(what.Target);
    }

    /// <summary>Writes what is left of the copy of the operations.</summary>
    public void Dispose() => _copy?.Dispose();

    /// <summary>What is known so far.</summary>
    public WhatIfResult Result => new()
    {
        Source = _source.Name,
        IsGenerated = !_source.HasAddresses,
        Description = _what.Description,
        WindowStart = _what.Target.WindowStart,
        WindowEnd = _what.Target.WindowEnd,
        Requests = _requests,
        Failures = _failures,
        FailedOnRecorder = _failedOnRecorder,
        NewlyPlaced = _newlyPlaced,
        FirstFailure = _firstFailure,
        PeakUsedBytes = _peakUsed,
        PeakLazyBytes = _peakLazy,
        Purges = _purges,
        HighestEnd = _history.HighestEnd,
        Checksum = _checksum,
        Interrupted = !_isComplete,
        Samples = [.. _history.Samples],
        Notes = Notes(),
    };

    /// <summary>Runs to the end of the operations.</summary>
    /// <param name="progress">Called now and then; null for nobody.</param>
    /// <param name="stop">Stops early; the result then holds what is known so far.</param>
    /// <exception cref="EvidenceException">The stream cannot be read.</exception>
    public void Run(Action<ReplayProgress>? progress, CancellationToken stop)
    {
        foreach (ReplayOperation operation in _first)
        {
            Apply(operation);
        }

        ReplayOperation next = default;
        while (_source.TryRead(ref next))
        {
            Apply(next);
            if (_operations % StepsPerReport == 0)
            {
                if (stop.IsCancellationRequested)
                {
                    return;
                }

                progress?.Invoke(new ReplayProgress(_source.Events, _source.Bytes));
            }
        }

        foreach (ReplayOperation failed in _retries.Values)
        {
            Place(failed);
        }

        _retries.Clear();
        _history.TakeLast(_space, _time, _operations, _failures);
        _isComplete = true;
    }

    /// <summary>Puts the areas of a listing to the target as requests, in order of their addresses.</summary>
    private List<ReplayOperation> Prepare(StartState start)
    {
        List<FreeBlock> busy = [];
        start.Space.CopyBusyTo(busy);
        foreach (FreeBlock area in busy)
        {
            bool inRange = area.Start >= _recorded.WindowStart && area.Start < _recorded.WindowEnd;
            ulong target = inRange ? area.Start - _recorded.WindowStart + _what.Target.WindowStart : area.Start;
            bool sameLayout = (_recorded.WindowStart, _recorded.WindowEnd) == (_what.Target.WindowStart, _what.Target.WindowEnd);
            if ((sameLayout || !inRange) && _what.Target.PageBytes == _recorded.PageBytes && _space.TryAddKnown(target, target + (area.End - area.Start)))
            {
                _places[area.Start] = target;
                continue;
            }

            // On another layout the areas that were there before are asked for again, lowest first.
            _askedAgain++;
            Place(new ReplayOperation
            {
                Kind = OperationKind.Place,
                Start = area.Start,
                End = area.End,
                SizeBytes = area.End - area.Start,
                AlignBytes = 1,
                WindowStart = _recorded.WindowStart,
                WindowEnd = _recorded.WindowEnd,
            });
        }

        return [.. _first.Skip(start.Skip)];
    }

    private void Apply(in ReplayOperation operation)
    {
        bool isPossible = _source.HasAddresses
            ? operation.IsPossible(_recorded.PageBytes, _recorded.LastAddress)
            : operation.IsPossibleRequest(_recorded.PageBytes, _recorded.LastAddress);
        if (!isPossible)
        {
            _oddOperations++;
            _firstOddLine = _oddOperations == 1 ? operation.Line : _firstOddLine;
            return;
        }

        _operations++;
        _time = Math.Max(_time, operation.Time);
        switch (operation.Kind)
        {
            case OperationKind.Place when operation.Failed && operation.EntryLine == 0:
                FailedAttempt(operation);
                break;
            case OperationKind.Place:
            case OperationKind.Appear:
                if (_retries.Remove(operation.Task, out ReplayOperation before) && before.SizeBytes != operation.SizeBytes)
                {
                    Place(before);
                }

                Place(operation);
                break;
            case OperationKind.Free:
                Free(operation);
                break;
            case OperationKind.PurgeBegin:
            case OperationKind.PurgeEnd when operation.HasCount:
                Purge(operation);
                break;
            case OperationKind.Chunk:
                Chunk(operation.SizeBytes, operation.Start);
                break;
            case OperationKind.ChunkSomewhere:
                Chunk(_chunkBytes, 0);
                break;
        }

        ulong used = _space.BusyBytes;
        _peakUsed = Math.Max(_peakUsed, used);
        _peakLazy = Math.Max(_peakLazy, _space.LazyPages * _what.Target.PageBytes);
        _history.Pass(_space, _time, _operations, _failures);
    }

    /// <summary>
    /// A tracepoint tells a request without room twice: before and after the purge. Only the second one counts, or the first
    /// where none follows: a request that must not sleep gives up at once.
    /// </summary>
    private void FailedAttempt(in ReplayOperation operation)
    {
        if (_retries.Remove(operation.Task, out ReplayOperation before))
        {
            Place(before);
            if (before.SizeBytes == operation.SizeBytes)
            {
                return;
            }
        }

        _retries[operation.Task] = operation;
    }

    private void Place(in ReplayOperation operation)
    {
        _requests++;
        AreaRequest request = Translate(operation);
        bool placed = _space.TryAllocate(request, out ulong address, out bool purged);
        _purges += purged && FreesLazily ? 1 : 0;
        _checksum = unchecked((_checksum ^ (placed ? address : 1)) * 1099511628211);
        if (placed)
        {
            _newlyPlaced += operation.Failed ? 1 : 0;
            if (!operation.Failed && !_places.TryAdd(operation.Start, address))
            {
                _overlaps++;
                _places[operation.Start] = address;
            }

            _history.HighestEnd = address < _what.Target.WindowEnd ? Math.Max(_history.HighestEnd, address + request.SizeBytes) : _history.HighestEnd;
            return;
        }

        _failures++;
        _failedOnRecorder += operation.Failed ? 1 : 0;
        _firstFailure ??= new WhatIfFailure(operation.Line, operation.Time, request, _history.LargestHole(_space), _space.BusyBytes);
    }

    private AreaRequest Translate(in ReplayOperation operation)
    {
        VmallocSetup target = _what.Target;
        ulong size = operation.Kind == OperationKind.Appear && _source.HasAddresses ? operation.End - operation.Start : operation.SizeBytes;
        ulong align = Math.Max(1, operation.AlignBytes);
        const ulong largerThanAnyRange = 1UL << 62;
        if (size >= largerThanAnyRange)
        {
            // Rounding it up could wrap around to something that fits.
            size = Align.Down(size, target.PageBytes);
        }
        else if (target.PageBytes != _recorded.PageBytes)
        {
            ulong wanted = size > _recorded.PageBytes ? size - _recorded.PageBytes : size;
            size = Align.Up(wanted, target.PageBytes) + (size > _recorded.PageBytes ? target.PageBytes : 0);
            align = align > 1 ? Math.Max(align, target.PageBytes) : 1;
        }

        bool isWhole = operation.Kind == OperationKind.Appear
            || (operation.WindowStart == _recorded.WindowStart && operation.WindowEnd == _recorded.WindowEnd);
        bool isInside = operation.WindowStart >= _recorded.WindowStart && operation.WindowEnd <= _recorded.WindowEnd;
        (ulong start, ulong end) = isWhole || isInside || operation.WindowEnd > target.LastAddress
            ? (target.WindowStart, target.WindowEnd)
            : (operation.WindowStart, operation.WindowEnd);
        if (isInside && !isWhole)
        {
            start += Math.Min(Align.Down(operation.WindowStart - _recorded.WindowStart, target.PageBytes), (end - start) / 2);
        }

        return new AreaRequest(size, align, start, end, operation.Cpu);
    }

    private void Free(in ReplayOperation operation)
    {
        (_lastFreeCount, _lastFreeLimit) = (operation.Count, operation.Limit);
        if (!_places.Remove(operation.Start, out ulong address))
        {
            _unknownFrees++;
            return;
        }

        _space.TryFree(address, out _);
        _peakLazy = Math.Max(_peakLazy, _space.LazyPages * _what.Target.PageBytes);
        // Probes do not tell how much waits, so that is counted as the recording kernel counted it.
        _waitingPages += operation.End > operation.Start && operation.Limit == 0 ? (operation.End - operation.Start) / _recorded.PageBytes : 0;
        if (_space.IsPurgeDue)
        {
            _purges++;
            _space.Purge(PurgeKind.Normal);
        }
    }

    private void Purge(in ReplayOperation operation)
    {
        bool byThreshold = (_lastFreeLimit > 0 && _lastFreeCount > _lastFreeLimit) || _waitingPages > _recorded.LazyPagesMax;
        (_lastFreeCount, _lastFreeLimit, _waitingPages) = (0, 0, 0);
        if (!operation.Full && !byThreshold && FreesLazily)
        {
            _purges++;
            _space.Purge(PurgeKind.Normal);
        }
    }

    private bool FreesLazily => !_what.Target.WithoutLazyFreeing && _what.Target.Facts.PurgeOrder != Kernels.PurgeOrder.None;

    private void Chunk(ulong sizeBytes, ulong name)
    {
        if (sizeBytes == 0)
        {
            _unplacedChunks++;
            return;
        }

        _requests++;
        ulong large = 2 * Size.MiB;
        ulong align = _what.Target.Is64Bit && sizeBytes % large == 0 ? large : _what.Target.PageBytes;
        PercpuGroup[] groups = [new PercpuGroup(0, Align.Up(sizeBytes, _what.Target.PageBytes))];
        bool placed = _space.TryPlacePercpu(groups, align, out ulong address);
        if (!placed && FreesLazily)
        {
            _purges++;
            _space.Purge(PurgeKind.Full);
            placed = _space.TryPlacePercpu(groups, align, out address);
        }

        _checksum = unchecked((_checksum ^ (placed ? address : 1)) * 1099511628211);
        if (placed)
        {
            _places[name != 0 ? name : address] = address;
            return;
        }

        _failures++;
        _firstFailure ??= new WhatIfFailure(
            _operations, _time, new AreaRequest(sizeBytes, align, _what.Target.WindowStart, _what.Target.WindowEnd),
            _history.LargestHole(_space), _space.BusyBytes);
    }

    private ImmutableArray<string> Notes()
    {
        List<string> notes = [.. _inputNotes, .. _what.Notes, .. _damage?.Invoke() ?? []];
        if (_startUnknown)
        {
            notes.Add("the trace starts after boot and no listing was given: what was in use before is missing here; "
                + "--snapshot gives it");
        }

        if (_askedAgain > 0)
        {
            notes.Add($"{ReplayRun.Counted(_askedAgain, "area that was there before the trace was", "areas that were there before the trace were")} asked for again, lowest first, because the range "
                + "or the page size is another; each counts as a request");
        }

        if (_source.HasAddresses)
        {
            notes.Add("sizes and alignments are those the recording kernel searched for; what a caller would ask of another kernel may differ");
        }

        if (_unknownFrees > 0)
        {
            notes.Add($"{ReplayRun.Counted(_unknownFrees, "free names an area", "frees name areas")} the run does not have: placed before the recording, or without room here");
        }

        if (_unplacedChunks > 0)
        {
            notes.Add($"{ReplayRun.Counted(_unplacedChunks, "per-CPU chunk of unknown size was", "per-CPU chunks of unknown size were")} left out; a listing with one of them tells it");
        }

        if (_oddOperations > 0)
        {
            notes.Add($"{ReplayRun.Counted(_oddOperations, "event asks", "events ask")} for what no kernel does (sizes, alignments or addresses out of range) "
                + $"and {(_oddOperations == 1 ? "was" : "were")} left out; the first is line {_firstOddLine}");
        }

        if (_source.OddLines > 0)
        {
            notes.Add(ReplayRun.OddLinesNote(_source));
        }

        if (_overlaps > 0)
        {
            notes.Add($"{ReplayRun.Counted(_overlaps, "area appears", "areas appear")} again without having been freed: lines are missing or out of order");
        }

        if (_source.LostEvents > 0)
        {
            notes.Add($"{_source.LostEvents} events were lost on the way");
        }

        return [.. notes];
    }
}
