namespace VmScope.Kernels.Timelines;

/// <summary>What changed in the address space of 32-bit x86, and when; the fixmap has its own file.</summary>
internal static class I386Timeline
{
    internal static readonly Timeline<ulong> FixaddrTop = new(
        new(new(2, 4), "include/asm-i386/fixmap.h, 2.4.20", 0xffffe000),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", 0xfffff000),
        new(new(2, 6, 9), "include/asm-i386/fixmap.h, 2.6.9; arch/i386/mm/pgtable.c, 2.6.19", 0xfffff000));

    internal static readonly Timeline<ReserveTopRule> ReserveTop = new(
        new(new(2, 4), "no reservetop= before 2.6.19", ReserveTopRule.Ignored),
        new(new(2, 6, 19), "arch/i386/mm/pgtable.c, reserve_top_address(), 2.6.19", ReserveTopRule.ExactAndReserved),
        new(new(2, 6, 31, Candidate: 6), "arch/x86/mm/pgtable_32.c, reserve_top_address(), 2.6.31 (commit 6abf6551094f)",
            ReserveTopRule.Exact),
        new(new(3, 16), "arch/x86/mm/pgtable.c, reserve_top_address(), 3.16 to 6.19; recorded boots of 6.1", ReserveTopRule.RoundedToPmd));

    /// <summary>Releases in which COMPAT_VDSO makes FIXADDR_TOP constant.</summary>
    internal static readonly Timeline<bool> CompatVdsoFixesTop = new(
        new(new(2, 4), "no COMPAT_VDSO before 2.6.20", false),
        new(new(2, 6, 20), "include/asm-i386/fixmap.h, 2.6.20 and 2.6.21", true),
        new(new(2, 6, 22), "include/asm-i386/fixmap.h, 2.6.22", false));

    internal static readonly Timeline<PkmapRule> Pkmap = new(
        new(new(2, 4), "include/asm-i386/highmem.h, 2.4.20 and 2.4.22", PkmapRule.Constant32MBelow4G),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", PkmapRule.ConstantByCpuCount),
        new(new(2, 6, 9), "include/asm-i386/highmem.h, 2.6.9", PkmapRule.ConstantByCpuCount),
        new(new(2, 6, 10), "UNVERIFIED: changed in 2.6.10 or 2.6.11", PkmapRule.ConstantByCpuCount),
        new(new(2, 6, 11), "include/asm-i386/highmem.h, 2.6.11 to arch/x86/include/asm/highmem.h, 3.16", PkmapRule.BelowBootFixmap),
        new(new(3, 17), "UNVERIFIED: 3.17 and 3.18 taken as 3.16", PkmapRule.BelowBootFixmap),
        new(new(3, 19), "arch/x86/include/asm/pgtable_32_types.h, 3.19 to 4.12", PkmapRule.BelowFixmap),
        new(new(4, 13), "UNVERIFIED: 4.13 and 4.14 taken as 4.12", PkmapRule.BelowFixmap),
        new(new(4, 15), "arch/x86/include/asm/pgtable_32_types.h, 4.15 and 4.18", PkmapRule.BelowCpuEntryArea),
        new(new(4, 19), "arch/x86/include/asm/pgtable_32_areas.h, 4.19 to 6.19; recorded boots of 5.10, 6.1 and 6.5", PkmapRule.BelowLdt));

    internal static readonly Timeline<CpuEntryAreaRule> CpuEntryArea = new(
        new(new(2, 4), "no cpu_entry_area before 4.15", CpuEntryAreaRule.None),
        new(new(4, 15), "arch/x86/include/asm/pgtable_32_types.h, 4.15", CpuEntryAreaRule.BelowFixmap),
        new(new(4, 16), "UNVERIFIED: 4.16 and 4.17 taken as 4.15", CpuEntryAreaRule.BelowFixmap),
        new(new(4, 18), "arch/x86/include/asm/pgtable_32_types.h, 4.18 to 6.19; recorded boots of 5.10, 6.1 and 6.5",
            CpuEntryAreaRule.BelowBootFixmap));

