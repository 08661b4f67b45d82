using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>
/// The modelled address space of a replay, and (for several processors) what was done to it since the beginning of the
/// last purge or for the last few hundred operations, so that it can be done again in a slightly different order.
/// </summary>
internal sealed class ReplayState
{
    /// <summary>Entries kept; with more, the history begins anew.</summary>
    private const int EntriesMax = 512;

    /// <summary>With more areas than this, a history begins only with a purge: a copy for every few hundred operations would cost too much.</summary>
    private const int AreasToCopyMax = 20_000;

    private readonly List<Entry> _log = [];
    private readonly List<ulong> _leftOut = [];
    private VmallocSpace? _base;
    private ReplayOperation _purge;

    internal ReplayState(VmallocSpace space) => Space = space;

    /// <summary>What an entry of the log does.</summary>
    internal enum EntryKind
    {
        /// <summary>An operation.</summary>
        Operation,

        /// <summary>An area freed before the purge, although its line comes later.</summary>
        EarlyFree,

        /// <summary>The purge begins.</summary>
        Begin,

        /// <summary>The purge returns areas up to one.</summary>
        ReturnThrough,

        /// <summary>The purge returns the rest.</summary>
        Finish,
    }

    /// <summary>One thing done since the beginning of the last purge.</summary>
    internal readonly record struct Entry(EntryKind Kind, ReplayOperation Operation, ulong Start);

    /// <summary>The address space.</summary>
    internal VmallocSpace Space { get; private set; }

    /// <summary>Whether what is done is kept.</summary>
    internal bool IsTracking { get; set; }

    /// <summary>What was done since, in order.</summary>
    internal IReadOnlyList<Entry> Log => _log;

    /// <summary>Starts of areas that were freed too late for the last purge.</summary>
    internal IReadOnlyList<ulong> LeftOut => _leftOut;

    internal ReplayState Clone()
    {
        ReplayState copy = new(Space.Clone()) { IsTracking = IsTracking, _base = _base, _purge = _purge };
        copy._log.AddRange(_log);
        copy._leftOut.AddRange(_leftOut);
        return copy;
    }

    /// <summary>Notes an operation that has been applied to <see cref="Space"/>.</summary>
    internal void Note(in ReplayOperation operation) => Add(new Entry(EntryKind.Operation, operation, 0));

    /// <summary>Notes that an answer was adopted over our own: done again, it is adopted again.</summary>
    internal void NoteAdopted(ReplayOperation operation)
    {
        operation.Kind = OperationKind.Appear;
        Note(operation);
    }

    /// <summary>Begins a purge.</summary>
    internal void Begin(in ReplayOperation purge)
    {
        if (IsTracking && (Space.LazyCount > 0 || Space.Setup.Nodes > 1))
        {
            _base = Space.Clone();
            _purge = purge;
            _log.Clear();
            _leftOut.Clear();
            Add(new Entry(EntryKind.Begin, purge, 0));
        }

        Begin(Space, purge, []);
    }

    /// <summary>Notes how far the purge under way has come.</summary>
    internal void NoteReturned() => Add(new Entry(EntryKind.ReturnThrough, default, Space.LastReturned));

    /// <summary>Ends the purge under way.</summary>
    internal void Finish()
    {
        if (Space.IsReturning)
        {
            Space.FinishPurge();
            Add(new Entry(EntryKind.Finish, default, 0));
        }
    }

    /// <summary>Does another history from the state before the last purge.</summary>
    /// <returns>The state it leads to; null when something that matched before no longer does.</returns>
    internal ReplayState? Redo(List<Entry> log, List<ulong> leftOut)
    {
        if (_base is null)
        {
            return null;
        }

        VmallocSpace space = _base.Clone();
        foreach (Entry entry in log)
        {
            if (!TryApply(space, entry, leftOut))
            {
                return null;
            }
        }

        ReplayState state = new(space) { IsTracking = IsTracking, _base = _base, _purge = _purge };
        state._log.AddRange(log);
        state._leftOut.AddRange(leftOut);
        return state;
    }

    /// <summary>Whether the history holds the beginning of a purge.</summary>
    internal bool HoldsPurge => _log.Exists(static entry => entry.Kind == EntryKind.Begin);

    /// <summary>A copy of the state before the history.</summary>
    internal VmallocSpace? CopyOfBase() => _base?.Clone();

    /// <summary>Does one entry.</summary>
    internal bool TryApply(VmallocSpace space, in Entry entry, IReadOnlyList<ulong> leftOut)
    {
        switch (entry.Kind)
        {
            case EntryKind.EarlyFree:
                return space.TryFree(entry.Start, out _, beforeOthers: true);
            case EntryKind.Begin:
                Begin(space, _purge, leftOut);
                return true;
            case EntryKind.ReturnThrough:
                space.ReturnThrough(entry.Start);
                return true;
            case EntryKind.Finish:
                space.FinishPurge();
                return true;
            case EntryKind.Operation:
            default:
                return TryApply(space, entry.Operation);
        }
    }

    /// <summary>How many of the areas freed last a purge left out, by what its line tells; 0 when it tells nothing.</summary>
    internal static int KeepNewest(VmallocSpace space, in ReplayOperation purge)
    {
        const int mostKept = 64;
        if (!purge.HasCount)
        {
            return 0;
        }

        if (purge.Count == 0)
        {
            return space.LazyCount;
        }

        (int Kept, int Worth) best = (0, 0);
        for (int kept = 0; kept <= Math.Min(mostKept, space.LazyCount); kept++)
        {
            if ((ulong)space.CountForPurge(kept, out ulong lowest, out ulong highest) != purge.Count)
            {
                continue;
            }

            // Merged neighbours can give the same number; the bounds, and what the next free says still waits, decide.
            int worth = 1 + (lowest == purge.Start && highest == purge.End ? 2 : 0)
                + (purge.HasLazyPagesAfter && space.LazyPagesOfNewest(kept) == purge.LazyPagesAfter ? 4 : 0);
            best = worth > best.Worth ? (kept, worth) : best;
        }

        return best.Kept;
    }

    private static void Begin(VmallocSpace space, in ReplayOperation purge, IReadOnlyList<ulong> leftOut)
    {
        PurgeKind kind = purge.Full ? PurgeKind.Full : PurgeKind.Normal;
        if (leftOut.Count == 0)
        {
            space.BeginPurge(kind, KeepNewest(space, purge));
        }
        else
        {
            space.BeginPurge(kind, keepNewest: 0, leftOut);
        }
    }

    private static bool TryApply(VmallocSpace space, in ReplayOperation operation) => operation.Kind switch
    {
        OperationKind.Place when operation.Failed => !space.TryFind(operation.Request, out _),
        OperationKind.Place => space.PlaceExpected(operation.Request, operation.Start, out _) == ExpectedPlace.Placed,
        OperationKind.Free => space.TryFree(operation.Start, out _),
        OperationKind.Appear => space.TryAdopt(operation.Request with { SizeBytes = operation.End - operation.Start }, operation.Start),
        OperationKind.Chunk => space.TryAddKnown(operation.Start, operation.End),
        _ => false,
    };

    private void Add(in Entry entry)
    {
        if (!IsTracking)
        {
            return;
        }

        if (_base is not null && _log.Count < EntriesMax)
        {
            _log.Add(entry);
            return;
        }

        // What was noted is part of the state by now, so a history can begin behind it.
        _base = Space.BusyCount <= AreasToCopyMax ? Space.Clone() : null;
        _log.Clear();
        _leftOut.Clear();
    }
}
