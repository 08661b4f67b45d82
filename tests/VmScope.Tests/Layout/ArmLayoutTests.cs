using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Goal: 32-bit arm's numbers are the kernel's. Method: worked examples of the headers, and recorded boots.</summary>
public class ArmLayoutTests
{
    private const ulong RamStart = 0x40000000;

    [Theory]
    [InlineData("5.10", 1024, "", 0xf0000000, 0xf0800000, 245760)]
    [InlineData("5.10", 512, "", 0xe0000000, 0xe0800000, 507904)]
    [InlineData("5.10", 256, "", 0xd0000000, 0xd0800000, 770048)]
    [InlineData("4.3", 1024, "", 0xef800000, 0xf0000000, 245760)]
    [InlineData("3.4", 1024, "", 0xef800000, 0xf0000000, 245760)]
    [InlineData("5.10", 1024, "vmalloc=256M", 0xef800000, 0xf0000000, 253952)]
    [InlineData("6.1", 1024, "vmalloc=256M", 0xef000000, 0xef800000, 262144)]
    [InlineData("6.1", 1024, "vmalloc=128M", 0xf7000000, 0xf7800000, 131072)]
    [InlineData("6.1", 1024, "vmalloc=512M", 0xdf000000, 0xdf800000, 524288)]
    [InlineData("5.10", 1024, "vmalloc=512M", 0xdf800000, 0xe0000000, 516096)]
    [InlineData("6.1", 752, "", 0xef000000, 0xef800000, 262144)]
    [InlineData("6.1", 768, "", 0xf0000000, 0xf0800000, 245760)]
    [InlineData("7.2", 1024, "", 0xf0000000, 0xf0800000, 245760)]
    public void Low_memory_and_vmalloc_share_the_kernels_gigabyte(
        string version, int ramMiB, string commandLine, long highMemory, long vmallocStart, long kib)
    {
        KernelLayout layout = Boot(version, ramMiB, commandLine);

        Assert.Equal((ulong)highMemory, layout.HighMemory.Value);
        Assert.Equal((ulong)vmallocStart, layout.Vmalloc.Start.Value);
        Assert.Equal((ulong)kib, layout.VmallocTotalKiB);
    }

    [Theory]
    [InlineData("vmalloc=1M", 16)]
    [InlineData("vmalloc=4G", 16)]
    [InlineData("vmalloc=3G", 976)]
    public void A_vmalloc_area_too_small_or_too_large_is_corrected(string commandLine, int mib) =>
        Assert.Equal((ulong)mib * 1024, Boot("6.1", 2048, commandLine).VmallocTotalKiB);

    [Fact]
    public void What_the_vmalloc_area_gains_low_memory_loses()
    {
        foreach (int mib in (int[])[64, 128, 200, 256, 400, 512])
        {
            KernelLayout layout = Boot("6.1", 1536, $"vmalloc={mib}M");

            Assert.Equal(0xff800000 - ((ulong)mib * Size.MiB) - (8 * Size.MiB), layout.HighMemory.Value);
        }
    }

    [Theory]
    [InlineData("ARM_LPAE=n", 589823)]
    [InlineData("ARM_LPAE=y", 589824)]
    public void Without_long_tables_the_last_page_below_4_gib_is_lost(string config, long highPages)
    {
        KernelLayout layout = Boot("6.1", 3072, "", config);

        Assert.Equal((458752UL, (ulong)highPages), (layout.Zones[2].StartPfn, layout.Zones[2].SpannedPages));
        Assert.Equal(("DMA", 262144UL, 196608UL), (layout.Zones[0].Name, layout.Zones[0].StartPfn, layout.Zones[0].SpannedPages));
    }

