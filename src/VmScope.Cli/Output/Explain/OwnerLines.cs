using VmScope.Analysis;
using VmScope.Cli.Commands;

namespace VmScope.Cli.Output.Explain;

/// <summary>A line of the owners table, whatever it is summed by.</summary>
/// <param name="Name">Owner, module, kind or node.</param>
/// <param name="Module">The module of an owner; null for the kernel itself.</param>
/// <param name="Totals">The sums.</param>
/// <param name="Owner">The owner; null when the line is not one owner.</param>
/// <param name="Kind">The kind, for lines by kind; null otherwise.</param>
internal sealed record OwnerLine(string Name, string? Module, AreaTotals Totals, OwnerRow? Owner, ListedKind? Kind)
{
    /// <summary>What it is, in words; empty when there is nothing to say.</summary>
    internal string Meaning =>
        Kind is { } kind ? ListedKinds.Meaning(kind)
        : Owner is null || Owner.Id == 0 ? ""
        : Owner.Known?.Meaning ?? "not in the table of known owners";

    /// <summary>The name without what changes from build to build.</summary>
    internal string ShortName => Owner?.Caller is { IsRawAddress: false } caller ? caller.PlainFunction : Name;
}

/// <summary>The lines of the owners table.</summary>
internal static class OwnerLines
{
    internal static List<OwnerLine> Of(ListExplanation list, Grouping by, OwnerOrder order)
    {
        List<OwnerLine> lines = by switch
        {
            Grouping.Module => ByModule(list),
            Grouping.Kind => ByKind(list),
            Grouping.Node => ByNode(list),
            Grouping.Caller or Grouping.Gap => ByCaller(list),
        };
        if (by == Grouping.Node && order == OwnerOrder.Bytes)
        {
            return lines;
        }

        if (by != Grouping.Caller || order != OwnerOrder.Bytes)
        {
            lines.Sort((left, right) => Compare(left, right, order));
        }

        return lines;
    }

    private static int Compare(OwnerLine left, OwnerLine right, OwnerOrder order)
    {
        int by = order switch
        {
            OwnerOrder.Bytes => right.Totals.Bytes.CompareTo(left.Totals.Bytes),
            OwnerOrder.Areas => right.Totals.Areas.CompareTo(left.Totals.Areas),
            OwnerOrder.Pages => right.Totals.Pages.CompareTo(left.Totals.Pages),
            OwnerOrder.Name => 0,
        };
        return by != 0 ? by : string.CompareOrdinal(left.Name, right.Name);
    }

    private static List<OwnerLine> ByCaller(ListExplanation list)
    {
        List<OwnerLine> lines = new(list.Owners.Count);
        foreach (OwnerRow owner in list.Owners)
        {
            string? module = owner.Caller?.Module;
            lines.Add(new OwnerLine(module is null ? owner.Name : $"{owner.Name} [{module}]", module, owner.Totals, owner, Kind: null));
        }

        return lines;
    }

    private static List<OwnerLine> ByModule(ListExplanation list)
    {
        Dictionary<string, AreaTotals> sums = new(StringComparer.Ordinal);
        foreach (OwnerRow owner in list.Owners)
        {
            string module = owner.Caller is null ? "(no owner)" : owner.Caller.Module ?? "(kernel)";
            AreaTotals sum = sums.GetValueOrDefault(module);
            sum.Areas += owner.Totals.Areas;
            sum.Bytes += owner.Totals.Bytes;
            sum.Pages += owner.Totals.Pages;
            sum.GuardBytes += owner.Totals.GuardBytes;
            sums[module] = sum;
        }

        List<OwnerLine> lines = [];
        foreach ((string module, AreaTotals sum) in sums)
        {
            lines.Add(new OwnerLine(module, module.StartsWith('(') ? null : module, sum, Owner: null, Kind: null));
        }

        return lines;
    }

    private static List<OwnerLine> ByKind(ListExplanation list)
    {
        List<OwnerLine> lines = [];
        for (int kind = 0; kind < ListedKinds.Count; kind++)
        {
            if (list.Kinds[kind].Areas > 0)
            {
                lines.Add(new OwnerLine(ListedKinds.Name((ListedKind)kind), Module: null, list.Kinds[kind], Owner: null, (ListedKind)kind));
            }
        }

        return lines;
    }

    private static List<OwnerLine> ByNode(ListExplanation list)
    {
        List<OwnerLine> lines = [];
        for (int node = 0; node < list.Nodes.Length; node++)
        {
            if (list.Nodes[node].Areas > 0)
            {
                lines.Add(new OwnerLine($"node {node}", Module: null, list.Nodes[node], Owner: null, Kind: null));
            }
        }

        return lines;
    }
}
