using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>Findings and windows at their edges: nothing free, the top of the address space, figures that cannot be.</summary>
public class FindingEdgeTests
{
    private const string Log =
        "Linux version 3.10.0 (a@b) (gcc) #1 SMP\n" +
        "virtual kernel memory layout:\n" +
        "    vmalloc : 0xf8000000 - 0xf8400000   (   4 MB)\n" +
        "    lowmem  : 0xc0000000 - 0xf7800000   ( 888 MB)\n";

    [Fact]
    public void A_window_without_a_free_page_is_a_finding()
    {
        AreaLists list = new AreaLists().AddMany(64, 0xf8000000, 0x10000, 0x10000, "foo+0x1/0x2 pages=15 vmalloc");
        (int exitCode, JsonElement json) = Explain(list.Text());
        Assert.Equal(1, exitCode);
        Assert.Equal(0UL, json.GetProperty("freeBytes").GetUInt64());
        Assert.Contains("is full", Text(json, "no-room"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_only_a_purge_gives_is_said()
    {
        AreaLists list = new();
        for (ulong i = 0; i < 64; i++)
        {
            list.Add(0xf8000000 + (i * 0x10000), 0x10000, i % 2 == 0 ? "foo+0x1/0x2 pages=15 vmalloc" : "unpurged vm_area");
        }

        (int exitCode, JsonElement json) = Explain(list.Text());
        Assert.Equal(1, exitCode);
        Assert.Contains("after a purge 64 KiB", Text(json, "no-room"), StringComparison.Ordinal);
    }

    [Fact]
    public void More_pages_than_an_area_has_room_for_are_an_error()
    {
        AreaLists list = new AreaLists().Add(0xf8000000, 0x4000, "foo+0x1/0x2 pages=4 vmalloc").Add(0xf8010000, 0x4000, "foo+0x1/0x2 pages=5 vmalloc");
        (int exitCode, JsonElement json) = Explain(list.Text());
        Assert.Equal(1, exitCode);
        Assert.StartsWith("1 row names more pages", Text(json, "too-many-pages"), StringComparison.Ordinal);
    }

    /// <summary>Drivers share registers; which of them asked, a helper's name does not tell.</summary>
    [Theory]
    [InlineData("of_iomap+0x1/0x2", 2, 0, "shared-mapping")]
    [InlineData("of_iomap+0x1/0x2", 5, 1, "duplicate-mapping")]
    [InlineData("drv_start+0x1/0x2 [drv]", 2, 1, "duplicate-mapping")]
    public void Two_mappings_through_a_helper_are_no_leak(string owner, int count, int exitCode, string id)
    {
        AreaLists list = new AreaLists().AddMany(count, 0xf8000000, 0x2000, 0x2000, owner + " phys=020c8000 ioremap");
        (int code, JsonElement json) = Explain(list.Text());
        Assert.Equal(exitCode, code);
        Assert.NotEmpty(Text(json, id));
    }

    [Theory]
    [InlineData("4.9.0", 0, "VmallocChunk is a constant 0 since 4.4")]
    [InlineData("3.10.0", 4088, "VmallocChunk says 4,088 kB: the largest gap")]
    public void VmallocChunk_is_explained(string version, int chunk, string expected)
    {
        string list = new AreaLists().Add(0xf8000000, 0x2000, "foo+0x1/0x2 pages=1 vmalloc").Text();
        (_, JsonElement json) = Explain(list, Log.Replace("3.10.0", version, StringComparison.Ordinal),
            $"VmallocTotal:       4096 kB\nVmallocUsed:           0 kB\nVmallocChunk:   {chunk,8} kB\n");
        Assert.Contains(expected, Text(json, "vmalloc-used"), StringComparison.Ordinal);
    }

    /// <summary>
    /// A list is not taken at one instant: a freed row may cover live ones. Goal: gaps are exactly what no live area
    /// covers. Method: random lists held against a map of pages.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Freed_rows_over_live_ones_hide_no_live_byte(int seed)
    {
        const ulong Start = 0xf8000000;
        const int Pages = 1024;
        Random random = new(seed);
        for (int round = 0; round < 20; round++)
        {
            AreaLists list = new();
            bool[] live = new bool[Pages];
            bool[] freed = new bool[Pages];
            for (int at = random.Next(3); at < Pages - 40; at += random.Next(1, 30))
            {
                int pages = random.Next(2, 20);
                bool isFreed = random.Next(2) == 0;
                list.Add(Start + ((ulong)at * 4096), (ulong)pages * 4096, isFreed ? "unpurged vm_area" : "foo+0x1/0x2 vmalloc");
                Array.Fill(isFreed ? freed : live, true, at, pages);
                at += isFreed ? 0 : pages;
            }

            (_, JsonElement json) = Explain(list.Text(), Log.Replace("3.10.0", "6.1.0", StringComparison.Ordinal));
            char[] map = new string('L', Pages).ToCharArray();
            foreach (JsonElement gap in json.GetProperty("gaps").EnumerateArray())
            {
                int from = (int)((Convert.ToUInt64(gap.GetProperty("start").GetString(), 16) - Start) / 4096);
                Array.Fill(map, gap.GetProperty("kind").GetString() == "unpurged" ? 'U' : 'F', from, (int)(gap.GetProperty("bytes").GetInt64() / 4096));
            }

            Assert.Equal(new string([.. Enumerable.Range(0, Pages).Select(page => live[page] ? 'L' : freed[page] ? 'U' : 'F')]), new string(map));
        }
    }

    [Fact]
    public void A_vendors_kernel_that_counts_is_not_said_to_print_0()
    {
        string list = new AreaLists().Add(0xf8000000, 0x2000, "foo+0x1/0x2 pages=1 vmalloc").Text();
        (_, JsonElement json) = Explain(list, Log.Replace("3.10.0", "4.18.0-553.el8_10.i686", StringComparison.Ordinal),
            "VmallocTotal:       4096 kB\nVmallocUsed:           4 kB\nVmallocChunk:          0 kB\n");
        Assert.Contains("this vendor's kernel counts", Text(json, "vmalloc-used"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_area_may_end_at_the_top_of_the_address_space()
    {
        (int exitCode, JsonElement json) = Explain(
            "0xffffffffffff0000-0x0000000000000000   65536 b+0x1/0x2 vmalloc\n" +
            "0xfffffffffff00000-0xfffffffffff02000    8192 b+0x1/0x2 pages=1 vmalloc\n", log: "");
        Assert.Equal(0, exitCode);
        Assert.Equal("0x10000000000000000", json.GetProperty("window").GetProperty("end").GetString());
        Assert.Equal(0xe_e000UL, json.GetProperty("freeBytes").GetUInt64());
    }

    [Theory]
    [InlineData("18014398509481983")]
    [InlineData("9007199254740991")]
    [InlineData("18446744073709551615")]
    [InlineData("0")]
    public void A_VmallocTotal_that_cannot_be_stops_nothing(string total)
    {
        foreach (string rows in (string[])[
            "0xf8000000-0xf8002000    8192 foo+0x1/0x2 pages=1 vmalloc\n",
            "0xffffc90000000000-0xffffc90000002000    8192 foo+0x1/0x2 pages=1 vmalloc\n",
            "0xffff800080000000-0xffff800080002000    8192 foo+0x1/0x2 pages=1 vmalloc\n"])
        {
            foreach (string log in (string[])["", "Linux version 6.1.0 (a@b) (gcc) #1 SMP\n"])
            {
                (int exitCode, _) = Explain(rows, log, $"VmallocTotal:   {total} kB\n");
                Assert.Equal(0, exitCode);
            }
        }
    }

    [Fact]
    public void A_random_start_with_five_levels_is_recognised()
    {
        (_, JsonElement json) = Explain(
            "0xff681c3300000000-0xff681c3300005000   20480 irq_init_percpu_irqstack+0x1/0x2 vmap\n" +
            "0xffffffffc0000000-0xffffffffc0201000 2101248 bpf_prog_pack_alloc+0x1/0x2 pages=512 vmalloc\n", log: "");
        Assert.Equal("x86-64", json.GetProperty("arch").GetString());
        Assert.Equal("0xff681c3300000000", json.GetProperty("window").GetProperty("start").GetString());
    }

    /// <summary>The sizes are what the boot log of that machine prints, per-node areas and unused units included.</summary>
    [Theory]
    [InlineData(4, 524_288, "4 possible processors with 524,288 bytes each make 2,097,152")]
    [InlineData(3, 524_288, "It holds 4 units of 524,288 bytes")]
    [InlineData(2, 2_097_152, "2,097,152 bytes for each of 2 possible processors; an area holds 1 such unit")]
    public void The_arithmetic_of_chunks_follows_the_boot_log(int cpus, int unit, string expected)
    {
        string list = new AreaLists(is64Bit: true)
            .Add(0xffffc90000000000, 0x5000, "irq_init_percpu_irqstack+0x1/0x2 vmap")
            .Add(0xffffe8ffffc00000, 0x200000, "pcpu_get_vm_areas+0x0/0xfd0 vmalloc").Text();
        (_, JsonElement json) = Explain(list,
            "Linux version 6.1.0 (a@b) (gcc) #1 SMP\n" +
            $"setup_percpu: NR_CPUS:8192 nr_cpumask_bits:{cpus} nr_cpu_ids:{cpus} nr_node_ids:1\n" +
            $"percpu: Embedded 61 pages/cpu s212992 r8192 d28672 u{unit}\n");
        Assert.Contains(expected, Text(json, "percpu-chunks"), StringComparison.Ordinal);
    }

    [Fact]
    public void Compiled_programs_have_their_own_window_on_arm64()
    {
        CliRun run = CliRun.Of("explain", Captures.Archive("arm64-5.10.223-cloud-2048-a57-nokaslr"), "--json");
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        JsonElement bpf = json.GetProperty("windows").EnumerateArray().Single(window => window.GetProperty("name").GetString() == "bpf");
        Assert.Equal(("0xffff800000000000", "0xffff800008000000", 1),
            (bpf.GetProperty("start").GetString(), bpf.GetProperty("end").GetString(), bpf.GetProperty("areas").GetInt32()));
        Assert.Equal(0, json.GetProperty("outsideWindows").GetProperty("areas").GetInt32());
    }

    private static (int ExitCode, JsonElement Json) Explain(string list, string log = Log, string meminfo = "")
    {
        using TemporaryFolder folder = new();
        folder.Write("vmallocinfo", list);
        if (log.Length > 0)
        {
            folder.Write("dmesg", log);
        }

        if (meminfo.Length > 0)
        {
            folder.Write("meminfo", meminfo);
        }

        CliRun run = CliRun.Of("explain", folder.Root, "--json");
        Assert.Equal("", run.ErrorText);
        return (run.ExitCode, JsonDocument.Parse(run.OutText).RootElement);
    }

    private static string Text(JsonElement json, string id) => string.Join("\n", json.GetProperty("findings").EnumerateArray()
        .Where(finding => finding.GetProperty("id").GetString() == id).Select(finding => finding.GetProperty("text").GetString()));
}
