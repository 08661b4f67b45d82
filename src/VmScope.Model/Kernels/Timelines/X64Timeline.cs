using System.Collections.Immutable;

namespace VmScope.Kernels.Timelines;

/// <summary>What changed in the address space of 64-bit x86, and when.</summary>
internal static class X64Timeline
{
    /// <summary>The map with 4 levels of page tables.</summary>
    internal static readonly Timeline<X64Map> FourLevels = new(
        new(new(2, 6, 9), "include/asm-x86_64/{page,pgtable}.h, 2.6.9",
            new X64Map(0x0000010000000000, 0xffffff0000000000, 0xffffff8000000000, 0, 40, UserBits: 39)),
        new(new(2, 6, 10), "UNVERIFIED: 2.6.10 taken as 2.6.9",
            new X64Map(0x0000010000000000, 0xffffff0000000000, 0xffffff8000000000, 0, 40, UserBits: 39)),
        new(new(2, 6, 11), "UNVERIFIED: 2.6.11 taken as 2.6.12",
            new X64Map(0xffff810000000000, 0xffffc20000000000, 0xffffe20000000000, 0, 46, UserBits: 47)),
        new(new(2, 6, 12), "include/asm-x86_64/{page,pgtable}.h, 2.6.12 to 2.6.23",
            new X64Map(0xffff810000000000, 0xffffc20000000000, 0xffffe20000000000, 0, 46, UserBits: 47)),
        new(new(2, 6, 24, Candidate: 1), "include/asm-x86/pgtable_64.h, 2.6.24 to 2.6.26",
            new X64Map(0xffff810000000000, 0xffffc20000000000, 0xffffe20000000000, 0xffffe20000000000, 46, UserBits: 47)),
        new(new(2, 6, 27), "include/asm-x86/pgtable_64.h, 2.6.27 to arch/x86/include/asm/pgtable_64.h, 2.6.30",
            new X64Map(0xffff880000000000, 0xffffc20000000000, 0xffffe20000000000, 0xffffe20000000000, 46, UserBits: 47)),
        new(new(2, 6, 31), "arch/x86/include/asm/pgtable_64_types.h, 2.6.31 to 4.19",
            new X64Map(0xffff880000000000, 0xffffc90000000000, 0xffffe90000000000, 0xffffea0000000000, 46, UserBits: 47)),
        new(new(4, 20), "UNVERIFIED: 4.20 taken as 5.0",
            new X64Map(0xffff888000000000, 0xffffc90000000000, 0xffffe90000000000, 0xffffea0000000000, 46, UserBits: 47)),
        new(new(5, 0), "arch/x86/include/asm/{page_64_types,pgtable_64_types}.h, 5.0 to 6.19; recorded boots of 5.10 to 7.3-rc7",
            new X64Map(0xffff888000000000, 0xffffc90000000000, 0xffffe90000000000, 0xffffea0000000000, 46, UserBits: 47)));

    /// <summary>The map with 5 levels.</summary>
    internal static readonly Timeline<X64Map?> FiveLevels = new(
        new(new(2, 6, 9), "no 5-level paging before 4.12", Value: null),
        new(new(4, 12), "arch/x86/include/asm/{page_64_types,pgtable_64_types}.h, 4.12",
            new X64Map(0xff10000000000000, 0xff92000000000000, 0xffd2000000000000, 0xffd4000000000000, 52, UserBits: 56)),
        new(new(4, 13), "UNVERIFIED: 4.13 and 4.14 taken as 4.12",
            new X64Map(0xff10000000000000, 0xff92000000000000, 0xffd2000000000000, 0xffd4000000000000, 52, UserBits: 56)),
        new(new(4, 15), "arch/x86/include/asm/{page_64_types,pgtable_64_types}.h, 4.15 to 4.19",
            new X64Map(0xff10000000000000, 0xffa0000000000000, 0xffd2000000000000, 0xffd4000000000000, 52, UserBits: 56)),
        new(new(4, 20), "UNVERIFIED: 4.20 taken as 5.0",
            new X64Map(0xff11000000000000, 0xffa0000000000000, 0xffd2000000000000, 0xffd4000000000000, 52, UserBits: 56)),
        new(new(5, 0), "arch/x86/include/asm/{page_64_types,pgtable_64_types}.h, 5.0 to 6.19; recorded boots of 6.1 to 7.2",
            new X64Map(0xff11000000000000, 0xffa0000000000000, 0xffd2000000000000, 0xffd4000000000000, 52, UserBits: 56)));

