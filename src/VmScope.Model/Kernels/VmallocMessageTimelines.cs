namespace VmScope.Kernels;

/// <summary>What a kernel says when it refuses a vmalloc before it searches.</summary>
public enum VmallocRefusalMessage
{
    /// <summary>Nothing: the caller gets NULL.</summary>
    Silent,

    /// <summary>"vmalloc: allocation failure: N bytes".</summary>
    AllocationFailure,

    /// <summary>A warning without a text of its own, once.</summary>
    WarnOnce,

    /// <summary>"vmalloc size N allocation failure: exceeds total pages".</summary>
    SizeExceedsTotalPages,

    /// <summary>"vmalloc error: size N, exceeds total pages".</summary>
    ExceedsTotalPages,
}

/// <summary>What a kernel says when no place is left in the address range.</summary>
public enum NoRoomMessage
{
    /// <summary>Nothing.</summary>
    Silent,

    /// <summary>"allocation failed: out of vmalloc space - use vmalloc=&lt;size&gt; to increase size."</summary>
    OutOfVmallocSpace,

    /// <summary>"vmap allocation failed: use vmalloc=&lt;size&gt; to increase size."</summary>
    VmapFailed,

    /// <summary>"vmap allocation for size S failed: use vmalloc=&lt;size&gt; to increase size."</summary>
    VmapForSizeFailed,

    /// <summary>The same without its full stop.</summary>
    VmapForSizeFailedNoStop,

    /// <summary>"vmalloc_node_range for size S failed: Address range restricted to 0xA - 0xB".</summary>
    RangeRestricted,
}

/// <summary>What vmalloc itself adds when it fails after the search.</summary>
public enum VmallocSecondMessage
{
    /// <summary>Nothing of its own.</summary>
    None,

    /// <summary>"vmalloc: allocation failure, allocated A of B bytes" when pages ran out; nothing for the address range.</summary>
    AllocatedOf,

    /// <summary>That, and "vmalloc: allocation failure: N bytes" for the address range.</summary>
    AllocatedOfAndFailure,

    /// <summary>"vmalloc size N allocation failure: …".</summary>
    SizeFailure,

    /// <summary>"vmalloc error: size N, …", with "page order O, " before "failed to allocate pages".</summary>
    VmallocErrorWithOrder,

    /// <summary>"vmalloc error: size N, …".</summary>
    VmallocError,
}

/// <summary>Whether the message about pages, page arrays or page tables comes out, and which flags it names.</summary>
public enum VmallocPagesWarning
{
    /// <summary>It comes out, with the flags the caller passed.</summary>
    AsPassed,

    /// <summary>Quirk: it never does, because the flags were marked "no warning" before they were passed on.</summary>
    Silent,

    /// <summary>It comes out, with the flags the pages were asked for with: __GFP_HIGHMEM added.</summary>
    AsAsked,
}

