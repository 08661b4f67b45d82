using System.Globalization;
using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Where 32-bit x86 puts everything.</summary>
/// <remarks>
/// <code>
/// 2^32  +------------------+
///       | hole (2.4: APIC) |  FIXADDR_TOP
///       | fixmap           |  FIXADDR_START
///       | boot-time fixmap |  FIXADDR_BOOT_START (FIXADDR_TOT_START)
///       | cpu_entry_area   |  since 4.15
///       | LDT remap        |  since 4.19
///       | pkmap            |  PKMAP_BASE, with HIGHMEM
///       | two pages        |  VMALLOC_END
///       | vmalloc, modules |  VMALLOC_START
///       | 8 MiB or more    |  high_memory
///       | direct map       |  PAGE_OFFSET
///       | user             |
///   0   +------------------+
/// </code>
/// All arithmetic is modulo 2^32 in the kernel; a result that would wrap is refused here, because such a kernel dies
/// before it prints anything.
/// </remarks>
internal static class I386Layout
{
    private const ulong PageBytes = 4096;
    private const ulong TopOfMemory = 1UL << 32;
    private const ulong GapBytes = 8 * Size.MiB;
    private const ulong NonPaeFrames = 1UL << 20;
    private const ulong DmaFrames = 16 * Size.MiB / PageBytes;
    private const ulong SmallestLowmemFrames = 64 * Size.MiB / PageBytes;
    private const ulong ImageWindowBytes = 512 * Size.MiB;
    private const string Arithmetic = "arithmetic";