    /// <summary>Whether a kernel built for 5 levels falls back to 4 at boot.</summary>
    internal static readonly Timeline<bool> LevelsChosenAtBoot = new(
        new(new(2, 6, 9), "arch/x86/Kconfig, X86_5LEVEL, 4.12: such a kernel needs such a processor", false),
        new(new(4, 17), "UNVERIFIED: arch/x86/Kconfig, X86_5LEVEL: chosen at boot since 4.16 or 4.17", true));

    /// <summary>Whether 5 levels are always built in.</summary>
    internal static readonly Timeline<bool> FiveLevelsAlwaysBuiltIn = new(
        new(new(2, 6, 9), "arch/x86/Kconfig, X86_5LEVEL, 4.12 to 6.14", false),
        new(new(6, 15), "UNVERIFIED: X86_5LEVEL went between 6.14 and 7.2; recorded boots of 7.2", true));

    /// <summary>Where the page table isolation window for LDTs lies: the signed number of the top-level entry.</summary>
    internal static readonly Timeline<X64LdtWindow> Ldt = new(
        new(new(2, 6, 9), "no LDT remap window before 4.15", new X64LdtWindow(0, 0)),
        new(new(4, 15), "arch/x86/include/asm/pgtable_64_types.h, 4.15 to 4.19", new X64LdtWindow(-3, -112)),
        new(new(4, 20), "UNVERIFIED: 4.20 taken as 5.0", new X64LdtWindow(-240, -240)),
        new(new(5, 0), "arch/x86/include/asm/pgtable_64_types.h, 5.0 to 6.19", new X64LdtWindow(-240, -240)));

    /// <summary>Whether the cpu_entry_area exists, at top-level entry -4.</summary>
    internal static readonly Timeline<bool> CpuEntryArea = new(
        new(new(2, 6, 9), "no cpu_entry_area before 4.15", false),
        new(new(4, 15), "arch/x86/include/asm/pgtable_64_types.h, 4.15 to 6.19", true));

    /// <summary>Whether the espfix stacks exist, at top-level entry -2.</summary>
    internal static readonly Timeline<bool> EspfixStacks = new(
        new(new(2, 6, 9), "no espfix stacks before 3.16", false),
        new(new(3, 16), "UNVERIFIED: arch/x86/kernel/espfix_64.c, 3.16", true));

    /// <summary>Whether EFI run-time services have a fixed window.</summary>
    internal static readonly Timeline<bool> EfiWindow = new(
        new(new(2, 6, 9), "no fixed EFI window before 3.14", false),
        new(new(3, 14), "UNVERIFIED: arch/x86/include/asm/pgtable_64_types.h, EFI_VA_START, 3.14", true));

    /// <summary>How KERNEL_IMAGE_SIZE is found, and where modules lie.</summary>
    internal static readonly Timeline<X64ModuleRule> Modules = new(
        new(new(2, 6, 9), "include/asm-x86_64/pgtable.h, 2.6.9", new X64ModuleRule(0xffffffffa0000000, 0xffffffffb0000000)),
        new(new(2, 6, 10), "UNVERIFIED: 2.6.10 and 2.6.11 taken as 2.6.12",
            new X64ModuleRule(0xffffffff88000000, 0xfffffffffff00000)),
        new(new(2, 6, 12), "include/asm-x86_64/pgtable.h, 2.6.12 to include/asm-x86/pgtable_64.h, 2.6.25",
            new X64ModuleRule(0xffffffff88000000, 0xfffffffffff00000)),
        new(new(2, 6, 26, Candidate: 1), "include/asm-x86/pgtable_64.h, 2.6.26", new X64ModuleRule(0xffffffffa0000000, 0xfffffffffff00000)),
        new(new(2, 6, 27), "include/asm-x86/pgtable_64.h, 2.6.27 to arch/x86/include/asm/pgtable_64_types.h, 3.13",
            new X64ModuleRule(0xffffffffa0000000, 0xffffffffff000000)),
        new(new(3, 14), "arch/x86/include/asm/pgtable_64_types.h, 3.14 to 4.10", new X64ModuleRule(0, 0xffffffffff000000)),
        new(new(4, 11), "UNVERIFIED: MODULES_END became the fixmap's end between 4.10 and 4.12", new X64ModuleRule(0, 0)),
        new(new(4, 12), "arch/x86/include/asm/pgtable_64_types.h, 4.12 and 4.13", new X64ModuleRule(0, 0)),
        new(new(4, 14), "arch/x86/include/asm/pgtable_64_types.h, 4.15 to 6.19; recorded boots of 5.10 to 7.3-rc7",
            new X64ModuleRule(0, 0xffffffffff000000)));

