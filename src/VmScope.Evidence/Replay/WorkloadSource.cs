using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>A generated workload as operations; the start of an area is its name.</summary>
internal sealed class WorkloadSource(Workload workload, WorkloadSettings settings, ulong windowStart, ulong windowEnd)
    : OperationSource
{
    private readonly IEnumerator<WorkloadStep> _steps = workload.AllSteps(settings).GetEnumerator();

    private long _events;

    internal override string Name => workload.Name;

    internal override long Events => _events;

    internal override bool HasAddresses => false;

    internal override SourceMachine Machine =>
        new(null, settings.OnlineCpus, settings.OnlineCpus, settings.PageBytes, windowStart, windowEnd);

    internal override bool TryRead(ref ReplayOperation operation)
    {
        if (!_steps.MoveNext())
        {
            return false;
        }

        WorkloadStep step = _steps.Current;
        _events++;
        operation = new ReplayOperation
        {
            Kind = step.Kind switch
            {
                WorkloadStepKind.Allocate => OperationKind.Place,
                WorkloadStepKind.Free => OperationKind.Free,
                WorkloadStepKind.AllocateChunk => OperationKind.Chunk,
            },
            Cpu = step.Cpu,
            Task = step.Cpu + 1,
            Line = _events,
            Time = (ulong)_events * 1000,
            Start = step.Id,
            SizeBytes = step.SizeBytes,
            AlignBytes = step.AlignBytes,
            WindowStart = windowStart,
            WindowEnd = windowEnd,
        };
        return true;
    }
}
