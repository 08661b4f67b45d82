using System.Globalization;
using System.Text;
using VmScope.Analysis;
using VmScope.Cli.Commands;
using VmScope.Kernels;

namespace VmScope.Cli.Output.Explain;

/// <summary>An explained list for people: what a reader sees first comes first.</summary>
internal sealed partial class ExplainText
{
    private const int OwnersShown = 14;
    private const int GapsShown = 8;
    private const int GapsMeasured = 1000;

    /// <summary>Below this many columns tables leave out what can be worked out from the rest.</summary>
    private const int NarrowColumns = 72;
    private readonly ListExplanation _list;
    private readonly ExplainSettings _settings;
    private readonly TextWriter _out;
    private readonly int _width;
    private readonly Paint _paint;
    private readonly bool _ascii;

    internal ExplainText(ListExplanation list, ExplainSettings settings, Terminal terminal)
    {
        (_list, _settings, _out) = (list, settings, terminal.Out);
        _width = WidthOf(terminal);
        _paint = new Paint(ColorChoice.Resolve(settings.Color, terminal));
        _ascii = settings.Ascii;
    }

    /// <summary>How many cells a window's bar has on a terminal.</summary>
    internal static int BarCells(Terminal terminal) => WidthOf(terminal) - 4;

    private static int WidthOf(Terminal terminal) => Math.Clamp(terminal.Width, 40, 160);

    private string Dash => _ascii ? "-" : "–";

    internal void Write()
    {
        Header();
        if (_list.Rows == 0)
        {
            Block("", "The list is empty. That of a running kernel never is: most likely the file was copied without permission to read it.");
            return;
        }

        if (_settings.Address is { } address)
        {
            Address(address);
            return;
        }

        foreach (WindowAccount account in _list.Windows)
        {
            Window(account);
        }

        Outside();
        _out.WriteLine();
        if (_settings.By == Grouping.Gap)
        {
            Gaps();
        }
        else
        {
            Owners();
            Gaps();
            OtherWindowTable();
            Reading();
        }

        Findings();
        NextSteps();
    }

    private void Header()
    {
        StringBuilder line = new();
        line.Append(_list.Facts.Kernel is { } kernel ? $"Linux {kernel.Release}" : "Linux, version not known");
        if (_list.Facts.Kernel is { } known && !known.Release.StartsWith(known.Version.ToString(), StringComparison.Ordinal))
        {
            line.Append(CultureInfo.InvariantCulture, $" (upstream {known.Version})");
        }

        line.Append(", ").Append(_list.Architecture == Architecture.Unknown ? "architecture not known" : _list.Architecture.Name());
        if (!_list.ArchitectureWasTold && _list.Architecture != Architecture.Unknown)
        {
            line.Append(" by its addresses");
        }

        line.Append(CultureInfo.InvariantCulture, $", {_list.PageBytes / 1024} KiB pages");
        string source = SafeText.Line(_list.Source);
        string head = SafeText.Line(line.ToString());
        if (head.Length > _width)
        {
            Block("", head);
            _out.WriteLine(_paint.Dim(source));
        }
        else
        {
            _out.WriteLine(_paint.Bold(head) + (head.Length + 3 + source.Length > _width ? "\n" : "   ") + _paint.Dim(source));
        }

        AreaTotals live = _list.Live;
        Block("", string.Create(CultureInfo.InvariantCulture,
            $"{live.Areas:N0} {(live.Areas == 1 ? "area" : "areas")}: {SizeText.Short(live.Bytes)} of addresses, {SizeText.Short(live.GuardBytes)} of them guard pages; {SizeText.Short(live.Pages * _list.PageBytes)} of memory.")
            + (_list.Unpurged.Areas > 0
                ? string.Create(CultureInfo.InvariantCulture, $" {_list.Unpurged.Areas:N0} more {(_list.Unpurged.Areas == 1 ? "is" : "are")} freed but not purged ({SizeText.Short(_list.Unpurged.Bytes)}).")
                : "")
            + (_list.Addresses == AddressState.Hashed ? " Addresses are hashed: see below what that leaves open."
                : _list.Addresses == AddressState.Hidden ? " Addresses are hidden: see below." : ""));
    }

