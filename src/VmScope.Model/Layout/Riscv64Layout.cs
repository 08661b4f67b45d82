using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>The address space of riscv64.</summary>
/// <remarks>
/// <code>
/// -2 GiB .. end       kernel image         (5.13 and later)
/// -4 GiB ..           modules, up to 2 GiB below the image's end
/// PAGE_OFFSET ..      linear map
/// ..  PAGE_OFFSET     vmalloc
/// below vmalloc       vmemmap, PCI I/O, fixmap
/// </code>
/// Source: arch/riscv/include/asm/{pgtable,page,fixmap,kasan}.h, arch/riscv/mm/init.c.
/// </remarks>
internal static class Riscv64Layout
{
    private const string Pgtable = "arch/riscv/include/asm/pgtable.h";
    private const string SetupBootmem = "arch/riscv/mm/init.c, setup_bootmem()";
    private const ulong UsualRamStart = 0x80000000;
    private const ulong UsualLoadAddress = 0x80200000;
    private const ulong LinkAddress = 0xffffffff80000000;
    private const int PageShift = 12;

    /// <summary>Physical address bits of every mode.</summary>
    private const int PhysicalBits = 56;
    private const ulong PmdBytes = 2 * Size.MiB;

    internal static LayoutAnswer Predict(LayoutInputs inputs)
    {
        if (Riscv64Facts.Resolve(inputs.Kernel, out string? impossible) is not { } facts)
        {
            return new LayoutAnswer.Impossible(impossible!);
        }

        LayoutBuilder builder = new(inputs);
        builder.Assume(facts.Assumed);
        builder.Count("va-bits", "VA_BITS", (ulong)facts.Bits, "", facts.BitsSource);
        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", facts.PageOffset, "", facts.PageOffsetSource);
        (ulong linearEnd, bool isImageInside) = Top(builder, facts, pageOffset);
        if (Memory(inputs, facts, builder, pageOffset, linearEnd) is not { } memory)
        {
            return new LayoutAnswer.Impossible("no RAM is left that the linear map of this kernel can hold");
        }

        (ulong vmallocStart, ulong vmallocEnd, ulong total) = Vmalloc(builder, facts, pageOffset);
        builder.Region("vmalloc", vmallocStart, vmallocEnd, RegionKind.Vmalloc);
        builder.Region("direct-map", pageOffset, linearEnd, RegionKind.DirectMap,
            note: isImageInside ? "the kernel image lies inside it" : "RAM fills it from the bottom");
        BelowVmalloc(builder, facts, vmallocStart);

        ulong userEnd = builder.Address("task-size", "TASK_SIZE_64", 1UL << (facts.Bits - 1), "2^({va-bits} - 1)",
            "arch/riscv/include/asm/pgtable.h, TASK_SIZE_64");
        builder.Region("user", 0, userEnd, RegionKind.User);
        Zones(builder, facts, memory.Banks);
        return builder.Build(pageOffset, memory.HighMemory, vmallocStart, vmallocEnd, total);
    }

    private static (ulong Start, ulong End, ulong TotalKiB) Vmalloc(LayoutBuilder builder, Riscv64Facts facts, ulong pageOffset)
    {
        string source = facts.Map.Source;
        if (facts.Map.Value == Riscv64Map.Configured)
        {
            ulong half = builder.Bytes("vmalloc-size", "VMALLOC_SIZE", unchecked(0UL - pageOffset) / 2, "(2^64 - {page-offset}) / 2", source);
            ulong low = builder.Address("vmalloc-start", "VMALLOC_START", pageOffset - half, "{page-offset} - {vmalloc-size}", source);
            ulong last = builder.Address("vmalloc-end", "VMALLOC_END", pageOffset - 1, "{page-offset} - 1", source);
            return (low, pageOffset, builder.Set("vmalloc-total", "VmallocTotal", (last - low) / Size.KiB, QuantityUnit.KiB,
                "({vmalloc-end} - {vmalloc-start}) / 1024, one byte short of whole", "fs/proc/meminfo.c, VMALLOC_TOTAL"));
        }

        ulong kernelBytes = KernelBytes(builder, facts);
        ulong size = builder.Bytes("vmalloc-size", "VMALLOC_SIZE", kernelBytes / 2, "{kern-virt-size} / 2", source);
        ulong end = builder.Address("vmalloc-end", "VMALLOC_END", pageOffset, "{page-offset}", source);
        ulong start = builder.Address("vmalloc-start", "VMALLOC_START", pageOffset - size, "{page-offset} - {vmalloc-size}", source);
        return (start, end, builder.Set("vmalloc-total", "VmallocTotal", (end - start) / Size.KiB, QuantityUnit.KiB,
            "({vmalloc-end} - {vmalloc-start}) / 1024", "fs/proc/meminfo.c, VMALLOC_TOTAL"));
    }

