using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Tells which of the waiting areas a recorded purge left out, by what its line and the next free say.</summary>
/// <remarks>
/// A purge takes what was freed before it detached the lists, but its line comes when it is over, with the number of areas,
/// the lowest and the highest address of them; the next free says how many pages still waited. With one list per node they
/// are detached one after the other, so what is left out need not be what was freed last.
/// </remarks>
internal static class PurgeChoice
{
    /// <summary>How many of the areas freed last are looked at.</summary>
    private const int NewestMax = 64;

    /// <summary>How many steps the search for areas that add up takes.</summary>
    private const int StepsMax = 20_000;

    /// <summary>Chooses the areas to leave out.</summary>
    /// <param name="space">The space before the purge.</param>
    /// <param name="purge">The purge's line.</param>
    /// <param name="known">Starts of areas known to have been left out.</param>
    /// <param name="waiting">Starts of all areas to leave out.</param>
    /// <returns>False when what is known contradicts the number in the line; then <paramref name="waiting"/> holds the best there is.</returns>
    internal static bool TryLeaveOut(VmallocSpace space, in ReplayOperation purge, IReadOnlyList<ulong> known, out IReadOnlyList<ulong> waiting)
    {
        waiting = known;
        if (!purge.HasCount || (known.Count == 0 && TookAll(space, purge)))
        {
            return true;
        }

        List<FreeBlock> lazy = [];
        space.CopyLazyTo(lazy);
        int surplus = (int)Math.Max(0, lazy.Count - (long)Math.Min(purge.Count, int.MaxValue));
        bool fits = true;
        if (purge.Count == 0)
        {
            waiting = Newest(lazy, lazy.Count);
        }
        else if (IsMerged(space))
        {
            waiting = known.Count == 0 ? Newest(lazy, KeepNewest(space, purge)) : waiting;
        }
        else if (surplus <= NewestMax)
        {
            HashSet<ulong> left = [.. known];
            fits = TryChoose(space, purge, surplus, left);
            waiting = fits ? lazy.ConvertAll(static area => area.Start).FindAll(left.Contains) : Newest(lazy, surplus);
        }
        else
        {
            waiting = Newest(lazy, surplus);
        }

        return fits;
    }

    /// <summary>How many of the waiting areas lie between the bounds a purge's line tells.</summary>
    internal static ulong CountWithin(VmallocSpace space, in ReplayOperation purge)
    {
        List<FreeBlock> lazy = [];
        space.CopyLazyTo(lazy);
        ulong count = 0;
        foreach (FreeBlock area in lazy)
        {
            count += area.Start >= purge.Start && area.End <= purge.End ? 1UL : 0;
        }

        return count;
    }

    private static bool TookAll(VmallocSpace space, in ReplayOperation purge)
    {
        if ((ulong)space.CountForPurge(0, out ulong lowest, out ulong highest) != purge.Count)
        {
            return false;
        }

        // Whoever asked for the purge can name a wider range than that of the areas it takes.
        return purge.Count == 0
            || (IsMerged(space) ? lowest == purge.Start && highest == purge.End : lowest >= purge.Start && highest <= purge.End);
    }

    private static bool IsMerged(VmallocSpace space) => space.Setup.Facts.PurgeOrder == PurgeOrder.MergedAscending;

    private static List<ulong> Newest(List<FreeBlock> lazy, int count) => [.. lazy.TakeLast(count).Select(area => area.Start)];

    /// <summary>How many of the areas freed last a purge left out where neighbours are counted as one; 0 when its line tells nothing.</summary>
    private static int KeepNewest(VmallocSpace space, in ReplayOperation purge)
    {
        (int Kept, int Worth) best = (0, 0);
        for (int kept = 0; kept <= Math.Min(NewestMax, space.LazyCount); kept++)
        {
            if ((ulong)space.CountForPurge(kept, out ulong lowest, out ulong highest) != purge.Count)
            {
                continue;
            }

            // Merged neighbours can give the same number; the bounds, and what the next free says still waits, decide.
            int worth = 1 + (lowest == purge.Start && highest == purge.End ? 2 : 0)
                + (purge.HasLazyPagesAfter && space.LazyPagesOfNewest(kept) == purge.LazyPagesAfter ? 4 : 0);
            best = worth > best.Worth ? (kept, worth) : best;
        }

        return best.Kept;
    }

