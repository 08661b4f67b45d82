using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Sources;
using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>A file that belongs to a replay.</summary>
/// <param name="Content">Its bytes, not compressed; read from front to back.</param>
/// <param name="Name">What messages call it.</param>
public sealed record ReplayFile(Stream Content, string Name);

/// <summary>What a replay works on.</summary>
public sealed record ReplayInput
{
    /// <summary>The trace.</summary>
    public required ReplayFile Trace { get; init; }

    /// <summary>Whether the trace is a file of operations of ours (docs/operations.md).</summary>
    public bool HoldsOperations { get; init; }

    /// <summary>Where a copy of the operations is written; null for nowhere.</summary>
    public Stream? Record { get; init; }

    /// <summary>Kernel version, architecture and processors of the machine that recorded it; null when nothing is at hand.</summary>
    public EvidenceInputs? Machine { get; init; }

    /// <summary>The listing before, or while, the trace was recorded; null without one.</summary>
    public ReplayFile? Before { get; init; }

    /// <summary>The free tree at the start, read from the kernel's memory; null without one.</summary>
    public ReplayFile? FreeTree { get; init; }

    /// <summary>The listing at the end; null without one.</summary>
    public ReplayFile? After { get; init; }

    /// <summary>The version of the kernel that recorded the trace, where the machine does not tell.</summary>
    public KernelVersion? RecordedOn { get; init; }

    /// <summary>The unit of a per-CPU chunk as the boot log prints it, for when no listing has a chunk; 0 when nobody said.</summary>
    public ulong PercpuUnitBytes { get; init; }

    /// <summary>NUMA nodes of the machine, each of which has a group of its own in every per-CPU chunk; 1 where nothing tells.</summary>
    public int NumaNodes { get; init; } = 1;

    /// <summary>Tells, when everything has been read, which files were damaged; a sentence each.</summary>
    public Func<ImmutableArray<string>>? Damage { get; init; }

    /// <summary>Processors possible on the machine that recorded it, where the machine does not tell.</summary>
    public int? PossibleCpus { get; init; }
}

/// <summary>How far a replay is.</summary>
/// <param name="Events">Events read.</param>
/// <param name="Bytes">Bytes of the trace read.</param>
public readonly record struct ReplayProgress(long Events, long Bytes);

/// <summary>Replays a recorded trace against the model of the kernel that recorded it.</summary>
/// <remarks>
/// Made, then run, then asked. The result may also be asked for while another thread is still inside
/// <see cref="Run(Action{ReplayProgress}?, CancellationToken)"/> and waits for input: it then tells what is known so far.
/// </remarks>
public sealed class ReplayRun : IDisposable
{
    private const int StepsPerReport = 1 << 14;

    /// <summary>Operations read ahead to find the address range, where no listing has to be looked for.</summary>
    private const int OperationsToLookAt = 256;

    private readonly OperationSource _reader;
    private readonly OperationFileWriter? _copy;
    private readonly StartState _start;
    private readonly Listing? _after;
    private readonly ReplayResult _frame;
    private readonly OperationWindow? _window;
    private readonly ReplayEngine? _engine;
    private readonly bool _hasMarkers;
    private readonly ImmutableArray<string> _inputNotes;
    private readonly Func<ImmutableArray<string>>? _damage;
    private bool _isComplete;

    /// <summary>Opens the trace, reads its beginning and finds the state it starts from.</summary>
    /// <exception cref="EvidenceException">
    /// A file cannot be read, the trace holds no event of the allocator, or nothing tells which kernel recorded it.
    /// </exception>
    public ReplayRun(ReplayInput input)
    {
        _reader = OperationSources.Open(input);
        if (!_reader.HasAddresses)
        {
            throw new EvidenceException(
                $"{input.Trace.Name}: generated requests, without a kernel's addresses to compare with; --kernel VERSION says on which kernel to run them");
        }

        List<ReplayOperation> first = ReadAhead(_reader, input.Before is not null);
        _hasMarkers = first.Exists(operation => operation.Kind == OperationKind.Marker);
        RecordedMachine machine = RecordedMachine.Find(input, _reader, first);
        if (input.Record is { } copy)
        {
            _copy = machine.Record(copy, _reader, first);
            _reader = new RecordingSource(_reader, _copy);
        }

        Listing? before = input.Before is { } file ? Listing.Read(file.Content, file.Name) : null;
        _after = input.After is { } last ? Listing.Read(last.Content, last.Name) : null;
        _inputNotes = InputNotes(input, before, _after);
        _start = FindStart(input, machine, first, before, _after, _reader);
        _damage = input.Damage;
        string? whyNot = WhyNot(_start, machine, _reader);
        _frame = new ReplayResult
        {
            Trace = input.Trace.Name,
            Kernel = machine.KernelText,
            Start = _start.Kind,
            StartReason = _start.Reason,
            Replayable = whyNot is null,
            WhyNot = whyNot,
        };
        if (whyNot is null)
        {
            _window = new OperationWindow(_reader, first, _start.Skip, machine.Setup);
            _engine = new ReplayEngine(_window, _start) { SeveralCpus = machine.SeveralCpus };
        }
    }

