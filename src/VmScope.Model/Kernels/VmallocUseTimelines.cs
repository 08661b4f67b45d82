namespace VmScope.Kernels;

/// <summary>How freed areas that wait for a purge appear in /proc/vmallocinfo.</summary>
public enum UnpurgedLines
{
    /// <summary>Not at all.</summary>
    Never,

    /// <summary>Where their address puts them, one line each.</summary>
    InPlace,

    /// <summary>Behind the last line, the one freed last first.</summary>
    LastFreedFirst,

    /// <summary>Behind the last line, by address, neighbours merged.</summary>
    MergedAscending,

    /// <summary>Behind the last line, node by node, by address inside a node.</summary>
    NodeByNode,
}

/// <summary>What ioremap says of RAM.</summary>
public enum IoremapOfRam
{
    /// <summary>NULL, without a word.</summary>
    Silent,

    /// <summary>NULL, and a warning once: "ioremap on RAM at …".</summary>
    Warns,
}

/// <summary>What iounmap says of an address that is no area.</summary>
public enum BadIounmapMessage
{
    /// <summary>What vfree says.</summary>
    AsVfree,

    /// <summary>"__iounmap: bad address A", the address as it was passed.</summary>
    Underscored,

    /// <summary>"iounmap: bad address A", the address of its page.</summary>
    Plain,
}

/// <summary>What becomes of a table of smaller pages, all unmapped, that stands where a large page would go.</summary>
public enum TableUnderLargePage
{
    /// <summary>Quirk: its entry is overwritten, and the table is lost.</summary>
    Lost,

    /// <summary>It is freed.</summary>
    Freed,

    /// <summary>It stays, and smaller pages are used.</summary>
    Kept,
}

/// <summary>What a kernel's vmalloc users do, and how it lists them, as plain values.</summary>
/// <param name="HasList">Whether /proc/vmallocinfo exists.</param>
/// <param name="MapRamLines">Whether vm_map_ram areas have a line there.</param>
/// <param name="Unpurged">How unpurged areas appear there.</param>
/// <param name="PhysPrefixed">Whether phys= is 0x with padding instead of bare digits.</param>
/// <param name="HasPageArray">Whether a vmalloc keeps its pages in an array, which is an area itself when it is large.</param>
/// <param name="IoremapOrderMax32">IOREMAP_MAX_ORDER of i386 without PAE; one less with PAE where it follows the large page.</param>
/// <param name="IoremapOrderMax64">IOREMAP_MAX_ORDER of x86-64.</param>
/// <param name="IoremapUsesLargePages">Whether ioremap maps with large pages where it can.</param>
/// <param name="TableUnderLarge64">What becomes of a table in the way of a large page on x86-64.</param>
/// <param name="TableUnderLarge32">The same on i386 with PAE.</param>
/// <param name="IsaWindowDirect">Whether ioremap answers 0xa0000 to 0xfffff from the direct map.</param>
/// <param name="OfRam">What ioremap says of RAM.</param>
/// <param name="ComplainsOfPhysical">Whether ioremap complains of an address beyond the processor's reach.</param>
/// <param name="BadIounmap">What iounmap says of an address that is no area.</param>
/// <param name="StacksInVmalloc">Whether x86-64 kernel stacks are vmalloc areas.</param>
/// <param name="ModulesPageAligned">Whether module areas ask for page alignment.</param>
public sealed record VmallocUseFacts(
    bool HasList,
    bool MapRamLines,
    UnpurgedLines Unpurged,
    bool PhysPrefixed,
    bool HasPageArray,
    int IoremapOrderMax32,
    int IoremapOrderMax64,
    bool IoremapUsesLargePages,
    TableUnderLargePage TableUnderLarge64,
    TableUnderLargePage TableUnderLarge32,
    bool IsaWindowDirect,
    IoremapOfRam OfRam,
    bool ComplainsOfPhysical,
    BadIounmapMessage BadIounmap,
    bool StacksInVmalloc,
    bool ModulesPageAligned);

