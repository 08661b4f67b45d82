using VmScope.Kernels;

namespace VmScope.Paging;

/// <summary>A run of physical memory to be mapped with pages of one size.</summary>
/// <param name="Start">Its first address.</param>
/// <param name="EndExclusive">The address behind it.</param>
/// <param name="PageShift">log2 of the page size.</param>
public readonly record struct DirectMapPiece(ulong Start, ulong EndExclusive, int PageShift);

/// <summary>Decides with which page sizes a kernel maps memory one to one at boot.</summary>
/// <remarks>
/// Source: arch/i386/mm/init.c, pagetable_init(), 2.4.22; arch/x86/mm/init.c, split_mem_range(),
/// adjust_range_page_size_mask(), memory_map_top_down(), 6.1.
/// </remarks>
public static class DirectMap
{
    private const ulong IsaEnd = 1 * Size.MiB;

    /// <summary>Cuts memory into pieces, in the order the kernel maps them.</summary>
    /// <param name="rule">The kernel's way.</param>
    /// <param name="ram">RAM below the end of the direct map, lowest first, as byte ranges of whole pages.</param>
    /// <param name="endExclusive">The end of directly mapped memory.</param>
    /// <param name="largeShift">log2 of the large page; null when the processor has none.</param>
    /// <param name="hugeShift">log2 of the huge page (1 GiB); null when there is none.</param>
    /// <param name="firstSlotSmall">Whether the first large page is never used (32 bit).</param>
    public static IEnumerable<DirectMapPiece> Pieces(
        DirectMapRule rule, IReadOnlyList<(ulong Start, ulong End)> ram, ulong endExclusive, int? largeShift, int? hugeShift, bool firstSlotSmall)
    {
        if (rule == DirectMapRule.WholeSlots)
        {
            return WholeSlots(endExclusive, largeShift);
        }

        List<(ulong Start, ulong End)> chunks = rule == DirectMapRule.SplitRanges
            ? [(0, IsaEnd), (IsaEnd, endExclusive)]
            : TopDownChunks(ram, endExclusive, largeShift ?? 21);
        List<DirectMapPiece> pieces = [];
        foreach ((ulong from, ulong to) in chunks)
        {
            foreach ((ulong start, ulong end) in from == 0 ? [(0UL, Math.Min(IsaEnd, endExclusive))] : ram)
            {
                ulong low = Math.Max(start, from);
                ulong high = Math.Min(end, to);
                if (low < high)
                {
                    Split(pieces, ram, low, high, largeShift, hugeShift, firstSlotSmall);
                }
            }
        }

        return pieces;
    }

    private static IEnumerable<DirectMapPiece> WholeSlots(ulong end, int? largeShift)
    {
        if (largeShift is not { } large)
        {
            yield return new DirectMapPiece(0, end, 12);
            yield break;
        }

        // Quirk: the last large page is used whole, even where low memory ends inside it.
        yield return new DirectMapPiece(0, Align.Up(end, 1UL << large), large);
    }

    private static List<(ulong Start, ulong End)> TopDownChunks(IReadOnlyList<(ulong Start, ulong End)> ram, ulong end, int largeShift)
    {
        ulong step = 1UL << largeShift;
        ulong top = HighestLargePage(ram, end, step) is { } page ? page + step : end;
        List<(ulong Start, ulong End)> chunks = [(0, IsaEnd)];
        ulong last = top;
        ulong mapped = 0;
        while (last > IsaEnd)
        {
            ulong start = last > step ? Math.Max(Align.Down(last - 1, step), IsaEnd) : IsaEnd;
            chunks.Add((start, last));
            mapped += ram.Aggregate(0UL, (sum, piece) =>
                sum + (Math.Min(piece.End, last) > Math.Max(piece.Start, start) ? Math.Min(piece.End, last) - Math.Max(piece.Start, start) : 0));
            last = start;
            if (mapped >= step)
            {
                // The pages mapped so far hold the tables for a step this much larger.
                step <<= Math.Min(largeShift - 12 - 3, 48 - System.Numerics.BitOperations.Log2(step));
            }
        }

        if (top < end)
        {
            chunks.Add((top, end));
        }

        return chunks;
    }

    private static ulong? HighestLargePage(IReadOnlyList<(ulong Start, ulong End)> ram, ulong end, ulong large)
    {
        for (int i = ram.Count - 1; i >= 0; i--)
        {
            ulong high = Align.Down(Math.Min(ram[i].End, end), large);
            if (high >= large && high - large >= Math.Max(ram[i].Start, IsaEnd))
            {
                return high - large;
            }
        }

        return null;
    }

    /// <summary>Small pages to the first border, large ones, huge ones, and the same downward at the end.</summary>
    private static void Split(List<DirectMapPiece> pieces, IReadOnlyList<(ulong Start, ulong End)> ram, ulong start, ulong end, int? largeShift, int? hugeShift, bool firstSlotSmall)
    {
        List<DirectMapPiece> own = [];
        void Add(ulong from, ulong to, int shift)
        {
            if (from < to)
            {
                own.Add(new DirectMapPiece(from, to, shift));
            }
        }

        ulong at = start;
        if (largeShift is { } large)
        {
            ulong largeBytes = 1UL << large;
            ulong firstLarge = firstSlotSmall && at == 0 ? largeBytes : Align.Up(at, largeBytes);
            ulong lastLarge = Align.Down(end, largeBytes);
            firstLarge = Math.Min(firstLarge, end);
            Add(at, firstLarge, 12);
            at = firstLarge;
            if (hugeShift is { } huge && Align.Up(at, 1UL << huge) < Align.Down(lastLarge, 1UL << huge))
            {
                Add(at, Align.Up(at, 1UL << huge), large);
                Add(Align.Up(at, 1UL << huge), Align.Down(lastLarge, 1UL << huge), huge);
                at = Align.Down(lastLarge, 1UL << huge);
            }

            if (at < lastLarge)
            {
                Add(at, lastLarge, large);
                at = lastLarge;
            }
        }

        Add(at, end, 12);
        for (int i = 0; i < own.Count; i++)
        {
            pieces.Add(Promoted(own[i], ram, largeShift, hugeShift, firstSlotSmall));
        }
    }

    /// <summary>A short piece takes larger pages when everything those would cover is RAM.</summary>
    private static DirectMapPiece Promoted(DirectMapPiece piece, IReadOnlyList<(ulong Start, ulong End)> ram, int? largeShift, int? hugeShift, bool firstSlotSmall)
    {
        foreach (int? shift in new[] { hugeShift, largeShift })
        {
            if (shift is not { } larger || larger <= piece.PageShift)
            {
                continue;
            }

            ulong start = Align.Down(piece.Start, 1UL << larger);
            ulong end = Align.Up(piece.EndExclusive, 1UL << larger);
            // The first slot of 32-bit kernels is always small pages.
            if ((!firstSlotSmall || start != 0) && ram.Any(range => range.Start <= start && end <= range.End))
            {
                return new DirectMapPiece(start, end, larger);
            }
        }

        return piece;
    }
}
