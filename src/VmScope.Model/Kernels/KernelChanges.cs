using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>One thing that changed between two kernels.</summary>
/// <param name="Subject">The fact: FIXADDR_TOP, the fixmap …</param>
/// <param name="Since">The first version with the new value.</param>
/// <param name="Before">The value before.</param>
/// <param name="After">The value from then on.</param>
/// <param name="Source">Where the new value was read.</param>
public sealed record KernelChange(string Subject, KernelVersion Since, string Before, string After, string Source);

/// <summary>Compares kernel versions by the dated facts a layout follows from.</summary>
public static class KernelChanges
{
    /// <summary>Everything that changed for an architecture's layout from one version to another, oldest first.</summary>
    /// <param name="architecture">The architecture.</param>
    /// <param name="from">The older version.</param>
    /// <param name="to">The newer version.</param>
    public static ImmutableArray<KernelChange> Between(Architecture architecture, KernelVersion from, KernelVersion to)
    {
        List<KernelChange> changes = [];
        foreach (NamedTimeline timeline in NamedTimelines.Of(architecture))
        {
            string before = timeline.Rows[0].Text;
            foreach ((KernelVersion since, string source, string text) in timeline.Rows)
            {
                if (since > to)
                {
                    break;
                }

                if (since > from && text != before)
                {
                    (string removed, string added) = timeline.IsList ? Difference(before, text) : (before, text);
                    changes.Add(new KernelChange(timeline.Subject, since, removed, added, source));
                }

                before = text;
            }
        }

        return [.. changes.OrderBy(change => change.Since)];
    }

    /// <summary>How many dated facts an architecture's layout follows from, and how many of their rows are not verified.</summary>
    public static (int Facts, int Rows, int Unverified) Count(Architecture architecture)
    {
        ImmutableArray<NamedTimeline> timelines = NamedTimelines.Of(architecture);
        return (timelines.Length, timelines.Sum(timeline => timeline.Rows.Length),
            timelines.Sum(timeline => timeline.Rows.Count(row => row.Source.StartsWith("UNVERIFIED", StringComparison.Ordinal))));
    }

    // Two ordered lists: what only one of them has, in its order.
    private static (string Removed, string Added) Difference(string before, string after)
    {
        string[] old = before.Split(", ");
        string[] now = after.Split(", ");
        string removed = string.Join(", ", old.Except(now, StringComparer.Ordinal));
        string added = string.Join(", ", now.Except(old, StringComparer.Ordinal));
        return removed.Length == 0 && added.Length == 0 ? (before, after) : (removed, added);
    }
}

/// <summary>A timeline as text.</summary>
/// <param name="Subject">What it dates.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="IsList">Whether the values are lists, compared entry by entry.</param>
internal sealed record NamedTimeline(
    string Subject, ImmutableArray<(KernelVersion Since, string Source, string Text)> Rows, bool IsList = false);

/// <summary>Every timeline a layout follows from, with a name and its values in words.</summary>
internal static class NamedTimelines
{
    internal static ImmutableArray<NamedTimeline> Of(Architecture architecture) => architecture switch
    {
        Architecture.I386 => I386(),
        Architecture.X64 => X64(),
        Architecture.Arm => Arm(),
        Architecture.Arm64 => Arm64(),
        Architecture.Riscv64 => Riscv64(),
        Architecture.Unknown => [],
    };

