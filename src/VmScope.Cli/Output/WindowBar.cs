using System.Runtime.CompilerServices;
using System.Text;
using VmScope.Analysis;

namespace VmScope.Cli.Output;

/// <summary>What a cell of the bar is coloured for.</summary>
internal enum BarKind
{
    /// <summary>Memory of the area's own.</summary>
    Vmalloc,

    /// <summary>Device memory.</summary>
    Ioremap,

    /// <summary>Somebody else's pages, DMA memory and the rest.</summary>
    Vmap,

    /// <summary>Per-CPU chunks.</summary>
    Percpu,

    /// <summary>Blocks of short-lived mappings.</summary>
    MapRam,

    /// <summary>Freed, not purged.</summary>
    Unpurged,
}

/// <summary>A run of addresses as a row of cells, to scale.</summary>
/// <remarks>
/// A cell shows the kind that takes most of its used bytes, and how full it is. A letter says the kind where there is
/// no colour, so that colour is never the only sign.
/// </remarks>
internal sealed class WindowBar
{
    /// <summary>How many kinds there are.</summary>
    internal const int KindCount = 6;

    private static readonly string[] Names = ["vmalloc", "ioremap", "vmap, dma", "per-CPU", "vm_map_ram", "unpurged"];
    private static readonly int[] Colors = [39, 208, 141, 71, 220, 244];
    private const string Letters = "vimpru";
    private readonly ulong[] _bytes;
    private readonly int _cells;
    private readonly ulong _length;

    /// <param name="list">The list.</param>
    /// <param name="start">The first address shown.</param>
    /// <param name="length">How many bytes are shown; 1 or more.</param>
    /// <param name="cells">Over how many cells; 1 or more.</param>
    internal WindowBar(ListExplanation list, ulong start, ulong length, int cells)
    {
        (_cells, _length) = (cells, length);
        _bytes = new ulong[cells * KindCount];
        Fill(list, start, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Fill(ListExplanation list, ulong start, ulong length)
    {
        int cell = 0;
        ulong cellEnd = CellStart(1);
        for (int i = list.Areas.FirstAtOrAbove(start); i < list.Areas.Count; i++)
        {
            ref readonly AreaSlot area = ref list.Areas[i];
            ulong from = area.Start - start;
            if (from >= length)
            {
                break;
            }

            // Areas come in address order, so the cell only ever moves on; most areas lie inside one.
            ulong end = from + Math.Min(area.End - area.Start, length - from);
            int kind = (int)Kind(list, area);
            while (from >= cellEnd)
            {
                cellEnd = CellStart(++cell + 1);
            }

            if (end <= cellEnd)
            {
                _bytes[(cell * KindCount) + kind] += end - from;
                continue;
            }

            for (int at = cell; from < end; at++)
            {
                ulong stop = Math.Min(end, CellStart(at + 1));
                _bytes[(at * KindCount) + kind] += stop - from;
                from = stop;
            }
        }
    }

    /// <summary>Whether a kind occurs.</summary>
    internal bool Has(BarKind kind)
    {
        for (int cell = 0; cell < _cells; cell++)
        {
            if (_bytes[(cell * KindCount) + (int)kind] > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The cells as text.</summary>
    internal string Draw(Paint paint, bool ascii)
    {
        StringBuilder text = new();
        StringBuilder run = new();
        int color = -1;
        for (int cell = 0; cell < _cells; cell++)
        {
            (int kind, double share) = Dominant(cell);
            char glyph = kind < 0 ? Empty(ascii) : Glyph(kind, share, ascii || !paint.Enabled);
            int wanted = kind < 0 ? 240 : Colors[kind];
            if (wanted != color && run.Length > 0)
            {
                text.Append(paint.Foreground(color, run.ToString()));
                run.Clear();
            }

            color = wanted;
            run.Append(glyph);
        }

        return text.Append(paint.Foreground(color, run.ToString())).ToString();
    }

    /// <summary>One line that says what the signs mean; only kinds that some of the bars show.</summary>
    internal static string Legend(Paint paint, bool ascii, params WindowBar[] bars)
    {
        StringBuilder text = new();
        for (int kind = 0; kind < KindCount; kind++)
        {
            bool shown = false;
            foreach (WindowBar bar in bars)
            {
                shown |= bar.Has((BarKind)kind);
            }

            if (shown)
            {
                char glyph = Glyph(kind, 1, ascii || !paint.Enabled);
                text.Append(paint.Foreground(Colors[kind], glyph.ToString())).Append(' ').Append(Names[kind]).Append("   ");
            }
        }

        text.Append(paint.Foreground(240, Empty(ascii).ToString())).Append(" free");
        return text.ToString();
    }

    /// <summary>How the signs say how full a cell is.</summary>
    internal static string LegendNote(Paint paint, bool ascii) =>
        ascii || !paint.Enabled ? "a capital letter: more than half of the cell is used" : "the denser, the fuller the cell";

    private static char Empty(bool ascii) => ascii ? '.' : '·';

    private static char Glyph(int kind, double share, bool letters)
    {
        if (letters)
        {
            return share > 0.5 ? char.ToUpperInvariant(Letters[kind]) : Letters[kind];
        }

        return share > 0.75 ? '█' : share > 0.5 ? '▓' : share > 0.25 ? '▒' : '░';
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static BarKind Kind(ListExplanation list, in AreaSlot area) => ListedKinds.Of(area.Flags) switch
    {
        ListedKind.Unpurged => BarKind.Unpurged,
        ListedKind.VmMapRam => BarKind.MapRam,
        ListedKind.Ioremap => BarKind.Ioremap,
        ListedKind.Vmalloc or ListedKind.Unnamed => area.Caller != 0 && list.IsPercpu(area.Caller) ? BarKind.Percpu : BarKind.Vmalloc,
        ListedKind.Vmap or ListedKind.DmaCoherent or ListedKind.Sparse => BarKind.Vmap,
    };

    /// <summary>The first offset that falls into a cell.</summary>
    private ulong CellStart(int cell) => (ulong)((((UInt128)_length * (uint)cell) + (uint)(_cells - 1)) / (uint)_cells);

    private (int Kind, double Share) Dominant(int cell)
    {
        int best = -1;
        ulong most = 0;
        ulong sum = 0;
        for (int kind = 0; kind < KindCount; kind++)
        {
            ulong bytes = _bytes[(cell * KindCount) + kind];
            sum += bytes;
            if (bytes > most)
            {
                (best, most) = (kind, bytes);
            }
        }

        double cellBytes = Math.Max(1, _length / (double)_cells);
        return (best, sum / cellBytes);
    }
}
