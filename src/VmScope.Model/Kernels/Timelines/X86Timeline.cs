namespace VmScope.Kernels.Timelines;

/// <summary>What 32- and 64-bit x86 have in common and changed over time: the use of the firmware's memory map, zones.</summary>
internal static class X86Timeline
{
    internal static readonly Timeline<FirstFrameRule> FirstFrame = new(
        new(new(2, 4), "arch/i386/mm/init.c, 2.4.22; arch/i386/kernel/setup.c, zone_sizes_init(), 2.6.18", FirstFrameRule.Zero),
        new(new(2, 6, 19), "UNVERIFIED: zones follow the memory map from here on (mm/page_alloc.c, free_area_init_nodes())",
            FirstFrameRule.FirstRam),
        new(new(2, 6, 34, Candidate: 1), "UNVERIFIED: page 0 leaves the memory map (arch/x86/kernel/setup.c, trim_bios_range())",
            FirstFrameRule.FirstRamWithoutPageZero),
        new(new(2, 6, 37, Candidate: 1), "UNVERIFIED: X86_RESERVE_LOW KiB leave the memory map (arch/x86/kernel/setup.c)",
            FirstFrameRule.FirstRamWithoutLow64K),
        new(new(3, 4), "arch/x86/kernel/setup.c, trim_bios_range(), 3.4: X86_RESERVE_LOW KiB leave the memory map",
            FirstFrameRule.FirstRamWithoutLow64K),
        new(new(3, 5), "UNVERIFIED: page 0 only again since some release between 3.4 and 3.10", FirstFrameRule.FirstRamWithoutLow64K),
        new(new(3, 8, Candidate: 1), "UNVERIFIED: page 0 only again since some release between 3.4 and 3.10", FirstFrameRule.FirstRamWithoutPageZero),
        new(new(3, 10), "arch/x86/kernel/setup.c, trim_bios_range(), 4.4 to 6.19; recorded boots of 5.10 to 7.2",
            FirstFrameRule.FirstRamWithoutPageZero));

    /// <summary>Whether ZONE_MOVABLE exists.</summary>
    internal static readonly Timeline<bool> ZoneMovable = new(
        new(new(2, 4), "no ZONE_MOVABLE before 2.6.23", false),
        new(new(2, 6, 23, Candidate: 1), "include/linux/mmzone.h, 2.6.23", true));

    /// <summary>Whether ZONE_DMA can be configured away.</summary>
    internal static readonly Timeline<bool> ZoneDmaIsOptional = new(
        new(new(2, 4), "include/linux/mmzone.h, 2.4.22 to 2.6.20", false),
        new(new(2, 6, 21), "include/linux/mmzone.h, 2.6.21", true));

    /// <summary>Whether persistent memory (memmap=nn!ss) counts for the highest frame number.</summary>
    internal static readonly Timeline<bool> PersistentMemoryCounts = new(
        new(new(2, 4), "no memmap=nn!ss before 4.1", false),
        new(new(4, 1), "UNVERIFIED: arch/x86/kernel/e820.c, e820_end_pfn(), 4.1 to 4.9", true),
        new(new(4, 10), "UNVERIFIED: arch/x86/kernel/e820.c, e820_end_pfn(): only RAM counts again", false));

    /// <summary>Whether the kernel image can be moved at boot (RANDOMIZE_BASE).</summary>
    internal static readonly Timeline<bool> ImageKaslr = new(
        new(new(2, 4), "no RANDOMIZE_BASE before 3.14", false),
        new(new(3, 14), "arch/x86/Kconfig, RANDOMIZE_BASE, 3.14", true));

    /// <summary>Whether RANDOMIZE_BASE is on unless somebody turned it off.</summary>
    internal static readonly Timeline<bool> ImageKaslrByDefault = new(
        new(new(2, 4), "arch/x86/Kconfig, 3.14", false),
        new(new(4, 12), "UNVERIFIED: arch/x86/Kconfig, RANDOMIZE_BASE, on by default since 4.12", true));

    /// <summary>Whether the direct map leaves out what is no RAM, so that low memory is mapped only up to its last RAM.</summary>
    internal static readonly Timeline<bool> DirectMapSkipsHoles = new(
        new(new(2, 4), "arch/x86/mm/init.c, init_memory_mapping(), up to 3.8: one range from 0", false),
        new(new(3, 9), "UNVERIFIED: arch/x86/mm/init.c, init_range_memory_mapping(); seen in a recorded boot of 6.1", true));
}
