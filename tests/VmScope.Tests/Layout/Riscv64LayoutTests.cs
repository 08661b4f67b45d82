using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Goal: riscv64's numbers are the kernel's. Method: the values of the headers, and recorded boots.</summary>
public class Riscv64LayoutTests
{
    [Theory]
    [InlineData("4.15", "", null, 67108863)]
    [InlineData("5.15", "", 57, 67108863)]
    [InlineData("5.17", "", 39, 67108864)]
    [InlineData("5.17", "", 57, 34359738368)]
    [InlineData("6.12", "", 57, 17592186044416)]
    [InlineData("6.12", "no5lvl", 57, 34359738368)]
    [InlineData("6.12", "no4lvl", 57, 67108864)]
    [InlineData("6.1", "no4lvl", 57, 17592186044416)]
    [InlineData("7.2", "", 48, 34359738368)]
    public void The_vmalloc_area_follows_the_translation_mode(string version, string commandLine, int? processorBits, long kib) =>
        Assert.Equal((ulong)kib, Boot(version, commandLine, processorBits).VmallocTotalKiB);

    [Theory]
    [InlineData("6.1", 39, 0xffffffc800000000, 0xffffffd800000000)]
    [InlineData("6.12", 39, 0xffffffc600000000, 0xffffffd600000000)]
    [InlineData("6.12", 48, 0xffff8f8000000000, 0xffffaf8000000000)]
    [InlineData("6.12", 57, 0xff20000000000000, 0xff60000000000000)]
    [InlineData("5.10", 57, 0xffffffd000000000, 0xffffffe000000000)]
    public void Vmalloc_ends_where_the_linear_map_begins(string version, int processorBits, ulong start, ulong end)
    {
        KernelLayout layout = Boot(version, "", processorBits);

        Assert.Equal((start, end), (layout.Vmalloc.Start.Value, layout.Vmalloc.EndExclusive.Value));
        Assert.Equal(end, layout.PageOffset.Value);
        Assert.Equal(end + (2 * Size.GiB) - (version == "6.12" ? 0 : 2 * Size.MiB), layout.HighMemory.Value);
    }

    [Theory]
    [InlineData(39, 0xffffffc500000000)]
    [InlineData(48, 0xffff8d8000000000)]
    [InlineData(57, 0xff1c000000000000)]
    public void The_page_array_fixmap_and_pci_lie_below_vmalloc(int processorBits, ulong vmemmap)
    {
        KernelLayout layout = Boot("6.12", "", processorBits);

        Assert.Equal(vmemmap, layout.ValueOf("vmemmap-start"));
        Assert.Equal(vmemmap - (16 * Size.MiB), layout.ValueOf("fixaddr-top"));
        Assert.Equal(vmemmap - (22 * Size.MiB), layout.FindRegion("fixmap")!.Value.Range.Start.Value);
    }

    [Fact]
    public void A_processor_nobody_described_has_the_most_this_kernel_uses_and_that_is_said()
    {
        KernelLayout layout = Boot("7.2", "", null);

        Assert.Equal(57UL, layout.ValueOf("va-bits"));
        Assert.Contains(layout.Assumed, assumption => assumption.Reason.Contains("device tree", StringComparison.Ordinal));
    }

    [Fact]
    public void Ram_past_4_gib_is_zone_normal()
    {
        KernelLayout layout = Predict.Inputs(Architecture.Riscv64, "6.12", virtualBits: 57).WithRam((0x80000000, 4 * Size.GiB)).Layout();

        Assert.Equal("DMA32 524288+524288, Normal 1048576+524288, Movable 0+0",
            string.Join(", ", layout.Zones.Select(zone => $"{zone.Name} {zone.StartPfn}+{zone.SpannedPages}")));
    }

    [Fact]
    public void Ram_the_linear_map_cannot_hold_is_dropped()
    {
        KernelLayout layout = Predict.Inputs(Architecture.Riscv64, "6.12", commandLine: "no4lvl").WithRam((0x80000000, 200 * Size.GiB)).Layout();

        Assert.Equal(layout.PageOffset.Value + (128 * Size.GiB), layout.HighMemory.Value);
        Assert.Contains(layout.Notes, note => note.Contains("dropped", StringComparison.Ordinal));
    }

    private static KernelLayout Boot(string version, string commandLine, int? processorBits) =>
        Predict.Inputs(Architecture.Riscv64, version, "", commandLine, processorBits).WithRam((0x80000000, 2 * Size.GiB)).Layout();
}
