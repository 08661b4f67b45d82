using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>
/// Looks for an order of recorded operations in which the kernel's answer to a request is the model's, when the order of
/// the lines does not give it.
/// </summary>
/// <remarks>
/// Lines are written after the lock is released, so neighbours of different processors can be swapped, one can be delayed
/// by preemption, and the line of a purge comes after most of its effects. Every hypothesis is tried out on a copy; the
/// copy becomes the state only when the request then lands at the kernel's address. In the order of trying: what stands
/// at the model's address was placed by another task whose line is still to come; the purge whose line is still to come
/// has begun, and returned part of its areas; the task asked on another processor; the request was served at an earlier
/// moment since the beginning of the last purge; another one, whose line is still to come, was; an area whose freeing is
/// written after that purge was part of it; one freed before came too late for it; an earlier request of the same pool
/// met a purge at another moment than thought. The last five do again what came since, and all of it must land where it
/// did. All of that is tried with events moved by little time first, and by more only when that fails: what happened a
/// moment ago explains more than what a line far ahead tells.
/// </remarks>
internal sealed class OrderRepair(OperationWindow window)
{
    /// <summary>How many operations may be moved ahead of one another to explain one request.</summary>
    private const int DepthMax = 6;

    /// <summary>How many copies of the state may be made to explain one request.</summary>
    private const int CopiesMax = 96;

    /// <summary>How many earlier moments are tried out to the end.</summary>
    private const int MomentsMax = 12;

    /// <summary>How far ahead another request is looked for that was served earlier.</summary>
    private const int OthersMax = 64;

    /// <summary>How many requests served before are suspected to have been served at another moment.</summary>
    private const int SuspectsMax = 24;

    /// <summary>By how much time events are moved: first by little; in the end by anything.</summary>
    private static readonly ulong[] _reaches = [250_000, 2_000_000, 16_000_000, ulong.MaxValue];

    private readonly List<int> _moved = [];
    private readonly List<int> _begun = [];
    private int _copies;
    private ulong _reach;

    /// <summary>The operations the last explanation moved ahead of the next one, as places in the window.</summary>
    internal IReadOnlyList<int> Moved => _moved;

    /// <summary>Explains the answer to the next operation of the window, a request.</summary>
    /// <param name="state">The state; replaced by one in which the request has been served and noted, when that is possible.</param>
    /// <returns>False when no order was found; then the state is as before.</returns>
    internal bool TryExplain(ref ReplayState state)
    {
        foreach (ulong reach in _reaches)
        {
            (_reach, _copies) = (reach, 0);
            _moved.Clear();
            _begun.Clear();
            ReplayState trial = Copy(state);
            if (Serve(ref trial, 0, DepthMax)
                || OnFormerProcessor(state, ref trial)
                || ServedEarlier(state, window[0], ref trial)
                || AnotherServedEarlier(state, ref trial)
                || FreedInTime(state, ref trial)
                || FreedTooLate(state, ref trial)
                || EarlierOnesMoved(state, ref trial))
            {
                state = trial;
                return true;
            }

            Undo((0, 0));
        }

        return false;
    }

    private static bool Agrees(VmallocSpace space, in ReplayOperation operation) =>
        Agrees(operation, space.TryFind(operation.Request, out ulong address), address);

    private static bool Agrees(in ReplayOperation operation, bool finds, ulong address) =>
        operation.Failed ? !finds : finds && address == operation.Start;