    private static ulong KernelBytes(LayoutBuilder builder, Riscv64Facts facts)
    {
        ulong top = builder.Bytes("pgdir-size", "PGDIR_SIZE", 1UL << facts.TopShift, "2^({va-bits} - 9)", Pgtable);
        return builder.Bytes("kern-virt-size", "KERN_VIRT_SIZE", 128 * top, "256 * {pgdir-size} / 2", Pgtable + ", KERN_VIRT_SIZE");
    }

    /// <summary>The image, its modules and the sanitizer's shadow; answers where the linear map has to end (0 is 2^64).</summary>
    private static (ulong LinearEnd, bool IsImageInside) Top(LayoutBuilder builder, Riscv64Facts facts, ulong pageOffset)
    {
        if (!facts.ImageApart.Value || pageOffset >= LinkAddress)
        {
            return (0, true);
        }

        string source = facts.ImageApart.Source;
        ulong link = builder.Address("kernel-link-addr", "KERNEL_LINK_ADDR", LinkAddress, "-2 GiB", source);
        builder.Region("kernel-image", link, 0, RegionKind.KernelImage,
            note: facts.Randomizes ? "KASLR moves the image upwards inside it" : "image first, then nothing");
        ulong lowest = builder.Address("modules-lowest", "MODULES_LOWEST_VADDR", link - (2 * Size.GiB), "{kernel-link-addr} - 2 GiB", source);
        builder.Region("modules", lowest, link, RegionKind.Modules, isBounds: true, note: "begins 2 GiB below the image's end");
        ulong linearEnd = lowest;
        if (facts.Kasan)
        {
            const string kasan = "arch/riscv/include/asm/kasan.h";
            ulong size = builder.Bytes("kasan-shadow-size", "KASAN_SHADOW_SIZE", 1UL << (facts.Bits - 4), "2^({va-bits} - 1 - 3)", kasan);
            ulong end = builder.Address("kasan-shadow-end", "KASAN_SHADOW_END", lowest, "{modules-lowest}", kasan);
            linearEnd = builder.Address("kasan-shadow-start", "KASAN_SHADOW_START", end - size, "{kasan-shadow-end} - {kasan-shadow-size}", kasan);
            builder.Region("kasan", linearEnd, end, RegionKind.Other, note: "shadow of the address sanitizer");
        }

        return (pageOffset + Math.Min(linearEnd - pageOffset, 128UL << facts.TopShift), false);
    }

    private static void BelowVmalloc(LayoutBuilder builder, Riscv64Facts facts, ulong vmallocStart)
    {
        if (!facts.Vmemmap.Value)
        {
            return;
        }

        ulong size = builder.Bytes("vmemmap-size", "VMEMMAP_SIZE", 1UL << (facts.Bits - PageShift - 1 + 6), "2^({va-bits} - 12 - 1 + 6)",
            facts.Vmemmap.Source);
        ulong next = builder.Address("vmemmap-start", "VMEMMAP_START", vmallocStart - size, "{vmalloc-start} - {vmemmap-size}",
            facts.Vmemmap.Source);
        builder.Region("vmemmap", next, vmallocStart, RegionKind.PageArray);
        string formula = "{vmemmap-start}";
        if (facts.PciWindow.Value)
        {
            ulong io = builder.Address("pci-io-start", "PCI_IO_START", next - (16 * Size.MiB), "{vmemmap-start} - 16 MiB", facts.PciWindow.Source);
            builder.Region("pci-io", io, next, RegionKind.Other, note: "I/O ports of PCI");
            (next, formula) = (io, "{pci-io-start}");
        }

        ulong top = builder.Address("fixaddr-top", "FIXADDR_TOP", next, formula, Pgtable + ", FIXADDR_TOP");
        ulong fixmap = builder.Bytes("fixaddr-size", "FIXADDR_SIZE", facts.FixmapBytes.Value, "", facts.FixmapBytes.Source);
        ulong start = builder.Address("fixaddr-start", "FIXADDR_START", top - fixmap, "{fixaddr-top} - {fixaddr-size}", facts.FixmapBytes.Source);
        builder.Region("fixmap", start, top, RegionKind.Fixmap);
    }

