using System.Globalization;
using System.Text;

namespace VmScope.Traces;

/// <summary>Reads the events of a trace of any length, forward only, in a fixed amount of memory.</summary>
/// <remarks>No object is made per line: an event is written over the one the caller passes.</remarks>
internal sealed class TraceReader
{
    /// <summary>Longer lines are passed over.</summary>
    internal const int LineBytesMax = 64 * 1024;

    private const int BufferBytes = 256 * 1024;
    private const int OddLinesKept = 8;

    private readonly Stream _stream;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly List<string> _oddLines = [];
    private readonly PlacedTail _tail = new();
    private int _at;
    private int _used;
    private bool _skipping;
    private bool _isEnd;

    /// <summary>Reads from a stream of plain text, which stays open.</summary>
    /// <param name="stream">The bytes, not compressed.</param>
    /// <param name="file">The name that messages give.</param>
    internal TraceReader(Stream stream, string file) => (_stream, File) = (stream, file);

    /// <summary>The name of the file.</summary>
    internal string File { get; }

    /// <summary>Lines read so far.</summary>
    internal long Lines { get; private set; }

    /// <summary>Bytes taken from the stream so far.</summary>
    internal long Bytes { get; private set; }

    /// <summary>Lines that are neither events nor comments.</summary>
    internal long OddLines { get; private set; }

    /// <summary>The first of them, with their numbers; cut to a readable length.</summary>
    internal IReadOnlyList<string> OddLineSamples => _oddLines;

    /// <summary>Events the tracer says it dropped, by its lines in the text and by its header.</summary>
    internal ulong LostEvents { get; private set; }

    /// <summary>Events that were overwritten before the first one kept, by the header.</summary>
    internal ulong OverwrittenEvents { get; private set; }

    /// <summary>Processors online when the trace was read, by the header; 0 when it does not say.</summary>
    internal int HeaderCpus { get; private set; }

    /// <summary>Reads up to the next event that concerns the allocator.</summary>
    /// <returns>False at the end of the trace.</returns>
    /// <exception cref="EvidenceException">The stream cannot be read.</exception>
    internal bool TryRead(ref TraceEvent read)
    {
        while (TryLine(out ReadOnlySpan<byte> line))
        {
            read = default;
            read.Cpu = -1;
            read.Line = Lines;
            if (line.IsEmpty)
            {
                continue;
            }

            if (line[0] == '#')
            {
                Header(line);
                continue;
            }

            LineCursor cursor = new(line);
            if (TraceLine.TryPrefix(ref cursor, line, ref read) && TraceLine.TryEvent(ref cursor, _tail, ref read))
            {
                if (read.Kind != TraceEventKind.Other && (read.Kind != TraceEventKind.Marker || read.Marker != TraceMarker.None))
                {
                    return true;
                }
            }
            else if (TryLost(line, ref read))
            {
                return true;
            }
            else if (!IsChatter(line))
            {
                Odd(line);
            }
        }

        return false;
    }

    private bool TryLine(out ReadOnlySpan<byte> line)
    {
        while (true)
        {
            int length = _buffer.AsSpan(_at, _used - _at).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = _buffer.AsSpan(_at, length);
                _at += length + 1;
                Lines++;
                if (_skipping)
                {
                    _skipping = false;
                    continue;
                }

                if (length > 0 && line[^1] == '\r')
                {
                    line = line[..^1];
                }

                return true;
            }

            if (_isEnd)
            {
                line = _buffer.AsSpan(_at, _used - _at);
                _at = _used;
                Lines += line.IsEmpty ? 0 : 1;
                return !line.IsEmpty && !_skipping;
            }

            Refill();
        }
    }

    private void Refill()
    {
        int kept = _used - _at;
        if (kept > LineBytesMax)
        {
            // Nothing that long is an event; what follows up to the next line is passed over with it.
            if (!_skipping)
            {
                Odd(_buffer.AsSpan(_at, 80));
            }

            _skipping = true;
            kept = 0;
        }
        else if (kept > 0)
        {
            Array.Copy(_buffer, _at, _buffer, 0, kept);
        }

        (_at, _used) = (0, kept);
        int count;
        try
        {
            count = _stream.Read(_buffer, kept, _buffer.Length - kept);
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw new EvidenceException($"{File}: line {Lines + 1}: {error.Message}", error);
        }

        _isEnd = count == 0;
        Bytes += count;
        _used += count;
    }

    /// <summary>"# entries-in-buffer/entries-written: 7054/7054   #P:2".</summary>
    private void Header(ReadOnlySpan<byte> line)
    {
        int at = line.IndexOf("entries-written: "u8);
        if (at >= 0)
        {
            LineCursor cursor = new(line, at + "entries-written: "u8.Length);
            if (cursor.TakeDecimal(out ulong kept) && cursor.Take("/"u8) && cursor.TakeDecimal(out ulong written) && written > kept)
            {
                OverwrittenEvents += written - kept;
            }
        }

        at = line.IndexOf("#P:"u8);
        if (at >= 0)
        {
            LineCursor cursor = new(line, at + "#P:"u8.Length);
            if (cursor.TakeDecimal(out ulong cpus) && cpus is > 0 and <= 8192)
            {
                HeaderCpus = (int)cpus;
            }
        }
    }

    /// <summary>"CPU:2 [LOST 12345 EVENTS]", "CPU:2 [12345 EVENTS DROPPED]", "PERF_RECORD_LOST lost 12345".</summary>
    private bool TryLost(ReadOnlySpan<byte> line, ref TraceEvent read)
    {
        int at = line.IndexOf("[LOST "u8);
        int dropped = line.IndexOf("EVENTS DROPPED]"u8);
        int perf = line.IndexOf("PERF_RECORD_LOST"u8);
        if (at < 0 && dropped < 0 && perf < 0)
        {
            return false;
        }

        ulong count = 1;
        int digits = line.IndexOfAnyInRange((byte)'0', (byte)'9');
        int from = at >= 0 ? at + "[LOST "u8.Length
            : dropped >= 0 ? line[..dropped].LastIndexOf((byte)'[') + 1
            : line.IndexOf("lost "u8) is var lost and >= 0 ? lost + "lost "u8.Length : digits;
        if (from >= 0)
        {
            LineCursor cursor = new(line, from);
            count = cursor.TakeDecimal(out ulong told) ? told : 1;
        }

        if (line.StartsWith("CPU:"u8))
        {
            LineCursor cursor = new(line, "CPU:"u8.Length);
            read.Cpu = cursor.TakeDecimal(out ulong cpu) && cpu <= 0xffff ? (int)cpu : -1;
        }

        read.Kind = TraceEventKind.Lost;
        read.Count = count;
        LostEvents = unchecked(LostEvents + count);
        return true;
    }

    /// <summary>Lines that tools add and that carry no event.</summary>
    private static bool IsChatter(ReadOnlySpan<byte> line) =>
        line.StartsWith("CPU "u8) || line.StartsWith("cpus="u8) || line.StartsWith("version = "u8)
        || line.StartsWith("##### CPU"u8) || line.TrimStart(" \t"u8).IsEmpty;

    private void Odd(ReadOnlySpan<byte> line)
    {
        OddLines++;
        if (_oddLines.Count < OddLinesKept)
        {
            string text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, 120)]);
            _oddLines.Add(string.Create(CultureInfo.InvariantCulture, $"line {Lines}: {text}"));
        }
    }
}
