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

    /// <summary>Processors possible on the machine that recorded it, where the machine does not tell.</summary>
    public int? PossibleCpus { get; init; }
}

/// <summary>How far a replay is.</summary>
/// <param name="Events">Events read.</param>
/// <param name="Bytes">Bytes of the trace read.</param>
public readonly record struct ReplayProgress(long Events, long Bytes);

/// <summary>Replays a recorded trace against the model of the kernel that recorded it.</summary>
public static class ReplayRun
{
    private const int StepsPerReport = 1 << 14;

    /// <summary>Operations read ahead to find the address range, where no listing has to be looked for.</summary>
    private const int OperationsToLookAt = 256;

    /// <summary>Replays a trace to its end.</summary>
    /// <param name="input">Trace and evidence.</param>
    /// <param name="progress">Called now and then; null for nobody.</param>
    /// <param name="stop">Stops early; the result then holds what is known so far.</param>
    /// <exception cref="EvidenceException">
    /// A file cannot be read, the trace holds no event of the allocator, or nothing tells which kernel recorded it.
    /// </exception>
    public static ReplayResult Run(ReplayInput input, Action<ReplayProgress>? progress = null, CancellationToken stop = default)
    {
        OperationReader reader = new(new TraceReader(input.Trace.Content, input.Trace.Name));
        List<ReplayOperation> first = ReadAhead(reader, input.Before is not null);
        RecordedMachine machine = RecordedMachine.Find(input, reader, first);
        Listing? before = input.Before is { } file ? Listing.Read(file.Content, file.Name) : null;
        Listing? after = input.After is { } last ? Listing.Read(last.Content, last.Name) : null;
        StartState start = FindStart(input, machine, first, before, after, reader);
        ReplayResult result = new()
        {
            Trace = input.Trace.Name,
            Kernel = machine.KernelText,
            Start = start.Kind,
            StartReason = start.Reason,
            Replayable = true,
        };
        if (WhyNot(start, machine) is { } reason)
        {
            return result with { Replayable = false, WhyNot = reason, Events = reader.Events };
        }

        OperationWindow window = new(reader, first, start.Skip);
        ReplayEngine engine = new(window, start) { SeveralCpus = machine.SeveralCpus };
        bool interrupted = Drive(engine, reader, progress, stop);
        return Summarize(result, engine, window, reader, start, after, interrupted);
    }

    private static List<ReplayOperation> ReadAhead(OperationReader reader, bool lookForMarker)
    {
        List<ReplayOperation> first = [];
        ReplayOperation operation = default;
        while (first.Count < (lookForMarker ? StartStateFinder.OperationsMax : OperationsToLookAt) && reader.TryRead(ref operation))
        {
            first.Add(operation);
            if (operation is { Kind: OperationKind.Marker, Marker: TraceMarker.BeforeEnds } && first.Count >= OperationsToLookAt)
            {
                break;
            }
        }

        if (!first.Exists(operation => operation.Kind is OperationKind.Place or OperationKind.Free or OperationKind.Appear))
        {
            string sample = reader.Trace.OddLineSamples.Count > 0 ? $"; {reader.Trace.OddLineSamples[0]}" : "";
            throw new EvidenceException(
                $"{reader.Trace.File}: no event of the vmalloc allocator in {reader.Trace.Lines} lines{sample}");
        }

        return first;
    }

    private static StartState FindStart(
        ReplayInput input,
        RecordedMachine machine,
        List<ReplayOperation> first,
        Listing? before,
        Listing? after,
        OperationReader reader)
    {
        StartStateFinder finder = new(machine.Setup, first);
        ulong chunkBytes = Math.Max(before?.ChunkBytes ?? 0, after?.ChunkBytes ?? 0);
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

        if (reader.Trace.OverwrittenEvents == 0 && finder.BeginsAtBoot(before))
        {
            return finder.Boot("the first area of the trace is the first of the address range", chunkBytes);
        }

        return before is null ? finder.Unknown(chunkBytes) : WithChunks(finder.FromListing(before, null, null));

        StartState WithChunks(StartState found) => found with { ChunkBytes = Math.Max(found.ChunkBytes, chunkBytes) };
    }

