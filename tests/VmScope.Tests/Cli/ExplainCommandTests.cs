using System.Globalization;
using System.Text.Json;
using VmScope.Cli.Commands;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>
/// Goal: what a reader sees is right, complete and readable; what a script sees is stable.
/// Method: the listing people ask about, word for word; every built-in list in every form.
/// </summary>
public class ExplainCommandTests
{
    private static readonly string Golden = Path.Combine(Captures.ProjectFolder(), "Golden", "explain");

    /// <summary>The recorded text is what a reader learns from; read the difference before replacing it.</summary>
    [Theory]
    [InlineData("tty", 100)]
    [InlineData("tty", 72)]
    public void The_listing_people_ask_about_is_explained(string sample, int width)
    {
        CliRun run = CliRun.With([], ["explain", "--sample", sample], width: width);
        Assert.Equal(0, run.ExitCode);
        Assert.Equal("", run.ErrorText);
        Assert.Equal(File.ReadAllText(Path.Combine(Golden, $"{sample}-{width}.txt")), run.OutText);
    }

    [Fact]
    public void The_explanation_says_what_a_reader_asks()
    {
        string text = string.Join(' ', CliRun.Of("explain", "--sample", "tty").OutText.Split(default(char[]), StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("n_tty_open: the line discipline's buffers of one open terminal", text, StringComparison.Ordinal);
        Assert.Contains("Each of the 2 areas of n_tty_open is 16,384 bytes: 3 pages of 4,096 bytes and one guard page, one area for each open terminal.", text, StringComparison.Ordinal);
        Assert.Contains("In 4 places an area begins where the one below ends. What can be used does not touch even there: the guard page of the lower one lies between.", text, StringComparison.Ordinal);
        Assert.Contains("ioremap starts an area at a multiple of a power of two", text, StringComparison.Ordinal);
        Assert.Contains("neighbours that were there have been freed", text, StringComparison.Ordinal);
        Assert.Contains("per-CPU chunks: placed from the top of the window downwards", text, StringComparison.Ordinal);
        Assert.Contains("all 1,037 pages counted here lie on node 0", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_documented_fields_and_adds_up()
    {
        CliRun run = CliRun.Of("explain", "--sample", "tty", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        JsonElement window = json.GetProperty("window");
        Assert.Equal("0xffffc90000000000", window.GetProperty("start").GetString());
        Assert.Equal("0xffffe90000000000", window.GetProperty("end").GetString());
        Assert.Equal(32UL << 40, window.GetProperty("bytes").GetUInt64());
        Assert.NotEqual("", window.GetProperty("source").GetString());
        Assert.Equal(12, json.GetProperty("areas").GetInt32());
        ulong areaBytes = json.GetProperty("areaBytes").GetUInt64();
        Assert.Equal(16384UL + 4198400 + 12288 + 12288 + 8192 + 16384 + 12288 + 16384 + 16384 + 8192 + 16781312 + 2097152, areaBytes);
        Assert.Equal(11UL * 4096, json.GetProperty("guardBytes").GetUInt64());
        Assert.Equal(areaBytes - (11 * 4096), json.GetProperty("mappedBytes").GetUInt64());
        Assert.False(json.GetProperty("addressesHashed").GetBoolean());
        Assert.Equal(0, json.GetProperty("unparsedLines").GetArrayLength());
        ulong gaps = 0;
        foreach (JsonElement gap in json.GetProperty("gaps").EnumerateArray())
        {
            ulong start = Address(gap.GetProperty("start"));
            ulong end = Address(gap.GetProperty("end"));
            Assert.Equal(end - start, gap.GetProperty("bytes").GetUInt64());
            gaps += end - start;
        }

        Assert.Equal(window.GetProperty("bytes").GetUInt64(), gaps + areaBytes);
        Assert.Equal(gaps, json.GetProperty("freeBytes").GetUInt64());
        Assert.Equal(json.GetProperty("gaps").GetArrayLength(), json.GetProperty("holes").GetInt32());
        Assert.Equal("0xffffc90005001000", json.GetProperty("largestHole").GetProperty("start").GetString());
        JsonElement tty = json.GetProperty("callers").EnumerateArray().Single(caller => caller.GetProperty("caller").GetString() == "n_tty_open+0x19/0xe0");
        Assert.Equal((2, 32768, 6), (tty.GetProperty("areas").GetInt32(), tty.GetProperty("bytes").GetInt32(), tty.GetProperty("pages").GetInt32()));
        Assert.Equal(JsonValueKind.Null, tty.GetProperty("module").ValueKind);
        JsonElement ring = json.GetProperty("callers").EnumerateArray().First(caller => caller.GetProperty("module").ValueKind == JsonValueKind.String);
        Assert.Equal("e1000", ring.GetProperty("module").GetString());
        JsonElement node = Assert.Single(json.GetProperty("nodes").EnumerateArray());
        Assert.Equal((0, 1037), (node.GetProperty("node").GetInt32(), node.GetProperty("pages").GetInt32()));
        Assert.Equal(["vmalloc", "ioremap"], json.GetProperty("kinds").EnumerateArray().Select(kind => kind.GetProperty("kind").GetString()!));
    }

    public static TheoryData<string> SampleNames() => [.. Samples.All.Select(sample => sample.Name)];

    [Theory, MemberData(nameof(SampleNames))]
    public void Every_sample_is_explained_in_every_form(string name)
    {
        foreach (string[] form in (string[][])[[], ["--json"], ["--csv"], ["--all"], ["--ascii"], ["--by", "module"], ["--by", "kind"], ["--by", "node"],
            ["--by", "gap"], ["--by", "gap", "--csv"], ["--sort", "areas"], ["--sort", "name"], ["--color", "always"]])
        {
            CliRun run = CliRun.Of(["explain", "--sample", name, .. form]);
            Assert.Equal(0, run.ExitCode);
            Assert.NotEqual("", run.OutText);
            if (form is ["--ascii"])
            {
                Assert.DoesNotContain(run.OutText, c => c > '~');
            }
        }

        Assert.Equal(0, CliRun.Of("fit", "64K", "--sample", name).ExitCode);
    }

    [Fact]
    public void Lines_keep_to_the_width_of_the_terminal()
    {
        foreach (int width in (int[])[40, 60, 80, 132])
        {
            CliRun run = CliRun.With([], ["explain", "--sample", "server"], width: width);
            Assert.All(run.OutText.Split('\n'), line => Assert.True(line.Length <= width || line.StartsWith("  vmscope", StringComparison.Ordinal) || line.Contains("0x", StringComparison.Ordinal) || line.Contains("+0x", StringComparison.Ordinal), line));
        }
    }

    [Theory]
    [InlineData("0xffffc9000072b000", "byte 0 of page 0 of an area")]
    [InlineData("ffffc9000072d123", "byte 291 of page 2 of an area")]
    [InlineData("0xffffc9000072e000", "the guard page of an area")]
    [InlineData("0xffffc9000072f000", "is free: a hole of the vmalloc window")]
    [InlineData("0xffffc90000731004", "this address is physical 0xf0807004")]
    [InlineData("0x1000", "outside every window")]
    public void An_address_is_explained(string address, string expected)
    {
        CliRun run = CliRun.Of("explain", "--sample", "tty", "--area", address);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains(expected, string.Join(' ', run.OutText.Split(default(char[]), StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_areas_at_one_address_are_an_error_and_a_doubled_line_is_not()
    {
        const string row = "0xf8000000-0xf8003000   12288 f+0x1/0x2 pages=2 vmalloc\n";
        CliRun overlap = CliRun.With(row + "0xf8002000-0xf8004000    8192 g+0x1/0x2 pages=1 vmalloc\n", "explain", "-", "--json");
        Assert.Equal(1, overlap.ExitCode);
        JsonElement finding = Finding(overlap, "overlap");
        Assert.Equal("error", finding.GetProperty("severity").GetString());
        Assert.Equal(2, finding.GetProperty("areas").GetArrayLength());

        CliRun doubled = CliRun.With(row + row, "explain", "-", "--json");
        Assert.Equal(0, doubled.ExitCode);
        Assert.Equal(1, JsonDocument.Parse(doubled.OutText).RootElement.GetProperty("areas").GetInt32());
        Assert.Equal("info", Finding(doubled, "repeated-lines").GetProperty("severity").GetString());
    }

    [Fact]
    public void A_physical_range_mapped_twice_by_one_function_is_a_leak_suspect()
    {
        const string list = "0xf8000000-0xf8002000    8192 probe+0x1/0x2 phys=fee00000 ioremap\n0xf8002000-0xf8004000    8192 probe+0x1/0x2 phys=fee00000 ioremap\n"
            + "0xf8004000-0xf8006000    8192 a+0x1/0x2 phys=fed00000 ioremap\n0xf8006000-0xf8008000    8192 b+0x1/0x2 phys=fed00000 ioremap\n";
        CliRun run = CliRun.With(list, "explain", "-", "--json");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal("warning", Finding(run, "duplicate-mapping").GetProperty("severity").GetString());
        Assert.Equal("info", Finding(run, "shared-mapping").GetProperty("severity").GetString());
    }

    [Fact]
    public void Hashed_addresses_leave_sizes_owners_and_chains()
    {
        const string list = "0x000000001199de15-0x00000000f46a36f7   20480 a+0x1/0x2 vmap\n0x00000000f46a36f7-0x000000003c762614    8192 b+0x1/0x2 phys=0x00000000000a0000 ioremap\n"
            + "0x00000000f690acd4-0x000000007b0aec20   12288 b+0x1/0x2 pages=2 vmalloc N0=2\n";
        CliRun run = CliRun.With(list, "explain", "-", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.True(json.GetProperty("addressesHashed").GetBoolean());
        Assert.Equal(3, json.GetProperty("areas").GetInt32());
        Assert.Equal(40960, json.GetProperty("areaBytes").GetInt32());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("window").ValueKind);
        JsonElement chains = json.GetProperty("chains");
        Assert.Equal((1, 2, 2, 28672), (chains.GetProperty("touchingRows").GetInt32(), chains.GetProperty("chains").GetInt32(),
            chains.GetProperty("longestAreas").GetInt32(), chains.GetProperty("longestBytes").GetInt32()));
        Assert.Contains("kptr_restrict=1", CliRun.With(list, "explain", "-").OutText, StringComparison.Ordinal);
        Assert.Equal(3, CliRun.With(list, "fit", "4096", "-").ExitCode);
    }

    [Theory]
    [InlineData("0x0000000000000000-0x0000000000000000", true)]
    [InlineData("0x(____ptrval____)-0x(____ptrval____)", true)]
    [InlineData("0x7f5c1a30-0x03bb91e4", false)] // 8 digits that look like real 32-bit addresses
    public void Zeroed_worded_and_short_hashes_are_not_taken_for_addresses(string range, bool isHidden)
    {
        CliRun run = CliRun.With($"{range}   12288 a+0x1/0x2 pages=2 vmalloc\n{range}    8192 a+0x1/0x2 pages=1 vmalloc\n", "explain", "-", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal(isHidden ? "hidden" : "hashed", json.GetProperty("addresses").GetString());
        Assert.Equal(2, json.GetProperty("areas").GetInt32());
    }

    [Fact]
    public void Sixty_four_kibibyte_pages_are_seen_in_the_rows()
    {
        CliRun run = CliRun.With("0xffff800080000000-0xffff800080060000  393216 its_probe_one+0x1/0x2 pages=5 vmalloc N0=5\n", "explain", "-", "--json");
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal((65536, 65536, 327680), (json.GetProperty("pageBytes").GetInt32(), json.GetProperty("guardBytes").GetInt32(), json.GetProperty("mappedBytes").GetInt32()));
    }

    [Theory]
    [InlineData("explain", "/nonexistent/file", 3)]
    [InlineData("explain", "--by=colour", 2)]
    [InlineData("explain", "--sample=none", 2)]
    [InlineData("explain", "--area=xyz", 2)]
    public void Wrong_input_has_its_exit_code(string command, string argument, int exitCode)
    {
        CliRun run = CliRun.Of(command, argument);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Equal("", run.OutText);
        Assert.StartsWith("vmscope: ", run.ErrorText, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_without_rows_is_unreadable() => Assert.Equal(3, CliRun.With("hello\nworld\n", "explain", "-").ExitCode);

    /// <summary>The quick way to read arguments and the library must mean the same by them.</summary>
    [Theory]
    [InlineData("list.txt")]
    [InlineData("-", "--json")]
    [InlineData("--sample", "tty", "--all", "--csv", "--ascii")]
    [InlineData("list.txt", "--by", "node", "--sort", "areas", "--color", "never")]
    [InlineData("--area", "0xf8000000", "list.txt")]
    [InlineData]
    public void Plain_arguments_mean_what_the_library_says(params string[] args)
    {
        ExplainSettings quick = Assert.IsType<ExplainSettings>(ExplainArguments.TryParse(args));
        ExplainSettings? library = null;
        System.CommandLine.RootCommand root = [ExplainCommand.Create(settings => { library = settings; return 0; })];
        root.Parse(["explain", .. args]).Invoke();
        Assert.Equal(library, quick);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("--by=node")]
    [InlineData("--json", "--json")]
    [InlineData("--by", "colour")]
    [InlineData("--area")]
    [InlineData("a", "b")]
    [InlineData("--", "a")]
    [InlineData("@file")]
    [InlineData("--nonsense")]
    public void Arguments_that_are_not_plain_are_left_to_the_library(params string[] args) => Assert.Null(ExplainArguments.TryParse(args));

    private static JsonElement Finding(CliRun run, string id) =>
        JsonDocument.Parse(run.OutText).RootElement.GetProperty("findings").EnumerateArray().Single(finding => finding.GetProperty("id").GetString() == id);

    private static ulong Address(JsonElement element) =>
        ulong.Parse(element.GetString().AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    /// <summary>Windows that no list accounts for: printed, computed, a constant, or seen in the rows.</summary>
    [Theory]
    [InlineData("tty", "fixmap 0xffffffffff000000 0xffffffffff7ff000 assumed", "percpu 0xffffe8ffffc00000 0xffffe8ffffe00000 derived")]
    [InlineData("arm", "fixmap 0xffc80000 0xfff00000 assumed", "pkmap 0xbfe00000 0xc0000000 assumed", "modules 0xbf000000 0xbfe00000 assumed",
        "percpu 0xff7ee000 0xff800000 derived", "vectors 0xffff0000 0xffff2000 assumed")]
    [InlineData("small", "pkmap 0xfec00000 0xff000000 assumed", "cpu-entry-area 0xff400000 0xff961000 assumed")]
    public void Other_windows_say_where_their_bounds_come_from(string sample, params string[] expected)
    {
        using JsonDocument json = JsonDocument.Parse(CliRun.Of("explain", "--sample", sample, "--json").OutText);
        string[] windows = [.. json.RootElement.GetProperty("otherWindows").EnumerateArray().Select(window =>
            $"{window.GetProperty("name").GetString()} {window.GetProperty("start").GetString()} {window.GetProperty("end").GetString()} {window.GetProperty("sureness").GetString()}")];
        Assert.All(expected, window => Assert.Contains(window, windows));
        Assert.All(json.RootElement.GetProperty("otherWindows").EnumerateArray(), window => Assert.NotEmpty(window.GetProperty("source").GetString()!));
    }

    [Fact]
    public void A_printed_block_gives_the_other_windows()
    {
        using TemporaryFolder folder = new();
        folder.Write("dmesg", "Kernel virtual memory layout:\n  * 0xfffcf000..0xfffff000  : fixmap\n  * 0xff800000..0xffc00000  : highmem PTEs\n" +
            "  * 0xf1000000..0xf5110000  : vmalloc & ioremap\n");
        folder.Write("vmallocinfo", "0xf1000000-0xf1002000    8192 foo+0x1/0x2 pages=1 vmalloc\n");
        CliRun run = CliRun.Of("explain", folder.Root);
        Assert.Contains("vmalloc  0xf1000000 – 0xf5110000", run.OutText, StringComparison.Ordinal);
        Assert.Contains("  0xff800000  0xffc00000    4 MiB  printed  pkmap: kmap() of high memory\n", run.OutText, StringComparison.Ordinal);
    }
}