    internal static LayoutAnswer Predict(LayoutInputs inputs)
    {
        if (I386Facts.Resolve(inputs.Kernel, out string? impossible) is not { } facts)
        {
            return new LayoutAnswer.Impossible(impossible!);
        }

        LayoutBuilder builder = new(inputs);
        ulong pmd = builder.Bytes("pmd-size", "PMD_SIZE", facts.Pae ? 2 * Size.MiB : 4 * Size.MiB,
            "", facts.Pae ? "a page table of 512 entries (PAE)" : "a page table of 1024 entries (no PAE)");
        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", facts.PageOffset, "", facts.PageOffsetSource);
        builder.Count("nr-cpus", "NR_CPUS", (ulong)facts.CpuCountMax, "", facts.CpuCountSource);

        Options options = Options.Read(inputs.Kernel.CommandLine, facts);
        if (options.Problem is { } problem)
        {
            return new LayoutAnswer.Impossible(problem);
        }

        if (FixaddrTop(facts, options, pmd) <= pageOffset)
        {
            return new LayoutAnswer.Impossible(string.Create(CultureInfo.InvariantCulture,
                $"reservetop= of {DerivationText.BytesText(options.ReserveTopBytes)} leaves nothing above PAGE_OFFSET 0x{pageOffset:x8}"));
        }

        Top top = PlaceTop(builder, facts, options, pmd);
        if (top.VmallocEnd <= pageOffset)
        {
            return new LayoutAnswer.Impossible(string.Create(CultureInfo.InvariantCulture,
                $"nothing is left for the vmalloc area: it would end at 0x{top.VmallocEnd:x8}, below PAGE_OFFSET 0x{pageOffset:x8}"));
        }

        if (top.PkmapEnd > top.FixaddrStart)
        {
            return new LayoutAnswer.Impossible(string.Create(CultureInfo.InvariantCulture,
                $"the fixmap of NR_CPUS={facts.CpuCountMax} begins at 0x{top.FixaddrStart:x8}, inside pkmap, which ends at 0x{top.PkmapEnd:x8}"));
        }

        // The direct map.
        ulong reserve = builder.Bytes("vmalloc-reserve", "__VMALLOC_RESERVE", options.ReserveBytes, "", options.ReserveSource);
        ulong above = facts.MaxMem.Value == MaxMemRule.FromTopOfMemory ? TopOfMemory : top.VmallocEnd;
        if (reserve >= above - pageOffset)
        {
            return new LayoutAnswer.Impossible(string.Create(CultureInfo.InvariantCulture,
                $"a vmalloc reserve of {DerivationText.BytesText(reserve)} leaves no lowmem: only {DerivationText.BytesText(above - pageOffset)} lie above PAGE_OFFSET 0x{pageOffset:x8}"));
        }

        ulong maxMem = builder.Bytes("maxmem", "MAXMEM", above - pageOffset - reserve,
            facts.MaxMem.Value == MaxMemRule.FromTopOfMemory
                ? "2^32 - {page-offset} - {vmalloc-reserve}"
                : "{vmalloc-end} - {page-offset} - {vmalloc-reserve}",
            facts.MaxMem.Source);
        ulong maxMemFrames = builder.Frames("maxmem-pfn", "MAXMEM_PFN", maxMem / PageBytes, "{maxmem} / 4 KiB, rounded down", Arithmetic);

        X86Memory memory = X86Memory.Read(inputs, facts.FirstFrame.Value, facts.ReserveLowBytes);
        if (StateRam(builder, memory, facts) is { } none)
        {
            return none;
        }

        ulong ramFrames = memory.EndFrame(facts.Pae && facts.Highmem64GPossible ? 1UL << 24 : NonPaeFrames, facts.PersistentMemoryCounts);
        builder.Frames("ram-end-pfn", "last_pfn", ramFrames, "",
            X86Options.MemorySource(inputs));
        Lowmem low = Split(builder, facts, options, ramFrames, maxMemFrames);
        builder.Frames("max-low-pfn-mapped", "max_low_pfn_mapped",
            facts.DirectMapSkipsHoles.Value ? memory.EndFrame(low.LowFrames, facts.PersistentMemoryCounts) : low.LowFrames,
            facts.DirectMapSkipsHoles.Value ? "the frame behind the last RAM below {max-low-pfn}" : "{max-low-pfn}",
            facts.DirectMapSkipsHoles.Source);

        ulong highStart = facts.Highmem && low.MaxFrames > low.LowFrames ? low.LowFrames : low.MaxFrames;
        ulong directFrames = facts.Highmem ? highStart : low.LowFrames;
        ulong highMemory = builder.Address("high-memory", "high_memory", pageOffset + (directFrames * PageBytes),
            "{page-offset} + {max-low-pfn} * 4 KiB", "arch/x86/mm/init_32.c, initmem_init(); arch/i386/mm/init.c, mem_init()");

        // The vmalloc area.
        ulong gap = builder.Bytes("vmalloc-offset", "VMALLOC_OFFSET", GapBytes, "", "include/asm-i386/pgtable.h, 2.4.20 to pgtable_32_areas.h, 6.19");
        bool rounds = facts.VmallocStart.Value != VmallocStartRule.EightMiBAbove;
        ulong vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START",
            rounds ? Align.Down(highMemory + (2 * gap) - 1, gap) : highMemory + gap,
            rounds ? "({high-memory} + 2 * {vmalloc-offset} - 1), rounded down to {vmalloc-offset}" : "{high-memory} + {vmalloc-offset}",
            facts.VmallocStart.Source);
        if (vmallocStart >= top.VmallocEnd)
        {
            return new LayoutAnswer.Impossible(string.Create(CultureInfo.InvariantCulture,
                $"the vmalloc area would be empty: it begins at 0x{vmallocStart:x8}, behind its end 0x{top.VmallocEnd:x8}; such a kernel stops with a BUG at boot"));
        }

        ulong totalKiB = builder.Set("vmalloc-total", "VmallocTotal", (top.VmallocEnd - vmallocStart) / Size.KiB, QuantityUnit.KiB,
            "({vmalloc-end} - {vmalloc-start}) / 1024", "fs/proc/proc_misc.c, 2.6.9; fs/proc/meminfo.c, 2.6.28 to 6.14");

        AddRegions(builder, facts, top, pageOffset, highMemory, vmallocStart);
        AddZones(builder, facts, memory, low);
        AddPageArray(builder, facts, low.MaxFrames);
        if (facts.VmallocOption.Value == VmallocOptionRule.Ignored)
        {
            X86Options.NoteIgnored(builder, ["vmalloc"]);
        }

        if (facts.ReserveTop.Value == ReserveTopRule.Ignored)
        {
            X86Options.NoteIgnored(builder, ["reservetop"]);
        }

