using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>The next operations of a trace, read ahead; those of several processors stand in order of their time stamps.</summary>
/// <remarks>
/// Tools that drain one processor's buffer after the other write stretches out of order. Within this many operations
/// they are put back; an operation that comes later than that stays where it is and is counted.
/// </remarks>
internal sealed class OperationWindow
{
    /// <summary>How far ahead is read: enough for an event that a preempted task writes milliseconds late.</summary>
    internal const int Capacity = 256;

    private readonly ReplayOperation[] _ring = new ReplayOperation[Capacity];
    private readonly OperationSource _reader;
    private readonly IReadOnlyList<ReplayOperation> _first;
    private readonly ulong _pageBytes;
    private readonly ulong _lastAddress;
    private int _firstTaken;
    private int _head;
    private bool _isEnd;
    private ulong _lastTime;

    /// <param name="reader">Where operations come from.</param>
    /// <param name="first">Operations read before, that come first.</param>
    /// <param name="skip">How many of those are left out.</param>
    /// <param name="setup">Tells which operations are possible.</param>
    internal OperationWindow(OperationSource reader, IReadOnlyList<ReplayOperation> first, int skip, VmallocSetup setup) =>
        (_reader, _first, _firstTaken, _pageBytes, _lastAddress) = (reader, first, skip, setup.PageBytes, setup.LastAddress);

    /// <summary>Operations read and not yet passed.</summary>
    internal int Count { get; private set; }

    /// <summary>Operations that a later line told with an earlier time than what was already passed.</summary>
    internal long TooLate { get; private set; }

    /// <summary>Operations put back into the order of their time stamps.</summary>
    internal long Sorted { get; private set; }

    /// <summary>The operation this many places ahead; 0 is the next.</summary>
    internal ref ReplayOperation this[int ahead] => ref _ring[(_head + ahead) & (Capacity - 1)];

    /// <summary>Reads ahead as far as there is room.</summary>
    /// <returns>False when nothing is left.</returns>
    internal bool Fill()
    {
        while (Count < Capacity && !_isEnd)
        {
            ref ReplayOperation slot = ref this[Count];
            if (_firstTaken < _first.Count)
            {
                slot = _first[_firstTaken++];
            }
            else if (!_reader.TryRead(ref slot))
            {
                _isEnd = true;
                break;
            }

            Count++;
            slot.IsOdd = !slot.IsPossible(_pageBytes, _lastAddress);
            if (slot.Time < _lastTime)
            {
                SortLast();
            }
            else
            {
                _lastTime = slot.Time;
            }
        }

        return Count > 0;
    }

    /// <summary>Passes the next operation.</summary>
    internal void Pass()
    {
        _head = (_head + 1) & (Capacity - 1);
        Count--;
    }

    /// <summary>Whether no earlier operation of the same task is still to be applied.</summary>
    internal bool IsFirstOfItsTask(int ahead)
    {
        for (int i = 0; i < ahead; i++)
        {
            if (!this[i].Done && this[i].IsOrderedWith(this[ahead]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>How many pages waited before the next free behind a place in the window, as its line tells.</summary>
    /// <param name="behind">The place.</param>
    /// <param name="space">Knows how long the area is.</param>
    /// <param name="pages">Pages waiting, guard pages included.</param>
    /// <returns>False when no free comes soon, or its line or its area's length tell nothing.</returns>
    internal bool TryLazyPagesBehind(int behind, VmallocSpace space, out ulong pages)
    {
        pages = 0;
        for (int i = behind + 1; i < Count; i++)
        {
            ref ReplayOperation free = ref this[i];
            if (free.Kind is OperationKind.PurgeEnd or OperationKind.PurgeBegin or OperationKind.Lost)
            {
                return false;
            }

            if (free.Kind != OperationKind.Free || free.Done || free.Limit == 0)
            {
                continue;
            }

            ulong size = space.TryGetBusy(free.Start, out FreeBlock area) ? area.SizeBytes / _pageBytes : 0;
            pages = free.Count - Math.Min(free.Count, size);
            return size > 0 && size <= free.Count;
        }

        return false;
    }

    private void SortLast()
    {
        int at = Count - 1;
        ulong time = this[at].Time;
        int cpu = this[at].Cpu;
        while (at > 0 && this[at - 1].Time > time && this[at - 1].Cpu != cpu && this[at - 1].Task != this[at].Task)
        {
            (this[at], this[at - 1]) = (this[at - 1], this[at]);
            at--;
        }

        if (at == 0)
        {
            TooLate++;
        }
        else
        {
            Sorted++;
        }
    }
}
