using System.Collections.Immutable;
using System.Globalization;

namespace VmScope.Analysis;

/// <summary>Ranks owners by how much their areas look like a leak.</summary>
/// <remarks>
/// No list proves a leak; each reason adds weight and is named. Growth alone is not enough: a machine that does more
/// holds more. Thresholds are ours: three areas are the least that is no coincidence of one device being opened.
/// </remarks>
internal static class LeakRanking
{
    private const int SuspectFromScore = 2;
    private const int GrowthFromAreas = 3;
    private const double EqualSizesShare = 0.8;
    private const int LargeShareFromAreas = 32;

    /// <summary>Owners whose areas come and go with tasks, terminals and open files.</summary>
    private static readonly string[] GrowWithLoad =
    [
        "dup_task_struct", "alloc_thread_stack_node", "copy_process", "kernel_clone", "_do_fork", "fork_idle", "n_tty_open",
        "pcpu_get_vm_areas", "pcpu_create_chunk", "pcpu_mem_zalloc", "alloc_fdtable", "alloc_ldt_struct",
    ];

    internal static ImmutableArray<LeakSuspect> Rank(
        IReadOnlyList<DiffSnapshot> snapshots, DiffTexts texts, List<DiffArea[]> lists, DiffMatching matching, ImmutableArray<DiffGroup> byOwner, bool areOfDifferentKernels)
    {
        (List<DiffArea> appeared, _) = DiffGrouping.Moves(lists, matching);
        ILookup<int, DiffArea> appearedOf = appeared.Where(area => !area.IsUnpurged).ToLookup(area => area.Owner);
        ILookup<int, DiffArea> lastOf = lists[^1].Where(area => !area.IsUnpurged).ToLookup(area => area.Owner);
        ILookup<int, DiffArea> firstOf = lists[0].Where(area => !area.IsUnpurged).ToLookup(area => area.Owner);
        Int128 total = byOwner.Aggregate((Int128)0, (sum, group) => sum + group.Bytes[^1]);
        List<LeakSuspect> suspects = [];
        foreach (DiffGroup group in byOwner.Where(group => group.Name != "unpurged"))
        {
            int owner = texts.Number(group.Name);
            List<(LeakReason Kind, int Weight, string Text)> reasons = [];
            Growth(group, reasons, appearedOf[owner]);
            if (!areOfDifferentKernels)
            {
                SamePhys(firstOf[owner], lastOf[owner], reasons);
            }

            ModuleGone(snapshots[^1], texts, lastOf[owner], reasons);
            LargeShare(group, total, reasons);
            string function = group.Name.Split([' ', '.'], 2)[0];
            if (reasons.Count > 0 && GrowWithLoad.Contains(function, StringComparer.Ordinal))
            {
                reasons.Add((LeakReason.GrowsWithLoad, -2, "such areas come and go with tasks, terminals and open files: more load explains more of them"));
            }

            if (reasons.Count > 0 && areOfDifferentKernels)
            {
                reasons.Add((LeakReason.OtherKernel, -2, "the lists are of different kernels or machines, which hold different areas without any leak"));
            }

            int score = reasons.Sum(reason => reason.Weight);
            if (score < SuspectFromScore)
            {
                continue;
            }

            DiffArea? example = appearedOf[owner].Concat(lastOf[owner]).Cast<DiffArea?>().LastOrDefault();
            suspects.Add(new LeakSuspect(group.Name, score, [.. reasons.OrderByDescending(reason => reason.Weight).Select(reason => reason.Text)],
                [.. reasons.OrderByDescending(reason => reason.Weight).Select(reason => reason.Kind)], group,
                example is { } area ? texts.Row(area, lists.Count - 1) : null));
        }

        return [.. suspects.OrderByDescending(suspect => suspect.Score).ThenByDescending(suspect => suspect.Group.BytesMore).ThenBy(suspect => suspect.Owner, StringComparer.Ordinal)];
    }