        builder.Assume(facts.Config.Assumed);
        return builder.Build(pageOffset, highMemory, vmallocStart, top.VmallocEnd, totalKiB);
    }

    private readonly record struct Top(
        FixmapPlan Fixmap, ulong FixaddrTop, ulong FixaddrStart, ulong BootStart, ulong CpuEntryArea, ulong CpuEntryEnd,
        ulong Ldt, ulong LdtEnd, ulong Pkmap, ulong PkmapEnd, ulong VmallocEnd);

    private readonly record struct Lowmem(ulong LowFrames, ulong MaxFrames);

    private static ulong FixaddrTop(I386Facts facts, Options options, ulong pmd)
    {
        if (!options.ReserveTopGiven)
        {
            return facts.FixaddrTop.Value;
        }

        // Modulo 2^32 as in the kernel: reserving less than a PMD, or nearly everything, can round to the very top.
        ulong below = unchecked((uint)(0 - options.ReserveTopBytes));
        below = facts.ReserveTop.Value == ReserveTopRule.RoundedToPmd ? Align.Down(below, pmd) : below;
        return unchecked((uint)(below - PageBytes));
    }

    /// <summary>How the permanent entries add up: those that follow a configured number, and all others.</summary>
    private static string PermanentFormula(LayoutBuilder builder, I386Facts facts, FixmapPlan plan)
    {
        (int kmaps, int apics, int cpus) = (plan.PermanentPagesOf(FixmapCount.Kmaps), plan.PermanentPagesOf(FixmapCount.IoApics), plan.PermanentPagesOf(FixmapCount.Cpus));
        builder.Count("fixmap-others", "other permanent entries", (ulong)(plan.Permanent - kmaps - apics - cpus), "", facts.Fixmap.Source);
        return (kmaps > 0 ? "{km-slots} * {nr-cpus} + " : "") + (apics > 0 ? "{max-io-apics} + " : "") + (cpus > 0 ? "{nr-cpus} + " : "") + "{fixmap-others}";
    }

    /// <summary>Everything above the vmalloc area, from the top down.</summary>
    private static Top PlaceTop(LayoutBuilder builder, I386Facts facts, Options options, ulong pmd)
    {
        ulong top = FixaddrTop(facts, options, pmd);
        builder.Bytes("reservetop", "reservetop", options.ReserveTopBytes, "", options.ReserveTopBytes == 0 ? "not given" : "given: reservetop=");
        if (options.ReserveTopGiven)
        {
            bool rounds = facts.ReserveTop.Value == ReserveTopRule.RoundedToPmd;
            builder.Address("fixaddr-top", "FIXADDR_TOP", top,
                rounds ? "(2^32 - {reservetop}), rounded down to {pmd-size}, - 4 KiB" : "2^32 - {reservetop} - 4 KiB", facts.ReserveTop.Source);
        }
        else
        {
            builder.Address("fixaddr-top", "FIXADDR_TOP", top, "", facts.FixaddrTop.Source);
        }

        int tableEntries = facts.Pae ? 512 : 1024;
        FixmapEra era = facts.Fixmap.Value;
        builder.Count("km-slots", facts.Kmap.Value.Symbol, (ulong)facts.KmapSlotsPerCpu, "", facts.Kmap.Source);
        builder.Count("max-io-apics", "MAX_IO_APICS", (ulong)facts.IoApicCountMax, "", facts.IoApicSource);
        FixmapPlan plan = FixmapPlan.Of(facts.Resolve(era.Permanent), era.Placement, era.BootMapPages,
            facts.Resolve(era.BeforeBootMap), facts.Resolve(era.AfterBootMap), tableEntries);
        plan.Describe(builder, top);
        ulong permanent = builder.Count("fixmap-permanent", "__end_of_permanent_fixed_addresses", (ulong)plan.Permanent,
            PermanentFormula(builder, facts, plan), facts.Fixmap.Source);
        builder.Count("btmap-index", "FIX_BTMAP_END", (ulong)plan.BootMapIndex, era.Placement switch
        {
            BootMapPlacement.None => "{fixmap-permanent} (there is no such block)",
            BootMapPlacement.Adjacent => "{fixmap-permanent}",
            BootMapPlacement.NextMultipleOf512 => "{fixmap-permanent} + 512 - ({fixmap-permanent} mod 512)",
            BootMapPlacement.NextMultipleOf256 => "{fixmap-permanent} + 256 - ({fixmap-permanent} mod 256)",
            BootMapPlacement.InsideOnePageTable =>
                "{fixmap-permanent}, or the next multiple of the block's size if the block would straddle a page table",
        }, facts.Fixmap.Source);
        ulong bootPages = builder.Count("btmap-pages", "NR_FIX_BTMAPS * FIX_BTMAPS_SLOTS", (ulong)era.BootMapPages, "", facts.Fixmap.Source);
        builder.Count("fixmap-tail", "the entries behind the block", (ulong)(plan.Total - plan.BootMapIndex) - bootPages, "", facts.Fixmap.Source);
        ulong total = builder.Count("fixmap-total", "__end_of_fixed_addresses", (ulong)plan.Total,
            "{btmap-index} + {btmap-pages} + {fixmap-tail}", facts.Fixmap.Source);
        ulong start = builder.Address("fixaddr-start", "FIXADDR_START", top - (permanent * PageBytes),
            "{fixaddr-top} - {fixmap-permanent} * 4 KiB", facts.Fixmap.Source);
        ulong boot = builder.Address("fixaddr-boot-start", "FIXADDR_BOOT_START", top - (total * PageBytes),
            "{fixaddr-top} - {fixmap-total} * 4 KiB", facts.Fixmap.Source);

        ulong entryArea = 0;
        ulong entryEnd = 0;
        if (facts.CpuEntryArea.Value != CpuEntryAreaRule.None)
        {
            CpuEntryPages pages = facts.CpuEntryPages.Value;
            builder.Count("cpu-entry-pages-per-cpu", "sizeof(struct cpu_entry_area) / PAGE_SIZE", (ulong)pages.Reserved, "",
                facts.CpuEntryPages.Source);
            ulong count = builder.Count("cpu-entry-area-pages", "CPU_ENTRY_AREA_PAGES", (ulong)(pages.Reserved * facts.CpuCountMax),
                "{cpu-entry-pages-per-cpu} * {nr-cpus}", facts.CpuEntryPages.Source);
            bool belowBoot = facts.CpuEntryArea.Value == CpuEntryAreaRule.BelowBootFixmap;
            entryArea = builder.Address("cpu-entry-area-base", "CPU_ENTRY_AREA_BASE",
                Align.Down((belowBoot ? boot : start) - (PageBytes * (count + 1)), pmd),
                belowBoot
                    ? "({fixaddr-boot-start} - 4 KiB * ({cpu-entry-area-pages} + 1)), rounded down to {pmd-size}"
                    : "({fixaddr-start} - 4 KiB * ({cpu-entry-area-pages} + 1)), rounded down to {pmd-size}",
                facts.CpuEntryArea.Source);
            entryEnd = entryArea + (PageBytes * (count + 1));
            builder.Count("cpu-entry-pages-used", "pages really used per CPU", (ulong)pages.Used, "", facts.CpuEntryPages.Source);
            builder.Bytes("cpu-entry-area-map-size", "CPU_ENTRY_AREA_MAP_SIZE",
                PageBytes * (1 + (ulong)(pages.Used * facts.CpuCountMax)), "4 KiB * (1 + {cpu-entry-pages-used} * {nr-cpus})",
                facts.CpuEntryPages.Source);
        }

        ulong ldt = 0;
        if (facts.LdtWindow.Value)
        {
            ldt = builder.Address("ldt-base", "LDT_BASE_ADDR", Align.Down(entryArea - PageBytes, pmd),
                "({cpu-entry-area-base} - 4 KiB), rounded down to {pmd-size}", facts.LdtWindow.Source);
        }

        ulong pkmap = 0;
        ulong lastPkmap = (ulong)tableEntries;
        if (facts.Highmem)
        {
            builder.Count("last-pkmap", "LAST_PKMAP", lastPkmap, "", facts.Pae ? "one page table (PAE)" : "one page table (no PAE)");
            (pkmap, string formula) = facts.Pkmap.Value switch
            {
                PkmapRule.Constant32MBelow4G => (0xfe000000, "2^32 - 32 MiB, a constant (2^32 - 8 MiB, often quoted for 2.4, came with 2.6)"),
                PkmapRule.ConstantByCpuCount => facts.CpuCountMax <= 32
                    ? (0xff800000UL, "2^32 - 8 MiB, a constant: NR_CPUS is at most 32")
                    : (0xff600000UL, "2^32 - 10 MiB, a constant: NR_CPUS is above 32"),
                PkmapRule.BelowBootFixmap => (Align.Down(boot - (PageBytes * (lastPkmap + 1)), pmd),
                    "({fixaddr-boot-start} - 4 KiB * ({last-pkmap} + 1)), rounded down to {pmd-size}"),
                PkmapRule.BelowFixmap => (Align.Down(start - (PageBytes * (lastPkmap + 1)), pmd),
                    "({fixaddr-start} - 4 KiB * ({last-pkmap} + 1)), rounded down to {pmd-size}"),
                PkmapRule.BelowCpuEntryArea => (Align.Down(entryArea - PageBytes, pmd),
                    "({cpu-entry-area-base} - 4 KiB), rounded down to {pmd-size}"),
                PkmapRule.BelowLdt => (Align.Down(ldt - PageBytes, pmd), "({ldt-base} - 4 KiB), rounded down to {pmd-size}"),
            };
            builder.Address("pkmap-base", "PKMAP_BASE", pkmap, formula, facts.Pkmap.Source);
        }

        (ulong anchor, string end) = facts switch
        {
            { Highmem: true } => (pkmap, "{pkmap-base} - 2 * 4 KiB"),
            { LdtWindow.Value: true } => (ldt, "{ldt-base} - 2 * 4 KiB"),
            { CpuEntryArea.Value: not CpuEntryAreaRule.None } => (entryArea, "{cpu-entry-area-base} - 2 * 4 KiB"),
            _ => (start, "{fixaddr-start} - 2 * 4 KiB"),
        };
        ulong vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END", anchor - (2 * PageBytes), end,
            "include/asm-i386/pgtable.h, 2.4.20 to arch/x86/include/asm/pgtable_32_areas.h, 6.19");
        return new Top(plan, top, start, boot, entryArea, entryEnd, ldt, ldt == 0 ? 0 : ldt + pmd, pkmap,
            pkmap == 0 ? 0 : pkmap + (lastPkmap * PageBytes), vmallocEnd);
    }

    private static LayoutAnswer? StateRam(LayoutBuilder builder, X86Memory memory, I386Facts facts)
    {
        if (memory.EndFrame(NonPaeFrames, facts.PersistentMemoryCounts) == 0)
        {
            return new LayoutAnswer.Impossible("no RAM below 4 GiB is left");
        }

        X86Options.StateMemory(builder);
        return null;
    }

    /// <summary>Divides RAM into lowmem and highmem.</summary>
    /// <remarks>
    /// Source: arch/i386/kernel/setup.c, find_max_low_pfn(), 2.4.20 to 2.6.26; arch/x86/mm/init_32.c, lowmem_pfn_init() and
    /// highmem_pfn_init(), 2.6.27 to 6.12.
    /// </remarks>
    private static Lowmem Split(LayoutBuilder builder, I386Facts facts, Options options, ulong ramFrames, ulong maxMemFrames)
    {
        const string Source = "arch/i386/kernel/setup.c, find_max_low_pfn(), 2.4.20; arch/x86/mm/init_32.c, find_low_pfn_range(), 6.12";
        ulong max = ramFrames;
        ulong low;
        string lowFormula;
        string maxFormula = "{ram-end-pfn}";
        if (ramFrames <= maxMemFrames)
        {
            low = ramFrames;
            lowFormula = "{ram-end-pfn}, because it is not above {maxmem-pfn}";
            if (options.HighmemFrames is { } asked and not 0)
            {
                builder.Frames("highmem-option", "highmem=", asked, "", "given: highmem=");
                if (!facts.Highmem)
                {
                    builder.Note("highmem= is ignored: this kernel has no HIGHMEM");
                }
                else if (asked >= ramFrames)
                {
                    builder.Note("highmem= is ignored: it is not below the amount of RAM");
                }
                else if (ramFrames - asked < SmallestLowmemFrames)
                {
                    builder.Note("highmem= is ignored: less than 64 MiB of lowmem would be left");
                }
                else
                {
                    low -= asked;
                    lowFormula = "{ram-end-pfn} - {highmem-option}";
                }
            }
        }
        else
        {
            low = maxMemFrames;
            lowFormula = "{maxmem-pfn}, because {ram-end-pfn} is above it";
            if (options.HighmemFrames is { } asked)
            {
                builder.Frames("highmem-option", "highmem=", asked, "", "given: highmem=");
                if (maxMemFrames + asked < max)
                {
                    max = maxMemFrames + asked;
                    maxFormula = "{maxmem-pfn} + {highmem-option}: highmem= drops what is above";
                    builder.Note("highmem= drops RAM: the kernel uses less than there is");
                }
                else if (maxMemFrames + asked > max)
                {
                    builder.Note("highmem= is ignored: there is less highmem than that");
                }
            }

            if (!facts.Highmem)
            {
                max = maxMemFrames;
                maxFormula = "{maxmem-pfn}: without HIGHMEM nothing above is used";
                builder.Note("RAM above lowmem is not used: this kernel has no HIGHMEM");
            }
            else if (!facts.Highmem64G && max > NonPaeFrames)
            {
                max = NonPaeFrames;
                maxFormula = "2^20: without HIGHMEM64G nothing above 4 GiB is used";
                builder.Note("RAM above 4 GiB is not used: this kernel has no HIGHMEM64G");
            }
        }

        builder.Frames("max-low-pfn", "max_low_pfn", low, lowFormula, Source);
        builder.Frames("max-pfn", "max_pfn", max, maxFormula, Source);
        if (facts.Highmem)
        {
            builder.Frames("highstart-pfn", "highstart_pfn", Math.Min(low, max), "{max-low-pfn}, at most {max-pfn}", Source);
        }

        builder.Set("lowmem-mb", "MB LOWMEM available", low >> 8, QuantityUnit.Count, "{max-low-pfn} / 256", Source);
        builder.Set("highmem-mb", "MB HIGHMEM available", max > low ? (max - low) >> 8 : 0, QuantityUnit.Count,
            "({max-pfn} - {max-low-pfn}) / 256", Source);
        return new Lowmem(low, max);
    }

    private static void AddRegions(LayoutBuilder builder, I386Facts facts, Top top, ulong pageOffset, ulong highMemory, ulong vmallocStart)
    {
        builder.Region("user", 0, pageOffset, RegionKind.User);
        builder.Region("direct-map", pageOffset, highMemory, RegionKind.DirectMap, note: "physical = virtual - PAGE_OFFSET");
        AddImage(builder, facts, pageOffset, highMemory);
        builder.Region("vmalloc-gap", highMemory, vmallocStart, RegionKind.Gap, note: "catches accesses past the end of lowmem");
        builder.Region("vmalloc", vmallocStart, top.VmallocEnd, RegionKind.Vmalloc);
        builder.Region("modules", vmallocStart, top.VmallocEnd, RegionKind.Modules, inside: "vmalloc", note: "modules are vmalloc areas");
        builder.Region("vmalloc-guard", top.VmallocEnd, top.VmallocEnd + (2 * PageBytes), RegionKind.Gap, note: "two pages");
        if (top.Pkmap != 0)
        {
            builder.Region("pkmap", top.Pkmap, top.PkmapEnd, RegionKind.Pkmap);
        }

        if (top.Ldt != 0)
        {
            builder.Region("ldt-remap", top.Ldt, top.LdtEnd, RegionKind.Ldt, note: "used with page table isolation");
        }

        if (top.CpuEntryArea != 0)
        {
            builder.Region("cpu-entry-area", top.CpuEntryArea, top.CpuEntryEnd, RegionKind.CpuEntryArea);
        }

        // early_ioremap is over before anybody maps what lies below, so the kernel lets the two share addresses.
        ulong occupied = Math.Max(Math.Max(top.VmallocEnd + (2 * PageBytes), top.PkmapEnd), Math.Max(top.LdtEnd, top.CpuEntryEnd));
        ulong bootStart = Math.Max(top.BootStart, Math.Min(occupied, top.FixaddrStart));
        builder.Region("fixmap-boot", bootStart, top.FixaddrStart, RegionKind.Fixmap, note: bootStart == top.BootStart
            ? "while booting only"
            : "while booting only; reaches further down, into addresses used later for what lies below");
        builder.Region("fixmap", top.FixaddrStart, top.FixaddrTop, RegionKind.Fixmap);
        builder.Region("fixmap-top", top.FixaddrTop, top.FixaddrTop + PageBytes, RegionKind.Gap,
            note: facts.FixaddrTop.Value == 0xffffe000 ? "fixmap entry 0" : "fixmap entry 0, FIX_HOLE, never mapped");
        builder.Region("top-reserved", top.FixaddrTop + PageBytes, TopOfMemory, RegionKind.Gap, note: "never used");
    }

    private static void AddImage(LayoutBuilder builder, I386Facts facts, ulong pageOffset, ulong highMemory)
    {
        ulong physical = facts.ImagePhysicalStart;
        ulong end = Math.Min(highMemory, pageOffset + ImageWindowBytes);
        if (physical < end - pageOffset)
        {
            builder.Region("kernel-image", pageOffset + physical, end, RegionKind.KernelImage, inside: "direct-map", isBounds: true,
                note: facts.RandomizesImage
                    ? "somewhere inside: KASLR moves it, the direct map stays"
                    : "begins here; its length is the build's");
        }
    }

    private static void AddZones(LayoutBuilder builder, I386Facts facts, X86Memory memory, Lowmem low)
    {
        ZoneLimit normal = new("Normal", low.LowFrames);
        ReadOnlySpan<ZoneLimit> dma = facts.HasZoneDma ? [new ZoneLimit("DMA", Math.Min(DmaFrames, low.LowFrames))] : [];
        ReadOnlySpan<ZoneLimit> high = facts.Highmem ? [new ZoneLimit("HighMem", low.MaxFrames)] : [];

        ReadOnlySpan<string> empty = facts.HasZoneMovable ? ["Movable"] : [];
        ZoneCutter.Cut(builder, memory.Ram(), [.. dma, normal, .. high], facts.FirstFrame.Value == FirstFrameRule.Zero, empty,
            cutsMovable: facts.HasZoneMovable);
        X86Options.NoteZoneOptions(builder);
    }

    private static void AddPageArray(LayoutBuilder builder, I386Facts facts, ulong maxFrames)
    {
        ulong size = builder.Bytes("page-struct-size", "sizeof(struct page)", (ulong)facts.PageStructSize, "", facts.PageStructSource);
        ulong frames = Align.Up(maxFrames, 1024);
        builder.Bytes("mem-map-size", "mem_map", frames * size,
            "{max-pfn}, rounded up to 1024, * {page-struct-size}", "mm/page_alloc.c, alloc_node_mem_map(); in lowmem, place not fixed");
    }

    /// <summary>The boot options that move something.</summary>
    private readonly record struct Options(
        ulong ReserveBytes, string ReserveSource, bool ReserveTopGiven, ulong ReserveTopBytes, ulong? HighmemFrames, string? Problem)
    {
        internal static Options Read(KernelCommandLine commandLine, I386Facts facts)
        {
            ulong reserve = 128 * Size.MiB;
            string source = "include/asm-i386/page.h, 2.4.20 to arch/x86/mm/init_32.c, 6.19: the default";
            ulong top = 0;
            bool topGiven = false;
            ulong? highmem = null;
            foreach (BootOption option in commandLine.Options)
            {
                if (option.Value is not { } text)
                {
                    continue;
                }

                switch (option.Name)
                {
                    case "vmalloc" when facts.VmallocOption.Value != VmallocOptionRule.Ignored:
                        // Taken as it is: not rounded, not clamped, and 0 when it is no number. 32 bits wide.
                        ulong asked = KernelCommandLine.MemoryParse(text, out _) ?? 0;
                        ulong gap = facts.VmallocOption.Value == VmallocOptionRule.PlusGap ? GapBytes : 0;
                        if (asked > uint.MaxValue - gap)
                        {
                            return Refused($"vmalloc={text} does not fit into 32 bits");
                        }

                        reserve = asked + gap;
                        source = gap != 0 ? "given: vmalloc=, plus the 8 MiB gap" : "given: vmalloc=";
                        break;
                    case "reservetop" when facts.ReserveTop.Value != ReserveTopRule.Ignored:
                        top = KernelCommandLine.MemoryParse(text, out _) ?? 0;
                        topGiven = true;
                        if (top > uint.MaxValue)
                        {
                            return Refused($"reservetop={text} does not fit into 32 bits");
                        }

                        if (facts.ReserveTop.Value != ReserveTopRule.RoundedToPmd && top % PageBytes != 0)
                        {
                            return Refused($"reservetop={text} is no multiple of 4 KiB; every fixmap address would be unaligned");
                        }

                        if (facts.ReserveTop.Value == ReserveTopRule.ExactAndReserved)
                        {
                            reserve = Math.Min(reserve + top, uint.MaxValue);
                            source = "the reserve so far plus reservetop= (arch/x86/mm/pgtable_32.c, 2.6.19 to 2.6.31-rc5)";
                        }

                        break;
                    case "highmem":
                        highmem = (KernelCommandLine.MemoryParse(text, out _) ?? 0) / PageBytes;
                        break;
                }
            }

            return new Options(reserve, source, topGiven, top, highmem, Problem: null);

            static Options Refused(string problem) => new(0, "", ReserveTopGiven: false, 0, HighmemFrames: null, problem);
        }
    }
}
