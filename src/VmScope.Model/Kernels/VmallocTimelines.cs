namespace VmScope.Kernels;

/// <summary>How the kernel of an era finds room for the next area.</summary>
public enum PlacementEra
{
    /// <summary>First fit in a sorted list from its start, no alignment (2.4).</summary>
    SortedList,

    /// <summary>First fit in a sorted list with alignment; a walk that only passes areas below never sees the window's end.</summary>
    AlignedSortedList,

    /// <summary>First fit among busy areas; a page more than the guard stays free behind each.</summary>
    BusyAreas,

    /// <summary>Busy areas with a remembered place; a page more behind each, and a hole that fits exactly is not used.</summary>
    HintedBusyAreasWithGap,

    /// <summary>Busy areas with a remembered place.</summary>
    HintedBusyAreas,

    /// <summary>A tree of free blocks.</summary>
    FreeTree,

    /// <summary>A tree of free blocks behind pools of ready areas, one set per node.</summary>
    PooledFreeTree,
}

/// <summary>In which order lazily freed areas return when they are purged.</summary>
public enum PurgeOrder
{
    /// <summary>Nothing is freed lazily.</summary>
    None,

    /// <summary>By address.</summary>
    Ascending,

    /// <summary>The last one freed first.</summary>
    LastFreedFirst,

    /// <summary>By address, after neighbours were merged into one.</summary>
    MergedAscending,

    /// <summary>Node by node; into pools by address, into the tree from the highest down.</summary>
    NodeByNode,
}

/// <summary>Who purges when too much is freed lazily.</summary>
public enum PurgeTrigger
{
    /// <summary>Nobody: areas are reusable at once.</summary>
    None,

    /// <summary>The task that frees, at once.</summary>
    FreeingTask,

    /// <summary>A worker, later, until the sum is no longer above the threshold.</summary>
    WorkerUntilBelow,

    /// <summary>A worker, later, one round.</summary>
    WorkerOnce,
}

/// <summary>What a purge takes out of a pool of ready areas.</summary>
public enum PoolDecay
{
    /// <summary>There are no pools.</summary>
    None,

    /// <summary>A quarter; quirk: a pool of fewer than four is emptied.</summary>
    QuarterOrAllOfFew,

    /// <summary>A quarter, rounded down.</summary>
    Quarter,
}

/// <summary>How ioremap chooses its alignment.</summary>
public enum IoremapAlignment
{
    /// <summary>It does not.</summary>
    None,

    /// <summary>Twice the highest power of two in the size: one page is aligned to two.</summary>
    AboveSize,

    /// <summary>The smallest power of two that holds the size.</summary>
    RoundedUpSize,
}

/// <summary>Which vmalloc requests may be placed and mapped in huge pages.</summary>
public enum HugeVmalloc
{
    /// <summary>None.</summary>
    Never,

    /// <summary>All, unless the caller refuses; only architectures that ask for it (powerpc).</summary>
    UnlessRefused,

    /// <summary>Those whose caller allows it; the size is divided by the number of online nodes first.</summary>
    WhenAllowedPerNode,

    /// <summary>Those whose caller allows it.</summary>
    WhenAllowed,
}

/// <summary>How a piece of a block is chosen in vm_map_ram, and where a new block goes.</summary>
public enum VmapBlockRule
{
    /// <summary>There is no vm_map_ram.</summary>
    None,

    /// <summary>The lowest aligned free piece; new blocks to the front of the processor's list.</summary>
    LowestPiece,

    /// <summary>Behind the last piece ever used; new blocks to the front.</summary>
    NextPiece,

    /// <summary>Behind the last piece ever used; new blocks to the back, with the request already inside.</summary>
    NextPieceNewBlockLast,
}

/// <summary>How vmalloc's pages spread over NUMA nodes when the task's policy says that they shall.</summary>
public enum VmallocInterleaving
{
    /// <summary>Page by page.</summary>
    PageByPage,

    /// <summary>Not at all: many pages are asked for at once, of the caller's node.</summary>
    Never,

    /// <summary>In runs: of every hundred pages each node gives an equal part.</summary>
    Runs,
}

/// <summary>What the version of a kernel says about vmalloc placement, freeing and purging.</summary>
public sealed record VmallocFacts
{
    /// <summary>How room is found.</summary>
    public required PlacementEra Era { get; init; }

    /// <summary>How long a block the free tree is searched for; of no meaning before it.</summary>
    public required FreeSearchRule SearchRule { get; init; }

