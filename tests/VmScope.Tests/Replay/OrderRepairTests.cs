using System.Text;
using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Tests.Replay;

/// <summary>
/// Goal: events of several processors are put back into the order in which they happened.
/// Method: a modelled kernel runs them in a known order and writes their lines late, as tracers do; every address is the
/// model's by construction, so each request without an explanation is an order that was not found.
/// </summary>
public class OrderRepairTests
{
    /// <summary>Requests allowed without an explanation: fewer than one in this many.</summary>
    private const int OneIn = 250;

    [Theory]
    [InlineData("6.6", 2, 1)]
    [InlineData("6.6", 3, 2)]
    [InlineData("6.6", 4, 3)]
    [InlineData("6.12", 2, 4)]
    [InlineData("6.12", 3, 5)]
    [InlineData("7.3-rc7", 2, 6)]
    [InlineData("7.3-rc7", 3, 7)]
    [InlineData("7.3-rc7", 4, 8)]
    public void Lines_written_late_are_explained_by_the_order_of_what_happened(string version, int cpus, int seed)
    {
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(KernelVersion.Parse(version)),
            WindowStart = 0xffffc90000000000,
            WindowEnd = 0xffffe8ffffffffff,
            Is64Bit = true,
            OnlineCpus = cpus,
            PossibleCpus = cpus,
        };
        SimulatedProcessors machine = new(setup, seed);
        byte[] text = machine.Run(operations: 12_000);
        ReplayResult result = ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(text), "simulated"),
            RecordedOn = KernelVersion.Parse(version),
            PossibleCpus = cpus,
        });
        Assert.Equal(machine.Placed, result.Allocations);
        Assert.True(result.Reordered > 20, $"{result.Reordered} reordered: the lines were in order already");
        Assert.True(result.Unexplained * OneIn <= result.Allocations,
            $"{result.Unexplained} of {result.Allocations} unexplained, {result.Reordered} reordered, first at line {result.First?.Line}");
    }

    /// <summary>The clock all processors share stands still for one that is behind, and equal times are printed in their order.</summary>
    [Fact]
    public void A_task_that_was_moved_within_one_time_stamp_did_the_second_line_first()
    {
        const string window = "vstart=0xffffc90000000000 vend=0xffffe8ffffffffff failed=0";
        string text = $"""
                  <idle>-0       [000] d..1.     1.000000: alloc_vmap_area: va_start: {0xffffc90000000000} size=8192 align=1 {window}
                kthreadd-2       [001] .....     2.000000: alloc_vmap_area: va_start: {0xffffc90000004000} size=8192 align=1 {window}
                kthreadd-2       [003] .....     2.000000: alloc_vmap_area: va_start: {0xffffc90000002000} size=8192 align=1 {window}

            """;
        ReplayResult result = ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(new MemoryStream(Encoding.UTF8.GetBytes(text)), "moved"),
            RecordedOn = KernelVersion.Parse("6.12"),
            PossibleCpus = 4,
        });
        Assert.Equal((3, 0), (result.SameAddress, result.Unexplained));
        Assert.True(result.Reordered > 0);
    }
}
