using System.Numerics;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>What a vmalloc space is made of: the facts of the kernel's version and the machine it runs on.</summary>
public sealed record VmallocSetup
{
    /// <summary>What the version says.</summary>
    public required VmallocFacts Facts { get; init; }

    /// <summary>The page size in bytes.</summary>
    public ulong PageBytes { get; init; } = 4096;

    /// <summary>VMALLOC_START.</summary>
    public required ulong WindowStart { get; init; }

    /// <summary>VMALLOC_END as the kernel passes it; on some architectures the last byte inside.</summary>
    public required ulong WindowEnd { get; init; }

    /// <summary>Whether <c>unsigned long</c> has 64 bits.</summary>
    public required bool Is64Bit { get; init; }

    /// <summary>Processors online; 1 or more. Sets how much may be freed lazily.</summary>
    public int OnlineCpus { get; init; } = 1;

    /// <summary>Processors possible; 1 or more. Sets the number of pool nodes.</summary>
    public int PossibleCpus { get; init; } = 1;

    /// <summary>Whether freed areas are reusable at once, as no kernel since 2.6.28 has it: for asking what laziness costs.</summary>
    public bool WithoutLazyFreeing { get; init; }

    /// <summary>The last address of the address space.</summary>
    public ulong LastAddress => Is64Bit ? ulong.MaxValue : uint.MaxValue;

    /// <summary>The number of pool nodes: 1 before 6.9, on 32 bits and on one processor.</summary>
    public int Nodes => Facts.Era == PlacementEra.PooledFreeTree && Is64Bit
        ? Math.Clamp(PossibleCpus, 1, NodePools.NodesMax)
        : 1;

    /// <summary>How many lazily freed pages may wait; more of them trigger a purge.</summary>
    /// <remarks>
    /// Grows with the logarithm of the processors: purging later means fewer flushes of all translation caches, but
    /// each takes longer. Source: mm/vmalloc.c, lazy_max_pages(), 2.6.28 to 7.1.
    /// </remarks>
    public ulong LazyPagesMax =>
        (ulong)(1 + BitOperations.Log2((uint)Math.Max(OnlineCpus, 1))) * (32 * Size.MiB / PageBytes);
}

/// <summary>Which kind of purge runs.</summary>
public enum PurgeKind
{
    /// <summary>The worker above the threshold, or vm_unmap_aliases(): areas go into pools where there are any.</summary>
    Normal,

    /// <summary>A request found no room: pools are emptied, and nothing goes into them.</summary>
    Full,
}
