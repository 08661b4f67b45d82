using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>The address space of arm64.</summary>
/// <remarks>
/// <code>
/// up to 5.3                              from 5.4 on
///   linear map          PAGE_OFFSET        fixmap, PCI I/O, vmemmap (order varies)
///   vmemmap, PCI I/O, fixmap               VMALLOC_START .. VMALLOC_END
///   VMALLOC_START .. VMALLOC_END           modules (BPF below them, 5.4 to 5.15)
///   modules (4.6 and later)                KASAN shadow
///   KASAN shadow                           linear map .. PAGE_END
/// </code>
/// Source: arch/arm64/include/asm/{memory,pgtable,fixmap,kasan}.h, arch/arm64/mm/init.c.
/// </remarks>
internal static class Arm64Layout
{
    private const string MemoryHeader = "arch/arm64/include/asm/memory.h";
    private const string InitSource = "arch/arm64/mm/init.c, arm64_memblock_init()";
    private const ulong UsualRamStart = 0x40000000;

    /// <summary>log2 of sizeof(struct page), which every kernel here has at 64.</summary>
    private const int PageStructShift = 6;

    internal static LayoutAnswer Predict(LayoutInputs inputs)
    {
        if (Arm64Facts.Resolve(inputs.Kernel, out string? impossible) is not { } facts)
        {
            return new LayoutAnswer.Impossible(impossible!);
        }

        LayoutBuilder builder = new(inputs);
        builder.Assume(facts.Assumed);
        builder.Count("va-bits", "VA_BITS", (ulong)facts.BuiltBits, "", "arch/arm64/Kconfig, ARM64_VA_BITS");
        builder.Count("va-bits-min", "VA_BITS_MIN", (ulong)facts.LeastBits, "", MemoryHeader + ", VA_BITS_MIN");
        builder.Count("va-bits-actual", "vabits_actual", (ulong)facts.ActualBits, "", "arch/arm64/kernel/head.S");
        builder.Count("page-shift", "PAGE_SHIFT", (ulong)facts.PageShift, "", "arch/arm64/Kconfig");

        Arm64Map map = facts.Map.Value;
        Window window = map switch
        {
            Arm64Map.Fixed39 or Arm64Map.LinearOnTop or Arm64Map.LinearOnTopSized => Arm64OldMap.Place(builder, facts),
            Arm64Map.ImageBelowVmalloc => Arm64OldMap.PlaceWithImage(builder, facts),
            Arm64Map.Flipped or Arm64Map.FlippedDirectVmemmap or Arm64Map.FlippedVmemmapBelowTop => Arm64FlippedMap.Place(builder, facts),
        };

        if (Memory(inputs, facts, builder, window) is not { } memory)
        {
            return new LayoutAnswer.Impossible("no RAM is left that the linear map of this kernel can hold");
        }

        ulong total = builder.Set("vmalloc-total", "VmallocTotal", unchecked(window.VmallocEnd - window.VmallocStart) / Size.KiB,
            QuantityUnit.KiB, "({vmalloc-end} - {vmalloc-start}) / 1024", "fs/proc/meminfo.c, VMALLOC_TOTAL");
        builder.Region("vmalloc", window.VmallocStart, window.VmallocEnd, RegionKind.Vmalloc);
        builder.Region("direct-map", window.LinearStart, window.LinearEnd, RegionKind.DirectMap, note: "RAM fills it from the bottom");
        builder.Address("task-size", "TASK_SIZE_64", 1UL << facts.ActualBits, "2^{va-bits-actual}", "arch/arm64/include/asm/processor.h");
        builder.Region("user", 0, 1UL << facts.ActualBits, RegionKind.User);
        Zones(builder, facts, memory);
        return builder.Build(window.LinearStart, memory.HighMemory, window.VmallocStart, window.VmallocEnd, total);
    }

    /// <summary>What the maps hand to the common part; ends are exclusive and 0 means 2^64.</summary>
    internal readonly record struct Window(ulong LinearStart, ulong LinearEnd, ulong VmallocStart, ulong VmallocEnd);

    /// <summary>Bytes of struct page that describe some address space.</summary>
    internal static ulong PageArrayBytes(Arm64Facts facts, ulong bytes) => bytes >> (facts.PageShift - PageStructShift);

    /// <summary>-2^bits: the lowest kernel address of so many bits.</summary>
    internal static ulong LowestOf(int bits) => unchecked(0UL - (1UL << bits));

    private readonly record struct Ram(DramBanks Banks, ulong HighMemory);

