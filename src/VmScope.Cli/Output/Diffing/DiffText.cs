using System.Collections.Immutable;
using System.Globalization;
using VmScope.Analysis;

namespace VmScope.Cli.Output.Diffing;

/// <summary>Prints a comparison for people.</summary>
internal static class DiffText
{
    internal const string NoGrowth = "What the last list has more than the first is a difference between boots or machines, not growth over time.";

    internal static void Write(DiffReport report, DiffWindows windows, ImmutableArray<DiffInput> inputs, int lines, Terminal terminal)
    {
        TextWriter output = terminal.Out;
        int width = Math.Clamp(terminal.Width, 40, 200);
        DiffSummary first = report.Snapshots[0];
        DiffSummary last = report.Snapshots[^1];
        string apart = report.Hours is { } hours
            ? $", {Length(TimeSpan.FromHours(hours))} apart by {Clock(inputs[0].TimeSource)}"
            : "; when they were taken is not known, so there is no growth per hour";
        TextBlock.Write(output, "", 0, SafeText.Line($"{report.Snapshots.Length} snapshots, {first.Name} to {last.Name}{apart}."), width, 2);
        if (report.MatchingReason is { } reason)
        {
            TextBlock.Write(output, "", 0, SafeText.Line($"Areas are matched by size and owner: {reason}."), width, 2);
        }

        if (report.AreOfDifferentBoots)
        {
            TextBlock.Write(output, "", 0, NoGrowth, width, 2);
        }

        output.WriteLine();
        Windows(report, windows, output, width);
        Suspects(report, output, width);
        Groups("By owner", report.ByOwner.Where(IsChanged), lines, report.Hours is not null, output, width);
        Groups("By module", report.ByModule.Where(IsChanged), lines, report.Hours is not null, output, width);
        Groups("By kind", report.ByKind.Where(IsChanged), lines, report.Hours is not null, output, width);
        Groups("By physical range", report.ByPhys.Where(IsChanged), lines, report.Hours is not null, output, width);
        Rows("Appeared", report.Appeared, lines, output, width);
        Rows("Vanished", report.Vanished, lines, output, width);
    }

    internal static string Length(TimeSpan time)
    {
        (double amount, string unit) = time.TotalDays >= 2 ? (time.TotalDays, "days")
            : time.TotalHours >= 2 ? (time.TotalHours, "hours")
            : time.TotalMinutes >= 2 ? (time.TotalMinutes, "minutes")
            : (time.TotalSeconds, "seconds");
        return string.Create(CultureInfo.InvariantCulture, $"{amount:0.#} {unit}");
    }

    private static string Clock(string? source) => source switch
    {
        "recorded" => "the recorder's clock",
        "uptime" => "the machine's uptime",
        "file time" => "the files' times",
        _ => "their own times",
    };

    internal static bool IsChanged(DiffGroup group) => group.Appeared > 0 || group.Vanished > 0 || group.BytesMore != 0;

    private static void Windows(DiffReport report, DiffWindows windows, TextWriter output, int width)
    {
        ColumnTable table = new(("", Side.Left), ("areas", Side.Right), ("bytes", Side.Right), ("unpurged", Side.Right), ("free", Side.Right), ("holes", Side.Right), ("largest hole", Side.Right), ("fragmentation", Side.Right));
        Add("then", report.Snapshots[0]);
        Add("now", report.Snapshots[^1]);
        foreach (DiffWindow window in windows.Items)
        {
            if (window.Then is { } then)
            {
                AddWindow($"{window.Name} then", then);
            }

            AddWindow($"{window.Name} now", window.Now);
        }

        table.Write(output, width);
        output.WriteLine();

        void Add(string name, DiffSummary summary) => table.Add(name, Grouped(summary.Areas), SizeText.Grouped(summary.Bytes),
            SizeText.Grouped(summary.UnpurgedBytes), "", "", "", "");
        void AddWindow(string name, WindowAccount account) => table.Add(name, Grouped(account.Areas), SizeText.Grouped(account.CoveredBytes), "",
            SizeText.Short(account.FreeBytes), Grouped(account.Holes), SizeText.Short(DiffWindows.LargestHole(account)),
            DiffWindows.Fragmentation(account).ToString("0.00", CultureInfo.InvariantCulture));
    }

