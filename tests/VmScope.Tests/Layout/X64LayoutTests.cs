using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: 64-bit x86 layouts of every era. Method: the tables of the kernel's own documentation of the map, and addresses seen in
/// page tables of recorded boots.
/// </summary>
public class X64LayoutTests
{
    private const ulong GiB = Size.GiB;

    [Theory]
    [InlineData("2.6.9", 0x0000010000000000, 0xffffff0000000000, 536870911)]
    [InlineData("2.6.12", 0xffff810000000000, 0xffffc20000000000, 34359738367)]
    [InlineData("2.6.24", 0xffff810000000000, 0xffffc20000000000, 34359738367)]
    [InlineData("2.6.27", 0xffff880000000000, 0xffffc20000000000, 34359738367)]
    [InlineData("2.6.31", 0xffff880000000000, 0xffffc90000000000, 34359738367)]
    [InlineData("4.19", 0xffff880000000000, 0xffffc90000000000, 34359738367)]
    [InlineData("5.0", 0xffff888000000000, 0xffffc90000000000, 34359738367)]
    [InlineData("6.12", 0xffff888000000000, 0xffffc90000000000, 34359738367)]
    public void Bases_of_every_era(string version, ulong pageOffset, ulong vmallocStart, ulong totalKiB)
    {
        KernelLayout layout = Predict.Of(Architecture.X64, version, 4 * GiB, commandLine: "nokaslr");
        Assert.Equal((pageOffset, vmallocStart, totalKiB), (layout.PageOffset.Value, layout.Vmalloc.Start.Value, layout.VmallocTotalKiB));
        Assert.Equal(pageOffset + (4 * GiB), layout.HighMemory.Value);
    }

    [Theory]
    [InlineData("4.12", 0xff10000000000000, 0xff92000000000000, 17592186044415)]
    [InlineData("4.15", 0xff10000000000000, 0xffa0000000000000, 13743895347199)]
    [InlineData("6.1", 0xff11000000000000, 0xffa0000000000000, 13743895347199)]
    public void Bases_with_five_levels(string version, ulong pageOffset, ulong vmallocStart, ulong totalKiB)
    {
        LayoutInputs inputs = Predict.Inputs(Architecture.X64, version, 4 * GiB, "X86_5LEVEL=y", "nokaslr");
        inputs = inputs with { Kernel = inputs.Kernel with { Cpu = new CpuFacts { VirtualAddressBits = 57 } } };
        KernelLayout layout = Assert.IsType<LayoutAnswer.Predicted>(LayoutPredictor.Predict(inputs)).Layout;
        Assert.Equal((pageOffset, vmallocStart, totalKiB), (layout.PageOffset.Value, layout.Vmalloc.Start.Value, layout.VmallocTotalKiB));
        inputs = inputs with { Kernel = inputs.Kernel with { CommandLine = KernelCommandLine.Parse("nokaslr no5lvl") } };
        KernelLayout four = Assert.IsType<LayoutAnswer.Predicted>(LayoutPredictor.Predict(inputs)).Layout;
        Assert.Equal(KernelVersion.Parse(version) >= new KernelVersion(4, 17) ? 4UL : 5UL, four.ValueOf("paging-levels"));
    }

    [Theory]
    [InlineData("guard-hole", 0xffff800000000000, 0xffff87ffffffffff)]
    [InlineData("ldt-remap", 0xffff880000000000, 0xffff887fffffffff)]
    [InlineData("direct-map", 0xffff888000000000, 0xffffc87fffffffff)]
    [InlineData("vmalloc", 0xffffc90000000000, 0xffffe8ffffffffff)]
    [InlineData("vmemmap", 0xffffea0000000000, 0xffffeaffffffffff)]
    [InlineData("kasan-shadow", 0xffffec0000000000, 0xfffffbffffffffff)]
    [InlineData("cpu-entry-area", 0xfffffe0000000000, 0xfffffe7fffffffff)]
    [InlineData("espfix", 0xffffff0000000000, 0xffffff7fffffffff)]
    [InlineData("efi", 0xffffffef00000000, 0xfffffffeffffffff)]
    [InlineData("vsyscall", 0xffffffffff600000, 0xffffffffff600fff)]
    [InlineData("user", 0x0000000000000000, 0x00007fffffffefff)]
    public void Regions_as_the_documentation_lists_them(string name, ulong start, ulong last)
    {
        KernelLayout layout = Predict.Of(Architecture.X64, "6.12", 4 * GiB, "KASAN=y", "nokaslr");
        Region region = layout.FindRegion(name)!.Value;
        Assert.Equal((start, last), (region.Range.Start.Value, region.Range.Last.Value));
    }

