using System.Text;
using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <summary>Reads /proc/vmallocinfo of any kernel: rows to a sink, lines nobody understands to a list.</summary>
/// <remarks>
/// A forward-only pass over the bytes through one buffer: memory does not depend on the length of the file or of a
/// line. Source: mm/vmalloc.c, s_show() in 2.6.28, vmalloc_info_show() in 7.1; lib/vsprintf.c, restricted_pointer().
/// </remarks>
public sealed partial class VmallocInfoReader
{
    private const int BufferBytes = 256 * 1024;
    private const int BatchRows = 128;

    /// <summary>A row that a mail wrapped is put together again up to this length.</summary>
    private const int JoinedMax = 4096;

    private readonly TextTable _texts;
    private readonly DiagnosticList _diagnostics;
    private readonly string _file;
    private readonly VmallocRowSink _sink;
    private readonly VmallocRow[] _batch = new VmallocRow[BatchRows];
    private readonly NodeBuffer _nodes = new();
    private int _batchCount;
    private long _line;
    private byte[]? _joined;
    private int _joinedLength;
    private long _tailLine = -1;

    /// <summary>The last line of another text; a row ends that text, a line that is none goes on with it.</summary>
    private long _otherLine = -1;

    private VmallocInfoReader(string file, TextTable texts, DiagnosticList diagnostics, VmallocRowSink sink) =>
        (_file, _texts, _diagnostics, _sink) = (file, texts, diagnostics, sink);

    /// <summary>Reads a list of any length, handing its rows on as they come.</summary>
    /// <param name="stream">The bytes, not compressed; stays open.</param>
    /// <param name="file">The name diagnostics and errors give.</param>
    /// <param name="texts">Where owners are kept.</param>
    /// <param name="diagnostics">Where lines go that were not understood.</param>
    /// <param name="sink">Takes the rows in file order.</param>
    /// <returns>The number of lines.</returns>
    public static long Read(
        Stream stream, string file, TextTable texts, DiagnosticList diagnostics, VmallocRowSink sink)
    {
        VmallocInfoReader reader = new(file, texts, diagnostics, sink);
        reader.ReadAll(stream);
        return reader._line;
    }

    /// <summary>Reads a list of ordinary length into memory.</summary>
    public static VmallocReport ReadReport(Stream stream, string file, DiagnosticList diagnostics)
    {
        VmallocReportBuilder builder = new();
        Read(stream, file, builder.Texts, diagnostics, new ReportSink(builder));
        return builder.Build();
    }

    private void ReadAll(Stream stream)
    {
        byte[] buffer = new byte[BufferBytes + WideBytes];
        int used = 0;
        bool skipping = false;
        while (true)
        {
            int got = stream.Read(buffer, used, BufferBytes - used);
            int end = used + got;
            int at = 0;
            while (at < end)
            {
                if (!skipping && _joinedLength == 0)
                {
                    at = TakeUsualRows(buffer, at, end);
                    if (at == end)
                    {
                        break;
                    }
                }

                int length = buffer.AsSpan(at, end - at).IndexOf((byte)'\n');
                if (length < 0)
                {
                    break;
                }

                if (skipping)
                {
                    skipping = false;
                }
                else
                {
                    TakeLine(buffer.AsSpan(at, length));
                }

                at += length + 1;
            }

            used = end - at;
            if (got == 0)
            {
                if (used > 0 && !skipping)
                {
                    TakeLine(buffer.AsSpan(at, used));
                }

                break;
            }

            if (skipping)
            {
                used = 0;
            }
            else if (used == BufferBytes)
            {
                _line++;
                Complain(buffer.AsSpan(0, DiagnosticList.TextLimit), "a line longer than any kernel writes");
                skipping = true;
                used = 0;
            }
            else
            {
                buffer.AsSpan(at, used).CopyTo(buffer);
            }
        }

        FlushJoined(wasCut: true);
        FlushBatch();
    }

    private void TakeLine(ReadOnlySpan<byte> line)
    {
        _line++;
        while (!line.IsEmpty && line[^1] is (byte)'\r' or (byte)' ' or (byte)'\t' or 0)
        {
            line = line[..^1];
        }

        if (_joinedLength > 0 || (!line.IsEmpty && line[^1] == '='))
        {
            Join(line);
            return;
        }

        TakeWhole(line);
    }

    /// <summary>Puts a quoted-printable line together: one that ends in '=' goes on in the next.</summary>
    private void Join(ReadOnlySpan<byte> line)
    {
        _joined ??= new byte[JoinedMax];
        bool goesOn = !line.IsEmpty && line[^1] == '=';
        if (_joinedLength > 0 && VmallocLineParser.HasRange(line))
        {
            // The line above was cut, not wrapped: this one is a row of its own.
            _line--;
            FlushJoined(wasCut: true);
            _line++;
            if (!goesOn)
            {
                TakeWhole(line);
                return;
            }
        }

        ReadOnlySpan<byte> part = goesOn ? line[..^1] : line;
        if (_joinedLength + part.Length > JoinedMax)
        {
            FlushJoined();
            TakeWhole(line);
            return;
        }

        part.CopyTo(_joined.AsSpan(_joinedLength));
        _joinedLength += part.Length;
        if (!goesOn)
        {
            FlushJoined();
        }
    }

    /// <summary>Takes what was put together.</summary>
    /// <param name="wasCut">Whether no next part came: then the '=' at its end was the text's own.</param>
    private void FlushJoined(bool wasCut = false)
    {
        if (_joinedLength > 0)
        {
            int length = _joinedLength;
            _joinedLength = 0;
            if (wasCut && length < JoinedMax)
            {
                _joined![length++] = (byte)'=';
            }

            TakeWhole(_joined.AsSpan(0, length));
        }
    }

    private void TakeWhole(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
        {
            _otherLine += _otherLine == _line - 1 ? 1 : 0;
            return;
        }

        if (QuotedPrintable.IsLikely(line) && line.Length <= JoinedMax)
        {
            byte[] decoded = new byte[line.Length];
            line = decoded.AsSpan(0, QuotedPrintable.Decode(line, decoded));
        }

        string? problem = VmallocLineParser.Parse(line, _texts, _nodes, out VmallocRow row);
        if (problem is not null)
        {
            // A pasted row that was wrapped goes on in the next line.
            bool isTail = _batchCount > 0 && (_batch[_batchCount - 1].Line == _line - 1 || _tailLine == _line - 1)
                && VmallocLineParser.TryTail(line, _texts, _nodes, ref _batch[_batchCount - 1]);
            if (isTail)
            {
                _tailLine = _line;
            }
            else if (OtherText.Begins(line) || (_otherLine == _line - 1 && OtherText.GoesOn(line)))
            {
                _otherLine = _line;
                _diagnostics.AddOtherText(_line, line);
            }
            else
            {
                Complain(line, problem);
            }

            return;
        }

        row.Line = _line;
        _batch[_batchCount++] = row;
        if (_batchCount == BatchRows)
        {
            FlushBatch();
        }
    }

    private void FlushBatch()
    {
        _sink.Add(_batch.AsSpan(0, _batchCount), _nodes.Items);
        _batchCount = 0;
        _nodes.CutTo(0);
    }

    private void Complain(ReadOnlySpan<byte> line, string reason) =>
        _diagnostics.Add(_file, _line, Encoding.Latin1.GetString(line[..Math.Min(line.Length, DiagnosticList.TextLimit)]), reason);
}