    /// <summary>
    /// Chooses what was left out where every node has a list of its own. The lists are detached in the order of the nodes, so
    /// what a node keeps is what was freed to it last, and a later node's list was never detached before an earlier one's.
    /// </summary>
    private static bool TryChoose(VmallocSpace space, in ReplayOperation purge, int surplus, HashSet<ulong> left)
    {
        List<(int Node, FreeBlock Area)> lazy = [];
        space.CopyLazyTo(lazy);
        (ulong lowest, ulong highest) = (purge.Start, purge.End);
        bool isGuess = left.Count == 0;
        int nodes = space.Setup.Nodes;
        List<int>[] lists = [.. Enumerable.Range(0, nodes).Select(static _ => new List<int>())];
        int[] least = new int[nodes];
        int[] most = new int[nodes];
        for (int i = lazy.Count - 1; i >= 0; i--)
        {
            (int node, FreeBlock area) = lazy[i];
            lists[node].Add(i);
            // The bounds hold everything that was taken; who sits at one was taken.
            if (left.Contains(area.Start) || area.Start < lowest || area.End > highest)
            {
                least[node] = lists[node].Count;
            }
        }

        for (int node = 0; node < nodes; node++)
        {
            int edge = lists[node].FindIndex(i => lazy[i].Area.Start == lowest || lazy[i].Area.End == highest);
            most[node] = Math.Min(surplus, edge < 0 ? lists[node].Count : edge);
            if (least[node] > most[node])
            {
                return false;
            }
        }

        Cuts cuts = new(lazy, lists, least, most)
        {
            PageBytes = space.Setup.PageBytes,
            Pages = purge.HasLazyPagesAfter ? purge.LazyPagesAfter : null,
        };
        if (!cuts.TryFind(surplus) && !(isGuess && (cuts with { Pages = null }).TryFind(surplus)))
        {
            return false;
        }

        for (int node = 0; node < nodes; node++)
        {
            left.UnionWith(lists[node].Take(cuts.Best[node]).Select(i => lazy[i].Area.Start));
        }

        return true;
    }

    /// <summary>Looks for the number of areas every node keeps; of several answers the one in which the lists were detached within the shortest time.</summary>
    private sealed record Cuts(List<(int Node, FreeBlock Area)> Lazy, List<int>[] Lists, int[] Least, int[] Most)
    {
        private readonly int[] _kept = new int[Lists.Length];
        private int _steps = StepsMax;
        private int _spread = int.MaxValue;

        internal required ulong PageBytes { get; init; }

        /// <summary>Pages that went on waiting; null when nothing tells.</summary>
        internal required ulong? Pages { get; init; }

        internal int[] Best { get; } = new int[Lists.Length];

        internal bool TryFind(int count)
        {
            (_steps, _spread) = (StepsMax, int.MaxValue);
            Try(0, count, 0, earliest: -1, first: int.MaxValue);
            return _spread != int.MaxValue;
        }

        /// <param name="node">The node to decide on.</param>
        /// <param name="count">Areas still to be kept by it and those after it.</param>
        /// <param name="pages">Pages kept by those before it.</param>
        /// <param name="earliest">The last thing freed that some node before it did not keep: it was detached after that.</param>
        /// <param name="first">The first moment at which a node before it can have been detached.</param>
        private void Try(int node, int count, ulong pages, int earliest, int first)
        {
            if (node == Lists.Length)
            {
                int spread = Math.Max(0, earliest - first);
                if (count == 0 && (Pages is not { } wanted || wanted == pages) && spread < _spread)
                {
                    _spread = spread;
                    _kept.CopyTo(Best, 0);
                }

                return;
            }

            List<int> list = Lists[node];
            for (int kept = 0; kept <= Math.Min(Most[node], count); kept++)
            {
                // Detached behind the newest it lost, and before the oldest it keeps.
                int behind = kept < list.Count ? list[kept] : -1;
                int before = kept > 0 ? list[kept - 1] : int.MaxValue;
                if (kept >= Least[node] && before > earliest && --_steps > 0)
                {
                    _kept[node] = kept;
                    Try(node + 1, count - kept, pages, Math.Max(earliest, behind), Math.Min(first, before));
                }

                pages += kept < list.Count ? Lazy[list[kept]].Area.SizeBytes / PageBytes : 0;
            }
        }
    }
}
