using System.Globalization;
using System.Text;
using VmScope.Proc;
using VmScope.Recording;
using VmScope.Vmalloc;

namespace VmScope.Cli.Watching;

/// <summary>What one owner holds.</summary>
internal readonly record struct OwnerSums(long Areas, ulong Bytes);

/// <summary>A run of addresses; the end is exclusive.</summary>
internal readonly record struct WatchArea(ulong Start, ulong End);

/// <summary>One snapshot, summed for the screen.</summary>
internal sealed class WatchSample
{
    /// <summary>Areas further apart than this lie in different clusters: a 64-bit window is almost empty.</summary>
    private const ulong ClusterGapBytes = 1024 * 1024 * 1024;

    private WatchSample(DateTimeOffset time) => Time = time;

    internal DateTimeOffset Time { get; }

    /// <summary>Why there is no list; null when there is one.</summary>
    internal string? Missing { get; private init; }

    internal IReadOnlyDictionary<string, OwnerSums> Owners { get; private init; } = new Dictionary<string, OwnerSums>(StringComparer.Ordinal);

    /// <summary>Live areas in address order; empty when addresses are not real.</summary>
    internal IReadOnlyList<WatchArea> Areas { get; private init; } = [];

    internal long AreaCount { get; private init; }

    internal ulong Bytes { get; private init; }

    internal ulong UnpurgedBytes { get; private init; }

    internal long UnpurgedCount { get; private init; }

    internal bool AddressesAreReal { get; private init; }

    internal ulong? VmallocTotalKiB { get; private init; }

    /// <summary>Bytes of all files of the sample.</summary>
    internal long FileBytes { get; private init; }

    /// <summary>Sums a snapshot.</summary>
    /// <param name="snapshot">The files.</param>
    /// <param name="whyMissing">What to say when it holds no list.</param>
    internal static WatchSample Of(RecordedSnapshot snapshot, string whyMissing)
    {
        long fileBytes = snapshot.Files.Sum(file => (long)file.Bytes.Length);
        if (snapshot.File("vmallocinfo") is not { } text)
        {
            return new WatchSample(snapshot.Time) { Missing = whyMissing, FileBytes = fileBytes };
        }

        using MemoryStream stream = new(text.ToArray(), writable: false);
        VmallocReport report = VmallocInfoReader.ReadReport(stream, "vmallocinfo", new DiagnosticList());
        Dictionary<int, OwnerSums> byCaller = [];
        List<WatchArea> areas = new(report.Rows.Length);
        ulong bytes = 0;
        ulong unpurgedBytes = 0;
        long unpurged = 0;
        bool real = true;
        foreach (ref readonly VmallocRow row in report.Rows)
        {
            if (row.Has(AreaFlags.Unpurged))
            {
                unpurged++;
                unpurgedBytes = unchecked(unpurgedBytes + row.SizeBytes);
                continue;
            }

            real &= row.AddressesMatchSize && row.End > row.Start;
            bytes = unchecked(bytes + row.SizeBytes);
            int key = row.Has(AreaFlags.VmMapRam) ? -1 : row.Caller;
            OwnerSums sums = byCaller.GetValueOrDefault(key);
            byCaller[key] = new OwnerSums(sums.Areas + 1, unchecked(sums.Bytes + row.SizeBytes));
            areas.Add(new WatchArea(row.Start, row.End));
        }

        if (real)
        {
            areas.Sort(static (left, right) => left.Start.CompareTo(right.Start));
        }

        return new WatchSample(snapshot.Time)
        {
            Owners = Names(report, byCaller),
            Areas = real ? areas : [],
            AreaCount = report.Rows.Length - unpurged,
            Bytes = bytes,
            UnpurgedBytes = unpurgedBytes,
            UnpurgedCount = unpurged,
            AddressesAreReal = real && areas.Count > 0,
            VmallocTotalKiB = snapshot.File("meminfo") is { } meminfo ? VmallocTotal(meminfo.Span) : null,
            FileBytes = fileBytes,
        };
    }

    /// <summary>The stretch most areas lie in: bounded by gaps no 32-bit window could have.</summary>
    internal WatchArea? LargestCluster()
    {
        WatchArea? best = null;
        int bestCount = 0;
        int first = 0;
        ulong end = 0;
        for (int i = 0; i <= Areas.Count; i++)
        {
            bool isCut = i == Areas.Count || (i > first && Areas[i].Start > end && Areas[i].Start - end > ClusterGapBytes);
            if (isCut && i > first)
            {
                if (i - first > bestCount)
                {
                    (best, bestCount) = (new WatchArea(Areas[first].Start, end), i - first);
                }

                first = i;
                end = 0;
            }

            if (i < Areas.Count)
            {
                end = Math.Max(end, Areas[i].End);
            }
        }

        return best;
    }

    /// <summary>The largest hole inside a stretch of addresses.</summary>
    internal ulong LargestHole(WatchArea window)
    {
        ulong largest = 0;
        ulong at = window.Start;
        foreach (WatchArea area in Areas)
        {
            if (area.End <= window.Start)
            {
                continue;
            }

            if (area.Start >= window.End)
            {
                break;
            }

            if (area.Start > at)
            {
                largest = Math.Max(largest, area.Start - at);
            }

            at = Math.Max(at, area.End);
        }

        return window.End > at ? Math.Max(largest, window.End - at) : largest;
    }

    private static Dictionary<string, OwnerSums> Names(VmallocReport report, Dictionary<int, OwnerSums> byCaller)
    {
        Dictionary<string, OwnerSums> owners = new(StringComparer.Ordinal);
        foreach ((int id, OwnerSums sums) in byCaller)
        {
            string name = id switch
            {
                -1 => "vm_map_ram",
                0 => "(no owner)",
                _ => NameOf(VmallocCaller.Parse(report.Texts.Text(id))),
            };
            OwnerSums before = owners.GetValueOrDefault(name);
            owners[name] = new OwnerSums(before.Areas + sums.Areas, unchecked(before.Bytes + sums.Bytes));
        }

        return owners;
    }

    private static string NameOf(VmallocCaller caller) =>
        (caller.IsRawAddress ? caller.Text : caller.Function) + (caller.Module is { } module ? $" [{module}]" : "");

    private static ulong? VmallocTotal(ReadOnlySpan<byte> meminfo)
    {
        int at = meminfo.IndexOf("VmallocTotal:"u8);
        if (at < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> line = meminfo[(at + "VmallocTotal:".Length)..];
        int end = line.IndexOf((byte)'k');
        return end > 0 && ulong.TryParse(Encoding.ASCII.GetString(line[..end]).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong kib) ? kib : null;
    }
}
