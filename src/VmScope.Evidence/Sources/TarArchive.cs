using System.Text;

namespace VmScope.Sources;

/// <summary>Bounds for archives from anywhere.</summary>
/// <param name="Entries">Most entries, of any kind.</param>
/// <param name="UnpackedBytes">Most bytes once unpacked.</param>
/// <param name="PathLength">Longest path that is kept; longer ones are passed over.</param>
/// <param name="Depth">Deepest path that is kept.</param>
/// <param name="KeptEntryBytes">Largest entry whose content is kept in memory; larger ones are read again when asked for.</param>
/// <param name="KeptBytes">Most content kept in memory.</param>
internal sealed record ArchiveLimits(
    int Entries = 100_000,
    long UnpackedBytes = 4L << 30,
    int PathLength = 512,
    int Depth = 32,
    long KeptEntryBytes = 1 << 20,
    long KeptBytes = 64 << 20);

/// <summary>Reads a tar archive from front to back: regular files only, nothing is ever written to disk.</summary>
/// <remarks>
/// Ours rather than the platform's: it allocates nothing in proportion to what a header claims, bounds every count,
/// and costs no assembly to load. Formats: v7, ustar (with prefix), GNU long names, pax "path" and "size".
/// </remarks>
internal sealed class TarArchive(Stream stream, string name, ArchiveLimits limits)
{
    private const int BlockBytes = 512;
    private const int LongNameBytes = 4096;
    private const int PaxBytes = 64 * 1024;

    private readonly byte[] _header = new byte[BlockBytes];
    private readonly byte[] _skip = new byte[32 * 1024];
    private long _position;
    private long _left;
    private long _padding;
    private int _entries;
    private string? _longName;
    private long? _longSize;

    /// <summary>The path of the current entry, with forward slashes, without "./" in front.</summary>
    internal string Path { get; private set; } = "";

    /// <summary>The size of the current entry in bytes, as its header says.</summary>
    internal long Size { get; private set; }

    /// <summary>Entries passed over because of their paths: absolute ones, "..", too long or too deep.</summary>
    internal int Refused { get; private set; }

    /// <summary>Whether the archive ended in the middle.</summary>
    internal bool Truncated { get; private set; }

    /// <summary>Whether a block of 512 bytes is a tar header: its checksum says so.</summary>
    internal static bool IsHeader(ReadOnlySpan<byte> block)
    {
        if (block.Length < BlockBytes || !TryOctal(block.Slice(148, 8), out long expected))
        {
            return false;
        }

        long sum = 0;
        for (int i = 0; i < BlockBytes; i++)
        {
            sum += i is >= 148 and < 156 ? ' ' : block[i];
        }

        return sum == expected;
    }

