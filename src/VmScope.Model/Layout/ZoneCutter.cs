namespace VmScope.Layout;

/// <summary>One run of RAM, in page frames, end exclusive; only whole pages.</summary>
internal readonly record struct FrameRun(ulong Start, ulong End);

/// <summary>One zone's upper limit in frames, exclusive.</summary>
internal readonly record struct ZoneLimit(string Name, ulong EndFrame);

/// <summary>Cuts memory into zones, node by node, as the architecture-independent code does.</summary>
/// <remarks>
/// A zone begins where the one below it ends and is clamped to its node's first and last frame of RAM. Source:
/// mm/page_alloc.c, free_area_init_nodes() (mm/mm_init.c, free_area_init() since 6.4), zone_spanned_pages_in_node().
/// </remarks>
internal static class ZoneCutter
{
    /// <summary>Adds the zones of every node.</summary>
    /// <param name="builder">Where they go.</param>
    /// <param name="ram">Runs of RAM frames, lowest first.</param>
    /// <param name="limits">The zones, lowest first; a limit below the one before makes an empty zone.</param>
    /// <param name="fromZero">Whether the first zone begins at frame 0 whatever the RAM.</param>
    /// <param name="emptyZones">Zones that exist and are empty, appended to every node.</param>
    /// <param name="pageShift">log2 of the page size.</param>
    /// <param name="cutsMovable">Whether <c>kernelcore=</c> and <c>movablecore=</c> are followed.</param>
    internal static void Cut(LayoutBuilder builder, List<FrameRun> ram, ReadOnlySpan<ZoneLimit> limits, bool fromZero,
        ReadOnlySpan<string> emptyZones, int pageShift = 12, bool cutsMovable = false)
    {
        StateLimits(builder, ram, limits, fromZero);
        ulong first = ram.Count == 0 ? 0 : ram[0].Start;
        int[] numbers = [0];
        List<FrameRun>[] nodes = [ram];
        if (!builder.Inputs.NumaRanges.IsDefaultOrEmpty)
        {
            numbers = [.. builder.Inputs.NumaRanges.Select(range => range.Node).Distinct().Order()];
            nodes = Array.ConvertAll(numbers, node => RamOf(builder, node, ram, pageShift));
        }

        ulong usable = fromZero ? 0 : first;
        ulong below = usable;
        foreach (ZoneLimit limit in limits)
        {
            usable = limit.EndFrame > below ? below : usable;
            below = Math.Max(limit.EndFrame, below);
        }

        ulong[] movable = cutsMovable ? MovableZone.Starts(builder.Inputs.Kernel.CommandLine, nodes, usable) : new ulong[nodes.Length];
        for (int i = 0; i < nodes.Length; i++)
        {
            CutNode(builder, numbers[i], nodes[i], limits, fromZero, first, emptyZones, movable[i]);
        }
    }

    /// <summary>The runs of one NUMA node.</summary>
    private static List<FrameRun> RamOf(LayoutBuilder builder, int node, List<FrameRun> ram, int pageShift)
    {
        List<FrameRun> own = [];
        foreach (NumaRange range in builder.Inputs.NumaRanges)
        {
            if (range.Node != node)
            {
                continue;
            }

            ulong start = range.Range.Start.Value >> pageShift;
            ulong end = (range.Range.Last.Value >> pageShift) + 1;
            foreach (FrameRun run in ram)
            {
                ulong from = Math.Max(run.Start, start);
                ulong to = Math.Min(run.End, end);
                if (to > from)
                {
                    own.Add(new FrameRun(from, to));
                }
            }
        }

        own.Sort(static (left, right) => left.Start.CompareTo(right.Start));
        return own;
    }

    /// <summary>The zones of the whole machine, as "Zone ranges:" prints them: each begins where the one below ends.</summary>
    private static void StateLimits(LayoutBuilder builder, List<FrameRun> ram, ReadOnlySpan<ZoneLimit> limits, bool fromZero)
    {
        const string source = "mm/page_alloc.c (mm/mm_init.c from 6.4), free_area_init()";
        ulong below = builder.Frames("zone-first-pfn", "arch_zone_lowest_possible_pfn", fromZero || ram.Count == 0 ? 0 : ram[0].Start,
            fromZero ? "0" : "the first frame of RAM", source);
        foreach (ZoneLimit limit in limits)
        {
            below = Math.Max(limit.EndFrame, below);
            builder.Frames(QuantityOf(limit.Name), "arch_zone_highest_possible_pfn", below,
                "the upper limit of the zone, not below that of the zone under it", source);
        }
    }

    private static string QuantityOf(string zone) => zone switch
    {
        "DMA" => "zone-dma-end-pfn",
        "DMA32" => "zone-dma32-end-pfn",
        "Normal" => "zone-normal-end-pfn",
        _ => "zone-highmem-end-pfn",
    };

    private static void CutNode(LayoutBuilder builder, int node, List<FrameRun> ram, ReadOnlySpan<ZoneLimit> limits,
        bool fromZero, ulong firstOfMachine, ReadOnlySpan<string> emptyZones, ulong movableStart)
    {
        ulong nodeStart = ram.Count == 0 ? 0 : ram[0].Start;
        ulong nodeEnd = ram.Count == 0 ? 0 : ram[^1].End;
        nodeStart = fromZero && node == 0 ? 0 : nodeStart;
        ulong below = fromZero ? 0 : firstOfMachine;
        foreach (ZoneLimit limit in limits)
        {
            ulong zoneEnd = Math.Max(limit.EndFrame, below);
            ulong start = Math.Clamp(nodeStart, below, zoneEnd);
            ulong end = Math.Clamp(nodeEnd, below, zoneEnd);
            builder.Zone(ZoneOf(limit.Name, node, ram, start, movableStart == 0 ? end : Math.Min(end, movableStart)));
            below = zoneEnd;
        }

        foreach (string name in emptyZones)
        {
            builder.Zone(name == "Movable" && movableStart != 0
                ? ZoneOf(name, node, ram, movableStart, Math.Min(nodeEnd, below))
                : new Zone(name, node, StartPfn: 0, SpannedPages: 0, PresentPages: 0));
        }
    }

    private static Zone ZoneOf(string name, int node, List<FrameRun> ram, ulong start, ulong end)
    {
        if (end <= start)
        {
            return new Zone(name, node, StartPfn: 0, SpannedPages: 0, PresentPages: 0);
        }

        ulong present = 0;
        foreach (FrameRun run in ram)
        {
            ulong from = Math.Max(run.Start, start);
            ulong to = Math.Min(run.End, end);
            present += to > from ? to - from : 0;
        }

        return new Zone(name, node, start, end - start, present);
    }
}