    private static ImmutableArray<NamedTimeline> I386() =>
    [
        Of("FIXADDR_TOP", I386Timeline.FixaddrTop, AddressText.Hex),
        Of("reservetop=N", I386Timeline.ReserveTop, rule => rule switch
        {
            ReserveTopRule.Ignored => "no such option",
            ReserveTopRule.ExactAndReserved => "lowers FIXADDR_TOP by N and adds N to the vmalloc reserve",
            ReserveTopRule.Exact => "lowers FIXADDR_TOP by N",
            ReserveTopRule.RoundedToPmd => "lowers FIXADDR_TOP by N, rounded to whole page tables",
        }),
        Of("COMPAT_VDSO fixes FIXADDR_TOP", I386Timeline.CompatVdsoFixesTop, YesNo),
        Of("PKMAP_BASE", I386Timeline.Pkmap, rule => rule switch
        {
            PkmapRule.Constant32MBelow4G => "0xfe000000",
            PkmapRule.ConstantByCpuCount => "0xff800000, with more than 32 CPUs 0xff600000",
            PkmapRule.BelowBootFixmap => "FIXADDR_BOOT_START - 4K * (LAST_PKMAP + 1), rounded down to PMD_SIZE",
            PkmapRule.BelowFixmap => "FIXADDR_START - 4K * (LAST_PKMAP + 1), rounded down to PMD_SIZE",
            PkmapRule.BelowCpuEntryArea => "CPU_ENTRY_AREA_BASE - 4K, rounded down to PMD_SIZE",
            PkmapRule.BelowLdt => "LDT_BASE_ADDR - 4K, rounded down to PMD_SIZE",
        }),
        Of("CPU_ENTRY_AREA_BASE", I386Timeline.CpuEntryArea, rule => rule switch
        {
            CpuEntryAreaRule.None => "does not exist",
            CpuEntryAreaRule.BelowFixmap => "FIXADDR_START - 4K * (CPU_ENTRY_AREA_PAGES + 1), rounded down to PMD_SIZE",
            CpuEntryAreaRule.BelowBootFixmap => "FIXADDR_TOT_START - 4K * (CPU_ENTRY_AREA_PAGES + 1), rounded down to PMD_SIZE",
        }),
        Of("CPU_ENTRY_AREA_PAGES", I386Timeline.CpuEntryPages, pages => pages.Reserved == 0
            ? "none"
            : string.Create(CultureInfo.InvariantCulture, $"NR_CPUS * {pages.Reserved} ({pages.Used} really used)")),
        Of("LDT remap window below the CPU entry area", I386Timeline.LdtWindow, YesNo),
        Of("VMALLOC_START", I386Timeline.VmallocStart, rule => rule switch
        {
            VmallocStartRule.RoundedTo8M => "high_memory + 16M - 1, rounded down to 8M: a gap of 8M to 16M - 1",
            VmallocStartRule.RoundedTo8MAfterEarlyReserve => "high_memory + vmalloc_earlyreserve + 16M - 1, rounded down to 8M: a gap of 8M to 16M - 1",
            VmallocStartRule.EightMiBAbove => "high_memory + 8M",
        }),
        Of("MAXMEM", I386Timeline.MaxMem, rule => rule switch
        {
            MaxMemRule.FromTopOfMemory => "2^32 - PAGE_OFFSET - reserve (896M)",
            MaxMemRule.FromVmallocEnd => "VMALLOC_END - PAGE_OFFSET - reserve",
        }),
        Of("reserve of vmalloc=N", I386Timeline.VmallocOption, rule => rule switch
        {
            VmallocOptionRule.Ignored => "no such option",
            VmallocOptionRule.AsGiven => "N",
            VmallocOptionRule.PlusGap => "N + 8M",
        }),
        Fixmap("fixmap", I386FixmapTimeline.Rows),
        Of("fixmap, early_ioremap block", I386FixmapTimeline.Rows, BootMap),
        Of("temporary kmap slots per CPU", I386Timeline.KmapSlots, slots => string.Create(CultureInfo.InvariantCulture,
            $"{slots.Symbol} = {slots.PerCpu}{(slots.DebugSymbol is { } debug ? $", {slots.PerCpuWithDebug} with {debug}" : "")}")),
        Of("MAX_IO_APICS", I386Timeline.IoApicCountMax, Number),
        Of("option that makes MAX_IO_APICS 32", I386Timeline.ManyIoApicsOption, symbol => symbol ?? "none"),
        Of("memory split can be chosen", I386Timeline.HasSplitChoice, YesNo),
        Of("VMSPLIT_2G", I386Timeline.Split2GIs78000000, odd => odd ? "0x78000000" : "0x80000000"),
        Of("HIGHMEM64G", I386Timeline.HasHighmem64G, yes => yes ? "can be chosen" : "does not exist; PAE kernels use at most 4G"),
        Of("VMSPLIT_3G_OPT and VMSPLIT_2G_OPT need", I386Timeline.OddSplitNeedsNoHighmem, yes => yes ? "a kernel without HIGHMEM" : "a kernel without PAE"),
        Of("PHYSICAL_START where nobody names it", I386Timeline.ImageStart, Mega),
        Of("largest NR_CPUS", I386Timeline.CpuCountLimit, Number),
        Of("NR_CPUS where nobody names it", I386Timeline.DefaultCpuCountMax, Number),
        Of("sizeof(struct page)", I386Timeline.PageStructBytes, Number),
        Of("MEMCG enlarges struct page", I386Timeline.MemcgInPage, YesNo),
        Of("boot message", I386Timeline.BootBlock, block => block switch
        {
            I386BootBlock.None => "none",
            I386BootBlock.WithoutCpuEntry => "the layout block",
            I386BootBlock.WithCpuEntry => "the layout block with a line cpu_entry",
        }),
        Of("lines \"low ram\" in the boot log", I386Timeline.PrintsLowRam, YesNo),
        .. X86(),
    ];