/// <summary>The texts of a kernel's vmalloc failures.</summary>
/// <param name="SizeZero">For a request of no bytes.</param>
/// <param name="TooLarge">For more pages than the machine has.</param>
/// <param name="ComparesUnrounded">Whether "more than the machine has" compares the size without rounding it up first.</param>
/// <param name="NoRoom">When no place is left.</param>
/// <param name="Second">What vmalloc adds.</param>
/// <param name="Vmalloc32WishesDma32">Whether vmalloc_32 passes GFP_DMA32 on 32 bit too.</param>
/// <param name="WishesHighmem">Whether vmalloc itself passes __GFP_HIGHMEM.</param>
/// <param name="PagesWarning">Whether the message about pages comes out.</param>
/// <param name="CountsWanted">Whether that message counts the pages wanted; otherwise those obtained.</param>
/// <param name="ModulesWarnAsExecmem">Whether room for a module is refused with one line of execmem and nothing else.</param>
public sealed record VmallocMessageRules(
    VmallocRefusalMessage SizeZero,
    VmallocRefusalMessage TooLarge,
    bool ComparesUnrounded,
    NoRoomMessage NoRoom,
    VmallocSecondMessage Second,
    bool Vmalloc32WishesDma32,
    bool WishesHighmem,
    VmallocPagesWarning PagesWarning,
    bool CountsWanted,
    bool ModulesWarnAsExecmem)
{
    /// <summary>The text for a place that was not found; null when the kernel says nothing.</summary>
    /// <param name="searchedBytes">The size that was searched, guard page included.</param>
    /// <param name="windowStart">The lowest address allowed.</param>
    /// <param name="windowEnd">The end of what was allowed, as the kernel passes it.</param>
    public string? NoRoomText(ulong searchedBytes, ulong windowStart, ulong windowEnd) => NoRoom switch
    {
        NoRoomMessage.Silent => null,
        NoRoomMessage.OutOfVmallocSpace => "allocation failed: out of vmalloc space - use vmalloc=<size> to increase size.",
        NoRoomMessage.VmapFailed => "vmap allocation failed: use vmalloc=<size> to increase size.",
        NoRoomMessage.VmapForSizeFailed => $"vmap allocation for size {searchedBytes} failed: use vmalloc=<size> to increase size.",
        NoRoomMessage.VmapForSizeFailedNoStop => $"vmap allocation for size {searchedBytes} failed: use vmalloc=<size> to increase size",
        NoRoomMessage.RangeRestricted =>
            $"vmalloc_node_range for size {searchedBytes} failed: Address range restricted to 0x{windowStart:x} - 0x{windowEnd:x}",
    };

    /// <summary>What vmalloc adds when no place was found.</summary>
    public string? SecondNoRoomText(ulong requestedBytes) => Second switch
    {
        VmallocSecondMessage.None or VmallocSecondMessage.AllocatedOf => null,
        VmallocSecondMessage.AllocatedOfAndFailure => $"vmalloc: allocation failure: {requestedBytes} bytes",
        VmallocSecondMessage.SizeFailure => $"vmalloc size {requestedBytes} allocation failure: vm_struct allocation failed",
        VmallocSecondMessage.VmallocErrorWithOrder or VmallocSecondMessage.VmallocError =>
            $"vmalloc error: size {requestedBytes}, vm_struct allocation failed",
    };

    /// <summary>What vmalloc adds when pages ran out; null when it says nothing.</summary>
    /// <param name="obtainedBytes">Pages obtained, in bytes.</param>
    /// <param name="areaBytes">The area with its guard page.</param>
    /// <param name="wantedBytes">The pages wanted, in bytes.</param>
    /// <param name="order">log2 of the small pages each was to have.</param>
    public string? NoPagesText(ulong obtainedBytes, ulong areaBytes, ulong wantedBytes, int order) => PagesWarning == VmallocPagesWarning.Silent ? null : Second switch
    {
        VmallocSecondMessage.None => null,
        VmallocSecondMessage.AllocatedOf or VmallocSecondMessage.AllocatedOfAndFailure =>
            $"vmalloc: allocation failure, allocated {obtainedBytes} of {areaBytes} bytes",
        VmallocSecondMessage.SizeFailure => $"vmalloc size {obtainedBytes} allocation failure: page order {order} allocation failed",
        VmallocSecondMessage.VmallocErrorWithOrder =>
            $"vmalloc error: size {(CountsWanted ? wantedBytes : obtainedBytes)}, page order {order}, failed to allocate pages",
        // Large pages are tried first and may fail; only the attempt with ordinary ones complains.
        VmallocSecondMessage.VmallocError => order > 0 ? null
            : $"vmalloc error: size {(CountsWanted ? wantedBytes : obtainedBytes)}, failed to allocate pages",
    };

    /// <summary>What vmalloc says when its array of page pointers could not be had; null when it says nothing.</summary>
    public string? NoPageArrayText(ulong pagesBytes, ulong arrayBytes) => PagesWarning == VmallocPagesWarning.Silent ? null : Second switch
    {
        VmallocSecondMessage.SizeFailure => $"vmalloc size {pagesBytes} allocation failure: page array size {arrayBytes} allocation failed",
        VmallocSecondMessage.VmallocErrorWithOrder or VmallocSecondMessage.VmallocError =>
            $"vmalloc error: size {pagesBytes}, failed to allocated page array size {arrayBytes}",
        _ => null,
    };

    /// <summary>What vmalloc says when page tables could not be made.</summary>
    public string? NoTablesText(ulong pagesBytes) => PagesWarning == VmallocPagesWarning.Silent ? null : Second switch
    {
        VmallocSecondMessage.SizeFailure => $"vmalloc size {pagesBytes} allocation failure: failed to map pages",
        VmallocSecondMessage.VmallocErrorWithOrder or VmallocSecondMessage.VmallocError =>
            $"vmalloc error: size {pagesBytes}, failed to map pages",
        _ => null,
    };

    /// <summary>The text of a refusal before the search; null when the kernel says nothing.</summary>
    public static string? RefusalText(VmallocRefusalMessage message, ulong requestedBytes) => message switch
    {
        VmallocRefusalMessage.Silent or VmallocRefusalMessage.WarnOnce => null,
        VmallocRefusalMessage.AllocationFailure => $"vmalloc: allocation failure: {requestedBytes} bytes",
        VmallocRefusalMessage.SizeExceedsTotalPages => $"vmalloc size {requestedBytes} allocation failure: exceeds total pages",
        VmallocRefusalMessage.ExceedsTotalPages => $"vmalloc error: size {requestedBytes}, exceeds total pages",
    };
}