    /// <summary>Writes what is left of the copy of the operations.</summary>
    public void Dispose() => _copy?.Dispose();

    /// <summary>What is known so far.</summary>
    public ReplayResult Result => _engine is null || _window is null
        ? _frame with { Events = _reader.Events, Notes = [.. _inputNotes, .. _damage?.Invoke() ?? []] }
        : Summarize(_engine, _window);

    /// <summary>Replays a trace to its end.</summary>
    /// <param name="input">Trace and evidence.</param>
    public static ReplayResult Run(ReplayInput input)
    {
        using ReplayRun run = new(input);
        run.Run(progress: null, CancellationToken.None);
        return run.Result;
    }

    /// <summary>Replays to the end of the trace.</summary>
    /// <param name="progress">Called now and then; null for nobody.</param>
    /// <param name="stop">Stops early; the result then holds what is known so far.</param>
    /// <exception cref="EvidenceException">The stream cannot be read.</exception>
    public void Run(Action<ReplayProgress>? progress, CancellationToken stop)
    {
        if (_engine is null)
        {
            _isComplete = true;
            return;
        }

        for (long step = 1; _engine.Step(); step++)
        {
            if (step % StepsPerReport == 0)
            {
                if (stop.IsCancellationRequested)
                {
                    return;
                }

                progress?.Invoke(new ReplayProgress(_reader.Events, _reader.Bytes));
            }
        }

        _isComplete = true;
    }

    internal static List<ReplayOperation> ReadAhead(OperationSource reader, bool lookForMarker)
    {
        List<ReplayOperation> first = [];
        ReplayOperation operation = default;
        bool looking = lookForMarker;
        while (first.Count < (looking ? StartStateFinder.OperationsMax : OperationsToLookAt) && reader.TryRead(ref operation))
        {
            first.Add(operation);
            looking &= operation is not { Kind: OperationKind.Marker, Marker: TraceMarker.BeforeEnds };
        }

        if (!first.Exists(operation => operation.Kind is OperationKind.Place or OperationKind.Free or OperationKind.Appear))
        {
            string sample = reader.OddLineSamples.Count > 0 ? $"; {reader.OddLineSamples[0]}" : "";
            throw new EvidenceException(reader.Events > 0
                ? $"{reader.Name}: no allocation and no free among its {reader.Events} events; record alloc_vmap_area and free_vmap_area_noflush too"
                : $"{reader.Name}: no event of the vmalloc allocator in {reader.Lines} lines{sample}");
        }

        return first;
    }

    private static StartState FindStart(
        ReplayInput input,
        RecordedMachine machine,
        List<ReplayOperation> first,
        Listing? before,
        Listing? after,
        OperationSource reader)
    {
        StartStateFinder finder = new(machine.Setup, first);
        ulong chunkBytes = machine.ChunkBytes(input, before, after);
        ImmutableArray<PercpuGroup> groups = (before ?? after)?.ChunkGroups(input.NumaNodes) ?? [];
        groups = groups.Length > 1 ? groups : after?.ChunkGroups(input.NumaNodes) ?? [];
        // A listing whose place in the trace was overwritten is older than its first line by everything that was.
        bool hasMarker = first.Exists(static operation => operation is { Kind: OperationKind.Marker, Marker: TraceMarker.BeforeBegins or TraceMarker.BeforeEnds });
        return StartFrom(input, machine, finder, chunkBytes, before, after, reader) with
        {
            ChunkGroups = groups,
            EventsMissing = reader.OverwrittenEvents > 0 && !hasMarker,
        };
    }

