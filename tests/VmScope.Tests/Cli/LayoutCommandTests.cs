using System.Globalization;
using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>Goal: what `vmscope layout` prints is what it predicts, in every form. Method: run it and read the output back.</summary>
public class LayoutCommandTests
{
    private static readonly string[] Seed = ["layout", "--arch", "i386", "--kernel", "2.6.24", "--ram", "2G", "--set", "CONFIG_NR_CPUS=1"];

    [Fact]
    public void Why_derives_114680_kB_step_by_step()
    {
        CliRun run = CliRun.Of([.. Seed, "--why", "vmalloc-total"]);
        Assert.Equal(0, run.ExitCode);
        string[] steps =
        [
            "MAXMEM = 2^32 - PAGE_OFFSET - __VMALLOC_RESERVE", "= 896 MiB", "VMALLOC_OFFSET = 8 MiB", "= 0xf8800000",
            "PKMAP_BASE = (FIXADDR_BOOT_START", "= 0xff800000", "= 0xff800000 - 2 * 4 KiB", "= 0xff7fe000", "= 114680 kB",
        ];
        Assert.All(steps, step => Assert.Contains(step, run.OutText, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("VMALLOC_END", "= 0xff7fe000")]
    [InlineData("vmalloc", "= 0xf8800000")]
    [InlineData("FIX_KMAP_BEGIN", "0xfffba000")]
    [InlineData("HighMem", "frames 0x38000 to 0x80000")]
    [InlineData("0xc0000003", "= 0xc0000003 - 0xc0000000 = 0x3")]
    [InlineData("0xfffba123", "fixmap entry FIX_KMAP_BEGIN, index 69")]
    public void Why_knows_symbols_regions_fixmap_entries_and_zones(string name, string expected)
    {
        CliRun run = CliRun.Of([.. Seed, "--why", name]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains(expected, run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void Why_of_something_unknown_lists_what_there_is()
    {
        CliRun run = CliRun.Of([.. Seed, "--why", "nothing"]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("vmalloc-end", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_carries_the_documented_members()
    {
        CliRun run = CliRun.Of([.. Seed, "--json"]);
        Assert.Equal(0, run.ExitCode);
        using JsonDocument document = JsonDocument.Parse(run.OutText);
        JsonElement root = document.RootElement;
        Assert.Equal("i386", root.GetProperty("arch").GetString());
        Assert.Equal("2.6.24", root.GetProperty("kernel").GetString());
        Assert.Equal(114680, root.GetProperty("vmallocTotalKiB").GetInt64());
        Assert.Equal("0xc0000000", root.GetProperty("pageOffset").GetString());
        Assert.Equal("0xf8000000", root.GetProperty("highMemory").GetString());
        JsonElement vmalloc = root.GetProperty("regions").EnumerateArray().Single(region => region.GetProperty("name").GetString() == "vmalloc");
        Assert.Equal("0xf8800000", vmalloc.GetProperty("start").GetString());
        Assert.Equal("0xff7fe000", vmalloc.GetProperty("end").GetString());
        Assert.Equal(114680 * 1024, vmalloc.GetProperty("bytes").GetInt64());
        JsonElement zone = root.GetProperty("zones").EnumerateArray().Single(candidate => candidate.GetProperty("name").GetString() == "HighMem");
        Assert.Equal(0x38000, zone.GetProperty("startPfn").GetInt64());
        Assert.Equal(0x48000, zone.GetProperty("spannedPages").GetInt64());
        JsonElement hole = root.GetProperty("fixmap")[0];
        Assert.Equal(("FIX_HOLE", 0, "0xfffff000", 1), (hole.GetProperty("name").GetString(), hole.GetProperty("index").GetInt32(),
            hole.GetProperty("address").GetString(), hole.GetProperty("pages").GetInt32()));
        Assert.Contains(root.GetProperty("assumed").EnumerateArray(), entry => entry.GetString()!.StartsWith("X86_PAE = n", StringComparison.Ordinal));
    }

    [Fact]
    public void Json_of_x86_64_ends_the_area_behind_its_inclusive_end()
    {
        CliRun run = CliRun.Of("layout", "--arch", "x86-64", "--kernel", "6.12", "--ram", "2G", "--cmdline", "nokaslr", "--json");
        using JsonDocument document = JsonDocument.Parse(run.OutText);
        Assert.Equal(34359738367, document.RootElement.GetProperty("vmallocTotalKiB").GetInt64());
        JsonElement vmalloc = document.RootElement.GetProperty("regions").EnumerateArray().Single(region => region.GetProperty("name").GetString() == "vmalloc");
        Assert.Equal("0xffffe90000000000", vmalloc.GetProperty("end").GetString());
    }

    [Fact]
    public void Dmesg_of_2_6_24_is_the_block_it_printed()
    {
        CliRun run = CliRun.Of([.. Seed, "--dmesg"]);
        Assert.Equal(
            """
            virtual kernel memory layout:
                fixmap  : 0xfffa8000 - 0xfffff000   ( 348 kB)
                pkmap   : 0xff800000 - 0xffc00000   (4096 kB)
                vmalloc : 0xf8800000 - 0xff7fe000   ( 111 MB)
                lowmem  : 0xc0000000 - 0xf8000000   ( 896 MB)

            """.ReplaceLineEndings("\n"), run.OutText);
        Assert.Contains("System.map", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Dmesg_takes_the_image_from_System_map()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "c0100000 T _text\nc02f5a1c A _etext\nc03a8fc8 A _edata\nc03aa000 A __init_begin\nc03ed000 A __init_end\n");
            CliRun run = CliRun.Of([.. Seed, "--dmesg", "--system-map", file]);
            Assert.EndsWith(
                "      .init : 0xc03aa000 - 0xc03ed000   ( 268 kB)\n"
                + "      .data : 0xc02f5a1c - 0xc03a8fc8   ( 717 kB)\n"
                + "      .text : 0xc0100000 - 0xc02f5a1c   (2006 kB)\n", run.OutText, StringComparison.Ordinal);
            Assert.Equal("", run.ErrorText);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Meminfo_writes_the_line()
    {
        Assert.Equal("VmallocTotal:     114680 kB\n", CliRun.Of([.. Seed, "--meminfo"]).OutText);
        CliRun old = CliRun.Of("layout", "--arch", "i386", "--kernel", "2.4.20", "--ram", "512M", "--meminfo");
        Assert.Equal(("", 0), (old.OutText, old.ExitCode));
        Assert.Contains("no Vmalloc lines", old.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sweep_shows_what_the_area_gains_and_lowmem_loses()
    {
        CliRun run = CliRun.Of([.. Seed, "--sweep", "vmalloc=64M..512M:64M", "--csv"]);
        Assert.Equal(0, run.ExitCode);
        string[] lines = run.OutText.TrimEnd().Split('\n');
        Assert.Equal("vmalloc,lowmemBytes,highMemory,vmallocStart,vmallocEnd,vmallocTotalKiB,problem", lines[0]);
        Assert.Equal(9, lines.Length);
        long[] sums =
        [
            .. lines.Skip(1).Select(line => line.Split(','))
                .Select(cells => long.Parse(cells[1], CultureInfo.InvariantCulture) + (long.Parse(cells[5], CultureInfo.InvariantCulture) * 1024)),
        ];
        Assert.All(sums, sum => Assert.Equal(sums[0], sum));
    }

    [Theory]
    [InlineData("ram=64M..4G:8M", 0, "114680")]
    [InlineData("kernel=2.6.27,2.6.28", 0, "122880")]
    [InlineData("nr_cpus=1..8:1", 0, "VmallocTotal kB")]
    [InlineData("vmalloc=2G", 0, "leaves no lowmem")]
    [InlineData("kernel=2.6.27..2.6.29", 2, "takes a list")]
    [InlineData("colour=1..2", 2, "one of ram")]
    [InlineData("ram=1..4G:1", 2, "at most")]
    public void Sweeps(string sweep, int exitCode, string expected)
    {
        CliRun run = CliRun.Of([.. Seed, "--sweep", sweep]);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(expected, exitCode == 0 ? run.OutText : run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--kernel 6.1 --ram 1G", "--arch")]
    [InlineData("--arch i386 --kernel elephant", "elephant")]
    [InlineData("--arch vax --kernel 6.1", "vax")]
    [InlineData("--arch i386 --kernel 2.4.10", "2.4.16")]
    [InlineData("--arch i386 --kernel 6.1 --ram 0", "no RAM")]
    [InlineData("--arch i386 --kernel 6.1 --ram lots", "lots")]
    [InlineData("--arch i386 --kernel 6.1 --ram 1G --set NR_CPUS=many", "--set NR_CPUS=many: NR_CPUS is a number")]
    [InlineData("--arch x86-64 --kernel 6.1 --ram 16E", "--ram 16E: more than 64 bits hold")]
    [InlineData("--arch x86-64 --kernel 6.1 --ram 99999999999999999999", "more than 64 bits hold")]
    [InlineData("--arch i386 --kernel 6.1 --json --dmesg", "one of them")]
    [InlineData("--arch i386 --kernel 6.1 --csv", "--sweep")]
    [InlineData("--arch i386 --kernel 6.1 --set X", "CONFIG_HIGHMEM64G=y")]
    [InlineData("--arch i386 --kernel 6.1 --observed", "needs evidence")]
    [InlineData("--arch i386 --kernel 2.6.24 --set VMSPLIT_3G_OPT=y --set X86_PAE=y", "1 GiB")]
    public void Impossible_questions_are_refused_with_a_reason(string options, string reason)
    {
        CliRun run = CliRun.Of(["layout", .. options.Split(' ')]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(reason, run.ErrorText, StringComparison.Ordinal);
        Assert.Equal("", run.OutText);
    }

    [Fact]
    public void Cpus_stands_in_for_NR_CPUS_and_says_so()
    {
        CliRun run = CliRun.Of("layout", "--arch", "i386", "--kernel", "2.6.28", "--ram", "2G", "--cpus", "32", "--json");
        using JsonDocument document = JsonDocument.Parse(run.OutText);
        JsonElement kmap = document.RootElement.GetProperty("fixmap").EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == "FIX_KMAP_BEGIN");
        Assert.Equal(13 * 32, kmap.GetProperty("pages").GetInt32());
        Assert.Contains(document.RootElement.GetProperty("assumed").EnumerateArray(),
            entry => entry.GetString()!.StartsWith("NR_CPUS = 32", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("i386-6.1.176-686-1024-base")]
    [InlineData("i386-6.1.176-686-1024-mem-131M")]
    [InlineData("i386-6.1.176-686-pae-8192-base")]
    [InlineData("i386-6.5.10-686-896-base")]
    [InlineData("amd64-6.12.107-cloud-2048-numa2-nokaslr")]
    [InlineData("amd64-7.2.13-cloud-6144-nokaslr")]
    public void Announcements_stand_in_the_recorded_boot_log(string name)
    {
        CliRun run = CliRun.Of("layout", Captures.Archive(name), "--dmesg");
        string[] predicted = run.OutText.TrimEnd('\n').Split('\n');
        Assert.True(predicted.Length >= 4);
        using StreamReader log = new(VmScope.Sources.EvidenceBundle.Open(Captures.Archive(name), Stream.Null).OpenRequired("dmesg"));
        string[] observed = [.. log.ReadToEnd().Split('\n').Select(line => line[(line.IndexOf(']', StringComparison.Ordinal) + 1)..]).Select(line => line.StartsWith(' ') ? line[1..] : line)];
        int at = 0;
        foreach (string line in predicted)
        {
            int found = Array.IndexOf(observed, line, at);
            Assert.True(found >= 0, $"'{line}' is not in the log behind line {at}");
            at = found;
        }
    }

    [Fact]
    public void Evidence_and_options_combine()
    {
        string capture = Captures.Archive("i386-6.1.176-686-1024-base");
        using JsonDocument plain = JsonDocument.Parse(CliRun.Of("layout", capture, "--json").OutText);
        using JsonDocument changed = JsonDocument.Parse(CliRun.Of("layout", capture, "--cmdline", "vmalloc=256M", "--json").OutText);
        Assert.Equal(122880, plain.RootElement.GetProperty("vmallocTotalKiB").GetInt64());
        Assert.Equal(262144, changed.RootElement.GetProperty("vmallocTotalKiB").GetInt64());
    }

    [Fact]
    public void Observed_bases_are_shown_only_on_request()
    {
        string capture = Captures.Archive("amd64-6.12.107-cloud-2048-kaslr-1");
        Assert.DoesNotContain("ffffd147", CliRun.Of("layout", capture).OutText, StringComparison.Ordinal);
        Assert.Contains("Observed in the evidence: 0xffffd14740000000", CliRun.Of("layout", capture, "--observed").OutText, StringComparison.Ordinal);
    }
}
