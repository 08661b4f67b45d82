using System.Text;
using VmScope.Replay;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Replay;

/// <summary>
/// Goal: the model puts every area where the recorded kernel put it.
/// Method: every recorded trace is replayed; the model answers each request before the recorded address is looked at.
/// What may differ follows from how the trace begins, never from which trace it is.
/// </summary>
public class RecordedTraceTests
{
    public static TheoryData<string> Traces() => Captures.Theory(RecordedTraces.HoldsTrace);

    [Theory, MemberData(nameof(Traces))]
    public void A_recorded_trace_replays_as_exactly_as_its_start_allows(string name)
    {
        ReplayResult result = RecordedTraces.Replay(name);
        bool lateWithPools = !RecordedTraces.BeginsAtBoot(name) && RecordedTraces.Cpus(name) > 1 && RecordedTraces.HasPools(name);
        Assert.Equal(!lateWithPools, result.Replayable);
        if (lateWithPools)
        {
            Assert.Contains("pools", result.WhyNot, StringComparison.Ordinal);
            return;
        }

        Assert.Equal(result.Allocations, result.SameAddress + result.Different);
        Assert.Equal(result.Different, result.Unknowable + result.Unexplained);
        Assert.Equal(0, result.Unexplained);
        Assert.True(result.Start == ReplayStart.Listing || result.Different == 0, $"{result.Different} different");
        Assert.True(result.Allocations > 200, $"{result.Allocations} allocations");
        Assert.Equal(0, result.PurgesOff);
        Assert.Equal(0, result.UnknownFrees);
        if (RecordedTraces.Cpus(name) == 1)
        {
            // Every free event names the pages that wait for a purge: lazy freeing itself is exact, not only its effect.
            Assert.Equal((0, 0), (result.LazyOff, result.Reordered));
        }

        Assert.Equal(result.Chunks, result.ChunksSame);
        Assert.Equal(0, result.ChunksUnplaced);
        Assert.NotNull(result.Final);
        Assert.Equal(0, result.Final.DifferenceCount);
        Assert.Equal(result.Final.Rows, result.Final.Same);
    }

    [Theory, MemberData(nameof(Traces))]
    public void A_request_that_found_no_room_finds_none_in_the_model(string name)
    {
        bool tight = name.Contains("-fail-", StringComparison.Ordinal) || name.Contains("-vmalloc-", StringComparison.Ordinal);
        Assert.Equal(tight, RecordedTraces.Replay(name).FailedInBoth > 0);
    }

    [Fact]
    public void What_follows_overwritten_events_is_unknowable()
    {
        const string name = "i386-6.1.176-686-1024-trace";
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        string[] lines = new StreamReader(bundle.OpenRequired("trace")).ReadToEnd().Split('\n');
        string[] kept = lines[(lines.Length / 3)..];
        string text = $"# tracer: nop\n#\n# entries-in-buffer/entries-written: {kept.Length}/{lines.Length}   #P:1\n#\n{string.Join('\n', kept)}";
        bundle.TryOpen("vmallocinfo-before", out Stream before);
        ReplayResult result = ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(Encoding.UTF8.GetBytes(text)), "trace.txt"),
            Machine = bundle.Inputs,
            Before = new ReplayFile(before, "vmallocinfo-before.txt"),
        });
        Assert.Equal((ulong)(lines.Length - kept.Length), result.LostEvents);
        Assert.True(result.Unknowable > 10, $"{result.Unknowable} unknowable");
        Assert.Equal(0, result.Unexplained);
    }

    [Fact]
    public void The_first_difference_names_request_holes_and_both_choices()
    {
        ReplayResult result = RecordedTraces.Replay("amd64-6.1.176-cloud-1024-trace");
        ReplayDifference first = Assert.IsType<ReplayDifference>(result.First);
        Assert.Equal(DifferenceKind.Unknowable, first.Kind);
        Assert.True(first.Request.AlignBytes > 4096);
        Assert.NotEqual(first.Model, first.Kernel);
        Assert.Contains(first.Holes, hole => hole.Start <= first.Kernel && first.Kernel < hole.End);
        Assert.Contains(first.Holes, hole => hole.Start <= first.Model && first.Model < hole.End);
        Assert.Contains("shape", first.ModelReason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_document_lists_every_trace_with_its_score()
    {
        StringBuilder text = new("""
            # Recorded traces and how they replay

            Written by `RecordedTraceTests`; every row is one recorded boot. "Same" is the number of requests that the model
            put at the kernel's address, decided before that address was looked at. "Unknowable" are requests whose place
            depends on the shape of the kernel's free tree when the trace starts from a listing, which does not tell it.
            "Moved" operations were applied in another order than the lines have, "no room" requests failed in both.
            "Rows" are the areas of the listing at the end that the model has with the same start and end.

            | trace | start | requests | same | unknowable | unexplained | no room | moved | purges | rows |
            |---|---|---|---|---|---|---|---|---|---|

            """);
        foreach (string name in Captures.Names.Where(RecordedTraces.HoldsTrace))
        {
            ReplayResult result = RecordedTraces.Replay(name);
            string start = result.Start switch
            {
                ReplayStart.Boot => "boot",
                ReplayStart.FreeTree => "listing and tree",
                ReplayStart.Listing => "listing",
                _ => "unknown",
            };
            text.Append(result.Replayable
                ? $"| {name} | {start} | {result.Allocations} | {result.SameAddress} | {result.Unknowable} | {result.Unexplained} | {result.FailedInBoth} | {result.Reordered} | {result.Purges} | {result.Final!.Same} of {result.Final.Rows} |\n"
                : $"| {name} | {start} | not replayable: pools, and not from boot | | | | | | | |\n");
        }

        GeneratedDocument.Check("replay-scores.md", text.ToString());
    }
}