    /// <summary>Moves to the next regular file.</summary>
    /// <exception cref="EvidenceException">Damaged, or beyond a bound.</exception>
    internal bool Next()
    {
        while (true)
        {
            if (!Skip(_left + _padding))
            {
                return false;
            }

            (_left, _padding) = (0, 0);
            int got = Fill(_header);
            if (got < BlockBytes)
            {
                Truncated = got > 0 || _position > 0;
                return false;
            }

            if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                return false;
            }

            if (!IsHeader(_header))
            {
                throw new EvidenceException($"{name}: not a tar header at byte {_position - BlockBytes}");
            }

            if (++_entries > limits.Entries)
            {
                throw new EvidenceException($"{name}: more than {limits.Entries} entries");
            }

            if (!TryNumber(_header.AsSpan(124, 12), out long size) || size < 0)
            {
                throw new EvidenceException($"{name}: the entry at byte {_position - BlockBytes} has an impossible size");
            }

            byte type = _header[156];
            if (type is (byte)'L' or (byte)'x')
            {
                TakeExtension(type, size);
                continue;
            }

            size = _longSize ?? size;
            string path = _longName ?? HeaderPath();
            (_longName, _longSize) = (null, null);
            // Links, folders and devices have no content whatever their size field says.
            bool hasContent = type is 0 or (byte)'0' or (byte)'7' or (byte)'g' or (byte)'K' or (byte)'S';
            if (hasContent && size > limits.UnpackedBytes)
            {
                throw new EvidenceException($"{name}: an entry claims {size} bytes; the bound is {limits.UnpackedBytes}");
            }

            _left = hasContent ? size : 0;
            _padding = (BlockBytes - (_left % BlockBytes)) % BlockBytes;
            if (type is not (0 or (byte)'0' or (byte)'7') || path.EndsWith('/'))
            {
                continue;
            }

            if (Clean(path) is not { } clean)
            {
                Refused++;
                continue;
            }

            (Path, Size) = (clean, size);
            return true;
        }
    }

    /// <summary>Reads content of the current entry; 0 at its end, and at the archive's when it is <see cref="Truncated"/>.</summary>
    internal int Read(Span<byte> buffer)
    {
        if (_left == 0 || buffer.IsEmpty)
        {
            return 0;
        }

        int got = Take(buffer[..(int)Math.Min(buffer.Length, _left)]);
        Truncated |= got == 0;
        _left -= got;
        return got;
    }

    // A safe relative path, or null. Nothing is ever written; a hostile path could only shadow a name we look for.
    private string? Clean(string path)
    {
        while (path.StartsWith("./", StringComparison.Ordinal))
        {
            path = path[2..];
        }

        if (path.Length == 0 || path.Length > limits.PathLength || path[0] == '/' || path.Contains('\0', StringComparison.Ordinal))
        {
            return null;
        }

        int depth = 0;
        foreach (Range part in path.AsSpan().Split('/'))
        {
            ReadOnlySpan<char> word = path.AsSpan()[part];
            if (++depth > limits.Depth || word is ".." or "." or "")
            {
                return null;
            }
        }

        return path;
    }

    private string HeaderPath()
    {
        string path = Text(_header.AsSpan(0, 100));
        bool ustar = _header.AsSpan(257, 5).SequenceEqual("ustar"u8) && _header[262] == 0;
        string prefix = ustar ? Text(_header.AsSpan(345, 155)) : "";
        return prefix.Length == 0 ? path : prefix + "/" + path;
    }

    private void TakeExtension(byte type, long size)
    {
        int limit = type == (byte)'L' ? LongNameBytes : PaxBytes;
        if (size > limit)
        {
            throw new EvidenceException($"{name}: a name or attribute block of {size} bytes; the bound is {limit}");
        }

        byte[] content = new byte[size];
        if (Fill(content) < content.Length || !Skip((BlockBytes - (size % BlockBytes)) % BlockBytes))
        {
            throw new EvidenceException($"{name}: ends inside a name or attribute block");
        }

        if (type == (byte)'L')
        {
            _longName = Text(content);
            return;
        }

        ReadOnlySpan<byte> rest = content;
        while (rest.IndexOf((byte)' ') is > 0 and int blank && TryDecimal(rest[..blank], out long length)
            && length > blank + 1 && length <= rest.Length)
        {
            ReadOnlySpan<byte> record = rest[(blank + 1)..(int)length].TrimEnd((byte)'\n');
            rest = rest[(int)length..];
            if (record.StartsWith("path="u8))
            {
                _longName = Text(record["path="u8.Length..]);
            }
            else if (record.StartsWith("size="u8) && TryDecimal(record["size="u8.Length..], out long longSize))
            {
                _longSize = longSize;
            }
        }
    }

    private bool Skip(long bytes)
    {
        while (bytes > 0)
        {
            int got = Take(_skip.AsSpan(0, (int)Math.Min(_skip.Length, bytes)));
            if (got == 0)
            {
                Truncated = true;
                return false;
            }

            bytes -= got;
        }

        return true;
    }

    private int Fill(Span<byte> buffer)
    {
        int length = 0;
        while (length < buffer.Length && Take(buffer[length..]) is > 0 and int got)
        {
            length += got;
        }

        return length;
    }

    private int Take(Span<byte> buffer)
    {
        int got = stream.Read(buffer);
        _position += got;
        return _position <= limits.UnpackedBytes
            ? got
            : throw new EvidenceException($"{name}: more than {limits.UnpackedBytes} bytes when unpacked");
    }

    private static string Text(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }

    // Octal digits, or GNU's base 256 for what they cannot hold.
    private static bool TryNumber(ReadOnlySpan<byte> field, out long value)
    {
        if (field[0] != 0x80)
        {
            return TryOctal(field, out value);
        }

        value = 0;
        foreach (byte b in field[1..])
        {
            if (value >> 54 != 0)
            {
                return false;
            }

            value = (value << 8) | b;
        }

        return true;
    }

    private static bool TryOctal(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        ReadOnlySpan<byte> digits = field.Trim(" \0"u8);
        foreach (byte digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7' || value >> 58 != 0)
            {
                return false;
            }

            value = (value << 3) | (long)(digit - '0');
        }

        return true;
    }

    private static bool TryDecimal(ReadOnlySpan<byte> text, out long value)
    {
        value = 0;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9' || value > long.MaxValue / 10 - 10)
            {
                return false;
            }

            value = (value * 10) + (digit - '0');
        }

        return text.Length > 0;
    }
}