    private void Window(WindowAccount account)
    {
        AddressWindow window = account.Window;
        _out.WriteLine();
        double used = 100.0 * account.CoveredBytes / window.Bytes;
        string share = used is > 0 and < 0.1 ? "under 0.1 %" : used.ToString("0.#", CultureInfo.InvariantCulture) + " %";
        _out.WriteLine($"{_paint.Bold(window.Name)}  {_list.Hex(window.Start)} {Dash} {_list.Hex(window.EndExclusive)}  {SizeText.Short(window.Bytes)}");
        Block("  ", $"{SizeText.Short(account.CoveredBytes)} used ({share}), {SizeText.Short(account.FreeBytes)} free in {SizeText.Grouped((ulong)account.Holes)} {(account.Holes == 1 ? "hole" : "holes")}, the largest "
            + (account.LargestHole.Bytes == 0 ? "none" : $"{SizeText.Short(account.LargestHole.Bytes)} at {_list.Hex(account.LargestHole.Start)}{Fragmentation(account)}"));
        Block("  ", $"bounds {AddressWindow.Word(window.Sureness)}: {window.Source}", dim: true);
        if (account.Bar is null)
        {
            return;
        }

        WindowBar whole = new(account.Bar);
        ulong cells = (ulong)account.Bar.Cells;
        _out.WriteLine("  " + whole.Draw(_paint, _ascii));
        if (account.Zoom is not null)
        {
            WindowBar zoom = new(account.Zoom);
            ulong zoomBytes = account.Zoom.LengthBytes;
            _out.WriteLine("  " + zoom.Draw(_paint, _ascii));
            Block("  ", $"above: the whole window, {SizeText.Short(window.Bytes / cells)} a cell; below it: the {SizeText.Short(zoomBytes)} up to the largest hole, {SizeText.Short(Math.Max(1, zoomBytes / cells))} a cell", dim: true);
            _out.WriteLine(WindowBar.Legend(_paint, _ascii, _width, whole, zoom));
            Block("  ", WindowBar.LegendNote(_paint, _ascii), dim: true);
        }
        else
        {
            Block("  ", $"to scale, {SizeText.Short(Math.Max(1, window.Bytes / cells))} a cell", dim: true);
            _out.WriteLine(WindowBar.Legend(_paint, _ascii, _width, whole));
            Block("  ", WindowBar.LegendNote(_paint, _ascii), dim: true);
        }
    }

    private static string Fragmentation(WindowAccount account)
    {
        if (account.FreeBytes == 0 || account.Holes < 2)
        {
            return "";
        }

        double fragmentation = 1 - ((double)account.LargestHole.Bytes / account.FreeBytes);
        return fragmentation < 0.005 ? "" : string.Create(CultureInfo.InvariantCulture, $" (external fragmentation {fragmentation:0.00}: 1 - largest / free)");
    }

    private void Outside()
    {
        if (_list.Outside.Count > 0)
        {
            _out.WriteLine();
            Block("", string.Create(CultureInfo.InvariantCulture,
                $"{_list.Outside.Count:N0} {(_list.Outside.Count == 1 ? "area" : "areas")} ({SizeText.Short(_list.Outside.Bytes)}) outside these windows, from {_list.Hex(_list.Outside.First.Start)} on."));
        }
    }

    private void Owners()
    {
        List<OwnerLine> lines = OwnerLines.Of(_list, _settings.By, _settings.Sort);
        int shown = _settings.All ? lines.Count : Math.Min(lines.Count, OwnersShown);
        string what = _settings.By switch
        {
            Grouping.Module => "module",
            Grouping.Kind => "kind",
            Grouping.Node => "node",
            Grouping.Caller or Grouping.Gap => "owner",
        };
        bool isNode = _settings.By == Grouping.Node;
        if (isNode && lines.Count == 0)
        {
            Title("Who owns it, by node");
            Block("  ", "No row counts pages by memory node (N0=…): the kernel was built without NUMA, or is too old for it.");
            _out.WriteLine();
            return;
        }

        bool isSum = _settings.By is Grouping.Module or Grouping.Kind || _width < NarrowColumns;
        ColumnTable table = isNode
            ? new(("areas", Side.Right), ("memory", Side.Right), ("pages", Side.Right), (what, Side.Left))
            : isSum ? new(("areas", Side.Right), ("addresses", Side.Right), ("memory", Side.Right), (what, Side.Left))
            : new(("areas", Side.Right), ("addresses", Side.Right), ("memory", Side.Right), ("each", Side.Left), (what, Side.Left));
        ulong restBytes = 0;
        long restAreas = 0;
        List<OwnerLine> described = [];
        for (int i = 0; i < lines.Count; i++)
        {
            OwnerLine line = lines[i];
            if (i >= shown)
            {
                restBytes += line.Totals.Bytes;
                restAreas += line.Totals.Areas;
                continue;
            }

            described.Add(line);
            string areas = SizeText.Grouped((ulong)line.Totals.Areas);
            string bytes = SizeText.Short(line.Totals.Bytes);
            if (isNode)
            {
                table.Add(areas, bytes, SizeText.Grouped(line.Totals.Pages), line.Name);
            }
            else
            {
                string memory = line.Totals.Pages == 0 ? Dash : SizeText.Short(line.Totals.Pages * _list.PageBytes);
                table.Add(isSum ? [areas, bytes, memory, line.Name] : [areas, bytes, memory, Each(line), line.Name]);
            }
        }

        Title($"Who owns it, by {what}");
        table.Write(_out, _width, "  ");
        if (restAreas > 0)
        {
            int left = lines.Count - shown;
            string areas = restAreas == 1 ? "1 area" : $"{SizeText.Grouped((ulong)restAreas)} areas";
            Block("  ", $"{left} more {what}{(left == 1 ? "" : "s")} with {areas} ({SizeText.Short(restBytes)}); --all lists them", dim: true);
        }

        Glossary(described);
        _out.WriteLine();
    }

