using System.Text;
using VmScope.Proc;

namespace VmScope.Tests.Proc;

/// <summary>Goal: what editors and terminals leave in a text is not taken for its content. Method: one line each.</summary>
public class TextLinesTests
{
    [Theory]
    [InlineData("\ufeff[    0.000000] Linux version 6.1", "[    0.000000] Linux version 6.1")]
    [InlineData("\u001b[32m[    0.000000] \u001b[0m\u001b[33mLinux version \u001b[0m6.1", "[    0.000000] Linux version 6.1")]
    [InlineData("\u001b[1;31mred\u001b[K\u001b[m", "red")]
    [InlineData("\u001b[31", "\u001b[31")]
    [InlineData("\u001b]0;title\u0007x", "\u001b]0;title\u0007x")]
    [InlineData("plain\r", "plain")]
    public void A_line_is_read_as_it_was_meant(string text, string expected)
    {
        TextLines lines = new(new MemoryStream(Encoding.UTF8.GetBytes(text + "\nnext")), "text", limitBytes: 1000);
        Assert.True(lines.TryRead(out string first));
        Assert.True(lines.TryRead(out string second));
        Assert.False(lines.TryRead(out _));
        Assert.Equal((expected, "next"), (first, second));
    }
}
