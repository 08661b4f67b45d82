using VmScope.Traces;

namespace VmScope.Replay;

/// <summary>Puts operations together from the events of a trace.</summary>
/// <remarks>
/// A kernel with the tracepoints tells each operation in one event; before 6.2 probes tell it in two, entry and return.
/// A trace with both tells everything twice: then the tracepoints count, and of the probes only what they alone know.
/// </remarks>
internal sealed class OperationReader(TraceReader trace) : OperationSource
{
    /// <summary>Tasks between entry and return at the same time; more than any kernel has processors and stacks for.</summary>
    private const int OpenCallsMax = 1 << 16;

    private readonly Dictionary<int, (TraceEvent Entry, long Line)> _openPlaces = [];
    private readonly Dictionary<int, ulong> _openChunks = [];
    private readonly HashSet<int> _failedTasks = [];
    private TraceEvent _event;
    private int _placedByChunkProbe;
    private bool _hasTracepoints;
    private ulong _lastProbeFree;
    private ulong _time;
    private long _firstLineOfTime;

    private long _events;
    private long _returnsWithoutEntry;

    internal override string Name => trace.File;

    internal override long Events => _events;

    internal override long Bytes => trace.Bytes;

    internal override bool HasAddresses => true;

    internal override SourceMachine Machine => new(null, trace.HeaderCpus, 0, 0, 0, 0);

    internal override ulong LostEvents => trace.LostEvents;

    internal override ulong OverwrittenEvents => trace.OverwrittenEvents;

    internal override long OddLines => trace.OddLines;

    internal override IReadOnlyList<string> OddLineSamples => trace.OddLineSamples;

    internal override long Lines => trace.Lines;

    internal override long ReturnsWithoutEntry => _returnsWithoutEntry;

    internal override bool TryRead(ref ReplayOperation operation)
    {
        while (trace.TryRead(ref _event))
        {
            if (_event.Time != _time)
            {
                (_time, _firstLineOfTime) = (_event.Time, _event.Line);
            }

            _events += _event.Kind is TraceEventKind.Marker or TraceEventKind.Lost ? 0 : 1;
            if (TryTranslate(ref operation))
            {
                return true;
            }
        }

        return false;
    }

    private bool TryTranslate(ref ReplayOperation operation)
    {
        int task = _event.Task == 0 ? -_event.Cpu - 1 : _event.Task;
        operation = new ReplayOperation
        {
            Cpu = Math.Max(0, _event.Cpu),
            Task = task,
            Line = _event.Line,
            Time = _event.Time,
        };
        switch (_event.Kind)
        {
            case TraceEventKind.Placed:
                _hasTracepoints = true;
                Place(ref operation, _event, _event.Start, _event.End, _event.Failed);
                Remember(task, _event.Failed);
                return true;
            case TraceEventKind.ProbePlace:
                return OpenPlace(task);
            case TraceEventKind.ProbePlaced:
                return !_hasTracepoints && ClosePlace(task, ref operation);
            case TraceEventKind.Freed:
                return FirstOfBoth(ref operation);
            case TraceEventKind.ProbeFree:
                if (_hasTracepoints)
                {
                    return false;
                }

                (operation.Kind, operation.Start, operation.End) = (OperationKind.Free, _event.Start, _event.End);
                operation.EntryLine = _firstLineOfTime;
                _lastProbeFree = _event.Start;
                return _event.End > _event.Start;
            case TraceEventKind.Purged:
                _hasTracepoints = true;
                (operation.Kind, operation.Start, operation.End) = (OperationKind.PurgeEnd, _event.Start, _event.End);
                (operation.Count, operation.HasCount) = (_event.Count, true);
                operation.Full = _failedTasks.Remove(task);
                return true;
            case TraceEventKind.ProbePurge:
                operation.Kind = OperationKind.PurgeBegin;
                operation.EntryLine = _firstLineOfTime;
                operation.Full = _openPlaces.ContainsKey(task) || _failedTasks.Contains(task);
                return true;
            case TraceEventKind.ProbePurged:
                operation.Kind = OperationKind.PurgeEnd;
                return !_hasTracepoints;
            case TraceEventKind.ProbePercpu:
                Open(_openChunks, task, _event.AlignBytes);
                return false;
            case TraceEventKind.ProbePercpuPlaced:
                return Chunk(task, ref operation);
            case TraceEventKind.ChunkCreated:
                operation.Kind = OperationKind.ChunkSomewhere;
                bool told = _placedByChunkProbe > 0;
                _placedByChunkProbe -= told ? 1 : 0;
                return !told;
            case TraceEventKind.Marker:
                (operation.Kind, operation.Marker) = (OperationKind.Marker, _event.Marker);
                return true;
            case TraceEventKind.Lost:
                (operation.Kind, operation.Count) = (OperationKind.Lost, _event.Count);
                return true;
            case TraceEventKind.Other:
            default:
                return false;
        }
    }

    /// <summary>The tracepoint of a free; the first one may repeat what a probe just told.</summary>
    private bool FirstOfBoth(ref ReplayOperation operation)
    {
        bool repeated = !_hasTracepoints && _lastProbeFree == _event.Start;
        _hasTracepoints = true;
        operation.Kind = OperationKind.Free;
        (operation.Start, operation.Count, operation.Limit) = (_event.Start, _event.Count, _event.Limit);
        return !repeated;
    }

    private bool OpenPlace(int task)
    {
        if (!_hasTracepoints)
        {
            Open(_openPlaces, task, (_event, _firstLineOfTime));
        }

        return false;
    }

    private bool ClosePlace(int task, ref ReplayOperation operation)
    {
        if (_openPlaces.Remove(task, out (TraceEvent Entry, long Line) call))
        {
            Place(ref operation, call.Entry, _event.Start, _event.End, _event.Failed);
            operation.EntryLine = call.Line;
            return true;
        }

        _returnsWithoutEntry++;
        (operation.Kind, operation.Start, operation.End) = (OperationKind.Appear, _event.Start, _event.End);
        return !_event.Failed && _event.End > _event.Start;
    }

    private bool Chunk(int task, ref ReplayOperation operation)
    {
        _placedByChunkProbe++;
        (operation.Kind, operation.Start, operation.SizeBytes) = (OperationKind.Chunk, _event.Start, _event.SizeBytes);
        operation.End = unchecked(_event.Start + _event.SizeBytes);
        operation.AlignBytes = _openChunks.Remove(task, out ulong align) ? align : 0;
        return !_event.Failed && _event.SizeBytes > 0;
    }

    /// <summary>A purge by the task that just found no room is a full one.</summary>
    private void Remember(int task, bool failed)
    {
        if (failed && _failedTasks.Count < OpenCallsMax)
        {
            _failedTasks.Add(task);
        }
        else if (_failedTasks.Count > 0)
        {
            _failedTasks.Remove(task);
        }
    }

    private static void Open<T>(Dictionary<int, T> open, int task, T value)
    {
        if (open.Count >= OpenCallsMax)
        {
            open.Clear();
        }

        open[task] = value;
    }

    private static void Place(ref ReplayOperation operation, in TraceEvent request, ulong start, ulong end, bool failed)
    {
        operation.Kind = OperationKind.Place;
        operation.Failed = failed;
        operation.Start = failed ? 0 : start;
        operation.End = failed ? 0 : end;
        operation.SizeBytes = request.SizeBytes;
        operation.AlignBytes = request.AlignBytes;
        operation.WindowStart = request.WindowStart;
        operation.WindowEnd = request.WindowEnd;
    }
}
