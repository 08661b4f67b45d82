using System.Globalization;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>Values of kernel variables as a capture lists them: name, address, first 32 bits, first word.</summary>
internal static class KernelVariables
{
    private const long LimitBytes = 4 << 20;
    private const int CountLimit = 4096;

    /// <summary>Words a debugger of the capture finds in memory that was freed after boot.</summary>
    private static readonly ulong[] Poison = [0xe7fddef0, 0xcccccccc, 0xcccccccccccccccc];

    /// <summary>Reads the list; a variable that was freed with the boot code is left out, of two with one name the first counts.</summary>
    internal static Dictionary<string, ulong> Read(Stream stream, string file)
    {
        Dictionary<string, ulong> values = new(StringComparer.Ordinal);
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line) && values.Count < CountLimit)
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 4 && words[0][0] != '#'
                && ulong.TryParse(words[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong word)
                && !Poison.Contains(word))
            {
                values.TryAdd(words[0], word);
            }
        }

        return values;
    }
}
