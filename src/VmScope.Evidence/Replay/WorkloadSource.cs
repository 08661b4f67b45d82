using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>A generated workload as operations; the start of an area is its name.</summary>
internal sealed class WorkloadSource(Workload workload, WorkloadSettings settings, ulong windowStart, ulong windowEnd)
    : IOperationSource
{
    private readonly IEnumerator<WorkloadStep> _steps = workload.AllSteps(settings).GetEnumerator();

    public string Name => workload.Name;

    public long Events { get; private set; }

    public long Bytes => 0;

    public bool HasAddresses => false;

    public bool TryRead(ref ReplayOperation operation)
    {
        if (!_steps.MoveNext())
        {
            return false;
        }

        WorkloadStep step = _steps.Current;
        Events++;
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
            Line = Events,
            Time = (ulong)Events * 1000,
            Start = step.Id,
            SizeBytes = step.SizeBytes,
            AlignBytes = step.AlignBytes,
            WindowStart = windowStart,
            WindowEnd = windowEnd,
        };
        return true;
    }
}
