using System.Text;

namespace VmScope.Cli.Output;

/// <summary>Which edge of its column a cell keeps to.</summary>
internal enum Side
{
    /// <summary>Words.</summary>
    Left,

    /// <summary>Numbers.</summary>
    Right,
}

/// <summary>A plain table: columns as wide as their widest cell, the last one cut at the terminal's edge.</summary>
/// <remarks>
/// Ours rather than a library's: the one that restores everywhere costs more at start-up than reading and
/// explaining a real list (docs/decisions/start-up.md).
/// </remarks>
internal sealed class ColumnTable
{
    private const string Gap = "  ";
    private const int WrapMin = 16;
    private readonly (string Title, Side Side)[] _columns;
    private readonly List<string[]> _rows = [];

    internal ColumnTable(params (string Title, Side Side)[] columns) => _columns = columns;

    /// <summary>Whether the first line names the columns.</summary>
    internal bool ShowHeader { get; init; } = true;

    /// <summary>Whether sentences in the last column go on in further lines instead of being cut.</summary>
    internal bool WrapsLast { get; init; }

    /// <summary>Adds a row; cells are made safe for the terminal here, so callers pass names as they were read.</summary>
    internal void Add(params string[] cells)
    {
        if (cells.Length != _columns.Length)
        {
            throw new ArgumentException($"{cells.Length} cells for {_columns.Length} columns", nameof(cells));
        }

        _rows.Add(Array.ConvertAll(cells, SafeText.Line));
    }

    /// <summary>
    /// Writes the table; a line longer than <paramref name="width"/> loses the end of its last cell, or is continued
    /// (<see cref="WrapsLast"/>).
    /// </summary>
    internal void Write(TextWriter writer, int width, string indent = "")
    {
        int[] widths = new int[_columns.Length];
        for (int c = 0; c < widths.Length; c++)
        {
            widths[c] = ShowHeader ? _columns[c].Title.Length : 0;
            foreach (string[] row in _rows)
            {
                widths[c] = Math.Max(widths[c], row[c].Length);
            }
        }

        if (ShowHeader)
        {
            WriteRow(Array.ConvertAll(_columns, column => column.Title));
        }

        foreach (string[] row in _rows)
        {
            WriteRow(row);
        }

        void WriteRow(string[] cells)
        {
            StringBuilder line = new(indent);
            for (int c = 0; c < cells.Length; c++)
            {
                if (c > 0)
                {
                    line.Append(Gap);
                }

                bool last = c == cells.Length - 1;
                string cell = cells[c];
                int room = width - line.Length;
                if (last && WrapsLast && cell.Length > room && room >= WrapMin)
                {
                    TextBlock.Write(writer, line.ToString(), line.Length, cell, width, line.Length);
                    return;
                }

                if (last && _columns[c].Side == Side.Left && cell.Length > room && room > 3)
                {
                    cell = string.Concat(cell.AsSpan(0, room - 3), "...");
                }

                line.Append(_columns[c].Side == Side.Right ? cell.PadLeft(widths[c]) : last ? cell : cell.PadRight(widths[c]));
            }

            writer.WriteLine(line.ToString().TrimEnd());
        }
    }
}