    private static void Growth(DiffGroup group, List<(LeakReason, int, string)> reasons, IEnumerable<DiffArea> appeared)
    {
        if (group.AreasMore < GrowthFromAreas || group.Vanished * 4 > group.Appeared)
        {
            return;
        }

        reasons.Add((LeakReason.Growth, 1, string.Create(CultureInfo.InvariantCulture,
            $"{group.AreasMore} areas more ({group.Appeared} appeared, {group.Vanished} vanished)")));
        bool isMonotonic = group.Areas.Length > 2;
        int rises = 0;
        for (int i = 1; i < group.Areas.Length; i++)
        {
            isMonotonic &= group.Areas[i] >= group.Areas[i - 1];
            rises += group.Areas[i] > group.Areas[i - 1] ? 1 : 0;
        }

        if (isMonotonic && rises >= 2)
        {
            reasons.Add((LeakReason.MonotonicGrowth, 2, string.Create(CultureInfo.InvariantCulture,
                $"never less in {group.Areas.Length} snapshots, more in {rises} steps: {string.Join(", ", Thinned(group.Areas))}")));
        }

        (ulong size, int count, int all) = MostFrequentSize(appeared);
        if (count >= GrowthFromAreas && count >= all * EqualSizesShare)
        {
            reasons.Add((LeakReason.EqualSizes, 1, string.Create(CultureInfo.InvariantCulture, $"{count} of {all} that appeared have one size, {size:N0} bytes")));
        }
    }

    private static void LargeShare(DiffGroup group, Int128 total, List<(LeakReason, int, string)> reasons)
    {
        if (reasons.Count > 0 && group.AreasMore >= LargeShareFromAreas && group.BytesMore * 4 >= total)
        {
            reasons.Add((LeakReason.LargeShare, 1, string.Create(CultureInfo.InvariantCulture,
                $"what it added is {(double)group.BytesMore / (double)total:0 %} of everything in the list")));
        }
    }

    private static IEnumerable<string> Thinned(ImmutableArray<long> areas)
    {
        const int shownMax = 8;
        for (int i = 0; i < Math.Min(areas.Length, shownMax); i++)
        {
            int at = areas.Length <= shownMax ? i : (int)((long)i * (areas.Length - 1) / (shownMax - 1));
            yield return areas[at].ToString(CultureInfo.InvariantCulture);
        }
    }

    private static (ulong Size, int Count, int All) MostFrequentSize(IEnumerable<DiffArea> areas)
    {
        Dictionary<ulong, int> counts = [];
        int all = 0;
        foreach (DiffArea area in areas)
        {
            counts[area.SizeBytes] = counts.GetValueOrDefault(area.SizeBytes) + 1;
            all++;
        }

        KeyValuePair<ulong, int> best = counts.OrderByDescending(pair => pair.Value).ThenByDescending(pair => pair.Key).FirstOrDefault();
        return (best.Key, best.Value, all);
    }

    private static void SamePhys(IEnumerable<DiffArea> first, IEnumerable<DiffArea> last, List<(LeakReason, int, string)> reasons)
    {
        Dictionary<(ulong, ulong), int> before = [];
        foreach (DiffArea area in first.Where(area => area.Phys != 0))
        {
            before[(area.Phys, area.SizeBytes)] = before.GetValueOrDefault((area.Phys, area.SizeBytes)) + 1;
        }

        ((ulong Phys, ulong Size) Range, int Count, int Before) worst = default;
        int ranges = 0;
        foreach (IGrouping<(ulong Phys, ulong SizeBytes), DiffArea> range in last.Where(area => area.Phys != 0).GroupBy(area => (area.Phys, area.SizeBytes)))
        {
            int now = range.Count();
            int then = before.GetValueOrDefault(range.Key);
            if (now < 2 || now <= then)
            {
                continue;
            }

            ranges++;
            if (now - then > worst.Count - worst.Before)
            {
                worst = (range.Key, now, then);
            }
        }

        if (ranges > 0)
        {
            reasons.Add((LeakReason.SamePhysAgain, 3, string.Create(CultureInfo.InvariantCulture,
                $"physical 0x{worst.Range.Phys:x} ({worst.Range.Size:N0} bytes) is mapped {worst.Count} times, before {worst.Before}{(ranges > 1 ? $"; so are {ranges - 1} other ranges" : "")}")));
        }
    }

    private static void ModuleGone(DiffSnapshot last, DiffTexts texts, IEnumerable<DiffArea> areas, List<(LeakReason, int, string)> reasons)
    {
        if (last.Modules is not { } loaded)
        {
            return;
        }

        foreach (IGrouping<int, DiffArea> module in areas.GroupBy(area => area.Module))
        {
            string name = texts.Text(module.Key);
            if (name.StartsWith('(') || loaded.Contains(name) || loaded.Contains(name.Replace('-', '_')))
            {
                continue;
            }

            reasons.Add((LeakReason.ModuleGone, 3, string.Create(CultureInfo.InvariantCulture,
                $"module {name} is not loaded and {module.Count()} of its areas are still there")));
        }
    }
}