    /// <summary>Whether an area that ends exactly at the top of the address space is refused.</summary>
    public required bool RefusesTopOfSpace { get; init; }

    /// <summary>The order in which areas return at a purge.</summary>
    public required PurgeOrder PurgeOrder { get; init; }

    /// <summary>Who purges above the threshold.</summary>
    public required PurgeTrigger PurgeTrigger { get; init; }

    /// <summary>What a purge takes out of the pools.</summary>
    public required PoolDecay PoolDecay { get; init; }

    /// <summary>Whether freeing a module's or BPF program's area purges at once.</summary>
    public required bool PurgesOnExecutableFree { get; init; }

    /// <summary>Whether a request that must not sleep is supported, and then never purges.</summary>
    public required bool NonBlockingRequests { get; init; }

    /// <summary>How ioremap chooses its alignment.</summary>
    public required IoremapAlignment IoremapAlignment { get; init; }

    /// <summary>Whether a caller can refuse the guard page.</summary>
    public required bool GuardCanBeRefused { get; init; }

    /// <summary>Whether vmalloc_user asks for page alignment (SHMLBA) instead of none.</summary>
    public required bool UserAreasPageAligned { get; init; }

    /// <summary>Which requests may be huge.</summary>
    public required HugeVmalloc HugeVmalloc { get; init; }

    /// <summary>How pages spread over NUMA nodes under a policy that interleaves.</summary>
    public required VmallocInterleaving Interleaving { get; init; }

    /// <summary>How vm_map_ram cuts its blocks.</summary>
    public required VmapBlockRule VmapBlocks { get; init; }

    /// <summary>Whether the block size of vm_map_ram divides by the number of processors rounded up to a power of two.</summary>
    public required bool VmapBlocksRoundProcessors { get; init; }

    /// <summary>Whether a purge frees vmap blocks that hold nothing live any more.</summary>
    public required bool PurgesFragmentedBlocks { get; init; }
}

/// <summary>The dated facts of vmalloc placement, freeing and purging.</summary>
public static class VmallocTimelines
{
    /// <summary>How room is found.</summary>
    public static readonly Timeline<PlacementEra> Era = new(
        new(new(2, 4, 0), "mm/vmalloc.c, get_vm_area(), 2.4.20, 2.4.22", PlacementEra.SortedList),
        new(new(2, 6, 9), "mm/vmalloc.c, __get_vm_area(), 2.6.9 to 2.6.24; 2.6.0 to 2.6.8 not read", PlacementEra.AlignedSortedList),
        new(new(2, 6, 28), "mm/vmalloc.c, alloc_vmap_area(), 2.6.28 to 2.6.37", PlacementEra.BusyAreas),
        new(new(2, 6, 39), "mm/vmalloc.c, alloc_vmap_area(), 2.6.39.4", PlacementEra.HintedBusyAreasWithGap),
        new(new(3, 0), "mm/vmalloc.c, alloc_vmap_area(), 3.0.1 to 5.0", PlacementEra.HintedBusyAreas),
        new(new(5, 2), "mm/vmalloc.c, __alloc_vmap_area(), 5.2.1 to 6.8", PlacementEra.FreeTree),
        new(new(6, 9), "mm/vmalloc.c, node_alloc(), 6.9.0 to 7.1; 7.2 and 7.3 by their recorded boots", PlacementEra.PooledFreeTree));

    /// <summary>How long a block the free tree is searched for.</summary>
    public static readonly Timeline<FreeSearchRule> SearchRule = new(
        new(new(5, 2), "mm/vmalloc.c, find_vmap_lowest_match(), 5.2.1 to 5.15", FreeSearchRule.AlwaysPadded),
        new(new(5, 16), "mm/vmalloc.c, find_vmap_lowest_match(), read in 5.17-rc5, not in 5.15", FreeSearchRule.SizeOnly),
        new(new(5, 18), "mm/vmalloc.c, __alloc_vmap_area(), adjust_search_size, read in 5.19, not in 5.17-rc5", FreeSearchRule.PaddedAbovePage));

    /// <summary>Whether an area that ends exactly at the top of the address space is refused.</summary>
    public static readonly Timeline<bool> RefusesTopOfSpace = new(
        new(new(2, 4, 0), "mm/vmalloc.c, addr + size - 1 < addr, up to 3.10.4", false),
        new(new(3, 14), "mm/vmalloc.c, alloc_vmap_area(), addr + size < addr, 3.14", true));