    /// <summary>Whether DEBUG_KMAP_LOCAL_FORCE_MAP lowers MODULES_END by 16 MiB.</summary>
    internal static readonly Timeline<bool> ForceMapLowersModules = new(
        new(new(2, 6, 9), "no DEBUG_KMAP_LOCAL_FORCE_MAP before 5.11", false),
        new(new(5, 12), "UNVERIFIED: arch/x86/include/asm/pgtable_64_types.h, between 5.11 and 5.15", true),
        new(new(5, 15), "arch/x86/include/asm/pgtable_64_types.h, 5.15 to 6.19", true));

    internal static readonly Timeline<ulong> FixaddrTop = new(
        new(new(2, 6, 9), "include/asm-x86_64/fixmap.h, 2.6.9 to arch/x86/include/asm/fixmap.h, 3.15", 0xffffffffffdff000),
        new(new(3, 16), "arch/x86/include/asm/fixmap.h, 3.16 to 6.19; recorded boots of 6.12 and 7.2", 0xffffffffff7ff000));

    /// <summary>Where the kernel image is loaded where the configuration does not say (PHYSICAL_START).</summary>
    internal static readonly Timeline<ulong> ImageStart = new(
        new(new(2, 6, 9), "include/asm-x86_64/page.h, __START_KERNEL, 2.6.9: 0xffffffff80100000", 1 * Size.MiB),
        new(new(2, 6, 17), "UNVERIFIED: arch/x86_64/Kconfig, PHYSICAL_START 0x200000, spring of 2006", 2 * Size.MiB),
        new(new(2, 6, 31, Candidate: 1), "arch/x86/Kconfig, PHYSICAL_START, 2.6.31 (commit ceefccc93932)", 16 * Size.MiB));

    /// <summary>Whether the three bases can be randomised (RANDOMIZE_MEMORY).</summary>
    internal static readonly Timeline<bool> BasesKaslr = new(
        new(new(2, 6, 9), "no RANDOMIZE_MEMORY before 4.8", false),
        new(new(4, 8), "UNVERIFIED: arch/x86/mm/kaslr.c, 4.8 to 4.14: upper bound of the window", true),
        new(new(4, 15), "arch/x86/mm/kaslr.c, kernel_randomize_memory(), 6.1 and 6.12", true));

    /// <summary>Without which option nothing keeps the direct map at its full size when the bases are randomised; null when nothing ever does.</summary>
    /// <remarks>
    /// The rule began with PCI_P2PDMA (which needs ZONE_DEVICE) and was widened to ZONE_DEVICE; stable releases took both,
    /// so an older kernel with ZONE_DEVICE alone may follow either.
    /// </remarks>
    internal static readonly Timeline<string?> KaslrFullDirectMap = new(
        new(new(2, 6, 9), "arch/x86/mm/kaslr.c, kernel_randomize_memory(), 6.1 and 6.12", Value: null),
        new(new(4, 20), "UNVERIFIED: stable releases took commits 7ffb791423c7 of 6.15 and 269031b15c14 of 6.19; booted 6.1.192 and 6.12.117 follow the second",
            "ZONE_DEVICE"));

