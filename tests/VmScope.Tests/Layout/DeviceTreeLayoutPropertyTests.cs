using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: whatever the version, configuration, RAM and options, a predicted layout of arm, arm64 and riscv64 holds together.
/// Method: seeded random inputs over the whole space; each must give the same layout twice, or a reason why there is none.
/// </summary>
public class DeviceTreeLayoutPropertyTests
{
    private static readonly string[] ArmVersions = ["2.6.28", "2.6.32", "2.6.38", "3.4", "3.14", "3.16", "3.19", "4.4", "4.19", "5.10", "5.14", "6.1", "6.18", "7.2"];
    private static readonly string[] Arm64Versions = ["3.10", "3.14", "3.19", "4.4", "4.10", "4.19", "5.0", "5.4", "5.10", "5.11", "5.15", "5.17", "6.4", "6.6", "6.9", "6.18", "7.2"];
    private static readonly string[] RiscvVersions = ["4.15", "5.4", "5.10", "5.14", "5.17", "5.19", "6.4", "6.9", "6.12", "6.18", "7.2"];

    public static TheoryData<Architecture, int> Seeds()
    {
        TheoryData<Architecture, int> data = [];
        foreach (Architecture architecture in (Architecture[])[Architecture.Arm, Architecture.Arm64, Architecture.Riscv64])
        {
            for (int seed = 0; seed < 20; seed++)
            {
                data.Add(architecture, seed);
            }
        }

        return data;
    }

    [Theory, MemberData(nameof(Seeds))]
    public void A_layout_holds_together(Architecture architecture, int seed)
    {
        Random random = new(seed);
        int predicted = 0;
        for (int i = 0; i < 100; i++)
        {
            LayoutInputs inputs = Inputs(architecture, random);
            LayoutAnswer answer = LayoutPredictor.Predict(inputs);
            if (answer is LayoutAnswer.Impossible impossible)
            {
                Assert.NotEmpty(impossible.Reason);
                continue;
            }

            predicted++;
            KernelLayout layout = ((LayoutAnswer.Predicted)answer).Layout;
            RegionsHoldTogether(layout, architecture == Architecture.Arm ? uint.MaxValue : ulong.MaxValue);
            ZonesHoldTogether(layout);
            DerivationsHoldTogether(layout);
            KernelLayout again = ((LayoutAnswer.Predicted)LayoutPredictor.Predict(inputs)).Layout;
            Assert.Equal(layout.Regions.AsEnumerable(), again.Regions);
            Assert.Equal(layout.Quantities.AsEnumerable(), again.Quantities);
        }

        Assert.InRange(predicted, 30, 100);
    }

    [Theory]
    [InlineData("5.10")]
    [InlineData("6.1")]
    public void A_larger_vmalloc_never_leaves_more_low_memory(string version)
    {
        ulong before = ulong.MaxValue;
        for (ulong mib = 16; mib <= 1024; mib += 8)
        {
            KernelLayout layout = Predict.Inputs(Architecture.Arm, version, commandLine: $"vmalloc={mib}M").WithRam((0x40000000, 3 * Size.GiB)).Layout();

            Assert.InRange(layout.HighMemory.Value, 0xc0000000UL, before);
            Require(layout.VmallocTotalKiB + 16384 >= Math.Min(mib * 1024, 900 * 1024), () => $"{mib}M gave {layout.VmallocTotalKiB} kB");
            before = layout.HighMemory.Value;
        }
    }

    [Theory]
    [InlineData(Architecture.Arm, "6.1")]
    [InlineData(Architecture.Arm64, "6.1")]
    [InlineData(Architecture.Riscv64, "6.12")]
    public void More_ram_never_lowers_the_end_of_the_direct_map(Architecture architecture, string version)
    {
        ulong before = 0;
        for (ulong mib = 64; mib <= 4096; mib += 61)
        {
            ulong start = architecture == Architecture.Riscv64 ? 0x80000000UL : 0x40000000UL;
            KernelLayout layout = Predict.Inputs(architecture, version, commandLine: "nokaslr").WithRam((start, mib * Size.MiB)).Layout();

            Assert.InRange(layout.HighMemory.Value, before, ulong.MaxValue);
            before = layout.HighMemory.Value;
        }
    }

    private static void RegionsHoldTogether(KernelLayout layout, ulong lastAddress)
    {
        Region? above = null;
        foreach (Region region in layout.Regions)
        {
            Require(region.Range.Last.Value <= lastAddress, () => $"{region.Name} ends past the address space: {Text(layout)}");
            Require(region.Range.Start.Value % 4096 == 0 && unchecked(region.Range.Last.Value + 1) % 4096 == 0, () => $"{region.Name} is not whole pages: {Text(layout)}");
            if (region.Inside is { } container)
            {
                Require(layout.FindRegion(container)!.Value.Range.Contains(region.Range), () => $"{region.Name} leaves {container}: {Text(layout)}");
            }
            else
            {
                Require(above is not { } higher || !higher.Range.Overlaps(region.Range), () => $"{above?.Name} and {region.Name} overlap: {Text(layout)}");
                above = region;
            }
        }

        Assert.Equal(layout.Vmalloc, layout.FindRegion("vmalloc")!.Value.Range);
        Assert.InRange(layout.VmallocTotalKiB, (layout.Vmalloc.SizeBytes - 1) / 1024, layout.Vmalloc.SizeBytes / 1024);
        Require(layout.FindRegion("direct-map")!.Value.Range.Contains(new VirtualAddress(unchecked(layout.HighMemory.Value - 1))), () => Text(layout));
    }

