using System.Text.Json;
using VmScope.Replay;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Replay;

/// <summary>
/// Goal: the same requests on another kernel or layout run freely and say what became of them.
/// Method: the recorded kernel itself must reproduce its own end; smaller ranges must fail; the same seed must give the
/// same addresses, and a written workload must run like the generated one.
/// </summary>
public class WhatIfTests
{
    private static JsonElement Json(CliRun run) => JsonDocument.Parse(run.OutText).RootElement;

    [Fact]
    public void On_its_own_kernel_a_trace_from_boot_ends_with_the_recorded_areas()
    {
        const string name = "i386-6.5.10-686-512-trace-boot-long";
        ReplayResult exact = RecordedTraces.Replay(name);
        JsonElement free = Json(CliRun.Of("replay", Captures.Archive(name), "--kernel", "6.5.10", "--json"));
        JsonElement last = free.GetProperty("samples").EnumerateArray().Last();
        Assert.Equal(0, free.GetProperty("failures").GetInt64());
        Assert.Equal(exact.Final!.Rows, last.GetProperty("areas").GetInt32());
        Assert.True(free.GetProperty("requests").GetInt64() >= exact.Allocations);
    }

    [Fact]
    public void A_smaller_range_has_no_room_and_says_for_what_first()
    {
        CliRun run = CliRun.Of(
            "replay", Captures.Archive("i386-6.1.176-686-1024-trace"), "--cmdline", "vmalloc=16M", "--ram", "2G", "--json");
        Assert.Equal(1, run.ExitCode);
        JsonElement json = Json(run);
        Assert.True(json.GetProperty("failures").GetInt64() > 0);
        JsonElement first = json.GetProperty("firstFailure");
        ulong wanted = first.GetProperty("request").GetProperty("sizeBytes").GetUInt64();
        Assert.True(first.GetProperty("largestHoleBytes").GetUInt64() < wanted);
    }

    [Fact]
    public void Larger_pages_need_more_room()
    {
        string capture = Captures.Archive("i386-6.1.176-686-1024-trace");
        ulong small = Json(CliRun.Of("replay", capture, "--kernel", "6.1", "--json")).GetProperty("peakUsedBytes").GetUInt64();
        ulong large = Json(CliRun.Of("replay", capture, "--page-size", "64K", "--json")).GetProperty("peakUsedBytes").GetUInt64();
        Assert.True(large > small, $"{large} bytes with 64 KiB pages, {small} with 4 KiB");
    }

    public static TheoryData<string> EraNames() => [.. WhatIfTarget.Eras];

    [Theory, MemberData(nameof(EraNames))]
    public void Every_workload_runs_in_every_era(string era)
    {
        foreach (Workload workload in Workloads.All.Where(item => item.Name is not ("full-fit" or "long-busy-list") || era is "B3" or "D"))
        {
            CliRun run = CliRun.Of("replay", "--workload", workload.Name, "--era", era, "--loops", "50", "--json");
            JsonElement json = Json(run);
            // 2.4 knows no alignment, so nothing of it can fail there.
            bool mustFail = workload.Name == "align-shift" && era != "A1";
            Assert.Equal(mustFail, json.GetProperty("failures").GetInt64() > 0);
            Assert.Equal(mustFail ? 1 : 0, run.ExitCode);
            if (workload.Name != "churn")
            {
                Assert.Equal(0, json.GetProperty("samples").EnumerateArray().Last().GetProperty("areas").GetInt32());
            }
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_addresses_and_another_one_does_not()
    {
        string Checksum(string seed) => Json(CliRun.Of(
            "replay", "--workload", "random-align", "--seed", seed, "--loops", "300", "--json")).GetProperty("checksum").GetString()!;
        Assert.Equal(Checksum("7"), Checksum("7"));
        Assert.NotEqual(Checksum("7"), Checksum("8"));
    }

    [Fact]
    public void A_workload_that_was_written_runs_like_the_generated_one()
    {
        string file = Path.Combine(Path.GetTempPath(), $"vmscope-{Guid.NewGuid():n}.jsonl");
        try
        {
            JsonElement generated = Json(CliRun.Of(
                "replay", "--workload", "random-size", "--kernel", "6.6", "--loops", "400", "--record", file, "--json"));
            JsonElement read = Json(CliRun.Of("replay", file, "--kernel", "6.6", "--json"));
            Assert.Equal(generated.GetProperty("checksum").GetString(), read.GetProperty("checksum").GetString());
            Assert.Equal(generated.GetProperty("requests").GetInt64(), read.GetProperty("requests").GetInt64());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Without_lazy_freeing_nothing_waits()
    {
        JsonElement json = Json(CliRun.Of("replay", "--workload", "fix-size", "--no-lazy", "--json"));
        Assert.Equal(0UL, json.GetProperty("peakLazyBytes").GetUInt64());
        Assert.True(Json(CliRun.Of("replay", "--workload", "fix-size", "--json")).GetProperty("peakLazyBytes").GetUInt64() > 0);
    }

    [Fact]
    public void The_picture_and_the_csv_have_a_line_per_moment()
    {
        CliRun picture = CliRun.Of("replay", "--workload", "full-fit", "--loops", "100", "--ascii");
        Assert.Contains(picture.OutText.Split('\n'), line => line.Contains('#') && line.Contains("MiB", StringComparison.Ordinal));
        string[] csv = CliRun.Of("replay", "--workload", "full-fit", "--loops", "100", "--csv").OutText.TrimEnd().Split('\n');
        Assert.Equal(8, csv[0].Split(',').Length);
        Assert.InRange(csv.Length, 20, 140);
        Assert.All(csv.Skip(1), line => Assert.Equal(8, line.Split(',').Length));
    }

    [Theory]
    [InlineData("--workload", "nothing")]
    [InlineData("--workload", "fix-size", "--loops", "0")]
    [InlineData("--workload", "fix-size", "--arch", "vax")]
    [InlineData("--workload", "fix-size", "--era", "E")]
    [InlineData("--workload", "fix-size", "--kernel", "new")]
    [InlineData("--workload", "fix-size", "--json", "--csv")]
    [InlineData("--workload", "fix-size", "--ram", "1G")]
    [InlineData("--page-size", "5K", "x")]
    public void What_cannot_be_meant_is_a_usage_error(params string[] args)
    {
        CliRun run = CliRun.Of(["replay", .. args]);
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.OutText);
    }
}
