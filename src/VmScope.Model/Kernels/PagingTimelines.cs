namespace VmScope.Kernels;

/// <summary>How a kernel maps its directly mapped memory at boot (x86).</summary>
public enum DirectMapRule
{
    /// <summary>One large page per directory slot that starts below the end of low memory; the last may reach past it.</summary>
    WholeSlots,

    /// <summary>Small pages up to the first large-page border and behind the last, the largest possible in between.</summary>
    SplitRanges,

    /// <summary>As <see cref="SplitRanges"/>, in chunks from the top of memory downward that grow as more is mapped.</summary>
    SplitRangesTopDown,
}

/// <summary>What a kernel does with x86 page tables, as plain values.</summary>
/// <param name="DirectMap">How the direct map is built.</param>
/// <param name="SupportsNoExecute">Whether the kernel uses the no-execute bit where it can.</param>
/// <param name="DirectMapNoExecute">Whether the direct map is mapped no-execute.</param>
/// <param name="NocacheBits">The cache bits of an uncached mapping.</param>
/// <param name="IoremapBits">The cache bits of ioremap.</param>
/// <param name="IoremapStartsFromPageKernel">Whether ioremap's entries are PAGE_KERNEL's with other cache bits; before, their bits were listed by hand.</param>
/// <param name="IoMappingBit">A software bit that marks mappings of devices; 0 for none.</param>
/// <param name="RangeFlushPagesMax">Up to how many pages a range is flushed page by page; 0 when a range always flushes everything.</param>
/// <param name="SwapperAtFixedPlace">Physical address of swapper_pg_dir where it is fixed; otherwise null.</param>
/// <param name="CopiesKernelEntriesOnFault">Whether a process's directory learns of new kernel tables by a fault.</param>
/// <param name="SyncsNewKernelTables">Whether new kernel directory entries are copied to every process when they are made.</param>
public sealed record PagingFacts(
    DirectMapRule DirectMap,
    bool SupportsNoExecute,
    bool DirectMapNoExecute,
    ulong NocacheBits,
    ulong IoremapBits,
    bool IoremapStartsFromPageKernel,
    ulong IoMappingBit,
    int RangeFlushPagesMax,
    ulong? SwapperAtFixedPlace,
    bool CopiesKernelEntriesOnFault,
    bool SyncsNewKernelTables);

/// <summary>The history of x86 page tables.</summary>
public static class PagingTimelines
{
    /// <summary>How the direct map is built.</summary>
    public static Timeline<DirectMapRule> DirectMap { get; } = new(
        new(new(2, 4), "arch/i386/mm/init.c, pagetable_init(), 2.4.22; kernel_physical_mapping_init(), 2.6.24", DirectMapRule.WholeSlots),
        new(new(2, 6, 28), "arch/x86/mm/init_32.c, init_memory_mapping(); UNVERIFIED: the first release that splits ranges", DirectMapRule.SplitRanges),
        new(new(3, 9), "arch/x86/mm/init.c, init_mem_mapping(), memory_map_top_down(), 3.10 (first release UNVERIFIED)", DirectMapRule.SplitRangesTopDown));

    /// <summary>Whether the kernel uses the no-execute bit.</summary>
    public static Timeline<bool> SupportsNoExecute { get; } = new(
        new(new(2, 4), "include/asm-i386/pgtable.h, 2.4.22: no such bit", false),
        new(new(2, 6, 8), "include/asm-i386/pgtable.h, _PAGE_NX, 2.6.9 (first release UNVERIFIED)", true));

    /// <summary>Whether the direct map is no-execute.</summary>
    public static Timeline<bool> DirectMapNoExecute { get; } = new(
        new(new(2, 4), "include/asm-x86/pgtable.h, __PAGE_KERNEL_LARGE_EXEC, 2.6.24", false),
        new(new(2, 6, 27), "arch/x86/mm/init_64.c, phys_pmd_init(), PAGE_KERNEL_LARGE, 2.6.32 (first release UNVERIFIED)", true));

    /// <summary>The cache bits of an uncached mapping.</summary>
    public static Timeline<ulong> NocacheBits { get; } = new(
        new(new(2, 4), "include/asm-i386/pgtable.h, _PAGE_PCD, 2.4.22; 2.6.24", 0x10UL),
        new(new(2, 6, 26), "arch/x86/include/asm/pgtable_types.h, __PAGE_KERNEL_NOCACHE, 6.1: PCD and PWT (first release UNVERIFIED)", 0x18UL));

