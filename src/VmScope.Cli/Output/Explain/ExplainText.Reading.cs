using VmScope.Analysis;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Explain;

internal sealed partial class ExplainText
{
    /// <summary>How to read the list, with its own numbers: what sizes mean, and why areas do not touch.</summary>
    private void Reading()
    {
        if (_list.Rows == 0)
        {
            return;
        }

        Title("How to read it");
        Sizes();
        if (_list.Vmalloc is { } account)
        {
            Distances(account);
        }

        PageArrays();
        Nodes();
        _out.WriteLine();
    }

    private void Sizes()
    {
        OwnerRow? example = null;
        bool hasOneEach = false;
        foreach (OwnerRow owner in _list.Owners)
        {
            bool usable = owner.Totals.Pages > 0 && owner.SmallestBytes == owner.LargestBytes && owner.Totals.GuardBytes > 0 && owner.Id != 0;
            bool isOneEach = owner.Known?.OneEach is not null;
            bool better = example is null || (isOneEach == hasOneEach ? owner.Totals.Areas > example.Totals.Areas : isOneEach);
            hasOneEach = usable && better ? isOneEach : hasOneEach;
            example = usable && better ? owner : example;
        }

        string text = "Sizes are bytes of addresses, end minus start, and count the guard page: the last page of an area, where nothing is mapped, so that running over the end faults instead of hitting a neighbour.";
        if (example is not null)
        {
            ulong pages = (example.SmallestBytes / _list.PageBytes) - 1;
            string name = example.Caller!.PlainFunction;
            string number = example.Totals.Areas == 1 ? "The area" : $"Each of the {SizeText.Grouped((ulong)example.Totals.Areas)} areas";
            string one = example.Known?.OneEach is { } each ? $", one area for each {each}" : "";
            text += $" {number} of {name} is {SizeText.Grouped(example.SmallestBytes)} bytes: {(pages == 1 ? "1 page" : SizeText.Grouped(pages) + " pages")} of {SizeText.Grouped(_list.PageBytes)} bytes and one guard page{one}.";
        }

        Point(text);
    }

    private void Distances(WindowAccount account)
    {
        if (account.Touching > 0)
        {
            string places = account.Touching == 1 ? "In 1 place an area begins where the one below ends" : $"In {SizeText.Grouped((ulong)account.Touching)} places an area begins where the one below ends";
            Point($"{places}. What can be used does not touch even there: the guard page of the lower one lies between"
                + (HasGuardless() ? ", where it has one: mappings fixed at boot and blocks of vm_map_ram have none." : "."));
        }

        List<string> reasons = [];
        Reason(reasons, account, GapKind.Alignment, "is alignment: ioremap starts an area at a multiple of a power of two as large as the area (kernel stacks, huge pages and per-CPU chunks have alignments of their own)",
            "are alignment: ioremap starts an area at a multiple of a power of two as large as the area (kernel stacks, huge pages and per-CPU chunks have alignments of their own)");
        Reason(reasons, account, GapKind.Free, "is free: a neighbour that was here has been freed, or nothing ever was", "are free: neighbours that were there have been freed, or nothing ever was");
        Reason(reasons, account, GapKind.Unpurged, "is a freed area that waits for a purge", "are freed areas that wait for a purge");
        Reason(reasons, account, GapKind.GapPage, "is the page this kernel keeps empty behind an area", "are the page this kernel keeps empty behind every area");
        if (reasons.Count > 0)
        {
            Point("Where areas do not touch: " + string.Join("; ", reasons) + ".");
        }

        foreach (OwnerRow owner in _list.Owners)
        {
            if (owner.Id != 0 && _list.IsPercpu(owner.Id))
            {
                Point("The areas of pcpu_get_vm_areas are per-CPU chunks: placed from the top of the window downwards, far from everything else, which is placed from the bottom up; they have no guard page.");
                break;
            }
        }
    }

    /// <summary>Whether areas without a guard page may touch others; per-CPU chunks lie apart and have a point of their own.</summary>
    private bool HasGuardless()
    {
        foreach (OwnerRow owner in _list.Owners)
        {
            if (owner.Totals is { Areas: > 0, GuardBytes: 0 } && !(owner.Id != 0 && _list.IsPercpu(owner.Id)))
            {
                return true;
            }
        }

        return false;
    }

    private static void Reason(List<string> reasons, WindowAccount account, GapKind kind, string one, string many)
    {
        long count = account.CountByGapKind[(int)kind];
        if (count > 0)
        {
            reasons.Add(count == 1 ? $"1 gap {one}" : $"{SizeText.Grouped((ulong)count)} gaps {many}");
        }
    }

    private void PageArrays()
    {
        foreach (OwnerRow owner in _list.Owners)
        {
            if ((owner.Words & AreaFlags.Vpages) != AreaFlags.None)
            {
                Point("The word 'vpages' marks an area so large that the array of its page pointers did not fit the slab: that array is an area of the same owner, placed right after it.");
                return;
            }
        }
    }

    private void Nodes()
    {
        int used = 0;
        int only = 0;
        ulong pages = 0;
        for (int node = 0; node < _list.Nodes.Length; node++)
        {
            if (_list.Nodes[node].Pages > 0)
            {
                used++;
                only = node;
                pages += _list.Nodes[node].Pages;
            }
        }

        if (used == 1)
        {
            string all = pages == 1 ? "the 1 page counted here lies" : $"all {SizeText.Grouped(pages)} pages counted here lie";
            Point($"N{only}=… counts pages by memory node: {all} on node {only}.");
        }
        else if (used > 1)
        {
            Point($"N0=…, N1=… count pages by memory node: {used} nodes hold {SizeText.Grouped(pages)} pages; --by node sums them.");
        }
    }

    private void Point(string text) => TextBlock.Write(_out, _ascii ? "  - " : "  • ", 4, SafeText.Line(_ascii ? text.Replace("…", "...", StringComparison.Ordinal) : text), _width, 4);
}