    internal static readonly Timeline<CpuEntryPages> CpuEntryPages = new(
        new(new(2, 4), "no cpu_entry_area before 4.15", new CpuEntryPages(0, 0)),
        new(new(4, 15), "arch/x86/include/asm/pgtable_32_types.h and cpu_entry_area.h, 4.15 to 4.19", new CpuEntryPages(40, 39)),
        new(new(5, 0), "arch/x86/include/asm/pgtable_32_types.h and cpu_entry_area.h, 5.0 to 5.4.0", new CpuEntryPages(40, 38)),
        new(new(5, 4, 1), "arch/x86/include/asm/pgtable_32_types.h, 5.4.1", new CpuEntryPages(39, 39)),
        new(new(5, 5), "UNVERIFIED: 5.5 and 5.6 taken as 5.7", new CpuEntryPages(43, 43)),
        new(new(5, 7), "arch/x86/include/asm/cpu_entry_area.h, processor.h, doublefault.h, 5.7 to 6.19; recorded boots of 5.10 and 6.1",
            new CpuEntryPages(43, 43)));

    internal static readonly Timeline<bool> LdtWindow = new(
        new(new(2, 4), "no LDT remap window before 4.19", false),
        new(new(4, 19), "arch/x86/include/asm/pgtable_32_areas.h, 4.19 to 6.19 (there even without page table isolation)", true));

    internal static readonly Timeline<VmallocStartRule> VmallocStart = new(
        new(new(2, 4), "include/asm-i386/pgtable.h, 2.4.20 and 2.4.22", VmallocStartRule.RoundedTo8M),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", VmallocStartRule.RoundedTo8MAfterEarlyReserve),
        new(new(2, 6, 9), "include/asm-i386/pgtable.h, 2.6.9 to 2.6.22", VmallocStartRule.RoundedTo8MAfterEarlyReserve),
        new(new(2, 6, 23), "include/asm-i386/pgtable.h, 2.6.23 to include/asm-x86/pgtable_32.h, 2.6.27", VmallocStartRule.RoundedTo8M),
        new(new(2, 6, 28), "arch/x86/include/asm/pgtable_32.h, 2.6.28 (commit e621bd18958e) to pgtable_32_areas.h, 6.19",
            VmallocStartRule.EightMiBAbove));

    internal static readonly Timeline<MaxMemRule> MaxMem = new(
        new(new(2, 4), "include/asm-i386/page.h, 2.4.20 to include/asm-x86/page_32.h, 2.6.27", MaxMemRule.FromTopOfMemory),
        new(new(2, 6, 28), "arch/x86/include/asm/pgtable_32.h, 2.6.28 (commit e621bd18958e) to pgtable_32_areas.h, 6.19",
            MaxMemRule.FromVmallocEnd));

    internal static readonly Timeline<VmallocOptionRule> VmallocOption = new(
        new(new(2, 4), "no vmalloc= in 2.4.22", VmallocOptionRule.Ignored),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", VmallocOptionRule.AsGiven),
        new(new(2, 6, 9), "arch/i386/kernel/setup.c, 2.6.9 to arch/x86/mm/pgtable_32.c, 2.6.27", VmallocOptionRule.AsGiven),
        new(new(2, 6, 28), "arch/x86/mm/pgtable_32.c, parse_vmalloc(), 2.6.28 to 6.19; recorded boots of 5.10, 6.1 and 6.5",
            VmallocOptionRule.PlusGap));

    internal static readonly Timeline<int> IoApicCountMax = new(
        new(new(2, 4), "include/asm-i386/apicdef.h, 2.4.20", 8),
        new(new(2, 6, 10), "include/asm-i386/apicdef.h, 2.6.9 and 2.6.12-rc2", 8),
        new(new(2, 6, 12), "UNVERIFIED: 8 became 64 between 2.6.12-rc2 and 2.6.14; 2.6.12 taken as its candidate", 8),
        new(new(2, 6, 13), "UNVERIFIED: 8 became 64 between 2.6.12-rc2 and 2.6.14; 2.6.13 taken as 2.6.14", 64),
        new(new(2, 6, 14), "include/asm-i386/apicdef.h, 2.6.14 to arch/x86/include/asm/apicdef.h, 6.19", 64));

