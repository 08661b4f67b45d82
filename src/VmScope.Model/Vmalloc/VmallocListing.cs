using System.Globalization;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>Lists a modelled vmalloc area as that kernel's /proc/vmallocinfo does.</summary>
/// <remarks>Source: mm/vmalloc.c, s_show(), show_purge_info(), vmalloc_info_show(), 2.6.28 to 7.1.</remarks>
public static class VmallocListing
{
    /// <summary>How much of the address space one node's list owns in a row (era of pools).</summary>
    private const ulong NodeBytes = 64 * Size.KiB;

    /// <summary>The list as this kernel would print it.</summary>
    /// <param name="memory">The area.</param>
    /// <param name="withNodes">Whether the kernel prints pages by NUMA node.</param>
    public static VmallocReport Report(VmallocMemory memory, bool withNodes = false)
    {
        Func<int, int>? nodeOf = withNodes ? memory.NodeOf : null;
        VmallocReportBuilder builder = new();
        VmallocUseFacts uses = memory.Environment.Uses;
        bool is64Bit = memory.Environment.Setup.Is64Bit;
        List<VmallocArea> areas = [.. memory.Areas];
        List<FreeBlock> lazy = [];
        memory.Space.CopyLazyTo(lazy);
        if (uses.Unpurged == UnpurgedLines.InPlace)
        {
            int next = 0;
            foreach (FreeBlock block in lazy.OrderBy(block => block.Start))
            {
                for (; next < areas.Count && areas[next].Start.Value < block.Start; next++)
                {
                    AddArea(builder, areas[next], memory.Environment, nodeOf);
                }

                AddUnpurged(builder, block, is64Bit);
            }

            AddAreas(builder, areas.Skip(next), memory.Environment, nodeOf);
            return builder.Build();
        }

        int nodes = memory.Environment.Setup.Nodes;
        AddAreas(builder, nodes == 1 ? areas : areas.OrderBy(area => NodeOf(area.Start.Value, nodes)), memory.Environment, nodeOf);
        switch (uses.Unpurged)
        {
            case UnpurgedLines.LastFreedFirst or UnpurgedLines.MergedAscending when areas.Count == 0
                || (areas[^1].Kind is AreaKind.MapRam or AreaKind.MapRamBlock && uses.Unpurged == UnpurgedLines.LastFreedFirst):
                // Quirk: the last busy area prints them, and a vm_map_ram one returns before it does.
                break;
            case UnpurgedLines.LastFreedFirst:
                for (int i = lazy.Count - 1; i >= 0; i--)
                {
                    AddUnpurged(builder, lazy[i], is64Bit);
                }

                break;
            case UnpurgedLines.MergedAscending:
                foreach (FreeBlock block in Merged(lazy))
                {
                    AddUnpurged(builder, block, is64Bit);
                }

                break;
            case UnpurgedLines.NodeByNode:
                // An area waits in the list of the node whose CPU asked for it, wherever its address lies.
                List<(int Node, FreeBlock Area)> waiting = [];
                memory.Space.CopyLazyTo(waiting);
                foreach ((_, FreeBlock block) in waiting.OrderBy(entry => entry.Node).ThenBy(entry => entry.Area.Start))
                {
                    AddUnpurged(builder, block, is64Bit);
                }

                break;
        }

        return builder.Build();
    }

    private static void AddAreas(VmallocReportBuilder builder, IEnumerable<VmallocArea> areas, VmallocEnvironment environment, Func<int, int>? nodeOf)
    {
        foreach (VmallocArea area in areas)
        {
            AddArea(builder, area, environment, nodeOf);
        }
    }

    private static ulong NodeOf(ulong address, int nodes) => address / NodeBytes % (ulong)nodes;

    private static void AddArea(VmallocReportBuilder builder, VmallocArea area, VmallocEnvironment environment, Func<int, int>? nodeOf)
    {
        (VmallocUseFacts uses, bool is64Bit) = (environment.Uses, environment.Setup.Is64Bit);
        if (area.Kind is AreaKind.MapRam or AreaKind.MapRamBlock)
        {
            if (uses.MapRamLines)
            {
                builder.Add(Row(builder, area.Start.Value, area.SizeBytes, "", AreaFlags.VmMapRam, is64Bit), []);
            }

            return;
        }

        AreaFlags words = area.Kind switch
        {
            AreaKind.Ioremap => AreaFlags.Ioremap,
            AreaKind.Vmap => AreaFlags.Vmap,
            AreaKind.Vmalloc or AreaKind.Stack or AreaKind.Module or AreaKind.Percpu => AreaFlags.Vmalloc,
            AreaKind.MapRam or AreaKind.MapRamBlock => AreaFlags.VmMapRam,
        };
        words |= area.IsUser ? AreaFlags.User : AreaFlags.None;
        words |= area.PageArray is not null ? AreaFlags.Vpages : AreaFlags.None;
        VmallocRow row = Row(builder, area.Start.Value, area.SizeBytes, area.Caller, words, is64Bit);
        if (area.OwnsFrames)
        {
            row.Flags |= AreaFlags.HasPages;
            row.Pages = (uint)area.SmallPages;
        }

        if (area.Device is { Value: not 0 } device)
        {
            row.Flags |= AreaFlags.HasPhys | (uses.PhysPrefixed ? AreaFlags.PhysPrefixed : AreaFlags.None);
            row.Phys = device.Value;
            row.PhysDigits = uses.PhysPrefixed
                ? environment.PhysicalDigits
                : (byte)device.Value.ToString("x", CultureInfo.InvariantCulture).Length;
        }

        builder.Add(row, nodeOf is not null && area.OwnsFrames ? [.. PagesByNode(area, nodeOf)] : []);
    }

    /// <summary>Pages on each node that has any; a large page lies on one.</summary>
    private static IEnumerable<NodePages> PagesByNode(VmallocArea area, Func<int, int> nodeOf) =>
        area.Frames.GroupBy(nodeOf).OrderBy(group => group.Key)
            .Select(group => new NodePages(group.Key, (uint)group.Count() << (area.PageShift - 12)));

    private static void AddUnpurged(VmallocReportBuilder builder, FreeBlock block, bool is64Bit) =>
        builder.Add(Row(builder, block.Start, block.SizeBytes, "", AreaFlags.Unpurged, is64Bit), []);

    private static VmallocRow Row(VmallocReportBuilder builder, ulong start, ulong sizeBytes, string caller, AreaFlags words, bool is64Bit) => new()
    {
        Start = start,
        End = unchecked(start + sizeBytes),
        SizeBytes = sizeBytes,
        Caller = builder.Texts.Intern(caller),
        Flags = words,
        AddressDigits = is64Bit ? (byte)16 : (byte)8,
    };

    private static List<FreeBlock> Merged(List<FreeBlock> blocks)
    {
        List<FreeBlock> sorted = [.. blocks.OrderBy(block => block.Start)];
        List<FreeBlock> merged = [];
        foreach (FreeBlock block in sorted)
        {
            if (merged.Count > 0 && merged[^1].End == block.Start)
            {
                merged[^1] = merged[^1] with { End = block.End };
            }
            else
            {
                merged.Add(block);
            }
        }

        return merged;
    }
}