/// <summary>The history of vmalloc's failure messages, and of what its users do around it.</summary>
public static class VmallocMessageTimelines
{
    /// <summary>For a request of no bytes.</summary>
    public static Timeline<VmallocRefusalMessage> SizeZero { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc(), 2.4.22; __vmalloc_node_range(), 3.0", VmallocRefusalMessage.Silent),
        new(new(3, 2), "mm/vmalloc.c, __vmalloc_node_range(), warn_alloc_failed(), 3.2 to 5.12", VmallocRefusalMessage.AllocationFailure),
        new(new(5, 13), "mm/vmalloc.c, __vmalloc_node_range(), WARN_ON_ONCE(!size), read in 5.14", VmallocRefusalMessage.WarnOnce));

    /// <summary>For more pages than the machine has.</summary>
    public static Timeline<VmallocRefusalMessage> TooLarge { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc(), 2.4.22; __vmalloc_node_range(), 3.0", VmallocRefusalMessage.Silent),
        new(new(3, 2), "mm/vmalloc.c, __vmalloc_node_range(), 3.2 to 5.12", VmallocRefusalMessage.AllocationFailure),
        new(new(5, 13), "mm/vmalloc.c, __vmalloc_node_range(), as the change of May 2021 found it", VmallocRefusalMessage.SizeExceedsTotalPages),
        new(new(5, 14), "mm/vmalloc.c, __vmalloc_node_range(), read in 5.14", VmallocRefusalMessage.ExceedsTotalPages));

    /// <summary>Whether that comparison uses the size as given.</summary>
    public static Timeline<bool> ComparesUnrounded { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc(), 2.4.22 to 5.12", false),
        new(new(5, 13), "mm/vmalloc.c, __vmalloc_node_range(), (size >> PAGE_SHIFT), read in 5.14", true));

    /// <summary>When no place is left.</summary>
    public static Timeline<NoRoomMessage> NoRoom { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, get_vm_area(), 2.4.22", NoRoomMessage.Silent),
        new(new(2, 6), "mm/vmalloc.c, __get_vm_area_node(), 2.6.9 to 2.6.27", NoRoomMessage.OutOfVmallocSpace),
        new(new(2, 6, 28), "mm/vmalloc.c, alloc_vmap_area(), 2.6.28", NoRoomMessage.VmapFailed),
        new(new(2, 6, 29), "mm/vmalloc.c, alloc_vmap_area(), 2.6.29 to 4.4", NoRoomMessage.VmapForSizeFailed),
        new(new(4, 7), "mm/vmalloc.c, alloc_vmap_area(), 4.9 (4.7 and 4.8 not read)", NoRoomMessage.VmapForSizeFailedNoStop),
        new(new(6, 10), "mm/vmalloc.c, alloc_vmap_area(), read in 6.12, not in 6.9", NoRoomMessage.RangeRestricted));