    /// <summary>What one area of an owner is made of, when all are alike.</summary>
    private string Each(OwnerLine line)
    {
        if (line.Owner is not { } owner)
        {
            return "";
        }

        if (owner.SmallestBytes != owner.LargestBytes)
        {
            return $"{SizeText.Short(owner.SmallestBytes)} {Dash} {SizeText.Short(owner.LargestBytes)}";
        }

        ulong guard = owner.Totals.GuardBytes / (ulong)Math.Max(1, owner.Totals.Areas);
        ulong pages = (owner.SmallestBytes - guard) / _list.PageBytes;
        return (pages == 1 ? "1 page" : $"{SizeText.Grouped(pages)} pages") + (guard > 0 ? " + guard" : "");
    }

    private void Glossary(List<OwnerLine> lines)
    {
        List<string> said = [];
        bool isFirst = true;
        foreach (OwnerLine line in lines)
        {
            string meaning = line.Meaning;
            if (meaning.Length == 0 || said.Contains(meaning))
            {
                continue;
            }

            said.Add(meaning);
            if (isFirst)
            {
                _out.WriteLine(_paint.Dim("  What they are:"));
                isFirst = false;
            }

            string name = SafeText.Line(line.ShortName);
            TextBlock.Write(_out, $"  {_paint.Bold(name)}: ", name.Length + 4, meaning, _width, 6);
        }
    }

    private void Gaps()
    {
        foreach (WindowAccount account in _list.Windows)
        {
            Title(account.Window.Name == "vmalloc" ? "What the gaps are" : $"Gaps of the {account.Window.Name} window");
            ColumnTable kinds = new(("gaps", Side.Right), ("bytes", Side.Right), ("kind", Side.Left), ("what it is", Side.Left)) { WrapsLast = true };
            for (int kind = 0; kind < GapKinds.Count; kind++)
            {
                if (account.CountByGapKind[kind] > 0)
                {
                    kinds.Add(SizeText.Grouped((ulong)account.CountByGapKind[kind]), SizeText.Short(account.BytesByGapKind[kind]),
                        GapKinds.Name((GapKind)kind), GapKinds.Meaning((GapKind)kind));
                }
            }

            kinds.Write(_out, _width, "  ");
            bool every = _settings.All || _settings.By == Grouping.Gap;
            if (account.Window.Name == "vmalloc" || every)
            {
                GapTable(account, every);
            }

            Histogram(account);
            _out.WriteLine();
        }
    }

    private void GapTable(WindowAccount account, bool every)
    {
        ReadOnlySpan<Gap> gaps = every ? account.All : account.Largest;
        int shown = every ? gaps.Length : Math.Min(gaps.Length, GapsShown);
        if (shown == 0)
        {
            return;
        }

        _out.WriteLine(_paint.Dim(every ? "  in address order:" : "  the largest:"));
        ColumnTable table = _width < NarrowColumns
            ? new(("start", Side.Left), ("bytes", Side.Right), ("kind", Side.Left))
            : new(("start", Side.Left), ("end", Side.Left), ("bytes", Side.Right), ("kind", Side.Left), ("", Side.Left));
        // Rows are not kept: there may be several hundred thousand, and the first thousand and the largest are as wide as any.
        foreach (ref readonly Gap gap in gaps[..Math.Min(shown, GapsMeasured)])
        {
            table.Expect(Cells(account, gap));
        }

        foreach (ref readonly Gap gap in account.Largest)
        {
            table.Expect(Cells(account, gap));
        }

        table.WriteHeader(_out, _width, "  ");
        foreach (ref readonly Gap gap in gaps[..shown])
        {
            table.WriteRow(_out, _width, "  ", Cells(account, gap));
        }
    }

