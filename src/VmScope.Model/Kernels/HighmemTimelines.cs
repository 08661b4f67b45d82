using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>How kmap_atomic chooses its slot.</summary>
public enum AtomicKmapRule
{
    /// <summary>The caller names a type; each CPU has one slot per type.</summary>
    ByType,

    /// <summary>The CPU's own stack: the next slot, given back in reverse order.</summary>
    CpuStack,

    /// <summary>The task's own stack (kmap_local); the slots move with the task across switches.</summary>
    TaskStack,
}

/// <summary>What happens when a named slot is taken again before it was given back.</summary>
public enum BusySlotRule
{
    /// <summary>The new mapping silently replaces the old one.</summary>
    Overwrites,

    /// <summary>The kernel stops with BUG.</summary>
    Bug,
}

/// <summary>What a 32-bit kernel does with memory that has no permanent address.</summary>
/// <param name="AtomicRule">How kmap_atomic chooses its slot.</param>
/// <param name="BusySlot">What a second mapping of a busy slot does (<see cref="AtomicKmapRule.ByType"/> only).</param>
/// <param name="FlushesOnMap">Whether the page is flushed when it is mapped rather than when it is unmapped.</param>
/// <param name="SlotTypes">The names of the types, in index order; empty when slots have no names.</param>
/// <param name="SlotsPerCpu">Slots per CPU (KM_TYPE_NR, KM_MAX_IDX).</param>
/// <param name="SlotStep">How many slots one mapping takes; 2 leaves a guard before each (DEBUG_KMAP_LOCAL; DEBUG_HIGHMEM while callers named a type).</param>
/// <param name="PkmapAlwaysFlushes">Whether a wrap-around flushes the TLB even when no slot was cleared.</param>
/// <param name="PkmapFlushesAll">Whether that flush drops the whole TLB rather than the window.</param>
/// <param name="EarlySlots">early_ioremap's slots at boot (FIX_BTMAPS_SLOTS).</param>
/// <param name="EarlySlotPages">Pages in each of them (NR_FIX_BTMAPS).</param>
public sealed record HighmemFacts(
    AtomicKmapRule AtomicRule,
    BusySlotRule BusySlot,
    bool FlushesOnMap,
    ImmutableArray<string> SlotTypes,
    int SlotsPerCpu,
    int SlotStep,
    bool PkmapAlwaysFlushes,
    bool PkmapFlushesAll,
    int EarlySlots,
    int EarlySlotPages);

/// <summary>The history of kmap.</summary>
public static class HighmemTimelines
{
    private static readonly ImmutableArray<string> Types24 =
        ["BOUNCE_READ", "SKB_SUNRPC_DATA", "SKB_DATA_SOFTIRQ", "USER0", "USER1", "BH_IRQ"];

    private static readonly ImmutableArray<string> Types2422 = [.. Types24, "SOFTIRQ0", "SOFTIRQ1"];

    private static readonly ImmutableArray<string> Types26 =
    [
        "BOUNCE_READ", "SKB_SUNRPC_DATA", "SKB_DATA_SOFTIRQ", "USER0", "USER1", "BIO_SRC_IRQ", "BIO_DST_IRQ", "PTE0", "PTE1",
        "IRQ0", "IRQ1", "SOFTIRQ0", "SOFTIRQ1",
    ];

    private static readonly ImmutableArray<string> Types2631 =
        [.. Types26, "SYNC_ICACHE", "SYNC_DCACHE", "UML_USERCOPY", "IRQ_PTE", "NMI", "NMI_PTE"];

    /// <summary>How kmap_atomic chooses its slot.</summary>
    public static Timeline<AtomicKmapRule> AtomicRule { get; } = new(
        new(new(2, 4), "include/asm-i386/highmem.h, kmap_atomic(), 2.4.22", AtomicKmapRule.ByType),
        new(new(2, 6, 37), "arch/x86/mm/highmem_32.c, kmap_atomic_idx_push(), 2.6.37", AtomicKmapRule.CpuStack),
        new(new(5, 11), "mm/highmem.c, kmap_local_idx_push(), 5.11", AtomicKmapRule.TaskStack));

    /// <summary>What a second mapping of a busy type does.</summary>
    public static Timeline<BusySlotRule> BusySlot { get; } = new(
        new(new(2, 4), "arch/i386/mm/highmem.c, kmap_atomic(), 2.6.11: set_pte without a test unless DEBUG_HIGHMEM", BusySlotRule.Overwrites),
        new(new(2, 6, 22), "arch/x86/mm/highmem_32.c, BUG_ON(!pte_none()), 2.6.24 (first release UNVERIFIED)", BusySlotRule.Bug));

