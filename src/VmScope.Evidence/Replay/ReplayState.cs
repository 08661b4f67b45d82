using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>
/// The modelled address space of a replay, and (for several processors) what was done to it in the last few hundred
/// operations, so that it can be done again in a slightly different order.
/// </summary>
internal sealed class ReplayState
{
    /// <summary>Entries up to which the history grows; the older half then becomes part of the state before it.</summary>
    private const int EntriesMax = 512;

    /// <summary>With more areas than this no history is kept: every hypothesis would copy all of them.</summary>
    private const int AreasToCopyMax = 20_000;

    private readonly List<Entry> _log = [];
    private VmallocSpace? _base;

    internal ReplayState(VmallocSpace space) => Space = space;

    /// <summary>What an entry of the log does.</summary>
    internal enum EntryKind
    {
        /// <summary>An operation.</summary>
        Operation,

        /// <summary>An area freed before what was freed earlier, although its line comes later.</summary>
        EarlyFree,

        /// <summary>A purge begins.</summary>
        Begin,

        /// <summary>The purge goes on up to one of its steps.</summary>
        ReturnThrough,

        /// <summary>The purge returns the rest.</summary>
        Finish,
    }

    /// <summary>One thing done.</summary>
    /// <param name="Kind">What it is.</param>
    /// <param name="Operation">The operation; for a purge the one whose line tells of it.</param>
    /// <param name="Start">The area freed early, or the name of the step of a purge.</param>
    /// <param name="LeftOut">Starts of areas that were freed too late for a purge that begins.</param>
    internal readonly record struct Entry(EntryKind Kind, ReplayOperation Operation, ulong Start, IReadOnlyList<ulong>? LeftOut = null);

    /// <summary>The address space.</summary>
    internal VmallocSpace Space { get; private set; }

    /// <summary>Whether what is done is kept.</summary>
    internal bool IsTracking { get; set; }

    /// <summary>What was done, in order.</summary>
    internal IReadOnlyList<Entry> Log => _log;

    internal ReplayState Clone()
    {
        ReplayState copy = new(Space.Clone()) { IsTracking = IsTracking, _base = _base };
        copy._log.AddRange(_log);
        return copy;
    }

    /// <summary>Notes an operation that has been applied to <see cref="Space"/>.</summary>
    internal void Note(in ReplayOperation operation)
    {
        if (IsTracking)
        {
            Add(new Entry(EntryKind.Operation, operation, 0));
        }
    }

    /// <summary>Notes that an answer was adopted over our own: done again, it is adopted again.</summary>
    internal void NoteAdopted(ReplayOperation operation)
    {
        operation.Kind = OperationKind.Appear;
        Note(operation);
    }

    /// <summary>Begins a purge.</summary>
    internal void Begin(in ReplayOperation purge)
    {
        Begin(Space, purge, []);
        Add(new Entry(EntryKind.Begin, purge, 0));
    }

    /// <summary>Notes how far the purge under way has come.</summary>
    internal void NoteReturned() => Add(new Entry(EntryKind.ReturnThrough, default, Space.LastReturned));

    /// <summary>Ends the purge under way.</summary>
    /// <param name="line">The operation whose line tells that it is over.</param>
    internal void Finish(in ReplayOperation line)
    {
        if (Space.IsReturning)
        {
            Space.FinishPurge();
            Add(new Entry(EntryKind.Finish, line, 0));
        }
    }

    /// <summary>Forgets the history: something was done that cannot be done again.</summary>
    internal void Forget()
    {
        _base = IsTracking && Space.BusyCount <= AreasToCopyMax ? Space.Clone() : null;
        _log.Clear();
    }

    /// <summary>Shortens a long history. Not for copies that are thrown away: they share the state before it.</summary>
    internal void Trim()
    {
        if (_log.Count < EntriesMax)
        {
            return;
        }

        int oldest = EntriesMax / 2;
        for (int i = 0; i < oldest && _base is not null; i++)
        {
            if (!TryApply(_base, _log[i]))
            {
                Forget();
                return;
            }
        }

        _log.RemoveRange(0, Math.Min(oldest, _log.Count));
    }

    /// <summary>Does another history from the same beginning.</summary>
    /// <returns>The state it leads to; null when something that matched before no longer does.</returns>
    internal ReplayState? Redo(List<Entry> log)
    {
        if (CopyBefore(log, log.Count) is not { } space)
        {
            return null;
        }

        ReplayState state = new(space) { IsTracking = IsTracking, _base = _base };
        state._log.AddRange(log);
        return state;
    }

    /// <summary>Where the last purge begins in the history; -1 when none does.</summary>
    internal int LastPurge => _log.FindLastIndex(static entry => entry.Kind == EntryKind.Begin);

    /// <summary>A copy of the state before the history.</summary>
    internal VmallocSpace? CopyOfBase() => _base?.Clone();

    /// <summary>A copy of the state before an entry of a history from the same beginning; null when it cannot be done.</summary>
    internal VmallocSpace? CopyBefore(IReadOnlyList<Entry> log, int index)
    {
        VmallocSpace? space = _base?.Clone();
        for (int i = 0; i < index && space is not null; i++)
        {
            space = TryApply(space, log[i]) ? space : null;
        }

        return space;
    }

    /// <summary>Does one entry.</summary>
    /// <returns>False when it cannot be done as it was.</returns>
    internal static bool TryApply(VmallocSpace space, in Entry entry)
    {
        switch (entry.Kind)
        {
            case EntryKind.EarlyFree:
                return space.TryFree(entry.Start, out _, beforeOthers: true);
            case EntryKind.Begin:
                return Begin(space, entry.Operation, entry.LeftOut ?? []);
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

    private static bool Begin(VmallocSpace space, in ReplayOperation purge, IReadOnlyList<ulong> leftOut)
    {
        bool fits = PurgeChoice.TryLeaveOut(space, purge, leftOut, out IReadOnlyList<ulong> waiting);
        PurgeKind kind = purge.Full ? PurgeKind.Full : PurgeKind.Normal;
        if (waiting.Count == 0)
        {
            space.BeginPurge(kind, keepNewest: 0);
        }
        else
        {
            space.BeginPurge(kind, keepNewest: 0, waiting);
        }

        return fits;
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

        if (_base is null)
        {
            // What was noted is part of the state by now, so a history can begin behind it.
            Forget();
            return;
        }

        _log.Add(entry);
    }
}
