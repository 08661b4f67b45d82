namespace VmScope.Kernels.Timelines;

/// <summary>How arm decides where low memory ends.</summary>
/// <param name="DefaultBytes">Bytes below VMALLOC_END kept for vmalloc without <c>vmalloc=</c>.</param>
/// <param name="DefaultAddsOffset">Whether VMALLOC_OFFSET is kept on top of the default.</param>
/// <param name="OptionAddsOffset">Whether VMALLOC_OFFSET is kept on top of what <c>vmalloc=</c> asks for.</param>
internal sealed record ArmVmallocReserve(ulong DefaultBytes, bool DefaultAddsOffset, bool OptionAddsOffset);

/// <summary>The compile-time addresses of arm.</summary>
/// <param name="Start">FIXADDR_START.</param>
/// <param name="EndExclusive">Where the window ends (FIXADDR_TOP up to 3.18, FIXADDR_END later).</param>
internal sealed record ArmFixmapWindow(ulong Start, ulong EndExclusive);

/// <summary>What changed in the address space of 32-bit arm, and when.</summary>
internal static class ArmTimelines
{
    /// <summary>VMALLOC_END; null where every machine set its own.</summary>
    internal static readonly Timeline<ulong?> VmallocEnd = new(
        new(new(2, 6, 28), "arch/arm/mach-*/include/mach/vmalloc.h, VMALLOC_END, 2.6.28 to 3.0", Value: null),
        new(new(3, 3), "UNVERIFIED: arch/arm/include/asm/pgtable.h, VMALLOC_END; one value for all machines appears between 3.1 and 3.4",
            0xff000000),
        new(new(3, 4), "arch/arm/include/asm/pgtable.h, VMALLOC_END, 3.4 to 4.3", 0xff000000),
        new(new(4, 4), "arch/arm/include/asm/pgtable.h, VMALLOC_END, 4.4", 0xff800000));

    /// <summary>What is kept for vmalloc by default and by <c>vmalloc=</c>.</summary>
    internal static readonly Timeline<ArmVmallocReserve> Reserve = new(
        new(new(2, 6, 28), "arch/arm/mm/mmu.c, VMALLOC_MIN and early_vmalloc(), 2.6.29 to 3.0",
            new(128 * Size.MiB, DefaultAddsOffset: false, OptionAddsOffset: false)),
        new(new(3, 1), "UNVERIFIED: arch/arm/mm/mmu.c, vmalloc_min; 240 MiB appear between 3.1 and 3.4",
            new(240 * Size.MiB, DefaultAddsOffset: true, OptionAddsOffset: false)),
        new(new(3, 4), "arch/arm/mm/mmu.c, vmalloc_min and early_vmalloc(), 3.4 to 5.12",
            new(240 * Size.MiB, DefaultAddsOffset: true, OptionAddsOffset: false)),
        new(new(5, 13), "UNVERIFIED: arch/arm/mm/mmu.c, vmalloc_size; the rule of 5.14, absent in 5.12",
            new(240 * Size.MiB, DefaultAddsOffset: true, OptionAddsOffset: true)),
        new(new(5, 14), "arch/arm/mm/mmu.c, early_vmalloc() and adjust_lowmem_bounds(), 5.14",
            new(240 * Size.MiB, DefaultAddsOffset: true, OptionAddsOffset: true)));

    /// <summary>Whether there is a pkmap window, below PAGE_OFFSET.</summary>
    internal static readonly Timeline<bool> HasPkmap = new(
        new(new(2, 6, 28), "arch/arm/include/asm/highmem.h is absent in 2.6.28", Value: false),
        new(new(2, 6, 29), "UNVERIFIED: arch/arm/include/asm/highmem.h, PKMAP_BASE; appears between 2.6.29 and 2.6.32", Value: true),
        new(new(2, 6, 32), "arch/arm/include/asm/highmem.h, PKMAP_BASE, 2.6.32", Value: true));

    /// <summary>Whether Thumb-2 kernels have a module window of 8 MiB.</summary>
    internal static readonly Timeline<bool> ThumbShrinksModules = new(
        new(new(2, 6, 28), "arch/arm/include/asm/memory.h, MODULES_VADDR, 2.6.28", Value: false),
        new(new(2, 6, 32), "arch/arm/include/asm/memory.h, MODULES_VADDR, 2.6.32", Value: true));

    /// <summary>The fixmap window.</summary>
    internal static readonly Timeline<ArmFixmapWindow> Fixmap = new(
        new(new(2, 6, 28), "arch/arm/include/asm/fixmap.h, FIXADDR_START and FIXADDR_TOP, up to 3.14", new(0xfff00000, 0xfffe0000)),
        new(new(3, 15), "UNVERIFIED: arch/arm/include/asm/fixmap.h; the window of 3.16, absent in 3.14", new(0xffc00000, 0xffe00000)),
        new(new(3, 16), "arch/arm/include/asm/fixmap.h, FIXADDR_START and FIXADDR_TOP, 3.16", new(0xffc00000, 0xffe00000)),
        new(new(3, 18), "UNVERIFIED: arch/arm/include/asm/fixmap.h; the window of 3.19, absent in 3.16", new(0xffc00000, 0xfff00000)),
        new(new(3, 19), "arch/arm/include/asm/fixmap.h, FIXADDR_START and FIXADDR_END, 3.19 to 5.10", new(0xffc00000, 0xfff00000)),
        new(new(5, 11), "arch/arm/include/asm/fixmap.h, FIXADDR_START and FIXADDR_END, 5.11", new(0xffc80000, 0xfff00000)));