    private static string? WhyNot(StartState start, RecordedMachine machine)
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

        return start.Kind == ReplayStart.Unknown
            ? "the trace starts after boot and nothing tells which areas existed then; give the listing taken at its start "
                + "with --snapshot, or record from boot: trace_event=vmalloc:* trace_buf_size=16M trace_clock=global"
            : null;
    }

    private static bool Drive(
        ReplayEngine engine, OperationReader reader, Action<ReplayProgress>? progress, CancellationToken stop)
    {
        for (long step = 1; engine.Step(); step++)
        {
            if (step % StepsPerReport == 0)
            {
                if (stop.IsCancellationRequested)
                {
                    return true;
                }

                progress?.Invoke(new ReplayProgress(reader.Events, reader.Trace.Bytes));
            }
        }

        return false;
    }

    private static ReplayResult Summarize(
        ReplayResult result,
        ReplayEngine engine,
        OperationWindow window,
        OperationReader reader,
        StartState start,
        Listing? after,
        bool interrupted)
    {
        FinalList? final = null;
        if (after is not null && !interrupted)
        {
            IReadOnlyList<FreeBlock> now = engine.BusyNow();
            final = FinalLists.Compare(after, engine.AfterBegins ?? now, engine.AfterEnds ?? now);
        }

        return result with
        {
            Events = reader.Events,
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
            Purges = engine.Purges,
            PurgesOff = engine.PurgesOff,
            Chunks = engine.Chunks,
            ChunksSame = engine.ChunksSame,
            ChunksUnplaced = engine.ChunksUnplaced,
            LostEvents = unchecked(reader.Trace.LostEvents + reader.Trace.OverwrittenEvents),
            Interrupted = interrupted,
            First = engine.First,
            Final = final,
            Notes = Notes(engine, window, reader, start),
        };
    }

    private static ImmutableArray<string> Notes(
        ReplayEngine engine, OperationWindow window, OperationReader reader, StartState start)
    {
        List<string> notes = [];
        void Note(bool holds, string text)
        {
            if (holds)
            {
                notes.Add(text);
            }
        }

        Note(start.Kind == ReplayStart.Listing,
            "a listing does not tell the shape of the free tree: requests whose place depends on it cannot be known");
        Note(start.LazyUnknownUntilPurge,
            "areas freed before the trace began and purged inside it are not known: until the first purge they may lie in holes of the model");
        Note(reader.Trace.LostEvents > 0, $"{reader.Trace.LostEvents} events were lost on the way: what follows cannot be known for certain");
        Note(reader.Trace.OverwrittenEvents > 0,
            $"{reader.Trace.OverwrittenEvents} events were overwritten before the first one kept; a larger trace_buf_size keeps them");
        Note(reader.Trace.OddLines > 0,
            $"{reader.Trace.OddLines} lines are no trace lines; {(reader.Trace.OddLineSamples.Count > 0 ? reader.Trace.OddLineSamples[0] : "")}");
        Note(engine.Purges == 0 && engine.Frees > 0,
            "no purge in the trace: record purge_vmap_area_lazy too, or freed areas never come back");
        Note(engine.UnknownFrees > 0, $"{engine.UnknownFrees} frees name areas whose allocation was not seen");
        Note(engine.ChunksUnplaced > 0,
            $"{engine.ChunksUnplaced} per-CPU chunks of unknown size; a listing with one of them tells it");
        Note(reader.ReturnsWithoutEntry > 0, $"{reader.ReturnsWithoutEntry} requests returned whose entry was not seen");
        Note(window.TooLate > 0, $"{window.TooLate} lines are older than {OperationWindow.Capacity} lines before them; sort the trace by time");
        return [.. notes];
    }
}
