namespace VmScope.Kernels;

/// <summary>How a zone's watermarks follow from its minimum.</summary>
public enum WatermarkRule
{
    /// <summary>low = min * 5/4, high = min * 6/4.</summary>
    FractionsOfMin,

    /// <summary>low = min + share/4, high = min + share/2, where share is the zone's part of min_free_kbytes.</summary>
    QuarterSteps,

    /// <summary>Steps of max(share/4, managed/1000): low = min + step, high = min + 2 steps.</summary>
    ScaledSteps,

    /// <summary>As <see cref="ScaledSteps"/>, with a third mark "promo" = min + 3 steps.</summary>
    ScaledStepsWithPromotion,
}

/// <summary>What a kernel's page allocator does, as plain values.</summary>
/// <param name="LargestOrder">log2 of the pages in its largest block.</param>
/// <param name="Watermarks">The rule for the watermarks.</param>
/// <param name="ReserveRatioNormal">lowmem_reserve_ratio of ZONE_NORMAL (DMA and DMA32 are 256 everywhere).</param>
/// <param name="MinFreeKiBMax">The clamp of min_free_kbytes.</param>
/// <param name="BootBlocksAtTail">Whether boot hands blocks out lowest first (tail) or highest first (head).</param>
/// <param name="BootAllocatesTopDown">Whether boot-time memory comes from the top of low memory.</param>
/// <param name="HasDma32">Whether a 64-bit kernel has ZONE_DMA32.</param>
/// <param name="HasMovable">Whether ZONE_MOVABLE exists (empty unless asked for).</param>
/// <param name="ClampsMovable">Whether ZONE_MOVABLE's minimum follows the rule of ZONE_HIGHMEM even without one.</param>
public sealed record PhysicalFacts(
    int LargestOrder,
    WatermarkRule Watermarks,
    uint ReserveRatioNormal,
    uint MinFreeKiBMax,
    bool BootBlocksAtTail,
    bool BootAllocatesTopDown,
    bool HasDma32,
    bool HasMovable,
    bool ClampsMovable);

/// <summary>The page allocator's history.</summary>
public static class PhysicalTimelines
{
    /// <summary>log2 of the pages in the largest block.</summary>
    public static Timeline<int> LargestOrder { get; } = new(
        new(new(2, 4), "include/linux/mmzone.h, MAX_ORDER 10 (exclusive), 2.4.22", 9),
        new(new(2, 6), "include/linux/mmzone.h, MAX_ORDER 11 (exclusive), 2.6.9; MAX_PAGE_ORDER 10, 6.8", 10));

    /// <summary>The rule for low, high and promo.</summary>
    public static Timeline<WatermarkRule> Watermarks { get; } = new(
        new(new(2, 4), "mm/page_alloc.c, setup_per_zone_pages_min(), 2.6.11", WatermarkRule.FractionsOfMin),
        new(new(2, 6, 17), "mm/page_alloc.c, setup_per_zone_pages_min(), as a change of June 2006 found it (absent in 2.6.11); setup_per_zone_wmarks(), 2.6.32", WatermarkRule.QuarterSteps),
        new(new(4, 6), "mm/page_alloc.c, __setup_per_zone_wmarks(), 4.6", WatermarkRule.ScaledSteps),
        new(new(5, 19), "mm/page_alloc.c, __setup_per_zone_wmarks(), 5.19", WatermarkRule.ScaledStepsWithPromotion));

    /// <summary>The clamp of min_free_kbytes in KiB.</summary>
    public static Timeline<uint> MinFreeKiBMax { get; } = new(
        new(new(2, 4), "mm/page_alloc.c, init_per_zone_pages_min(), 2.6.11", 65536),
        new(new(5, 7), "mm/page_alloc.c, init_per_zone_wmark_min(), 5.7 (65536 in 5.4)", 262144));

    /// <summary>Where boot-time free blocks go in their list.</summary>
    public static Timeline<bool> BootBlocksAtTail { get; } = new(
        new(new(2, 4), "mm/page_alloc.c, __free_one_page(), 5.9", false),
        new(new(5, 10), "mm/page_alloc.c, __free_pages_core(), 5.10", true));

    /// <summary>Direction of boot-time allocation on x86.</summary>
    public static Timeline<bool> BootAllocatesTopDown { get; } = new(
        new(new(2, 4), "mm/bootmem.c, __alloc_bootmem_core(), 2.4.22: from 16 MiB upward", false),
        new(new(3, 8), "mm/memblock.c, memblock_find_in_range(), 3.8", true));

    /// <summary>Whether ZONE_DMA32 exists.</summary>
    public static Timeline<bool> HasDma32 { get; } = new(
        new(new(2, 4), "include/linux/mmzone.h, 2.6.12", false),
        new(new(2, 6, 15), "include/linux/mmzone.h, ZONE_DMA32, 2.6.15", true));

    /// <summary>Whether ZONE_MOVABLE exists.</summary>
    public static Timeline<bool> HasMovable { get; } = new(
        new(new(2, 4), "include/linux/mmzone.h, 2.6.22", false),
        new(new(2, 6, 23), "include/linux/mmzone.h, ZONE_MOVABLE, 2.6.23", true));

    /// <summary>Whether ZONE_MOVABLE's minimum is clamped without a ZONE_HIGHMEM.</summary>
    public static Timeline<bool> ClampsMovable { get; } = new(
        new(new(2, 4), "mm/page_alloc.c, __setup_per_zone_wmarks(), is_highmem(), 6.1", false),
        new(new(6, 6), "mm/page_alloc.c, __setup_per_zone_wmarks(), zone_idx(zone) == ZONE_MOVABLE, 6.6", true));

    /// <summary>Everything the page allocator needs to know of a kernel.</summary>
    public static PhysicalFacts At(KernelVersion version) => new(
        LargestOrder.At(version),
        Watermarks.At(version),
        32,
        MinFreeKiBMax.At(version),
        BootBlocksAtTail.At(version),
        BootAllocatesTopDown.At(version),
        HasDma32.At(version),
        HasMovable.At(version),
        ClampsMovable.At(version));
}