    private static void ZonesHoldTogether(KernelLayout layout)
    {
        ulong end = 0;
        foreach (Zone zone in layout.Zones.Where(zone => zone.SpannedPages > 0))
        {
            Require(zone.StartPfn >= end && zone.PresentPages <= zone.SpannedPages, () => Text(layout));
            end = zone.StartPfn + zone.SpannedPages;
        }

        Require(end <= layout.ValueOf("max-pfn") && end > 0, () => Text(layout));
    }

    private static void DerivationsHoldTogether(KernelLayout layout)
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (Quantity quantity in layout.Quantities)
        {
            Assert.All(DerivationText.Inputs(quantity.Formula), input => Assert.Contains(input, known));
            Assert.NotEmpty(quantity.Source);
            Require(known.Add(quantity.Name), () => $"{quantity.Name} is given twice: {Text(layout)}");
        }
    }

    private static LayoutInputs Inputs(Architecture architecture, Random random)
    {
        string Pick(params string[] texts) => texts[random.Next(texts.Length)];
        ulong start = architecture == Architecture.Riscv64 ? 0x80000000UL : Pick("0", "40000000", "80000000") is var hex
            ? Convert.ToUInt64(hex, 16) : 0UL;
        ulong bytes = (ulong)random.Next(32, architecture == Architecture.Arm ? 3500 : 300_000) * Size.MiB;
        ulong hole = (ulong)random.Next(0, 64) * Size.MiB;
        (ulong, ulong)[] banks = random.Next(3) == 0
            ? [(start, bytes / 2 / 4096 * 4096), (start + bytes + hole, (bytes / 2 / 4096 * 4096) + 4096)]
            : [(start, bytes)];
        string commandLine = string.Join(' ', Pick("", "nokaslr", "mem=" + random.Next(64, 2000) + "M"),
            architecture == Architecture.Arm ? Pick("", "vmalloc=" + random.Next(1, 2000) + "M") : Pick("", "no4lvl", "no5lvl", "arm64.nolva"));
        LayoutInputs inputs = architecture switch
        {
            Architecture.Arm => Predict.Inputs(architecture, Pick(ArmVersions),
                string.Join(' ', Pick("", "VMSPLIT_2G=y", "VMSPLIT_1G=y", "VMSPLIT_3G_OPT=y"), Pick("", "ARM_LPAE=y"), Pick("", "HIGHMEM=n"),
                    Pick("", "KASAN=y"), Pick("", "THUMB2_KERNEL=y"), Pick("", "ZONE_DMA=n"), Pick("", "NR_CPUS=32")), commandLine),
            Architecture.Arm64 => Predict.Inputs(architecture, Pick(Arm64Versions),
                string.Join(' ', Pick("", "ARM64_16K_PAGES=y ARM64_VA_BITS=47", "ARM64_16K_PAGES=y ARM64_VA_BITS=52", "ARM64_64K_PAGES=y ARM64_VA_BITS=42",
                    "ARM64_64K_PAGES=y ARM64_VA_BITS=48", "ARM64_VA_BITS=39", "ARM64_VA_BITS=48", "ARM64_VA_BITS=52"),
                    Pick("", "", "KASAN=y", "KASAN=y KASAN_SW_TAGS=y"), Pick("", "ZONE_DMA=n"), Pick("", "ZONE_DMA32=n"), Pick("", "KVM=y")),
                commandLine, random.Next(2) == 0 ? 52 : 48),
            _ => Predict.Inputs(architecture, Pick(RiscvVersions), string.Join(' ', Pick("", "KASAN=y"), Pick("", "ZONE_DMA32=n")), commandLine,
                int.Parse(Pick("39", "48", "57"), System.Globalization.CultureInfo.InvariantCulture)),
        };
        return inputs.WithRam(banks);
    }

    // The text of a failure costs more than the check.
    private static void Require(bool holds, Func<string> text)
    {
        if (!holds)
        {
            Assert.Fail(text());
        }
    }

    private static string Text(KernelLayout layout) =>
        $"{layout.Inputs.Kernel.Version} {string.Join(' ', layout.Inputs.Kernel.Config.Values.Select(pair => $"{pair.Key}={pair.Value}"))} "
        + $"'{layout.Inputs.Kernel.CommandLine.Text}' {string.Join(", ", layout.Regions.Select(region => $"{region.Name} {region.Range}"))}; "
        + string.Join(", ", layout.Zones.Select(zone => $"{zone.Name} {zone.StartPfn}+{zone.SpannedPages}"));
}
