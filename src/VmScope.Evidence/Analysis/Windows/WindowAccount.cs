using System.Numerics;
using System.Runtime.CompilerServices;
using VmScope.Kernels;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>Two live areas that claim the same addresses.</summary>
/// <param name="Lower">The area that starts first.</param>
/// <param name="Upper">The one that starts inside it.</param>
/// <param name="Bytes">How many bytes they share.</param>
public sealed record Overlap(AreaSlot Lower, AreaSlot Upper, ulong Bytes);

/// <summary>One window with every byte accounted for.</summary>
/// <remarks>
/// live areas + unpurged + holes = the window: checked, because a figure nobody checks is a figure nobody should trust.
/// </remarks>
public sealed class WindowAccount
{
    private const int OverlapsMax = 64;
    private const int LargestKept = 12;

    /// <summary>Areas taken at once: a bar's cell usually holds all of them.</summary>
    private const int RunAreas = 256;

    private readonly AlignmentRule _rule;
    private readonly ulong _gapPageBytes;
    private readonly ulong _pageBytes;
    private ulong _topAlignBytes;
    private readonly ulong[] _bytesByGapKind = new ulong[GapKinds.Count];
    private readonly long[] _countByGapKind = new long[GapKinds.Count];
    private readonly ulong[] _bytesByKind = new ulong[ListedKinds.Count];
    private readonly long[] _histogramCount = new long[65];
    private readonly ulong[] _histogramBytes = new ulong[65];
    private readonly List<Overlap> _overlaps = [];
    private readonly Gap[] _largest = new Gap[LargestKept + 1];
    private readonly bool _keepAll;
    private readonly ListTotals _totals;
    private readonly byte[] _kindOf = ListedKinds.Table();
    private int _largestCount;

    /// <summary>Gaps of at most so many bytes are only counted.</summary>
    private ulong _keptAbove;
    private Gap _largestHole;
    private Gap _largestHoleAfterPurge;
    private ulong _cursor;
    private ulong _liveEnd;

    /// <summary>
    /// Freed areas reach up to here; what of them lies above the cursor is accounted for when the next area is known:
    /// a list is not taken at one instant, and where a live area lies inside a freed one, the live one counts.
    /// </summary>
    private ulong _freedEnd;

    /// <summary>The live area that reaches highest so far.</summary>
    private AreaSlot _highest;
    private bool _afterArea;

    /// <summary>The offset behind the area this account was begun behind; 0 when it was begun at the window's start.</summary>
    private ulong _seam;
    private Gap[]? _all;
    private int _allCount;

    /// <param name="window">The window.</param>
    /// <param name="totals">The list's sums; an owner's are begun before its first area is taken.</param>
    /// <param name="rules">By which rules gaps are explained, and what is kept.</param>
    internal WindowAccount(AddressWindow window, ListTotals totals, AccountRules rules)
    {
        (Window, _totals, _rule, _pageBytes, _keepAll) = (window, totals, rules.Alignment, rules.PageBytes, rules.KeepAllGaps);
        _gapPageBytes = rules.Era is PlacementEra.BusyAreas or PlacementEra.HintedBusyAreasWithGap ? rules.PageBytes : 0;
        Bar = rules.BarCells > 0 ? new BarCells(window.Bytes, rules.BarCells) : null;
    }

    /// <summary>The window.</summary>
    public AddressWindow Window { get; }

    /// <summary>Live areas that begin inside the window.</summary>
    public long Areas { get; private set; }

    /// <summary>Live areas that begin exactly where a live area ends.</summary>
    public long Touching { get; private set; }

    /// <summary>Unpurged areas that begin inside the window.</summary>
    public long UnpurgedAreas { get; private set; }

    /// <summary>Bytes covered by live areas, counted once.</summary>
    public ulong CoveredBytes { get; private set; }

    /// <summary>Bytes that two live areas claim.</summary>
    public ulong OverlapBytes { get; private set; }

    /// <summary>How many areas begin inside another.</summary>
    public long OverlapCount { get; private set; }