    /// <summary>The option that makes MAX_IO_APICS 32 instead of 8 before 2.6.13; null where there is none.</summary>
    internal static readonly Timeline<string?> ManyIoApicsOption = new(
        new(new(2, 4), "no such option in 2.4.20", Value: null),
        new(new(2, 4, 22), "include/asm-i386/apicdef.h, 2.4.22", "X86_CLUSTERED_APIC"),
        new(new(2, 5), "include/asm-i386/apicdef.h, 2.6.9 and 2.6.12-rc2", "NUMA"),
        new(new(2, 6, 13), "include/asm-i386/apicdef.h, 2.6.14", Value: null));

    internal static readonly Timeline<KmapSlots> KmapSlots = new(
        new(new(2, 4), "include/asm-i386/kmap_types.h, 2.4.20", new KmapSlots(6, 6, DebugSymbol: null, "KM_TYPE_NR")),
        new(new(2, 4, 21), "UNVERIFIED: 2.4.21 taken as 2.4.22", new KmapSlots(8, 8, DebugSymbol: null, "KM_TYPE_NR")),
        new(new(2, 4, 22), "include/asm-i386/kmap_types.h, 2.4.22", new KmapSlots(8, 8, DebugSymbol: null, "KM_TYPE_NR")),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", new KmapSlots(13, 27, "DEBUG_HIGHMEM", "KM_TYPE_NR")),
        new(new(2, 6, 9), "include/asm-i386/kmap_types.h, 2.6.9 to arch/x86/include/asm/kmap_types.h, 2.6.30",
            new KmapSlots(13, 27, "DEBUG_HIGHMEM", "KM_TYPE_NR")),
        new(new(2, 6, 31), "include/asm-generic/kmap_types.h, 2.6.31 to 2.6.34", new KmapSlots(19, 39, "DEBUG_HIGHMEM", "KM_TYPE_NR")),
        new(new(2, 6, 35), "UNVERIFIED: 2.6.35 and 2.6.36 have 19 or 20; taken as 2.6.34",
            new KmapSlots(19, 39, "DEBUG_HIGHMEM", "KM_TYPE_NR")),
        new(new(2, 6, 37), "include/asm-generic/kmap_types.h, 2.6.37 to 5.10", new KmapSlots(20, 41, "DEBUG_HIGHMEM", "KM_TYPE_NR")),
        new(new(5, 11), "include/asm-generic/kmap_size.h, 5.11 to 6.19", new KmapSlots(16, 33, "DEBUG_KMAP_LOCAL", "KM_MAX_IDX")));

    /// <summary>Whether VMSPLIT_2G means 0x78000000.</summary>
    internal static readonly Timeline<bool> Split2GIs78000000 = new(
        new(new(2, 4), "arch/i386/Kconfig, 2.6.16 to 2.6.21", true),
        new(new(2, 6, 22, Candidate: 1), "arch/i386/Kconfig, 2.6.22 (commit 975b3d3d5b98) to arch/x86/Kconfig, 6.18", false));

    /// <summary>Whether the memory split can be chosen at all.</summary>
    internal static readonly Timeline<bool> HasSplitChoice = new(
        new(new(2, 4), "include/asm-i386/page.h, 2.4.20: 0xC0000000 only", false),
        new(new(2, 6, 16, Candidate: 2), "arch/i386/Kconfig, 2.6.16", true));

    /// <summary>Whether HIGHMEM64G can be chosen.</summary>
    internal static readonly Timeline<bool> HasHighmem64G = new(
        new(new(2, 4), "arch/i386/config.in, 2.4.20 to arch/x86/Kconfig, 6.14", true),
        new(new(6, 15), "UNVERIFIED: HIGHMEM64G went between 6.14 and 6.18", false),
        new(new(6, 18), "arch/x86/Kconfig, 6.18", false));

