namespace VmScope.Kernels;

/// <summary>What the line VmallocUsed of /proc/meminfo counts.</summary>
public enum VmallocUsedMeaning
{
    /// <summary>The kernel prints no such line.</summary>
    NotPrinted,

    /// <summary>The sizes of all areas, each with its guard page, modules outside the window included.</summary>
    AllAreas,

    /// <summary>The sizes of the areas inside the vmalloc window, each with its guard page.</summary>
    AreasInWindow,

    /// <summary>The sizes of the areas in the tree that are not lazily freed, guard pages included.</summary>
    AreasNotLazy,

    /// <summary>Nothing: a constant 0, whatever is allocated.</summary>
    AlwaysZero,

    /// <summary>
    /// The pages vmalloc() itself allocated. ioremap, vmap, vm_map_ram, per-CPU chunks and guard pages are left out,
    /// so the window can be full while this figure is small.
    /// </summary>
    VmallocPages,
}

/// <summary>What the line VmallocChunk of /proc/meminfo counts.</summary>
public enum VmallocChunkMeaning
{
    /// <summary>The kernel prints no such line.</summary>
    NotPrinted,

    /// <summary>The largest gap between areas of the window; lazily freed ranges count as gaps.</summary>
    LargestGap,

    /// <summary>Nothing: a constant 0, whatever is free.</summary>
    AlwaysZero,
}

/// <summary>The meaning of the Vmalloc lines of /proc/meminfo, by kernel version.</summary>
public static class VmallocMeminfoTimelines
{
    /// <summary>What VmallocUsed counts.</summary>
    public static readonly Timeline<VmallocUsedMeaning> Used = new(
        new(new(2, 4), "fs/proc/proc_misc.c, meminfo_read_proc(), 2.4.22", VmallocUsedMeaning.NotPrinted),
        new(new(2, 6), "fs/proc/proc_misc.c, get_vmalloc_info(), 2.6.9", VmallocUsedMeaning.AllAreas),
        new(new(2, 6, 12), "fs/proc/mmu.c, get_vmalloc_info(), 2.6.12", VmallocUsedMeaning.AreasInWindow),
        new(new(3, 10), "mm/vmalloc.c, get_vmalloc_info(), 3.10", VmallocUsedMeaning.AreasNotLazy),
        new(new(4, 4), "fs/proc/meminfo.c, meminfo_proc_show(), 4.4", VmallocUsedMeaning.AlwaysZero),
        new(new(5, 3), "mm/vmalloc.c, vmalloc_nr_pages(), 5.3", VmallocUsedMeaning.VmallocPages));

    /// <summary>What VmallocChunk counts.</summary>
    public static readonly Timeline<VmallocChunkMeaning> Chunk = new(
        new(new(2, 4), "fs/proc/proc_misc.c, meminfo_read_proc(), 2.4.22", VmallocChunkMeaning.NotPrinted),
        new(new(2, 6), "fs/proc/proc_misc.c, get_vmalloc_info(), 2.6.9", VmallocChunkMeaning.LargestGap),
        new(new(4, 4), "fs/proc/meminfo.c, meminfo_proc_show(), 4.4", VmallocChunkMeaning.AlwaysZero));
}
