using System.Globalization;
using VmScope.Cli.Output;

namespace VmScope.Cli.Watching;

/// <summary>What the screen says beside the history.</summary>
/// <param name="Title">Machine and kernel.</param>
/// <param name="State">Interval, recording, replay position.</param>
/// <param name="Cost">What the last sample cost.</param>
internal readonly record struct WatchStatus(string Title, string State, string Cost);

/// <summary>Draws a history and a view as lines of text for a terminal of some size.</summary>
/// <remarks>Colour only repeats what signs say: the second line of the bar marks changes, deltas carry a sign.</remarks>
internal sealed class WatchScreen(bool usesUnicode, Paint paint)
{
    private const int NarrowestColumns = 24;
    private const int FewestRows = 5;
    private const int Green = 2;
    private const int Red = 1;
    private const int Yellow = 3;
    private const string Help =
        "q quit   p pause   s sort   f filter (Enter keeps, Esc clears)   m mark: deltas count from here   arrows, PgUp, PgDn scroll   left/right step a replay   any key closes this";

    private readonly Sparkline _sparkline = new(usesUnicode);

    /// <summary>Rows of the table a screen of this height shows.</summary>
    internal static int TableRows(int height) => Math.Max(height - 7, 1);

    /// <summary>The lines, none wider than the screen and as many as it has rows.</summary>
    internal string[] Draw(WatchHistory history, WatchView view, WatchStatus status, int width, int height)
    {
        string[] lines = new string[Math.Max(height, 1)];
        Array.Fill(lines, "");
        if (width < NarrowestColumns || height < FewestRows)
        {
            lines[0] = Cut("terminal too small", width);
            return lines;
        }

        int row = 0;
        void Line(string plain, Func<string, string>? painted = null)
        {
            if (row < lines.Length - 1)
            {
                string cut = Cut(plain, width);
                lines[row++] = painted is null ? cut : painted(cut);
            }
        }

        Line(Spread($"vmscope watch  {SafeText.Line(status.Title)}", status.State, width), paint.Bold);
        WatchSample? last = history.Last;
        if (history.Missing is { } missing)
        {
            Line($"! {SafeText.Line(missing)}{(last is null ? "" : "; shown is the sample of " + Time(last.Time))}", text => paint.Foreground(Red, text));
        }

        if (last is not null)
        {
            Line(Summary(history, last, width));
            if (history.Window is { } window && last.AddressesAreReal)
            {
                WatchBar bar = WatchBar.Of(window, last, history.Before, width, usesUnicode);
                Line(bar.Filled);
                Line(bar.Changes, text => paint.Foreground(Yellow, text));
                Line("largest hole " + _sparkline.Of(history.LargestHoles, Math.Min(width - "largest hole ".Length, WatchHistory.Kept)));
            }
        }

        if (view.ShowsHelp)
        {
            foreach (string line in Wrapped(Help, width))
            {
                Line(line);
            }
        }
        else if (last is not null)
        {
            Table(history, view, width, Math.Max(lines.Length - 2 - row, 1), Line);
        }

        lines[^1] = Cut(view.Typing is { } typing ? $"filter: {SafeText.Line(typing)}_" : Footer(history, view, status, width), width);
        return lines;
    }

    private static string Footer(WatchHistory history, WatchView view, WatchStatus status, int width)
    {
        string filter = view.Filter.Length > 0 ? $"  filter:{SafeText.Line(view.Filter)}" : "";
        string keys = string.Create(CultureInfo.InvariantCulture,
            $"{(view.IsPaused ? "PAUSED  " : "")}q:quit ?:help  sort:{view.Sort.ToString().ToLowerInvariant()}{filter}  +/- since #{history.MarkNumber}");
        return Spread(keys, status.Cost, width);
    }

    /// <summary>As many clauses as fit: a number cut in two would be another number.</summary>
    private static string Summary(WatchHistory history, WatchSample last, int width)
    {
        string window = last.VmallocTotalKiB is { } total ? $" of {SizeText.Short(total * 1024)}" : "";
        string[] clauses =
        [
            string.Create(CultureInfo.InvariantCulture, $"{last.AreaCount} {(last.AreaCount == 1 ? "area" : "areas")}, {SizeText.Short(last.Bytes)}"),
            window,
            history.LargestHoles.Count > 0 && history.LargestHoles[^1] is { } bytes ? $", largest hole {SizeText.Short(bytes)}" : "",
            last.UnpurgedCount > 0 ? $", {SizeText.Short(last.UnpurgedBytes)} unpurged" : "",
            last.AddressesAreReal || last.AreaCount == 0 ? "" : ", addresses hidden",
        ];
        string text = "";
        foreach (string clause in clauses.TakeWhile(clause => text.Length + clause.Length <= width))
        {
            text += clause;
        }

        return text;
    }