    [Fact]
    public void Without_highmem_the_rest_is_dropped_and_modules_reach_page_offset()
    {
        KernelLayout layout = Boot("6.1", 2048, "", "HIGHMEM=n");

        Assert.Equal(0xf0000000, layout.HighMemory.Value);
        Assert.Null(layout.FindRegion("pkmap"));
        Assert.Equal(0xc0000000, layout.FindRegion("modules")!.Value.Range.EndExclusive.Value);
        Assert.DoesNotContain(layout.Zones, zone => zone.Name == "HighMem");
        Assert.Contains(layout.Notes, note => note.Contains("dropped", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("3.14", 0xfff00000, 0xfffe0000)]
    [InlineData("3.16", 0xffc00000, 0xffe00000)]
    [InlineData("5.10", 0xffc00000, 0xfff00000)]
    [InlineData("5.11", 0xffc80000, 0xfff00000)]
    public void The_fixmap_moved_with_the_years(string version, long start, long end)
    {
        VirtualRange fixmap = Boot(version, 512).FindRegion("fixmap")!.Value.Range;

        Assert.Equal(((ulong)start, (ulong)end), (fixmap.Start.Value, fixmap.EndExclusive.Value));
    }

    [Fact]
    public void Fixmap_entries_count_down_from_the_top()
    {
        KernelLayout layout = Boot("6.1", 512, "", "NR_CPUS=8");

        Assert.Equal(
            "FIX_EARLYCON_MEM_BASE 0 0xffeff000 1, FIX_KMAP_BEGIN 1 0xffefe000 128, FIX_TEXT_POKE0 129 0xffe7e000 1, FIX_TEXT_POKE1 130 0xffe7d000 1",
            string.Join(", ", layout.Fixmap.Select(entry => $"{entry.Name} {entry.Index} {entry.Address} {entry.Pages}")));
    }

    [Theory]
    [InlineData("PAGE_OFFSET=0xC0000000", 0xb6e00000, 0xbf000000)]
    [InlineData("PAGE_OFFSET=0x80000000", 0x6ee00000, 0x7f000000)]
    public void The_sanitizer_takes_the_top_of_user_space(string config, long start, long end)
    {
        KernelLayout layout = Boot("6.1", 512, "", config + " KASAN=y");
        VirtualRange shadow = layout.FindRegion("kasan")!.Value.Range;

        Assert.Equal(((ulong)start, (ulong)end), (shadow.Start.Value, shadow.EndExclusive.Value));
        Assert.Equal((ulong)start, layout.ValueOf("task-size"));
    }

    [Theory]
    [InlineData("VMSPLIT_3G_OPT=y", 0xb0000000)]
    [InlineData("VMSPLIT_2G=y", 0x80000000)]
    [InlineData("VMSPLIT_1G=y", 0x40000000)]
    public void The_split_moves_everything_below_vmalloc(string config, long pageOffset)
    {
        KernelLayout layout = Boot("6.1", 512, "", config);

        Assert.Equal((ulong)pageOffset, layout.PageOffset.Value);
        Assert.Equal((ulong)pageOffset + (512 * Size.MiB), layout.HighMemory.Value);
        Assert.Equal((ulong)pageOffset - (2 * Size.MiB), layout.ValueOf("pkmap-base"));
    }

    [Fact]
    public void Mem_replaces_the_banks_of_the_firmware()
    {
        KernelLayout layout = Boot("6.1", 1024, "mem=256M");

        Assert.Equal(0xd0000000, layout.HighMemory.Value);
        Assert.Equal(65536UL, layout.Zones[0].SpannedPages);
    }

    [Theory]
    [InlineData("2.6.27", "", "the oldest is 2.6.28")]
    [InlineData("6.1", "VMSPLIT_3G_OPT=y ARM_LPAE=y", "multiple of 1 GiB")]
    [InlineData("6.1", "NR_CPUS=100000", "NR_CPUS=100000 is out of range")]
    [InlineData("6.1", "KASAN=y KASAN_SHADOW_OFFSET=0xffffffffffffffff", "is not 0x9f000000")]
    public void What_cannot_be_built_is_refused(string version, string config, string because) =>
        Assert.Contains(because, Predict.Inputs(Architecture.Arm, version, config).Refusal(), StringComparison.Ordinal);

    private static KernelLayout Boot(string version, int ramMiB, string commandLine = "", string config = "") =>
        Predict.Inputs(Architecture.Arm, version, config, commandLine).WithRam((RamStart, (ulong)ramMiB * Size.MiB)).Layout();
}