    private readonly record struct Ram(DramBanks Banks, ulong HighMemory);

    private static Ram? Memory(LayoutInputs inputs, Riscv64Facts facts, LayoutBuilder builder, ulong pageOffset, ulong linearEnd)
    {
        DramBanks? banks = DramBanks.From(inputs, builder, UsualRamStart, unmappedIsRam: true).Below(1UL << PhysicalBits);
        if (banks is not null && inputs.Kernel.CommandLine.Last("mem") is { } text && KernelCommandLine.MemoryParse(text, out _) is { } limit)
        {
            banks = banks.Lowest(Align.Down(limit, 1UL << PageShift));
        }

        if (banks is not null && facts.LosesRamBelowImage.Value && banks.Start < UsualLoadAddress && banks.EndExclusive > UsualLoadAddress)
        {
            builder.Assume(new Assumption("load address", $"0x{UsualLoadAddress:x}", "where the usual firmware puts the kernel; RAM below it is lost"));
            banks = banks.Clipped(UsualLoadAddress, ulong.MaxValue);
        }

        if (banks is null)
        {
            return null;
        }

        ulong physical = builder.Set("phys-ram-base", "phys_ram_base", Align.Down(banks.Start, PmdBytes), QuantityUnit.PhysicalAddress,
            "the start of RAM rounded down to 2 MiB", SetupBootmem);
        ulong room = unchecked(linearEnd - pageOffset);
        if (banks.EndExclusive - physical > room)
        {
            builder.Note($"RAM from 0x{physical + room:x} on is dropped: the linear map holds {DerivationText.BytesText(room)}");
            banks = banks.Below(physical + room);
            if (banks is null)
            {
                return null;
            }
        }

        ulong end = builder.Set("dram-end", "memblock_end_of_DRAM()", banks.EndExclusive, QuantityUnit.PhysicalAddress, "", "the end of RAM");
        ulong maxPfn = builder.Frames("max-pfn", "max_pfn", end >> PageShift, "{dram-end} / 4096", SetupBootmem);
        builder.Frames("max-low-pfn", "max_low_pfn", maxPfn, "{max-pfn}", SetupBootmem);
        builder.Frames("min-low-pfn", "min_low_pfn", (physical + 4095) >> PageShift, "{phys-ram-base} / 4096", SetupBootmem);
        ulong high = builder.Address("high-memory", "high_memory", unchecked((maxPfn << PageShift) - physical + pageOffset),
            "{max-low-pfn} * 4096 - {phys-ram-base} + {page-offset}", SetupBootmem);
        return new Ram(banks, high);
    }

    private static void Zones(LayoutBuilder builder, Riscv64Facts facts, DramBanks banks)
    {
        ulong end = banks.EndExclusive;
        ulong dma32 = Math.Min(end, 4 * Size.GiB) >> PageShift;
        if (facts.ZoneDma32)
        {
            builder.Frames("dma32-limit-pfn", "dma32_phys_limit", dma32, "4 GiB, at most {dram-end}, / 4 KiB",
                "arch/riscv/mm/init.c, zone_sizes_init()");
        }

        ReadOnlySpan<ZoneLimit> limits = [new("DMA32", dma32), new("Normal", end >> PageShift)];
        ZoneCutter.Cut(builder, banks.Frames(PageShift), limits[(facts.ZoneDma32 ? 0 : 1)..], fromZero: false, ["Movable"]);
    }
}