    private void Table(WatchHistory history, WatchView view, int width, int room, Action<string, Func<string, string>?> line)
    {
        IEnumerable<OwnerLine> matching = history.Owners()
            .Where(owner => view.Filter.Length == 0 || owner.Name.Contains(view.Filter, StringComparison.OrdinalIgnoreCase));
        List<OwnerLine> owners = [.. Sorted(matching, view.Sort)];
        int pageRows = Math.Max(room - 1, 1);
        view.LimitScroll(owners.Count, pageRows);
        (int name, int spark, bool areas, bool deltas) = Columns(width);
        line(Row("OWNER", "AREAS", "+/-", "BYTES", "+/-", ""), null);
        foreach (OwnerLine owner in owners.Skip(view.Scroll).Take(pageRows))
        {
            string text = Row(SafeText.Line(owner.Name), Number(owner.Now.Areas), Signed(owner.AreasMore), SizeText.Short(owner.Now.Bytes),
                SignedBytes(owner.BytesMore), _sparkline.Of(history.BytesOf(owner.Name), spark));
            int color = owner.BytesMore > 0 ? Red : Green;
            line((owner.JustChanged ? "*" : " ") + text[1..], owner.JustChanged ? cut => paint.Foreground(color, cut) : null);
        }

        string Row(string owner, string count, string more, string bytes, string bytesMore, string history) =>
            " " + Fit(owner, name) + (areas ? count.PadLeft(8) : "") + (areas && deltas ? more.PadLeft(7) : "") + bytes.PadLeft(10)
            + (deltas ? bytesMore.PadLeft(12) : "") + (spark > 0 ? "  " + history : "");
    }

    /// <summary>What fits: first the sparkline goes, then the deltas, then the counts.</summary>
    private static (int Name, int Spark, bool Areas, bool Deltas) Columns(int width)
    {
        int spark = width >= 90 ? Math.Clamp((width - 66) / 2, 12, 40) : 0;
        bool deltas = width >= 60;
        bool areas = width >= 40;
        int used = 1 + (areas ? 8 : 0) + (areas && deltas ? 7 : 0) + 10 + (deltas ? 12 : 0) + (spark > 0 ? spark + 2 : 0);
        return (Math.Max(width - used, 8), spark, areas, deltas);
    }

    private static IEnumerable<OwnerLine> Sorted(IEnumerable<OwnerLine> owners, WatchSort sort) => sort switch
    {
        WatchSort.Areas => owners.OrderByDescending(owner => owner.Now.Areas).ThenBy(owner => owner.Name, StringComparer.Ordinal),
        WatchSort.Growth => owners.OrderByDescending(owner => owner.BytesMore).ThenByDescending(owner => owner.Now.Bytes).ThenBy(owner => owner.Name, StringComparer.Ordinal),
        WatchSort.Name => owners.OrderBy(owner => owner.Name, StringComparer.Ordinal),
        _ => owners.OrderByDescending(owner => owner.Now.Bytes).ThenBy(owner => owner.Name, StringComparer.Ordinal),
    };

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Signed(long value) => value == 0 ? "" : value.ToString("+#,0;-#,0", CultureInfo.InvariantCulture);

    private static string SignedBytes(Int128 value) =>
        value == 0 ? "" : (value > 0 ? "+" : "-") + SizeText.Short((ulong)(value > 0 ? value : -value));

    private static string Time(DateTimeOffset time) => time.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Spread(string left, string right, int width) =>
        left.Length + right.Length + 2 > width ? left : left + new string(' ', width - left.Length - right.Length) + right;

    private static string Fit(string text, int width) => text.Length <= width ? text.PadRight(width) : text[..(width - 1)] + "~";

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..Math.Max(width, 0)];

    private static IEnumerable<string> Wrapped(string text, int width)
    {
        string line = "";
        foreach (string item in text.Split("   "))
        {
            if (line.Length > 0 && line.Length + item.Length + 3 > width)
            {
                yield return line;
                line = "";
            }

            line += line.Length == 0 ? item : "   " + item;
        }

        yield return line;
    }
}
