using System.Text.Encodings.Web;

namespace VmScope.Cli.Output;

/// <summary>Escapes what JSON has to, whatever a terminal or a page could take for more than text, and nothing else.</summary>
/// <remarks>
/// The library's own encoder writes the '+' of every owner as an escape, so that nobody finds <c>probe+0x1c</c> in the
/// answer, and it is built for texts of megabytes: it costs more to set up than a short answer to write.
/// </remarks>
internal sealed unsafe class PlainJsonEncoder : JavaScriptEncoder
{
    /// <summary>The one there is.</summary>
    internal static readonly PlainJsonEncoder Instance = new();

    private const string Digits = "0123456789ABCDEF";

    /// <summary>Two escapes of six characters, for a pair of surrogates.</summary>
    public override int MaxOutputCharactersPerInputCharacter => 12;

    public override bool WillEncode(int unicodeScalar) =>
        unicodeScalar is < ' ' or > '~' or '"' or '\\' or '<' or '>' or '&' or '\'';

    public override int FindFirstCharacterToEncode(char* text, int textLength)
    {
        for (int i = 0; i < textLength; i++)
        {
            if (WillEncode(text[i]))
            {
                return i;
            }
        }

        return -1;
    }

    public override bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        char brief = unicodeScalar switch
        {
            '\b' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\f' => 'f',
            '\r' => 'r',
            '\\' => '\\',
            '"' => '"',
            _ => '\0',
        };
        int length = brief != 0 ? 2 : unicodeScalar > char.MaxValue ? 12 : 6;
        numberOfCharactersWritten = length <= bufferLength ? length : 0;
        if (length > bufferLength)
        {
            return false;
        }

        if (brief != 0)
        {
            buffer[0] = '\\';
            buffer[1] = brief;
        }
        else if (unicodeScalar > char.MaxValue)
        {
            // UTF-16: the ten high bits behind d800, the ten low ones behind dc00.
            int pair = unicodeScalar - 0x10000;
            Escape(0xd800 + (pair >> 10), buffer);
            Escape(0xdc00 + (pair & 0x3ff), buffer + 6);
        }
        else
        {
            Escape(unicodeScalar, buffer);
        }

        return true;
    }

    private static void Escape(int unit, char* buffer)
    {
        buffer[0] = '\\';
        buffer[1] = 'u';
        for (int i = 0; i < 4; i++)
        {
            buffer[2 + i] = Digits[(unit >> (12 - (4 * i))) & 15];
        }
    }
}
