namespace VmScope.Proc;

/// <summary>Undoes what a mail did to a pasted line: <c>=3D</c> for '=', <c>=20</c> for a blank.</summary>
internal static class QuotedPrintable
{
    /// <summary>Whether a line was encoded: no kernel writes "=3D", and a mail that encodes writes it for every '='.</summary>
    internal static bool IsLikely(ReadOnlySpan<byte> line) => line.IndexOf("=3D"u8) >= 0 || line.EndsWith("=20"u8);

    /// <summary>Decodes a line.</summary>
    /// <param name="line">The bytes.</param>
    /// <param name="decoded">Room for as many bytes.</param>
    /// <returns>How many bytes were written; as many as were given when nothing was encoded.</returns>
    internal static int Decode(ReadOnlySpan<byte> line, Span<byte> decoded)
    {
        int length = 0;
        int at = 0;
        while (at < line.Length)
        {
            bool escape = line[at] == '=' && at + 2 < line.Length
                && IsUpperHex(line[at + 1]) && IsUpperHex(line[at + 2]);
            if (escape)
            {
                decoded[length++] = (byte)((Value(line[at + 1]) << 4) | Value(line[at + 2]));
                at += 3;
            }
            else
            {
                decoded[length++] = line[at++];
            }
        }

        return length;
    }

    private static bool IsUpperHex(byte b) => b is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'A' and <= (byte)'F');

    private static int Value(byte b) => b <= '9' ? b - '0' : b - 'A' + 10;
}
