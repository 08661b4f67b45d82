namespace VmScope.Vmalloc;

/// <summary>What one step of a workload asks of the allocator.</summary>
public enum WorkloadStepKind
{
    /// <summary>Place an area.</summary>
    Allocate,

    /// <summary>Free one.</summary>
    Free,

    /// <summary>Place a per-CPU chunk.</summary>
    AllocateChunk,
}

/// <summary>One step of a workload.</summary>
/// <param name="Kind">What is asked.</param>
/// <param name="Id">Names the area from its allocation to its freeing; never 0.</param>
/// <param name="SizeBytes">The searched size, guard page included; of a chunk, its area.</param>
/// <param name="AlignBytes">A power of two.</param>
/// <param name="Cpu">The processor that asks.</param>
public readonly record struct WorkloadStep(WorkloadStepKind Kind, ulong Id, ulong SizeBytes, ulong AlignBytes, int Cpu);

/// <summary>The parameters of a workload, named as the kernel's test module names them.</summary>
public sealed record WorkloadSettings
{
    /// <summary>Loops per test (test_loop_count); 1 or more.</summary>
    public int Loops { get; init; } = 10_000;

    /// <summary>Pages of a fixed-size area (nr_pages); 1 or more.</summary>
    public int Pages { get; init; } = 1;

    /// <summary>Workers that run the test side by side, each on its processor (nr_threads); 1 or more.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Per-CPU objects (nr_pcpu_objects).</summary>
    public int PercpuObjects { get; init; } = 35_000;

    /// <summary>The seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The page size.</summary>
    public ulong PageBytes { get; init; } = 4096;

    /// <summary>Bytes of a pointer: 4 or 8.</summary>
    public int WordBytes { get; init; } = 8;

    /// <summary>Processors online; sets how many areas the full-fit test makes.</summary>
    public int OnlineCpus { get; init; } = 1;

    /// <summary>Bytes of a per-CPU chunk's unit; what one processor gets of it.</summary>
    public ulong PercpuUnitBytes { get; init; } = 2 * Size.MiB;

    /// <summary>The alignment of a per-CPU chunk.</summary>
    public ulong PercpuAtomBytes { get; init; } = 2 * Size.MiB;

    /// <summary>THREAD_ALIGN, half of what the fixed-alignment test asks for.</summary>
    public ulong ThreadAlignBytes { get; init; } = 16 * Size.KiB;
}