    /// <summary>The first overlaps.</summary>
    public IReadOnlyList<Overlap> Overlaps => _overlaps;

    /// <summary>Bytes of live areas by kind; overlapped bytes count for the area that starts first.</summary>
    public ReadOnlySpan<ulong> BytesByKind => _bytesByKind;

    /// <summary>Bytes by <see cref="GapKind"/>.</summary>
    public ReadOnlySpan<ulong> BytesByGapKind => _bytesByGapKind;

    /// <summary>Runs by <see cref="GapKind"/>.</summary>
    public ReadOnlySpan<long> CountByGapKind => _countByGapKind;

    /// <summary>Free bytes: every hole, whatever explains it; freed areas not yet purged are not in it.</summary>
    public ulong FreeBytes { get; private set; }

    /// <summary>Runs of free addresses; runs separated only by an unpurged area count separately.</summary>
    public long Holes { get; private set; }

    /// <summary>The largest hole; zero bytes when there is none.</summary>
    public Gap LargestHole => _largestHole;

    /// <summary>The largest hole after a purge, when unpurged areas are free again.</summary>
    public Gap LargestHoleAfterPurge => _largestHoleAfterPurge;

    /// <summary>The largest gaps, largest first, at most a dozen.</summary>
    public ReadOnlySpan<Gap> Largest => _largest.AsSpan(0, _largestCount);

    /// <summary>Every gap in address order, when asked for.</summary>
    public ReadOnlySpan<Gap> All => _all.AsSpan(0, _allCount);

    /// <summary>Holes whose size has this logarithm.</summary>
    public (long Count, ulong Bytes) HistogramAt(int log2) => (_histogramCount[log2], _histogramBytes[log2]);

    /// <summary>The window as a row of cells; null when none was asked for.</summary>
    public BarCells? Bar { get; }

    /// <summary>The first <see cref="ZoomBytes"/> of the window as a row of cells; null without them, or when none was asked for.</summary>
    public BarCells? Zoom { get; private set; }

    /// <summary>
    /// Bytes up to the largest hole, where most of the window is that hole and what is used would be a cell or two; otherwise 0.
    /// </summary>
    public ulong ZoomBytes => ZoomTo(Window, LargestHole);

    /// <summary>The lowest area that begins inside the window; meaningful when there is one.</summary>
    public AreaSlot FirstArea { get; private set; }

    /// <summary>The index of the first area at or above the window's start, in a list that keeps its areas.</summary>
    public int FirstIndex { get; private set; }

    /// <summary>The index behind the last area of the window, in a list that keeps its areas.</summary>
    public int EndIndex { get; private set; }

    /// <summary>Whether an area was taken, or the account begun behind one.</summary>
    internal bool HasBegun => _seam > 0 || Areas + UnpurgedAreas > 0;

    /// <summary>What <see cref="ZoomBytes"/> is for a largest hole.</summary>
    internal static ulong ZoomTo(AddressWindow window, in Gap largest)
    {
        ulong below = largest.Bytes > window.Bytes / 2 ? largest.Start - window.Start : 0;
        return below < window.Bytes / 4 ? below : 0;
    }

    /// <summary>Fills the <see cref="Zoom"/> along with everything else, where its length is known before.</summary>
    internal void Expect(ulong zoomBytes) => Zoom = Bar is null || zoomBytes == 0 ? null : new BarCells(zoomBytes, Bar.Cells);

    /// <summary>Begins behind an area that another account has taken, instead of at the window's start.</summary>
    internal void BeginBehind(in AreaSlot below)
    {
        _seam = _cursor = _liveEnd = below.End - Window.Start;
        (_highest, _afterArea) = (below, true);
    }