    /// <summary>What vmalloc adds.</summary>
    public static Timeline<VmallocSecondMessage> Second { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc(), 2.4.22; __vmalloc_area_node(), 2.6.39", VmallocSecondMessage.None),
        new(new(3, 0), "mm/vmalloc.c, __vmalloc_area_node(), 3.0", VmallocSecondMessage.AllocatedOf),
        new(new(3, 2), "mm/vmalloc.c, __vmalloc_node_range(), 3.2 to 5.12", VmallocSecondMessage.AllocatedOfAndFailure),
        new(new(5, 13), "mm/vmalloc.c, __vmalloc_area_node(), as the change of May 2021 found it", VmallocSecondMessage.SizeFailure),
        new(new(5, 14), "mm/vmalloc.c, __vmalloc_area_node(), read in 5.14 to 6.2", VmallocSecondMessage.VmallocErrorWithOrder),
        new(new(6, 4), "mm/vmalloc.c, __vmalloc_area_node(), read in 6.4; a log of 6.3.2 still has the order", VmallocSecondMessage.VmallocError));

    /// <summary>Whether vmalloc itself passes __GFP_HIGHMEM.</summary>
    public static Timeline<bool> WishesHighmem { get; } = new(
        new(new(2, 4), "include/linux/vmalloc.h, vmalloc(), 2.4.22; mm/vmalloc.c, vmalloc(), 4.10; a log of 3.10: 0xd2", true),
        new(new(4, 12), "mm/vmalloc.c, vmalloc(), 4.12; logs of 4.14 to 5.10: GFP_KERNEL alone", false));

    /// <summary>Whether vmalloc_32 passes GFP_DMA32 on 32 bit too, where it stands for "no high memory".</summary>
    public static Timeline<bool> Vmalloc32WishesDma32 { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, GFP_VMALLOC32, GFP_KERNEL on 32 bit (2.6.22 to 4.10)", false),
        new(new(4, 16), "mm/vmalloc.c, GFP_VMALLOC32, GFP_DMA32 | GFP_KERNEL, read in 5.10, not in 4.10 (4.16 UNVERIFIED)", true));

    /// <summary>Whether the message about pages comes out.</summary>
    public static Timeline<VmallocPagesWarning> PagesWarning { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc_area_node(), 3.0 to 5.9", VmallocPagesWarning.AsPassed),
        new(new(5, 10), "mm/vmalloc.c, __vmalloc_area_node(), gfp_mask |= __GFP_NOWARN, 5.10", VmallocPagesWarning.Silent),
        new(new(5, 16), "mm/vmalloc.c, __vmalloc_area_node(), orig_gfp_mask, the repair of November 2021 (stable releases not read)", VmallocPagesWarning.AsPassed),
        new(new(5, 18), "mm/vmalloc.c, __vmalloc_area_node(), gfp_mask |= __GFP_NOWARN again, read in 6.1", VmallocPagesWarning.Silent),
        new(new(6, 3), "mm/vmalloc.c, __vmalloc_area_node(), read in 6.12; a log of 6.3.2: GFP_KERNEL|__GFP_HIGHMEM|__GFP_ZERO", VmallocPagesWarning.AsAsked));

    /// <summary>Whether that message counts the pages wanted.</summary>
    public static Timeline<bool> CountsWanted { get; } = new(
        new(new(2, 4), "mm/vmalloc.c, __vmalloc_area_node(), area->nr_pages, 6.1 and 6.12; a log of 6.3.2: size 0", false),
        new(new(7, 0), "mm/vmalloc.c, __vmalloc_area_node(), nr_small_pages, read in 7.2, not in 6.12", true));

    /// <summary>Whether room for a module is refused with one line of execmem.</summary>
    public static Timeline<bool> ModulesWarnAsExecmem { get; } = new(
        new(new(2, 4), "arch/x86/kernel/module.c, module_alloc(), 6.1: GFP_KERNEL", false),
        new(new(6, 10), "mm/execmem.c, execmem_alloc(), GFP_KERNEL | __GFP_NOWARN, read in 6.12", true));

    /// <summary>All texts of one version.</summary>
    public static VmallocMessageRules At(KernelVersion version) => new(
        SizeZero.At(version),
        TooLarge.At(version),
        ComparesUnrounded.At(version),
        NoRoom.At(version),
        Second.At(version),
        Vmalloc32WishesDma32.At(version),
        WishesHighmem.At(version),
        PagesWarning.At(version),
        CountsWanted.At(version),
        ModulesWarnAsExecmem.At(version));
}