    /// <summary>Which option surely keeps it, if set; null while the release does not tell because stable releases took the rule over at various times.</summary>
    internal static readonly Timeline<string?> KaslrFullDirectMapIsCertain = new(
        new(new(2, 6, 9), "no such rule, or taken over by stable releases", Value: null),
        new(new(6, 15), "UNVERIFIED: arch/x86/mm/kaslr.c, between 6.14 and 6.18 (commit 7ffb791423c7)", "PCI_P2PDMA"),
        new(new(6, 19), "arch/x86/mm/kaslr.c, commit 269031b15c14, written on 6.19-rc4", "ZONE_DEVICE"));

    /// <summary>Whether ZONE_DMA32 exists.</summary>
    internal static readonly Timeline<bool> ZoneDma32 = new(
        new(new(2, 6, 9), "no ZONE_DMA32 before 2.6.15", false),
        new(new(2, 6, 15, Candidate: 2), "include/linux/mmzone.h, 2.6.15", true));

    internal static readonly Timeline<int> PageStructBytes = new(
        new(new(2, 6, 9), "UNVERIFIED: sizeof(struct page) 56 in older 64-bit kernels", 56),
        new(new(3, 0), "UNVERIFIED: sizeof(struct page) taken as 64", 64),
        new(new(6, 1), "recorded boots of 6.1 to 7.3-rc7", 64));

    /// <summary>The largest NR_CPUS the configuration accepts.</summary>
    internal static readonly Timeline<int> CpuCountLimit = new(
        new(new(2, 6, 9), "UNVERIFIED: arch/x86/Kconfig, up to 4096 (8192 since 3.11)", 4096),
        new(new(3, 11), "arch/x86/Kconfig, NR_CPUS_RANGE_END; recorded boots of 5.10 to 7.3-rc7", 8192));

    /// <summary>The fixmap, where it is known.</summary>
    internal static readonly Timeline<FixmapEra?> Fixmap = MakeFixmap();

    // The header is one file for 32 and 64 bit since 2.6.30, so the rows of one are the rows of the other with another head.
    private static Timeline<FixmapEra?> MakeFixmap()
    {
        List<TimelineRow<FixmapEra?>> rows =
        [
            new(new KernelVersion(2, 6, 9), "UNVERIFIED: the 64-bit fixmap before 2.6.30 is not known", Value: null),
        ];
        FixmapSlot pages = new("VSYSCALL_LAST_PAGE", "the pages of vsyscalls", Pages: 2048);
        FixmapSlot page = new("VSYSCALL_PAGE", "the page of vsyscalls", "X86_VSYSCALL_EMULATION", FixmapCount.VsyscallPage);
        FixmapSlot vvar = new("VVAR_PAGE", "kernel variables that user space may read");
        FixmapSlot hpet = new("VSYSCALL_HPET", "the HPET's counter, for vsyscalls");
        FixmapSlot clock = new("PVCLOCK_FIXMAP_BEGIN", "clock pages of a paravirtual guest, for user space", "PARAVIRT_CLOCK",
            FixmapCount.ClockPages);
        foreach (TimelineRow<FixmapEra> row in I386FixmapTimeline.Rows.Rows)
        {
            if (row.Since < new KernelVersion(2, 6, 30, Candidate: 1))
            {
                continue;
            }

            ImmutableArray<FixmapSlot> head = row.Since switch
            {
                { } since when since >= new KernelVersion(4, 5) => [page],
                { } since when since >= new KernelVersion(3, 16) => [page, clock],
                { } since when since >= new KernelVersion(3, 8) => [pages, vvar, hpet, clock],
                { } since when since >= new KernelVersion(3, 0) => [pages, vvar, hpet],
                _ => [pages, hpet],
            };
            FixmapEra era = row.Value;
            rows.Add(new TimelineRow<FixmapEra?>(row.Since, row.Source, era with
            {
                Permanent = [.. head, .. I386FixmapTimeline.On64Bit(era.Permanent)],
                BeforeBootMap = [.. I386FixmapTimeline.On64Bit(era.BeforeBootMap)],
                AfterBootMap = [.. I386FixmapTimeline.On64Bit(era.AfterBootMap)],
            }));
        }

        return new Timeline<FixmapEra?>([.. rows]);
    }
}
