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

    private readonly AreaList _areas;
    private readonly AlignmentRule _rule;
    private readonly ulong _gapPageBytes;
    private readonly ulong _pageBytes;
    private readonly ulong _topAlignBytes;
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
    private int _highest = -1;
    private bool _afterArea;
    private Gap[] _all = [];
    private int _allCount;

    /// <param name="window">The window.</param>
    /// <param name="totals">The list; its areas in address order.</param>
    /// <param name="rule">What explains a hole.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    /// <param name="era">How the kernel places; null when unknown.</param>
    /// <param name="keepAll">Whether to keep every gap, or only sums and the largest.</param>
    /// <param name="topAlignBytes">
    /// The alignment of per-CPU chunks where it makes the top of the window unusable for them; 0 elsewhere.
    /// </param>
    internal WindowAccount(
        AddressWindow window, ListTotals totals, AlignmentRule rule, ulong pageBytes, PlacementEra? era, bool keepAll, ulong topAlignBytes = 0)
    {
        (Window, _totals, _areas, _rule, _pageBytes, _topAlignBytes) = (window, totals, totals.Areas, rule, pageBytes, topAlignBytes);
        _gapPageBytes = era is PlacementEra.BusyAreas or PlacementEra.HintedBusyAreasWithGap ? pageBytes : 0;
        _keepAll = keepAll;
        Walk();
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

    /// <summary>Sums of the areas from <see cref="FirstIndex"/> on, block by block.</summary>
    public AreaBlocks Blocks { get; } = new();

    /// <summary>The index of the first area at or above the window's start.</summary>
    public int FirstIndex { get; private set; }

    /// <summary>The index behind the last area of the window.</summary>
    public int EndIndex { get; private set; }

    private void Walk()
    {
        int index = _areas.FirstAtOrAbove(Window.Start);
        if (index > 0 && _areas[index - 1].End > Window.Start)
        {
            // Begins below and reaches in: a bound is wrong, and the bytes are not free.
            _highest = index - 1;
            _cursor = _liveEnd = Math.Min(_areas[_highest].End - Window.Start, Window.Bytes);
            CoveredBytes = _cursor;
            _bytesByKind[(int)ListedKinds.Of(_areas[_highest].Flags)] += _cursor;
        }

        _afterArea = _liveEnd > 0;
        FirstIndex = index;
        while (index < _areas.Count)
        {
            ReadOnlySpan<AreaSlot> run = _areas.From(index);
            run = run[..Math.Min(run.Length, AreaBlocks.BlockAreas - (index % AreaBlocks.BlockAreas))];
            int taken = Take(run, index);
            index += taken;
            if (taken < run.Length)
            {
                break;
            }

            Blocks.Close(index, _cursor);
        }

        EndIndex = index;
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

    /// <summary>Accounts for areas in address order as far as they begin inside the window.</summary>
    /// <returns>How many.</returns>
    [MethodImpl(HotPath.Compiled)]
    private int Take(ReadOnlySpan<AreaSlot> run, int firstIndex)
    {
        unchecked
        {
            // Offsets into the window instead of addresses: the last window may end at 2^64, which no address can say.
            ulong origin = Window.Start;
            ulong length = Window.Bytes;
            ulong cursor = _cursor;
            ulong liveEnd = _liveEnd;
            ulong covered = CoveredBytes;
            long touching = 0;
            int unpurgedAreas = 0;
            Span<ulong> sums = Blocks.Open;
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
                sums[AreaBlocks.SumOf(kind, hasPercpu && _totals.Owner(area.Caller).IsPercpu)] += area.SizeBytes;
                if (start > cursor)
                {
                    Hole(cursor, start, area);
                }

                if (kind == ListedKind.Unpurged)
                {
                    unpurgedAreas++;
                    if (end > cursor)
                    {
                        ulong freedFrom = Math.Max(start, cursor);
                        Emit(freedFrom, end - freedFrom, GapKind.Unpurged);
                        cursor = end;
                        _afterArea = false;
                    }

                    continue;
                }

                touching += start == liveEnd && liveEnd > 0 ? 1 : 0;
                if (start < liveEnd)
                {
                    NoteOverlap(_areas[_highest], area, Math.Min(liveEnd, end) - start);
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
                _highest = firstIndex + i;
                _afterArea = true;
            }

            (_cursor, _liveEnd, CoveredBytes) = (cursor, liveEnd, covered);
            Areas += i - unpurgedAreas;
            UnpurgedAreas += unpurgedAreas;
            Touching += touching;
            return i;
        }
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
            if (_allCount == _all.Length)
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
        if (_overlaps.Count < OverlapsMax)
        {
            _overlaps.Add(new Overlap(lower, upper, bytes));
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