    /// <summary>Serves one request of the window on a copy, moving others ahead of it where that is needed.</summary>
    private bool Serve(ref ReplayState state, int ahead, int depth)
    {
        ReplayOperation operation = window[ahead];
        bool finds = state.Space.TryFind(operation.Request, out ulong address);
        if (Agrees(operation, finds, address))
        {
            Take(state, operation);
            return true;
        }

        if (depth == 0 || _copies > CopiesMax)
        {
            return false;
        }

        // A purge shortens the pools before it takes anything, so it can also explain why a ready area was not given out.
        bool pooled = finds && state.Space.Setup.Nodes > 1 && state.Space.StateOf(address) == AreaState.Pooled;
        AreaState there = operation.Failed ? AreaState.Free : WorstState(state.Space, operation.Start, operation.End);
        if (!operation.Failed)
        {
            bool mayReturn = state.Space.IsReturning && there is AreaState.Returning or AreaState.Free or AreaState.Pooled;
            if ((mayReturn && AfterPartOfThePurge(ref state, operation))
                || ((pooled || there is AreaState.Lazy or AreaState.Busy or AreaState.Pooled) && AfterNextPurgeBegan(ref state, ahead, depth)))
            {
                return true;
            }
        }

        return (finds && AfterWhoeverTook(ref state, ahead, depth, address, address + operation.SizeBytes))
            || (!operation.Failed && !pooled && there is AreaState.Free or AreaState.Returning && AfterNextPurgeBegan(ref state, ahead, depth));
    }

    /// <summary>The task asked the pool of the processor it ran on before, and was moved to this one before it wrote its line.</summary>
    private bool OnFormerProcessor(ReplayState state, ref ReplayState result)
    {
        ReplayOperation operation = window[0];
        if (operation.Failed || state.Space.Setup.Nodes == 1 || state.Space.StateOf(operation.Start) != AreaState.Pooled)
        {
            return false;
        }

        int at = state.Log.Count - 1;
        while (at >= 0 && (state.Log[at].Kind == ReplayState.EntryKind.ReturnThrough || state.Log[at].Operation.Task != operation.Task))
        {
            at--;
        }

        operation.Cpu = at >= 0 ? state.Log[at].Operation.Cpu : operation.Cpu;
        if (operation.Cpu == window[0].Cpu || !Agrees(state.Space, operation))
        {
            return false;
        }

        result = Copy(state);
        Take(result, operation);
        return true;
    }

    private static void Take(ReplayState state, in ReplayOperation operation)
    {
        _ = operation.Failed || state.Space.TryPlace(operation.Request, out _);
        state.Note(operation);
    }

    /// <summary>The purge under way has returned a part of its areas.</summary>
    private bool AfterPartOfThePurge(ref ReplayState state, in ReplayOperation operation)
    {
        ReplayState trial = Copy(state);
        while (trial.Space.ReturnNext())
        {
            if (Agrees(trial.Space, operation))
            {
                trial.NoteReturned();
                Take(trial, operation);
                state = trial;
                return true;
            }
        }

        return false;
    }

    /// <summary>A purge whose line is still to come has begun; areas freed by lines still to come may be part of it.</summary>
    private bool AfterNextPurgeBegan(ref ReplayState state, int ahead, int depth)
    {
        ReplayOperation operation = window[ahead];
        (int Moved, int Begun) before = (_moved.Count, _begun.Count);
        ReplayState trial = Copy(state);
        for (int i = 0; i < window.Count; i++)
        {
            if (i == ahead || window[i].Done || window[i].IsOdd)
            {
                continue;
            }

            bool isOwn = window[i].Task == operation.Task;
            if (window[i].Kind == OperationKind.Free && !isOwn && window.IsFirstOfItsTask(i)
                && window[i].Start < operation.End && operation.Start < EndOf(trial.Space, window[i]))
            {
                FreeEarly(trial, i);
            }

            bool begins = window[i].Kind == OperationKind.PurgeBegin || (window[i].Kind == OperationKind.PurgeEnd && window[i].HasCount);
            if (!begins || window[i].Begun)
            {
                continue;
            }

            // Purges lock each other out until their lines are written, so none overtakes the next one.
            if (!isOwn && CanBegin(trial, i, operation))
            {
                trial.Finish(window[i]);
                window[i].HasLazyPagesAfter = window.TryLazyPagesBehind(i, trial.Space, out window[i].LazyPagesAfter);
                trial.Begin(window[i]);
                window[i].Begun = true;
                _begun.Add(i);
                if (Serve(ref trial, ahead, depth - 1))
                {
                    state = trial;
                    return true;
                }
            }

            break;
        }

        Undo(before);
        return false;
    }

