using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>The address space of 32-bit arm with an MMU.</summary>
/// <remarks>
/// <code>
/// ffff0000  vectors
/// ffc80000  fixmap .. fff00000          (ffc00000 before 5.11)
/// ff800000  device tree window          (5.11)
/// VMALLOC_START .. VMALLOC_END
/// PAGE_OFFSET .. high_memory            low memory
/// PAGE_OFFSET - 2M                      pkmap        (HIGHMEM)
/// PAGE_OFFSET - 16M                     modules
/// 0 .. TASK_SIZE                        user
/// </code>
/// Source: arch/arm/include/asm/{memory,pgtable,highmem,fixmap,kasan_def}.h, arch/arm/mm/{mmu,init}.c.
/// </remarks>
internal static class ArmLayout
{
    private const string MemorySource = "arch/arm/include/asm/memory.h";
    private const string MmuSource = "arch/arm/mm/mmu.c, adjust_lowmem_bounds() (sanity_check_meminfo() before 4.10)";
    private const string InitSource = "arch/arm/mm/init.c, find_limits() and zone_sizes_init()";
    private const ulong PkmapBytes = 2 * Size.MiB;
    private const ulong UsualRamStart = 0x40000000;
    private const ulong AddressSpaceEnd = 1UL << 32;

    /// <summary>Where PHYS_OFFSET may begin: the granule at which the kernel patches its address translation.</summary>
    private const ulong PhysicalGranule = 2 * Size.MiB;

    internal static LayoutAnswer Predict(LayoutInputs inputs)
    {
        if (ArmFacts.Resolve(inputs.Kernel, out string? impossible) is not { } facts)
        {
            return new LayoutAnswer.Impossible(impossible!);
        }

        LayoutBuilder builder = new(inputs);
        builder.Assume(facts.Assumed);
        if (Memory(inputs, facts, builder) is not { } ram)
        {
            return new LayoutAnswer.Impossible("no RAM is left that this kernel can address");
        }

        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", facts.PageOffset, "", "arch/arm/Kconfig, PAGE_OFFSET");
        ulong physOffset = builder.Set("phys-offset", "PHYS_OFFSET", Align.Down(ram.Start, PhysicalGranule),
            QuantityUnit.PhysicalAddress, "", "the start of RAM; arch/arm/kernel/head.S, __fixup_pv_table");
        ulong vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END", VmallocEnd(facts, builder), "", facts.VmallocEnd.Source);

        if (LowMemory(builder, facts, ram, pageOffset, physOffset, vmallocEnd) is not { } low)
        {
            return new LayoutAnswer.Impossible(
                $"RAM begins at 0x{ram.Start:x} and none of it fits below the vmalloc area that ends at 0x{vmallocEnd:x}");
        }

        ulong gap = builder.Bytes("vmalloc-offset", "VMALLOC_OFFSET", 8 * Size.MiB, "", "arch/arm/include/asm/pgtable.h");
        ulong vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START", Align.Down(low.HighMemory + gap, gap),
            "({high-memory} + {vmalloc-offset}) rounded down to {vmalloc-offset}", "arch/arm/include/asm/pgtable.h, VMALLOC_START");
        ulong total = builder.Set("vmalloc-total", "VmallocTotal", (vmallocEnd - vmallocStart) / Size.KiB, QuantityUnit.KiB,
            "({vmalloc-end} - {vmalloc-start}) / 1024", "fs/proc/meminfo.c, VMALLOC_TOTAL");

