using System.IO.Compression;
using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>Unpacked gzip data that says which file is damaged, and whether the data ends where it should.</summary>
/// <remarks>
/// The platform's stream ends alike where the data is complete and where it was cut. So one more member is put behind
/// the data: only when everything before it was complete, its last eight bytes among it, does that member unpack to what
/// is known to be in it. The stream asks for packed bytes only when it has handed out everything it could unpack, so
/// what it returns once it asked for that member is never data.
/// </remarks>
internal sealed class GzipData : ForwardStream
{
    /// <summary>What <see cref="MarkMember"/> unpacks to.</summary>
    private static ReadOnlySpan<byte> Mark => "vmscope-end-mark"u8;

    /// <summary>A whole gzip member: header, one stored block, checksum and length.</summary>
    private static ReadOnlySpan<byte> MarkMember =>
    [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0x01, 0x10, 0x00, 0xef, 0xff,
        0x76, 0x6d, 0x73, 0x63, 0x6f, 0x70, 0x65, 0x2d, 0x65, 0x6e, 0x64, 0x2d, 0x6d, 0x61, 0x72, 0x6b,
        0xf0, 0x9f, 0x59, 0xb5, 0x10, 0x00, 0x00, 0x00,
    ];

    private readonly MarkedData _packed;
    private readonly GZipStream _inner;
    private readonly string _name;
    private readonly DiagnosticList? _diagnostics;
    private long _position;
    private bool _ended;

    /// <summary>Unpacks from a stream, which is closed with this one.</summary>
    /// <param name="packed">The packed bytes.</param>
    /// <param name="name">What to call them.</param>
    /// <param name="diagnostics">Is told when the data ends in the middle; null for nobody.</param>
    internal GzipData(Stream packed, string name, DiagnosticList? diagnostics)
    {
        (_packed, _name, _diagnostics) = (new MarkedData(packed), name, diagnostics);
        _inner = new GZipStream(_packed, CompressionMode.Decompress);
    }

    /// <exception cref="EvidenceException">The data is damaged. Where it only ends too early, everything up to there is handed out.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_ended || buffer.IsEmpty)
        {
            return 0;
        }

        try
        {
            int got = _inner.Read(buffer);
            if (!_packed.MarkWasAsked)
            {
                _position += got;
                _ended = got == 0;
                return got;
            }

            _ended = true;
            if (!IsMark(buffer[..got]))
            {
                Cut();
            }

            return 0;
        }
        catch (InvalidDataException) when (_packed.MarkWasAsked)
        {
            _ended = true;
            Cut();
            return 0;
        }
        catch (InvalidDataException error)
        {
            throw new EvidenceException($"{_name}: the compressed data is damaged after {_position} bytes", error);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Whether the mark was unpacked, and nothing but the mark.</summary>
    private bool IsMark(ReadOnlySpan<byte> begin)
    {
        Span<byte> found = stackalloc byte[Mark.Length + 1];
        if (begin.Length >= found.Length)
        {
            return false;
        }

        begin.CopyTo(found);
        int length = begin.Length;
        return length + Compression.ReadFully(_inner, found[length..]) == Mark.Length && found.StartsWith(Mark);
    }

    private void Cut() =>
        _diagnostics?.AddDamage(_name, "the compressed data ends in the middle: what follows is missing, and the last line may be cut");

    /// <summary>Packed bytes with the mark's member behind them.</summary>
    private sealed class MarkedData(Stream packed) : ForwardStream
    {
        private int _markAt;

        /// <summary>Whether the packed bytes have come to an end and more was asked for.</summary>
        internal bool MarkWasAsked { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            int got = MarkWasAsked ? 0 : packed.Read(buffer);
            if (got > 0 || buffer.IsEmpty)
            {
                return got;
            }

            MarkWasAsked = true;
            ReadOnlySpan<byte> left = MarkMember[_markAt..];
            int take = Math.Min(left.Length, buffer.Length);
            left[..take].CopyTo(buffer);
            _markAt += take;
            return take;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                packed.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
