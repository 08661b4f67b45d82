namespace VmScope.Analysis;

/// <summary>The names of a table of lines by their first letter: a list of two hundred owners asks for all of them.</summary>
/// <remarks>Lines begin with names joined by commas and a bar behind the last. A name that begins with '*' is found under every letter.</remarks>
internal sealed class NameIndex
{
    private const int Letters = 128;
    private readonly int[] _first = new int[Letters];
    private readonly List<int> _next = [];
    private readonly List<int> _start = [];
    private readonly List<int> _length = [];
    private readonly List<int> _line = [];

    private NameIndex() => _first.AsSpan().Fill(-1);

    /// <summary>Reads a table.</summary>
    internal static NameIndex Of(ReadOnlySpan<byte> table)
    {
        NameIndex index = new();
        int line = 0;
        while (line < table.Length)
        {
            int bar = line + table[line..].IndexOf((byte)'|');
            for (int at = line; at < bar;)
            {
                int length = table[at..bar].IndexOf((byte)',');
                length = length < 0 ? bar - at : length;
                index.Add(table[at], at, length, line);
                at += length + 1;
            }

            int feed = table[bar..].IndexOf((byte)'\n');
            line = feed < 0 ? table.Length : bar + feed + 1;
        }

        return index;
    }

    /// <summary>The first name that may stand for a function beginning with a letter; -1 for none.</summary>
    internal int First(byte letter) => letter < Letters ? _first[letter] : -1;

    /// <summary>The next such name.</summary>
    internal int Next(int at) => _next[at];

    internal ReadOnlySpan<byte> Name(ReadOnlySpan<byte> table, int at) => table.Slice(_start[at], _length[at]);

    /// <summary>The whole line of a name, without its end.</summary>
    internal ReadOnlySpan<byte> Line(ReadOnlySpan<byte> table, int at)
    {
        ReadOnlySpan<byte> rest = table[_line[at]..];
        int feed = rest.IndexOf((byte)'\n');
        return feed < 0 ? rest : rest[..feed];
    }

    private void Add(byte letter, int start, int length, int line)
    {
        int last = letter == '*' ? Letters - 1 : letter;
        for (int each = letter == '*' ? 0 : letter; each <= last; each++)
        {
            _next.Add(_first[each]);
            _first[each] = _start.Count;
            _start.Add(start);
            _length.Add(length);
            _line.Add(line);
        }
    }
}
