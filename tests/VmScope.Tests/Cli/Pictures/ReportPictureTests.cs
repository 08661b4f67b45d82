using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli.Pictures;

/// <summary>Goal: every command that draws writes files that open anywhere; names out of evidence stay text in all of them.</summary>
public sealed class ReportPictureTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-pictures");

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Fail => Captures.Archive(Captures.Names.First(name => name.Contains("-fail-", StringComparison.Ordinal)));

    [Fact]
    public void Explain_fit_layout_doctor_and_diff_draw_their_answers()
    {
        (string[] Arguments, string Says)[] commands =
        [
            (["explain", Fail], "netlink_sendmsg"),
            (["fit", "1M", Fail], "short by"),
            (["fit", "4K", Fail], "where it would go"),
            (["layout", "--arch", "i386", "--kernel", "6.1", "--ram", "1G"], "VmallocTotal 122,880 kB"),
            (["layout", "--arch", "x86-64", "--kernel", "6.12", "--ram", "1G"], "VmallocTotal 34,359,738,367 kB"),
            (["doctor", Fail], "vmalloc=17M"),
            (["diff", Fail, Fail], "Nothing looks like a leak."),
        ];
        foreach ((string[] arguments, string says) in commands)
        {
            string svg = Path.Combine(_folder.FullName, "p.svg");
            string html = Path.Combine(_folder.FullName, "p.html");
            CliRun run = CliRun.Of([.. arguments, "--svg", svg, "--html", html]);
            Assert.True(run.ExitCode is 0 or 1, $"{string.Join(' ', arguments)}: {run.ErrorText}");
            string drawn = string.Join(' ', XDocument.Load(svg).Descendants().Select(element => element.Value));
            string page = File.ReadAllText(html);
            Assert.Contains(says, page, StringComparison.Ordinal);
            Assert.True(says == "where it would go" || drawn.Contains(says, StringComparison.Ordinal), $"{string.Join(' ', arguments)}: '{says}' is not in the SVG");
            Assert.DoesNotContain("://", Regex.Replace(page, "<script.*?</script>|<style>.*?</style>", "", RegexOptions.Singleline), StringComparison.Ordinal);
            File.Delete(svg);
            File.Delete(html);
        }
    }

    /// <summary>Goal: the legend's figures are those of the text. Method: a capture that misses 20,480 bytes.</summary>
    [Fact]
    public void What_is_missing_is_called_so_and_every_statement_names_its_file()
    {
        string svg = Path.Combine(_folder.FullName, "p.svg");
        _ = CliRun.Of("doctor", Fail, "--svg", svg);
        string drawn = string.Join(' ', XDocument.Load(svg).Descendants().Select(element => element.Value));
        Assert.Contains("missing  20 KiB", drawn, StringComparison.Ordinal);
        Assert.DoesNotContain("the request  20 KiB", drawn, StringComparison.Ordinal);
        Assert.Contains("vmallocinfo.txt]", drawn, StringComparison.Ordinal);
    }

    /// <summary>Goal: no heading without a table. Method: a list compared with itself has nothing to show.</summary>
    [Fact]
    public void Empty_tables_are_left_out()
    {
        string html = Path.Combine(_folder.FullName, "p.html");
        _ = CliRun.Of("diff", Fail, Fail, "--html", html);
        Assert.DoesNotContain("<table", File.ReadAllText(html), StringComparison.Ordinal);
    }

    [Fact]
    public void Hostile_names_are_harmless_in_text_json_svg_and_html()
    {
        string names = string.Join('\n', SamplePictures.HostileNames
            .Where(name => !name.Contains('\n', StringComparison.Ordinal) && !name.Any(char.IsSurrogate))
            .Select((name, i) => $"0x{0xf8000000 + (i * 0x10000):x8}-0x{0xf8000000 + (i * 0x10000) + 0x3000:x8}   12288 {name}+0x1/0x2 [{name.Replace(' ', '_')}] pages=2 vmalloc"));
        string log = string.Join('\n', SamplePictures.HostileNames.Where(name => !name.Any(char.IsSurrogate)).Select(name => $"[    1.0] {name}: vmalloc error: size 8192, vm_struct allocation failed, mode:0x0({name})\n[    1.0]  {name}+0x1/0x2"));
        foreach (string when in new[] { "a", "b" })
        {
            DirectoryInfo bundle = _folder.CreateSubdirectory(when);
            File.WriteAllText(Path.Combine(bundle.FullName, "vmallocinfo"), names + "\n" + (when == "b" ? names.Replace("0xf8", "0xf9", StringComparison.Ordinal) + "\n" : ""));
            File.WriteAllText(Path.Combine(bundle.FullName, "dmesg"), log);
        }

        string first = Path.Combine(_folder.FullName, "a");
        string second = Path.Combine(_folder.FullName, "b");
        foreach (string[] arguments in new string[][] { ["doctor", second], ["diff", first, second], ["explain", second] })
        {
            string svg = Path.Combine(_folder.FullName, "p.svg");
            string html = Path.Combine(_folder.FullName, "p.html");
            CliRun text = CliRun.Of([.. arguments, "--svg", svg, "--html", html]);
            Assert.True(text.ExitCode is 0 or 1, text.ErrorText);
            CliRun json = CliRun.Of([.. arguments, "--json"]);
            _ = JsonDocument.Parse(json.OutText);
            foreach (string output in new[] { text.OutText, text.ErrorText, json.OutText, File.ReadAllText(svg), File.ReadAllText(html) })
            {
                Assert.DoesNotContain(output, c => (char.IsControl(c) && c != '\n') || c is '\u202e' || char.IsSurrogate(c));
            }

            Assert.DoesNotContain(XDocument.Load(svg).Descendants(), element => element.Name.LocalName is "script" or "img" or "a" or "foreignObject");
            string page = File.ReadAllText(html);
            Assert.Equal(2, Regex.Count(page, "<script"));
            Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        }
    }
}