    private static StartState StartFrom(
        ReplayInput input,
        RecordedMachine machine,
        StartStateFinder finder,
        ulong chunkBytes,
        Listing? before,
        Listing? after,
        OperationSource reader)
    {
        if (before is not null && input.FreeTree is { } treeFile)
        {
            FreeTreeNode[] nodes = FreeTreeFile.Read(treeFile.Content, treeFile.Name);
            try
            {
                IFreeSpace tree = FreeSpaces.FromShape(machine.Setup.Facts.SearchRule, machine.Setup.PageBytes, nodes);
                return WithChunks(finder.FromListing(before, tree, treeFile.Name));
            }
            catch (ArgumentException error)
            {
                throw new EvidenceException($"{treeFile.Name}: {error.Message}", error);
            }
        }

        if (reader.OverwrittenEvents == 0 && finder.BeginsAtBoot(before))
        {
            return finder.Boot("the first area of the trace is the first of the address range", chunkBytes, before ?? after);
        }

        return before is null ? finder.Unknown(chunkBytes) : WithChunks(finder.FromListing(before, null, null));

        StartState WithChunks(StartState found) => found with { ChunkBytes = Math.Max(found.ChunkBytes, chunkBytes) };
    }

    /// <summary>What is to be said of the files themselves.</summary>
    internal static ImmutableArray<string> InputNotes(ReplayInput input, Listing? before, Listing? after)
    {
        List<string> notes = [];
        if (input.RecordedOn is { } told && input.Machine?.Kernel is { } found
            && (told.Major, told.Minor) != (found.Version.Major, found.Version.Minor))
        {
            notes.Add($"the evidence is of a machine with kernel {found.Release}; --recorded-on {told} is taken");
        }

        foreach (Listing? listing in (Listing?[])[before, after])
        {
            if (listing is { OddLines: > 0 })
            {
                notes.Add($"{listing.File}: {Counted(listing.OddLines, "line", "lines")} could not be understood; the first is line {listing.FirstOddLine}");
            }
        }

        return [.. notes];
    }

    private static string? WhyNot(StartState start, RecordedMachine machine, OperationSource reader)
    {
        if (start.Kind == ReplayStart.Boot)
        {
            return null;
        }

        if (machine.Setup.Nodes > 1)
        {
            return $"the trace starts after boot on a kernel with {machine.Setup.Nodes} pools of ready areas (6.9 and later, "
                + "more than one possible processor); what lies in the pools appears in no listing, so most answers would "
                + "be guesses. Record from boot: trace_event=vmalloc:* trace_buf_size=16M trace_clock=global";
        }

        if (start.Kind == ReplayStart.Unknown && reader.OverwrittenEvents > 0)
        {
            return $"{reader.OverwrittenEvents} events before its first one were overwritten, and nothing tells which areas existed then; "
                + "give the listing taken at its start with --snapshot, or record again with a larger trace_buf_size";
        }

        return start.Kind == ReplayStart.Unknown
            ? "the trace starts after boot and nothing tells which areas existed then; give the listing taken at its start "
                + "with --snapshot, or record from boot: trace_event=vmalloc:* trace_buf_size=16M trace_clock=global"
            : null;
    }

    private ReplayResult Summarize(ReplayEngine engine, OperationWindow window)
    {
        FinalList? final = null;
        // A trace with markers that ends before the last listing was read ends with other areas than that listing has.
        bool reachesListing = engine.AfterBegins is not null || engine.AfterEnds is not null || !_hasMarkers;
        if (_after is not null && _isComplete && reachesListing)
        {
            IReadOnlyList<FreeBlock> now = engine.BusyNow();
            final = FinalLists.Compare(_after, engine.AfterBegins ?? now, engine.AfterEnds ?? now);
        }

        return _frame with
        {
            Events = _reader.Events,
            Allocations = engine.Allocations,
            SameAddress = engine.Same,
            Different = engine.Unknowable + engine.Unexplained,
            Unknowable = engine.Unknowable,
            Unexplained = engine.Unexplained,
            FailedInBoth = engine.FailedInBoth,
            Reordered = engine.Reordered + window.Sorted,
            Aligned = engine.AlignedRequests,
            Frees = engine.Frees,
            UnknownFrees = engine.UnknownFrees,
            LazyOff = engine.LazyOff,
            Purges = engine.Purges,
            PurgesOff = engine.PurgesOff,
            Chunks = engine.Chunks,
            ChunksSame = engine.ChunksSame,
            ChunksUnplaced = engine.ChunksUnplaced,
            LostEvents = unchecked(_reader.LostEvents + _reader.OverwrittenEvents),
            OddOperations = engine.OddOperations,
            Interrupted = !_isComplete,
            First = engine.First,
            Final = final,
            Notes = [.. _inputNotes, .. Notes(engine, window, _reader, _start, _after is not null && _isComplete && !reachesListing), .. _damage?.Invoke() ?? []],
        };
    }

