using System.Collections.Immutable;
using System.Globalization;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Compares two or more lists of areas.</summary>
public static class SnapshotDiff
{
    /// <summary>Lists compared at once; a longer recording is thinned by its reader.</summary>
    public const int SnapshotsMax = 10_000;

    /// <summary>Compares the lists in the order given.</summary>
    /// <exception cref="ArgumentException">Fewer than two lists, or too many.</exception>
    public static DiffReport Compare(IReadOnlyList<DiffSnapshot> snapshots)
    {
        if (snapshots.Count is < 2 or > SnapshotsMax)
        {
            throw new ArgumentException($"{snapshots.Count} snapshots; 2 to {SnapshotsMax} can be compared", nameof(snapshots));
        }

        DiffTexts texts = new();
        List<DiffArea[]> lists = [.. snapshots.Select(snapshot => texts.Areas(snapshot.Areas))];
        string? otherKernel = OtherKernel(snapshots);
        (DiffMatching matching, string? reason, bool areOfDifferentBoots) = otherKernel is null ? Matching(snapshots, lists) : (DiffMatching.BySizeAndOwner, otherKernel, true);
        double? hours = Hours(snapshots, areOfDifferentBoots);
        DiffGrouping grouping = new(texts, lists, matching, hours);
        ImmutableArray<DiffGroup> byOwner = grouping.By(area => area.Owner);
        return new DiffReport
        {
            Snapshots = [.. snapshots.Select((snapshot, i) => Summary(snapshot, lists[i]))],
            Matching = matching,
            MatchingReason = reason,
            AreOfDifferentBoots = areOfDifferentBoots,
            Hours = hours,
            Appeared = Rows(texts, lists, matching, of: lists.Count - 1, without: 0),
            Vanished = Rows(texts, lists, matching, of: 0, without: lists.Count - 1),
            ByOwner = byOwner,
            ByModule = grouping.By(area => area.Module),
            ByKind = grouping.By(area => area.Kind),
            ByPhys = [.. grouping.By(area => area.PhysRange).Where(group => group.Name.Length > 0 && (group.AreasMore != 0 || group.Areas[^1] > 1))],
            Suspects = LeakRanking.Rank(snapshots, texts, lists, matching, byOwner, otherKernel is not null),
        };
    }

    /// <summary>The name a kind of area goes by.</summary>
    internal static string KindOf(in VmallocRow row)
    {
        if (row.Has(AreaFlags.Unpurged))
        {
            return "unpurged";
        }

        if (row.Has(AreaFlags.VmMapRam))
        {
            return "vm_map_ram";
        }

        string kind = "";
        foreach ((AreaFlags flag, string word) in KindWords)
        {
            if (row.Has(flag))
            {
                kind = kind.Length == 0 ? word : kind + " " + word;
            }
        }

        return kind.Length == 0 ? "other" : kind;
    }

    private static readonly (AreaFlags, string)[] KindWords =
    [
        (AreaFlags.Ioremap, "ioremap"), (AreaFlags.Sparse, "sparse"), (AreaFlags.Vmalloc, "vmalloc"), (AreaFlags.Vmap, "vmap"),
        (AreaFlags.User, "user"), (AreaFlags.DmaCoherent, "dma-coherent"),
    ];

    /// <summary>
    /// Addresses name an area only within one boot. Two lists of one boot share most rows, address included; when
    /// they share far more rows without the address than with it, the addresses mean nothing between them.
    /// </summary>
    private static (DiffMatching, string?, bool) Matching(IReadOnlyList<DiffSnapshot> snapshots, List<DiffArea[]> lists)
    {
        for (int i = 1; i < lists.Count; i++)
        {
            if (lists[i].Concat(lists[i - 1]).Any(area => area.AddressIsHidden))
            {
                return (DiffMatching.BySizeAndOwner, "addresses are hidden", false);
            }

            if (snapshots[i].Uptime is { } now && snapshots[i - 1].Uptime is { } before && now < before)
            {
                return (DiffMatching.BySizeAndOwner, $"the machine was booted between {snapshots[i - 1].Name} and {snapshots[i].Name}, or they were given in the wrong order: {snapshots[i].Name} has the shorter uptime", true);
            }

            long byAddress = Common(lists[i - 1], lists[i], DiffMatching.ByAddress);
            long byOwner = Common(lists[i - 1], lists[i], DiffMatching.BySizeAndOwner);
            if (byAddress * 2 < byOwner)
            {
                return (DiffMatching.BySizeAndOwner, string.Create(CultureInfo.InvariantCulture,
                    $"{(byAddress == 0 ? "none" : $"only {byAddress}")} of the {byOwner} areas that are alike in {snapshots[i - 1].Name} and {snapshots[i].Name} {(byAddress <= 1 ? "has" : "have")} the same address: different boots"), true);
            }
        }

        return (DiffMatching.ByAddress, null, false);
    }