    /// <summary>Whether a purge can have begun before a request: whatever it took has been freed, or can have been.</summary>
    private bool CanBegin(ReplayState trial, int purge, in ReplayOperation operation)
    {
        ReplayOperation line = window[purge];
        bool counts = line.HasCount && trial.Space.Setup.Facts.PurgeOrder != Kernels.PurgeOrder.MergedAscending;
        for (int i = 0; i < purge; i++)
        {
            if (window[i].Done || window[i].IsOdd || window[i].Kind != OperationKind.Free)
            {
                continue;
            }

            // What the purging task itself freed before was there; what others freed, where the number asks for it.
            bool own = window[i].Task == line.Task;
            bool mayCount = counts && PurgeChoice.CountWithin(trial.Space, line) < line.Count && window[i].Task != operation.Task
                && line.Start <= window[i].Start && window[i].Start < line.End;
            if ((own || mayCount) && window.IsFirstOfItsTask(i))
            {
                FreeEarly(trial, i);
            }
        }

        return window.IsFirstOfItsTask(purge) && (!counts || PurgeChoice.CountWithin(trial.Space, line) >= line.Count);
    }

    private void FreeEarly(ReplayState trial, int ahead)
    {
        if (trial.Space.TryFree(window[ahead].Start, out _))
        {
            trial.Note(window[ahead]);
            Move(ahead);
        }
    }

    /// <summary>Somebody else, whose line is still to come, took the place the model would choose.</summary>
    private bool AfterWhoeverTook(ref ReplayState state, int ahead, int depth, ulong start, ulong end)
    {
        ReplayOperation operation = window[ahead];
        for (int i = 0; i < window.Count; i++)
        {
            ref ReplayOperation other = ref window[i];
            if (i == ahead || other.Done || other.IsOdd || other.IsOrderedWith(operation) || other.Start >= end || start >= other.End
                || other.Kind is not (OperationKind.Place or OperationKind.Appear or OperationKind.Chunk)
                || other.EntryLine > operation.Line || !IsInReach(other.Time) || !window.IsFirstOfItsTask(i))
            {
                continue;
            }

            (int Moved, int Begun) before = (_moved.Count, _begun.Count);
            ReplayState trial = Copy(state);
            // Marked before it is served, so that nothing tries to serve it a second time.
            Move(i);
            if ((other.Kind == OperationKind.Place ? Serve(ref trial, i, depth - 1) : Appear(trial, other))
                && Serve(ref trial, ahead, depth - 1))
            {
                state = trial;
                return true;
            }

            Undo(before);
        }

        return false;
    }

    private static bool Appear(ReplayState state, in ReplayOperation operation)
    {
        if (!state.Space.TryAddKnown(operation.Start, operation.End))
        {
            return false;
        }

        state.Note(operation);
        return true;
    }

