using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Where zone Movable begins on each node when <c>kernelcore=</c> or <c>movablecore=</c> ask for one.</summary>
/// <remarks>
/// The memory the kernel may use freely is spread evenly over the nodes that have any; what the zones below the highest
/// one hold counts against a node's share, and a node too small for its share leaves the rest to the others. Source:
/// mm/page_alloc.c, find_zone_movable_pfns_for_nodes(), cmdline_parse_core(), 2.6.23 (percentages: 4.17); mm/mm_init.c
/// from 6.4.
/// </remarks>
internal static class MovableZone
{
    /// <summary>Frames of the largest block of the page allocator on x86; the zone begins at a multiple of it.</summary>
    private const ulong BlockFrames = 1024;

    /// <summary>The first frame of zone Movable on each node; 0 where it has none.</summary>
    /// <param name="commandLine">The boot options.</param>
    /// <param name="nodes">The runs of RAM frames of each node, lowest first; a node without RAM has none.</param>
    /// <param name="usableStart">The first frame of the highest zone that has frames: only that one is cut.</param>
    internal static ulong[] Starts(KernelCommandLine commandLine, IReadOnlyList<List<FrameRun>> nodes, ulong usableStart)
    {
        ulong[] starts = new ulong[nodes.Count];
        ulong total = nodes.Aggregate(0UL, static (sum, node) => sum + Frames(node));
        ulong kernel = Asked(commandLine, "kernelcore", total);
        if (Asked(commandLine, "movablecore", total) is var movable and not 0)
        {
            kernel = Math.Max(kernel, total - Math.Min(Align.Up(movable, BlockFrames), total));
        }

        if (kernel == 0 || kernel >= total)
        {
            return starts;
        }

        ulong usable = (ulong)nodes.Count(static node => node.Count > 0);
        do
        {
            ulong share = kernel / usable;
            for (int node = 0; node < starts.Length; node++)
            {
                if (nodes[node].Count == 0)
                {
                    continue;
                }

                share = kernel < share ? kernel / usable : share;
                starts[node] = Take(nodes[node], starts[node], usableStart, share, ref kernel);
            }

            usable--;
        }
        while (usable > 0 && kernel > usable);

        for (int node = 0; node < starts.Length; node++)
        {
            starts[node] = Align.Up(starts[node], BlockFrames);
            if (nodes[node].Count == 0 || starts[node] >= nodes[node][^1].End)
            {
                starts[node] = 0;
            }
        }

        return starts;
    }

    /// <summary>Gives one node its share and answers how far that reaches.</summary>
    private static ulong Take(List<FrameRun> runs, ulong reached, ulong usableStart, ulong share, ref ulong kernel)
    {
        foreach (FrameRun run in runs)
        {
            ulong start = Math.Max(run.Start, reached);
            if (start >= run.End)
            {
                continue;
            }

            if (start < usableStart)
            {
                ulong below = Math.Min(run.End, usableStart) - start;
                share -= Math.Min(below, share);
                kernel -= Math.Min(below, kernel);
                if (run.End <= usableStart)
                {
                    reached = run.End;
                    continue;
                }

                start = usableStart;
            }

            ulong taken = Math.Min(run.End - start, share);
            reached = start + taken;
            kernel -= Math.Min(kernel, taken);
            share -= taken;
            if (share == 0)
            {
                break;
            }
        }

        return reached;
    }

    private static ulong Frames(List<FrameRun> runs) => runs.Aggregate(0UL, static (sum, run) => sum + run.End - run.Start);

    /// <summary>The frames an option asks for; 0 when it asks for none.</summary>
    private static ulong Asked(KernelCommandLine commandLine, string name, ulong total)
    {
        if (commandLine.Last(name) is not { } text || KernelCommandLine.MemoryParse(text, out string rest) is not { } number)
        {
            return 0;
        }

        return rest.StartsWith('%') ? total * Math.Min(number, 100) / 100 : number / 4096;
    }

    /// <summary>The option that asks for memory in a way not followed here; null when there is none.</summary>
    internal static string? NotFollowed(KernelCommandLine commandLine) =>
        commandLine.Has("movable_node") ? "movable_node"
        : commandLine.Last("kernelcore") == "mirror" ? "kernelcore=mirror"
        : null;
}