    /// <summary>How many kmap slots each CPU has in the fixmap; 0 where the fixmap holds nothing by name.</summary>
    internal static readonly Timeline<int> KmapSlots = new(
        new(new(2, 6, 28), "arch/arm/include/asm/fixmap.h, FIX_KMAP_BEGIN, up to 3.18: slots without entries of their own", 0),
        new(new(3, 19), "arch/arm/include/asm/kmap_types.h, KM_TYPE_NR, 3.19 to 5.10", 16),
        new(new(5, 11), "include/asm-generic/kmap_size.h, KM_MAX_IDX, 5.11", 16));

    /// <summary>Kmap slots with the debug option that puts a guard between two; 0 where it adds none.</summary>
    internal static readonly Timeline<int> KmapSlotsWithGuards = new(
        new(new(2, 6, 28), "arch/arm/include/asm/kmap_types.h, KM_TYPE_NR, up to 5.10", 0),
        new(new(5, 11), "include/asm-generic/kmap_size.h, KM_MAX_IDX with DEBUG_KMAP_LOCAL, 5.11", 33));

    /// <summary>The window through which the device tree is read, below the fixmap.</summary>
    internal static readonly Timeline<bool> HasFdtWindow = new(
        new(new(2, 6, 28), "arch/arm/include/asm/memory.h, up to 5.10: no FDT_FIXED_BASE", Value: false),
        new(new(5, 11), "arch/arm/include/asm/memory.h, FDT_FIXED_BASE and FDT_FIXED_SIZE, 5.11", Value: true));

    /// <summary>Whether KASAN can be configured.</summary>
    internal static readonly Timeline<bool> CanHaveKasan = new(
        new(new(2, 6, 28), "arch/arm/Kconfig, up to 5.10: no HAVE_ARCH_KASAN", Value: false),
        new(new(5, 11), "arch/arm/include/asm/kasan_def.h, 5.11", Value: true));

    /// <summary>Where memory for coherent DMA ends; null where it comes out of the vmalloc area.</summary>
    internal static readonly Timeline<ulong?> ConsistentDmaEnd = new(
        new(new(2, 6, 28), "arch/arm/include/asm/memory.h, CONSISTENT_END, up to 3.14", 0xffe00000),
        new(new(3, 15), "UNVERIFIED: arch/arm/include/asm/memory.h; no CONSISTENT_END from 3.15 on", Value: null));

    /// <summary>How many pages lie at the vectors.</summary>
    internal static readonly Timeline<int> VectorPages = new(
        new(new(2, 6, 28), "arch/arm/mm/mmu.c, devicemaps_init(), 2.6.28", 1),
        new(new(3, 11), "UNVERIFIED: arch/arm/mm/mmu.c, devicemaps_init(): a page of stubs above the vectors", 2),
        new(new(5, 10), "recorded boots of 5.10, 6.1, 6.12 and 7.2: two pages at 0xffff0000", 2));

    /// <summary>Which lines the boot message has.</summary>
    internal static readonly Timeline<ArmBootMessage> BootMessage = new(
        new(new(2, 6, 28), "arch/arm/mm/init.c, mem_init(), 2.6.28", ArmBootMessage.None),
        new(new(2, 6, 34), "UNVERIFIED: arch/arm/mm/init.c, mem_init(); the message appears between 2.6.33 and 2.6.37", ArmBootMessage.Printed),
        new(new(2, 6, 37), "arch/arm/mm/init.c, mem_init(), 2.6.37 to 3.0", ArmBootMessage.PrintedWithDma),
        new(new(3, 1), "UNVERIFIED: arch/arm/mm/init.c, mem_init(); the DMA line is gone by 3.4", ArmBootMessage.Printed),
        new(new(3, 4), "arch/arm/mm/init.c, mem_init(), 3.4 to 5.0", ArmBootMessage.Printed),
        new(new(5, 1), "UNVERIFIED: arch/arm/mm/init.c, mem_init(); the message is gone by 5.2", ArmBootMessage.None),
        new(new(5, 2), "arch/arm/mm/init.c, mem_init(), 5.2", ArmBootMessage.None));
}

/// <summary>What arm prints of its layout while booting.</summary>
internal enum ArmBootMessage
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The block.</summary>
    Printed,

    /// <summary>The block, with a line for coherent DMA memory.</summary>
    PrintedWithDma,
}
