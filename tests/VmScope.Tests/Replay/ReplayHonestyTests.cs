using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Replay;

/// <summary>
/// Goal: what a replay says of its input is true: what is missing is named, nothing of the user's is destroyed, and no
/// input ends in a crash.
/// Method: inputs that are incomplete, belong to another machine or ask for the impossible, one by one.
/// </summary>
public class ReplayHonestyTests
{
    private const string Head = """{"vmscope":"operations","version":1,"kernel":"6.1","bits":64,"pageBytes":4096,"onlineCpus":1,"possibleCpus":1,"rangeStart":"0xffffc90000000000","rangeEnd":"0xffffe8ffffffffff","addresses":true}""";

    private const string Range = "\"from\":\"0xffffc90000000000\",\"to\":\"0xffffe8ffffffffff\"";

    private static string Synthetic(string kernel, string workload, int loops)
    {
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(KernelIdentity.Parse(kernel)!.Version),
            WindowStart = 0xffffc90000000000,
            WindowEnd = 0xffffe8ffffffffff,
            Is64Bit = true,
            OnlineCpus = 1,
            PossibleCpus = 1,
        };
        MemoryStream text = new();
        SyntheticTrace.Write(text, setup, Workloads.Find(workload)!.AllSteps(new WorkloadSettings { Loops = loops }));
        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static CliRun Operations(string[] lines, params string[] arguments) =>
        CliRun.With(string.Join('\n', lines) + "\n", ["replay", "-", .. arguments]);

