using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>arm64 from 5.4 on: the linear map in the lower half, vmemmap at the top.</summary>
internal static class Arm64FlippedMap
{
    internal static Arm64Layout.Window Place(LayoutBuilder builder, Arm64Facts facts)
    {
        string source = facts.Map.Source;
        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", Arm64Layout.LowestOf(facts.BuiltBits), "-2^{va-bits}", source);
        ulong linearStart = builder.Address("linear-map-start", "_PAGE_OFFSET(vabits_actual)", Arm64Layout.LowestOf(facts.ActualBits),
            "-2^{va-bits-actual}", source);
        ulong leastEnd = builder.Address("page-end-min", "_PAGE_END(VA_BITS_MIN)", Arm64Layout.LowestOf(facts.LeastBits - 1),
            "-2^({va-bits-min} - 1)", source);
        ulong vmallocBase = leastEnd;
        string from = "{page-end-min}";
        ulong linearEnd = facts.LinearMapEndsByActualBits.Value ? Arm64Layout.LowestOf(facts.ActualBits - 1) : leastEnd;
        string linearEndFormula = facts.LinearMapEndsByActualBits.Value ? "-2^({va-bits-actual} - 1)" : "{page-end-min}";
        if (facts.Kasan != Arm64Kasan.None)
        {
            (ulong shadowStart, ulong shadowEnd) = Shadow(builder, facts);
            linearEnd = Math.Min(linearEnd, shadowStart);
            linearEndFormula = "the lower of {kasan-shadow-start} and the half";
            if (facts.Map.Value == Arm64Map.Flipped)
            {
                (vmallocBase, from) = (shadowEnd, "{kasan-shadow-end}");
            }
        }

        linearEnd = builder.Address("page-end", "PAGE_END", linearEnd, linearEndFormula, facts.LinearMapEndsByActualBits.Source);
        ulong vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START", BpfAndModules(builder, facts, vmallocBase, from),
            "{modules-end}", source);
        Image(builder, facts, vmallocStart);
        ulong pageArray = builder.Bytes("vmemmap-size", "VMEMMAP_SIZE", Arm64Layout.PageArrayBytes(facts, leastEnd - pageOffset),
            "({page-end-min} - {page-offset}) / 2^{page-shift} * 64", source);
        ulong vmallocEnd = facts.Map.Value switch
        {
            Arm64Map.Flipped => TopOf5_4(builder, facts, pageArray),
            Arm64Map.FlippedDirectVmemmap => TopOf5_11(builder, facts, pageArray),
            _ => TopOf6_9(builder, facts, pageArray, pageOffset, linearStart),
        };
        return new Arm64Layout.Window(linearStart, linearEnd, vmallocStart, vmallocEnd);
    }

    /// <summary>The windows of BPF programs and modules, upwards from an address; answers where they end.</summary>
    internal static ulong BpfAndModules(LayoutBuilder builder, Arm64Facts facts, ulong start, string startFormula)
    {
        if (facts.BpfBytes.Value > 0)
        {
            start = builder.Address("bpf-start", "BPF_JIT_REGION_START", start, startFormula, facts.BpfBytes.Source);
            builder.Region("bpf", start, start + facts.BpfBytes.Value, RegionKind.Modules, note: "translated BPF programs");
            start += facts.BpfBytes.Value;
            startFormula = "{bpf-start} + 128 MiB";
        }

        start = builder.Address("modules-start", "MODULES_VADDR", start, startFormula, facts.ModuleBytes.Source);
        ulong size = builder.Bytes("modules-size", "MODULES_VSIZE", facts.ModuleBytes.Value, "", facts.ModuleBytes.Source);
        ulong end = builder.Address("modules-end", "MODULES_END", start + size, "{modules-start} + {modules-size}", facts.ModuleBytes.Source);
        builder.Region("modules", start, end, RegionKind.Modules,
            note: facts.Randomizes ? "with KASLR modules go near the image instead" : null);
        return end;
    }

    /// <summary>Says where the image begins, if anything fixes it.</summary>
    internal static void Image(LayoutBuilder builder, Arm64Facts facts, ulong vmallocStart)
    {
        builder.Address("kimage-vaddr", "KIMAGE_VADDR", vmallocStart, "{modules-end}", "arch/arm64/include/asm/memory.h, KIMAGE_VADDR");
        if (facts.Randomizes)
        {
            builder.Note("KASLR puts the kernel image anywhere inside the vmalloc area; without it the image begins at kimage-vaddr");
        }
    }

    private static (ulong Start, ulong End) Shadow(LayoutBuilder builder, Arm64Facts facts)
    {
        const string source = "arch/arm64/include/asm/memory.h, KASAN_SHADOW_END";
        int scale = facts.Kasan == Arm64Kasan.SoftwareTags ? 4 : 3;
        ulong usualEnd = Arm64Layout.LowestOf(facts.LeastBits - 1);
        if (facts.Map.Value == Arm64Map.Flipped)
        {
            usualEnd += 1UL << (facts.LeastBits - scale);
        }

        ulong offset = builder.Address("kasan-shadow-offset", "KASAN_SHADOW_OFFSET",
            unchecked(usualEnd - (1UL << (64 - scale))), "", "arch/arm64/Kconfig, KASAN_SHADOW_OFFSET: one value for each number of address bits");
        ulong end = builder.Address("kasan-shadow-end", "KASAN_SHADOW_END", unchecked((1UL << (64 - scale)) + offset),
            scale == 3 ? "2^61 + {kasan-shadow-offset}" : "2^60 + {kasan-shadow-offset}", source);
        ulong start = builder.Address("kasan-shadow-start", "KASAN_SHADOW_START", end - (1UL << (facts.ActualBits - scale)),
            scale == 3 ? "{kasan-shadow-end} - 2^({va-bits-actual} - 3)" : "{kasan-shadow-end} - 2^({va-bits-actual} - 4)", source);
        builder.Region("kasan", start, end, RegionKind.Other, note: "shadow of the address sanitizer");
        return (start, end);
    }

    private static ulong TopOf5_4(LayoutBuilder builder, Arm64Facts facts, ulong pageArray)
    {
        string source = facts.Map.Source;
        ulong pud = builder.Bytes("pud-size", "PUD_SIZE", Arm64OldMap.PudBytes(facts),
            Arm64OldMap.PudFormula(facts), "arch/arm64/include/asm/pgtable-hwdef.h");
        ulong vmemmap = builder.Address("vmemmap-start", "VMEMMAP_START", unchecked(0UL - pageArray - (2 * Size.MiB)),
            "-{vmemmap-size} - 2 MiB", source);
        builder.Region("vmemmap", vmemmap, vmemmap + pageArray, RegionKind.PageArray);
        Arm64OldMap.Devices(builder, facts, vmemmap - (2 * Size.MiB), "{vmemmap-start} - 2 MiB");
        return builder.Address("vmalloc-end", "VMALLOC_END", unchecked(0UL - pud - pageArray - (64 * Size.KiB)),
            "-{pud-size} - {vmemmap-size} - 64 KiB", source);
    }

    private static ulong TopOf5_11(LayoutBuilder builder, Arm64Facts facts, ulong pageArray)
    {
        string source = facts.Map.Source;
        ulong vmemmap = builder.Address("vmemmap-start", "VMEMMAP_START", unchecked(0UL - Arm64Layout.PageArrayBytes(facts, 1UL << facts.BuiltBits)),
            "-2^({va-bits} - ({page-shift} - 6))", source);
        builder.Region("vmemmap", vmemmap, unchecked(vmemmap + pageArray), RegionKind.PageArray);
        ulong ioEnd = builder.Address("pci-io-end", "PCI_IO_END", vmemmap - (8 * Size.MiB), "{vmemmap-start} - 8 MiB", source);
        ulong ioStart = builder.Address("pci-io-start", "PCI_IO_START", ioEnd - (16 * Size.MiB), "{pci-io-end} - 16 MiB", source);
        builder.Region("pci-io", ioStart, ioEnd, RegionKind.Other, note: "I/O ports of PCI");
        Arm64Fixmap.Add(builder, facts, vmemmap - (32 * Size.MiB), "{vmemmap-start} - 32 MiB");
        return builder.Address("vmalloc-end", "VMALLOC_END", vmemmap - (256 * Size.MiB), "{vmemmap-start} - 256 MiB", source);
    }

    private static ulong TopOf6_9(LayoutBuilder builder, Arm64Facts facts, ulong pageArray, ulong pageOffset, ulong linearStart)
    {
        string source = facts.Map.Source;
        ulong vmemmapEnd = builder.Address("vmemmap-end", "VMEMMAP_END", unchecked(0UL - Size.GiB), "-1 GiB", source);
        ulong vmemmap = builder.Address("vmemmap-start", "VMEMMAP_START", vmemmapEnd - pageArray, "{vmemmap-end} - {vmemmap-size}", source);

        // Built for 52 bits on a processor without them: the part of the array for the missing bits is given to vmalloc.
        ulong unused = builder.Bytes("vmemmap-unused", "VMEMMAP_UNUSED_NPAGES * sizeof(struct page)",
            Arm64Layout.PageArrayBytes(facts, linearStart - pageOffset), "({linear-map-start} - {page-offset}) / 2^{page-shift} * 64", source);
        builder.Region("vmemmap", vmemmap + unused, vmemmapEnd, RegionKind.PageArray);
        ulong ioStart = builder.Address("pci-io-start", "PCI_IO_START", vmemmapEnd + (8 * Size.MiB), "{vmemmap-end} + 8 MiB", source);
        ulong ioEnd = builder.Address("pci-io-end", "PCI_IO_END", ioStart + (16 * Size.MiB), "{pci-io-start} + 16 MiB", source);
        builder.Region("pci-io", ioStart, ioEnd, RegionKind.Other, note: "I/O ports of PCI");
        Arm64Fixmap.Add(builder, facts, unchecked(0UL - (8 * Size.MiB)), "-8 MiB");
        return builder.Address("vmalloc-end", "VMALLOC_END", vmemmap + unused - (8 * Size.MiB),
            "{vmemmap-start} + {vmemmap-unused} - 8 MiB", source);
    }
}
