using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Goal: the boot message of each era, byte for byte. Method: blocks as such kernels print them.</summary>
public class BootMessagesTests
{
    [Fact]
    public void Arm_of_4_4()
    {
        BootMessage message = BootMessages.Of(Predict.Of(Architecture.Arm, "4.4", Size.GiB, "HIGHMEM=y MODULES=y"));
        Assert.True(message.IsBlock);
        Assert.Equal(
        [
            "Virtual kernel memory layout:",
            "    vector  : 0xffff0000 - 0xffff1000   (   4 kB)",
            "    fixmap  : 0xffc00000 - 0xfff00000   (3072 kB)",
            "    vmalloc : 0xf0800000 - 0xff800000   ( 240 MB)",
            "    lowmem  : 0xc0000000 - 0xf0000000   ( 768 MB)",
            "    pkmap   : 0xbfe00000 - 0xc0000000   (   2 MB)",
            "    modules : 0xbf000000 - 0xbfe00000   (  14 MB)",
        ], message.Lines);
    }

    [Theory]
    [InlineData("2.6.18", "896MB LOWMEM available.")]
    [InlineData("2.6.19", "    lowmem  : 0xc0000000 - 0xf8000000   ( 896 MB)")]
    [InlineData("2.6.28", "    vmalloc : 0xf7ffe000 - 0xff7fe000   ( 120 MB)")]
    [InlineData("4.14", "    pkmap   : 0xff800000 - 0xffc00000   (4096 kB)")]
    [InlineData("4.15", "  cpu_entry : 0xffc00000 - 0xffd39000   (1252 kB)")]
    [InlineData("5.4", "    vmalloc : 0xf77fe000 - 0xfeffe000   ( 120 MB)")]
    [InlineData("5.10", "    low ram", false)]
    [InlineData("5.10", "  low ram: 0 - 36ffe000")]
    public void I386_of_every_era(string version, string line, bool present = true)
    {
        BootMessage message = BootMessages.Of(Predict.Of(Architecture.I386, version, 2 * Size.GiB, "NR_CPUS=8"));
        Assert.Equal(present, message.Lines.Contains(line));
        Assert.Equal(KernelVersion.Parse(version) >= new KernelVersion(2, 6, 19) && KernelVersion.Parse(version) < new KernelVersion(5, 5), message.IsBlock);
        if (message.IsBlock)
        {
            Assert.Equal(KernelVersion.Parse(version) >= new KernelVersion(4, 15), message.Lines.Any(text => text.StartsWith("  cpu_entry : ", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void X86_64_announces_zones_only()
    {
        BootMessage message = BootMessages.Of(Predict.Of(Architecture.X64, "6.12", 8 * Size.GiB));
        Assert.False(message.IsBlock);
        Assert.Equal(
        [
            "Zone ranges:",
            "  DMA      [mem 0x0000000000001000-0x0000000000ffffff]",
            "  DMA32    [mem 0x0000000001000000-0x00000000ffffffff]",
            "  Normal   [mem 0x0000000100000000-0x00000001ffffffff]",
            "Movable zone start for each node",
        ], message.Lines);
    }
}
