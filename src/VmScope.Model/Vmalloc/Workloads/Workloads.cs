using System.Numerics;

namespace VmScope.Vmalloc;

/// <summary>A named workload.</summary>
/// <param name="Name">As given on the command line.</param>
/// <param name="Mask">Its bit in run_test_mask of the kernel's module; 0 for one of our own.</param>
/// <param name="What">What it does, in a few words.</param>
/// <param name="Steps">One worker's steps.</param>
public sealed record Workload(string Name, int Mask, string What, Func<WorkloadSettings, int, IEnumerable<WorkloadStep>> Steps)
{
    /// <summary>The steps of every worker, taking turns.</summary>
    /// <remarks>Workers of the kernel run at the same time; here each does one step after the other, in order.</remarks>
    public IEnumerable<WorkloadStep> AllSteps(WorkloadSettings settings)
    {
        List<IEnumerator<WorkloadStep>> workers =
            [.. Enumerable.Range(0, Math.Max(1, settings.Workers)).Select(worker => Steps(settings, worker).GetEnumerator())];
        while (workers.Count > 0)
        {
            for (int i = 0; i < workers.Count; i++)
            {
                if (workers[i].MoveNext())
                {
                    yield return workers[i].Current;
                }
                else
                {
                    workers[i].Dispose();
                    workers.RemoveAt(i--);
                }
            }
        }
    }
}

/// <summary>The list of tests of the kernel's own vmalloc test module, as streams of requests.</summary>
/// <remarks>Source: lib/test_vmalloc.c, 5.2 to 7.1. The order in which a test frees and allocates is the module's.</remarks>
public static class Workloads
{
    private const int LongBusyAreas = 15_000;

    /// <summary>Every workload.</summary>
    public static IReadOnlyList<Workload> All { get; } =
    [
        new("fix-size", 1, "areas of nr_pages, each freed before the next", FixSize),
        new("full-fit", 2, "one-page holes between one-page areas, and requests that fit them exactly", FullFit),
        new("long-busy-list", 4, "100 pages and 1 page at a time beside 15,000 areas that stay", LongBusyList),
        new("random-size", 8, "1 to 100 pages", RandomSize),
        new("fix-align", 16, "5 pages aligned to twice a kernel stack", FixAlign),
        new("random-align", 32, "1 to 10 pages aligned to 1 byte to 4 MiB", RandomAlign),
        new("align-shift", 64, "1 page at every power of two; the largest must fail", AlignShift),
        new("percpu", 128, "objects of 1 byte to a quarter page, which make per-CPU chunks", Percpu),
        new("churn", 0, "10,000 areas of 1 to 64 pages that stay; one is replaced at a time", Churn),
    ];

    /// <summary>Finds a workload by name or by its bit in run_test_mask.</summary>
    public static Workload? Find(string name) => All.FirstOrDefault(workload =>
        string.Equals(workload.Name, name, StringComparison.Ordinal)
        || (workload.Mask > 0 && int.TryParse(name, out int mask) && mask == workload.Mask));

