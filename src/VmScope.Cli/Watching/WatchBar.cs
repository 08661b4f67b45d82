namespace VmScope.Cli.Watching;

/// <summary>A stretch of addresses as one line of blocks and one line of change marks.</summary>
/// <param name="Filled">How full each column's addresses are.</param>
/// <param name="Changes">+ where areas appeared since the sample before, - where they vanished, * for both.</param>
internal readonly record struct WatchBar(string Filled, string Changes)
{
    internal static WatchBar Of(WatchArea window, WatchSample now, WatchSample? before, int width, bool usesUnicode)
    {
        double[] filled = new double[width];
        Fill(filled, window, now.Areas);
        string signs = usesUnicode ? " ░▒▓█" : " .:+#";
        double perColumn = (double)(window.End - window.Start) / width;
        char[] line = new char[width];
        for (int i = 0; i < width; i++)
        {
            double share = filled[i] / perColumn;
            // Any area at all shows, and only a full column is solid.
            line[i] = share <= 0 ? signs[0] : share > 0.999 ? signs[4] : signs[1 + Math.Min((int)(share * 3), 2)];
        }

        char[] changes = new char[width];
        Array.Fill(changes, ' ');
        if (before is { AddressesAreReal: true })
        {
            HashSet<WatchArea> old = [.. before.Areas];
            HashSet<WatchArea> current = [.. now.Areas];
            Mark(changes, window, now.Areas.Where(area => !old.Contains(area)), '+');
            Mark(changes, window, before.Areas.Where(area => !current.Contains(area)), '-');
        }

        return new WatchBar(new string(line), new string(changes).TrimEnd());
    }

    private static void Fill(double[] columns, WatchArea window, IReadOnlyList<WatchArea> areas)
    {
        double perColumn = (double)(window.End - window.Start) / columns.Length;
        foreach (WatchArea area in areas)
        {
            if (area.End <= window.Start || area.Start >= window.End)
            {
                continue;
            }

            double from = Math.Max(area.Start, window.Start) - window.Start;
            double to = Math.Min(area.End, window.End) - window.Start;
            int last = Math.Min((int)(to / perColumn), columns.Length - 1);
            for (int column = (int)(from / perColumn); column <= last && column < columns.Length; column++)
            {
                columns[column] += Math.Max(Math.Min(to, (column + 1) * perColumn) - Math.Max(from, column * perColumn), 0);
            }
        }
    }

    private static void Mark(char[] columns, WatchArea window, IEnumerable<WatchArea> areas, char sign)
    {
        double perColumn = (double)(window.End - window.Start) / columns.Length;
        foreach (WatchArea area in areas)
        {
            if (area.Start < window.Start || area.Start >= window.End)
            {
                continue;
            }

            int first = Math.Min((int)((area.Start - window.Start) / perColumn), columns.Length - 1);
            int last = Math.Min((int)((Math.Min(area.End, window.End) - 1 - window.Start) / perColumn), columns.Length - 1);
            for (int column = first; column <= last; column++)
            {
                columns[column] = columns[column] == ' ' || columns[column] == sign ? sign : '*';
            }
        }
    }
}
