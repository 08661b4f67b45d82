using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Counts, for each owner, the areas of the one size that most of them may have.</summary>
/// <remarks>Which size that is, the sums of one reading tell; how many areas have it, only another look at all of them.</remarks>
internal sealed class EqualCount(ListTotals totals) : VmallocRowSink
{
    private readonly bool[] _isSettled = new bool[totals.OwnerCount];
    private VmallocRow _previous;

    /// <summary>The counts by owner number.</summary>
    internal long[] ByOwner { get; } = new long[totals.OwnerCount];

    /// <summary>Counts without another look, where every area of an owner has the same size.</summary>
    internal bool TrySettle(int owner)
    {
        ref readonly OwnerTotals sums = ref totals.Owner(owner);
        bool areAlike = sums.SmallestBytes == sums.LargestBytes && totals.OddCount == 0;
        ByOwner[owner] = areAlike ? sums.Totals.Areas : 0;
        return _isSettled[owner] = areAlike;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Note(int owner, ulong sizeBytes, AreaFlags flags)
    {
        // A file may have grown since it was summed, by owners nobody has met.
        if (owner < _isSettled.Length && !_isSettled[owner] && sizeBytes == totals.Owner(owner).MajorityBytes && (flags & AreaFlags.Unpurged) == AreaFlags.None)
        {
            ByOwner[owner]++;
        }
    }

    /// <inheritdoc />
    [MethodImpl(HotPath.Compiled)]
    public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
    {
        foreach (ref readonly VmallocRow row in rows)
        {
            if (row.Start != _previous.Start || !ListTotals.IsRepeat(row, _previous))
            {
                Note(row.Caller, row.SizeBytes, row.Flags);
            }

            _previous = row;
        }
    }
}
