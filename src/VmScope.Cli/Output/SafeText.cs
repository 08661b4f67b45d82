using System.Globalization;
using System.Text;

namespace VmScope.Cli.Output;

/// <summary>Text from outside made safe for a terminal: no escape code, no control character, no bidirectional trick.</summary>
internal static class SafeText
{
    /// <summary>One line: every control or format character becomes a visible \xNN or \uNNNN.</summary>
    internal static string Line(string text) => Clean(text, keepLineFeeds: false);

    /// <summary>Several lines: as <see cref="Line"/>, but line feeds stay.</summary>
    internal static string Lines(string text) => Clean(text, keepLineFeeds: true);

    private static string Clean(string text, bool keepLineFeeds)
    {
        int at = 0;
        while (at < text.Length && IsPlain(text[at], keepLineFeeds))
        {
            at++;
        }

        if (at == text.Length)
        {
            return text;
        }

        StringBuilder cleaned = new(text.Length + 16);
        foreach (char c in text)
        {
            if (IsPlain(c, keepLineFeeds))
            {
                cleaned.Append(c);
            }
            else
            {
                cleaned.Append(c < 0x100 ? "\\x" : "\\u")
                    .Append(((int)c).ToString(c < 0x100 ? "x2" : "x4", CultureInfo.InvariantCulture));
            }
        }

        return cleaned.ToString();
    }

    private static bool IsPlain(char c, bool keepLineFeeds) =>
        c is >= ' ' and < '\x7f'
        || (keepLineFeeds && c == '\n')
        || (c >= 0xa0 && char.GetUnicodeCategory(c) is not (UnicodeCategory.Format or UnicodeCategory.Control
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned));
}
