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

    /// <summary>The kind of cell that each sum belongs to: by <see cref="ListedKind"/>, per-CPU chunks last.</summary>
    private static readonly BarKind[] KindOfSum =
    [
        BarKind.Vmalloc, BarKind.Ioremap, BarKind.Vmap, BarKind.Vmap, BarKind.Vmap, BarKind.MapRam, BarKind.Unpurged, BarKind.Vmalloc,
        BarKind.Percpu,
    ];

    private readonly ulong[] _bytes;
    private readonly int _cells;
    private readonly ulong _length;

    /// <param name="cells">The cells, by kinds of areas.</param>
    internal WindowBar(BarCells cells)
    {
        (_cells, _length) = (cells.Cells, cells.LengthBytes);
        _bytes = new ulong[_cells * KindCount];
        for (int cell = 0; cell < _cells; cell++)
        {
            ReadOnlySpan<ulong> sums = cells[cell];
            for (int sum = 0; sum < sums.Length; sum++)
            {
                _bytes[(cell * KindCount) + (int)KindOfSum[sum]] += sums[sum];
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
            int kind = Dominant(cell, out double share);
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

    /// <summary>What the signs mean; only kinds that some of the bars show.</summary>
    /// <param name="paint">The colours.</param>
    /// <param name="ascii">Whether signs outside ASCII are avoided.</param>
    /// <param name="width">Columns of a line; it goes on in the next one where they are not enough.</param>
    /// <param name="bars">The bars.</param>
    internal static string Legend(Paint paint, bool ascii, int width, params WindowBar[] bars)
    {
        StringBuilder text = new("  ");
        int column = 2;
        for (int kind = 0; kind < KindCount; kind++)
        {
            bool shown = false;
            foreach (WindowBar bar in bars)
            {
                shown |= bar.Has((BarKind)kind);
            }

            if (shown)
            {
                Entry(paint.Foreground(Colors[kind], Glyph(kind, 1, ascii || !paint.Enabled).ToString()), Names[kind]);
            }
        }

        Entry(paint.Foreground(240, Empty(ascii).ToString()), "free");
        return text.ToString();

        void Entry(string sign, string name)
        {
            const int signAndBlank = 2;
            const int between = 3;
            int length = signAndBlank + name.Length;
            if (column > 2)
            {
                bool fits = column + between + length <= width;
                text.Append(fits ? "   " : "\n  ");
                column = fits ? column + between : 2;
            }

            text.Append(sign).Append(' ').Append(name);
            column += length;
        }
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

    /// <summary>The kind that takes most of a cell, -1 for an empty one, and how much of it all kinds take.</summary>
    private int Dominant(int cell, out double share)
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

        // By hand: the library's Max of two doubles is compiled for wider vectors at every start.
        double cellBytes = _length / (double)_cells;
        share = sum / (cellBytes < 1 ? 1 : cellBytes);
        return best;
    }
}
