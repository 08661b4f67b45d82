using System.Runtime.CompilerServices;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>The beginning of a window as a row of cells of equal length: bytes by kind in each, exact to the byte.</summary>
public sealed class BarCells
{
    /// <summary>Sums by <see cref="ListedKind"/>, and one more for per-CPU chunks, which no word of their rows names.</summary>
    public const int SumCount = ListedKinds.Count + 1;

    /// <summary>Which of the sums holds the per-CPU chunks.</summary>
    public const int Percpu = ListedKinds.Count;

    private readonly ulong[] _sums;

    /// <summary>Areas come in address order, so this only ever moves on.</summary>
    private int _cell;
    private ulong _cellEnd;

    /// <param name="lengthBytes">How many bytes are shown, from the window's start on; 1 or more.</param>
    /// <param name="cells">Over how many cells; 1 or more.</param>
    internal BarCells(ulong lengthBytes, int cells)
    {
        (LengthBytes, Cells) = (lengthBytes, cells);
        _sums = new ulong[cells * SumCount];
        _cellEnd = StartOf(1);
    }

    /// <summary>How many bytes are shown.</summary>
    public ulong LengthBytes { get; }

    /// <summary>How many cells there are.</summary>
    public int Cells { get; }

    /// <summary>The bytes in a cell, by <see cref="ListedKind"/> and <see cref="Percpu"/>.</summary>
    public ReadOnlySpan<ulong> this[int cell] => _sums.AsSpan(cell * SumCount, SumCount);

    /// <summary>Which of the sums an area belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int SumOf(ListedKind kind, bool isPercpu) =>
        isPercpu && kind is ListedKind.Vmalloc or ListedKind.Unnamed ? Percpu : (int)kind;

    /// <summary>Adds areas in address order, all of them at once where one cell holds them.</summary>
    /// <param name="run">The areas, at least one.</param>
    /// <param name="sums">Their bytes inside the window, by kind.</param>
    /// <param name="end">The offset into the window that none of them reaches beyond.</param>
    /// <param name="origin">The window's start.</param>
    /// <param name="totals">Knows the owners.</param>
    internal void Take(ReadOnlySpan<AreaSlot> run, ReadOnlySpan<ulong> sums, ulong end, ulong origin, ListTotals totals)
    {
        ulong from = unchecked(run[0].Start - origin);
        if (from < LengthBytes)
        {
            MoveTo(from);
        }

        if (from >= LengthBytes || end > _cellEnd)
        {
            Take(run, origin, totals);
            return;
        }

        Span<ulong> cell = _sums.AsSpan(_cell * SumCount, SumCount);
        for (int sum = 0; sum < cell.Length; sum++)
        {
            cell[sum] = unchecked(cell[sum] + sums[sum]);
        }
    }

    /// <summary>Adds areas in address order, one by one.</summary>
    [MethodImpl(HotPath.Compiled)]
    internal void Take(ReadOnlySpan<AreaSlot> run, ulong origin, ListTotals totals)
    {
        foreach (ref readonly AreaSlot area in run)
        {
            ulong from = unchecked(area.Start - origin);
            if (from >= LengthBytes)
            {
                return;
            }

            ulong to = from + Math.Min(area.SizeBytes, LengthBytes - from);
            int sum = SumOf(ListedKinds.Of(area.Flags), totals.Owner(area.Caller).IsPercpu);
            MoveTo(from);
            for (int cell = _cell; from < to; cell++)
            {
                ulong stop = Math.Min(to, StartOf(cell + 1));
                _sums[(cell * SumCount) + sum] += stop - from;
                from = stop;
            }
        }
    }

    /// <summary>Adds the sums of a bar of the same length and as many cells.</summary>
    internal void Add(BarCells later)
    {
        for (int i = 0; i < _sums.Length; i++)
        {
            _sums[i] += later._sums[i];
        }
    }

    private void MoveTo(ulong offset)
    {
        while (offset >= _cellEnd)
        {
            _cellEnd = StartOf(++_cell + 1);
        }
    }

    /// <summary>The first offset that falls into a cell.</summary>
    private ulong StartOf(int cell)
    {
        // length * cell / cells, rounded up, without its product: that may not fit.
        (ulong whole, ulong rest) = Math.DivRem(LengthBytes, (ulong)Cells);
        return (whole * (uint)cell) + (((rest * (uint)cell) + (uint)Cells - 1) / (uint)Cells);
    }
}