    private static void Suspects(DiffReport report, TextWriter output, int width)
    {
        if (report.Suspects.IsEmpty)
        {
            output.WriteLine("Nothing looks like a leak.");
            output.WriteLine();
            return;
        }

        output.WriteLine(report.Suspects.Length == 1 ? "One leak suspect:" : $"{report.Suspects.Length} leak suspects, strongest first:");
        int number = 0;
        foreach (LeakSuspect suspect in report.Suspects)
        {
            number++;
            string rate = suspect.Group.BytesPerHour is { } perHour ? $", {Signed(perHour)} bytes per hour" : "";
            TextBlock.Write(output, $"{number}. ", 3, SafeText.Line($"{suspect.Owner}: {Signed(suspect.Group.AreasMore)} areas, {Signed((double)suspect.Group.BytesMore)} bytes{rate}"), width, 3);
            foreach (string reason in suspect.Reasons)
            {
                TextBlock.Write(output, "   - ", 5, SafeText.Line(reason), width, 5);
            }
        }

        output.WriteLine();
    }

    private static void Groups(string title, IEnumerable<DiffGroup> groups, int lines, bool hasRate, TextWriter output, int width)
    {
        DiffGroup[] all = [.. groups];
        if (all.Length == 0 || lines == 0)
        {
            return;
        }

        output.WriteLine($"{title}:");
        ColumnTable table = hasRate
            ? new(("areas", Side.Right), ("+/-", Side.Right), ("bytes", Side.Right), ("+/-", Side.Right), ("per hour", Side.Right), ("", Side.Left))
            : new(("areas", Side.Right), ("+/-", Side.Right), ("bytes", Side.Right), ("+/-", Side.Right), ("", Side.Left));
        foreach (DiffGroup group in all.OrderByDescending(group => Int128.Abs(group.BytesMore)).ThenBy(group => group.Name, StringComparer.Ordinal).Take(lines))
        {
            List<string> cells = [Grouped(group.Areas[^1]), Signed(group.AreasMore), SizeText.Grouped(group.Bytes[^1]), Signed((double)group.BytesMore)];
            if (hasRate)
            {
                cells.Add(Signed(group.BytesPerHour ?? 0));
            }

            cells.Add(group.Name);
            table.Add([.. cells]);
        }

        table.Write(output, width, "  ");
        More(all.Length - lines, output);
    }

    private static void Rows(string title, ImmutableArray<DiffRow> rows, int lines, TextWriter output, int width)
    {
        if (rows.IsEmpty || lines == 0)
        {
            return;
        }

        output.WriteLine($"{title} ({Grouped(rows.Length)}):");
        ColumnTable table = new(("from", Side.Left), ("bytes", Side.Right), ("kind", Side.Left), ("owner", Side.Left)) { ShowHeader = false };
        foreach (DiffRow row in rows.Take(lines))
        {
            table.Add($"0x{row.Start:x8}", SizeText.Grouped(row.SizeBytes), row.Kind, row.Owner + (row.Phys is { } phys ? $" phys=0x{phys:x}" : ""));
        }

        table.Write(output, width, "  ");
        More(rows.Length - lines, output);
    }

    private static void More(int count, TextWriter output)
    {
        if (count > 0)
        {
            output.WriteLine($"  … {Grouped(count)} more");
        }

        output.WriteLine();
    }

    private static string Grouped(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Signed(double value) => value == 0 ? "0" : value.ToString("+#,0;-#,0;0", CultureInfo.InvariantCulture);
}