    /// <summary>The cache bits of ioremap: none while the MTRRs decided alone, then strong, then what they may weaken (UC-).</summary>
    public static Timeline<ulong> IoremapBits { get; } = new(
        new(new(2, 4), "include/asm-i386/io.h, ioremap(): no flags; arch/i386/mm/ioremap.c, __ioremap(), 2.4.22", 0UL),
        new(new(2, 6, 25), "UNVERIFIED: include/asm-x86/io_32.h, ioremap() is ioremap_nocache(), which is PCD and PWT", 0x18UL),
        new(new(2, 6, 26), "arch/x86/mm/ioremap.c, ioremap(), _PAGE_CACHE_MODE_UC_MINUS: PCD alone; 6.1 and its own dump (first release UNVERIFIED)", 0x10UL));

    /// <summary>Whether ioremap starts from PAGE_KERNEL, and so maps no-execute and, on i386, global.</summary>
    public static Timeline<bool> IoremapStartsFromPageKernel { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, 2.6.12-rc2, arch/x86/mm/ioremap_32.c, 2.6.24: present, writable, accessed, dirty; arch/x86_64/mm/ioremap.c, 2.6.17: global too", false),
        new(new(2, 6, 25), "UNVERIFIED: arch/x86/mm/ioremap.c, __ioremap(), PAGE_KERNEL_NOCACHE", true));

    /// <summary>The software bit that marks mappings of devices, for the sake of Xen.</summary>
    public static Timeline<ulong> IoMappingBit { get; } = new(
        new(new(2, 4), "include/asm-x86/pgtable.h, 2.6.24: no such bit", 0UL),
        new(new(2, 6, 28), "arch/x86/include/asm/pgtable_types.h, _PAGE_BIT_IOMAP (first release UNVERIFIED)", 1UL << 10),
        new(new(3, 18), "arch/x86/include/asm/pgtable_types.h, the bit is free again (first release UNVERIFIED)", 0UL));

    /// <summary>Up to how many pages a range is flushed page by page.</summary>
    public static Timeline<int> RangeFlushPagesMax { get; } = new(
        new(new(2, 4), "include/asm-i386/pgalloc.h, flush_tlb_all() for vmalloc, 2.4.22", 0),
        new(new(3, 7), "arch/x86/mm/tlb.c, flush_tlb_kernel_range(), 3.10: page by page below a limit (first release UNVERIFIED)", 33));

    /// <summary>Where swapper_pg_dir lies when the kernel's link script fixes it.</summary>
    public static Timeline<ulong?> SwapperAtFixedPlace { get; } = new(
        new(new(2, 4), "arch/i386/kernel/head.S, swapper_pg_dir at 0x00101000, 2.4.22", 0x00101000UL),
        new(new(2, 6), "arch/i386/kernel/head.S, swapper_pg_dir in bss, 2.6.9", null));

    /// <summary>Whether processes learn of new kernel tables by faulting (i386 without PAE).</summary>
    public static Timeline<bool> CopiesKernelEntriesOnFault { get; } = new(
        new(new(2, 4), "arch/i386/mm/fault.c, vmalloc_fault, 2.4.22", true),
        new(new(5, 8), "arch/x86/mm/fault.c, vmalloc_fault() gone in 5.8 (from memory)", false),
        new(new(5, 9), "arch/x86/mm/fault.c, vmalloc_fault(), back for 32 bit in 5.9 (from memory)", true));

    /// <summary>Whether new kernel directory entries reach every process at once.</summary>
    public static Timeline<bool> SyncsNewKernelTables { get; } = new(
        new(new(2, 4), "arch/i386/mm/fault.c, 2.4.22: left to the fault", false),
        new(new(5, 8), "mm/vmalloc.c, arch_sync_kernel_mappings(), 5.8", true));

    /// <summary>Everything page tables need to know of a kernel.</summary>
    public static PagingFacts At(KernelVersion version) => new(
        DirectMap.At(version),
        SupportsNoExecute.At(version),
        DirectMapNoExecute.At(version),
        NocacheBits.At(version),
        IoremapBits.At(version),
        IoremapStartsFromPageKernel.At(version),
        IoMappingBit.At(version),
        RangeFlushPagesMax.At(version),
        SwapperAtFixedPlace.At(version),
        CopiesKernelEntriesOnFault.At(version),
        SyncsNewKernelTables.At(version));
}
