using System.Globalization;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>One program header of /proc/kcore.</summary>
/// <param name="Start">First virtual address.</param>
/// <param name="Last">Last virtual address, inclusive.</param>
/// <param name="Physical">Where it lies in RAM; null for what lies nowhere in particular.</param>
internal readonly record struct KcoreSegment(ulong Start, ulong Last, ulong? Physical);

/// <summary>The program headers of /proc/kcore as a capture lists them: vaddr, last address, size, paddr, flags.</summary>
internal static class KcoreSegments
{
    private const long LimitBytes = 4 << 20;
    private const int CountLimit = 65536;

    /// <summary>Reads the list; a line of another shape is passed over.</summary>
    internal static List<KcoreSegment> Read(Stream stream, string file)
    {
        List<KcoreSegment> segments = [];
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line) && segments.Count < CountLimit)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 5 && Hex(words[0], out ulong start) && Hex(words[1], out ulong last) && Hex(words[3], out ulong physical)
                && last >= start)
            {
                segments.Add(new KcoreSegment(start, last, physical == ulong.MaxValue ? null : physical));
            }
        }

        return segments;
    }

    private static bool Hex(string word, out ulong value) =>
        ulong.TryParse(word, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}