    /// <summary>What tells that two lists in a row are of different kernels; null when nothing does.</summary>
    private static string? OtherKernel(IReadOnlyList<DiffSnapshot> snapshots)
    {
        for (int i = 1; i < snapshots.Count; i++)
        {
            (DiffSnapshot before, DiffSnapshot after) = (snapshots[i - 1], snapshots[i]);
            if (before.Architecture is { } left && after.Architecture is { } right && left != right)
            {
                return $"{before.Name} is of {left} and {after.Name} of {right}: different machines";
            }

            if (before.Kernel is { } old && after.Kernel is { } other && old != other)
            {
                return $"{before.Name} is of kernel {old} and {after.Name} of {other}: different boots";
            }

            if (Digits(before) is (8 or 16) and var digits && Digits(after) is (8 or 16) and var others && digits != others)
            {
                return $"{before.Name} has addresses of {digits} digits and {after.Name} of {others}: different machines";
            }
        }

        return null;
    }

    private static int Digits(DiffSnapshot snapshot) => snapshot.Areas.Rows.Length == 0 || snapshot.Areas.Rows[0].End == 0 ? 0 : snapshot.Areas.Rows[0].AddressDigits;

    private static long Common(DiffArea[] left, DiffArea[] right, DiffMatching matching)
    {
        Dictionary<DiffKey, int> counts = DiffGrouping.Counts(left, matching);
        long common = 0;
        foreach (DiffArea area in right)
        {
            DiffKey key = area.Key(matching);
            if (counts.TryGetValue(key, out int count) && count > 0)
            {
                counts[key] = count - 1;
                common++;
            }
        }

        return common;
    }

    // The uptimes of two boots have no difference that means anything.
    private static double? Hours(IReadOnlyList<DiffSnapshot> snapshots, bool areOfDifferentBoots) =>
        snapshots[0].Time is { } first && snapshots[^1].Time is { } last && last > first ? (last - first).TotalHours
        : !areOfDifferentBoots && snapshots[0].Uptime is { } early && snapshots[^1].Uptime is { } late && late > early ? (late - early).TotalHours
        : null;

    private static DiffSummary Summary(DiffSnapshot snapshot, DiffArea[] areas)
    {
        long unpurged = 0;
        ulong unpurgedBytes = 0;
        ulong bytes = 0;
        bool real = true;
        foreach (DiffArea area in areas)
        {
            real &= area.AddressIsReal;
            if (area.IsUnpurged)
            {
                unpurged++;
                unpurgedBytes = DiffGrouping.Add(unpurgedBytes, area.SizeBytes);
            }
            else
            {
                bytes = DiffGrouping.Add(bytes, area.SizeBytes);
            }
        }

        return new DiffSummary(snapshot.Name, snapshot.Time, areas.Length - unpurged, bytes, unpurged, unpurgedBytes, real);
    }

    private static ImmutableArray<DiffRow> Rows(DiffTexts texts, List<DiffArea[]> lists, DiffMatching matching, int of, int without)
    {
        Dictionary<DiffKey, int> other = DiffGrouping.Counts(lists[without], matching);
        List<DiffRow> rows = [];
        foreach (DiffArea area in lists[of])
        {
            DiffKey key = area.Key(matching);
            if (other.TryGetValue(key, out int count) && count > 0)
            {
                other[key] = count - 1;
                continue;
            }

            if (!area.IsUnpurged)
            {
                rows.Add(texts.Row(area, of));
            }
        }

        return [.. rows.OrderByDescending(row => row.SizeBytes).ThenBy(row => row.Start).ThenBy(row => row.Line)];
    }
}
