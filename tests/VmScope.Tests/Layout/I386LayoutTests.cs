using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: 32-bit x86 layouts of every era, exact to the byte. Method: published numbers and vectors worked out by hand from
/// each era's headers; the recorded boots are compared elsewhere.
/// </summary>
public class I386LayoutTests
{
    private const ulong MiB = Size.MiB;

    [Theory]
    [InlineData("2.4.22", "", 1, 2048, 0xfe000000, 0xfdffe000, 0xf8000000, 0xf8800000, 90104)]
    [InlineData("2.6.9", "", 1, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.9", "", 64, 2048, 0xff600000, 0xff5fe000, 0xf8000000, 0xf8800000, 112632)]
    [InlineData("2.6.18", "", 1, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.18", "", 8, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.18", "", 32, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.24", "", 64, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.24", "", 1, 2048, 0xff800000, 0xff7fe000, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.18", "X86_PAE=y", 8, 2048, 0xffc00000, 0xffbfe000, 0xf8000000, 0xf8800000, 118776)]
    [InlineData("2.6.24", "X86_PAE=y", 32, 2048, 0xffc00000, 0xffbfe000, 0xf8000000, 0xf8800000, 118776)]
    [InlineData("2.6.18", "X86_PAE=y", 64, 2048, 0xffa00000, 0xff9fe000, 0xf8000000, 0xf8800000, 116728)]
    [InlineData("2.6.24", "X86_PAE=y", 64, 2048, 0xffa00000, 0xff9fe000, 0xf8000000, 0xf8800000, 116728)]
    [InlineData("2.6.28", "", 1, 2048, 0xff800000, 0xff7fe000, 0xf77fe000, 0xf7ffe000, 122880)]
    [InlineData("2.6.28", "", 32, 2048, 0xff800000, 0xff7fe000, 0xf77fe000, 0xf7ffe000, 122880)]
    [InlineData("2.6.28", "X86_PAE=y", 8, 2048, 0xffa00000, 0xff9fe000, 0xf79fe000, 0xf81fe000, 122880)]
    [InlineData("2.6.28", "X86_PAE=y", 32, 2048, 0xffa00000, 0xff9fe000, 0xf79fe000, 0xf81fe000, 122880)]
    [InlineData("2.6.32", "", 32, 2048, 0xff400000, 0xff3fe000, 0xf73fe000, 0xf7bfe000, 122880)]
    [InlineData("4.4", "", 8, 2048, 0xff800000, 0xff7fe000, 0xf77fe000, 0xf7ffe000, 122880)]
    [InlineData("4.4", "", 32, 2048, 0xff800000, 0xff7fe000, 0xf77fe000, 0xf7ffe000, 122880)]
    [InlineData("4.4", "X86_PAE=y", 8, 2048, 0xffc00000, 0xffbfe000, 0xf7bfe000, 0xf83fe000, 122880)]
    [InlineData("4.15", "", 8, 2048, 0xff800000, 0xff7fe000, 0xf77fe000, 0xf7ffe000, 122880)]
    [InlineData("4.18", "", 8, 2048, 0xff400000, 0xff3fe000, 0xf73fe000, 0xf7bfe000, 122880)]
    [InlineData("4.19", "", 8, 2048, 0xff000000, 0xfeffe000, 0xf6ffe000, 0xf77fe000, 122880)]
    [InlineData("4.19", "", 32, 2048, 0xfec00000, 0xfebfe000, 0xf6bfe000, 0xf73fe000, 122880)]
    [InlineData("6.1", "", 1, 2048, 0xff400000, 0xff3fe000, 0xf73fe000, 0xf7bfe000, 122880)]
    [InlineData("6.1", "", 32, 2048, 0xfec00000, 0xfebfe000, 0xf6bfe000, 0xf73fe000, 122880)]
    [InlineData("6.1", "X86_PAE=y", 32, 1024, 0xff000000, 0xfeffe000, 0xf6ffe000, 0xf77fe000, 122880)]
    [InlineData("6.1", "", 64, 2048, 0xfe400000, 0xfe3fe000, 0xf63fe000, 0xf6bfe000, 122880)]
    public void Regions_of_every_era(string version, string config, int cpus, ulong ramMiB,
        ulong pkmap, ulong vmallocEnd, ulong highMemory, ulong vmallocStart, ulong totalKiB)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, ramMiB * MiB, $"{config} NR_CPUS={cpus} HIGHMEM=y");
        Assert.Equal((pkmap, vmallocEnd, highMemory, vmallocStart, totalKiB),
            (layout.ValueOf("pkmap-base"), layout.ValueOf("vmalloc-end"), layout.HighMemory.Value,
                layout.Vmalloc.Start.Value, layout.VmallocTotalKiB));
        Assert.Equal(vmallocEnd, layout.Vmalloc.EndExclusive.Value);
    }

    /// <summary>Default load addresses: commit ceefccc93932 of 2.6.31 moved both architectures to 16 MiB.</summary>
    [Theory]
    [InlineData(Architecture.I386, "2.6.30", "", 0xc0100000)]
    [InlineData(Architecture.I386, "2.6.31", "", 0xc1000000)]
    [InlineData(Architecture.I386, "6.1", "PHYSICAL_START=0x400000", 0xc0400000)]
    [InlineData(Architecture.X64, "2.6.12", "", 0xffffffff80100000)]
    [InlineData(Architecture.X64, "2.6.24", "", 0xffffffff80200000)]
    [InlineData(Architecture.X64, "2.6.31", "", 0xffffffff81000000)]
    public void The_image_begins_where_its_time_loads_it(Architecture architecture, string version, string config, ulong start)
    {
        KernelLayout layout = Predict.Of(architecture, version, 1UL << 30, config);
        Assert.Equal(start, layout.FindRegion("kernel-image")!.Value.Range.Start.Value);
        Assert.Equal(config.Length == 0, layout.Assumed.Any(assumption => assumption.Name == "PHYSICAL_START"));
    }

    [Theory]
    [InlineData("2.6.18", "", 32, 488, 505)]
    [InlineData("2.6.11", "", 32, 432, 449)]
    [InlineData("2.6.11", "NUMA=y", 32, 456, 473)]
    [InlineData("2.6.14", "NUMA=y", 32, 488, 505)]
    [InlineData("2.6.24", "", 32, 490, 507)]
    [InlineData("2.6.28", "", 32, 486, 773)]
    [InlineData("2.6.32", "", 32, 680, 1025)]
    [InlineData("3.4", "", 32, 712, 969)]
    [InlineData("3.9", "", 32, 712, 969)]
    [InlineData("3.9", "X86_F00F_BUG=y", 32, 713, 970)]
    [InlineData("3.10", "", 32, 713, 970)]
    [InlineData("4.4", "", 32, 712, 1537)]
    [InlineData("4.12", "", 32, 744, 1537)]
    [InlineData("4.15", "", 32, 711, 1537)]
    [InlineData("4.19", "", 32, 711, 1537)]
    [InlineData("5.10", "", 32, 709, 1537)]
    [InlineData("6.1", "", 32, 581, 1537)]
    [InlineData("6.1", "ACPI_APEI_GHES=y", 32, 583, 1537)]
    [InlineData("2.6.24", "", 1, 87, 104)]
    [InlineData("2.6.25", "", 1, 87, 769)]
    [InlineData("2.6.27", "", 1, 83, 517)]
    [InlineData("2.6.28", "", 1, 83, 517)]
    [InlineData("2.6.32", "", 1, 91, 513)]
    [InlineData("3.4", "", 1, 92, 349)]
    [InlineData("4.4", "", 1, 92, 605)]
    [InlineData("4.12", "", 1, 93, 606)]
    [InlineData("4.15", "", 1, 91, 604)]
    [InlineData("5.10", "", 1, 89, 602)]
    [InlineData("6.1", "", 1, 85, 598)]
    public void The_fixmap_has_so_many_entries(string version, string config, int cpus, ulong permanent, ulong total)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, 2048 * MiB, $"{config} NR_CPUS={cpus} HIGHMEM=y");
        Assert.Equal((permanent, total), (layout.ValueOf("fixmap-permanent"), layout.ValueOf("fixmap-total")));
    }

