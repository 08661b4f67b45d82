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
        if (evidence.Kind == EvidenceKind.LiveMachine || !evidence.TryOpen(Source, out Stream stream))
        {
            return;
        }

        List<KcoreSegment> segments;
        using (stream)
        {
            segments = KcoreSegments.Read(stream, evidence.Describe(Source));
        }

        if (segments.Count == 0)
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
        ulong bytes = layout.Vmalloc.SizeBytes;

        // x86-64 and old riscv define VMALLOC_END inclusive and take the difference for the length: one byte short.
        ulong last = layout.FindQuantity("vmalloc-end") is { } end && (end.Value & 1) == 1
            ? layout.Vmalloc.Start.Value + (bytes - 2)
            : layout.Vmalloc.Last.Value;
        ulong length = last - layout.Vmalloc.Start.Value;
        foreach (KcoreSegment segment in segments)
        {
            if (segment.Physical is not null || !window.Contains(new VirtualAddress(segment.Start)) || segment.Last - segment.Start < bytes / 2)
            {
                continue;
            }

            if (comparer.HasRandomBases)
            {
                comparer.Within("kcore vmalloc", window, segment.Start, segment.Last, Source);
                comparer.Number("kcore vmalloc size", length + 1, segment.Last - segment.Start + 1, "bytes", Source);
            }
            else
            {
                comparer.Range("kcore vmalloc", layout.Vmalloc.Start.Value, unchecked(last + 1), segment.Start, unchecked(segment.Last + 1), Source);
            }

            return;
        }

        comparer.Add("kcore vmalloc", comparer.RangeText(layout.Vmalloc.Start.Value, unchecked(last + 1)), "no such segment", agrees: false, Source);
    }

    private static void DirectMap(Comparer comparer, List<KcoreSegment> segments)
    {
        KernelLayout layout = comparer.Layout;
        if (layout.FindRegion("direct-map") is not { } map)
        {
            return;
        }

        ulong physicalBase = (layout.FindQuantity("phys-ram-base") ?? layout.FindQuantity("memstart") ?? layout.FindQuantity("phys-offset"))?.Value ?? 0;
        ulong offset = unchecked(layout.PageOffset.Value - physicalBase);
        ulong? end = null;
        ulong? stray = null;
        ulong? observedOffset = null;
        foreach (KcoreSegment segment in segments)
        {
            if (segment.Physical is not { } physical || !map.Range.Contains(new VirtualAddress(segment.Start)))
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
        if (comparer.HasRandomBases)
        {
            comparer.Within("kcore direct map", map.Range, unchecked(observed + physicalBase), unchecked(observedEnd - 1), Source);
            comparer.Add("kcore direct map base", "a multiple of 1 GiB", comparer.Hex(observed), observed % Size.GiB == 0 && stray is null, Source);
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
        ulong? first = null;
        ulong last = 0;
        foreach (KcoreSegment segment in segments)
        {
            bool isVmalloc = segment.Last - segment.Start >= comparer.Layout.Vmalloc.SizeBytes / 2;
            if (segment.Physical is null && !isVmalloc && vmemmap.Range.Contains(new VirtualAddress(segment.Start)))
            {
                first = Math.Min(first ?? ulong.MaxValue, segment.Start);
                last = Math.Max(last, segment.Last);
            }
        }

        if (first is { } start)
        {
            comparer.Within("kcore vmemmap", vmemmap.Range, start, last, Source);
        }
    }
}