    private static ImmutableArray<NamedTimeline> X64() =>
    [
        Of("map with 4 levels", X64Timeline.FourLevels, Map),
        Of("map with 5 levels", X64Timeline.FiveLevels, map => map is null ? "does not exist" : Map(map)),
        Of("5 levels built in always", X64Timeline.FiveLevelsAlwaysBuiltIn, YesNo),
        Of("4 or 5 levels chosen at boot", X64Timeline.LevelsChosenAtBoot, YesNo),
        Of("LDT remap window, top-level entry", X64Timeline.Ldt, ldt => ldt.FourLevels == 0
            ? "does not exist"
            : string.Create(CultureInfo.InvariantCulture, $"{ldt.FourLevels} (with 5 levels {ldt.FiveLevels})")),
        Of("cpu_entry_area at top-level entry -4", X64Timeline.CpuEntryArea, YesNo),
        Of("espfix stacks", X64Timeline.EspfixStacks, YesNo),
        Of("EFI window", X64Timeline.EfiWindow, YesNo),
        Of("modules", X64Timeline.Modules, rule =>
            $"{(rule.Start == 0 ? "behind the image window" : AddressText.Hex(rule.Start))} to {(rule.End == 0 ? "the fixmap's end" : AddressText.Hex(rule.End))}"),
        Of("FIXADDR_TOP", X64Timeline.FixaddrTop, AddressText.Hex),
        Of("DEBUG_KMAP_LOCAL_FORCE_MAP lowers MODULES_END by 16M", X64Timeline.ForceMapLowersModules, YesNo),
        FixmapOf64(),
        Of("bases can be randomised", X64Timeline.BasesKaslr, YesNo),
        Of("what keeps a randomised direct map at full size", X64Timeline.KaslrFullDirectMap, symbol => symbol ?? "nothing"),
        Of("what does so in every stable release", X64Timeline.KaslrFullDirectMapIsCertain, symbol => symbol ?? "nothing"),
        Of("ZONE_DMA32", X64Timeline.ZoneDma32, YesNo),
        Of("sizeof(struct page)", X64Timeline.PageStructBytes, Number),
        Of("PHYSICAL_START where nobody names it", X64Timeline.ImageStart, Mega),
        Of("largest NR_CPUS", X64Timeline.CpuCountLimit, Number),
        .. X86(),
    ];

    private static ImmutableArray<NamedTimeline> X86() =>
    [
        Of("first frame of the first zone", X86Timeline.FirstFrame, rule => rule switch
        {
            FirstFrameRule.Zero => "0, whatever the memory map says",
            FirstFrameRule.FirstRam => "the first RAM",
            FirstFrameRule.FirstRamWithoutPageZero => "the first RAM behind page 0",
            FirstFrameRule.FirstRamWithoutLow64K => "the first RAM behind X86_RESERVE_LOW KiB (64)",
        }),
        Of("ZONE_MOVABLE", X86Timeline.ZoneMovable, YesNo),
        Of("ZONE_DMA can be left out", X86Timeline.ZoneDmaIsOptional, YesNo),
        Of("memmap=nn!ss counts for the last frame", X86Timeline.PersistentMemoryCounts, YesNo),
        Of("image can be moved at boot (RANDOMIZE_BASE)", X86Timeline.ImageKaslr, YesNo),
        Of("RANDOMIZE_BASE on by default", X86Timeline.ImageKaslrByDefault, YesNo),
        Of("direct map leaves out what is no RAM", X86Timeline.DirectMapSkipsHoles, YesNo),
    ];

    private static ImmutableArray<NamedTimeline> Arm() =>
    [
        Of("VMALLOC_END", ArmTimelines.VmallocEnd, end => end is { } address ? AddressText.Hex(address) : "each machine's own"),
        Of("room kept for vmalloc", ArmTimelines.Reserve, reserve =>
            $"{Mega(reserve.DefaultBytes)}{(reserve.DefaultAddsOffset ? " + 8M" : "")} by default, vmalloc=N {(reserve.OptionAddsOffset ? "+ 8M" : "alone")}"),
        Of("pkmap below PAGE_OFFSET", ArmTimelines.HasPkmap, YesNo),
        Of("Thumb-2 shrinks the module window to 8M", ArmTimelines.ThumbShrinksModules, YesNo),
        Of("fixmap", ArmTimelines.Fixmap, window => $"{AddressText.Hex(window.Start)} to {AddressText.Hex(window.EndExclusive)}"),
        Of("temporary kmap slots per CPU", ArmTimelines.KmapSlots, Number),
        Of("the same with DEBUG_KMAP_LOCAL", ArmTimelines.KmapSlotsWithGuards, slots => slots == 0 ? "no more" : Number(slots)),
        Of("window for the device tree", ArmTimelines.HasFdtWindow, YesNo),
        Of("KASAN", ArmTimelines.CanHaveKasan, YesNo),
        Of("end of coherent DMA memory", ArmTimelines.ConsistentDmaEnd, end => end is { } address ? AddressText.Hex(address) : "no such region"),
        Of("pages of vectors", ArmTimelines.VectorPages, Number),
        Of("boot message", ArmTimelines.BootMessage, message => message switch
        {
            ArmBootMessage.None => "none",
            ArmBootMessage.Printed => "the layout block",
            ArmBootMessage.PrintedWithDma => "the layout block with a line DMA",
        }),
    ];

    private static ImmutableArray<NamedTimeline> Arm64() =>
    [
        Of("arrangement", Arm64Timelines.Map, map => map switch
        {
            Arm64Map.Fixed39 => "39 bits: vmalloc at the bottom, vmemmap 16G below the linear map in the upper half",
            Arm64Map.LinearOnTop => "vmalloc at the bottom, vmemmap 16G below the linear map in the upper half",
            Arm64Map.LinearOnTopSized => "the same, vmemmap as large as the address space needs",
            Arm64Map.ImageBelowVmalloc => "the same, kernel image and modules at the bottom, below vmalloc",
            Arm64Map.Flipped => "flipped: the linear map in the lower half, modules and vmalloc above it, vmemmap at the top",
            Arm64Map.FlippedDirectVmemmap => "flipped, vmemmap indexed without an offset, gaps of 256M",
            Arm64Map.FlippedVmemmapBelowTop => "flipped, vmemmap sized by struct page and ending 1G below the top",
        }),
        Of("module window", Arm64Timelines.ModuleBytes, Mega),
        Of("window for BPF programs", Arm64Timelines.BpfBytes, Mega),
        Of("least bits of a 52-bit kernel with 16K pages", Arm64Timelines.LeastBitsOf52With16K, Number),
        Of("linear map ends by the processor's bits", Arm64Timelines.LinearMapEndsByActualBits, YesNo),
        Of("linear map randomised", Arm64Timelines.RandomLinearMap, YesNo),
        Of("section of memory, log2 of its bytes", Arm64Timelines.SectionBits, Number),
        Of("48 address bits can be built", Arm64Timelines.CanHave48Bits, YesNo),
        Of("pages of 16K can be built", Arm64Timelines.CanHave16KPages, YesNo),
        Of("KASAN", Arm64Timelines.CanHaveKasan, YesNo),
        Of("52 bits built by default", Arm64Timelines.Builds52BitsByDefault, YesNo),
        Of("arm64.nolva keeps the kernel from 52 bits", Arm64Timelines.CanRefuse52, YesNo),
        Of("boot log tells of 52 bits", Arm64Timelines.Announces52Bits, YesNo),
        Of("zones for devices, from the 4G window RAM begins in", Arm64Timelines.DmaZone, zone => zone switch
        {
            Arm64DmaZone.Dma32BitsByName => "4G, called DMA",
            Arm64DmaZone.Dma32Only => "4G, called DMA32",
            Arm64DmaZone.ThirtyBits => "1G called DMA, the rest of 4G called DMA32",
            Arm64DmaZone.Firmware => "DMA as far as device tree and ACPI ask, at most 4G",
        }),
        Of("fixmap, device tree", Arm64Timelines.FdtSlots, slots => slots switch
        {
            Arm64FdtSlots.None => "none",
            Arm64FdtSlots.FourMebibytes => "4M",
            Arm64FdtSlots.TwoMebibytesAndTwoPages => "2M and two pages",
        }),
        Of("fixmap, trampoline", Arm64Timelines.Trampoline, pages => pages switch
        {
            Arm64Trampoline.None => "none",
            Arm64Trampoline.DataAndText => "a page of data, one of text",
            Arm64Trampoline.DataAndThreeTexts => "a page of data, three of text",
            Arm64Trampoline.ThreeTexts => "three pages of text, and one of data in relocatable kernels",
        }),
        Of("fixmap, FIX_TEXT_POKE0", Arm64Timelines.TextPoke, YesNo),
        Of("fixmap, hardware errors", Arm64Timelines.GhesSlots, slots => slots.Always == 0 ? "none"
            : string.Create(CultureInfo.InvariantCulture, $"{slots.Always} pages{(slots.WithSdei == 0 ? "" : $", {slots.WithSdei} more with ARM_SDE_INTERFACE")}")),
        Of("fixmap, a page per CPU for nested virtualization", Arm64Timelines.VncrSlots, YesNo),
        Of("boot message", Arm64Timelines.BootMessage, YesNo),
    ];

    private static ImmutableArray<NamedTimeline> Riscv64() =>
    [
        Of("PAGE_OFFSET", Riscv64Timelines.Map, map => map switch
        {
            Riscv64Map.Configured => "the build's configuration, three levels",
            Riscv64Map.PerMode => "chosen at boot with the number of levels",
        }),
        Of("PAGE_OFFSET of sv39", Riscv64Timelines.PageOffsetOfSv39, AddressText.Hex),
        Of("most address bits", Riscv64Timelines.MostBits, Number),
        Of("options hold it to fewer levels", Riscv64Timelines.CanHoldToFewer, YesNo),
        Of("device tree limits the levels", Riscv64Timelines.DeviceTreeLimits, YesNo),
        Of("image apart from the linear map", Riscv64Timelines.ImageApart, YesNo),
        Of("RAM below the image is lost", Riscv64Timelines.LosesRamBelowImage, YesNo),
        Of("vmemmap", Riscv64Timelines.HasVmemmap, YesNo),
        Of("PCI window", Riscv64Timelines.HasPciWindow, YesNo),
        Of("fixmap", Riscv64Timelines.FixmapBytes, Mega),
        Of("boot message", Riscv64Timelines.BootMessage, YesNo),
    ];

    private static NamedTimeline Of<T>(string subject, Timeline<T> timeline, Func<T, string> text) =>
        new(subject, [.. timeline.Rows.Select(row => (row.Since, row.Source, text(row.Value)))]);

    private static NamedTimeline Fixmap(string subject, Timeline<FixmapEra> timeline) =>
        Of(subject, timeline, Entries) with { IsList = true };

    private static NamedTimeline FixmapOf64() =>
        Of("fixmap", X64Timeline.Fixmap, era => era is null ? "not known" : Entries(era)) with { IsList = true };

    // The border between permanent and boot-time entries is part of the text: an entry that crosses it has changed.
    private static string Entries(FixmapEra era) => string.Join(", ",
        era.Permanent.Select(slot => Slot(slot, ""))
            .Concat(era.BeforeBootMap.Select(slot => Slot(slot, " while booting")))
            .Concat(era.AfterBootMap.Select(slot => Slot(slot, " while booting"))));

    private static string Slot(FixmapSlot slot, string suffix)
    {
        StringBuilder text = new(slot.Name);
        text.Append(slot.Count switch
        {
            FixmapCount.Fixed or FixmapCount.VsyscallPage => slot.Pages == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $" x {slot.Pages}"),
            FixmapCount.IoApics => " x MAX_IO_APICS",
            FixmapCount.Kmaps => " x kmap slots x NR_CPUS",
            FixmapCount.Cpus => " x NR_CPUS",
            FixmapCount.ClockPages => " x NR_CPUS/64",
        });
        return text.Append(slot.When is { } when ? $" [{when}]" : "").Append(suffix).ToString();
    }