    private static Ram? Memory(LayoutInputs inputs, Arm64Facts facts, LayoutBuilder builder, Window window)
    {
        DramBanks? banks = DramBanks.From(inputs, builder, UsualRamStart, unmappedIsRam: true);
        banks = banks.Below(1UL << Math.Clamp(facts.PhysicalBits, 32, 63));
        if (banks is null)
        {
            return null;
        }

        ulong granule = builder.Bytes("memstart-align", "ARM64_MEMSTART_ALIGN", MemoryStartAlignment(facts), "",
            facts.SectionBits.Source);
        ulong start = builder.Set("memstart", "memstart_addr", Align.Down(banks.Start, granule), QuantityUnit.PhysicalAddress,
            "the start of RAM rounded down to {memstart-align}", InitSource);
        ulong room = unchecked(window.LinearEnd - window.LinearStart);
        if (banks.EndExclusive - start > room)
        {
            builder.Note($"RAM from 0x{start + room:x} on is dropped: the linear map holds {DerivationText.BytesText(room)}");
            banks = banks.Below(start + room);
        }

        if (inputs.Kernel.CommandLine.Last("mem") is { } text && KernelCommandLine.MemoryParse(text, out _) is { } limit)
        {
            banks = banks?.Lowest(Align.Down(limit, facts.PageBytes));
            builder.Note("mem= keeps the lowest RAM; the kernel image and the initrd stay usable above it");
        }

        if (banks is null)
        {
            return null;
        }

        ulong end = builder.Set("dram-end", "memblock_end_of_DRAM()", banks.EndExclusive, QuantityUnit.PhysicalAddress, "", "the end of RAM");
        ulong high = builder.Address("high-memory", "high_memory", unchecked(end - start + window.LinearStart),
            "{dram-end} - {memstart} + {linear-map-start}", InitSource);
        if (facts.Randomizes && facts.RandomLinearMap.Value)
        {
            ulong slide = Align.Down(room - (end - banks.Start), granule);
            builder.Bytes("linear-map-slide", "", slide, "the linear map less the RAM, rounded down to {memstart-align}",
                facts.RandomLinearMap.Source);
            builder.Note("KASLR may move RAM up in the linear map, by a multiple of memstart-align up to linear-map-slide; "
                + "high-memory is given for no move");
        }

        builder.Frames("min-low-pfn", "min_low_pfn", (banks.Start + facts.PageBytes - 1) / facts.PageBytes, "the first frame of RAM",
            "arch/arm64/mm/init.c, bootmem_init()");
        ulong maxPfn = builder.Frames("max-pfn", "max_pfn", end / facts.PageBytes, "{dram-end} / 2^{page-shift}",
            "arch/arm64/mm/init.c, bootmem_init()");
        builder.Frames("max-low-pfn", "max_low_pfn", maxPfn, "{max-pfn}", "arch/arm64/mm/init.c, bootmem_init()");
        return new Ram(banks, high);
    }

    private static ulong MemoryStartAlignment(Arm64Facts facts)
    {
        if (facts.Map.Value < Arm64Map.ImageBelowVmalloc)
        {
            return 2 * Size.MiB;
        }

        // PUD_SHIFT, CONT_PMD_SHIFT and PMD_SHIFT of the three page sizes.
        int shift = facts.PageShift switch
        {
            12 => 30,
            14 => 30,
            _ => 29,
        };
        int section = facts.PageShift == 16 ? Math.Max(facts.SectionBits.Value, 29) : facts.SectionBits.Value;
        return 1UL << Math.Max(shift, section);
    }

    private static void Zones(LayoutBuilder builder, Arm64Facts facts, Ram memory)
    {
        ulong start = memory.Banks.Start;
        ulong end = memory.Banks.EndExclusive;
        const ulong fourGigabytes = 1UL << 32;
        ulong windowStart = Align.Down(start, fourGigabytes);
        (bool hasDma, ulong dma, bool hasDma32, ulong dma32) = facts.DmaZone.Value switch
        {
            Arm64DmaZone.Dma32BitsByName => (facts.ZoneDma, windowStart + fourGigabytes, false, 0UL),
            Arm64DmaZone.Dma32Only => (false, 0UL, facts.ZoneDma32, windowStart + fourGigabytes),
            Arm64DmaZone.ThirtyBits =>
                (facts.ZoneDma, Align.Down(start, Size.GiB) + Size.GiB, facts.ZoneDma32, windowStart + fourGigabytes),
            Arm64DmaZone.Firmware =>
                (facts.ZoneDma, start >= fourGigabytes ? end : fourGigabytes, facts.ZoneDma32, start >= fourGigabytes ? end : fourGigabytes),
        };
        if (hasDma && facts.DmaZone.Value == Arm64DmaZone.Firmware)
        {
            builder.Assume(new Assumption("DMA limit of the firmware", "none below 4 GiB", "some boards have devices that reach 1 GiB only"));
        }

        ulong normalPfn = end >> facts.PageShift;
        Span<ZoneLimit> zones = new ZoneLimit[3];
        int count = 0;
        if (hasDma)
        {
            zones[count++] = new ZoneLimit("DMA", Frame("dma-limit-pfn", dma, facts.DmaZone.Source));
        }

        if (hasDma32)
        {
            zones[count++] = new ZoneLimit("DMA32", Frame("dma32-limit-pfn", dma32, facts.DmaZone.Source));
        }

        zones[count++] = new ZoneLimit("Normal", normalPfn);
        ZoneCutter.Cut(builder, memory.Banks.Frames(facts.PageShift), zones[..count], fromZero: false, ["Movable"], facts.PageShift);

        ulong Frame(string name, ulong limit, string source) => builder.Frames(name, "", Math.Min(limit, end) >> facts.PageShift,
            "the limit of the zone, at most {dram-end}, / 2^{page-shift}", source);
    }
}