    [Theory]
    [InlineData("--kernel", "6.1")]
    [InlineData("--kernel", "2.4.22")]
    [InlineData("--era", "B3", "--kernel", "4.19")]
    [InlineData("--page-size", "64K", "--kernel", "6.12")]
    public void Named_requests_that_no_kernel_makes_are_left_out_and_counted(params string[] what)
    {
        CliRun run = Operations(
            [
                Head.Replace("\"addresses\":true", "\"addresses\":false", StringComparison.Ordinal),
                $$"""{"op":"place","size":8192,"align":1,{{Range}},"id":1}""",
                $$"""{"op":"place","size":0,"align":1,{{Range}},"id":2}""",
                $$"""{"op":"place","size":5,"align":1,{{Range}},"id":3}""",
                $$"""{"op":"place","size":8192,"align":3,{{Range}},"id":4}""",
                $$"""{"op":"place","size":-4096,"align":1,{{Range}},"id":5}""",
                """{"op":"place","size":8192,"align":1,"from":9,"to":3,"id":6}""",
                """{"op":"chunk","size":7,"align":1,"id":7}""",
                """{"op":"free","id":1}""",
            ],
            [.. what, "--json"]);
        Assert.Equal(0, run.ExitCode);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal(1, json.GetProperty("requests").GetInt64());
        Assert.Contains(json.GetProperty("notes").EnumerateArray(), note =>
            note.GetString()!.StartsWith("5 events ask", StringComparison.Ordinal) && note.GetString()!.EndsWith("line 3", StringComparison.Ordinal));
        Assert.Contains(json.GetProperty("notes").EnumerateArray(), note =>
            note.GetString()!.StartsWith("1 line could not be understood and was left out; line 6: ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_request_larger_than_every_range_finds_no_room_on_larger_pages_either()
    {
        string[] lines =
        [
            Head.Replace("\"addresses\":true", "\"addresses\":false", StringComparison.Ordinal),
            $$"""{"op":"place","size":"0xfffffffffffff000","align":1,{{Range}},"id":1}""",
            $$"""{"op":"place","size":8192,"align":"0x8000000000000000",{{Range}},"id":2}""",
        ];
        foreach (string pages in (string[])["4K", "64K"])
        {
            CliRun run = Operations(lines, "--kernel", "6.12", "--page-size", pages, "--json");
            Assert.Equal(2, JsonDocument.Parse(run.OutText).RootElement.GetProperty("failures").GetInt64());
        }
    }

    [Theory]
    [InlineData("end=0xffffc90000002000", "end=0x3")]
    [InlineData("end=0xffffc90000002000", "end=0xffffc90000001001")]
    [InlineData("end=0xffffc90000002000", "end=0xffffffffffffffff")]
    public void A_probe_whose_end_cannot_be_is_left_out_and_counted(string part, string changed)
    {
        const string text = """
                        task-7       [000] .....     0.000001: alloc: (alloc_vmap_area+0x0/0x7a0) size=0x1000 align=0x1 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff
                        task-7       [000] .....     0.000002: alloc_ret: (f+0x1/0x2 <- alloc_vmap_area) va=0xffff888000001000 start=0xffffc90000000000 end=0xffffc90000001000
                        task-7       [000] .....     0.000003: alloc: (alloc_vmap_area+0x0/0x7a0) size=0x1000 align=0x1 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff
                        task-7       [000] .....     0.000004: alloc_ret: (f+0x1/0x2 <- alloc_vmap_area) va=0xffff888000002000 start=0xffffc90000001000 end=0xffffc90000002000

            """;
        byte[] damaged = Encoding.UTF8.GetBytes(text.Replace(part, changed, StringComparison.Ordinal));
        foreach (string[] what in (string[][])[[], ["--era", "C2"], ["--era", "A"], ["--era", "B3"]])
        {
            CliRun run = CliRun.With(damaged, ["replay", "-", "--recorded-on", "5.10", .. what]);
            Assert.Equal(0, run.ExitCode);
            Assert.Contains("1 event asks for what no kernel does", run.ErrorText, StringComparison.Ordinal);
            Assert.Contains("the first is line 4", run.ErrorText, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("\"version\":1", "\"version\":2", "version 2")]
    [InlineData("\"pageBytes\":4096", "\"pageBytes\":1000", "pageBytes is 1000")]
    [InlineData("0xffffc90000000000", "0xfffff90000000000", "rangeStart")]
    public void A_first_line_that_describes_no_machine_says_what_is_wrong(string part, string changed, string said)
    {
        CliRun run = Operations([Head.Replace(part, changed, StringComparison.Ordinal), $$"""{"op":"place","size":8192,"align":1,{{Range}},"at":"0xffffc90000000000"}"""]);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("line 1: ", run.ErrorText, StringComparison.Ordinal);
        Assert.Contains(said, run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void An_operation_without_a_line_is_named_by_its_own()
    {
        CliRun run = Operations(
        [
            Head,
            $$"""{"op":"place","size":8192,"align":1,{{Range}},"at":"0xffffc90000000000"}""",
            $$"""{"op":"place","size":8192,"align":1,{{Range}},"at":"0xffffc90000004000"}""",
        ]);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("(unexplained): line 3,", run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void Generated_requests_have_nothing_to_compare_with()
    {
        CliRun run = Operations(
            [Head.Replace("\"addresses\":true", "\"addresses\":false", StringComparison.Ordinal), $$"""{"op":"place","size":8192,"align":1,{{Range}},"id":1}"""]);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("--kernel", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recording_never_overwrites_what_it_reads_and_leaves_nothing_of_a_run_that_fails()
    {
        using TemporaryFolder folder = new();
        string trace = folder.Path("trace.txt");
        string link = folder.Path("link");
        string old = folder.Path("old");
        File.WriteAllText(trace, Synthetic("6.6", "fix-size", 20));
        File.WriteAllText(old, "kept");
        File.CreateSymbolicLink(link, trace);
        long length = new FileInfo(trace).Length;
        foreach (string record in (string[])[trace, link])
        {
            CliRun run = CliRun.Of("replay", trace, "--recorded-on", "6.6", "--record", record);
            Assert.Equal(2, run.ExitCode);
            Assert.Equal(length, new FileInfo(trace).Length);
        }

        Assert.Equal(3, CliRun.Of("replay", folder.Path("none"), "--record", old).ExitCode);
        Assert.Equal(3, CliRun.Of("replay", trace, "--record", old).ExitCode);
        Assert.Equal("kept", File.ReadAllText(old));
        Assert.Contains("is a directory", CliRun.Of("replay", trace, "--recorded-on", "6.6", "--record", folder.Root).ErrorText, StringComparison.Ordinal);
        CliRun nowhere = CliRun.Of("replay", trace, "--recorded-on", "6.6", "--record", folder.Path("no/x"));
        Assert.Equal(3, nowhere.ExitCode);
        Assert.Contains("no such directory", nowhere.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_of_a_trace_whose_beginning_was_overwritten_begins_as_late()
    {
        using TemporaryFolder folder = new();
        string copy = folder.Path("copy.jsonl");
        string[] lines = Synthetic("6.6", "churn", 20).Split('\n');
        byte[] late = Encoding.UTF8.GetBytes("# entries-in-buffer/entries-written: 100/700   #P:1\n" + string.Join('\n', lines.Where(line => !line.StartsWith('#'))));
        CliRun trace = CliRun.With(late, ["replay", "-", "--recorded-on", "6.6", "--record", copy]);
        Assert.Contains("600 events before its first one were overwritten", trace.OutText, StringComparison.Ordinal);
        CliRun again = CliRun.Of("replay", copy);
        Assert.Equal((1, 1), (trace.ExitCode, again.ExitCode));
        Assert.Contains("cannot be", again.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void Gzip_data_that_ends_in_the_middle_is_said_to()
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Encoding.UTF8.GetBytes(Synthetic("6.6", "random-size", 2000)));
        }

        CliRun run = CliRun.With(packed.ToArray()[..(int)(packed.Length / 2)], ["replay", "-", "--recorded-on", "6.6"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("ends in the middle", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_not_recorded_is_named()
    {
        string[] lines = Synthetic("6.6", "full-fit", 100).Split('\n');
        string Only(string name) => string.Join('\n', lines.Where(line => line.Contains(name, StringComparison.Ordinal))) + "\n";
        CliRun purges = CliRun.With(Only("purge_vmap_area_lazy"), ["replay", "-", "--recorded-on", "6.6"]);
        Assert.Equal(3, purges.ExitCode);
        Assert.Contains("no allocation and no free among its", purges.ErrorText, StringComparison.Ordinal);
        CliRun requests = CliRun.With(Only("alloc_vmap_area"), ["replay", "-", "--recorded-on", "6.6"]);
        Assert.Equal(1, requests.ExitCode);
        Assert.Contains("no free in the trace", requests.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_listing_that_is_cut_is_not_called_hidden()
    {
        using TemporaryFolder folder = new();
        string cut = folder.Path("cut");
        File.WriteAllText(cut, "0xffffc90000000000-0xffffc90000005000   20480 f+0x1/0x2 pages=4 vmalloc\n0xffffc90000005000-0xffffc90000007000    819");
        CliRun run = CliRun.With(Synthetic("6.6", "fix-size", 5), ["replay", "-", "--recorded-on", "6.6", "--snapshot", cut]);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("line 2: ", run.ErrorText, StringComparison.Ordinal);
        Assert.Contains("damaged or cut", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void The_listing_of_another_trace_is_suspected()
    {
        CliRun run = CliRun.Of(
            "replay", Captures.Archive("i386-6.1.176-686-1024-trace"), "--snapshot", Unpacked("i386-6.1.176-686-1024-trace-smp2", "vmallocinfo-before", out TemporaryFolder folder));
        using (folder)
        {
            Assert.Equal(1, run.ExitCode);
            Assert.Contains("the listing is not the one of this trace", run.ErrorText, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Evidence_of_another_kernel_than_the_one_named_is_noted()
    {
        CliRun run = CliRun.Of("replay", Captures.Archive("i386-6.1.176-686-1024-trace"), "--recorded-on", "5.10");
        Assert.Contains("6.1.0-50-686; --recorded-on 5.10 is taken", run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2.6.39", true)]
    [InlineData("3.10", true)]
    [InlineData("4.19", true)]
    [InlineData("2.6.37", false)]
    public void From_a_listing_a_remembered_place_is_unknown_until_it_shows(string kernel, bool remembers)
    {
        using TemporaryFolder folder = new();
        string listing = folder.Path("before");
        string[] lines = [.. Synthetic(kernel, "churn", 4000).Split('\n').Where(line => line.Length > 0 && line[0] != '#')];
        const int from = 13_000;
        SortedDictionary<ulong, ulong> busy = [];
        SortedDictionary<ulong, ulong> waiting = [];
        foreach (string line in lines[..from])
        {
            string[] words = line.Split([' ', '='], StringSplitOptions.RemoveEmptyEntries);
            if (line.Contains("alloc_vmap", StringComparison.Ordinal))
            {
                ulong start = ulong.Parse(words[Array.IndexOf(words, "va_start:") + 1], CultureInfo.InvariantCulture);
                busy[start] = ulong.Parse(words[Array.IndexOf(words, "size") + 1], CultureInfo.InvariantCulture);
            }
            else if (line.Contains("free_vmap", StringComparison.Ordinal))
            {
                ulong start = Convert.ToUInt64(words[Array.IndexOf(words, "va_start") + 1], 16);
                Assert.True(busy.Remove(start, out ulong size));
                waiting[start] = size;
            }
            else
            {
                waiting.Clear();
            }
        }

        string Row(ulong start, ulong size, string what) => string.Create(CultureInfo.InvariantCulture, $"0x{start:x}-0x{start + size:x} {size} {what}");
        File.WriteAllLines(listing, [
            .. busy.Select(area => Row(area.Key, area.Value, "f+0x1/0x2 pages=1 vmalloc")),
            .. waiting.Select(area => Row(area.Key, area.Value, "unpurged vm_area"))]);
        CliRun run = CliRun.With(
            string.Join('\n', lines[from..]) + "\n", ["replay", "-", "--recorded-on", kernel, "--cpus", "1", "--snapshot", listing, "--json"]);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(0, json.GetProperty("unexplained").GetInt64());
        Assert.InRange(json.GetProperty("unknowable").GetInt64(), 0, remembers ? 5 : 0);
        Assert.InRange(json.GetProperty("allocations").GetInt64(), 900, 4000);
        Assert.DoesNotContain("shape of the free tree", run.OutText, StringComparison.Ordinal);
        Assert.Equal(remembers, run.OutText.Contains("goes on searching", StringComparison.Ordinal));
    }

    [Fact]
    public void A_range_that_cannot_be_predicted_for_another_kernel_is_said_to_be_the_recorded_one()
    {
        CliRun run = CliRun.Of("replay", Captures.Archive("amd64-6.12.107-cloud-1024-trace"), "--kernel", "2.6.24");
        Assert.Contains("the range is the recorded one", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_what_if_adds_or_lacks_is_noted()
    {
        string[] lines = Synthetic("6.6", "churn", 300).Split('\n');
        CliRun late = CliRun.With(string.Join('\n', lines[3000..]), ["replay", "-", "--kernel", "6.1"]);
        Assert.Contains("what was in use before is missing", late.ErrorText, StringComparison.Ordinal);
        CliRun moved = CliRun.Of("replay", Captures.Archive("i386-6.1.176-686-1024-trace"), "--cmdline", "vmalloc=2M");
        Assert.Contains("9 areas that were there before the trace were asked for again", moved.ErrorText, StringComparison.Ordinal);
        CliRun pages = CliRun.Of("replay", Captures.Archive("i386-6.1.176-686-1024-trace"), "--page-size", "64K");
        Assert.Contains("x86 has no pages of 64 KiB", pages.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amd64-6.12.107-cloud-1024-trace")]
    [InlineData("i386-5.10.223-686-1024-trace")]
    public void Where_nothing_waits_nothing_is_purged(string capture)
    {
        CliRun run = CliRun.Of("replay", Captures.Archive(capture), "--no-lazy", "--json");
        Assert.Equal(0, JsonDocument.Parse(run.OutText).RootElement.GetProperty("purges").GetInt64());
    }

    [Fact]
    public void Purges_by_the_threshold_of_the_recorder_are_left_out_where_probes_do_not_tell_how_much_waits()
    {
        // Probes on a kernel of one processor: 8,192 pages may wait, so the free that makes it more is followed by a purge.
        StringBuilder text = new();
        ulong at = 0xffffc90000000000;
        int line = 0;
        void Line(string what) => text.Append(CultureInfo.InvariantCulture, $"            task-7       [000] .....     0.{++line:000000}: {what}\n");
        for (int i = 0; i < 9; i++)
        {
            Line("alloc: (alloc_vmap_area+0x0/0x7a0) size=0x400000 align=0x1 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff");
            Line(string.Create(CultureInfo.InvariantCulture, $"alloc_ret: (f+0x1/0x2 <- alloc_vmap_area) va=0xffff888000001000 start=0x{at:x} end=0x{at + 0x400000:x}"));
            Line(string.Create(CultureInfo.InvariantCulture, $"free_noflush: (free_vmap_area_noflush+0x0/0x1) start=0x{at:x} end=0x{at + 0x400000:x}"));
            at += 0x400000;
        }

        Line("purge: (__purge_vmap_area_lazy+0x0/0x1)");
        Line("purge_ret: (f+0x1/0x2 <- __purge_vmap_area_lazy) ret=0x1");
        JsonElement json = JsonDocument.Parse(
            CliRun.With(text.ToString(), ["replay", "-", "--recorded-on", "5.10", "--era", "C1", "--json"]).OutText).RootElement;
        Assert.Equal(1, json.GetProperty("purges").GetInt64());
    }

    [Fact]
    public void A_request_that_gives_up_at_once_is_one_request_of_a_what_if()
    {
        const string range = "vstart=0xffffc90000000000 vend=0xffffe8ffffffffff";
        string Line(int at, int task, int size, string outcome) => string.Create(
            CultureInfo.InvariantCulture, $"            task-{task,-7} [000] .....     0.{at:000000}: alloc_vmap_area: va_start: {outcome.Split('/')[0]} size={size} align=1 {range} failed={outcome.Split('/')[1]}\n");
        const string failed = "18446744073709551604/1";
        string text = Line(1, 1, 8192, "18446683600570023936/0")
            + Line(2, 7, 12288, failed) + Line(3, 7, 8192, "18446683600570032128/0") // gave up, then asked for something else
            + Line(4, 8, 8192, failed) + Line(5, 8, 8192, "18446683600570040320/0") // had room after the purge
            + Line(6, 9, 4096, failed) + Line(7, 9, 4096, failed) // had none even then
            + Line(8, 10, 4096, failed); // gave up
        JsonElement json = JsonDocument.Parse(
            CliRun.With(text, ["replay", "-", "--recorded-on", "7.1", "--cpus", "1", "--era", "C3", "--json"]).OutText).RootElement;
        Assert.Equal((6, 3), (json.GetProperty("requests").GetInt32(), json.GetProperty("newlyPlaced").GetInt32()));
    }

    [Fact]
    public void No_purge_is_missed_where_none_was_due()
    {
        CliRun few = CliRun.With(Synthetic("6.6", "fix-size", 5), ["replay", "-", "--recorded-on", "6.6"]);
        Assert.Equal((0, ""), (few.ExitCode, few.ErrorText));
        string[] lines = [.. Synthetic("6.6", "fix-size", 9000).Split('\n').Where(line => !line.Contains("purge_vmap", StringComparison.Ordinal))];
        CliRun missing = CliRun.With(string.Join('\n', lines), ["replay", "-", "--recorded-on", "6.6"]);
        Assert.Contains("no purge in the trace", missing.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Generated_requests_are_counted_in_steps_not_in_seconds()
    {
        CliRun run = CliRun.Of("replay", "--workload", "align-shift", "--ascii");
        Assert.Contains("step 93: ", run.OutText, StringComparison.Ordinal);
        Assert.DoesNotContain("seconds", run.OutText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i386-6.1.176-686-1024-trace", "32-bit")]
    [InlineData("arm64-7.2.13-16k-2048-max-nokaslr", "pages of 16384 bytes")]
    public void Evidence_of_a_machine_that_cannot_have_recorded_the_trace_is_refused(string capture, string said)
    {
        CliRun run = CliRun.With(Synthetic("6.6", "random-size", 300), ["replay", "-", "--evidence", Captures.Archive(capture)]);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains(said, run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_row_that_a_list_repeats_counts_once()
    {
        using TemporaryFolder folder = new();
        const string row = "0xffffc90000000000-0xffffc90000005000   20480 f+0x1/0x2 pages=4 vmalloc\n";
        folder.Write("list", row + row);
        CliRun run = CliRun.With(
            "            task-7       [000] .....     0.000001: alloc_vmap_area: va_start: 18446683600570044416 size=8192 align=1 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff failed=0\n",
            ["replay", "-", "--recorded-on", "6.6", "--cpus", "1", "--snapshot", folder.Path("list")]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("1 of 1 addresses", run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void The_end_is_sampled_once_and_what_waits_is_counted_before_the_purge()
    {
        JsonElement json = JsonDocument.Parse(CliRun.Of("replay", "--workload", "fix-size", "--loops", "3", "--pages", "20000", "--json").OutText).RootElement;
        Assert.Equal([1L, 2, 3, 4, 5, 6], json.GetProperty("samples").EnumerateArray().Select(sample => sample.GetProperty("operations").GetInt64()));
        Assert.Equal(20001UL * 4096, json.GetProperty("peakLazyBytes").GetUInt64());
    }

    private static string Unpacked(string capture, string name, out TemporaryFolder folder)
    {
        folder = new TemporaryFolder();
        string path = folder.Path(name);
        VmScope.Sources.EvidenceBundle bundle = VmScope.Sources.EvidenceBundle.Open(Captures.Archive(capture), Stream.Null);
        using FileStream file = File.Create(path);
        Assert.True(bundle.TryOpen(name, out Stream stream));
        using (stream)
        {
            stream.CopyTo(file);
        }

        return path;
    }
}