    [Theory]
    [InlineData("guard-hole", 0xff00000000000000, 0xff0fffffffffffff)]
    [InlineData("ldt-remap", 0xff10000000000000, 0xff10ffffffffffff)]
    [InlineData("direct-map", 0xff11000000000000, 0xff90ffffffffffff)]
    [InlineData("vmalloc", 0xffa0000000000000, 0xffd1ffffffffffff)]
    [InlineData("vmemmap", 0xffd4000000000000, 0xffd5ffffffffffff)]
    [InlineData("kasan-shadow", 0xffdf000000000000, 0xfffffbffffffffff)]
    [InlineData("cpu-entry-area", 0xfffffe0000000000, 0xfffffe7fffffffff)]
    public void Regions_with_five_levels_as_the_documentation_lists_them(string name, ulong start, ulong last)
    {
        LayoutInputs inputs = Predict.Inputs(Architecture.X64, "6.12", 4 * GiB, "KASAN=y X86_5LEVEL=y", "nokaslr");
        inputs = inputs with { Kernel = inputs.Kernel with { Cpu = new CpuFacts { Flags = ["la57"] } } };
        Region region = Assert.IsType<LayoutAnswer.Predicted>(LayoutPredictor.Predict(inputs)).Layout.FindRegion(name)!.Value;
        Assert.Equal((start, last), (region.Range.Start.Value, region.Range.Last.Value));
    }

    [Theory]
    [InlineData("5.10", "", 0xffffffffa0000000, 0xffffffffff000000)]
    [InlineData("5.10", "RANDOMIZE_BASE=y", 0xffffffffc0000000, 0xffffffffff000000)]
    [InlineData("6.12", "RANDOMIZE_BASE=y DEBUG_KMAP_LOCAL_FORCE_MAP=y", 0xffffffffc0000000, 0xfffffffffe000000)]
    [InlineData("2.6.24", "", 0xffffffff88000000, 0xfffffffffff00000)]
    [InlineData("2.6.9", "", 0xffffffffa0000000, 0xffffffffb0000000)]
    public void Modules_follow_the_image_window(string version, string config, ulong start, ulong end)
    {
        KernelLayout layout = Predict.Of(Architecture.X64, version, 4 * GiB, config.Contains("RANDOMIZE_BASE", StringComparison.Ordinal) ? config : config + " RANDOMIZE_BASE=n");
        Region modules = layout.FindRegion("modules")!.Value;
        Assert.Equal((start, end), (modules.Range.Start.Value, modules.Range.EndExclusive.Value));
    }

    /// <summary>The page tables of recorded boots of 6.12 and 7.2 map the local APIC and the first I/O APIC there.</summary>
    [Theory]
    [InlineData(Architecture.X64, "6.12", "FIX_APIC_BASE", 0xffffffffff5fd000)]
    [InlineData(Architecture.X64, "7.2.13", "FIX_IO_APIC_BASE_0", 0xffffffffff5fc000)]
    [InlineData(Architecture.I386, "5.10", "FIX_APIC_BASE", 0xffffc000)]
    [InlineData(Architecture.I386, "6.1", "FIX_IO_APIC_BASE_0", 0xffffb000)]
    public void Apics_lie_where_page_tables_show_them(Architecture architecture, string version, string name, ulong address)
    {
        KernelLayout layout = Predict.Of(architecture, version, 2 * GiB);
        Assert.Equal(address, Assert.Single(layout.Fixmap, entry => entry.Name == name).Address.Value);
    }

