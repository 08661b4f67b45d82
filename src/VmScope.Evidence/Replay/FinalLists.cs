using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Compares the areas a replay ends with to a captured listing.</summary>
internal static class FinalLists
{
    private const int DifferencesKept = 40;

    /// <param name="listing">The captured listing.</param>
    /// <param name="begins">The model's areas when it was about to be read.</param>
    /// <param name="ends">The model's areas when it had been read: a listing is not taken at one moment.</param>
    internal static FinalList Compare(Listing listing, IReadOnlyList<FreeBlock> begins, IReadOnlyList<FreeBlock> ends)
    {
        HashSet<FreeBlock> atBegin = [.. begins];
        HashSet<FreeBlock> atEnd = [.. ends];
        HashSet<FreeBlock> listed = [];
        ImmutableArray<ListDifference>.Builder differences = ImmutableArray.CreateBuilder<ListDifference>();
        int count = 0;
        int same = 0;
        foreach (Listing.ListedArea row in listing.Busy)
        {
            FreeBlock area = new(row.Start, row.End);
            listed.Add(area);
            if (atBegin.Contains(area) || atEnd.Contains(area))
            {
                same++;
                continue;
            }

            count++;
            Keep(new ListDifference(row.Start, row.End, InModel: false, row.Owner));
        }

        foreach (FreeBlock area in ends)
        {
            if (atBegin.Contains(area) && !listed.Contains(area))
            {
                count++;
                Keep(new ListDifference(area.Start, area.End, InModel: true, ""));
            }
        }

        return new FinalList(listing.File, listing.Busy.Count, same, differences.ToImmutable(), count);

        void Keep(ListDifference difference)
        {
            if (differences.Count < DifferencesKept)
            {
                differences.Add(difference);
            }
        }
    }
}
