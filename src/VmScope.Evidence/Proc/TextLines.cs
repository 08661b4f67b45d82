using System.Text;

namespace VmScope.Proc;

/// <summary>The lines of a text of unknown origin: any line end, any bytes, bounded in line length and total size.</summary>
/// <remarks>
/// A line longer than <see cref="LineLimit"/> bytes is cut there and the rest of it skipped, so that one endless line
/// costs no memory. Bytes that are no UTF-8 become U+FFFD.
/// </remarks>
public sealed class TextLines
{
    /// <summary>Bytes of a line that are kept.</summary>
    public const int LineLimit = 64 * 1024;

    private const char ByteOrderMark = '\ufeff';
    private const char Escape = '\u001b';

    private readonly Stream _stream;
    private readonly string _file;
    private readonly long _limitBytes;
    private readonly byte[] _buffer = new byte[32 * 1024];
    private int _start;
    private int _end;
    private long _readBytes;
    private bool _ended;

    /// <summary>Reads from a stream, which stays open.</summary>
    /// <param name="stream">Where the bytes come from.</param>
    /// <param name="file">The name errors give.</param>
    /// <param name="limitBytes">More than this is refused.</param>
    public TextLines(Stream stream, string file, long limitBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limitBytes);
        (_stream, _file, _limitBytes) = (stream, file, limitBytes);
    }

    /// <summary>The number of the line last returned, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>Reads the next line without its line end.</summary>
    /// <exception cref="EvidenceException">The text is longer than the limit, or cannot be read.</exception>
    public bool TryRead(out string line)
    {
        byte[]? collected = null;
        int length = 0;
        while (true)
        {
            if (_start == _end && !Fill())
            {
                if (collected is null)
                {
                    line = "";
                    return false;
                }

                break;
            }

            ReadOnlySpan<byte> rest = _buffer.AsSpan(_start, _end - _start);
            int feed = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> piece = feed < 0 ? rest : rest[..feed];
            _start += feed < 0 ? rest.Length : feed + 1;
            if (feed >= 0 && collected is null)
            {
                Number++;
                line = Plain(Decode(piece));
                return true;
            }

            collected ??= new byte[1024];
            int take = Math.Min(piece.Length, LineLimit - length);
            if (length + take > collected.Length)
            {
                Array.Resize(ref collected, Math.Min(LineLimit, Math.Max(length + take, collected.Length * 2)));
            }

            piece[..take].CopyTo(collected.AsSpan(length));
            length += take;
            if (feed >= 0)
            {
                break;
            }
        }

        Number++;
        line = Plain(Decode(collected.AsSpan(0, length)));
        return true;
    }

    private static string Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 0 && bytes[^1] == '\r')
        {
            bytes = bytes[..^1];
        }

        return Encoding.UTF8.GetString(bytes.Length > LineLimit ? bytes[..LineLimit] : bytes);
    }

    /// <summary>A line as it was meant: without a byte order mark before it and without a terminal's colours in it.</summary>
    internal static string Plain(string line)
    {
        line = line.StartsWith(ByteOrderMark) ? line[1..] : line;
        if (!line.Contains(Escape, StringComparison.Ordinal))
        {
            return line;
        }

        // ESC [ digits and semicolons m: what "dmesg --color=always" and script(1) leave behind.
        StringBuilder plain = new(line.Length);
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == Escape && i + 1 < line.Length && line[i + 1] == '[')
            {
                int end = i + 2;
                while (end < line.Length && (char.IsAsciiDigit(line[end]) || line[end] == ';'))
                {
                    end++;
                }

                if (end < line.Length && line[end] is ('m' or 'K'))
                {
                    i = end;
                    continue;
                }
            }

            plain.Append(line[i]);
        }

        return plain.ToString();
    }

    private bool Fill()
    {
        if (_ended)
        {
            return false;
        }

        try
        {
            int got = _stream.Read(_buffer);
            (_start, _end) = (0, got);
            _readBytes += got;
        }
        catch (InvalidDataException error)
        {
            throw new EvidenceException($"{_file}: the compressed data is damaged after {_readBytes} bytes", error);
        }

        _ended = _end == 0;
        return _readBytes <= _limitBytes
            ? !_ended
            : throw new EvidenceException($"{_file}: more than {_limitBytes} bytes; a real one is far smaller");
    }
}
