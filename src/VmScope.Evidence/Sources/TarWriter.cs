using System.Text;

namespace VmScope.Sources;

/// <summary>Writes a ustar archive of small files.</summary>
internal sealed class TarWriter(Stream stream, DateTimeOffset time)
{
    private const int BlockBytes = 512;
    private const int NameBytes = 100;

    /// <summary>Adds a regular file.</summary>
    /// <exception cref="ArgumentException">The path has more than 100 bytes.</exception>
    internal void Add(string path, ReadOnlySpan<byte> content)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        if (name.Length > NameBytes)
        {
            throw new ArgumentException($"'{path}' has {name.Length} bytes; a path in this archive has at most {NameBytes}", nameof(path));
        }

        byte[] header = new byte[BlockBytes];
        name.CopyTo(header, 0);
        Octal(header.AsSpan(100, 8), 0x1a4); // rw-r--r--
        Octal(header.AsSpan(108, 8), 0);
        Octal(header.AsSpan(116, 8), 0);
        Octal(header.AsSpan(124, 12), content.Length);
        Octal(header.AsSpan(136, 12), Math.Max(0, time.ToUnixTimeSeconds()));
        header[156] = (byte)'0';
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        "00"u8.CopyTo(header.AsSpan(263));
        header.AsSpan(148, 8).Fill((byte)' ');
        long sum = 0;
        foreach (byte b in header)
        {
            sum += b;
        }

        Octal(header.AsSpan(148, 7), sum);
        stream.Write(header);
        stream.Write(content);
        stream.Write(new byte[(BlockBytes - (content.Length % BlockBytes)) % BlockBytes]);
    }

    /// <summary>Writes the end mark.</summary>
    internal void Finish() => stream.Write(new byte[2 * BlockBytes]);

    // Digits with leading zeros and a zero byte behind them.
    private static void Octal(Span<byte> field, long value)
    {
        string digits = Convert.ToString(value, 8).PadLeft(field.Length - 1, '0');
        Encoding.ASCII.GetBytes(digits.AsSpan(), field);
        field[^1] = 0;
    }
}
