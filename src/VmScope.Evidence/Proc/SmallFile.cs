using System.Text;

namespace VmScope.Proc;

/// <summary>Whole small files.</summary>
internal static class SmallFile
{
    private const int TextLimitBytes = 64 * 1024;

    /// <summary>Reads a text of a line or two.</summary>
    /// <exception cref="EvidenceException">Far too long, or damaged compressed data.</exception>
    internal static string ReadText(Stream stream, string file) => Encoding.UTF8.GetString(ReadAll(stream, file, TextLimitBytes));

    /// <summary>Reads everything.</summary>
    /// <exception cref="EvidenceException">More than the limit, or damaged compressed data.</exception>
    internal static byte[] ReadAll(Stream stream, string file, int limitBytes)
    {
        byte[] buffer = new byte[4096];
        int length = 0;
        try
        {
            while (true)
            {
                int got = stream.Read(buffer, length, buffer.Length - length);
                if (got == 0)
                {
                    return buffer[..length];
                }

                length += got;
                if (length > limitBytes)
                {
                    throw new EvidenceException($"{file}: more than {limitBytes} bytes; a real one is far smaller");
                }

                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, buffer.Length * 2);
                }
            }
        }
        catch (InvalidDataException error)
        {
            throw new EvidenceException($"{file}: the compressed data is damaged after {length} bytes", error);
        }
    }
}
