using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Vmalloc;

/// <summary>Which member of the vmalloc family is called.</summary>
public enum VmallocVariant
{
    /// <summary>vmalloc.</summary>
    Plain,

    /// <summary>vzalloc: cleared pages.</summary>
    Zeroed,

    /// <summary>vmalloc_32: pages a 32-bit device reaches.</summary>
    Below4G,

    /// <summary>vmalloc_user: cleared, and fit to be mapped into user space.</summary>
    User,

    /// <summary>vmalloc_huge: large pages where the kernel can.</summary>
    Huge,
}

/// <summary>What a caller asks of vmalloc.</summary>
/// <param name="SizeBytes">The size as the caller passes it.</param>
/// <param name="Caller">Who calls, as the kernel prints it.</param>
public sealed record VmallocCall(ulong SizeBytes, string Caller)
{
    /// <summary>Which function is called.</summary>
    public VmallocVariant Variant { get; init; }

    /// <summary>The CPU that runs the caller.</summary>
    public int Cpu { get; init; }

    /// <summary>The NUMA node to take pages from first (vmalloc_node); null for the node of the CPU.</summary>
    public int? Node { get; init; }

    /// <summary>Whether pages come from all nodes in turn, as a task's policy may say and boot's does for its hash tables.</summary>
    public bool Interleaves { get; init; }

    /// <summary>Alignment asked for, a power of two; 1 for none.</summary>
    public ulong AlignBytes { get; init; } = 1;
}

/// <summary>How an operation of the vmalloc family ended.</summary>
public enum VmallocEnd
{
    /// <summary>Well.</summary>
    Done,

    /// <summary>Refused: no bytes.</summary>
    SizeZero,

    /// <summary>Refused: more pages than the machine has.</summary>
    MoreThanRam,

    /// <summary>No place in the address range.</summary>
    NoRoom,

    /// <summary>The pages ran out.</summary>
    NoPages,

    /// <summary>No memory was left for page tables.</summary>
    NoTables,

    /// <summary>The address belongs to no area, or to another kind.</summary>
    UnknownAddress,

    /// <summary>An area begins there, but one of another function.</summary>
    OtherKind,

    /// <summary>The physical address cannot be mapped: it is RAM, or beyond the processor's reach.</summary>
    BadPhysical,

    /// <summary>This kernel has no such function.</summary>
    NotSupported,
}

/// <summary>What an operation of the vmalloc family answered.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Address">What the caller got; null for NULL.</param>
/// <param name="Area">The area behind it; null when there is none.</param>
public sealed record VmallocAnswer(VmallocEnd End, VirtualAddress? Address, VmallocArea? Area)
{
    /// <summary>An answer of NULL.</summary>
    internal static VmallocAnswer Null(VmallocEnd end) => new(end, Address: null, Area: null);
}

/// <summary>Plain values of the kernel and machine that the vmalloc family works with.</summary>
public sealed record VmallocEnvironment
{
    /// <summary>Where areas are placed, and how.</summary>
    public required VmallocSetup Setup { get; init; }

    /// <summary>What the users of vmalloc do in this version.</summary>
    public required VmallocUseFacts Uses { get; init; }

    /// <summary>What this version prints when something fails.</summary>
    public required VmallocMessageRules Messages { get; init; }

    /// <summary>Who runs on each CPU, and the page allocator's words.</summary>
    public required AllocationWarner Warner { get; init; }

    /// <summary>Rights of pages, which freeing executable memory resets.</summary>
    public required PageAttributes Attributes { get; init; }

    /// <summary>NR_CPUS of the build.</summary>
    public required int CpusConfigured { get; init; }

    /// <summary>IOREMAP_MAX_ORDER.</summary>
    public required int IoremapOrderMax { get; init; }

    /// <summary>Where modules go, as [start, end).</summary>
    public required (ulong Start, ulong End) ModuleWindow { get; init; }

    /// <summary>The direct map's first address: how ioremap answers the ISA window where it does so.</summary>
    public required VirtualAddress DirectMapStart { get; init; }

    /// <summary>Physical address bits of the processor.</summary>
    public required int PhysicalBits { get; init; }

    /// <summary>Digits of a padded physical address: 16 where phys_addr_t has 64 bits, 8 otherwise.</summary>
    public required byte PhysicalDigits { get; init; }

    /// <summary>The sizes of large pages that ioremap may use, largest first; empty for none.</summary>
    public required ImmutableArray<ulong> LargePageBytes { get; init; }

    /// <summary>The size of a large page that vmalloc may use; 0 for none.</summary>
    public required ulong HugeVmallocBytes { get; init; }

    /// <summary>THREAD_SIZE.</summary>
    public required ulong StackBytes { get; init; }

    /// <summary>The percpu atom: 2 MiB on x86-64, a page on i386.</summary>
    public required ulong PercpuAtomBytes { get; init; }

    /// <summary>The groups of a new per-CPU chunk.</summary>
    public required ImmutableArray<PercpuGroup> PercpuGroups { get; init; }
}
