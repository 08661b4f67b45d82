using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>What is damaged beside the thing a command is about is named and left out; nothing else is lost.</summary>
public class DamagedEvidenceTests
{
    private const string Case = "i386-6.1.176-686-1024-base";
    private const string Damaged = "the file is left out";

    private const string Rows =
        "0xffffc90000000000-0xffffc90000004000   16384 acpi_os_map_iomem+0xf6/0x154 phys=bfff0000 ioremap\n" +
        "0xffffc90000741000-0xffffc90000745000   16384 e1000_setup_all_tx_resources+0x97/0x550 [e1000] pages=3 vmalloc N0=3\n";

    [Fact]
    public void A_list_that_was_cut_while_packed_is_explained_as_far_as_it_goes()
    {
        using TemporaryFolder folder = new();
        folder.Write("list.txt.gz", Packed(Rows)[..^3]);
        folder.Write("capture/vmallocinfo.gz", Packed(Rows)[..^3]);
        foreach (string name in (string[])["list.txt.gz", "capture", "-"])
        {
            string path = name == "-" ? name : folder.Path(name);
            CliRun run = CliRun.With(name == "-" ? Packed(Rows)[..^3] : [], ["explain", path, "--json"]);
            Assert.Equal(0, run.ExitCode);
            using JsonDocument json = JsonDocument.Parse(run.OutText);
            Assert.Equal(2, json.RootElement.GetProperty("rows").GetInt32());
            Assert.Equal(1, json.RootElement.GetProperty("unparsedLineCount").GetInt32());
            JsonElement line = Assert.Single(json.RootElement.GetProperty("unparsedLines").EnumerateArray());
            Assert.Equal(0, line.GetProperty("line").GetInt32());
            Assert.Contains("the compressed data ends in the middle: what follows is missing", line.GetProperty("reason").GetString(), StringComparison.Ordinal);
            Assert.Contains("damaged-file", FindingIds(json));
            Assert.DoesNotContain("unparsed-lines", FindingIds(json));
            Assert.Contains("the compressed data ends in the middle", run.ErrorText, StringComparison.Ordinal);
            Assert.Single(run.ErrorText.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    [Fact]
    public void What_follows_from_a_list_that_was_cut_is_not_certain()
    {
        CliRun run = CliRun.With(Packed(Rows)[..^3], ["fit", "1M", "-", "--json"]);
        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        Assert.False(json.RootElement.GetProperty("addressCertain").GetBoolean());
        Assert.Contains("standard input is not whole: what the rows that are missing hold looks free here.",
            json.RootElement.GetProperty("notes").EnumerateArray().Select(note => note.GetString()));
    }

    [Fact]
    public void An_archive_that_was_cut_is_said_to_be_in_the_answer_too()
    {
        using TemporaryFolder folder = new();
        byte[] archive = File.ReadAllBytes(Captures.Archive(Case));
        folder.Write("cut.tar.gz", archive[..^500]);
        CliRun run = CliRun.Of("explain", folder.Path("cut.tar.gz"), "--json");
        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        Assert.Contains("damaged-file", FindingIds(json));
        Assert.Single(run.ErrorText.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("case.json")]
    [InlineData("dmesg.gz")]
    [InlineData("config.gz")]
    [InlineData("meminfo.gz")]
    [InlineData("cpuinfo.gz")]
    [InlineData("iomem.gz")]
    [InlineData("zoneinfo.gz")]
    [InlineData("version.gz")]
    [InlineData("cmdline.gz")]
    public void A_damaged_file_beside_the_list_does_not_stop_explain_nor_doctor(string name)
    {
        using TemporaryFolder folder = Unpacked(name);
        string healthy = CliRun.Of("explain", Captures.Archive(Case), "--json").OutText;
        foreach (string command in (string[])["explain", "doctor"])
        {
            CliRun run = CliRun.Of(command, folder.Root, "--json");
            Assert.Equal(0, run.ExitCode);
            // Doctor reads what it needs and no more.
            if (command == "explain" || name is not ("iomem.gz" or "zoneinfo.gz"))
            {
                Assert.Contains($"{name}: ", run.ErrorText, StringComparison.Ordinal);
                Assert.Contains(Damaged, run.ErrorText, StringComparison.Ordinal);
                Assert.Contains(Damaged, run.OutText, StringComparison.Ordinal);
            }

            using JsonDocument json = JsonDocument.Parse(run.OutText);
            if (command == "explain")
            {
                using JsonDocument whole = JsonDocument.Parse(healthy);
                Assert.Equal(whole.RootElement.GetProperty("callers").GetRawText(), json.RootElement.GetProperty("callers").GetRawText());
                Assert.Contains("damaged-file", FindingIds(json));
            }
        }

        string list = Captures.Archive(Case);
        Assert.Contains(CliRun.Of("diff", list, folder.Root).ExitCode, (int[])[0, 1]);
    }

    [Theory]
    [InlineData("case.json", 3)]
    [InlineData("dmesg.gz", 3)]
    [InlineData("config.gz", 3)]
    [InlineData("meminfo.gz", 0)]
    [InlineData("zoneinfo.gz", 0)]
    [InlineData("vmallocinfo.gz", 0)]
    public void A_prediction_needs_its_inputs_whole_and_no_answer(string name, int exitCode)
    {
        using TemporaryFolder folder = Unpacked(name);
        CliRun check = CliRun.Of("check", folder.Root);
        Assert.Equal(exitCode, check.ExitCode);
        Assert.Contains($"{name}: ", check.ErrorText, StringComparison.Ordinal);
        Assert.Equal(exitCode, CliRun.Of("layout", folder.Root).ExitCode);
    }

    [Fact]
    public void A_damaged_file_that_is_all_there_is_stops()
    {
        using TemporaryFolder folder = new();
        folder.Write("dmesg.gz", Broken());
        CliRun run = CliRun.Of("doctor", folder.Path("dmesg.gz"));
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("dmesg.gz: the compressed data is damaged after", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Odd_lines_of_other_files_are_listed_with_their_file_and_once()
    {
        using TemporaryFolder folder = Unpacked("");
        File.AppendAllText(folder.Path("meminfo.txt"), "no meminfo line\n");
        File.AppendAllText(folder.Path("iomem.txt"), "no iomem line\n");
        File.AppendAllText(folder.Path("vmallocinfo.txt"), "no row\n");
        CliRun run = CliRun.Of("explain", folder.Root, "--json");
        Assert.Equal(0, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        Assert.Equal(3, json.RootElement.GetProperty("unparsedLineCount").GetInt32());
        Assert.Equal(["iomem.txt: no iomem line", "meminfo.txt: no meminfo line", "vmallocinfo.txt: no row"],
            json.RootElement.GetProperty("unparsedLines").EnumerateArray()
                .Select(line => $"{Path.GetFileName(line.GetProperty("file").GetString())}: {line.GetProperty("text").GetString()}").Order(StringComparer.Ordinal));
        string text = json.RootElement.GetProperty("findings").EnumerateArray()
            .Single(finding => finding.GetProperty("id").GetString() == "unparsed-lines").GetProperty("text").GetString()!;
        Assert.Contains("3 lines", text, StringComparison.Ordinal);
        Assert.Contains("meminfo.txt", text, StringComparison.Ordinal);
    }

    /// <summary>A capture in a folder, with the file of a name replaced by damaged data.</summary>
    private static TemporaryFolder Unpacked(string damaged)
    {
        TemporaryFolder folder = new();
        using (GZipStream archive = new(File.OpenRead(Captures.Archive(Case)), CompressionMode.Decompress))
        using (TarReader tar = new(archive))
        {
            while (tar.GetNextEntry() is { } entry)
            {
                if (entry.DataStream is { } content)
                {
                    using MemoryStream bytes = new();
                    content.CopyTo(bytes);
                    folder.Write(Path.GetFileName(entry.Name), bytes.ToArray());
                }
            }
        }

        if (damaged.Length > 0)
        {
            File.Delete(folder.Path(damaged.Replace(".gz", ".txt", StringComparison.Ordinal)));
            folder.Write(damaged, damaged.EndsWith(".gz", StringComparison.Ordinal) ? Broken() : "{ \"kernel_version\": "u8.ToArray());
        }

        return folder;
    }

    private static byte[] Broken()
    {
        byte[] bytes = Packed(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{i * 7919} {i}\n")));
        for (int i = bytes.Length / 2; i < bytes.Length; i++)
        {
            bytes[i] ^= 0x5a;
        }

        return bytes;
    }

    private static byte[] Packed(string text)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(Encoding.ASCII.GetBytes(text));
        }

        return packed.ToArray();
    }

    private static IEnumerable<string?> FindingIds(JsonDocument json) =>
        json.RootElement.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString());
}