        builder.Region("direct-map", pageOffset, low.HighMemory, RegionKind.DirectMap);
        builder.Region("vmalloc-gap", low.HighMemory, vmallocStart, RegionKind.Gap, note: "catches overruns of the direct map");
        builder.Region("vmalloc", vmallocStart, vmallocEnd, RegionKind.Vmalloc);
        BelowPageOffset(builder, facts, pageOffset);
        Top(builder, facts);
        Zones(builder, facts, low);
        return builder.Build(pageOffset, low.HighMemory, vmallocStart, vmallocEnd, total);
    }

    /// <summary>The RAM after <c>mem=</c>, and after what 32 bits of physical address cannot reach.</summary>
    private static DramBanks? Memory(LayoutInputs inputs, ArmFacts facts, LayoutBuilder builder)
    {
        DramBanks ram = DramBanks.From(inputs, builder, UsualRamStart, unmappedIsRam: false);
        List<DramBank> given = [];
        foreach (string? text in inputs.Kernel.CommandLine.All("mem"))
        {
            if (text is null || KernelCommandLine.MemoryParse(text, out string rest) is not ({ } size and > 0))
            {
                continue;
            }

            // mem=size[@start]: the first one throws the firmware's banks away.
            ulong start = rest.StartsWith('@') && KernelCommandLine.MemoryParse(rest[1..], out _) is { } at
                ? at
                : Align.Down(ram.Start, PhysicalGranule);
            given.Add(new DramBank(start, start + Math.Min(size, ulong.MaxValue - start)));
        }

        if (given.Count > 0)
        {
            ram = DramBanks.Of(given);
        }

        if (facts.LargePhysicalAddresses)
        {
            return ram.Below(1UL << 40);
        }

        // A bank that ends at 4 GiB loses its last page: its end does not fit in 32 bits (arm_add_memory()).
        if (ram.EndExclusive > AddressSpaceEnd)
        {
            builder.Note($"RAM from 4 GiB on (up to 0x{ram.EndExclusive:x}) is out of reach without LPAE");
        }

        return ram.Below(AddressSpaceEnd - PageBytes);
    }

    private const int PageShift = 12;
    private const ulong PageBytes = 1UL << PageShift;

    private static ulong VmallocEnd(ArmFacts facts, LayoutBuilder builder)
    {
        if (facts.VmallocEnd.Value is { } end)
        {
            return end;
        }

        const ulong usual = 0xff000000;
        builder.Assume(new Assumption("VMALLOC_END", $"0x{usual:x}", "each machine of these kernels set its own; this is the later common value"));
        return usual;
    }

    private readonly record struct Low(ulong PhysicalLimit, ulong HighMemory, DramBanks Ram, ulong MaxLowPfn, ulong MaxPfn);

    private static Low? LowMemory(LayoutBuilder builder, ArmFacts facts, DramBanks ram, ulong pageOffset, ulong physOffset, ulong vmallocEnd)
    {
        ulong reserve = Reserve(builder, facts, pageOffset, vmallocEnd);
        ulong minimum = builder.Address("vmalloc-min", "vmalloc_min", vmallocEnd - reserve, "{vmalloc-end} - {vmalloc-reserve}",
            facts.Reserve.Source);
        if (minimum <= pageOffset)
        {
            return null;
        }

        ulong physicalMinimum = builder.Set("vmalloc-limit", "vmalloc_limit", minimum - pageOffset + physOffset,
            QuantityUnit.PhysicalAddress, "{vmalloc-min} - {page-offset} + {phys-offset}", MmuSource);
        if (ram.Below(physicalMinimum) is not { } lowRam)
        {
            return null;
        }

        ulong limit = builder.Set("lowmem-limit", "arm_lowmem_limit", lowRam.EndExclusive, QuantityUnit.PhysicalAddress,
            "the highest end of RAM up to {vmalloc-limit}", MmuSource);
        ulong highMemory = builder.Address("high-memory", "high_memory", limit - physOffset + pageOffset,
            "{lowmem-limit} - {phys-offset} + {page-offset}", MmuSource);
        DramBanks kept = ram;
        if (!facts.HighMemory && ram.EndExclusive > physicalMinimum)
        {
            builder.Note($"without HIGHMEM the RAM from 0x{physicalMinimum:x} on is dropped");
            kept = lowRam;
        }

        ulong maxLow = builder.Frames("max-low-pfn", "max_low_pfn", limit / PageBytes, "{lowmem-limit} / 4096", InitSource);
        builder.Frames("min-low-pfn", "min_low_pfn", (kept.Start + PageBytes - 1) / PageBytes, "the first frame of RAM", InitSource);
        ulong max = builder.Frames("max-pfn", "max_pfn", kept.EndExclusive / PageBytes, "the frame behind the last RAM", InitSource);
        return new Low(limit, highMemory, kept, maxLow, max);
    }

    /// <summary>What is kept between low memory and VMALLOC_END.</summary>
    private static ulong Reserve(LayoutBuilder builder, ArmFacts facts, ulong pageOffset, ulong vmallocEnd)
    {
        ArmVmallocReserve rule = facts.Reserve.Value;
        const ulong offset = 8 * Size.MiB;
        if (facts.VmallocOption is not { } asked)
        {
            return builder.Bytes("vmalloc-reserve", "vmalloc_size", rule.DefaultBytes + (rule.DefaultAddsOffset ? offset : 0),
                rule.DefaultAddsOffset ? "240 MiB + 8 MiB" : "128 MiB", facts.Reserve.Source);
        }

        builder.Bytes("vmalloc-option", "vmalloc=", asked, "", "given on the command line");
        ulong most = builder.Bytes("vmalloc-most", "", vmallocEnd - (pageOffset + (32 * Size.MiB)) - (rule.OptionAddsOffset ? offset : 0),
            rule.OptionAddsOffset ? "{vmalloc-end} - ({page-offset} + 32 MiB + 8 MiB)" : "{vmalloc-end} - ({page-offset} + 32 MiB)",
            facts.Reserve.Source);
        ulong granted = Math.Min(Math.Max(asked, 16 * Size.MiB), most);
        if (granted != asked)
        {
            builder.Note($"vmalloc= is held to {DerivationText.BytesText(granted)}");
        }

        return builder.Bytes("vmalloc-reserve", "vmalloc_size", granted + (rule.OptionAddsOffset ? offset : 0),
            rule.OptionAddsOffset
                ? "{vmalloc-option}, at least 16 MiB and at most {vmalloc-most}, + 8 MiB"
                : "{vmalloc-option}, at least 16 MiB and at most {vmalloc-most}",
            facts.Reserve.Source);
    }

    private static void BelowPageOffset(LayoutBuilder builder, ArmFacts facts, ulong pageOffset)
    {
        ulong modulesStart = builder.Address("modules-start", "MODULES_VADDR", pageOffset - facts.ModuleWindowBytes,
            facts.ModuleWindowBytes == 16 * Size.MiB ? "{page-offset} - 16 MiB" : "{page-offset} - 8 MiB", MemorySource + ", MODULES_VADDR");
        ulong modulesEnd = pageOffset;
        if (facts.HighMemory && facts.Pkmap.Value)
        {
            modulesEnd = builder.Address("pkmap-base", "PKMAP_BASE", pageOffset - PkmapBytes, "{page-offset} - 2 MiB", facts.Pkmap.Source);
            builder.Count("last-pkmap", "LAST_PKMAP", 512, "", facts.Pkmap.Source);
            builder.Region("pkmap", modulesEnd, pageOffset, RegionKind.Pkmap);
        }

        builder.Address("modules-end", "MODULES_END", modulesEnd,
            modulesEnd == pageOffset ? "{page-offset}" : "{pkmap-base}", MemorySource + ", MODULES_END");
        if (facts.Modules)
        {
            builder.Region("modules", modulesStart, modulesEnd, RegionKind.Modules);
        }

        ulong taskSize = pageOffset - (16 * Size.MiB);
        if (facts.KasanShadowOffset is { } shadow)
        {
            const string source = "arch/arm/include/asm/kasan_def.h, 5.11";
            builder.Address("kasan-shadow-offset", "KASAN_SHADOW_OFFSET", shadow, "", "arch/arm/Kconfig, KASAN_SHADOW_OFFSET, 5.11");
            ulong end = builder.Address("kasan-shadow-end", "KASAN_SHADOW_END", shadow + (1UL << 29), "2^29 + {kasan-shadow-offset}", source);
            taskSize = builder.Address("kasan-shadow-start", "KASAN_SHADOW_START", (end >> 3) + shadow,
                "{kasan-shadow-end} / 8 + {kasan-shadow-offset}", source);
            builder.Region("kasan", taskSize, end, RegionKind.Other, note: "shadow of the address sanitizer");
        }

        builder.Address("task-size", "TASK_SIZE", taskSize,
            facts.KasanShadowOffset is null ? "{page-offset} - 16 MiB" : "{kasan-shadow-start}", MemorySource + ", TASK_SIZE");
        builder.Region("user", 0, taskSize, RegionKind.User);
    }

    private static void Top(LayoutBuilder builder, ArmFacts facts)
    {
        if (facts.FdtWindow.Value)
        {
            ulong fdt = builder.Address("fdt-window", "FDT_FIXED_BASE", 0xff800000, "", facts.FdtWindow.Source);
            builder.Region("fdt", fdt, fdt + (2 * Size.MiB), RegionKind.Other, note: "the device tree");
        }

        ArmFixmapWindow window = facts.Fixmap.Value;
        ulong start = builder.Address("fixaddr-start", "FIXADDR_START", window.Start, "", facts.Fixmap.Source);
        ulong end = builder.Address("fixaddr-end", "FIXADDR_END", window.EndExclusive, "", facts.Fixmap.Source);
        builder.Region("fixmap", start, end, RegionKind.Fixmap);
        if (facts.KmapSlotsPerCpu > 0)
        {
            builder.Address("fixaddr-top", "FIXADDR_TOP", end - PageBytes, "{fixaddr-end} - 4096", facts.Fixmap.Source);
            FixmapEntries(builder, facts, end - PageBytes);
        }

        if (facts.ConsistentDmaEnd.Value is { } consistentEnd && window.Start >= consistentEnd)
        {
            builder.Assume(new Assumption("CONSISTENT_DMA_SIZE", "2 MiB", "the default; machines may set more"));
            builder.Region("consistent-dma", consistentEnd - (2 * Size.MiB), consistentEnd, RegionKind.Other, note: "coherent DMA memory");
        }

        const ulong vectors = 0xffff0000;
        builder.Address("vectors", "CONFIG_VECTORS_BASE", vectors, "", "arch/arm/mm/mmu.c, devicemaps_init()");
        builder.Region("vectors", vectors, vectors + ((ulong)facts.VectorPages.Value * PageBytes), RegionKind.Other,
            note: "exception vectors and user helpers");
    }

    private static void FixmapEntries(LayoutBuilder builder, ArmFacts facts, ulong top)
    {
        int index = 0;
        Add("FIX_EARLYCON_MEM_BASE", 1, isPermanent: true, "the early console's registers");
        Add("FIX_KMAP_BEGIN", facts.KmapSlotsPerCpu * facts.ConfiguredCpus, isPermanent: false,
            "temporary kmaps, a few for each CPU of NR_CPUS");
        Add("FIX_TEXT_POKE0", 1, isPermanent: false, "writes into read-only kernel text");
        Add("FIX_TEXT_POKE1", 1, isPermanent: false, "the second page of such a write");

        void Add(string name, int pages, bool isPermanent, string why)
        {
            builder.Fixmap(new FixmapEntry(name, index, new VirtualAddress(top - ((ulong)index * PageBytes)), pages, isPermanent, why, When: null));
            index += pages;
        }
    }

    private static void Zones(LayoutBuilder builder, ArmFacts facts, Low low)
    {
        ulong highest = facts.HighMemory ? low.MaxPfn : low.MaxLowPfn;
        if (facts.ZoneDma)
        {
            builder.Assume(new Assumption("DMA zone", "all low memory", "the machine sets no limit (dma_zone_size); some boards do"));
        }

        // Without a limit of the machine every byte of low memory is ZONE_DMA, and ZONE_NORMAL stays empty.
        ReadOnlySpan<ZoneLimit> limits =
        [
            new("DMA", facts.ZoneDma ? low.MaxLowPfn : 0),
            new("Normal", low.MaxLowPfn),
            new("HighMem", highest),
        ];
        limits = limits[(facts.ZoneDma ? 0 : 1)..(facts.HighMemory ? 3 : 2)];
        ZoneCutter.Cut(builder, low.Ram.Frames(PageShift), limits, fromZero: false, ["Movable"]);
    }
}