/// <summary>The history of vmalloc's users and of its list.</summary>
public static class VmallocUseTimelines
{
    /// <summary>Whether /proc/vmallocinfo exists.</summary>
    public static Timeline<bool> HasList { get; } = new(
        new(new(2, 4), "fs/proc/proc_misc.c, 2.6.24: no such file", false),
        new(VmallocListTimelines.First, "mm/vmalloc.c, vmalloc_op, 2.6.28 (2.6.25 to 2.6.27 not read)", true));

    /// <summary>Whether vm_map_ram areas have a line.</summary>
    public static Timeline<bool> MapRamLines { get; } = new(
        new(new(2, 6, 28), "mm/vmalloc.c, s_show() over vmlist, 2.6.28 to 3.4", false),
        new(new(3, 10), "mm/vmalloc.c, s_show(), 3.10", true),
        new(new(3, 14), "mm/vmalloc.c, s_show(), 3.14 to 4.12", false),
        new(new(4, 13), "mm/vmalloc.c, s_show(), read in 4.15", true));

    /// <summary>How unpurged areas appear.</summary>
    public static Timeline<UnpurgedLines> Unpurged { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, s_show(), 2.6.28 to 4.12", UnpurgedLines.Never),
        new(new(4, 13), "mm/vmalloc.c, s_show(), read in 4.15 to 5.3", UnpurgedLines.InPlace),
        new(new(5, 4), "mm/vmalloc.c, show_purge_info(), 5.4 to 5.10", UnpurgedLines.LastFreedFirst),
        new(new(5, 11), "mm/vmalloc.c, show_purge_info(), 5.11 to 6.8", UnpurgedLines.MergedAscending),
        new(new(6, 9), "mm/vmalloc.c, show_purge_info(), 6.9 to 7.1", UnpurgedLines.NodeByNode));

    /// <summary>The form of phys=.</summary>
    public static Timeline<bool> PhysPrefixed { get; } = new(
        new(new(2, 6, 28), "mm/vmalloc.c, s_show(), 2.6.28 to 4.10", false),
        new(new(4, 11), "mm/vmalloc.c, s_show(), %pa, read in 4.12, not in 4.10", true));

    /// <summary>Whether there is an array of page pointers.</summary>
    public static Timeline<bool> HasPageArray { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, vmalloc_area_pages(), 2.4.22: pages are found in the page tables", false),
        new(new(2, 6), "mm/vmalloc.c, __vmalloc_area(), 2.6.18 (a large array as an area: first release UNVERIFIED)", true));

