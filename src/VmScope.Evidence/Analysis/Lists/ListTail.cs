using Microsoft.Win32.SafeHandles;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>Looks at the end of a list in a file of its own.</summary>
internal static class ListTail
{
    private const int TailBytes = 4096;

    /// <summary>
    /// Whether a log or the like was pasted behind the rows. Such lines belong together and are taken from the file as a
    /// whole, which reading it in parts cannot do.
    /// </summary>
    internal static bool IsOtherText(SafeFileHandle file)
    {
        byte[] tail = new byte[TailBytes];
        ReadOnlySpan<byte> text = tail.AsSpan(0, RandomAccess.Read(file, tail, Math.Max(0, RandomAccess.GetLength(file) - TailBytes)));
        // The first line is probably not there from its beginning.
        text = text[(text.IndexOf((byte)'\n') + 1)..];
        while (!text.IsEmpty)
        {
            int feed = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = feed < 0 ? text : text[..feed];
            if (!VmallocLineParser.HasRange(line) && OtherText.Begins(line))
            {
                return true;
            }

            text = feed < 0 ? [] : text[(feed + 1)..];
        }

        return false;
    }
}
