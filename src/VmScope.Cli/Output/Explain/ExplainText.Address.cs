using System.Globalization;
using VmScope.Analysis;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Explain;

internal sealed partial class ExplainText
{
    private void Address(ulong address)
    {
        _out.WriteLine();
        if (_list.AtAddress is not { } answer)
        {
            Block("", $"{_list.Hex(address)}: cannot be told, because this list does not show real addresses.");
            Findings();
            return;
        }

        string at = _list.Hex(address);
        switch (answer.Place)
        {
            case AddressPlace.Area:
                InArea(at, answer, $"byte {answer.OffsetInPage} of page {answer.Page} of an area");
                break;
            case AddressPlace.Guard:
                InArea(at, answer, "the guard page of an area: nothing is mapped here, so that running over the area's end faults instead of hitting a neighbour");
                break;
            case AddressPlace.Unpurged:
                InArea(at, answer, "a freed area that waits for the next purge: nothing is mapped here any more, and nobody can have it yet");
                break;
            case AddressPlace.Hole:
                Block("", $"{at} is free: a hole of the {answer.Window!.Name} window, {_list.Hex(answer.HoleStart)} {Dash} {_list.Hex(unchecked(answer.HoleStart + answer.HoleBytes))}, {SizeText.Short(answer.HoleBytes)} ({SizeText.Grouped(answer.HoleBytes)} bytes).");
                break;
            case AddressPlace.GapPage:
                Block("", $"{at} is in the page that this kernel keeps empty behind every area, beside the guard page inside it: nothing is placed here while the area below lives.");
                break;
            case AddressPlace.Outside:
                Block("", $"{at} lies outside every window that vmalloc hands out here.");
                break;
        }

        Neighbour("below", answer.Below, answer, isBelow: true);
        Neighbour("above", answer.Above, answer, isBelow: false);
    }

    private void InArea(string at, AddressAnswer answer, string what)
    {
        VmallocRow row = answer.Area!.Value;
        Block("", $"{at} is {what}.");
        Block("  ", $"area   {_list.Hex(row.Start)} {Dash} {_list.Hex(row.End)}, {SizeText.Grouped(row.SizeBytes)} bytes{Parts(row, answer.GuardBytes)}");
        if (row.Caller != 0)
        {
            string caller = _list.Texts.Text(row.Caller);
            KnownCaller? known = KnownCallers.Find(caller);
            Block("  ", $"owner  {caller}: {(known is null ? "not in the table of known owners" : known.Meaning)}");
        }

        if (row.Has(AreaFlags.HasPhys))
        {
            ulong physical = row.Phys + (answer.Address - row.Start);
            Block("  ", answer.Place == AddressPlace.Area
                ? string.Create(CultureInfo.InvariantCulture, $"memory physical 0x{row.Phys:x} on; this address is physical 0x{physical:x}")
                : string.Create(CultureInfo.InvariantCulture, $"memory physical 0x{row.Phys:x} on"));
        }
    }

    private string Parts(in VmallocRow row, ulong guard)
    {
        ulong usable = (row.SizeBytes - guard) / _list.PageBytes;
        string pages = usable == 1 ? "1 page" : SizeText.Grouped(usable) + " pages";
        return row.Has(AreaFlags.Unpurged) ? "" : guard > 0 ? $" = {pages} and a guard page" : $" = {pages}, no guard page";
    }

    private void Neighbour(string where, VmallocRow? neighbour, AddressAnswer answer, bool isBelow)
    {
        if (neighbour is not { } row)
        {
            Block("  ", $"{where}  nothing");
            return;
        }

        ulong edge = answer.Area is { } area ? (isBelow ? area.Start : area.End) : (isBelow ? answer.HoleStart : unchecked(answer.HoleStart + answer.HoleBytes));
        if (answer.Place == AddressPlace.Outside)
        {
            edge = answer.Address;
        }

        ulong distance = isBelow ? unchecked(edge - row.End) : unchecked(row.Start - edge);
        string gap = distance == 0 ? "touches it" : $"{SizeText.Short(distance)} away";
        Block("  ", $"{where}  {_list.Hex(row.Start)} {Dash} {_list.Hex(row.End)}  {(row.Caller == 0 ? ListedKinds.Name(ListedKinds.Of(row.Flags)) : _list.Texts.Text(row.Caller))} ({gap})");
    }
}
