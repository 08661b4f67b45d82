using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>How many indices a fixmap entry takes.</summary>
internal enum FixmapCount
{
    /// <summary>A fixed number, <see cref="FixmapSlot.Pages"/>.</summary>
    Fixed,

    /// <summary>One for each possible I/O APIC: MAX_IO_APICS.</summary>
    IoApics,

    /// <summary>The temporary kmap slots of every CPU: KM_TYPE_NR (KM_MAX_IDX since 5.11) times NR_CPUS.</summary>
    Kmaps,

    /// <summary>One for each configured CPU: NR_CPUS.</summary>
    Cpus,

    /// <summary>One page at a fixed address further down, the indices before it unused: the vsyscall page of x86-64.</summary>
    VsyscallPage,

    /// <summary>One page for every 64 configured CPUs.</summary>
    ClockPages,
}

/// <summary>One entry of <c>enum fixed_addresses</c>: the kernel's #ifdef ladder as a row.</summary>
/// <param name="Name">The kernel's name of its first index.</param>
/// <param name="Why">What uses it.</param>
/// <param name="When">The symbol that adds it; null when it is always there; "!A" when A removes it, "A&amp;B" when it needs both.</param>
/// <param name="Count">How its number of indices is found.</param>
/// <param name="Pages">The number for <see cref="FixmapCount.Fixed"/>.</param>
internal sealed record FixmapSlot(
    string Name, string Why, string? When = null, FixmapCount Count = FixmapCount.Fixed, int Pages = 1);

/// <summary>Where the early-ioremap block (FIX_BTMAP_END) begins behind the permanent entries.</summary>
internal enum BootMapPlacement
{
    /// <summary>There is no such block (2.4.16).</summary>
    None,

    /// <summary>Right behind the permanent entries.</summary>
    Adjacent,

    /// <summary>At the next multiple of 512 indices strictly above them.</summary>
    NextMultipleOf512,

    /// <summary>At the next multiple of 256 indices strictly above them.</summary>
    NextMultipleOf256,

    /// <summary>Right behind them unless the block would straddle a page table; then at the next multiple of its own size.</summary>
    InsideOnePageTable,
}

/// <summary>One era of the fixmap's enum.</summary>
/// <param name="Permanent">Entries before <c>__end_of_permanent_fixed_addresses</c>.</param>
/// <param name="Placement">Where the early-ioremap block begins.</param>
/// <param name="BootMapPages">Pages of that block.</param>
/// <param name="BeforeBootMap">Boot-time entries between the permanent ones and the block (inside its padding).</param>
/// <param name="AfterBootMap">Boot-time entries behind the block.</param>
internal sealed record FixmapEra(
    ImmutableArray<FixmapSlot> Permanent,
    BootMapPlacement Placement,
    int BootMapPages,
    ImmutableArray<FixmapSlot> BeforeBootMap,
    ImmutableArray<FixmapSlot> AfterBootMap);

/// <summary>Temporary kmap slots of one CPU.</summary>
/// <param name="PerCpu">KM_TYPE_NR, or KM_MAX_IDX since 5.11.</param>
/// <param name="PerCpuWithDebug">The same with fences (DEBUG_HIGHMEM, DEBUG_KMAP_LOCAL since 5.11).</param>
/// <param name="DebugSymbol">The symbol that adds the fences; null where there are none.</param>
/// <param name="Symbol">The kernel's name of the number.</param>
internal sealed record KmapSlots(int PerCpu, int PerCpuWithDebug, string? DebugSymbol, string Symbol);