    [Fact]
    public void Kaslr_keeps_order_and_room()
    {
        KernelLayout layout = Predict.Of(Architecture.X64, "6.12", 2 * GiB, "RANDOMIZE_BASE=y ZONE_DEVICE=n");
        RandomStart direct = layout.FindRegion("direct-map")!.Value.Random!.Value;
        RandomStart vmalloc = layout.FindRegion("vmalloc")!.Value.Random!.Value;
        RandomStart vmemmap = layout.FindRegion("vmemmap")!.Value.Random!.Value;
        Assert.Equal(layout.PageOffset, direct.Lowest);
        Assert.True(direct.Lowest < vmalloc.Lowest && vmalloc.Lowest < vmemmap.Lowest);
        Assert.True(direct.Highest < vmalloc.Highest && vmalloc.Highest < vmemmap.Highest);
        // Quirk: the step between two regions is not part of the budget, so the last may end two steps late.
        Assert.InRange(vmemmap.Highest.Value + Size.TiB, vmalloc.Highest.Value, 0xfffffe0000000000 + (2 * GiB));
        Assert.Null(Predict.Of(Architecture.X64, "6.12", 2 * GiB, "RANDOMIZE_BASE=y", "nokaslr").FindRegion("vmalloc")!.Value.Random);
        Assert.Null(Predict.Of(Architecture.X64, "6.12", 2 * GiB, "RANDOMIZE_BASE=y KASAN=y").FindRegion("vmalloc")!.Value.Random);
    }

    /// <summary>Bases of boots of cloud kernels, where PCI_P2PDMA is off: ZONE_DEVICE alone kept the direct map at its full size.</summary>
    [Theory]
    [InlineData("6.1.192", 128, 0xffffcc5b80000000)]
    [InlineData("6.12.117", 1024, 0xffffd25c40000000)]
    public void Zone_device_keeps_the_direct_map_whole(string version, ulong ramMiB, ulong vmallocBase)
    {
        const string config = "RANDOMIZE_BASE=y RANDOMIZE_MEMORY=y PCI_P2PDMA=n ZONE_DEVICE=";
        RandomStart Start(string zoneDevice) =>
            Predict.Of(Architecture.X64, version, ramMiB * Size.MiB, config + zoneDevice).FindRegion("vmalloc")!.Value.Random!.Value;

        Assert.InRange(vmallocBase, Start("y").Lowest.Value, Start("y").Highest.Value);
        Assert.True(Start("n").Highest.Value < vmallocBase);
    }

    [Fact]
    public void Kmsan_keeps_a_quarter()
    {
        KernelLayout layout = Predict.Of(Architecture.X64, "6.12", 2 * GiB, "KMSAN=y", "nokaslr");
        Assert.Equal((8UL << 30) - 1, layout.VmallocTotalKiB);
    }

    [Theory]
    [InlineData("2.6.14", "X86_5LEVEL=y", "came with 4.12")]
    [InlineData("2.6.8", "", "oldest is 2.6.9")]
    [InlineData("6.1", "NR_CPUS=8193", "1 to 8192")]
    public void What_cannot_be_is_refused(string version, string config, string reason) =>
        Assert.Contains(reason, Assert.IsType<LayoutAnswer.Impossible>(Predict.Ask(Architecture.X64, version, 2 * GiB, config)).Reason, StringComparison.Ordinal);

    [Fact]
    public void Options_of_other_architectures_are_called_useless()
    {
        KernelLayout layout = Predict.Of(Architecture.X64, "6.12", 2 * GiB, commandLine: "vmalloc=512M nokaslr");
        Assert.Contains(layout.Notes, note => note.Contains("vmalloc=", StringComparison.Ordinal));
    }

    [Fact]
    public void In_the_direct_map_physical_is_virtual_less_PAGE_OFFSET()
    {
        KernelLayout layout = Predict.Of(Architecture.I386, "2.6.24", 2 * GiB);
        Assert.Equal(new PhysicalAddress(3), layout.ToPhysical(new VirtualAddress(0xc0000003)));
        Assert.Null(layout.ToPhysical(new VirtualAddress(0xf8800000)));
        Assert.Null(layout.ToPhysical(new VirtualAddress(0xbfffffff)));
    }

    [Fact]
    public void A_vendors_kernel_and_a_newer_one_are_assumptions()
    {
        LayoutInputs inputs = Predict.Inputs(Architecture.X64, "9.9", 2 * GiB);
        inputs = inputs with { Kernel = inputs.Kernel with { Identity = inputs.Kernel.Identity with { Vendor = KernelVendor.RedHat } } };
        KernelLayout layout = Assert.IsType<LayoutAnswer.Predicted>(LayoutPredictor.Predict(inputs)).Layout;
        Assert.Contains(layout.Assumed, assumption => assumption.Name == "vendor kernel");
        Assert.Contains(layout.Assumed, assumption => assumption.Name == "kernel version");
    }
}