    [Theory]
    [InlineData("2.6.24", 512, 0xfffb3000, 0xe0800000, 515788)]
    [InlineData("2.6.24", 2048, 0xfffb3000, 0xf8800000, 122572)]
    [InlineData("4.4", 512, 0xfffa1000, 0xe0800000, 515716)]
    [InlineData("4.4", 2048, 0xfffa1000, 0xf87a1000, 122880)]
    [InlineData("4.18", 512, 0xffbfe000, 0xe0800000, 511992)]
    [InlineData("4.19", 512, 0xff7fe000, 0xe0800000, 507896)]
    [InlineData("6.1", 512, 0xff7fe000, 0xe0800000, 507896)]
    public void Without_highmem_the_area_reaches_the_fixmap(string version, ulong ramMiB, ulong end, ulong start, ulong totalKiB)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, ramMiB * MiB, "NR_CPUS=1 HIGHMEM=n");
        Assert.Equal((end, start, totalKiB), (layout.Vmalloc.EndExclusive.Value, layout.Vmalloc.Start.Value, layout.VmallocTotalKiB));
        Assert.Null(layout.FindRegion("pkmap"));
    }

    [Theory]
    [InlineData("2.6.24", "vmalloc=256M", 2048, 0xf0000000, 0xf0800000, 245752)]
    [InlineData("2.6.28", "vmalloc=256M", 2048, 0xef7fe000 - 0x800000, 0xef7fe000, 262144)]
    [InlineData("6.1", "vmalloc=256M", 2048, 0xee3fe000, 0xeebfe000, 262144)]
    [InlineData("2.6.24", "vmalloc=128M", 2048, 0xf8000000, 0xf8800000, 114680)]
    [InlineData("2.6.28", "vmalloc=128M", 2048, 0xf6ffe000, 0xf77fe000, 131072)]
    [InlineData("6.1", "vmalloc=128M", 2048, 0xf63fe000, 0xf6bfe000, 131072)]
    [InlineData("2.6.24", "highmem=256M", 512, 0xd0000000, 0xd0800000, 770040)]
    [InlineData("2.6.28", "highmem=256M", 512, 0xd0000000, 0xd0800000, 770040)]
    [InlineData("6.1", "highmem=256M", 512, 0xd0000000, 0xd0800000, 757752)]
    [InlineData("6.1", "reservetop=64M", 2048, 0xf2bfe000, 0xf33fe000, 122880)]
    [InlineData("2.6.24", "reservetop=64M", 2048, 0xf4000000, 0xf4800000, 114680)]
    [InlineData("6.1", "vmalloc=16M", 1024, 0xfd3fe000, 0xfdbfe000, 16384)]
    public void Options_move_the_border(string version, string options, ulong ramMiB, ulong highMemory, ulong vmallocStart, ulong totalKiB)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, ramMiB * MiB, "NR_CPUS=32 HIGHMEM=y", options);
        Assert.Equal((highMemory, vmallocStart, totalKiB), (layout.HighMemory.Value, layout.Vmalloc.Start.Value, layout.VmallocTotalKiB));
    }

    [Fact]
    public void Highmem_option_cuts_ram_on_a_large_machine()
    {
        KernelLayout layout = Predict.Of(Architecture.I386, "6.1", 2048 * MiB, "NR_CPUS=32 HIGHMEM=y", "highmem=512M");
        Assert.Equal(122880UL, layout.VmallocTotalKiB);
        Assert.Equal(layout.ValueOf("maxmem-pfn") + 131072, layout.ValueOf("max-pfn"));
    }

    [Fact]
    public void Reservetop_moves_the_fixmap()
    {
        KernelLayout modern = Predict.Of(Architecture.I386, "6.1", 2048 * MiB, "NR_CPUS=32 HIGHMEM=y", "reservetop=64M");
        Assert.Equal((0xfbfff000UL, 0xfabfe000UL), (modern.ValueOf("fixaddr-top"), modern.Vmalloc.EndExclusive.Value));
        KernelLayout old = Predict.Of(Architecture.I386, "2.6.24", 2048 * MiB, "NR_CPUS=32 HIGHMEM=y", "reservetop=64M");
        Assert.Equal(0xfb7fe000UL, old.Vmalloc.EndExclusive.Value);
    }

    [Theory]
    [InlineData("2.4.22", new[] { 8, 15, 14, 13, 12, 11, 10, 9, 8 })]
    [InlineData("2.6.9", new[] { 8, 15, 14, 13, 12, 11, 10, 9, 8 })]
    [InlineData("2.6.27", new[] { 8, 15, 14, 13, 12, 11, 10, 9, 8 })]
    [InlineData("2.6.28", new[] { 8, 8, 8, 8, 8, 8, 8, 8, 8 })]
    [InlineData("6.1", new[] { 8, 8, 8, 8, 8, 8, 8, 8, 8 })]
    public void The_gap_above_lowmem(string version, int[] gapsMiB)
    {
        for (int i = 0; i < gapsMiB.Length; i++)
        {
            KernelLayout layout = Predict.Of(Architecture.I386, version, (128 + (ulong)i) * MiB);
            Assert.Equal((ulong)gapsMiB[i] * MiB, layout.FindRegion("vmalloc-gap")!.Value.Range.SizeBytes);
        }
    }

    [Theory]
    [InlineData("2.6.28", 1)]
    [InlineData("2.6.28", 32)]
    [InlineData("2.6.29", 1)]
    [InlineData("2.6.29", 32)]
    public void Fixed_addresses_of_2_6_28_and_29(string version, int cpus)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, 2048 * MiB, $"NR_CPUS={cpus} HIGHMEM=y PROVIDE_OHCI1394_DMA_INIT=y");
        (string, int, int)[] expected =
        [
            ("FIX_HOLE", 0, 1), ("FIX_VDSO", 1, 1), ("FIX_DBGP_BASE", 2, 1), ("FIX_EARLYCON_MEM_BASE", 3, 1),
            ("FIX_APIC_BASE", 4, 1), ("FIX_IO_APIC_BASE_0", 5, 64), ("FIX_KMAP_BEGIN", 69, 13 * cpus),
            ("FIX_PCIE_MCFG", 69 + (13 * cpus), 1), ("FIX_BTMAP_END", cpus == 1 ? 256 : 512, 256),
            ("FIX_WP_TEST", cpus == 1 ? 512 : 768, 1), ("FIX_ACPI_BEGIN", cpus == 1 ? 513 : 769, 4),
            ("FIX_OHCI1394_BASE", cpus == 1 ? 517 : 773, 1),
        ];
        Assert.Equal(expected, layout.Fixmap.Select(entry => (entry.Name, entry.Index, entry.Pages)));
        Assert.All(layout.Fixmap, entry => Assert.Equal(0xfffff000UL - ((ulong)entry.Index * 4096), entry.Address.Value));
    }

    [Fact]
    public void The_fixmap_of_2_4_begins_two_pages_below_the_top()
    {
        KernelLayout layout = Predict.Of(Architecture.I386, "2.4.20", 512 * MiB);
        Assert.Equal(("FIX_APIC_BASE", 0, 0xffffe000UL),
            (layout.Fixmap[0].Name, layout.Fixmap[0].Index, layout.Fixmap[0].Address.Value));
    }

    [Theory]
    [InlineData("2.4.21", "HIGHMEM=y", 0xfe000000 - 0x2000)]
    [InlineData("2.6.9", "HIGHMEM=y NR_CPUS=1", 0xff800000 - 0x2000)]
    public void Half_a_gigabyte_begins_above_the_direct_map(string version, string config, ulong end)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, 512 * MiB, config);
        Assert.Equal((0xe0000000UL, 0xe0800000UL, end),
            (layout.HighMemory.Value, layout.Vmalloc.Start.Value, layout.Vmalloc.EndExclusive.Value));
        KernelLayout without = Predict.Of(Architecture.I386, version, 512 * MiB, config.Replace("HIGHMEM=y", "HIGHMEM=n", StringComparison.Ordinal));
        Assert.Equal(0xe0800000UL, without.Vmalloc.Start.Value);
        Assert.Equal(without.ValueOf("fixaddr-start") - 0x2000, without.Vmalloc.EndExclusive.Value);
    }

    [Theory]
    [InlineData("", 1024)]
    [InlineData("X86_PAE=y", 512)]
    public void Pkmap_is_one_page_table(string config, int pages)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, "2.6.24", 2048 * MiB, config);
        Assert.Equal((ulong)pages * 4096, layout.FindRegion("pkmap")!.Value.Range.SizeBytes);
    }

    [Theory]
    [InlineData("2.6.24", "X86_PAE=y VMSPLIT_3G_OPT=y", "", "1 GiB")]
    [InlineData("6.1", "NR_CPUS=65", "", "1 to 64")]
    [InlineData("6.1", "NR_CPUS=0", "", "1 to 64")]
    [InlineData("2.6.9", "VMSPLIT_2G=y", "", "before 2.6.16")]
    [InlineData("6.18", "HIGHMEM64G=y", "", "removed")]
    [InlineData("6.1", "", "vmalloc=1G", "leaves no lowmem")]
    [InlineData("6.1", "", "vmalloc=4G", "32 bits")]
    [InlineData("2.6.24", "", "vmalloc=16M", "BUG")]
    [InlineData("2.4.10", "", "", "oldest is 2.4.16")]
    [InlineData("6.1", "HIGHMEM64G=y X86_PAE=n", "", "needs X86_PAE")]
    public void What_cannot_be_is_refused(string version, string config, string options, string reason)
    {
        LayoutAnswer answer = Predict.Ask(Architecture.I386, version, 2048 * MiB, config, options);
        Assert.Contains(reason, Assert.IsType<LayoutAnswer.Impossible>(answer).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void No_ram_is_refused() =>
        Assert.IsType<LayoutAnswer.Impossible>(Predict.Ask(Architecture.I386, "6.1", 0));

    [Fact]
    public void The_derivation_of_114680_kB_shows_every_step()
    {
        KernelLayout layout = Predict.Of(Architecture.I386, "2.6.24", 2048 * MiB, "NR_CPUS=1 HIGHMEM=y");
        var steps = DerivationText.Steps(layout, "vmalloc-total");
        Assert.Equal("114680 kB", steps[^1].Result);
        string[] names = [.. steps.Select(step => step.Quantity.Name)];
        string[] needed =
        [
            "vmalloc-reserve", "maxmem", "max-low-pfn", "high-memory", "vmalloc-offset", "vmalloc-start", "fixmap-permanent",
            "fixaddr-boot-start", "pkmap-base", "vmalloc-end",
        ];
        Assert.All(needed, name => Assert.Contains(name, names));
        Assert.Equal("896 MiB", steps.Single(step => step.Quantity.Name == "maxmem").Result);
        Assert.Equal("0xff800000 - 2 * 4 KiB", steps.Single(step => step.Quantity.Name == "vmalloc-end").Substituted);
    }

    [Fact]
    public void Every_formula_refers_only_to_what_was_computed_before()
    {
        foreach (string version in new[] { "2.4.20", "2.6.9", "2.6.24", "2.6.28", "3.4", "4.4", "4.15", "4.18", "5.4", "6.1" })
        {
            KernelLayout layout = Predict.Of(Architecture.I386, version, 4096 * MiB);
            HashSet<string> known = [];
            foreach (Quantity quantity in layout.Quantities)
            {
                Assert.All(DerivationText.Inputs(quantity.Formula), input => Assert.Contains(input, known));
                Assert.True(known.Add(quantity.Name), $"{quantity.Name} twice");
            }
        }
    }
}