    /// <summary>The largest alignment of ioremap on i386.</summary>
    public static Timeline<int> IoremapOrderMax32 { get; } = new(
        new(new(2, 4), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER 7 + PAGE_SHIFT", 19),
        new(new(4, 1), "arch/x86/include/asm/page_types.h, PMD_SHIFT, read in 4.4, not in 3.19", 22));

    /// <summary>The largest alignment of ioremap on x86-64.</summary>
    public static Timeline<int> IoremapOrderMax64 { get; } = new(
        new(new(2, 4), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER 7 + PAGE_SHIFT", 19),
        new(new(4, 1), "arch/x86/include/asm/page_types.h, PUD_SHIFT, read in 4.4, not in 3.19", 30));

    /// <summary>Whether ioremap uses large pages.</summary>
    public static Timeline<bool> IoremapUsesLargePages { get; } = new(
        new(new(2, 4), "lib/ioremap.c, 3.19", false),
        new(new(4, 1), "lib/ioremap.c, ioremap_pmd_enabled(), read in 4.4, not in 3.19", true));

    /// <summary>What becomes of a table in the way of a large page on x86-64.</summary>
    public static Timeline<TableUnderLargePage> TableUnderLarge64 { get; } = new(
        new(new(2, 4), "arch/x86/mm/pgtable.c, pmd_set_huge(), 4.4: no look at what stands there", TableUnderLargePage.Lost),
        new(new(4, 16), "arch/x86/mm/pgtable.c, pmd_free_pte_page(), read in 6.1, not in 4.15 (4.16 UNVERIFIED)", TableUnderLargePage.Freed));

    /// <summary>The same on i386 with PAE, where each process has its own middle tables.</summary>
    public static Timeline<TableUnderLargePage> TableUnderLarge32 { get; } = new(
        new(new(2, 4), "arch/x86/mm/pgtable.c, pmd_set_huge(), 4.4: no look at what stands there", TableUnderLargePage.Lost),
        new(new(4, 16), "arch/x86/mm/pgtable.c, pmd_free_pte_page(), !CONFIG_X86_64, read in 6.1, not in 4.15 (4.16 UNVERIFIED)", TableUnderLargePage.Kept));

    /// <summary>Whether the ISA window is answered from the direct map.</summary>
    public static Timeline<bool> IsaWindowDirect { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, __ioremap(), 2.4.22 to 4.4", true),
        new(new(4, 5), "arch/x86/mm/ioremap.c, __ioremap_caller(), read in 4.19, not in 4.4", false));

    /// <summary>What ioremap says of RAM.</summary>
    public static Timeline<IoremapOfRam> OfRam { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, __ioremap(), 2.4.22 to 2.6.24", IoremapOfRam.Silent),
        new(new(2, 6, 28), "arch/x86/mm/ioremap.c, __ioremap_caller(), WARN_ONCE (first release UNVERIFIED)", IoremapOfRam.Warns));

    /// <summary>Whether ioremap complains of an address beyond the processor's reach.</summary>
    public static Timeline<bool> ComplainsOfPhysical { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, __ioremap(), 2.6.12-rc2; arch/x86/mm/ioremap_32.c, 2.6.24: wrap-around only, without a word", false),
        new(new(2, 6, 25), "arch/x86/mm/ioremap.c, __ioremap_caller(), phys_addr_valid(), 6.1 (first release UNVERIFIED)", true));

    /// <summary>What iounmap says of an address that is no area.</summary>
    public static Timeline<BadIounmapMessage> BadIounmap { get; } = new(
        new(new(2, 4), "arch/i386/mm/ioremap.c, iounmap(), 2.4.22: it is vfree()", BadIounmapMessage.AsVfree),
        new(new(2, 6), "arch/i386/mm/ioremap.c, iounmap(), 2.6.12-rc2", BadIounmapMessage.Underscored),
        new(new(2, 6, 15), "UNVERIFIED: arch/x86_64/mm/ioremap.c, 2.6.17, arch/x86/mm/ioremap_32.c, 2.6.24: the words of today", BadIounmapMessage.Plain));

    /// <summary>Whether x86-64 kernel stacks are vmalloc areas.</summary>
    public static Timeline<bool> StacksInVmalloc { get; } = new(
        new(new(2, 4), "kernel/fork.c, alloc_thread_info(), up to 4.8", false),
        new(new(4, 9), "kernel/fork.c, alloc_thread_stack_node(), CONFIG_VMAP_STACK, 4.9", true));

    /// <summary>Whether module areas ask for page alignment.</summary>
    public static Timeline<bool> ModulesPageAligned { get; } = new(
        new(new(2, 4), "arch/x86/kernel/module.c, module_alloc(), 3.19", false),
        new(new(4, 0), "arch/x86/kernel/module.c, MODULE_ALIGN, read in 4.4", true));

    /// <summary>All facts of one version.</summary>
    public static VmallocUseFacts At(KernelVersion version) => new(
        HasList.At(version),
        MapRamLines.At(version),
        Unpurged.At(version),
        PhysPrefixed.At(version),
        HasPageArray.At(version),
        IoremapOrderMax32.At(version),
        IoremapOrderMax64.At(version),
        IoremapUsesLargePages.At(version),
        TableUnderLarge64.At(version),
        TableUnderLarge32.At(version),
        IsaWindowDirect.At(version),
        OfRam.At(version),
        ComplainsOfPhysical.At(version),
        BadIounmap.At(version),
        StacksInVmalloc.At(version),
        ModulesPageAligned.At(version));
}
