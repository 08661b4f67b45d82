using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Where 64-bit x86 puts everything.</summary>
/// <remarks>
/// <code>
/// 2^64  +---------------------+
///       | unused, vsyscall    |
///       | fixmap              |  FIXADDR_TOP
///       | modules             |  MODULES_VADDR
///       | kernel image        |  0xffffffff80000000
///       | EFI run-time window |
///       | espfix, cpu_entry   |  whole top-level entries, as are the holes between
///       | KASAN shadow        |
///       | vmemmap             |  VMEMMAP_START
///       | vmalloc             |  VMALLOC_START
///       | direct map          |  PAGE_OFFSET
///       | LDT remap (5.0+)    |
///       | guard hole          |
///       | non-canonical       |
///       | user                |
///   0   +---------------------+
/// </code>
/// With KASLR the direct map, vmalloc and vmemmap keep order and size and move as a whole.
/// </remarks>
internal static class X64Layout
{
    private const ulong PageBytes = 4096;
    private const ulong KernelMap = 0xffffffff80000000;
    private const ulong VsyscallPage = 0xffffffffff600000;
    private const int TopEntryShift = 39;
    private const int TopEntryShift5 = 48;
    private const ulong DmaFrames = 16 * Size.MiB / PageBytes;
    private const ulong Dma32Frames = 4 * Size.GiB / PageBytes;
    private const string Arithmetic = "arithmetic";

    internal static LayoutAnswer Predict(LayoutInputs inputs)
    {
        if (X64Facts.Resolve(inputs.Kernel, out string? impossible) is not { } facts)
        {
            return new LayoutAnswer.Impossible(impossible!);
        }

        LayoutBuilder builder = new(inputs);
        X64Map map = facts.Map;
        builder.Count("paging-levels", "levels of page tables", facts.FiveLevels ? 5UL : 4UL, "", facts.LevelsSource);
        builder.Count("nr-cpus", "NR_CPUS", (ulong)facts.CpuCountMax, "", facts.CpuCountSource);
        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", map.PageOffset, "", facts.MapSource);
        ulong maxMem = builder.Bytes("maxmem", "MAXMEM", 1UL << map.PhysicalBits, "",
            map.PhysicalBits == 52 ? "MAX_PHYSMEM_BITS is 52" : map.PhysicalBits == 46 ? "MAX_PHYSMEM_BITS is 46" : facts.MapSource);
        ulong maxMemFrames = builder.Frames("maxmem-pfn", "max_arch_pfn", maxMem / PageBytes, "{maxmem} / 4 KiB", Arithmetic);

        X86Memory memory = X86Memory.Read(inputs, facts.FirstFrame.Value, facts.ReserveLowBytes);
        ulong frames = memory.EndFrame(maxMemFrames, facts.PersistentMemoryCounts);
        if (frames == 0)
        {
            return new LayoutAnswer.Impossible("no RAM is left");
        }

        X86Options.StateMemory(builder);
        builder.Frames("max-pfn", "max_pfn", frames, "", X86Options.MemorySource(inputs));
        builder.Frames("ram-end-below-4g-pfn", "last_pfn", memory.EndFrame(Dma32Frames, facts.PersistentMemoryCounts),
            "the frame behind the last RAM below 4 GiB", "arch/x86/kernel/e820.c, e820_end_of_low_ram_pfn()");
        builder.Frames("max-low-pfn", "max_low_pfn", frames, "{max-pfn}: all memory is directly mapped", "arch/x86/kernel/setup.c, setup_arch()");
        ulong highMemory = builder.Address("high-memory", "high_memory", pageOffset + (frames * PageBytes),
            "{page-offset} + {max-pfn} * 4 KiB", "arch/x86/mm/init_64.c, arch/x86/kernel/setup.c");

        ulong vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START", map.VmallocStart, "", facts.MapSource);
        ulong vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END + 1",
            facts.HasKmsan ? vmallocStart + ((map.VmallocEnd - vmallocStart) / 4) : map.VmallocEnd,
            facts.HasKmsan ? "a quarter of the usual area, counted from {vmalloc-start} (KMSAN keeps the rest)" : "", facts.MapSource);
        ulong totalKiB = builder.Set("vmalloc-total", "VmallocTotal", (vmallocEnd - 1 - vmallocStart) / Size.KiB, QuantityUnit.KiB,
            "({vmalloc-end} - 1 - {vmalloc-start}) / 1024: VMALLOC_END is inclusive", "fs/proc/meminfo.c, meminfo_proc_show()");

        AddTop(builder, facts);
        AddMiddle(builder, facts, frames, highMemory, vmallocStart, vmallocEnd);
        AddZones(builder, facts, memory, frames);
        if (inputs.Kernel.CommandLine.Options.Length > 0)
        {
            X86Options.NoteIgnored(builder, ["vmalloc", "highmem", "reservetop"]);
        }

