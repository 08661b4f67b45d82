using System.Text;

namespace VmScope.Cli.Output;

/// <summary>Sentences laid out for a terminal.</summary>
internal static class TextBlock
{
    /// <summary>Writes a text broken at blanks; continuation lines are indented.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="first">What the first line begins with; its visible length is <paramref name="firstLength"/>.</param>
    /// <param name="firstLength">Columns that <paramref name="first"/> takes.</param>
    /// <param name="text">The text, already safe for a terminal.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="indent">Columns that further lines are indented.</param>
    internal static void Write(TextWriter writer, string first, int firstLength, string text, int width, int indent)
    {
        StringBuilder line = new(first);
        int used = firstLength;
        bool atStart = true;
        foreach (string word in text.Split(' '))
        {
            if (!atStart && used + 1 + word.Length > width)
            {
                writer.WriteLine(line.ToString());
                line.Clear().Append(' ', indent);
                used = indent;
                atStart = true;
            }

            if (!atStart)
            {
                line.Append(' ');
                used++;
            }

            line.Append(word);
            used += word.Length;
            atStart = false;
        }

        writer.WriteLine(line.ToString());
    }
}
