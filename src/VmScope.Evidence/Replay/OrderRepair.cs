using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>
/// Looks for an order of recorded operations in which the kernel's answer to a request is the model's, when the order of
/// the lines does not give it.
/// </summary>
/// <remarks>
/// Lines are written after the lock is released, so neighbours of different processors can be swapped, one can be
/// delayed by preemption, and the line of a purge comes after most of its effects. Every hypothesis is tried out on a
/// copy; the copy becomes the state only when the request then lands at the kernel's address. In the order of trying:
/// what stands at the model's address was placed by another task whose line is still to come; the purge whose line is
/// still to come has begun, and returned part of its areas; the request was served before the purge that was just
/// applied; an area freed just before that purge came too late for it.
/// </remarks>
internal sealed class OrderRepair(OperationWindow window)
{
    /// <summary>How many operations may be moved ahead of one another to explain one request.</summary>
    private const int DepthMax = 6;

    /// <summary>How many copies of the state may be made to explain one request.</summary>
    private const int CopiesMax = 64;

    /// <summary>Operations since the last purge that may be done again on top of another state.</summary>
    private const int HistoryMax = 48;

    private readonly List<ReplayOperation> _sincePurge = [];
    private readonly List<int> _moved = [];
    private VmallocSpace? _beforePurge;
    private ReplayOperation _purge;
    private int _purgeKeptNewest;
    private int _copies;

    /// <summary>The operations the last explanation moved ahead of the next one, as places in the window.</summary>
    internal IReadOnlyList<int> Moved => _moved;

    /// <summary>Notes the state before a purge is applied.</summary>
    internal void BeforePurge(VmallocSpace space, in ReplayOperation purge, int keptNewest)
    {
        _beforePurge = space.Clone();
        (_purge, _purgeKeptNewest) = (purge, keptNewest);
        _sincePurge.Clear();
    }

    /// <summary>Notes an operation that was applied.</summary>
    internal void Applied(in ReplayOperation operation)
    {
        if (_beforePurge is null)
        {
            return;
        }

        if (_sincePurge.Count == HistoryMax)
        {
            _beforePurge = null;
            _sincePurge.Clear();
            return;
        }

        _sincePurge.Add(operation);
    }

    /// <summary>Explains the answer to the next operation of the window, a request.</summary>
    /// <param name="space">The state; replaced by one in which the request has been served, when that is possible.</param>
    /// <returns>False when no order was found; then the state is as before.</returns>
    internal bool TryExplain(ref VmallocSpace space)
    {
        _copies = 0;
        _moved.Clear();
        VmallocSpace trial = Copy(space);
        if (Serve(ref trial, 0, DepthMax) || BeforeTheLastPurge(ref trial) || FreedTooLate(space, ref trial))
        {
            space = trial;
            return true;
        }

        foreach (int moved in _moved)
        {
            window[moved].Done = false;
        }

        _moved.Clear();
        return false;
    }

    /// <summary>Serves one request of the window on a copy, moving others ahead of it where that is needed.</summary>
    private bool Serve(ref VmallocSpace space, int ahead, int depth)
    {
        ReplayOperation operation = window[ahead];
        bool finds = space.TryFind(operation.Request, out ulong address);
        if (Agrees(operation, finds, address))
        {
            _ = operation.Failed || space.TryPlace(operation.Request, out _);
            return true;
        }

        if (depth == 0 || _copies > CopiesMax)
        {
            return false;
        }

        if (!operation.Failed)
        {
            AreaState there = WorstState(space, operation.Start, operation.End);
            if (there == AreaState.Returning || (there == AreaState.Free && space.IsReturning))
            {
                if (AfterPartOfThePurge(ref space, operation))
                {
                    return true;
                }
            }

            if (there is AreaState.Lazy or AreaState.Busy or AreaState.Pooled && AfterNextPurgeBegan(ref space, ahead, depth))
            {
                return true;
            }
        }

        return finds && AfterWhoeverTook(ref space, ahead, depth, address, address + operation.SizeBytes);
    }

    private static bool Agrees(in ReplayOperation operation, bool finds, ulong address) =>
        operation.Failed ? !finds : finds && address == operation.Start;

    /// <summary>The purge under way has returned a part of its areas.</summary>
    private bool AfterPartOfThePurge(ref VmallocSpace space, in ReplayOperation operation)
    {
        VmallocSpace trial = Copy(space);
        while (trial.ReturnNext())
        {
            if (trial.TryFind(operation.Request, out ulong address) && address == operation.Start)
            {
                trial.TryPlace(operation.Request, out _);
                space = trial;
                return true;
            }
        }

        return false;
    }

    /// <summary>A purge whose line is still to come has begun; areas freed by lines still to come may be part of it.</summary>
    private bool AfterNextPurgeBegan(ref VmallocSpace space, int ahead, int depth)
    {
        ReplayOperation operation = window[ahead];
        int movedBefore = _moved.Count;
        VmallocSpace trial = Copy(space);
        for (int i = 0; i < window.Count; i++)
        {
            if (i == ahead || window[i].Done || window[i].IsOdd || window[i].Task == operation.Task)
            {
                continue;
            }

            if (window[i].Kind == OperationKind.Free && window.IsFirstOfItsTask(i)
                && window[i].Start < operation.End && operation.Start < EndOf(trial, window[i]))
            {
                trial.TryFree(window[i].Start, out _);
                Move(i);
            }

            bool begins = window[i].Kind == OperationKind.PurgeBegin || (window[i].Kind == OperationKind.PurgeEnd && window[i].HasCount);
            if (begins && !window[i].Begun && window.IsFirstOfItsTask(i))
            {
                trial.BeginPurge(window[i].Full ? PurgeKind.Full : PurgeKind.Normal, KeepNewest(trial, window[i]));
                window[i].Begun = true;
                if (Serve(ref trial, ahead, depth - 1))
                {
                    space = trial;
                    return true;
                }

                window[i].Begun = false;
                break;
            }
        }

        Unmove(movedBefore);
        return false;
    }

