using System.IO.Compression;
using System.Text;
using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Replay;

/// <summary>
/// Goal: traces that are long, damaged, truncated, out of order, compressed or copied give a bounded and honest result.
/// Method: traces of modelled kernels, whose every address is known, changed in one way each.
/// </summary>
public class ReplayInputTests
{
    private static readonly KernelVersion Version = new(6, 6);

    private static VmallocSetup Setup(int cpus = 1) => new()
    {
        Facts = VmallocTimelines.At(Version),
        WindowStart = 0xffffc90000000000,
        WindowEnd = 0xffffe8ffffffffff,
        Is64Bit = true,
        OnlineCpus = cpus,
        PossibleCpus = cpus,
    };

    private static byte[] Synthetic(string workload, int loops, long events = long.MaxValue)
    {
        MemoryStream text = new();
        SyntheticTrace.Write(text, Setup(), Workloads.Find(workload)!.AllSteps(new WorkloadSettings { Loops = loops }), events);
        return text.ToArray();
    }

    private static ReplayResult Replay(byte[] text, int cpus = 1) => ReplayRun.Run(new ReplayInput
    {
        Trace = new ReplayFile(new MemoryStream(text), "trace"),
        RecordedOn = Version,
        PossibleCpus = cpus,
    });

    [Theory]
    [InlineData("fix-size")]
    [InlineData("full-fit")]
    [InlineData("random-size")]
    [InlineData("random-align")]
    [InlineData("fix-align")]
    [InlineData("churn")]
    public void A_modelled_kernels_trace_replays_exactly(string workload)
    {
        ReplayResult result = Replay(Synthetic(workload, 3000, 30_000));
        Assert.Equal((ReplayStart.Boot, 0L, 0L), (result.Start, result.Different, result.Reordered));
        Assert.True(result.Allocations >= 3000, $"{result.Allocations} allocations");
        Assert.Equal(0, result.PurgesOff);
    }

    [Fact]
    public void Stretches_of_one_processor_behind_another_are_put_back_by_time()
    {
        string[] lines = Encoding.UTF8.GetString(new SimulatedProcessors(Setup(2), seed: 5, preemptedNanosecondsMax: 6000).Run(400)).Split('\n');
        ReplayResult sorted = Replay(Encoding.UTF8.GetBytes(string.Join('\n', lines)), cpus: 2);
        List<string> header = [.. lines.Where(line => line.StartsWith('#'))];
        List<string> mixed = [.. header];
        foreach (string[] stretch in lines.Where(line => line.Length > 0 && line[0] != '#').Chunk(100))
        {
            mixed.AddRange(stretch.OrderBy(line => line.Split('[')[1][..3], StringComparer.Ordinal));
        }

        ReplayResult result = Replay(Encoding.UTF8.GetBytes(string.Join('\n', mixed) + "\n"), cpus: 2);
        Assert.Equal((sorted.Allocations, sorted.SameAddress), (result.Allocations, result.SameAddress));
        Assert.Equal(0, result.Unexplained);
        Assert.True(result.Reordered > sorted.Reordered, "nothing was out of order");
    }

    [Fact]
    public void A_truncated_trace_gives_what_it_holds()
    {
        byte[] text = Synthetic("random-size", 500);
        ReplayResult result = Replay(text[..(text.Length - 90)]);
        Assert.Equal(0, result.Different);
        Assert.InRange(result.Events, 900, 1010);
    }