    /// <summary>The order in which areas return at a purge.</summary>
    public static readonly Timeline<PurgeOrder> PurgeOrder = new(
        new(new(2, 4, 0), "mm/vmalloc.c, remove_vm_area(), 2.4.22 to 2.6.24", Kernels.PurgeOrder.None),
        new(new(2, 6, 28), "mm/vmalloc.c, __purge_vmap_area_lazy(), 2.6.28 to 4.4", Kernels.PurgeOrder.Ascending),
        new(new(4, 9), "mm/vmalloc.c, vmap_purge_list as a lock-free list, 4.9 to 5.10", Kernels.PurgeOrder.LastFreedFirst),
        new(new(5, 11), "mm/vmalloc.c, purge_vmap_area_root, 5.11 to 6.8", Kernels.PurgeOrder.MergedAscending),
        new(new(6, 9), "mm/vmalloc.c, purge_vmap_node(), 6.9 to 7.1", Kernels.PurgeOrder.NodeByNode));

    /// <summary>Who purges above the threshold.</summary>
    public static readonly Timeline<PurgeTrigger> PurgeTrigger = new(
        new(new(2, 4, 0), "mm/vmalloc.c, 2.4.22 to 2.6.24", Kernels.PurgeTrigger.None),
        new(new(2, 6, 28), "mm/vmalloc.c, free_vmap_area_noflush(), try_purge_vmap_area_lazy(), 2.6.28 to 5.17-rc5", Kernels.PurgeTrigger.FreeingTask),
        new(new(5, 18), "mm/vmalloc.c, drain_vmap_area_work(), read in 5.19, not in 5.17-rc5", Kernels.PurgeTrigger.WorkerUntilBelow),
        new(new(6, 9), "mm/vmalloc.c, drain_vmap_area_work(), 6.9", Kernels.PurgeTrigger.WorkerOnce));

    /// <summary>What a purge takes out of the pools.</summary>
    public static readonly Timeline<PoolDecay> PoolDecay = new(
        new(new(2, 4, 0), "mm/vmalloc.c has no pools before 6.9", Kernels.PoolDecay.None),
        new(new(6, 9), "mm/vmalloc.c, decay_va_pool_node(), 6.9 to 6.14", Kernels.PoolDecay.QuarterOrAllOfFew),
        new(new(6, 15), "mm/vmalloc.c, decay_va_pool_node(), read in 6.18, not in 6.14; recorded boots of 6.16 and 6.17 follow it, 6.15 is UNVERIFIED", Kernels.PoolDecay.Quarter));

    /// <summary>Whether freeing a module's or BPF program's area purges at once.</summary>
    public static readonly Timeline<bool> PurgesOnExecutableFree = new(
        new(new(2, 4, 0), "mm/vmalloc.c before VM_FLUSH_RESET_PERMS", false),
        new(new(5, 2), "mm/vmalloc.c, vm_remove_mappings(), 5.2", true));

    /// <summary>Whether a request that must not sleep is supported.</summary>
    public static readonly Timeline<bool> NonBlockingRequests = new(
        new(new(2, 4, 0), "mm/vmalloc.c, alloc_vmap_area(), up to 6.18", false),
        new(new(6, 19), "mm/vmalloc.c, alloc_vmap_area(), gfpflags_allow_blocking(), 6.19", true));

    /// <summary>How ioremap chooses its alignment.</summary>
    public static readonly Timeline<IoremapAlignment> IoremapAlignment = new(
        new(new(2, 4, 0), "mm/vmalloc.c, get_vm_area(), 2.4.22", Kernels.IoremapAlignment.None),
        new(new(2, 6, 9), "mm/vmalloc.c, __get_vm_area_node(), fls(size), 2.6.9 to 4.4", Kernels.IoremapAlignment.AboveSize),
        new(new(4, 9), "mm/vmalloc.c, __get_vm_area_node(), get_count_order_long(size), 4.9 to 7.1", Kernels.IoremapAlignment.RoundedUpSize));

    /// <summary>Whether a caller can refuse the guard page.</summary>
    public static readonly Timeline<bool> GuardCanBeRefused = new(
        new(new(2, 4, 0), "mm/vmalloc.c, up to 3.19", false),
        new(new(4, 0), "include/linux/vmalloc.h, VM_NO_GUARD, read in 4.4, not in 3.19", true));

