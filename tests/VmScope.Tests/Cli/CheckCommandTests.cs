using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using VmScope.Cli;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Tests.Layout;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>
/// Goal: check says yes to what a kernel does, no to what it does not, and why it cannot say anything. Method: recorded
/// boots as they are, with one number changed, and cut down; boot logs written from predictions of older kernels.
/// </summary>
public class CheckCommandTests
{
    private const string Case = "i386-6.1.176-686-1024-base";

    [Fact]
    public void A_recorded_boot_agrees_line_by_line()
    {
        CliRun run = CliRun.Of("check", Captures.Archive(Case));

        Assert.Equal((ExitCode.Fine, ""), (run.ExitCode, run.ErrorText));
        Assert.StartsWith("i386 6.1.176 (6.1.0-50-686)\n", run.OutText, StringComparison.Ordinal);
        Assert.Contains("ok  VmallocTotal ", run.OutText, StringComparison.Ordinal);
        Assert.EndsWith("33 answers, all as predicted\n", run.OutText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("meminfo.txt", "VmallocTotal:     122880 kB", "VmallocTotal:     122884 kB", "VmallocTotal")]
    [InlineData("dmesg.txt", "875MB LOWMEM available", "876MB LOWMEM available", "LOWMEM available")]
    [InlineData("zoneinfo.txt", "        spanned  4095", "        spanned  4096", "node 0 zone DMA spanned")]
    [InlineData("kvars.txt", "f6bfe000 f6bfe000", "f6bff000 f6bff000", "high_memory")]
    [InlineData("kcore.txt", "f73fe000 febfdfff", "f73fe000 febfefff", "kcore vmalloc")]
    [InlineData("vmallocinfo.txt", "0xf73fe000-0xf7400000", "0xf73fc000-0xf73fe000", "vmallocinfo rows outside every window")]
    public void One_number_that_is_off_is_found_and_named(string file, string was, string becomes, string name)
    {
        CliRun run = CliRun.With(Changed(Case, (path, text) => path == file ? text.Replace(was, becomes, StringComparison.Ordinal) : text), ["check", "-"]);

        Assert.Equal(ExitCode.Finding, run.ExitCode);
        string line = Assert.Single(run.OutText.Split('\n'), line => line.StartsWith("DIFFERS", StringComparison.Ordinal));
        Assert.Contains(name, line, StringComparison.Ordinal);
        Assert.Contains("1 of 33 answers differ", run.OutText, StringComparison.Ordinal);
    }

    /// <summary>"As predicted" must not hide that an answer could not be read.</summary>
    [Fact]
    public void Lines_that_were_not_understood_are_counted()
    {
        byte[] changed = Changed(Case, (path, text) => path == "meminfo.txt" ? text.Replace("VmallocTotal:     122880 kB", "VmallocTotal:     lots kB", StringComparison.Ordinal) : text);

        CliRun run = CliRun.With(changed, ["check", "-"]);
        Assert.Equal(ExitCode.Fine, run.ExitCode);
        Assert.Contains("32 answers, all as predicted", run.OutText, StringComparison.Ordinal);
        Assert.Contains("vmscope: 1 line was not understood and not compared; the first: ", run.ErrorText, StringComparison.Ordinal);
        Assert.Contains("VmallocTotal:     lots kB", run.ErrorText, StringComparison.Ordinal);

        using JsonDocument json = JsonDocument.Parse(CliRun.With(changed, ["check", "-", "--json"]).OutText);
        Assert.Equal(1, json.RootElement.GetProperty("unparsedLineCount").GetInt32());
    }

    [Fact]
    public void Lines_of_the_list_that_were_not_understood_are_counted_too()
    {
        byte[] changed = Changed(Case, (path, text) => path == "vmallocinfo.txt" ? text + "garbage\n" : text);

        CliRun run = CliRun.With(changed, ["check", "-"]);
        Assert.Equal(ExitCode.Fine, run.ExitCode);
        Assert.Contains("vmscope: 1 line was not understood and not compared; the first: ", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Hidden_addresses_are_said_to_be_left_out()
    {
        byte[] changed = Changed(Case, (path, text) =>
            path == "vmallocinfo.txt" ? System.Text.RegularExpressions.Regex.Replace(text, "0x[0-9a-f]{8}", "0x00000000") : text);

        CliRun run = CliRun.With(changed, ["check", "-"]);

        Assert.Equal(ExitCode.Fine, run.ExitCode);
        Assert.Contains("not compared: vmallocinfo: the addresses of", run.OutText, StringComparison.Ordinal);
        Assert.Contains("30 answers, all as predicted", run.OutText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i386-6.1.176-686-pae-1024-base")]
    [InlineData("amd64-6.12.107-cloud-6144-max-kaslr")]
    [InlineData("amd64-7.2.13-cloud-2048-numa2-nokaslr")]
    [InlineData("armhf-6.1.176-armmp-lpae-2048-base")]
    [InlineData("arm64-6.12.107-cloud-4096-max-kaslr")]
    [InlineData("riscv64-6.12.107-std-2048-sv39-nokaslr")]
    public void Damaged_evidence_differs_or_is_an_error_and_never_a_crash(string name)
    {
        Random random = new(name.Length);
        for (int i = 0; i < 25; i++)
        {
            byte[] changed = Changed(name, (path, text) => Damaged(text, random));

            CliRun run = CliRun.With(changed, ["check", "-", "--json"]);

            Assert.Contains(run.ExitCode, (int[])[ExitCode.Fine, ExitCode.Finding, ExitCode.Unreadable]);
            Assert.True(run.ExitCode != ExitCode.Unreadable || run.OutText.Length == 0);
        }
    }

    /// <summary>Some digits made others, a number made very long, a line cut out: a few in each text.</summary>
    private static string Damaged(string text, Random random)
    {
        if (text.Length == 0)
        {
            return text;
        }

        StringBuilder damaged = new(text);
        for (int i = 0; i < 40; i++)
        {
            int at = random.Next(damaged.Length);
            if (char.IsAsciiHexDigit(damaged[at]))
            {
                switch (random.Next(4))
                {
                    case 0:
                        damaged.Insert(at, "ffffffffffffffff"[..random.Next(1, 16)]);
                        break;
                    case 1:
                        damaged.Insert(at, "99999999999999999999"[..random.Next(1, 20)]);
                        break;
                    default:
                        damaged[at] = "0123456789abcdef"[random.Next(16)];
                        break;
                }
            }
        }

        return damaged.ToString();
    }

    [Fact]
    public void Another_option_on_the_command_line_is_another_prediction()
    {
        byte[] changed = Changed(Case, (path, text) =>
            path == "case.json" ? text.Replace("\"cmdline\": \"", "\"cmdline\": \"vmalloc=256M ", StringComparison.Ordinal) : text);

        CliRun run = CliRun.With(changed, ["check", "-"]);

        Assert.Equal(ExitCode.Finding, run.ExitCode);
        Assert.Contains("DIFFERS  VmallocTotal", run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_a_member_for_every_answer()
    {
        CliRun run = CliRun.Of("check", Captures.Archive(Case), "--json");
        using JsonDocument document = JsonDocument.Parse(run.OutText);
        JsonElement root = document.RootElement;

        Assert.Equal(("i386", "6.1.176", true), (root.GetProperty("arch").GetString(), root.GetProperty("kernel").GetString(), root.GetProperty("agrees").GetBoolean()));
        Assert.Equal(33, root.GetProperty("checks").GetArrayLength());
        JsonElement first = root.GetProperty("checks")[0];
        Assert.Equal(("VmallocTotal", "122880 kB", "122880 kB", true, "meminfo"), (
            first.GetProperty("name").GetString(), first.GetProperty("predicted").GetString(), first.GetProperty("observed").GetString(),
            first.GetProperty("agrees").GetBoolean(), first.GetProperty("source").GetString()));
        Assert.NotEqual(0, root.GetProperty("assumed").GetArrayLength());
    }

    [Theory]
    [InlineData("6.1.0", "holds no answer")]
    [InlineData("2.4.1", "the oldest is 2.4.16")]
    public void What_cannot_be_checked_is_an_error(string version, string because)
    {
        string text = $"[    0.000000] Linux version {version} (gcc)\n[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000003fffffff] usable\n"
            + "[    0.000000] CPU: something\n";
        byte[] evidence = Tarred(("dmesg.txt", text), ("case.json", "{ \"arch\": \"i386\" }"));

        CliRun run = CliRun.With(evidence, ["check", "-"]);

        Assert.Equal((ExitCode.Unreadable, ""), (run.ExitCode, run.OutText));
        Assert.Contains(because, run.ErrorText, StringComparison.Ordinal);
    }

    /// <summary>No recorded boot still prints the block, so the log is the prediction's own; the reader and both maps must agree.</summary>
    [Theory]
    [InlineData(Architecture.I386, "2.6.24", "HIGHMEM=y NR_CPUS=8", 4, 8)]
    [InlineData(Architecture.I386, "4.19", "HIGHMEM=y X86_PAE=y NR_CPUS=8", 5, 10)]
    [InlineData(Architecture.Arm, "4.9", "", 6, 12)]
    [InlineData(Architecture.Arm, "2.6.38", "", 7, 14)]
    [InlineData(Architecture.Arm64, "4.14", "ARM64_VA_BITS=48 RANDOMIZE_BASE=n", 7, 12)]
    [InlineData(Architecture.Arm64, "4.14", "ARM64_VA_BITS=48", 4, 8)]
    [InlineData(Architecture.Arm64, "4.4", "ARM64_VA_BITS=39 KASAN=y", 5, 10)]
    public void The_layout_block_of_older_kernels_is_compared_line_by_line(
        Architecture architecture, string version, string config, int lines, int comparisons)
    {
        LayoutInputs inputs = Predict.Inputs(architecture, version, config).WithRam((RamStart(architecture), 2 * Size.GiB));
        BootMessage message = BootMessages.Of(inputs.Layout());
        Assert.True(message.IsBlock);
        Assert.Equal(lines + 1, message.Lines.Length);
        string e820 = $"[    0.000000]  BIOS-e820: {0:x16} - {2 * Size.GiB:x16} (usable)\n";
        string node = $"[    0.000000] Early memory node ranges\n[    0.000000]   node   0: [mem 0x{RamStart(architecture):x16}-0x{RamStart(architecture) + (2 * Size.GiB) - 1:x16}]\n";
        string log = $"[    0.000000] Linux version {version} (gcc)\n"
            + (architecture == Architecture.I386 ? e820 : node)
            + string.Concat(message.Lines.Select(line => $"[    0.000000] {line}\n"));
        string description = $$"""{ "arch": "{{architecture.Name()}}", "config": { {{string.Join(", ", config.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => $"\"{word.Replace("=", "\": \"")}\""))}} } }""";

        CliRun run = CliRun.With(Tarred(("dmesg.txt", log), ("case.json", description)), ["check", "-"]);

        Assert.Equal(ExitCode.Fine, run.ExitCode);
        Assert.Equal(comparisons, run.OutText.Split('\n').Count(line => line.StartsWith("ok  layout line", StringComparison.Ordinal)));
    }

    private static ulong RamStart(Architecture architecture) => architecture == Architecture.I386 ? 0UL : 0x40000000UL;

    /// <summary>A recorded boot with some of its text changed.</summary>
    private static byte[] Changed(string name, Func<string, string, string> change)
    {
        List<(string, string)> files = [];
        using GZipStream unpacked = new(File.OpenRead(Captures.Archive(name)), CompressionMode.Decompress);
        using TarReader reader = new(unpacked);
        while (reader.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is { } data)
            {
                using StreamReader text = new(data);
                string path = entry.Name[(entry.Name.LastIndexOf('/') + 1)..];
                string before = text.ReadToEnd();
                files.Add((path, change(path, before)));
            }
        }

        return Tarred([.. files]);
    }

    private static byte[] Tarred(params (string Path, string Text)[] files)
    {
        using MemoryStream stream = new();
        using (TarWriter writer = new(stream, leaveOpen: true))
        {
            foreach ((string path, string text) in files)
            {
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, path) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
            }
        }

        return stream.ToArray();
    }
}