        builder.Assume(facts.Config.Assumed);
        return builder.Build(pageOffset, highMemory, vmallocStart, vmallocEnd, totalKiB);
    }

    /// <summary>The last 2 GiB: image, modules, fixmap, vsyscall.</summary>
    private static void AddTop(LayoutBuilder builder, X64Facts facts)
    {
        ulong top = builder.Address("fixaddr-top", "FIXADDR_TOP", facts.FixaddrTop.Value, "", facts.FixaddrTop.Source);
        ulong fixmapEnd = top;
        ulong start = 0;
        ulong boot = 0;
        bool hasVsyscallPage = false;
        if (facts.Fixmap.Value is { } era)
        {
            FixmapPlan plan = FixmapPlan.Of(facts.Resolve(era.Permanent), era.Placement, era.BootMapPages,
                facts.Resolve(era.BeforeBootMap), facts.Resolve(era.AfterBootMap), entriesPerTable: 512);
            plan.Describe(builder, top);
            hasVsyscallPage = plan.HasVsyscallPage;
            ulong permanent = builder.Count("fixmap-permanent", "__end_of_permanent_fixed_addresses", (ulong)plan.Permanent,
                "the permanent entries of the fixmap table, counted", facts.Fixmap.Source);
            ulong total = builder.Count("fixmap-total", "__end_of_fixed_addresses", (ulong)plan.Total,
                "all entries of the fixmap table, counted", facts.Fixmap.Source);
            start = builder.Address("fixaddr-start", "FIXADDR_START", top - (permanent * PageBytes),
                "{fixaddr-top} - {fixmap-permanent} * 4 KiB", facts.Fixmap.Source);
            boot = builder.Address("fixaddr-boot-start", "FIXADDR_TOT_START", top - (total * PageBytes),
                "{fixaddr-top} - {fixmap-total} * 4 KiB", facts.Fixmap.Source);
            fixmapEnd = top - ((total + 1) * PageBytes);
        }
        else
        {
            builder.Note("the fixmap entries of 64-bit x86 before 2.6.30 are not known");
        }

        X64ModuleRule rule = facts.Modules.Value;
        ulong imageSize = builder.Bytes("kernel-image-size", "KERNEL_IMAGE_SIZE", facts.LargeImageWindow ? Size.GiB : 512 * Size.MiB,
            "", facts.LargeImageWindow ? "RANDOMIZE_BASE is configured" : "RANDOMIZE_BASE is not configured");
        ulong modulesStart = rule.Start != 0
            ? builder.Address("modules-start", "MODULES_VADDR", rule.Start, "", facts.Modules.Source)
            : builder.Address("modules-start", "MODULES_VADDR", KernelMap + imageSize, "0xffffffff80000000 + {kernel-image-size}", facts.Modules.Source);
        ulong modulesEnd = rule.End != 0 && !facts.ForceMapLowersModules
            ? builder.Address("modules-end", "MODULES_END", rule.End, "", facts.Modules.Source)
            : facts.ForceMapLowersModules
                ? builder.Address("modules-end", "MODULES_END", 0xfffffffffe000000, "", "DEBUG_KMAP_LOCAL_FORCE_MAP needs a larger fixmap")
                : builder.Address("modules-end", "MODULES_END", fixmapEnd, "{fixaddr-top} - ({fixmap-total} + 1) * 4 KiB", facts.Modules.Source);

        ulong imageEnd = Math.Min(KernelMap + imageSize, modulesStart);
        builder.Region("kernel-image", facts.RandomizesImage ? KernelMap : KernelMap + facts.ImagePhysicalStart, imageEnd,
            RegionKind.KernelImage, isBounds: true, note: facts.RandomizesImage
                ? "somewhere inside: KASLR moves it in steps of PHYSICAL_ALIGN"
                : "begins here; its length is the build's");
        builder.Region("modules", modulesStart, modulesEnd, RegionKind.Modules);
        if (start != 0)
        {
            builder.Region("fixmap-boot", Math.Min(Math.Max(boot, modulesEnd), start), start, RegionKind.Fixmap, note: "while booting only");
            builder.Region("fixmap", start, top, RegionKind.Fixmap);
            builder.Region("fixmap-top", top, top + PageBytes, RegionKind.Gap, note: "fixmap entry 0");
            if (hasVsyscallPage)
            {
                builder.Region("vsyscall", VsyscallPage, VsyscallPage + PageBytes, RegionKind.Other, inside: "fixmap",
                    note: "a page user space may call, its address part of the kernel's promise");
            }
        }
    }

    private static void AddMiddle(LayoutBuilder builder, X64Facts facts, ulong frames, ulong highMemory, ulong vmallocStart,
        ulong vmallocEnd)
    {
        X64Map map = facts.Map;
        int shift = facts.FiveLevels ? TopEntryShift5 : TopEntryShift;
        ulong pageSize = builder.Bytes("page-struct-size", "sizeof(struct page)", (ulong)facts.PageStructBytes.Value, "", facts.PageStructBytes.Source);
        ulong userEnd = (1UL << map.UserBits) - PageBytes;
        builder.Region("user", 0, userEnd, RegionKind.User);
        builder.Region("user-guard", userEnd, 1UL << map.UserBits, RegionKind.Gap, note: "a page that is never mapped");
        if (map.UserBits != 39)
        {
            builder.Region("non-canonical", 1UL << map.UserBits, unchecked(0 - (1UL << map.UserBits)), RegionKind.Gap,
                note: "addresses the processor refuses");
        }

        Kaslr? kaslr = facts.RandomizesBases ? Kaslr.Of(facts, frames, pageSize) : null;
        // The window is larger than MAXMEM with 5 levels, and ends early where vmalloc begins inside it (2.6.27 to 2.6.30).
        ulong window = 1UL << (facts.FiveLevels ? 55 : map.PhysicalBits);
        ulong directEnd = Math.Min(map.PageOffset + window, vmallocStart);
        builder.Region("direct-map", map.PageOffset, directEnd, RegionKind.DirectMap, note: "physical = virtual - PAGE_OFFSET", random: kaslr?.Direct);
        builder.Region("direct-map-ram", map.PageOffset, highMemory, RegionKind.DirectMap, inside: "direct-map",
            note: kaslr is null ? "up to high_memory" : "up to high_memory; moves with the direct map");
        builder.Region("vmalloc", vmallocStart, vmallocEnd, RegionKind.Vmalloc, random: kaslr?.Vmalloc);
        if (facts.HasKmsan)
        {
            builder.Region("kmsan-vmalloc", vmallocEnd, map.VmallocEnd, RegionKind.Other, note: "shadow and origin of vmalloc and modules");
        }

        if (map.Vmemmap != 0)
        {
            builder.Address("vmemmap-start", "VMEMMAP_START", map.Vmemmap, "", facts.MapSource);
            ulong bytes = builder.Bytes("vmemmap-used", "struct pages of RAM", frames * pageSize, "{max-pfn} * {page-struct-size}", Arithmetic);
            builder.Region("vmemmap", map.Vmemmap, map.Vmemmap + (facts.FiveLevels ? 512 * Size.TiB : Size.TiB), RegionKind.PageArray,
                note: "struct page of frame n at its start + n * " + pageSize.ToString(System.Globalization.CultureInfo.InvariantCulture),
                random: kaslr?.Vmemmap);
            builder.Region("vmemmap-ram", map.Vmemmap, map.Vmemmap + bytes, RegionKind.PageArray, inside: "vmemmap");
        }

        if (facts.HasLdtWindow)
        {
            int entry = facts.FiveLevels ? facts.Ldt.Value.FiveLevels : facts.Ldt.Value.FourLevels;
            ulong ldt = builder.Address("ldt-base", "LDT_BASE_ADDR", TopEntry(entry, shift), "", facts.Ldt.Source);
            builder.Region("ldt-remap", ldt, ldt + (1UL << shift), RegionKind.Ldt, note: "used with page table isolation");
        }

        if (facts.CpuEntryArea.Value)
        {
            ulong area = builder.Address("cpu-entry-area-base", "CPU_ENTRY_AREA_BASE", TopEntry(-4, TopEntryShift), "", facts.CpuEntryArea.Source);
            builder.Region("cpu-entry-area", area, area + (1UL << TopEntryShift), RegionKind.CpuEntryArea);
        }

        if (facts.HasEspfix)
        {
            ulong espfix = TopEntry(-2, TopEntryShift);
            builder.Region("espfix", espfix, espfix + (1UL << TopEntryShift), RegionKind.Other, note: "stacks of 16-bit returns");
        }

        if (facts.HasEfiWindow)
        {
            builder.Region("efi", 0xffffffef00000000, 0xffffffff00000000, RegionKind.Other, note: "EFI run-time services");
        }

        if (facts.HasKasan)
        {
            builder.Region("kasan-shadow", facts.FiveLevels ? 0xffdf000000000000 : 0xffffec0000000000, 0xfffffc0000000000, RegionKind.Other);
        }

        if (map.PageOffset >= 0xffff880000000000 || facts.FiveLevels)
        {
            ulong hole = unchecked(0 - (1UL << map.UserBits));
            ulong holeEnd = Math.Min(map.PageOffset, facts.FiveLevels ? 0xff10000000000000 : 0xffff880000000000);
            builder.Region("guard-hole", hole, holeEnd, RegionKind.Gap, note: "kept for hypervisors");
        }
    }

    private static ulong TopEntry(int entry, int shift) => unchecked((ulong)((long)entry << shift));

    private static void AddZones(LayoutBuilder builder, X64Facts facts, X86Memory memory, ulong frames)
    {
        ReadOnlySpan<ZoneLimit> dma = facts.HasZoneDma ? [new ZoneLimit("DMA", Math.Min(DmaFrames, frames))] : [];
        ReadOnlySpan<ZoneLimit> dma32 = facts.HasZoneDma32 ? [new ZoneLimit("DMA32", Math.Min(Dma32Frames, frames))] : [];
        ReadOnlySpan<string> empty = (facts.HasZoneMovable, facts.HasZoneDevice) switch
        {
            (true, true) => ["Movable", "Device"],
            (true, false) => ["Movable"],
            _ => [],
        };
        ZoneCutter.Cut(builder, memory.Ram(), [.. dma, .. dma32, new ZoneLimit("Normal", frames)],
            facts.FirstFrame.Value == FirstFrameRule.Zero, empty, cutsMovable: facts.HasZoneMovable);
        X86Options.NoteZoneOptions(builder);
    }

    /// <summary>Where the three bases may lie.</summary>
    /// <remarks>
    /// Each region takes up to its share of the room left, in steps of 1 GiB, so the extremes are "nothing" and "all it may
    /// have" at every step. Source: arch/x86/mm/kaslr.c, kernel_randomize_memory(), 6.1 and 6.12.
    /// </remarks>
    private sealed record Kaslr(RandomStart Direct, RandomStart Vmalloc, RandomStart Vmemmap)
    {
        private const ulong StepBytes = Size.GiB;

        internal static Kaslr Of(X64Facts facts, ulong frames, ulong pageSize)
        {
            ulong full = 1UL << (facts.Map.PhysicalBits - 40);
            ulong ramTiB = ((frames * PageBytes) + Size.TiB - 1) / Size.TiB;
            ulong fitted = Math.Min(full, ramTiB + Math.Min(full, facts.KaslrPaddingTiB));
            return facts.KaslrKeepsFullDirectMap switch
            {
                true => Bounds(facts, full, pageSize),
                false => Bounds(facts, fitted, pageSize),
                null => Join(Bounds(facts, full, pageSize), Bounds(facts, fitted, pageSize)),
            };
        }

        private static Kaslr Bounds(X64Facts facts, ulong directTiB, ulong pageSize)
        {
            ulong vmallocTiB = (facts.Map.VmallocEnd - facts.Map.VmallocStart) / Size.TiB;
            ulong vmemmapTiB = ((directTiB << 28) * pageSize / Size.TiB)
                + ((directTiB << 28) * pageSize % Size.TiB == 0 ? 0UL : 1UL);
            Span<ulong> sizes = [directTiB * Size.TiB, vmallocTiB * Size.TiB, vmemmapTiB * Size.TiB];
            ulong start = facts.Map.PageOffset;
            ulong remain = 0xfffffe0000000000 - start - sizes[0] - sizes[1] - sizes[2];
            Span<ulong> lowest = stackalloc ulong[3];
            Span<ulong> highest = stackalloc ulong[3];
            ulong low = start;
            ulong high = start;
            for (int i = 0; i < 3; i++)
            {
                ulong offset = Align.Down(remain / (ulong)(3 - i), StepBytes);
                lowest[i] = low;
                highest[i] = high + offset;
                low = Align.Up(low + sizes[i] + 1, StepBytes);
                high = Align.Up(highest[i] + sizes[i] + 1, StepBytes);
                remain -= offset;
            }

            return new Kaslr(At(0, lowest, highest), At(1, lowest, highest), At(2, lowest, highest));
        }

        private static RandomStart At(int i, ReadOnlySpan<ulong> lowest, ReadOnlySpan<ulong> highest) =>
            new(new VirtualAddress(lowest[i]), new VirtualAddress(highest[i]), StepBytes);

        private static Kaslr Join(Kaslr left, Kaslr right) =>
            new(Join(left.Direct, right.Direct), Join(left.Vmalloc, right.Vmalloc), Join(left.Vmemmap, right.Vmemmap));

        private static RandomStart Join(RandomStart left, RandomStart right) => new(
            left.Lowest < right.Lowest ? left.Lowest : right.Lowest,
            left.Highest > right.Highest ? left.Highest : right.Highest,
            StepBytes);
    }
}
