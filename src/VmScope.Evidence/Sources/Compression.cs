using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>Tells compressed from plain data by its first bytes, never by a name.</summary>
internal static class Compression
{
    /// <summary>Bytes that are needed to tell.</summary>
    internal const int PrefixBytes = 6;

    /// <summary>Whether gzip data begins here.</summary>
    internal static bool IsGzip(ReadOnlySpan<byte> prefix) => prefix is [0x1f, 0x8b, 8, ..];

    /// <summary>The name of a compression that is recognised and not read; null for anything else.</summary>
    internal static string? Unsupported(ReadOnlySpan<byte> prefix) => prefix switch
    {
        [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => "xz",
        [(byte)'B', (byte)'Z', (byte)'h', ..] => "bzip2",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [(byte)'P', (byte)'K', 3, 4, ..] => "zip",
        _ => null,
    };

    /// <summary>The stream itself, or what it holds unpacked when gzip data begins at its position.</summary>
    /// <param name="stream">The bytes.</param>
    /// <param name="name">What to call them.</param>
    /// <param name="diagnostics">Is told when compressed data ends in the middle; null where somebody else notices.</param>
    /// <exception cref="EvidenceException">It is compressed in a way vmscope cannot read.</exception>
    internal static Stream Unpacked(Stream stream, string name, DiagnosticList? diagnostics = null)
    {
        byte[] prefix = new byte[PrefixBytes];
        int length = ReadFully(stream, prefix);
        Stream whole;
        if (stream.CanSeek)
        {
            stream.Seek(-length, SeekOrigin.Current);
            whole = stream;
        }
        else
        {
            whole = new PrefixedStream(prefix.AsMemory(0, length), stream);
        }

        RefuseUnsupported(prefix.AsSpan(0, length), name);
        return IsGzip(prefix.AsSpan(0, length)) ? new GzipData(whole, name, diagnostics) : whole;
    }

    /// <summary>Stops with a way out when the data is compressed in a way vmscope cannot read.</summary>
    /// <exception cref="EvidenceException">It is.</exception>
    internal static void RefuseUnsupported(ReadOnlySpan<byte> prefix, string name)
    {
        if (Unsupported(prefix) is { } kind)
        {
            throw new EvidenceException(
                $"{name}: {kind}-compressed; vmscope reads plain and gzip data, so unpack it first and pass the folder or file");
        }
    }

    /// <summary>Reads until the buffer is full or the stream ends.</summary>
    internal static int ReadFully(Stream stream, Span<byte> buffer)
    {
        int length = 0;
        while (length < buffer.Length)
        {
            int got = stream.Read(buffer[length..]);
            if (got == 0)
            {
                break;
            }

            length += got;
        }

        return length;
    }
}
