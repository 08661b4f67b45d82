using Microsoft.Win32.SafeHandles;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Looks at single rows of a long list, wherever in its file they lie.</summary>
internal sealed class ListProbe(SafeFileHandle file)
{
    /// <summary>How much is read at once; longer lines are not found.</summary>
    private const int ChunkBytes = 4096;

    /// <summary>How many lines are looked at for one that is a row.</summary>
    private const int LinesMax = 16;

    private readonly byte[] _chunk = new byte[ChunkBytes];
    private readonly TextTable _texts = new();
    private readonly NodeBuffer _nodes = new();

    /// <summary>Bytes of the file.</summary>
    internal long Length { get; } = RandomAccess.GetLength(file);

    /// <summary>The first row that begins at or behind an offset; a few lines that are none are passed over.</summary>
    /// <param name="offset">The offset in bytes.</param>
    /// <param name="row">The row; its addresses are real ones.</param>
    /// <param name="at">Where it begins.</param>
    /// <param name="next">Where the line behind it begins.</param>
    internal bool TryFrom(long offset, out VmallocRow row, out long at, out long next)
    {
        row = default;
        at = next = offset;
        long from = Math.Max(0, offset - 1);
        ReadOnlySpan<byte> text = _chunk.AsSpan(0, RandomAccess.Read(file, _chunk, from));
        if (offset > 0)
        {
            int feed = text.IndexOf((byte)'\n');
            next = from + feed + 1;
            text = text[(feed + 1)..];
            if (feed < 0)
            {
                return false;
            }
        }

        for (int i = 0; i < LinesMax; i++)
        {
            int end = text.IndexOf((byte)'\n');
            at = next;
            next = at + end + 1;
            if (end < 0 || TryParse(text[..end], out row))
            {
                return end >= 0;
            }

            text = text[(end + 1)..];
        }

        return false;
    }

    /// <summary>The last row; a few lines behind it that are none are passed over.</summary>
    internal bool TryLast(out VmallocRow row, out long at)
    {
        row = default;
        long from = at = Math.Max(0, Length - ChunkBytes);
        ReadOnlySpan<byte> text = _chunk.AsSpan(0, RandomAccess.Read(file, _chunk, from));
        for (int i = 0; i < LinesMax; i++)
        {
            text = text.EndsWith("\n"u8) ? text[..^1] : text;
            int feed = text.LastIndexOf((byte)'\n');
            at = from + feed + 1;
            if (feed < 0 || TryParse(text[(feed + 1)..], out row))
            {
                return feed >= 0;
            }

            text = text[..(feed + 1)];
        }

        return false;
    }

    /// <summary>The neighbours of an address, in a list in address order.</summary>
    /// <param name="address">Above the first row's start, at most the last one's.</param>
    /// <param name="below">The last row that starts below it.</param>
    /// <param name="above">The first row that does not.</param>
    internal bool TryAround(ulong address, out VmallocRow below, out VmallocRow above)
    {
        above = default;
        if (!TryFrom(0, out below, out _, out long low) || !TryLast(out above, out long high))
        {
            return false;
        }

        // Rows that begin between the two are not known yet.
        while (low < high)
        {
            long middle = low + ((high - low) / 2);
            if (!TryFrom(middle, out VmallocRow row, out long at, out long next))
            {
                return false;
            }

            if (at >= high)
            {
                high = middle;
            }
            else if (row.Start >= address)
            {
                (above, high) = (row, middle);
            }
            else
            {
                (below, low) = (row, next);
            }
        }

        return below.Start < address && above.Start >= address;
    }

    private bool TryParse(ReadOnlySpan<byte> line, out VmallocRow row)
    {
        line = line.EndsWith("\r"u8) ? line[..^1] : line;
        bool isRow = VmallocLineParser.Parse(line, _texts, _nodes, out row) is null;
        return isRow && row.AddressesMatchSize && row.SizeBytes > 0;
    }
}