    /// <summary>Accounts for every area of a list in address order, and closes the account.</summary>
    /// <param name="areas">The list.</param>
    /// <param name="topAlignBytes">As <see cref="Close"/> takes it.</param>
    internal void TakeAll(AreaList areas, ulong topAlignBytes)
    {
        int index = areas.FirstAtOrAbove(Window.Start);
        if (index > 0 && areas[index - 1].End > Window.Start)
        {
            // Begins below and reaches in: a bound is wrong, and the bytes are not free.
            AreaSlot below = areas[index - 1];
            ulong inside = Math.Min(below.End - Window.Start, Window.Bytes);
            if (ListedKinds.Of(below.Flags) == ListedKind.Unpurged)
            {
                _freedEnd = inside;
            }
            else
            {
                _highest = below;
                _cursor = _liveEnd = CoveredBytes = inside;
                _bytesByKind[(int)ListedKinds.Of(below.Flags)] += inside;
                _afterArea = true;
            }
        }

        (FirstIndex, EndIndex) = (index, index);
        while (EndIndex < areas.Count)
        {
            ReadOnlySpan<AreaSlot> run = areas.From(EndIndex);
            run = run[..Math.Min(run.Length, RunAreas)];
            int taken = Take(run);
            EndIndex += taken;
            if (taken < run.Length)
            {
                break;
            }
        }

        Close(topAlignBytes);
        Expect(ZoomBytes);
        for (int i = FirstIndex; Zoom is not null && i < EndIndex;)
        {
            ReadOnlySpan<AreaSlot> run = areas.From(i);
            run = run[..Math.Min(run.Length, EndIndex - i)];
            Zoom.Take(run, Window.Start, _totals);
            i += run.Length;
        }
    }

    /// <summary>Accounts for what is above the last area.</summary>
    /// <param name="topAlignBytes">
    /// The alignment of per-CPU chunks where it makes the top of the window unusable for them; 0 elsewhere.
    /// </param>
    internal void Close(ulong topAlignBytes)
    {
        _topAlignBytes = topAlignBytes;
        if (_freedEnd > _cursor)
        {
            _cursor = Freed(_cursor, _freedEnd);
        }

        if (_cursor < Window.Bytes)
        {
            AreaSlot none = default;
            Hole(_cursor, Window.Bytes, none, toTheEnd: true);
        }

        if (_liveEnd < Window.Bytes)
        {
            NoteReclaimed(_liveEnd, Window.Bytes);
        }

        Check();
    }

    /// <summary>Adds what an account of higher areas of the same window has taken.</summary>
    /// <param name="later">That account, not closed.</param>
    /// <param name="ids">The owners' numbers here, by their numbers there.</param>
    /// <returns>False when it was not begun where this one has come to; then neither is of use.</returns>
    internal bool TryAppend(WindowAccount later, ReadOnlySpan<int> ids)
    {
        if (!later.HasBegun)
        {
            return true;
        }

        if (_cursor != later._seam || _liveEnd != later._seam || _freedEnd > _cursor)
        {
            return false;
        }

        FirstArea = Areas + UnpurgedAreas > 0 ? FirstArea : Renumbered(later.FirstArea, ids);
        Areas += later.Areas;
        UnpurgedAreas += later.UnpurgedAreas;
        Touching += later.Touching;
        CoveredBytes += later.CoveredBytes;
        FreeBytes += later.FreeBytes;
        Holes += later.Holes;
        Plus(_bytesByGapKind, later._bytesByGapKind);
        Plus(_countByGapKind, later._countByGapKind);
        Plus(_bytesByKind, later._bytesByKind);
        Plus(_histogramBytes, later._histogramBytes);
        Plus(_histogramCount, later._histogramCount);
        foreach (Overlap overlap in later._overlaps)
        {
            Keep(new Overlap(Renumbered(overlap.Lower, ids), Renumbered(overlap.Upper, ids), overlap.Bytes));
        }

        OverlapCount += later.OverlapCount;
        OverlapBytes = unchecked(OverlapBytes + later.OverlapBytes);
        _largestHole = later._largestHole.Bytes > _largestHole.Bytes ? later._largestHole : _largestHole;
        _largestHoleAfterPurge = later._largestHoleAfterPurge.Bytes > _largestHoleAfterPurge.Bytes ? later._largestHoleAfterPurge : _largestHoleAfterPurge;
        foreach (Gap gap in _keepAll ? later.All : later.Largest)
        {
            Keep(gap);
        }

        Bar?.Add(later.Bar!);
        Zoom?.Add(later.Zoom!);
        (_cursor, _liveEnd, _freedEnd, _afterArea, _highest) =
            (later._cursor, later._liveEnd, later._freedEnd, later._afterArea, Renumbered(later._highest, ids));
        return true;
    }

