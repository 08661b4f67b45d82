using System.Globalization;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>Reads a free tree as it was taken from a running kernel's memory.</summary>
/// <remarks>
/// One node per line in preorder: start and exclusive end in hexadecimal, colour (1 black, 0 red), largest block of the
/// subtree in hexadecimal; a line "-" where a child is missing. Lines that begin with # are comments.
/// </remarks>
internal static class FreeTreeFile
{
    private const int NodesMax = 1 << 22;
    private const int LineMax = 256;

    /// <exception cref="EvidenceException">A line cannot be read, or there are too many.</exception>
    internal static FreeTreeNode[] Read(Stream stream, string file)
    {
        List<FreeTreeNode> nodes = [];
        using StreamReader reader = new(stream, leaveOpen: true);
        int number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            string text = line.Length > LineMax ? line[..LineMax] : line.Trim();
            if (text.Length == 0 || text[0] == '#')
            {
                continue;
            }

            if (nodes.Count == NodesMax)
            {
                throw new EvidenceException($"{file}: line {number}: more than {NodesMax} nodes");
            }

            nodes.Add(text == "-" ? default : Node(text, file, number));
        }

        return [.. nodes];
    }

    private static FreeTreeNode Node(string text, string file, int number)
    {
        string[] words = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 4
            && TryHex(words[0], out ulong start)
            && TryHex(words[1], out ulong end)
            && words[2] is "0" or "1"
            && TryHex(words[3], out ulong largest)
            && start < end)
        {
            return new FreeTreeNode(start, end, words[2] == "1", largest);
        }

        throw new EvidenceException(
            $"{file}: line {number}: '{text}' is no node: start, end, colour (0 or 1) and largest block are expected, or -");
    }

    private static bool TryHex(string word, out ulong value) =>
        ulong.TryParse(
            word.StartsWith("0x", StringComparison.Ordinal) ? word.AsSpan(2) : word,
            NumberStyles.AllowHexSpecifier,
            CultureInfo.InvariantCulture,
            out value);
}
