using System.Text;
using System.Text.Json;
using VmScope.Cli.Output;

namespace VmScope.Tests.Cli;

/// <summary>
/// Goal: any text comes back from JSON as it went in, and nothing in the answer is more than text to a terminal or a page.
/// Method: chosen texts, and seeded ones of every kind of character, written and parsed.
/// </summary>
public class JsonTextTests
{
    [Theory]
    [InlineData("n_tty_open+0x19/0xe0 [tty]", "\"n_tty_open+0x19/0xe0 [tty]\"")]
    [InlineData("a\"b\\c\n\t\r\b\f", "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\"")]
    [InlineData("<i>&'\u001b[2J\u007f\u202e", "\"\\u003Ci\\u003E\\u0026\\u0027\\u001B[2J\\u007F\\u202E\"")]
    [InlineData("\U0001F600é", "\"\\uD83D\\uDE00\\u00E9\"")]
    public void Texts_are_escaped_as_far_as_needed(string text, string json) => Assert.Equal(json, Written(text).Split('\n')[1].Trim());

    [Fact]
    public void Any_text_comes_back()
    {
        Random random = new(3);
        for (int i = 0; i < 2000; i++)
        {
            StringBuilder text = new();
            for (int left = random.Next(40); left > 0; left--)
            {
                Rune rune = random.Next(4) switch
                {
                    0 => new Rune(random.Next(0x20)),
                    1 => new Rune(random.Next(0x10000, 0x10ffff)),
                    2 => new Rune(random.Next(0x80, 0xd7ff)),
                    _ => new Rune(random.Next(0x20, 0x80)),
                };
                text.Append(rune.ToString());
            }

            string json = Written(text.ToString());
            Assert.DoesNotContain(json, character => character is (< ' ' and not '\n') or > '~' or '<' or '>' or '&');
            Assert.Equal(text.ToString(), JsonSerializer.Deserialize<string[]>(json)![0]);
        }
    }

    private static string Written(string text)
    {
        using StringWriter writer = new() { NewLine = "\n" };
        using (JsonText json = new(writer))
        {
            json.Json.WriteStartArray();
            json.Json.WriteStringValue(text);
            json.Json.WriteEndArray();
        }

        return writer.ToString();
    }
}