    /// <summary>Whether the TLB is flushed on mapping.</summary>
    public static Timeline<bool> FlushesOnMap { get; } = new(
        new(new(2, 4), "arch/i386/mm/highmem.c, __flush_tlb_one(), 2.6.11", true),
        new(new(2, 6, 20), "arch/i386/mm/highmem.c, kpte_clear_flush(), 2.6.20 (first release UNVERIFIED)", false));

    /// <summary>The names of the slots.</summary>
    public static Timeline<ImmutableArray<string>> SlotTypes { get; } = new(
        new(new(2, 4), "include/asm-i386/kmap_types.h, 2.4.20", Types24),
        new(new(2, 4, 22), "include/asm-i386/kmap_types.h, 2.4.22", Types2422),
        new(new(2, 6), "include/asm-i386/kmap_types.h, 2.6.9", Types26),
        new(new(2, 6, 31), "include/asm-generic/kmap_types.h, 2.6.31", Types2631),
        new(new(2, 6, 37), "arch/x86/mm/highmem_32.c, 2.6.37: the names no longer choose a slot", []));

    /// <summary>Slots per CPU without debugging options.</summary>
    public static Timeline<int> SlotsPerCpu { get; } = new(
        new(new(2, 4), "include/asm-i386/kmap_types.h, KM_TYPE_NR, 2.4.20", 6),
        new(new(2, 4, 22), "include/asm-i386/kmap_types.h, KM_TYPE_NR, 2.4.22", 8),
        new(new(2, 6), "include/asm-i386/kmap_types.h, KM_TYPE_NR, 2.6.9", 13),
        new(new(2, 6, 31), "include/asm-generic/kmap_types.h, KM_TYPE_NR, 2.6.31", 19),
        new(new(2, 6, 37), "include/asm-generic/kmap_types.h, KM_TYPE_NR, 2.6.37", 20),
        new(new(5, 11), "include/asm-generic/kmap_size.h, KM_MAX_IDX, 5.11", 16));

    /// <summary>Whether a wrap of the pkmap window always flushes.</summary>
    public static Timeline<bool> PkmapAlwaysFlushes { get; } = new(
        new(new(2, 4), "mm/highmem.c, flush_all_zero_pkmaps(), 2.4.22: flush_tlb_all()", true),
        new(new(2, 6, 32), "mm/highmem.c, flush_all_zero_pkmaps(), need_flush, 2.6.32 (first release UNVERIFIED)", false));

    /// <summary>Whether that flush drops everything.</summary>
    public static Timeline<bool> PkmapFlushesAll { get; } = new(
        new(new(2, 4), "mm/highmem.c, flush_tlb_all(), 2.4.22", true),
        new(new(2, 6), "mm/highmem.c, flush_tlb_kernel_range(), 2.6.11", false));

    /// <summary>early_ioremap's slots.</summary>
    public static Timeline<int> EarlySlots { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, bt_ioremap(), 2.4.22: one mapping at a time", 1),
        new(new(2, 6, 28), "arch/x86/include/asm/fixmap.h, FIX_BTMAPS_SLOTS 4, 2.6.28", 4),
        new(new(3, 14), "arch/x86/include/asm/fixmap.h, FIX_BTMAPS_SLOTS 8, 3.14", 8));

    /// <summary>Pages in each of them.</summary>
    public static Timeline<int> EarlySlotPages { get; } = new(
        new(new(2, 4), "include/asm-i386/fixmap.h, NR_FIX_BTMAPS 16, 2.4.22", 16),
        new(new(2, 6, 25), "arch/x86/include/asm/fixmap.h, NR_FIX_BTMAPS 64, 2.6.25 to 6.12", 64));

    /// <summary>Everything kmap needs to know of a kernel.</summary>
    /// <param name="version">The kernel.</param>
    /// <param name="debugHighmem">DEBUG_HIGHMEM: fences before each slot, up to 5.10.</param>
    /// <param name="debugKmapLocal">DEBUG_KMAP_LOCAL: a guard before each slot, from 5.11.</param>
    public static HighmemFacts At(KernelVersion version, bool debugHighmem = false, bool debugKmapLocal = false)
    {
        AtomicKmapRule rule = AtomicRule.At(version);
        int slots = SlotsPerCpu.At(version);
        bool guarded = rule == AtomicKmapRule.TaskStack ? debugKmapLocal : debugHighmem;
        return new HighmemFacts(
            rule,
            debugHighmem ? BusySlotRule.Bug : BusySlot.At(version),
            FlushesOnMap.At(version),
            SlotTypes.At(version),
            guarded ? (2 * slots) + 1 : slots,
            // The fences are between types: a stack of the CPU counts its mappings one by one, with more slots than before.
            guarded && rule != AtomicKmapRule.CpuStack ? 2 : 1,
            PkmapAlwaysFlushes.At(version),
            PkmapFlushesAll.At(version),
            EarlySlots.At(version),
            EarlySlotPages.At(version));
    }
}
