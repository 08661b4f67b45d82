using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Runs a workload on a modelled kernel and writes the trace that its tracer would have written.</summary>
internal static class SyntheticTrace
{
    /// <param name="stream">Where the text goes; stays open.</param>
    /// <param name="setup">The kernel.</param>
    /// <param name="steps">The workload.</param>
    /// <param name="eventsMax">Stops after this many events.</param>
    /// <returns>Events written.</returns>
    internal static long Write(Stream stream, VmallocSetup setup, IEnumerable<WorkloadStep> steps, long eventsMax = long.MaxValue)
    {
        using TraceWriter writer = new(stream, setup.OnlineCpus);
        VmallocSpace space = new(setup);
        Dictionary<ulong, ulong> starts = [];
        long events = 0;
        ulong time = 1_000_000;
        foreach (WorkloadStep step in steps)
        {
            if (events >= eventsMax)
            {
                break;
            }

            time += 2000;
            int task = 100 + step.Cpu;
            if (step.Kind == WorkloadStepKind.Allocate)
            {
                AreaRequest request = new(step.SizeBytes, step.AlignBytes, setup.WindowStart, setup.WindowEnd, step.Cpu);
                bool placed = space.TryPlace(request, out ulong address);
                writer.Placed(task, step.Cpu, time, request, placed ? address : null);
                events++;
                if (!placed)
                {
                    events += Purge(PurgeKind.Full, task, step.Cpu) + 1;
                    placed = space.TryPlace(request, out address);
                    writer.Placed(task, step.Cpu, time, request, placed ? address : null);
                }

                if (placed)
                {
                    starts[step.Id] = address;
                }
            }
            else if (step.Kind == WorkloadStepKind.Free && starts.Remove(step.Id, out ulong start))
            {
                space.TryFree(start, out _);
                writer.Freed(task, step.Cpu, time, start, space.LazyPages, setup.LazyPagesMax);
                events++;
                if (space.IsPurgeDue)
                {
                    events += Purge(PurgeKind.Normal, 10, step.Cpu);
                }
            }
        }

        return events;

        int Purge(PurgeKind kind, int task, int cpu)
        {
            int count = space.CountForPurge(0, out ulong lowest, out ulong highest);
            space.Purge(kind);
            writer.Purged(task, cpu, time, lowest, highest, (ulong)count);
            return 1;
        }
    }
}
