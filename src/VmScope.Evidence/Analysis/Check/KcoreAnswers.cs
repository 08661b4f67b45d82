using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>What the program headers of /proc/kcore say: the vmalloc window, the direct map, modules, the page array.</summary>
/// <remarks>Source: fs/proc/kcore.c, proc_kcore_init() and kcore_update_ram(); arch/*/mm/init.c for modules.</remarks>
internal static class KcoreAnswers
{
    private const string Source = "kcore";

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        // A capture lists the headers as text; the file of a running machine is memory itself.
        if (evidence.Kind == EvidenceKind.LiveMachine || evidence.ReadIfSound(Source, KcoreSegments.Read) is not { Count: > 0 } segments)
        {
            return;
        }

        Vmalloc(comparer, segments);
        DirectMap(comparer, segments);
        Modules(comparer, segments);
        PageArray(comparer, segments);
    }

    private static void Vmalloc(Comparer comparer, List<KcoreSegment> segments)
    {
        KernelLayout layout = comparer.Layout;
        VirtualRange window = AreaWindows.Vmalloc(layout);
        ulong bytes = layout.Vmalloc.SizeBytes - (HasInclusiveEnd(layout) ? 1UL : 0UL);
        ulong start = layout.Vmalloc.Start.Value;
        foreach (KcoreSegment segment in segments)
        {
            if (segment.Physical is not null || !window.Contains(new VirtualAddress(segment.Start)) || segment.Last - segment.Start < bytes / 2)
            {
                continue;
            }

            if (layout.FindRegion("vmalloc") is { Random: not null } region)
            {
                comparer.Base("kcore vmalloc start", region, segment.Start, Source);
                comparer.Number("kcore vmalloc size", bytes, unchecked(segment.Last - segment.Start + 1), "bytes", Source);
            }
            else
            {
                comparer.Range("kcore vmalloc", start, unchecked(start + bytes), segment.Start, unchecked(segment.Last + 1), Source);
            }

            return;
        }

        comparer.Add("kcore vmalloc", comparer.RangeText(start, unchecked(start + bytes)), "no such segment", agrees: false, Source);
    }

    // VMALLOC_END is the last address there, and the length of the segment the difference of the two: one byte short.
    private static bool HasInclusiveEnd(KernelLayout layout) =>
        layout.Inputs.Kernel.Architecture == Architecture.X64 || layout.Vmalloc.SizeBytes % Size.KiB != 0
        || layout.VmallocTotalKiB < layout.Vmalloc.SizeBytes / Size.KiB;

    private static void DirectMap(Comparer comparer, List<KcoreSegment> segments)
    {
        KernelLayout layout = comparer.Layout;
        if (layout.FindRegion("direct-map") is not { } map)
        {
            return;
        }

        ulong physicalBase = (layout.FindQuantity("phys-ram-base") ?? layout.FindQuantity("memstart") ?? layout.FindQuantity("phys-offset"))?.Value ?? 0;
        ulong offset = unchecked(layout.PageOffset.Value - physicalBase);
        VirtualRange reach = AreaWindows.Reach(map, unchecked(layout.HighMemory.Value - layout.PageOffset.Value));
        ulong? end = null;
        ulong? stray = null;
        ulong? observedOffset = null;
        foreach (KcoreSegment segment in segments)
        {
            if (segment.Physical is not { } physical || !reach.Contains(new VirtualAddress(segment.Start)))
            {
                continue;
            }

            ulong difference = unchecked(segment.Start - physical);
            observedOffset ??= difference;
            stray ??= difference == observedOffset ? null : segment.Start;
            end = Math.Max(end ?? 0, unchecked(segment.Last + 1));
        }

        if (end is not { } observedEnd || observedOffset is not { } observed)
        {
            return;
        }

        ulong slide = unchecked(observed - offset);
        if (map.Random is not null)
        {
            comparer.Base("kcore direct map start", map, unchecked(observed + physicalBase), Source);
            comparer.Number("kcore direct map size", unchecked(layout.HighMemory.Value - layout.PageOffset.Value), unchecked(observedEnd - (observed + physicalBase)),
                "bytes", Source);
            return;
        }

        bool slides = comparer.IsSlide(slide);
        ulong expected = slides ? unchecked(layout.HighMemory.Value + slide) : layout.HighMemory.Value;
        comparer.Add("kcore direct map",
            comparer.RangeText(layout.PageOffset.Value, expected),
            comparer.RangeText(unchecked(observed + physicalBase - (slides ? slide : 0)), observedEnd),
            (slide == 0 || slides) && observedEnd == expected && stray is null, Source);
    }

    private static void Modules(Comparer comparer, List<KcoreSegment> segments)
    {
        // On 32 bits modules are inside the vmalloc window and have no segment.
        if (comparer.Layout.FindRegion("modules") is not { Inside: null } modules)
        {
            return;
        }

        foreach (KcoreSegment segment in segments)
        {
            if (segment.Physical is not null || segment.Last < modules.Range.Start.Value || segment.Start > modules.Range.Last.Value)
            {
                continue;
            }

            if (modules.IsBounds)
            {
                comparer.Within("kcore modules", modules.Range, segment.Start, segment.Last, Source);
            }
            else
            {
                comparer.Range("kcore modules", modules.Range.Start.Value, modules.Range.EndExclusive.Value, segment.Start,
                    unchecked(segment.Last + 1), Source);
            }
        }
    }

    private static void PageArray(Comparer comparer, List<KcoreSegment> segments)
    {
        if (comparer.Layout.FindRegion("vmemmap") is not { } vmemmap)
        {
            return;
        }

        // Pieces of it are listed wherever RAM is described; the lowest and the highest bound them.
        VirtualRange reach = AreaWindows.Reach(vmemmap);
        ulong? first = null;
        ulong last = 0;
        foreach (KcoreSegment segment in segments)
        {
            bool isVmalloc = segment.Last - segment.Start >= comparer.Layout.Vmalloc.SizeBytes / 2;
            if (segment.Physical is null && !isVmalloc && reach.Contains(new VirtualAddress(segment.Start)))
            {
                first = Math.Min(first ?? ulong.MaxValue, segment.Start);
                last = Math.Max(last, segment.Last);
            }
        }

        if (first is { } start)
        {
            comparer.Within("kcore vmemmap", reach, start, last, Source);
        }
    }
}