    private string[] Cells(WindowAccount account, Gap gap) => _width < NarrowColumns
        ? [_list.Hex(gap.Start), SizeText.Short(gap.Bytes), GapKinds.Name(gap.Kind)]
        : [_list.Hex(gap.Start), _list.Hex(gap.EndExclusive), SizeText.Grouped(gap.Bytes), GapKinds.Name(gap.Kind), Why(account, gap)];

    private static string Why(WindowAccount account, Gap gap)
    {
        if (gap.NextAlignBytes == 0)
        {
            return SizeText.Short(gap.Bytes);
        }

        return gap.EndExclusive == account.Window.EndExclusive
            ? $"chunks are {SizeText.Short(gap.NextAlignBytes)}-aligned"
            : $"above is {SizeText.Short(gap.NextAlignBytes)}-aligned";
    }

    private void Histogram(WindowAccount account)
    {
        if (account.Holes < 5)
        {
            return;
        }

        Block("  ", "holes by size (each row from this size up to twice as much):", dim: true);
        long most = 1;
        for (int log2 = 0; log2 < 64; log2++)
        {
            most = Math.Max(most, account.HistogramAt(log2).Count);
        }

        int room = Math.Clamp(_width - 40, 6, 40);
        for (int log2 = 0; log2 < 64; log2++)
        {
            (long count, ulong bytes) = account.HistogramAt(log2);
            if (count > 0)
            {
                int length = (int)Math.Max(1, count * room / most);
                _out.WriteLine($"  {SizeText.Short(1UL << log2),8}  {SizeText.Grouped((ulong)count),9}  {SizeText.Short(bytes),9}  {_paint.Foreground(39, new string(_ascii ? '#' : '▇', length))}");
            }
        }
    }

    private void Findings()
    {
        if (_list.Findings.Count == 0)
        {
            return;
        }

        Title("Findings");
        foreach (Finding finding in _list.Findings)
        {
            (string word, int color) = finding.Severity switch
            {
                Severity.Error => ("error", 196),
                Severity.Warning => ("warning", 208),
                Severity.Notice => ("notice", 39),
                Severity.Info => ("info", 244),
            };
            string label = $"  {word,-7} ";
            TextBlock.Write(_out, _paint.Foreground(color, label), label.Length, SafeText.Line(finding.Text), _width, label.Length);
            int shown = _settings.All ? finding.Areas.Count : Math.Min(finding.Areas.Count, finding.HasWeight ? 6 : 2);
            for (int i = 0; i < shown; i++)
            {
                string area = SafeText.Line(finding.Areas[i]);
                int room = _width - label.Length - 2;
                _out.WriteLine(new string(' ', label.Length + 2) + _paint.Dim(area.Length > room ? area[..(room - 3)] + "..." : area));
            }
        }

        _out.WriteLine();
    }

    private void NextSteps()
    {
        Title("Next");
        string evidence = _settings.Sample is { } sample ? $" --sample {sample}" : _settings.Evidence is { } path ? " " + SafeText.Line(path) : "";
        if (_list.Addresses == AddressState.Real && _list.Vmalloc is { } account)
        {
            Step($"vmscope fit 1M{evidence}", "would one more mebibyte find room?");
            if (account.Areas > 0)
            {
                Step($"vmscope explain{evidence} --area {_list.Hex(account.FirstArea.Start)}", "what is at an address, and beside it");
            }
        }

        Step($"vmscope explain{evidence} --by kind", "the same sums by kind; also module, node, gap");
        Step($"vmscope explain{evidence} --json", "for scripts");
        if (_list.Addresses != AddressState.Real)
        {
            Step("sudo sysctl kernel.kptr_restrict=1", "then read the list again as root for real addresses");
        }
    }

    private void Step(string command, string what)
    {
        // A command is never broken: it is there to be copied.
        string line = $"  {command}   {what}";
        if (line.Length <= _width)
        {
            _out.WriteLine(SafeText.Line(line));
            return;
        }

        _out.WriteLine(SafeText.Line("  " + command));
        Block("      ", what);
    }

    private void Title(string text) => _out.WriteLine(_paint.Bold(text));

    private void Block(string indent, string text, bool dim = false)
    {
        string safe = SafeText.Line(text);
        if (dim)
        {
            using StringWriter plain = new() { NewLine = "\n" };
            TextBlock.Write(plain, indent, indent.Length, safe, _width, indent.Length);
            foreach (string line in plain.ToString().TrimEnd('\n').Split('\n'))
            {
                _out.WriteLine(_paint.Dim(line));
            }

            return;
        }

        TextBlock.Write(_out, indent, indent.Length, safe, _width, indent.Length);
    }

}