    /// <summary>Whether vmalloc_user asks for page alignment.</summary>
    public static readonly Timeline<bool> UserAreasPageAligned = new(
        new(new(2, 4, 0), "mm/vmalloc.c, vmalloc_user(), up to 2.6.31", false),
        new(new(2, 6, 32), "mm/vmalloc.c, vmalloc_user(), SHMLBA, 2.6.32", true));

    /// <summary>Which requests may be huge.</summary>
    public static readonly Timeline<HugeVmalloc> HugeVmalloc = new(
        new(new(2, 4, 0), "mm/vmalloc.c, up to 5.12", Kernels.HugeVmalloc.Never),
        new(new(5, 13), "mm/vmalloc.c, __vmalloc_node_range(), read in 5.14", Kernels.HugeVmalloc.UnlessRefused),
        new(new(5, 18), "mm/vmalloc.c, VM_ALLOW_HUGE_VMAP, read in 5.19 to 6.12", Kernels.HugeVmalloc.WhenAllowedPerNode),
        new(new(6, 13), "mm/vmalloc.c, __vmalloc_node_range_noprof(), 6.13", Kernels.HugeVmalloc.WhenAllowed));

    /// <summary>How pages spread over NUMA nodes.</summary>
    public static readonly Timeline<VmallocInterleaving> Interleaving = new(
        new(new(2, 4, 0), "mm/vmalloc.c, __vmalloc_area_node(), alloc_page(), up to 5.12", VmallocInterleaving.PageByPage),
        new(new(5, 13), "mm/vmalloc.c, vm_area_alloc_pages(), alloc_pages_bulk_array_node(), read in 5.14", VmallocInterleaving.Never),
        new(new(5, 16), "mm/mempolicy.c, alloc_pages_bulk_array_interleave(), 6.1; recorded boots of 6.1 to 7.2", VmallocInterleaving.Runs));

    /// <summary>How vm_map_ram cuts its blocks.</summary>
    public static readonly Timeline<VmapBlockRule> VmapBlocks = new(
        new(new(2, 4, 0), "mm/vmalloc.c, up to 2.6.24", VmapBlockRule.None),
        new(new(2, 6, 28), "mm/vmalloc.c, vb_alloc(), 2.6.28 to 3.10", VmapBlockRule.LowestPiece),
        new(new(3, 12), "mm/vmalloc.c, vb_alloc(), read in 3.14, not in 3.10", VmapBlockRule.NextPiece),
        new(new(4, 2), "mm/vmalloc.c, new_vmap_block(), read in 4.4, not in 3.19", VmapBlockRule.NextPieceNewBlockLast));

    /// <summary>Whether the block size divides by the processors rounded up to a power of two.</summary>
    public static readonly Timeline<bool> VmapBlocksRoundProcessors = new(
        new(new(2, 6, 28), "mm/vmalloc.c, VMAP_BBMAP_BITS, up to 3.0.1", false),
        new(new(3, 2), "mm/vmalloc.c, VMAP_BBMAP_BITS, roundup_pow_of_two(NR_CPUS), 3.2", true));

    /// <summary>Whether a purge frees vmap blocks that hold nothing live any more.</summary>
    public static readonly Timeline<bool> PurgesFragmentedBlocks = new(
        new(new(2, 6, 28), "mm/vmalloc.c, 2.6.28 to 2.6.32", false),
        new(new(2, 6, 34), "mm/vmalloc.c, purge_fragmented_blocks_allcpus(), 2.6.34", true));

    /// <summary>All facts of one version.</summary>
    public static VmallocFacts At(KernelVersion version) => new()
    {
        Era = Era.At(version),
        SearchRule = SearchRule.At(version),
        RefusesTopOfSpace = RefusesTopOfSpace.At(version),
        PurgeOrder = PurgeOrder.At(version),
        PurgeTrigger = PurgeTrigger.At(version),
        PoolDecay = PoolDecay.At(version),
        PurgesOnExecutableFree = PurgesOnExecutableFree.At(version),
        NonBlockingRequests = NonBlockingRequests.At(version),
        IoremapAlignment = IoremapAlignment.At(version),
        GuardCanBeRefused = GuardCanBeRefused.At(version),
        UserAreasPageAligned = UserAreasPageAligned.At(version),
        HugeVmalloc = HugeVmalloc.At(version),
        Interleaving = Interleaving.At(version),
        VmapBlocks = VmapBlocks.At(version),
        VmapBlocksRoundProcessors = VmapBlocksRoundProcessors.At(version),
        PurgesFragmentedBlocks = PurgesFragmentedBlocks.At(version),
    };
}
