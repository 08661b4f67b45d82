using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>The lines of the "virtual kernel memory layout" block that name regions.</summary>
/// <remarks>Lines about the kernel's own sections (.text, .init, .data, .bss) depend on the build, not on the layout.</remarks>
internal static class BootBlockAnswers
{
    private const string Source = "dmesg";

    internal static void Compare(Comparer comparer, DmesgReport log)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        if (log.Layout.Any(line => line.Start is null || line.End is null))
        {
            comparer.Skip(Source, "lines of the layout block print hidden addresses");
        }

        foreach (LayoutLine line in log.Layout)
        {
            // arm64 prints two lines for vmemmap; the second says how much of it is in use.
            if (line.Start is not { } start || line.End is not { } end || !seen.Add(line.Label)
                || Find(comparer.Layout, line.Label) is not { } predicted)
            {
                continue;
            }

            comparer.Range("layout line " + line.Label, predicted.Start, predicted.End, start.Value, end.Value, Source);
            if (BytesOf(line.Unit) is { } unit)
            {
                comparer.Number("layout line " + line.Label + " size", unchecked(predicted.End - predicted.Start) / unit, line.Size, line.Unit, Source);
            }
        }
    }

    private static (ulong Start, ulong End)? Find(KernelLayout layout, string label)
    {
        Architecture architecture = layout.Inputs.Kernel.Architecture;
        return label switch
        {
            "fixmap" or "fixed" => RegionOf(layout, "fixmap"),
            "cpu_entry" => EntryArea(layout),
            "pkmap" => RegionOf(layout, "pkmap"),
            "vmalloc" => Vmalloc(layout),
            "lowmem" => (layout.PageOffset.Value, layout.HighMemory.Value),
            "modules" when architecture != Architecture.Riscv64 => RegionOf(layout, "modules"),
            "vector" => layout.FindQuantity("vectors") is { } vectors ? (vectors.Value, vectors.Value + 4096) : null,
            "PCI I/O" or "pci io" => RegionOf(layout, "pci-io"),
            "vmemmap" => RegionOf(layout, "vmemmap"),
            "memory" => Memory(layout),
            "kasan" => RegionOf(layout, "kasan"),
            "kernel" => RegionOf(layout, "kernel-image"),
            "DMA" => RegionOf(layout, "consistent-dma"),
            _ => null,
        };
    }

    private static (ulong, ulong)? Vmalloc(KernelLayout layout) =>
        layout.FindQuantity("vmalloc-end") is { } end ? (layout.Vmalloc.Start.Value, end.Value) : RegionOf(layout, "vmalloc");

    // arm64: RAM in the linear map; not to be compared where KASLR may have moved it.
    private static (ulong, ulong)? Memory(KernelLayout layout) =>
        layout.FindQuantity("min-low-pfn") is { } first && layout.FindQuantity("memstart") is { } start
        && layout.FindQuantity("page-shift") is { } shift && layout.FindQuantity("linear-map-slide") is null
            ? (unchecked((first.Value << (int)shift.Value) - start.Value + layout.PageOffset.Value), layout.HighMemory.Value)
            : null;

    private static (ulong, ulong)? EntryArea(KernelLayout layout) =>
        RegionOf(layout, "cpu-entry-area") is var (start, _) && layout.FindQuantity("cpu-entry-area-map-size") is { } size
            ? (start, start + size.Value)
            : null;

    private static (ulong Start, ulong End)? RegionOf(KernelLayout layout, string name) =>
        layout.FindRegion(name) is { IsBounds: false } region ? (region.Range.Start.Value, region.Range.EndExclusive.Value) : null;

    private static ulong? BytesOf(string unit) => unit.ToUpper(CultureInfo.InvariantCulture) switch
    {
        "KB" => Size.KiB,
        "MB" => Size.MiB,
        "GB" => Size.GiB,
        "TB" => Size.TiB,
        _ => null,
    };
}
