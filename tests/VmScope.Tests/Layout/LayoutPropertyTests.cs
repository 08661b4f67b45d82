using System.Globalization;
using System.Text;
using VmScope.Cli.Output.Layouts;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: what every layout must be, whatever the kernel and the machine. Method: seeded inputs over all versions at which
/// anything changed, all memory splits and sizes, NR_CPUS, RAM and options; the same checks on every layout.
/// </summary>
public class LayoutPropertyTests
{
    private static readonly Architecture[] All = [Architecture.I386, Architecture.X64, Architecture.Arm, Architecture.Arm64, Architecture.Riscv64];

    public static TheoryData<Architecture, int> Seeds()
    {
        TheoryData<Architecture, int> data = [];
        foreach (Architecture architecture in All)
        {
            for (int seed = 0; seed < 12; seed++)
            {
                data.Add(architecture, seed);
            }
        }

        return data;
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Every_layout_is_consistent(Architecture architecture, int seed)
    {
        Random random = new(seed);
        int predicted = 0;
        for (int i = 0; i < 150; i++)
        {
            LayoutInputs inputs = RandomInputs(architecture, random);
            switch (LayoutPredictor.Predict(inputs))
            {
                case LayoutAnswer.Predicted answer:
                    predicted++;
                    Check(answer.Layout);
                    break;
                case LayoutAnswer.Impossible impossible:
                    Assert.NotEqual("", impossible.Reason);
                    break;
            }
        }

        Require(predicted >= 50, () => $"only {predicted} of 150 configurations are possible: the generator asks for too much");
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Numbers_no_machine_has_are_answered_and_never_thrown(Architecture architecture, int seed)
    {
        ulong[] extremes = [0, 1, 4095, 4096, uint.MaxValue - 4095, uint.MaxValue, 1UL << 32, long.MaxValue, ulong.MaxValue - 4095, ulong.MaxValue];
        Random random = new(seed);
        for (int i = 0; i < 60; i++)
        {
            LayoutInputs inputs = RandomInputs(architecture, random);
            ulong Extreme() => extremes[random.Next(extremes.Length)];
            string text = Extreme().ToString(CultureInfo.InvariantCulture);
            string symbol = ((string[])["NR_CPUS", "PAGE_OFFSET", "PHYSICAL_START", "PHYSICAL_ALIGN", "X86_RESERVE_LOW", "RANDOMIZE_MEMORY_PHYSICAL_PADDING",
                "ARM64_VA_BITS", "PGTABLE_LEVELS", "PAGE_SHIFT"])[random.Next(9)];
            string option = ((string[])["vmalloc", "highmem", "reservetop", "mem", "reservelow", "memmap"])[random.Next(6)];
            string value = option == "memmap" ? $"{text}{"@$#!"[random.Next(4)]}{Extreme().ToString(CultureInfo.InvariantCulture)}" : text;
            KernelDescription kernel = inputs.Kernel with
            {
                Config = random.Next(2) == 0 ? inputs.Kernel.Config : inputs.Kernel.Config.With(symbol, text),
                CommandLine = KernelCommandLine.Parse($"{inputs.Kernel.CommandLine.Text} {option}={value}"),
            };
            if (LayoutPredictor.Predict(inputs with { Kernel = kernel, RamBytes = random.Next(3) == 0 ? Extreme() : inputs.RamBytes }) is LayoutAnswer.Predicted answer)
            {
                Assert.True(answer.Layout.Vmalloc.SizeBytes > 0);
            }
        }
    }

    [Theory, MemberData(nameof(Seeds))]
    public void The_same_inputs_give_the_same_layout(Architecture architecture, int seed)
    {
        for (int i = 0; i < 5; i++)
        {
            LayoutAnswer first = LayoutPredictor.Predict(RandomInputs(architecture, new Random(seed + (1000 * i))));
            LayoutAnswer second = LayoutPredictor.Predict(RandomInputs(architecture, new Random(seed + (1000 * i))));
            Assert.Equal(Text(first), Text(second));
        }
    }

    [Theory, MemberData(nameof(Seeds))]
    public void More_ram_never_lowers_high_memory_nor_widens_the_area(Architecture architecture, int seed)
    {
        Random random = new(seed);
        LayoutInputs inputs = RandomInputs(architecture, random);
        KernelLayout? before = null;
        for (ulong ramMiB = 16; ramMiB <= 8192; ramMiB += (ulong)random.Next(1, 400))
        {
            if (LayoutPredictor.Predict(inputs with { RamBytes = ramMiB * Size.MiB }) is not LayoutAnswer.Predicted answer)
            {
                continue;
            }

            // highmem= cuts lowmem by a fixed amount of what there is, and gives up when too little would be left.
            if (before is not null && inputs.Kernel.CommandLine.Last("highmem") is null)
            {
                Require(answer.Layout.HighMemory >= before.HighMemory, () => Describe(answer.Layout));
                Require(answer.Layout.VmallocTotalKiB <= before.VmallocTotalKiB, () => Describe(answer.Layout));
            }

            before = answer.Layout;
        }
    }

    [Theory]
    [InlineData(Architecture.I386, "2.6.9")]
    [InlineData(Architecture.I386, "2.6.27")]
    [InlineData(Architecture.I386, "2.6.28")]
    [InlineData(Architecture.I386, "4.15")]
    [InlineData(Architecture.I386, "6.1")]
    [InlineData(Architecture.Arm, "5.10")]
    [InlineData(Architecture.Arm, "6.1")]
    public void What_vmalloc_gains_lowmem_loses(Architecture architecture, string version)
    {
        ulong? sum = null;
        ulong lastTotal = 0;
        for (ulong megabytes = 64; megabytes <= 512; megabytes += 8)
        {
            KernelLayout layout = Predict.Of(architecture, version, 2048 * Size.MiB, "NR_CPUS=4 HIGHMEM=y",
                string.Create(CultureInfo.InvariantCulture, $"vmalloc={megabytes}M"));
            ulong both = layout.HighMemory.Value - layout.PageOffset.Value + (layout.VmallocTotalKiB * Size.KiB);
            Assert.Equal(sum ??= both, both);
            Assert.True(layout.VmallocTotalKiB > lastTotal);
            lastTotal = layout.VmallocTotalKiB;
        }
    }

    [Theory]
    [InlineData("2.6.28")]
    [InlineData("3.4")]
    [InlineData("4.4")]
    [InlineData("4.19")]
    [InlineData("6.1")]
    public void A_given_vmalloc_size_is_what_the_area_has(string version)
    {
        for (ulong megabytes = 16; megabytes <= 512; megabytes += 16)
        {
            KernelLayout layout = Predict.Of(Architecture.I386, version, 4096 * Size.MiB, "NR_CPUS=4",
                string.Create(CultureInfo.InvariantCulture, $"vmalloc={megabytes}M"));
            Assert.Equal(megabytes * 1024, layout.VmallocTotalKiB);
        }
    }

    private static void Check(KernelLayout layout)
    {
        Architecture architecture = layout.Inputs.Kernel.Architecture;
        UInt128 top = architecture.Is64Bit() ? UInt128.One << 64 : UInt128.One << 32;

        // Top-level regions follow each other without overlap or blank, from the top of memory to 0.
        UInt128 next = top;
        foreach (Region region in layout.Regions)
        {
            Assert.Equal(0UL, region.Range.Start.Value % 4096);
            if (region.Inside is { } outer)
            {
                Region container = layout.FindRegion(outer) ?? throw new InvalidOperationException($"{region.Name} lies inside {outer}, which is not there");
                Require(container.Range.Contains(region.Range), () => $"{region.Name} {region.Range} outside {outer} {container.Range}; {Describe(layout)}");
                continue;
            }

            Require((UInt128)region.Range.Last.Value + 1 == next, () => $"{region.Name} {region.Range} ends below or above 0x{next:x}; {Describe(layout)}");
            next = region.Range.Start.Value;
        }

        Assert.Equal(UInt128.Zero, next);
        Assert.Equal(layout.Regions.Length, layout.Regions.Select(region => region.Name).Distinct(StringComparer.Ordinal).Count());

        // The vmalloc area is a region and its size is what meminfo prints, an inclusive end apart.
        Assert.Equal(layout.Vmalloc, layout.FindRegion("vmalloc")!.Value.Range);
        Assert.InRange(layout.VmallocTotalKiB, (layout.Vmalloc.SizeBytes - 1) / 1024, layout.Vmalloc.SizeBytes / 1024);

        CheckZones(layout);
        CheckFixmap(layout, architecture);
        CheckReasons(layout);
        if (architecture == Architecture.I386)
        {
            ulong pmd = layout.ValueOf("pmd-size");
            foreach (string name in (string[])["cpu-entry-area", "ldt-remap"])
            {
                Assert.Equal(0UL, (layout.FindRegion(name)?.Range.Start.Value ?? 0) % pmd);
            }

            ulong gap = layout.FindRegion("vmalloc-gap")!.Value.Range.SizeBytes;
            Assert.InRange(gap, 8 * Size.MiB, (16 * Size.MiB) - 1);
            Assert.Equal(layout.FindRegion("direct-map")!.Value.Range.EndExclusive, layout.HighMemory);
        }
    }

    private static void CheckZones(KernelLayout layout)
    {
        foreach (IGrouping<int, Zone> node in layout.Zones.GroupBy(zone => zone.Node))
        {
            ulong next = 0;
            foreach (Zone zone in node.Where(zone => zone.SpannedPages > 0))
            {
                Require(zone.StartPfn >= next, () => Describe(layout));
                Assert.InRange(zone.PresentPages, 0UL, zone.SpannedPages);
                next = zone.StartPfn + zone.SpannedPages;
            }
        }
    }

    private static void CheckFixmap(KernelLayout layout, Architecture architecture)
    {
        if (architecture is not (Architecture.I386 or Architecture.X64))
        {
            return;
        }

        int next = 0;
        ulong top = layout.ValueOf("fixaddr-top");
        foreach (FixmapEntry entry in layout.Fixmap)
        {
            Require(entry.Index >= next, () => $"{entry.Name} at {entry.Index} in {Describe(layout)}");
            Assert.True(entry.Pages > 0);
            Assert.Equal(top - ((ulong)entry.Index * 4096), entry.Address.Value);
            next = entry.Index + entry.Pages;
        }

        Assert.True(layout.Fixmap.IsEmpty || (ulong)next <= layout.ValueOf("fixmap-total"));
    }

    private static void CheckReasons(KernelLayout layout)
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        foreach (Quantity quantity in layout.Quantities)
        {
            Assert.NotEqual("", quantity.Label);
            Require(quantity.Source.Length > 0 || quantity.Formula.Length > 0, () => $"{quantity.Name} has neither source nor formula");
            Require(known.Add(quantity.Name), () => $"{quantity.Name} twice");
            foreach (string input in DerivationText.Inputs(quantity.Formula))
            {
                Require(known.Contains(input), () => $"{quantity.Name} refers to {input}, which is not computed before it; {Describe(layout)}");
            }
        }

        Assert.All(layout.Assumed, assumption => Assert.NotEqual("", assumption.Reason));
    }

    private static LayoutInputs RandomInputs(Architecture architecture, Random random)
    {
        KernelVersion[] versions = [.. NamedTimelines.Of(architecture).SelectMany(timeline => timeline.Rows).Select(row => row.Since)
            .Where(since => since >= KnownKernels.Of(architecture)!.First).Distinct().Order(), KnownKernels.Of(architecture)!.First, new(7, 2), new(9, 9)];
        KernelVersion version = versions[random.Next(versions.Length)];
        StringBuilder config = new();
        foreach (string symbol in (string[])["X86_PAE", "HIGHMEM", "PARAVIRT", "ACPI_APEI_GHES", "INTEL_TXT", "PROVIDE_OHCI1394_DMA_INIT", "X86_IO_APIC",
            "PARAVIRT_CLOCK", "DEBUG_HIGHMEM", "DEBUG_KMAP_LOCAL", "ZONE_DMA", "RANDOMIZE_BASE", "X86_5LEVEL", "KASAN", "KMSAN", "X86_VSYSCALL_EMULATION",
            "ARM_LPAE", "ARM64_VA_BITS_39", "ARM64_64K_PAGES", "ARM64_16K_PAGES", "PCI_P2PDMA"])
        {
            if (random.Next(4) == 0)
            {
                config.Append(symbol).Append(random.Next(2) == 0 ? "=y " : "=n ");
            }
        }

        config.Append("NR_CPUS=").Append(random.Next(8) == 0 ? random.Next(1, 513) : random.Next(1, 65)).Append(' ');
        config.Append(random.Next(12) switch
        {
            0 => "VMSPLIT_2G=y",
            1 => "VMSPLIT_1G=y",
            2 => "VMSPLIT_3G_OPT=y",
            3 => "VMSPLIT_2G_OPT=y",
            _ => "",
        });
        StringBuilder options = new();
        foreach ((string name, int most) in ((string, int)[])[("vmalloc", 600), ("highmem", 3000), ("reservetop", 128), ("mem", 4096)])
        {
            if (random.Next(6) == 0)
            {
                options.Append(name).Append('=').Append(random.Next(1, most)).Append("M ");
            }
        }

        foreach (string flag in (string[])["nokaslr", "no5lvl", "no4lvl", "memmap=1M$64M", "memmap=exactmap memmap=256M@0", "memmap=16M!128M"])
        {
            if (random.Next(12) == 0)
            {
                options.Append(flag).Append(' ');
            }
        }

        LayoutInputs inputs = Predict.Inputs(architecture, version.ToString(), (ulong)random.Next(64, 16384) * Size.MiB, config.ToString(), options.ToString());
        return inputs with
        {
            Kernel = inputs.Kernel with
            {
                Cpu = CpuFacts.Unknown with { VirtualAddressBits = random.Next(3) == 0 ? null : random.Next(2) == 0 ? 57 : 48 },
            },
        };
    }

    private static string Text(LayoutAnswer answer)
    {
        if (answer is not LayoutAnswer.Predicted predicted)
        {
            return ((LayoutAnswer.Impossible)answer).Reason;
        }

        using StringWriter text = new();
        LayoutJson.Write(predicted.Layout, text, observed: null);
        return text.ToString();
    }

    // The message costs more than the check: it is made only when it is needed.
    private static void Require(bool condition, Func<string> message)
    {
        if (!condition)
        {
            Assert.Fail(message());
        }
    }

    private static string Describe(KernelLayout layout)
    {
        KernelDescription kernel = layout.Inputs.Kernel;
        return $"{kernel.Architecture.Name()} {kernel.Version} ram {layout.Inputs.RamBytes / Size.MiB} MiB [{string.Join(' ', kernel.Config.Values.Select(pair => $"{pair.Key}={pair.Value}"))}] {kernel.CommandLine.Text}";
    }
}