    [Fact]
    public void After_lost_events_a_difference_is_unknowable_and_said_to_be_so()
    {
        string[] lines = Encoding.UTF8.GetString(Synthetic("churn", 2000, 14_000)).Split('\n');
        List<string> damaged = [.. lines[..11_000], "CPU:0 [LOST 500 EVENTS]", .. lines[11_500..]];
        ReplayResult result = Replay(Encoding.UTF8.GetBytes(string.Join('\n', damaged)));
        Assert.Equal((500UL, 0L), (result.LostEvents, result.Unexplained));
        Assert.Contains(result.Notes, note => note.Contains("500 events were lost", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("size=8193", "size")]
    [InlineData("align=3 ", "align")]
    [InlineData("vstart=0xffffffffffffffff ", "vstart")]
    [InlineData("size=18446744073709547520", "size")]
    [InlineData("size=0 ", "size")]
    public void What_no_kernel_asks_for_is_left_out(string impossible, string field)
    {
        string text = Encoding.UTF8.GetString(Synthetic("fix-size", 200));
        int at = text.IndexOf(field + "=", text.Length / 2, StringComparison.Ordinal);
        int end = text.IndexOf(' ', at);
        ReplayResult result = Replay(Encoding.UTF8.GetBytes(string.Concat(text.AsSpan(0, at), impossible.TrimEnd(), text.AsSpan(end))));
        Assert.Equal(1, result.OddOperations);
        Assert.True(result.Allocations >= 198, $"{result.Allocations} allocations");
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public void Digits_changed_at_random_never_end_in_a_crash(int seed)
    {
        Random random = new(seed);
        byte[] text = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(
            new SimulatedProcessors(Setup(3), seed).Run(1500)));
        for (int i = 0; i < 400; i++)
        {
            int at = random.Next(200, text.Length);
            if (char.IsAsciiDigit((char)text[at]))
            {
                text[at] = (byte)('0' + random.Next(10));
            }
        }

        ReplayResult result = Replay(text, cpus: 3);
        Assert.Equal(result.Allocations, result.SameAddress + result.Different);
    }

    [Fact]
    public void An_endless_stream_needs_a_fixed_amount_of_memory()
    {
        byte[] part = Synthetic("random-size", 5_000);
        byte[] whole = Synthetic("random-size", 50_000);
        Allocated(part);
        long once = Allocated(part);
        long tenTimes = Allocated(whole);
        Assert.True(tenTimes < once + (256 << 10), $"{once} bytes on the heap for 10,000 events, {tenTimes} for 100,000");
    }

    [Fact]
    public void No_event_and_no_kernel_are_said_in_one_sentence()
    {
        EvidenceException none = Assert.Throws<EvidenceException>(() => Replay("hello\nworld\n"u8.ToArray()));
        Assert.Contains("no event of the vmalloc allocator", none.Message, StringComparison.Ordinal);
        EvidenceException kernel = Assert.Throws<EvidenceException>(() => ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(Synthetic("fix-size", 5)), "trace"),
        }));
        Assert.Contains("--recorded-on", kernel.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_late_trace_without_a_listing_cannot_be_replayed()
    {
        string[] lines = Encoding.UTF8.GetString(Synthetic("churn", 100)).Split('\n');
        ReplayResult result = Replay(Encoding.UTF8.GetBytes(string.Join('\n', lines[300..])));
        Assert.False(result.Replayable);
        Assert.Contains("--snapshot", result.WhyNot, StringComparison.Ordinal);
    }

    [Fact]
    public void A_copy_of_the_operations_replays_like_the_trace()
    {
        byte[] text = new SimulatedProcessors(Setup(2), seed: 21).Run(3000);
        using MemoryStream copy = new();
        ReplayResult original;
        using (ReplayRun run = new(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(text), "trace"),
            RecordedOn = Version,
            PossibleCpus = 2,
            Record = copy,
        }))
        {
            run.Run(null, CancellationToken.None);
            original = run.Result;
        }

        ReplayResult result = ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(copy.ToArray()), "trace"),
            HoldsOperations = true,
        });
        Assert.Equal(
            (original.Events, original.Allocations, original.SameAddress, original.Reordered, original.Purges),
            (result.Events, result.Allocations, result.SameAddress, result.Reordered, result.Purges));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"vmscope\":\"operations\",\"version\":9}")]
    [InlineData("[1,2]")]
    [InlineData("{\"vmscope\":")]
    public void A_file_of_operations_needs_its_first_line(string first)
    {
        EvidenceException error = Assert.Throws<EvidenceException>(() => ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(Encoding.UTF8.GetBytes(first + "\n")), "ops.jsonl"),
            HoldsOperations = true,
        }));
        Assert.StartsWith("ops.jsonl: line 1: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_reads_gzip_and_standard_input()
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Synthetic("random-size", 300));
        }

        CliRun run = CliRun.With(packed.ToArray(), ["replay", "-", "--recorded-on", "6.6", "--json"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("\"sameAddress\": 300", run.OutText, StringComparison.Ordinal);
        Assert.Contains("\"different\": 0", run.OutText, StringComparison.Ordinal);
        Assert.Equal("", run.ErrorText);

        CliRun cut = CliRun.With(packed.ToArray()[..^5], ["replay", "-", "--recorded-on", "6.6", "--json"]);
        Assert.Contains("standard input: the compressed data ends in the middle", cut.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_says_at_once_that_a_late_trace_with_pools_cannot_be_replayed()
    {
        CliRun run = CliRun.Of("replay", Captures.Archive("amd64-7.2.13-cloud-1024-trace-smp4"), "--json");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("\"replayable\": false", run.OutText, StringComparison.Ordinal);
    }

    private static long Allocated(byte[] text)
    {
        ReplayInput input = new() { Trace = new ReplayFile(new MemoryStream(text), "stream"), RecordedOn = Version };
        long before = GC.GetAllocatedBytesForCurrentThread();
        ReplayRun.Run(input);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
