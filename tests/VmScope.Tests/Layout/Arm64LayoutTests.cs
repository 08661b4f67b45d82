using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: arm64's numbers are the kernel's. Method: the sizes of the vmalloc area derived from the headers of every era,
/// and addresses recorded from booted kernels.
/// </summary>
public class Arm64LayoutTests
{
    private const string Pages4K39 = "ARM64_4K_PAGES=y ARM64_VA_BITS=39";
    private const string Pages4K48 = "ARM64_4K_PAGES=y ARM64_VA_BITS=48";
    private const string Pages64K42 = "ARM64_64K_PAGES=y ARM64_VA_BITS=42";
    private const string Pages4K52 = "ARM64_4K_PAGES=y ARM64_VA_BITS=52";
    private const string Pages16K52 = "ARM64_16K_PAGES=y ARM64_VA_BITS=52";

    [Theory]
    [InlineData("3.19", 258998208, 133142937536, 2142764992)]
    [InlineData("4.4", 258998208, 133142937536, 2142764992)]
    [InlineData("4.6", 263061440, 135290290112, 2144731072)]
    [InlineData("4.19", 263061440, 135290290112, 2144731072)]
    [InlineData("5.0", 262930368, 135290159040, 2144600000)]
    [InlineData("5.3", 262930368, 135290159040, 2144600000)]
    [InlineData("5.4", 262930368, 135290159040, 2144600000)]
    [InlineData("5.10", 262930368, 135290159040, 2144600000)]
    [InlineData("5.11", 259522560, 133143461888, 2142765056)]
    [InlineData("5.15", 259522560, 133143461888, 2142765056)]
    [InlineData("5.17", 259653632, 133143592960, 2142896128)]
    [InlineData("6.4", 259653632, 133143592960, 2142896128)]
    [InlineData("6.6", 257687552, 133141626880, 2140930048)]
    [InlineData("6.8", 257687552, 133141626880, 2140930048)]
    [InlineData("6.9", 261087232, 135288315904, 2142232576)]
    [InlineData("7.2", 261087232, 135288315904, 2142232576)]
    public void The_vmalloc_area_is_as_large_as_the_headers_make_it(string version, long of39, long of48, long of42)
    {
        Assert.Equal((ulong)of39, TotalKiB(version, Pages4K39));
        Assert.Equal((ulong)of48, TotalKiB(version, Pages4K48));
        Assert.Equal((ulong)of42, TotalKiB(version, Pages64K42));
    }

    [Theory]
    [InlineData(Pages4K52, 52, 70863806464)]
    [InlineData(Pages4K52, 48, 135288315904)]
    [InlineData(Pages16K52, 52, 51804889088)]
    public void A_kernel_for_52_bits_follows_the_processor(string config, int processorBits, long kib) =>
        Assert.Equal((ulong)kib, Predict.Inputs(Architecture.Arm64, "6.12", config, virtualBits: processorBits).Layout().VmallocTotalKiB);