    /// <summary>NR_CPUS where neither configuration nor evidence names it, for an SMP kernel.</summary>
    internal static readonly Timeline<int> DefaultCpuCountMax = new(
        new(new(2, 4), "include/linux/threads.h, 2.4.20", 32),
        new(new(2, 5), "arch/i386/Kconfig to arch/x86/Kconfig: the choice for an ordinary SMP kernel", 8));

    /// <summary>The largest NR_CPUS the configuration accepts.</summary>
    internal static readonly Timeline<int> CpuCountLimit = new(
        new(new(2, 4), "include/linux/threads.h, 2.4.20", 32),
        new(new(2, 5), "arch/i386/Kconfig, 2.6.9: range 2 255", 255),
        new(new(2, 6, 29), "UNVERIFIED: arch/x86/Kconfig, 2.6.29 to 4.16: range up to 512", 512),
        new(new(4, 17), "arch/x86/Kconfig, NR_CPUS_RANGE_END, 4.17 to 6.19; recorded boots of 5.10 to 6.5", 64));

    /// <summary>Where the kernel image is loaded where the configuration does not say (PHYSICAL_START).</summary>
    internal static readonly Timeline<ulong> ImageStart = new(
        new(new(2, 4), "arch/i386/vmlinux.lds, 2.4.20: 1 MiB above PAGE_OFFSET", 1 * Size.MiB),
        new(new(2, 6, 31, Candidate: 1), "arch/x86/Kconfig, PHYSICAL_START, 2.6.31 (commit ceefccc93932)", 16 * Size.MiB));

    /// <summary>Whether VMSPLIT_3G_OPT needs a kernel without HIGHMEM.</summary>
    internal static readonly Timeline<bool> OddSplitNeedsNoHighmem = new(
        new(new(2, 4), "arch/i386/Kconfig, 2.6.16 to 2.6.22", true),
        new(new(2, 6, 23), "UNVERIFIED: gone somewhere from 2.6.23 to 3.0 (arch/x86/Kconfig, 3.0: needs a kernel without PAE)", false));

    internal static readonly Timeline<I386BootBlock> BootBlock = new(
        new(new(2, 4), "no such message before 2.6.19", I386BootBlock.None),
        new(new(2, 6, 19, Candidate: 1), "arch/i386/mm/init.c, mem_init(), 2.6.19 (commit 052e79941a04)", I386BootBlock.WithoutCpuEntry),
        new(new(4, 15), "arch/x86/mm/init_32.c, mem_init(), 4.15 to 5.4", I386BootBlock.WithCpuEntry),
        new(new(5, 5), "UNVERIFIED: the message went between 5.5 and 5.7", I386BootBlock.None),
        new(new(5, 7), "arch/x86/mm/init_32.c, mem_init(), 5.7", I386BootBlock.None));

    /// <summary>sizeof(struct page) without and with options that add a word, in bytes.</summary>
    internal static readonly Timeline<int> PageStructBytes = new(
        new(new(2, 4), "include/linux/mm.h, 2.4.22: 44, and 48 with HIGHMEM", 44),
        new(new(2, 5), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9", 32),
        new(new(2, 6, 9), "include/linux/mm.h, 2.6.9", 32),
        new(new(2, 6, 10), "UNVERIFIED: sizeof(struct page) between 2.6.9 and 6.1, options apart", 32),
        new(new(6, 1), "include/linux/mm_types.h, 6.1", 32));

    /// <summary>Whether MEMCG adds a pointer to struct page (40 bytes, its alignment included).</summary>
    internal static readonly Timeline<bool> MemcgInPage = new(
        new(new(2, 4), "UNVERIFIED: no such word assumed before 6.1", false),
        new(new(6, 1), "include/linux/mm_types.h, 6.1", true));

    /// <summary>Whether "mapped low ram:" and "low ram:" are printed.</summary>
    internal static readonly Timeline<bool> PrintsLowRam = new(
        new(new(2, 4), "arch/i386/kernel/setup.c, 2.4.20: no such lines", false),
        new(new(2, 6, 29), "UNVERIFIED: arch/x86/mm/init_32.c, initmem_init(); first release not read", true),
        new(new(5, 10), "recorded boots of 5.10, 6.1 and 6.5", true));
}