    /// <summary>A number with what it counts.</summary>
    internal static string Counted(long number, string one, string many) => $"{number} {(number == 1 ? one : many)}";

    private static string Counted(ulong number, string one, string many) => $"{number} {(number == 1 ? one : many)}";

    /// <summary>Says how many lines could not be understood, and quotes the first.</summary>
    internal static string OddLinesNote(OperationSource reader) =>
        $"{Counted(reader.OddLines, "line", "lines")} could not be understood and {(reader.OddLines == 1 ? "was" : "were")} left out"
        + (reader.OddLineSamples.Count > 0 ? $"; {reader.OddLineSamples[0]}" : "");

    private static ImmutableArray<string> Notes(
        ReplayEngine engine, OperationWindow window, OperationSource reader, StartState start, bool endsEarly)
    {
        List<string> notes = [];
        void Note(bool holds, string text)
        {
            if (holds)
            {
                notes.Add(text);
            }
        }

        Note(start.Kind == ReplayStart.Listing && start.Space.SomeDependOnShape,
            "a listing does not tell the shape of the free tree: requests whose place depends on it cannot be known");
        Note(start.Kind == ReplayStart.Listing && start.Space.RemembersPlace,
            "a listing does not tell behind which area this kernel goes on searching (2.6.39 to 5.1): until that is known, places cannot be");
        Note(endsEarly, "the trace ends before the listing at the end was read, so the two are not compared");
        Note(start.LazyUnknownUntilPurge,
            "areas freed before the trace began and purged inside it are not known: until the first purge they may lie in holes of the model");
        Note(reader.LostEvents > 0, $"{Counted(reader.LostEvents, "event was", "events were")} lost on the way: what follows cannot be known for certain");
        Note(reader.OverwrittenEvents > 0,
            $"{Counted(reader.OverwrittenEvents, "event was", "events were")} overwritten before the first one kept; a larger trace_buf_size keeps them");
        Note(reader.OddLines > 0, OddLinesNote(reader));
        bool purgesAreMissed = engine.LazyOff > 0 || engine.Unknowable + engine.Unexplained > 0;
        Note(engine.Purges == 0 && engine.Frees > 0 && purgesAreMissed && start.Space.Setup.Facts.PurgeOrder != PurgeOrder.None,
            "no purge in the trace: record purge_vmap_area_lazy too, or freed areas never come back");
        Note(engine.Frees == 0 && engine.Evictions > 0,
            "no free in the trace: record free_vmap_area_noflush too, or areas never go away");
        Note(engine.Evictions > 0,
            $"{Counted(engine.Evictions, "address the kernel gave out was", "addresses the kernel gave out were")} taken in the model"
                + (start.Kind is ReplayStart.Listing or ReplayStart.FreeTree
                    ? ": events are missing, or the listing is not the one of this trace"
                    : ": events are missing"));
        Note(engine.UnknownFrees > 0, $"{Counted(engine.UnknownFrees, "free names an area", "frees name areas")} whose allocation was not seen");
        Note(engine.ChunksUnplaced > 0,
            $"{Counted(engine.ChunksUnplaced, "per-CPU chunk", "per-CPU chunks")} of unknown size; a listing with one of them tells it");
        Note(reader.ReturnsWithoutEntry > 0, $"{Counted(reader.ReturnsWithoutEntry, "request", "requests")} returned whose entry was not seen");
        Note(engine.OddOperations > 0, $"{Counted(engine.OddOperations, "event asks", "events ask")} for what no kernel does (sizes, alignments or addresses out of range) and {(engine.OddOperations == 1 ? "was" : "were")} left out; the first is line {engine.FirstOddLine}");
        Note(window.TooLate > 0, $"{Counted(window.TooLate, "line is", "lines are")} older than {OperationWindow.Capacity} lines before them; sort the trace by time");
        return [.. notes];
    }
}
