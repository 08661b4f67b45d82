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
    private readonly int[] _widths;
    private readonly List<string[]> _rows = [];
    private readonly StringBuilder _line = new();

    internal ColumnTable(params (string Title, Side Side)[] columns) => (_columns, _widths) = (columns, new int[columns.Length]);

    /// <summary>Whether the first line names the columns.</summary>
    internal bool ShowHeader { get; init; } = true;

    /// <summary>Whether sentences in the last column go on in further lines instead of being cut.</summary>
    internal bool WrapsLast { get; init; }

    /// <summary>Adds a row; cells are made safe for the terminal here, so callers pass names as they were read.</summary>
    internal void Add(params string[] cells)
    {
        string[] safe = Array.ConvertAll(cells, SafeText.Line);
        Expect(safe);
        _rows.Add(safe);
    }

    /// <summary>
    /// Makes room for cells of rows that will be written one by one (<see cref="WriteRow"/>): a table of several hundred
    /// thousand rows is not kept.
    /// </summary>
    internal void Expect(params string[] cells)
    {
        if (cells.Length != _columns.Length)
        {
            throw new ArgumentException($"{cells.Length} cells for {_columns.Length} columns", nameof(cells));
        }

        for (int c = 0; c < cells.Length; c++)
        {
            _widths[c] = Math.Max(_widths[c], cells[c].Length);
        }
    }

    /// <summary>
    /// Writes the table; a line longer than <paramref name="width"/> loses the end of its last cell, or is continued
    /// (<see cref="WrapsLast"/>).
    /// </summary>
    internal void Write(TextWriter writer, int width, string indent = "")
    {
        WriteHeader(writer, width, indent);
        foreach (string[] row in _rows)
        {
            WriteRow(writer, width, indent, row);
        }
    }

    /// <summary>Writes the line that names the columns, if there is to be one.</summary>
    internal void WriteHeader(TextWriter writer, int width, string indent)
    {
        if (ShowHeader)
        {
            string[] titles = Array.ConvertAll(_columns, column => column.Title);
            Expect(titles);
            WriteRow(writer, width, indent, titles);
        }
    }

    /// <summary>Writes a row; its cells are safe for a terminal.</summary>
    internal void WriteRow(TextWriter writer, int width, string indent, params string[] cells)
    {
        _line.Clear().Append(indent);
        for (int c = 0; c < cells.Length; c++)
        {
            if (c > 0)
            {
                _line.Append(Gap);
            }

            bool last = c == cells.Length - 1;
            string cell = cells[c];
            int room = width - _line.Length;
            if (last && WrapsLast && cell.Length > room && room >= WrapMin)
            {
                TextBlock.Write(writer, _line.ToString(), _line.Length, cell, width, _line.Length);
                return;
            }

            if (last && _columns[c].Side == Side.Left && cell.Length > room && room > 3)
            {
                cell = string.Concat(cell.AsSpan(0, room - 3), "...");
            }

            int blanks = Math.Max(0, _widths[c] - cell.Length);
            bool isRight = _columns[c].Side == Side.Right;
            _line.Append(' ', isRight ? blanks : 0).Append(cell).Append(' ', isRight || last ? 0 : blanks);
        }

        int length = _line.Length;
        while (length > 0 && _line[length - 1] == ' ')
        {
            length--;
        }

        _line.Length = length;
        writer.WriteLine(_line);
    }
}
