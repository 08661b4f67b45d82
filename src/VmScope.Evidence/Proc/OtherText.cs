using System.Text;

namespace VmScope.Proc;

/// <summary>Lines between a list's rows that belong to another text: a log, or /proc/meminfo, that was pasted with it.</summary>
public sealed class OtherText
{
    /// <summary>A log is far shorter; of more only the beginning is kept.</summary>
    private const int KeptBytes = 16 << 20;

    private byte[] _kept = new byte[4096];
    private int _length;

    /// <summary>How many lines.</summary>
    public long Lines { get; private set; }

    /// <summary>The number of the first one, from 1.</summary>
    public long FirstLine { get; private set; }

    /// <summary>The first one, cut at <see cref="DiagnosticList.TextLimit"/> characters; may hold anything, so print it through SafeText.</summary>
    public string First { get; private set; } = "";

    /// <summary>Opens the lines as a text of their own.</summary>
    internal Stream Open() => new MemoryStream(_kept, 0, _length, writable: false);

    /// <summary>Whether a line begins a piece of another text: a log's line, or one of meminfo with a size in it.</summary>
    internal static bool Begins(ReadOnlySpan<byte> line) => KindOf(line) is LineKind.Log or LineKind.Size;

    /// <summary>Whether a line behind one of another text goes on with it: anything that is not a row, even a torn one.</summary>
    internal static bool GoesOn(ReadOnlySpan<byte> line) => KindOf(line) != LineKind.TornRow;

    internal void Add(long line, ReadOnlySpan<byte> text)
    {
        if (Lines++ == 0)
        {
            FirstLine = line;
            First = Encoding.Latin1.GetString(text[..Math.Min(text.Length, DiagnosticList.TextLimit)]);
        }

        int end = _length + text.Length + 1;
        if (end > KeptBytes)
        {
            return;
        }

        if (end > _kept.Length)
        {
            Array.Resize(ref _kept, Math.Max(end, _kept.Length * 2));
        }

        text.CopyTo(_kept.AsSpan(_length));
        _kept[end - 1] = (byte)'\n';
        _length = end;
    }

    private static LineKind KindOf(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<char> line = TextLines.Plain(Encoding.Latin1.GetString(bytes[..Math.Min(bytes.Length, TextLines.LineLimit)]));
        ReadOnlySpan<char> message = DmesgPrefix.Strip(line);
        if (message.TrimStart().StartsWith("0x", StringComparison.Ordinal))
        {
            return LineKind.TornRow;
        }

        return LogLine.IsOne(line) ? LineKind.Log : MeminfoFile.IsSize(line) ? LineKind.Size : LineKind.Any;
    }

    private enum LineKind
    {
        Any,
        Log,
        Size,
        TornRow,
    }
}
