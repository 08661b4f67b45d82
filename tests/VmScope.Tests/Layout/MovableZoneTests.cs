using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Goal: zone Movable begins where kernels put it. Method: the memory maps of boots of 6.1.192 and 6.12.117, and what their zoneinfo says.</summary>
public class MovableZoneTests
{
    private const ulong NormalStart = 0x100000;

    [Theory]
    [InlineData("movablecore=300M", 447488)]
    [InlineData("kernelcore=0", 0)]
    [InlineData("kernelcore=4G", 0)]
    [InlineData("kernelcore=mirror", 0)]
    [InlineData("", 0)]
    public void One_node_of_2_GiB(string options, ulong start) =>
        Assert.Equal([start], MovableZone.Starts(KernelCommandLine.Parse(options),
            [[new FrameRun(1, 0x9f), new FrameRun(0x100, 0x7ffe0)]], usableStart: 0x1000));

    [Theory]
    [InlineData("kernelcore=1500M", 1048576)]
    public void A_node_below_the_highest_zone_is_left_alone(string options, ulong start) =>
        Assert.Equal([0UL, start], MovableZone.Starts(KernelCommandLine.Parse(options),
            [
                [new FrameRun(1, 0x9f), new FrameRun(0x100, 0x80000)],
                [new FrameRun(0x80000, 0xbffe0), new FrameRun(0x100000, 0x1c0000)],
            ], NormalStart));

    [Fact]
    public void A_node_without_memory_has_no_share() =>
        Assert.Equal([0UL, 447488], MovableZone.Starts(KernelCommandLine.Parse("movablecore=300M"),
            [[], [new FrameRun(1, 0x9f), new FrameRun(0x100, 0x7ffe0)]], usableStart: 0x1000));
}