    /// <summary>The request was served at an earlier moment: before a purge, in the middle of it, or since.</summary>
    private bool ServedEarlier(ReplayState state, ReplayOperation operation, ref ReplayState result)
    {
        int earliest = EarliestMoment(state.Log, operation);
        if (earliest == state.Log.Count || state.CopyBefore(state.Log, earliest) is not { } space)
        {
            return false;
        }

        List<(int At, ulong Returned)> moments = [];
        List<(int At, ulong Returned)> likely = [];
        for (int at = earliest; at < state.Log.Count; at++)
        {
            ReplayState.Entry entry = state.Log[at];
            if (Agrees(space, operation))
            {
                moments.Add((at, 0));
            }

            while (entry.Kind == ReplayState.EntryKind.Finish && space.ReturnNext())
            {
                if (Agrees(space, operation))
                {
                    (space.HasJustFreed ? likely : moments).Add((at, space.LastReturned));
                }
            }

            if (!ReplayState.TryApply(space, entry))
            {
                return false;
            }
        }

        // The latest moment is the likeliest, and more so when the tree's lock had just been released.
        moments.AddRange(likely);
        for (int i = moments.Count - 1; i >= Math.Max(0, moments.Count - MomentsMax); i--)
        {
            if (TryHistory(state, moments[i].At, moments[i].Returned, operation, ref result))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A request whose line is still to come was served earlier, which changed what the next one finds.</summary>
    private bool AnotherServedEarlier(ReplayState state, ref ReplayState result)
    {
        ReplayOperation operation = window[0];
        for (int i = 1; i < Math.Min(window.Count, OthersMax) && _copies < CopiesMax; i++)
        {
            ReplayOperation other = window[i];
            if (other.Kind != OperationKind.Place || other.Failed || other.Done || other.IsOdd || other.IsOrderedWith(operation)
                || !IsInReach(other.Time) || !window.IsFirstOfItsTask(i))
            {
                continue;
            }

            ReplayState? found = null;
            if (ServedEarlier(state, other, ref found!) && Agrees(found.Space, operation))
            {
                Take(found, operation);
                Move(i);
                result = found;
                return true;
            }
        }

        return false;
    }

    /// <summary>Nothing happens before what its own task did before, nor before its own entry, nor longer ago than may be.</summary>
    private int EarliestMoment(IReadOnlyList<ReplayState.Entry> log, in ReplayOperation operation)
    {
        for (int at = log.Count - 1; at >= 0; at--)
        {
            ReplayOperation done = log[at].Operation;
            bool isLine = log[at].Kind is ReplayState.EntryKind.Operation or ReplayState.EntryKind.Finish;
            // The probe of a free tells that it begins, not that it has happened.
            bool happened = done.Line < operation.EntryLine && !(done.Kind == OperationKind.Free && done.End != 0);
            if (isLine && (done.IsOrderedWith(operation) || happened || (done.Time < operation.Time && operation.Time - done.Time > _reach)))
            {
                return at + 1;
            }
        }

        return 0;
    }

    /// <summary>Whether a line still to come is near enough.</summary>
    private bool IsInReach(ulong time) => time <= window[0].Time || time - window[0].Time <= _reach;

    private bool TryHistory(ReplayState state, int at, ulong returned, in ReplayOperation operation, ref ReplayState result)
    {
        List<ReplayState.Entry> log = [.. state.Log];
        log.Insert(at, new ReplayState.Entry(ReplayState.EntryKind.Operation, operation, 0));
        if (returned != 0)
        {
            log.Insert(at, new ReplayState.Entry(ReplayState.EntryKind.ReturnThrough, default, returned));
        }

        _copies++;
        if (state.Redo(log) is not { } redone)
        {
            return false;
        }

        result = redone;
        return true;
    }

    /// <summary>What is at the kernel's place was freed before the last purge and returned by it, but written after it.</summary>
    private bool FreedInTime(ReplayState state, ref ReplayState result)
    {
        ReplayOperation operation = window[0];
        int purge = state.LastPurge;
        if (operation.Failed || purge < 0 || state.CopyBefore(state.Log, purge) is not { } before)
        {
            return false;
        }

        List<ReplayState.Entry> log = [.. state.Log];
        List<ulong> early = [];
        for (int i = purge + 1; i < state.Log.Count; i++)
        {
            ReplayState.Entry entry = state.Log[i];
            if (entry is { Kind: ReplayState.EntryKind.Operation, Operation.Kind: OperationKind.Free }
                && entry.Operation.CanPrecedePurgeOf(before.LazyPages) && InTheWay(before, entry.Operation.Start, operation))
            {
                early.Add(entry.Operation.Start);
                log.Remove(entry);
            }
        }

        (int Moved, int Begun) marks = (_moved.Count, _begun.Count);
        for (int i = 1; i < window.Count && IsInReach(window[i].Time); i++)
        {
            if (window[i].Kind == OperationKind.Free && !window[i].Done && !window[i].IsOdd && window.IsFirstOfItsTask(i)
                && window[i].CanPrecedePurgeOf(before.LazyPages) && window[i].Task != operation.Task && InTheWay(before, window[i].Start, operation))
            {
                early.Add(window[i].Start);
                Move(i);
            }
        }

        foreach (ulong start in early)
        {
            log.Insert(purge, new ReplayState.Entry(ReplayState.EntryKind.EarlyFree, default, start));
        }

        if (early.Count > 0 && state.Redo(log) is { } redone && Agrees(redone.Space, operation)
            && Waits(redone.Space) <= Waits(state.Space))
        {
            Take(redone, operation);
            result = redone;
            return true;
        }

        Undo(marks);
        return false;
    }

    private static bool InTheWay(VmallocSpace before, ulong start, in ReplayOperation operation) =>
        before.TryGetBusy(start, out FreeBlock area) && area.Start < operation.End && operation.Start < area.End;

    /// <summary>Areas in the model's way were freed too late for the last purge.</summary>
    private bool FreedTooLate(ReplayState state, ref ReplayState result)
    {
        ReplayOperation operation = window[0];
        int purge = state.LastPurge;
        if (purge < 0)
        {
            return false;
        }

        List<ReplayState.Entry> log = [.. state.Log];
        List<ulong> leftOut = [.. log[purge].LeftOut ?? []];
        ReplayState trial = state;
        for (int i = 0; i < DepthMax; i++)
        {
            bool finds = trial.Space.TryFind(operation.Request, out ulong address);
            if (i > 0 && Agrees(operation, finds, address))
            {
                if (Waits(trial.Space) > Waits(state.Space))
                {
                    return false;
                }

                Take(trial, operation);
                result = trial;
                return true;
            }

            if (!finds || !trial.Space.TryGetPurged(address, out FreeBlock purged))
            {
                return false;
            }

            leftOut.Add(purged.Start);
            log[purge] = log[purge] with { LeftOut = [.. leftOut] };
            _copies++;
            if (state.Redo(log) is not { } redone)
            {
                return false;
            }

            trial = redone;
        }

        return false;
    }

    /// <summary>
    /// A request of the same pool, long served, met a purge at another moment than thought: what it got does not tell, but how
    /// long the list was when the purge shortened it, or which of its areas came to the front, shows only now.
    /// </summary>
    private bool EarlierOnesMoved(ReplayState state, ref ReplayState result)
    {
        ReplayOperation operation = window[0];
        int nodes = state.Space.Setup.Nodes;
        if (nodes == 1 || operation.Failed || _reach < _reaches[^2])
        {
            return false;
        }

        return MovedInPool(state, operation.SizeBytes, operation.Cpu % nodes, ref result)
            || (TryGetPoolOfPlace(state, operation, out ulong size, out int node) && MovedInPool(state, size, node, ref result));
    }

    private bool MovedInPool(ReplayState state, ulong sizeBytes, int node, ref ReplayState result)
    {
        int nodes = state.Space.Setup.Nodes;
        int tried = 0;
        for (int at = state.Log.Count - 1; at >= 0 && tried < SuspectsMax; at--)
        {
            ReplayOperation suspect = state.Log[at].Operation;
            if (state.Log[at].Kind != ReplayState.EntryKind.Operation || suspect.Kind != OperationKind.Place || suspect.Failed
                || suspect.SizeBytes != sizeBytes || suspect.Cpu % nodes != node)
            {
                continue;
            }

            tried++;
            if (MovedToPurge(state, at, forward: false, ref result) || MovedToPurge(state, at, forward: true, ref result))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The pool from which the place came that the model would choose, when a purge took it out of one.</summary>
    private static bool TryGetPoolOfPlace(ReplayState state, in ReplayOperation operation, out ulong sizeBytes, out int node)
    {
        (sizeBytes, node) = (0, 0);
        if (!state.Space.TryFind(operation.Request, out ulong address) || state.CopyOfBase() is not { } space)
        {
            return false;
        }

        foreach (ReplayState.Entry entry in state.Log)
        {
            if (entry.Kind == ReplayState.EntryKind.Begin
                && space.TryGetPooled(address, address + operation.SizeBytes, out FreeBlock area, out int of))
            {
                (sizeBytes, node) = (area.SizeBytes, of);
            }

            if (!ReplayState.TryApply(space, entry))
            {
                break;
            }
        }

        return sizeBytes > 0;
    }

    /// <summary>Tries the moments of the purge before or after an entry of the history for it.</summary>
    private bool MovedToPurge(ReplayState state, int from, bool forward, ref ReplayState result)
    {
        ReplayState.Entry entry = state.Log[from];
        int step = forward ? 1 : -1;
        int purge = from + step;
        while (purge >= 0 && purge < state.Log.Count && state.Log[purge].Kind != ReplayState.EntryKind.Begin)
        {
            // Not past what its own task did, nor past the end of what it placed.
            ReplayOperation other = state.Log[purge].Operation;
            if (state.Log[purge].Kind == ReplayState.EntryKind.Operation && (other.Task == entry.Operation.Task || other.Start == entry.Operation.Start))
            {
                return false;
            }

            purge += step;
        }

        if (purge < 0 || purge >= state.Log.Count)
        {
            return false;
        }

        int node = entry.Operation.Cpu % state.Space.Setup.Nodes;
        for (int moment = -1; moment < VmallocSpace.PoolSteps; moment++)
        {
            List<ReplayState.Entry> log = [.. state.Log];
            log.RemoveAt(from);
            int begin = forward ? purge - 1 : purge;
            int at = moment < 0 ? begin : begin + 1;
            log.Insert(at, entry);
            if (moment >= 0)
            {
                log.Insert(at, new ReplayState.Entry(ReplayState.EntryKind.ReturnThrough, default, VmallocSpace.PoolStep(node, moment)));
            }

            if (state.Redo(log) is { } redone && Agrees(redone.Space, window[0]))
            {
                Take(redone, window[0]);
                result = redone;
                return true;
            }
        }

        return false;
    }

    /// <summary>How far the pages that wait are from what the next free says; 0 when it says nothing.</summary>
    private ulong Waits(VmallocSpace space) => window.TryLazyPagesBehind(0, space, out ulong pages)
        ? Math.Max(pages, space.LazyPages) - Math.Min(pages, space.LazyPages)
        : 0;

    /// <summary>What stands in the way of a range: the busiest of the states of its pages.</summary>
    private static AreaState WorstState(VmallocSpace space, ulong start, ulong end)
    {
        AreaState worst = AreaState.Free;
        ulong step = Math.Max(space.Setup.PageBytes, Align.Down((end - start) / 16, space.Setup.PageBytes));
        for (ulong at = start; at < end; at += step)
        {
            AreaState state = space.StateOf(at);
            worst = Rank(state) > Rank(worst) ? state : worst;
        }

        return worst;
    }

    private static int Rank(AreaState state) => state switch
    {
        AreaState.Free => 0,
        AreaState.Returning => 1,
        AreaState.Pooled => 2,
        AreaState.Lazy => 3,
        AreaState.Busy => 4,
    };

    private static ulong EndOf(VmallocSpace space, in ReplayOperation free) =>
        free.End != 0 ? free.End : space.TryGetBusy(free.Start, out FreeBlock area) ? area.End : free.Start;

    private ReplayState Copy(ReplayState state)
    {
        _copies++;
        return state.Clone();
    }

    private void Move(int ahead)
    {
        window[ahead].Done = true;
        _moved.Add(ahead);
    }

    /// <summary>Takes back what a hypothesis that failed marked in the window.</summary>
    private void Undo((int Moved, int Begun) before)
    {
        while (_moved.Count > before.Moved)
        {
            window[_moved[^1]].Done = false;
            _moved.RemoveAt(_moved.Count - 1);
        }

        while (_begun.Count > before.Begun)
        {
            window[_begun[^1]].Begun = false;
            _begun.RemoveAt(_begun.Count - 1);
        }
    }
}
