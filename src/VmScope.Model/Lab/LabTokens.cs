using System.Text;

namespace VmScope.Lab;

/// <summary>A mistake in a script: where it is and what is wrong.</summary>
public sealed class LabException(string message, int line, int column) : Exception(message)
{
    /// <summary>The line, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>The column, from 1.</summary>
    public int Column { get; } = column;
}

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    /// <summary>A name, command or keyword.</summary>
    Word,

    /// <summary>A number, unit suffix included.</summary>
    Number,

    /// <summary>A text in double quotes.</summary>
    Text,

    /// <summary>An operator or bracket.</summary>
    Symbol,

    /// <summary>The end of a line.</summary>
    LineEnd,
}

/// <summary>A token and where it stands.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; for a text without quotes and escapes.</param>
/// <param name="Value">Its value, for a number.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The column, from 1.</param>
/// <param name="IsGlued">Whether nothing stands between it and the token before.</param>
internal readonly record struct Token(TokenKind Kind, string Text, ulong Value, int Line, int Column, bool IsGlued)
{
    /// <summary>Where it begins in the text, from 0.</summary>
    internal int Offset { get; init; }

    internal bool Is(string symbol) => Kind == TokenKind.Symbol && string.Equals(Text, symbol, StringComparison.Ordinal);

    internal bool IsWord(string word) => Kind == TokenKind.Word && string.Equals(Text, word, StringComparison.OrdinalIgnoreCase);

    internal LabException Error(string message) => new(message, Line, Column);
}

/// <summary>Splits a script into tokens.</summary>
internal static class Tokenizer
{
    /// <summary>The longest script that is read.</summary>
    internal const int ScriptCharsMax = 4 << 20;

    private static readonly string[] Symbols =
        ["==", "!=", "<=", ">=", "--", "{", "}", "(", ")", "[", "]", "=", "<", ">", "+", "-", "*", "/", "%", "~", ",", ".", ":", ";"];

    internal static List<Token> Split(string text, int firstLine = 1)
    {
        if (text.Length > ScriptCharsMax)
        {
            throw new LabException($"the script has {text.Length} characters; at most {ScriptCharsMax} are read", firstLine, 1);
        }

        List<Token> tokens = [];
        int line = firstLine;
        int lineStart = 0;
        bool glued = false;
        for (int at = 0; at < text.Length;)
        {
            char c = text[at];
            int column = at - lineStart + 1;
            if (c is '\n' or ';')
            {
                tokens.Add(new Token(TokenKind.LineEnd, "", 0, line, column, glued) { Offset = at });
                at++;
                glued = false;
                if (c == '\n')
                {
                    line++;
                    lineStart = at;
                }
            }
            else if (c == '#')
            {
                while (at < text.Length && text[at] != '\n')
                {
                    at++;
                }
            }
            else if (char.IsWhiteSpace(c))
            {
                glued = false;
                at++;
            }
            else if (c == '"')
            {
                int start = at;
                (string value, at) = Quoted(text, at, line, column);
                tokens.Add(new Token(TokenKind.Text, value, 0, line, column, glued) { Offset = start });
                glued = true;
            }
            else if (char.IsAsciiDigit(c))
            {
                int start = at;
                while (at < text.Length && char.IsAsciiLetterOrDigit(text[at]))
                {
                    at++;
                }

                string digits = text[start..at];
                tokens.Add(TryNumber(digits, out ulong value)
                    ? new Token(TokenKind.Number, digits, value, line, column, glued) { Offset = start }
                    : new Token(TokenKind.Word, digits, 0, line, column, glued) { Offset = start });
                glued = true;
            }
            else if (char.IsAsciiLetter(c) || c == '_')
            {
                int start = at;
                while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
                {
                    at++;
                }

                tokens.Add(new Token(TokenKind.Word, text[start..at], 0, line, column, glued) { Offset = start });
                glued = true;
            }
            else if (Symbols.FirstOrDefault(symbol => string.CompareOrdinal(text, at, symbol, 0, symbol.Length) == 0) is { } symbol)
            {
                tokens.Add(new Token(TokenKind.Symbol, symbol, 0, line, column, glued) { Offset = at });
                at += symbol.Length;
                glued = true;
            }
            else
            {
                throw new LabException($"the character '{c}' has no meaning here", line, column);
            }
        }

        tokens.Add(new Token(TokenKind.LineEnd, "", 0, line, text.Length - lineStart + 1, IsGlued: false));
        return tokens;
    }

    /// <summary>Reads 123, 0x7b, 4K, 16M, 1G, 2T.</summary>
    internal static bool TryNumber(string digits, out ulong value)
    {
        value = 0;
        bool isHex = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        int shift = isHex ? 0 : "KMGT".IndexOf(char.ToUpperInvariant(digits[^1]), StringComparison.Ordinal) + 1;
        string plain = isHex ? digits[2..] : shift > 0 ? digits[..^1] : digits;
        bool ok = isHex
            ? ulong.TryParse(plain, System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(plain, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out value);
        if (!ok || (shift > 0 && value > ulong.MaxValue >> (10 * shift)))
        {
            return false;
        }

        value <<= 10 * shift;
        return true;
    }

    private static (string Value, int Next) Quoted(string text, int at, int line, int column)
    {
        StringBuilder value = new();
        for (int i = at + 1; i < text.Length && text[i] != '\n'; i++)
        {
            if (text[i] == '"')
            {
                return (value.ToString(), i + 1);
            }

            if (text[i] == '\\' && i + 1 < text.Length)
            {
                i++;
                value.Append(text[i] switch
                {
                    'n' => '\n',
                    't' => '\t',
                    '0' => '\0',
                    '"' or '\\' => text[i],
                    _ => throw new LabException($"\\{text[i]} is no escape; \\n, \\t, \\0, \\\" and \\\\ are", line, column + (i - at) - 1),
                });
            }
            else
            {
                value.Append(text[i]);
            }
        }

        throw new LabException("the text is not closed with a quotation mark on its line", line, column);
    }
}
