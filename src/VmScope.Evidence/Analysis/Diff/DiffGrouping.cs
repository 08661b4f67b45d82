using System.Collections.Immutable;

namespace VmScope.Analysis;

/// <summary>Sums areas of several lists by some property and follows them from list to list.</summary>
internal sealed class DiffGrouping(DiffTexts texts, List<DiffArea[]> lists, DiffMatching matching, double? hours)
{
    private readonly (List<DiffArea> Appeared, List<DiffArea> Vanished) _moves = Moves(lists, matching);

    /// <summary>The groups, largest growth first.</summary>
    internal ImmutableArray<DiffGroup> By(Func<DiffArea, int> property)
    {
        Dictionary<int, (long[] Areas, ulong[] Bytes)> sums = [];
        for (int i = 0; i < lists.Count; i++)
        {
            foreach (DiffArea area in lists[i])
            {
                int group = property(area);
                if (!sums.TryGetValue(group, out (long[] Areas, ulong[] Bytes) sum))
                {
                    sum = (new long[lists.Count], new ulong[lists.Count]);
                    sums.Add(group, sum);
                }

                sum.Areas[i]++;
                sum.Bytes[i] = Add(sum.Bytes[i], area.SizeBytes);
            }
        }

        Dictionary<int, long> appeared = Count(_moves.Appeared, property);
        Dictionary<int, long> vanished = Count(_moves.Vanished, property);
        return
        [
            .. sums.Select(pair => new DiffGroup(texts.Text(pair.Key), [.. pair.Value.Areas], [.. pair.Value.Bytes],
                    appeared.GetValueOrDefault(pair.Key), vanished.GetValueOrDefault(pair.Key),
                    hours is { } h ? ((double)pair.Value.Bytes[^1] - pair.Value.Bytes[0]) / h : null))
                .OrderByDescending(group => group.BytesMore).ThenByDescending(group => group.Bytes[^1]).ThenBy(group => group.Name, StringComparer.Ordinal),
        ];
    }

    /// <summary>How often each key occurs.</summary>
    internal static Dictionary<DiffKey, int> Counts(DiffArea[] areas, DiffMatching matching)
    {
        Dictionary<DiffKey, int> counts = new(areas.Length);
        foreach (DiffArea area in areas)
        {
            DiffKey key = area.Key(matching);
            counts[key] = counts.GetValueOrDefault(key) + 1;
        }

        return counts;
    }

    /// <summary>A sum that stays at the largest number instead of wrapping: sizes come from outside.</summary>
    internal static ulong Add(ulong left, ulong right) => right > ulong.MaxValue - left ? ulong.MaxValue : left + right;

    /// <summary>All areas that appeared or vanished in any step.</summary>
    internal static (List<DiffArea> Appeared, List<DiffArea> Vanished) Moves(List<DiffArea[]> lists, DiffMatching matching)
    {
        List<DiffArea> appeared = [];
        List<DiffArea> vanished = [];
        for (int i = 1; i < lists.Count; i++)
        {
            appeared.AddRange(Without(lists[i], lists[i - 1], matching));
            vanished.AddRange(Without(lists[i - 1], lists[i], matching));
        }

        return (appeared, vanished);
    }

    private static IEnumerable<DiffArea> Without(DiffArea[] areas, DiffArea[] others, DiffMatching matching)
    {
        Dictionary<DiffKey, int> counts = Counts(others, matching);
        foreach (DiffArea area in areas)
        {
            DiffKey key = area.Key(matching);
            if (counts.TryGetValue(key, out int count) && count > 0)
            {
                counts[key] = count - 1;
            }
            else
            {
                yield return area;
            }
        }
    }

    private static Dictionary<int, long> Count(List<DiffArea> areas, Func<DiffArea, int> property)
    {
        Dictionary<int, long> counts = [];
        foreach (DiffArea area in areas)
        {
            int group = property(area);
            counts[group] = counts.GetValueOrDefault(group) + 1;
        }

        return counts;
    }
}