    [Theory]
    [InlineData("5.10", 0xffff800010000000, 0xfffffdffbfff0000)]
    [InlineData("6.1", 0xffff800008000000, 0xfffffbfff0000000)]
    [InlineData("6.12", 0xffff800080000000, 0xfffffdffbf800000)]
    public void The_vmalloc_area_lies_where_recorded_boots_have_it(string version, ulong start, ulong end)
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, version, Pages4K48).Layout();

        Assert.Equal(start, layout.Vmalloc.Start.Value);
        Assert.Equal(end, layout.Vmalloc.EndExclusive.Value);
    }

    [Fact]
    public void A_52_bit_kernel_on_a_48_bit_processor_keeps_the_48_bit_linear_map()
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, "6.12", Pages4K52, "nokaslr", virtualBits: 48)
            .WithRam((0x40000000, 2 * Size.GiB)).Layout();

        Assert.Equal(0xffff000000000000, layout.PageOffset.Value);
        Assert.Equal(0xffff000080000000, layout.HighMemory.Value);
        Assert.Equal(0xfff0000000000000, layout.ValueOf("page-offset"));
    }

    [Fact]
    public void A_processor_nobody_described_is_taken_for_48_bits_and_that_is_said()
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, "6.12", Pages4K52).Layout();

        Assert.Equal(48UL, layout.ValueOf("va-bits-actual"));
        Assert.Contains(layout.Assumed, assumption => assumption.Name.Contains("52-bit", StringComparison.Ordinal));
    }

    [Fact]
    public void Kaslr_can_move_ram_up_only_where_the_linear_map_is_randomized()
    {
        LayoutInputs Boot(string version, string commandLine) =>
            Predict.Inputs(Architecture.Arm64, version, Pages4K48, commandLine).WithRam((0x40000000, Size.GiB));

        Assert.NotEqual(0UL, Boot("6.1", "").Layout().ValueOf("linear-map-slide"));
        Assert.Null(Boot("6.1", "nokaslr").Layout().FindQuantity("linear-map-slide"));
        Assert.Null(Boot("7.2", "").Layout().FindQuantity("linear-map-slide"));
    }

    [Theory]
    [InlineData("5.10.1", "DMA 262144+262144, DMA32 524288+524288, Normal 1048576+262144, Movable 0+0")]
    [InlineData("5.10.223", "DMA 262144+786432, DMA32 0+0, Normal 1048576+262144, Movable 0+0")]
    [InlineData("4.19", "DMA 262144+786432, Normal 1048576+262144, Movable 0+0")]
    [InlineData("5.2", "DMA32 262144+786432, Normal 1048576+262144, Movable 0+0")]
    [InlineData("7.2", "DMA 262144+786432, DMA32 0+0, Normal 1048576+262144, Movable 0+0")]
    public void Zones_end_where_the_era_puts_the_limit_of_dma(string version, string expected)
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, version, Pages4K48).WithRam((0x40000000, 4 * Size.GiB)).Layout();

        Assert.Equal(expected, string.Join(", ", layout.Zones.Select(zone => $"{zone.Name} {zone.StartPfn}+{zone.SpannedPages}")));
    }

    [Fact]
    public void Ram_that_begins_past_4_gib_is_one_dma_zone()
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, "6.12", Pages4K48).WithRam((0x80_00000000, 2 * Size.GiB)).Layout();

        Assert.Equal(("DMA", 524288UL), (layout.Zones[0].Name, layout.Zones[0].SpannedPages));
    }

    [Theory]
    [InlineData("5.4", 0xffff9000_00000000, 0xffffa000_00000000)]
    [InlineData("6.12", 0xffff6000_00000000, 0xffff8000_00000000)]
    [InlineData("4.19", 0xffff0000_00000000, 0xffff2000_00000000)]
    public void The_sanitizer_shadows_an_eighth(string version, ulong start, ulong end)
    {
        KernelLayout layout = Predict.Inputs(Architecture.Arm64, version, Pages4K48 + " KASAN=y").Layout();
        VirtualRange shadow = layout.FindRegion("kasan")!.Value.Range;

        Assert.Equal(end, shadow.EndExclusive.Value);
        Assert.Equal(version == "5.4" ? end - (1UL << 45) : start, shadow.Start.Value);
    }

    [Theory]
    [InlineData("3.9", Pages4K39, "the oldest is 3.10")]
    [InlineData("6.1", "ARM64_4K_PAGES=y ARM64_VA_BITS=42", "cannot be built")]
    [InlineData("4.19", Pages4K52, "52 kernel address bits appear in 5.4")]
    [InlineData("3.14", Pages4K48, "48 address bits appear in")]
    [InlineData("4.1", "ARM64_16K_PAGES=y ARM64_VA_BITS=47", "pages of 16 KiB appear in")]
    [InlineData("6.1", "NR_CPUS=4294967296", "NR_CPUS=4294967296 is out of range")]
    [InlineData("6.1", "ARM64_PA_BITS=0", "neither 48 nor 52")]
    public void What_cannot_be_built_is_refused(string version, string config, string because) =>
        Assert.Contains(because, Predict.Inputs(Architecture.Arm64, version, config).Refusal(), StringComparison.Ordinal);

    private static ulong TotalKiB(string version, string config) =>
        Predict.Inputs(Architecture.Arm64, version, config).Layout().VmallocTotalKiB;
}