    private static IEnumerable<WorkloadStep> FixSize(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        for (int loop = 0; loop < settings.Loops; loop++)
        {
            WorkloadStep area = areas.Pages(settings.Pages);
            yield return area;
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> FullFit(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        int count = (BitOperations.Log2((uint)settings.OnlineCpus) + 1) * (int)(32 * Size.MiB / settings.PageBytes);
        List<WorkloadStep> kept = [areas.Bytes((ulong)(settings.WordBytes * count)), areas.Bytes((ulong)(settings.WordBytes * count))];
        yield return kept[0];
        yield return kept[1];
        List<WorkloadStep> junk = [];
        for (int i = 0; i < count; i++)
        {
            kept.Add(areas.Pages(1));
            yield return kept[^1];
            junk.Add(areas.Pages(1));
            yield return junk[^1];
        }

        foreach (WorkloadStep area in junk)
        {
            yield return Areas.Free(area);
        }

        for (int loop = 0; loop < settings.Loops; loop++)
        {
            WorkloadStep area = areas.Pages(1);
            yield return area;
            yield return Areas.Free(area);
        }

        foreach (WorkloadStep area in kept.Skip(2).Concat(kept.Take(2)))
        {
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> LongBusyList(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        List<WorkloadStep> kept = [areas.Bytes((ulong)(settings.WordBytes * LongBusyAreas))];
        yield return kept[0];
        for (int i = 0; i < LongBusyAreas; i++)
        {
            kept.Add(areas.Pages(1));
            yield return kept[^1];
        }

        for (int loop = 0; loop < settings.Loops; loop++)
        {
            WorkloadStep large = areas.Pages(100);
            WorkloadStep small = areas.Pages(1);
            yield return large;
            yield return small;
            yield return Areas.Free(large);
            yield return Areas.Free(small);
        }

        foreach (WorkloadStep area in kept.Skip(1).Concat(kept.Take(1)))
        {
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> RandomSize(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        for (int loop = 0; loop < settings.Loops; loop++)
        {
            WorkloadStep area = areas.Pages(areas.Random.Below(100) + 1);
            yield return area;
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> FixAlign(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        for (int loop = 0; loop < settings.Loops; loop++)
        {
            WorkloadStep area = areas.Pages(5, settings.ThreadAlignBytes * 2);
            yield return area;
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> RandomAlign(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        for (int loop = 0; loop < settings.Loops; loop++)
        {
            // Quirk of the module: size and alignment come from the same number.
            ulong random = areas.Random.Next() >> 33;
            WorkloadStep area = areas.Pages((int)(random % 10) + 1, 1UL << (int)(random % 23));
            yield return area;
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> AlignShift(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        for (int shift = 0; shift < settings.WordBytes * 8; shift++)
        {
            WorkloadStep area = areas.Pages(1, 1UL << shift);
            yield return area;
            yield return Areas.Free(area);
        }
    }

    private static IEnumerable<WorkloadStep> Percpu(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        ulong used = settings.PercpuUnitBytes;
        List<WorkloadStep> chunks = [];
        for (int i = 0; i < settings.PercpuObjects; i++)
        {
            ulong bytes = (ulong)areas.Random.Below((int)settings.PageBytes / 4) + 1;
            ulong align = 1UL << (areas.Random.Below(11) + 1);
            ulong at = Align.Up(used, align);
            if (at + bytes > settings.PercpuUnitBytes)
            {
                chunks.Add(areas.Chunk());
                yield return chunks[^1];
                at = 0;
            }

            used = at + bytes;
        }

        foreach (WorkloadStep chunk in chunks)
        {
            yield return Areas.Free(chunk);
        }
    }

    private static IEnumerable<WorkloadStep> Churn(WorkloadSettings settings, int worker)
    {
        Areas areas = new(settings, worker);
        WorkloadStep[] live = new WorkloadStep[10_000];
        for (int i = 0; i < live.Length; i++)
        {
            live[i] = areas.Pages(areas.Random.Below(64) + 1);
            yield return live[i];
        }

        for (int loop = 0; loop < settings.Loops; loop++)
        {
            int at = areas.Random.Below(live.Length);
            yield return Areas.Free(live[at]);
            live[at] = areas.Random.Below(10) < 2
                ? areas.Pages(4, 4 * settings.PageBytes)
                : areas.Pages(areas.Random.Below(64) + 1);
            yield return live[at];
        }
    }

    /// <summary>Makes steps; ids of different workers never meet.</summary>
    private sealed class Areas(WorkloadSettings settings, int worker)
    {
        private ulong _lastId = (ulong)worker << 40;

        internal SeededRandom Random { get; } = new(settings.Seed + ((ulong)worker << 32));

        internal static WorkloadStep Free(WorkloadStep area) => area with { Kind = WorkloadStepKind.Free };

        internal WorkloadStep Pages(int pages, ulong alignBytes = 1) =>
            Step(WorkloadStepKind.Allocate, (ulong)(pages + 1) * settings.PageBytes, alignBytes);

        internal WorkloadStep Bytes(ulong bytes) =>
            Step(WorkloadStepKind.Allocate, Align.Up(bytes, settings.PageBytes) + settings.PageBytes, 1);

        internal WorkloadStep Chunk() => Step(
            WorkloadStepKind.AllocateChunk,
            Align.Up(settings.PercpuUnitBytes * (ulong)settings.OnlineCpus, settings.PercpuAtomBytes),
            settings.PercpuAtomBytes);

        private WorkloadStep Step(WorkloadStepKind kind, ulong sizeBytes, ulong alignBytes) =>
            new(kind, ++_lastId, sizeBytes, alignBytes, worker % Math.Max(1, settings.OnlineCpus));
    }
}
