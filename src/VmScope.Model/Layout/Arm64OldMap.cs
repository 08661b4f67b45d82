using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>arm64 up to 5.3: the linear map in the upper half, everything else below it.</summary>
internal static class Arm64OldMap
{
    /// <summary>3.10 to 4.5: vmalloc from the bottom, modules and the kernel image in and below the linear map.</summary>
    internal static Arm64Layout.Window Place(LayoutBuilder builder, Arm64Facts facts)
    {
        string source = facts.Map.Source;
        (ulong bottom, ulong pageOffset) = Halves(builder, facts);
        ulong vmallocStart = bottom;
        string startFormula = "{va-start}";
        if (facts.Kasan != Arm64Kasan.None)
        {
            vmallocStart = Shadow(builder, facts, bottom) + (64 * Size.KiB);
            startFormula = "{kasan-shadow-end} + 64 KiB";
        }

        vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START", vmallocStart, startFormula, source);
        ulong vmallocEnd;
        ulong pageArray = Arm64Layout.PageArrayBytes(facts, 1UL << facts.BuiltBits);
        if (facts.Map.Value == Arm64Map.LinearOnTopSized)
        {
            ulong pud = Pud(builder, facts);
            pageArray = builder.Bytes("vmemmap-size", "VMEMMAP_SIZE", Align.Up(pageArray, pud),
                "2^({va-bits} - {page-shift}) * 64 rounded up to {pud-size}", source);
            vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END", pageOffset - pud - pageArray - (64 * Size.KiB),
                "{page-offset} - {pud-size} - {vmemmap-size} - 64 KiB", source);
        }
        else
        {
            vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END", pageOffset - (16 * Size.GiB) - (64 * Size.KiB),
                "{page-offset} - 16 GiB - 64 KiB", source);
        }

        ulong vmemmap = builder.Address("vmemmap-start", "vmemmap", vmallocEnd + (64 * Size.KiB), "{vmalloc-end} + 64 KiB", source);
        builder.Region("vmemmap", vmemmap, vmemmap + pageArray, RegionKind.PageArray);

        ulong modules = builder.Address("modules-start", "MODULES_VADDR", pageOffset - facts.ModuleBytes.Value,
            "{page-offset} - 64 MiB", facts.ModuleBytes.Source);
        builder.Region("modules", modules, pageOffset, RegionKind.Modules);
        if (facts.Map.Value == Arm64Map.LinearOnTopSized)
        {
            Devices(builder, facts, modules - (2 * Size.MiB), "{modules-start} - 2 MiB");
        }

        return new Arm64Layout.Window(pageOffset, 0, vmallocStart, vmallocEnd);
    }

    /// <summary>4.6 to 5.3: the image and its modules at the bottom, above the sanitizer's shadow.</summary>
    internal static Arm64Layout.Window PlaceWithImage(LayoutBuilder builder, Arm64Facts facts)
    {
        string source = facts.Map.Source;
        (ulong bottom, ulong pageOffset) = Halves(builder, facts);
        ulong next = bottom;
        string from = "{va-start}";
        if (facts.Kasan != Arm64Kasan.None)
        {
            next = Shadow(builder, facts, bottom);
            from = "{kasan-shadow-end}";
        }

        next = Arm64FlippedMap.BpfAndModules(builder, facts, next, from);
        ulong vmallocStart = builder.Address("vmalloc-start", "VMALLOC_START", next, "{modules-end}", source);
        Arm64FlippedMap.Image(builder, facts, vmallocStart);
        ulong pud = Pud(builder, facts);
        ulong pageArray = builder.Bytes("vmemmap-size", "VMEMMAP_SIZE", Arm64Layout.PageArrayBytes(facts, 1UL << (facts.BuiltBits - 1)),
            "2^({va-bits} - {page-shift} - 1) * 64", source);
        ulong vmemmap = builder.Address("vmemmap-start", "VMEMMAP_START", pageOffset - pageArray, "{page-offset} - {vmemmap-size}", source);
        ulong vmallocEnd = builder.Address("vmalloc-end", "VMALLOC_END", pageOffset - pud - pageArray - (64 * Size.KiB),
            "{page-offset} - {pud-size} - {vmemmap-size} - 64 KiB", source);
        builder.Region("vmemmap", vmemmap, pageOffset, RegionKind.PageArray);
        Devices(builder, facts, vmemmap - (2 * Size.MiB), "{vmemmap-start} - 2 MiB");
        return new Arm64Layout.Window(pageOffset, 0, vmallocStart, vmallocEnd);
    }

    /// <summary>PCI I/O below an address, and the fixmap below that.</summary>
    internal static void Devices(LayoutBuilder builder, Arm64Facts facts, ulong ioEnd, string ioEndFormula)
    {
        string source = facts.Map.Source;
        ioEnd = builder.Address("pci-io-end", "PCI_IO_END", ioEnd, ioEndFormula, source);
        ulong ioStart = builder.Address("pci-io-start", "PCI_IO_START", ioEnd - (16 * Size.MiB), "{pci-io-end} - 16 MiB", source);
        builder.Region("pci-io", ioStart, ioEnd, RegionKind.Other, note: "I/O ports of PCI");
        Arm64Fixmap.Add(builder, facts, ioStart - (2 * Size.MiB), "{pci-io-start} - 2 MiB");
    }

    private static (ulong Bottom, ulong PageOffset) Halves(LayoutBuilder builder, Arm64Facts facts)
    {
        ulong bottom = builder.Address("va-start", "VA_START", Arm64Layout.LowestOf(facts.BuiltBits), "-2^{va-bits}", facts.Map.Source);
        ulong pageOffset = builder.Address("page-offset", "PAGE_OFFSET", Arm64Layout.LowestOf(facts.BuiltBits - 1),
            "-2^({va-bits} - 1)", facts.Map.Source);
        builder.Address("linear-map-start", "PAGE_OFFSET", pageOffset, "{page-offset}", facts.Map.Source);
        return (bottom, pageOffset);
    }

    private static ulong Shadow(LayoutBuilder builder, Arm64Facts facts, ulong bottom)
    {
        int scale = facts.Kasan == Arm64Kasan.SoftwareTags ? 4 : 3;
        ulong end = builder.Address("kasan-shadow-end", "KASAN_SHADOW_END", bottom + (1UL << (facts.BuiltBits - scale)),
            scale == 3 ? "{va-start} + 2^({va-bits} - 3)" : "{va-start} + 2^({va-bits} - 4)", "arch/arm64/include/asm/kasan.h");
        builder.Region("kasan", bottom, end, RegionKind.Other, note: "shadow of the address sanitizer");
        return end;
    }

    private static ulong Pud(LayoutBuilder builder, Arm64Facts facts) => builder.Bytes("pud-size", "PUD_SIZE", PudBytes(facts),
        PudFormula(facts), "arch/arm64/include/asm/pgtable-hwdef.h");

    /// <summary>PUD_SIZE, which is the top entry's size where there are fewer than three levels.</summary>
    internal static ulong PudBytes(Arm64Facts facts) => 1UL << (((facts.PageShift - 3) * PudLevels(facts)) + 3);

    /// <summary>The formula of PUD_SIZE for this build.</summary>
    internal static string PudFormula(Arm64Facts facts) => PudLevels(facts) switch
    {
        1 => "2^(({page-shift} - 3) * 1 + 3)",
        2 => "2^(({page-shift} - 3) * 2 + 3)",
        _ => "2^(({page-shift} - 3) * 3 + 3)",
    };

    private static int PudLevels(Arm64Facts facts)
    {
        int perLevel = facts.PageShift - 3;
        return Math.Min((facts.BuiltBits - facts.PageShift + perLevel - 1) / perLevel, 3);
    }
}
