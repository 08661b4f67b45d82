namespace VmScope.Cli.Watching;

/// <summary>One line of the table of owners.</summary>
/// <param name="Name">The owner.</param>
/// <param name="Now">What it holds now.</param>
/// <param name="AreasMore">Areas more (or fewer) than at the mark.</param>
/// <param name="BytesMore">Bytes more (or fewer) than at the mark.</param>
/// <param name="JustChanged">Whether the last sample changed it.</param>
internal sealed record OwnerLine(string Name, OwnerSums Now, long AreasMore, Int128 BytesMore, bool JustChanged);

/// <summary>The samples so far, as far as the screen needs them.</summary>
internal sealed class WatchHistory
{
    /// <summary>Samples a sparkline can show.</summary>
    internal const int Kept = 120;

    private readonly List<WatchSample> _samples = [];
    private readonly List<ulong?> _largestHoles = [];

    /// <summary>Samples seen, kept or not.</summary>
    internal long Count { get; private set; }

    /// <summary>The last sample that held a list; null before the first.</summary>
    internal WatchSample? Last { get; private set; }

    /// <summary>The list before it; null when there is none.</summary>
    internal WatchSample? Before { get; private set; }

    /// <summary>The list deltas count from.</summary>
    internal WatchSample? Mark { get; private set; }

    /// <summary>Number of the sample deltas count from.</summary>
    internal long MarkNumber { get; private set; } = 1;

    /// <summary>Why the last sample held no list; null when it held one.</summary>
    internal string? Missing { get; private set; }

    /// <summary>The stretch of addresses the bar shows.</summary>
    internal WatchArea? Window { get; private set; }

    /// <summary>The bounds of the vmalloc window when they are known; otherwise the stretch the areas lie in.</summary>
    internal WatchArea? KnownWindow { get; init; }

    /// <summary>Adds a sample.</summary>
    internal void Add(WatchSample sample)
    {
        Count++;
        Missing = sample.Missing;
        if (sample.Missing is not null)
        {
            _largestHoles.Add(null);
            Trim(_largestHoles);
            return;
        }

        Before = Last;
        Last = sample;
        Mark ??= sample;
        _samples.Add(sample);
        Trim(_samples);
        if (sample.AddressesAreReal)
        {
            WatchArea? cluster = sample.LargestCluster();
            Window = KnownWindow ?? (cluster is { } now && Window is { } shown
                ? new WatchArea(Math.Min(now.Start, shown.Start), Math.Max(now.End, shown.End))
                : cluster);
        }

        _largestHoles.Add(Window is { } window && sample.AddressesAreReal ? sample.LargestHole(window) : null);
        Trim(_largestHoles);
    }

    /// <summary>Counts deltas from the last sample on.</summary>
    internal void SetMark() => (Mark, MarkNumber) = (Last ?? Mark, Count);

    /// <summary>The largest holes so far, oldest first; null where a sample had none to offer.</summary>
    internal IReadOnlyList<ulong?> LargestHoles => _largestHoles;

    /// <summary>What an owner held in each kept sample.</summary>
    internal IEnumerable<ulong?> BytesOf(string owner) => _samples.Select(sample => (ulong?)sample.Owners.GetValueOrDefault(owner).Bytes);

    /// <summary>The owners, those that vanished since the mark included.</summary>
    internal IEnumerable<OwnerLine> Owners()
    {
        if (Last is null)
        {
            yield break;
        }

        foreach (string name in Last.Owners.Keys.Union(Mark!.Owners.Keys, StringComparer.Ordinal))
        {
            OwnerSums now = Last.Owners.GetValueOrDefault(name);
            OwnerSums mark = Mark.Owners.GetValueOrDefault(name);
            bool changed = Before is not null && Before.Owners.GetValueOrDefault(name) != now;
            yield return new OwnerLine(name, now, now.Areas - mark.Areas, (Int128)now.Bytes - mark.Bytes, changed);
        }
    }

    private static void Trim<T>(List<T> list)
    {
        if (list.Count > Kept)
        {
            list.RemoveAt(0);
        }
    }
}