    private static string BootMap(FixmapEra era) => era.Placement switch
    {
        BootMapPlacement.None => "none",
        BootMapPlacement.Adjacent => string.Create(CultureInfo.InvariantCulture, $"{era.BootMapPages} pages right behind the permanent entries"),
        BootMapPlacement.NextMultipleOf512 => string.Create(CultureInfo.InvariantCulture, $"{era.BootMapPages} pages at the next multiple of 512"),
        BootMapPlacement.NextMultipleOf256 => string.Create(CultureInfo.InvariantCulture, $"{era.BootMapPages} pages at the next multiple of 256"),
        BootMapPlacement.InsideOnePageTable => string.Create(CultureInfo.InvariantCulture,
            $"{era.BootMapPages} pages right behind the permanent entries unless they would straddle a page table"),
    };

    private static string Map(X64Map map) =>
        $"PAGE_OFFSET {AddressText.Hex(map.PageOffset)}, vmalloc {AddressText.Hex(map.VmallocStart)} to {AddressText.Hex(map.VmallocEnd)}, "
        + (map.Vmemmap == 0 ? "no vmemmap" : $"vmemmap {AddressText.Hex(map.Vmemmap)}");

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Mega(ulong bytes) => bytes switch
    {
        0 => "none",
        _ when bytes % Size.GiB == 0 => (bytes / Size.GiB).ToString(CultureInfo.InvariantCulture) + "G",
        _ when bytes % Size.MiB == 0 => (bytes / Size.MiB).ToString(CultureInfo.InvariantCulture) + "M",
        _ => (bytes / Size.KiB).ToString(CultureInfo.InvariantCulture) + "K",
    };

    private static string YesNo(bool value) => value ? "yes" : "no";
}