    /// <summary>Somebody else, whose line is still to come, took the place the model would choose.</summary>
    private bool AfterWhoeverTook(ref VmallocSpace space, int ahead, int depth, ulong start, ulong end)
    {
        ReplayOperation operation = window[ahead];
        for (int i = 0; i < window.Count; i++)
        {
            ref ReplayOperation other = ref window[i];
            if (i == ahead || other.Done || other.IsOdd || other.Task == operation.Task || other.Start >= end || start >= other.End
                || other.Kind is not (OperationKind.Place or OperationKind.Appear or OperationKind.Chunk)
                || other.EntryLine > operation.Line || !window.IsFirstOfItsTask(i))
            {
                continue;
            }

            int movedBefore = _moved.Count;
            VmallocSpace trial = Copy(space);
            bool served = other.Kind == OperationKind.Place
                ? ServeMoved(ref trial, i, depth - 1)
                : trial.TryAddKnown(other.Start, other.End) && Move(i);
            if (served && Serve(ref trial, ahead, depth - 1))
            {
                space = trial;
                return true;
            }

            Unmove(movedBefore);
        }

        return false;
    }

    private bool ServeMoved(ref VmallocSpace space, int ahead, int depth)
    {
        // Marked before it is served, so that nothing tries to serve it a second time.
        Move(ahead);
        return Serve(ref space, ahead, depth);
    }

    /// <summary>The request was served before the purge that the lines have before it.</summary>
    private bool BeforeTheLastPurge(ref VmallocSpace space)
    {
        ReplayOperation operation = window[0];
        if (_beforePurge is null || operation.EntryLine > _purge.Line)
        {
            return false;
        }

        VmallocSpace trial = Copy(_beforePurge);
        bool finds = trial.TryFind(operation.Request, out ulong address);
        if (!Agrees(operation, finds, address) || operation.Failed)
        {
            return false;
        }

        trial.TryPlace(operation.Request, out _);
        trial.BeginPurge(_purge.Full ? PurgeKind.Full : PurgeKind.Normal, _purgeKeptNewest);
        trial.FinishPurge();
        if (!_sincePurge.TrueForAll(since => ApplyAgain(trial, since)))
        {
            return false;
        }

        space = trial;
        return true;
    }

    private static bool ApplyAgain(VmallocSpace space, in ReplayOperation operation) => operation.Kind switch
    {
        OperationKind.Place when operation.Failed => !space.TryFind(operation.Request, out _),
        OperationKind.Place => space.TryPlace(operation.Request, out ulong address) && address == operation.Start,
        OperationKind.Free => space.TryFree(operation.Start, out _),
        OperationKind.Appear or OperationKind.Chunk => space.TryAddKnown(operation.Start, operation.End),
        OperationKind.PurgeEnd => !space.IsReturning,
        _ => false,
    };

    /// <summary>Areas in the model's way were freed too late for the last purge.</summary>
    private bool FreedTooLate(VmallocSpace space, ref VmallocSpace result)
    {
        ReplayOperation operation = window[0];
        VmallocSpace trial = Copy(space);
        for (int i = 0; i < DepthMax; i++)
        {
            if (!trial.TryFind(operation.Request, out ulong address))
            {
                return operation.Failed && Accept(ref result, trial);
            }

            if (!operation.Failed && address == operation.Start)
            {
                trial.TryPlace(operation.Request, out _);
                return Accept(ref result, trial);
            }

            if (!trial.TryTakeBack(address))
            {
                return false;
            }
        }

        return false;
    }

    private static bool Accept(ref VmallocSpace result, VmallocSpace trial)
    {
        result = trial;
        return true;
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

        int byCountAlone = -1;
        for (int kept = 0; kept <= Math.Min(mostKept, space.LazyCount); kept++)
        {
            ulong count = (ulong)space.CountForPurge(kept, out ulong lowest, out ulong highest);
            if (count != purge.Count)
            {
                continue;
            }

            if (lowest == purge.Start && highest == purge.End)
            {
                return kept;
            }

            byCountAlone = byCountAlone < 0 ? kept : byCountAlone;
        }

        return Math.Max(byCountAlone, 0);
    }

    /// <summary>What stands in the way of a range: the busiest of the states of its ends and middle.</summary>
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

    private VmallocSpace Copy(VmallocSpace space)
    {
        _copies++;
        return space.Clone();
    }

    private bool Move(int ahead)
    {
        window[ahead].Done = true;
        _moved.Add(ahead);
        return true;
    }

    private void Unmove(int count)
    {
        while (_moved.Count > count)
        {
            window[_moved[^1]].Done = false;
            _moved.RemoveAt(_moved.Count - 1);
        }
    }
}
