using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>One paste that holds a log, meminfo and a list is read as the list, and the rest of it is used.</summary>
public class PastedTextTests
{
    private const string Case = "i386-6.1.176-686-1024-base";

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public void A_log_before_or_behind_the_list_is_no_noise(bool logIsFirst, bool inFile)
    {
        (string log, string list, string meminfo) = Texts();
        string paste = logIsFirst ? $"root@box:~# dmesg; cat /proc/vmallocinfo\n{log}{list}" : $"{list}{log}";
        using TemporaryFolder folder = new();
        folder.Write("paste.txt", paste);
        CliRun run = inFile ? CliRun.Of("explain", folder.Path("paste.txt"), "--json") : CliRun.With(paste, "explain", "-", "--json");
        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        JsonElement root = json.RootElement;
        using JsonDocument alone = JsonDocument.Parse(CliRun.With(list, "explain", "-", "--json").OutText);
        Assert.Equal(alone.RootElement.GetProperty("callers").GetRawText(), root.GetProperty("callers").GetRawText());
        Assert.Equal(logIsFirst ? 1 : 0, root.GetProperty("unparsedLineCount").GetInt32());
        Assert.Equal(Lines(log), root.GetProperty("otherText").GetProperty("lines").GetInt32());
        Assert.Equal(logIsFirst ? 2 : Lines(list) + 1, root.GetProperty("otherText").GetProperty("firstLine").GetInt32());
        Assert.Equal("6.1.0-50-686", root.GetProperty("kernel").GetString());
        JsonElement finding = root.GetProperty("findings").EnumerateArray().Single(item => item.GetProperty("id").GetString() == "other-text");
        Assert.Equal("info", finding.GetProperty("severity").GetString());
        Assert.NotEqual("", meminfo);
    }

    [Fact]
    public void A_log_behind_a_long_list_is_found_too()
    {
        using TemporaryFolder folder = new();
        StringBuilder text = new();
        int rows = 0;
        for (ulong at = 0xffffc90000000000; text.Length < 9 << 20; at += 0x4000, rows++)
        {
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"0x{at:x16}-0x{at + 0x3000:x16}   12288 f{rows % 50}+0x1/0x2 pages=2 vmalloc N0=2\n");
        }

        text.Append("[    0.000000] Linux version 6.1.0-50-amd64 (a@b) #1 SMP\n[    1.000000] done\n");
        folder.Write("long.txt", text.ToString());
        CliRun run = CliRun.Of("explain", folder.Path("long.txt"), "--json");
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        Assert.Equal(rows, json.RootElement.GetProperty("rows").GetInt32());
        Assert.Equal(0, json.RootElement.GetProperty("unparsedLineCount").GetInt32());
        Assert.Equal(2, json.RootElement.GetProperty("otherText").GetProperty("lines").GetInt32());
        Assert.Equal("6.1.0-50-amd64", json.RootElement.GetProperty("kernel").GetString());
    }

    [Fact]
    public void Fit_reads_such_a_paste_too()
    {
        (string log, string list, _) = Texts();
        CliRun run = CliRun.With(log + list, "fit", "1M", "-", "--json");
        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        Assert.Equal("6.1.0-50-686", json.RootElement.GetProperty("kernel").GetString());
    }

    [Fact]
    public void The_size_in_meminfo_is_used()
    {
        (_, string list, string meminfo) = Texts();
        using JsonDocument json = JsonDocument.Parse(CliRun.With(meminfo + list, "explain", "-", "--json").OutText);
        Assert.Equal(0, json.RootElement.GetProperty("unparsedLineCount").GetInt32());
        Assert.Equal(Lines(meminfo), json.RootElement.GetProperty("otherText").GetProperty("lines").GetInt32());
        ulong total = ulong.Parse(meminfo.Split('\n').Single(line => line.StartsWith("VmallocTotal:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(total * 1024, json.RootElement.GetProperty("window").GetProperty("bytes").GetUInt64());
    }

    [Fact]
    public void A_log_without_a_row_is_still_no_list()
    {
        (string log, _, string meminfo) = Texts();
        foreach (string text in (string[])[log, meminfo])
        {
            CliRun run = CliRun.With(text, "explain", "-");
            Assert.Equal(3, run.ExitCode);
            Assert.Contains("standard input is no vmallocinfo: it reads like ", run.ErrorText, StringComparison.Ordinal);
        }
    }

    private static int Lines(string text) => text.Split('\n').Count(line => line.Length > 0);

    private static (string Log, string List, string Meminfo) Texts()
    {
        Dictionary<string, string> texts = new(StringComparer.Ordinal);
        using GZipStream archive = new(File.OpenRead(Captures.Archive(Case)), CompressionMode.Decompress);
        using TarReader tar = new(archive);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is { } content)
            {
                using StreamReader reader = new(content, Encoding.UTF8);
                texts[Path.GetFileNameWithoutExtension(entry.Name)] = reader.ReadToEnd();
            }
        }

        return (texts["dmesg"].TrimEnd('\n') + "\n", texts["vmallocinfo"], texts["meminfo"]);
    }
}
