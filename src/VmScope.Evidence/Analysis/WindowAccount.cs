using System.Numerics;
using System.Runtime.CompilerServices;
using VmScope.Kernels;
using VmScope.Vmalloc;

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
    private int _largestCount;
    private Gap[] _all = [];
    private int _allCount;

    /// <param name="window">The window.</param>
    /// <param name="areas">Every area, in address order.</param>
    /// <param name="rule">What explains a hole.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    /// <param name="era">How the kernel places; null when unknown.</param>
    /// <param name="keepAll">Whether to keep every gap, or only sums and the largest.</param>
    /// <param name="topAlignBytes">
    /// The alignment of per-CPU chunks where it makes the top of the window unusable for them; 0 elsewhere.
    /// </param>
    internal WindowAccount(
        AddressWindow window, AreaList areas, AlignmentRule rule, ulong pageBytes, PlacementEra? era, bool keepAll, ulong topAlignBytes = 0)
    {
        (Window, _areas, _rule, _pageBytes, _topAlignBytes) = (window, areas, rule, pageBytes, topAlignBytes);
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
    public Gap LargestHole { get; private set; }

    /// <summary>The largest hole after a purge, when unpurged areas are free again.</summary>
    public Gap LargestHoleAfterPurge { get; private set; }

    /// <summary>The largest gaps, largest first, at most a dozen.</summary>
    public ReadOnlySpan<Gap> Largest => _largest.AsSpan(0, _largestCount);

    /// <summary>Every gap in address order, when asked for.</summary>
    public ReadOnlySpan<Gap> All => _all.AsSpan(0, _allCount);

    /// <summary>Holes whose size has this logarithm.</summary>
    public (long Count, ulong Bytes) HistogramAt(int log2) => (_histogramCount[log2], _histogramBytes[log2]);

    /// <summary>The index of the first area at or above the window's start.</summary>
    public int FirstIndex { get; private set; }

    /// <summary>The index behind the last area of the window.</summary>
    public int EndIndex { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Walk()
    {
        // Offsets into the window instead of addresses: the last window may end at 2^64, which no address can say.
        ulong origin = Window.Start;
        ulong length = Window.Bytes;
        ulong cursor = 0;
        ulong liveEnd = 0;
        int index = _areas.FirstAtOrAbove(origin);
        int highest = -1;
        if (index > 0 && _areas[index - 1].End > origin)
        {
            // Begins below and reaches in: a bound is wrong, and the bytes are not free.
            highest = index - 1;
            cursor = liveEnd = Math.Min(_areas[highest].End - origin, length);
            CoveredBytes = cursor;
            _bytesByKind[(int)ListedKinds.Of(_areas[highest].Flags)] += cursor;
        }

        bool afterArea = liveEnd > 0;
        FirstIndex = index;
        for (; index < _areas.Count && _areas[index].Start <= Window.Last; index++)
        {
            ref readonly AreaSlot area = ref _areas[index];
            bool unpurged = (area.Flags & AreaFlags.Unpurged) != AreaFlags.None;
            ulong start = area.Start - origin;
            ulong end = Math.Min(unchecked(area.End - origin - 1), length - 1) + 1;
            if (start > cursor)
            {
                Hole(cursor, start, area, afterArea);
            }

            if (unpurged)
            {
                UnpurgedAreas++;
            }
            else
            {
                Areas++;
                Touching += start == liveEnd && liveEnd > 0 ? 1 : 0;
                if (start < liveEnd)
                {
                    NoteOverlap(_areas[highest], area, Math.Min(liveEnd, end) - start);
                }
            }

            ulong from = Math.Max(start, cursor);
            if (end <= from)
            {
                continue;
            }

            cursor = end;
            if (unpurged)
            {
                Emit(new Gap(origin + from, end - from, GapKind.Unpurged, 0));
                afterArea = false;
                continue;
            }

            CoveredBytes += end - from;
            _bytesByKind[(int)ListedKinds.Of(area.Flags)] += end - from;
            if (from > liveEnd)
            {
                NoteReclaimed(liveEnd, from);
            }

            liveEnd = end;
            highest = index;
            afterArea = true;
        }

        EndIndex = index;
        if (cursor < length)
        {
            AreaSlot none = default;
            Hole(cursor, length, none, afterArea, toTheEnd: true);
        }

        if (liveEnd < length)
        {
            NoteReclaimed(liveEnd, length);
        }

        Check();
    }

    /// <summary>Accounts for a hole, given as offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Hole(ulong start, ulong end, in AreaSlot next, bool afterArea, bool toTheEnd = false)
    {
        if (_gapPageBytes > 0 && afterArea && end - start >= _gapPageBytes)
        {
            Emit(new Gap(Window.Start + start, _gapPageBytes, GapKind.GapPage, 0));
            start += _gapPageBytes;
            if (start == end)
            {
                return;
            }
        }

        ulong bytes = end - start;
        ulong align = 0;
        GapKind kind = GapKind.Free;
        if (bytes % _pageBytes != 0)
        {
            kind = GapKind.Unexplained;
        }
        else if (!toTheEnd)
        {
            align = _rule.Explains(Window.Start + start, next);
            kind = align != 0 ? GapKind.Alignment : GapKind.Free;
        }
        else if (bytes == _topAlignBytes && afterArea)
        {
            // The window's last byte is one short of a multiple, so chunks placed from the top end one alignment below.
            (kind, align) = (GapKind.Alignment, bytes);
        }

        Gap hole = new(Window.Start + start, bytes, kind, align);
        Emit(hole);
        FreeBytes += bytes;
        Holes++;
        int log2 = BitOperations.Log2(bytes);
        _histogramCount[log2]++;
        _histogramBytes[log2] += bytes;
        if (bytes > LargestHole.Bytes)
        {
            LargestHole = hole;
        }
    }

    /// <summary>Notes what a purge would leave free between two live areas, given as offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void NoteReclaimed(ulong start, ulong end)
    {
        ulong from = start == 0 ? start : start + _gapPageBytes;
        if (end > from && end - from > LargestHoleAfterPurge.Bytes)
        {
            LargestHoleAfterPurge = new Gap(Window.Start + from, end - from, GapKind.Free, 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Emit(Gap gap)
    {
        _bytesByGapKind[(int)gap.Kind] += gap.Bytes;
        _countByGapKind[(int)gap.Kind]++;
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