    private static AreaSlot Renumbered(AreaSlot area, ReadOnlySpan<int> ids) => area with { Caller = ids[area.Caller] };

    private static void Plus(ulong[] sums, ulong[] more)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = unchecked(sums[i] + more[i]);
        }
    }

    private static void Plus(long[] sums, long[] more)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] += more[i];
        }
    }

    /// <summary>Accounts for areas in address order as far as they begin inside the window.</summary>
    /// <returns>How many.</returns>
    [MethodImpl(HotPath.Compiled)]
    internal int Take(ReadOnlySpan<AreaSlot> run)
    {
        unchecked
        {
            // Offsets into the window instead of addresses: the last window may end at 2^64, which no address can say.
            ulong origin = Window.Start;
            ulong length = Window.Bytes;
            ulong cursor = _cursor;
            ulong liveEnd = _liveEnd;
            ulong freedEnd = _freedEnd;
            ulong covered = CoveredBytes;
            long touching = 0;
            int unpurgedAreas = 0;
            int highest = -1;
            Span<ulong> sums = stackalloc ulong[BarCells.SumCount];
            sums.Clear();
            bool hasPercpu = _totals.HasPercpu;
            int i = 0;
            for (; i < run.Length; i++)
            {
                ref readonly AreaSlot area = ref run[i];
                ulong start = area.Start - origin;
                if (start >= length)
                {
                    break;
                }

                ListedKind kind = ListedKinds.Of(area.Flags, _kindOf);
                ulong end = Math.Min(area.End - origin - 1, length - 1) + 1;
                sums[BarCells.SumOf(kind, hasPercpu && _totals.Owner(area.Caller).IsPercpu)] += end - start;
                if (start > cursor)
                {
                    if (freedEnd > cursor)
                    {
                        cursor = Freed(cursor, Math.Min(freedEnd, start));
                    }

                    if (start > cursor)
                    {
                        Hole(cursor, start, area);
                        cursor = start;
                    }
                }

                if (kind == ListedKind.Unpurged)
                {
                    unpurgedAreas++;
                    freedEnd = Math.Max(freedEnd, end);
                    continue;
                }

                touching += start == liveEnd && liveEnd > 0 ? 1 : 0;
                if (start < liveEnd)
                {
                    NoteOverlap(highest < 0 ? _highest : run[highest], area, Math.Min(liveEnd, end) - start);
                }

                ulong from = Math.Max(start, cursor);
                if (end <= from)
                {
                    continue;
                }

                cursor = end;
                covered += end - from;
                _bytesByKind[(int)kind] += end - from;
                if (from > liveEnd)
                {
                    NoteReclaimed(liveEnd, from);
                }

                liveEnd = end;
                highest = i;
                _afterArea = true;
            }

            if (i > 0)
            {
                _highest = highest < 0 ? _highest : run[highest];
                FirstArea = Areas + UnpurgedAreas == 0 ? run[0] : FirstArea;
                Bar?.Take(run[..i], sums, Math.Max(cursor, freedEnd), origin, _totals);
                Zoom?.Take(run[..i], sums, Math.Max(cursor, freedEnd), origin, _totals);
            }

            (_cursor, _liveEnd, _freedEnd, CoveredBytes) = (cursor, liveEnd, freedEnd, covered);
            Areas += i - unpurgedAreas;
            UnpurgedAreas += unpurgedAreas;
            Touching += touching;
            return i;
        }
    }

    /// <summary>Accounts for what freed areas keep, given as offsets.</summary>
    /// <returns>The end.</returns>
    private ulong Freed(ulong start, ulong end)
    {
        Emit(start, end - start, GapKind.Unpurged);
        _afterArea = false;
        return end;
    }

    /// <summary>Accounts for a hole, given as offsets.</summary>
    [MethodImpl(HotPath.Compiled)]
    private void Hole(ulong start, ulong end, in AreaSlot next, bool toTheEnd = false)
    {
        if (_gapPageBytes > 0 && _afterArea && end - start >= _gapPageBytes)
        {
            Emit(start, _gapPageBytes, GapKind.GapPage);
            start += _gapPageBytes;
            if (start == end)
            {
                return;
            }
        }

        ulong bytes = end - start;
        ulong align = 0;
        GapKind kind = GapKind.Free;
        if ((bytes & (_pageBytes - 1)) != 0)
        {
            kind = GapKind.Unexplained;
        }
        else if (!toTheEnd)
        {
            align = _rule.Explains(Window.Start + start, next);
            kind = align != 0 ? GapKind.Alignment : GapKind.Free;
        }
        else if (bytes == _topAlignBytes && _afterArea)
        {
            // The window's last byte is one short of a multiple, so chunks placed from the top end one alignment below.
            (kind, align) = (GapKind.Alignment, bytes);
        }

        Emit(start, bytes, kind, align);
        FreeBytes += bytes;
        Holes++;
        int log2 = BitOperations.Log2(bytes);
        _histogramCount[log2]++;
        _histogramBytes[log2] += bytes;
        if (bytes > _largestHole.Bytes)
        {
            _largestHole = new Gap(Window.Start + start, bytes, kind, align);
        }
    }

    /// <summary>Notes what a purge would leave free between two live areas, given as offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void NoteReclaimed(ulong start, ulong end)
    {
        ulong from = start == 0 ? start : start + _gapPageBytes;
        if (end > from && end - from > _largestHoleAfterPurge.Bytes)
        {
            _largestHoleAfterPurge = new Gap(Window.Start + from, end - from, GapKind.Free, 0);
        }
    }

    /// <summary>Counts a gap that begins at an offset, and keeps it where it is asked for or large.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Emit(ulong start, ulong bytes, GapKind kind, ulong align = 0)
    {
        _bytesByGapKind[(int)kind] += bytes;
        _countByGapKind[(int)kind]++;
        if (bytes > _keptAbove)
        {
            Keep(new Gap(Window.Start + start, bytes, kind, align));
        }
    }

    private void Keep(Gap gap)
    {
        if (_keepAll)
        {
            if (_all is null || _allCount == _all.Length)
            {
                Array.Resize(ref _all, Math.Max(256, _allCount * 2));
            }

            _all[_allCount++] = gap;
        }

        if (_largestCount == LargestKept && gap.Bytes <= _largest[LargestKept - 1].Bytes)
        {
            return;
        }

        int at = _largestCount;
        while (at > 0 && _largest[at - 1].Bytes < gap.Bytes)
        {
            _largest[at] = _largest[at - 1];
            at--;
        }

        _largest[at] = gap;
        _largestCount = Math.Min(_largestCount + 1, LargestKept);
        _keptAbove = _keepAll || _largestCount < LargestKept ? 0 : _largest[LargestKept - 1].Bytes;
    }

    private void NoteOverlap(in AreaSlot lower, in AreaSlot upper, ulong bytes)
    {
        OverlapCount++;
        OverlapBytes += bytes;
        Keep(new Overlap(lower, upper, bytes));
    }

    private void Keep(Overlap overlap)
    {
        if (_overlaps.Count < OverlapsMax)
        {
            _overlaps.Add(overlap);
        }
    }

    private void Check()
    {
        ulong sum = CoveredBytes;
        foreach (ulong bytes in _bytesByGapKind)
        {
            sum = unchecked(sum + bytes);
        }

        if (sum != Window.Bytes)
        {
            throw new InvalidOperationException(
                $"the account of {Window.Name} 0x{Window.Start:x} does not add up: {sum} of {Window.Bytes} bytes");
        }
    }
}
