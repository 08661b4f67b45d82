using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>A fixmap entry of a particular kernel: its slot and the number of indices it takes there.</summary>
internal readonly record struct ResolvedSlot(FixmapSlot Slot, int Pages);

/// <summary>The plain facts about one 32-bit x86 kernel that its layout follows from.</summary>
internal sealed class I386Facts
{
    private I386Facts()
    {
    }

    internal required ConfigReader Config { get; init; }
    internal required TimelineRow<ulong> FixaddrTop { get; init; }
    internal required TimelineRow<ReserveTopRule> ReserveTop { get; init; }
    internal required TimelineRow<PkmapRule> Pkmap { get; init; }
    internal required TimelineRow<CpuEntryAreaRule> CpuEntryArea { get; init; }
    internal required TimelineRow<CpuEntryPages> CpuEntryPages { get; init; }
    internal required TimelineRow<bool> LdtWindow { get; init; }
    internal required TimelineRow<VmallocStartRule> VmallocStart { get; init; }
    internal required TimelineRow<MaxMemRule> MaxMem { get; init; }
    internal required TimelineRow<VmallocOptionRule> VmallocOption { get; init; }
    internal required TimelineRow<FixmapEra> Fixmap { get; init; }
    internal required TimelineRow<KmapSlots> Kmap { get; init; }
    internal required TimelineRow<I386BootBlock> BootBlock { get; init; }
    internal required bool PrintsLowRam { get; init; }
    internal required TimelineRow<FirstFrameRule> FirstFrame { get; init; }
    internal required bool PersistentMemoryCounts { get; init; }
    internal required TimelineRow<bool> DirectMapSkipsHoles { get; init; }
    internal required bool HasZoneMovable { get; init; }
    internal required bool HasZoneDma { get; init; }
    internal required bool Pae { get; init; }
    internal required bool Highmem { get; init; }
    internal required bool Highmem64G { get; init; }
    internal required ulong PageOffset { get; init; }
    internal required string PageOffsetSource { get; init; }
    internal required int CpuCountMax { get; init; }
    internal required string CpuCountSource { get; init; }
    internal required int IoApicCountMax { get; init; }
    internal required int KmapSlotsPerCpu { get; init; }
    internal required string IoApicSource { get; init; }
    internal required bool RandomizesImage { get; init; }

    /// <summary>Where an image that is not moved begins, in bytes above physical 0.</summary>
    internal required ulong ImagePhysicalStart { get; init; }

    /// <summary>How much X86_RESERVE_LOW takes away.</summary>
    internal required ulong ReserveLowBytes { get; init; }

    /// <summary>Whether the firmware's map is read beyond 4 GiB at all.</summary>
    internal required bool Highmem64GPossible { get; init; }

    internal required int PageStructSize { get; init; }
    internal required string PageStructSource { get; init; }

    /// <summary>Resolves a kernel into facts.</summary>
    /// <param name="kernel">The kernel; its architecture is not looked at.</param>
    /// <param name="impossible">Why no such kernel can be built; null when it can.</param>
    internal static I386Facts? Resolve(KernelDescription kernel, out string? impossible)
    {
        KernelVersion version = kernel.Version;
        ConfigReader config = new(kernel.Config);
        impossible = KnownKernels.Refusal(kernel);
        if (impossible is not null)
        {
            return null;
        }

        KnownKernels.StateAssumptions(kernel, config);
        (bool highmem, bool highmem64G, bool pae, impossible) = MemoryModel(kernel, config);
        (int cpus, string cpuSource) = CpuCount(kernel, config);
        int most = I386Timeline.CpuCountLimit.At(version);
        if (impossible is null && (cpus < 1 || cpus > most))
        {
            impossible = $"NR_CPUS={cpus} is out of range for i386 {version}: 1 to {most}";
        }

        (ulong pageOffset, string splitSource, string? splitProblem) = Split(kernel, config, pae, highmem);
        impossible ??= splitProblem;
        if (impossible is not null)
        {
            return null;
        }

        TimelineRow<KmapSlots> kmap = I386Timeline.KmapSlots.RowAt(version);
        bool fences = kmap.Value.DebugSymbol is { } debug && config.Flag(debug, byDefault: false, "a debugging option, usually off");
        string? manyIoApics = I386Timeline.ManyIoApicsOption.At(version);
        bool hasManyIoApics = manyIoApics is not null && config.Flag(manyIoApics, byDefault: false, "for large machines only");
        bool fixedTop = I386Timeline.CompatVdsoFixesTop.At(version)
            && config.Flag("COMPAT_VDSO", byDefault: false, "for old C libraries only");
        TimelineRow<int> page = I386Timeline.PageStructBytes.RowAt(version);
        TimelineRow<int> ioApics = I386Timeline.IoApicCountMax.RowAt(version);
        bool canDropDma = X86Timeline.ZoneDmaIsOptional.At(version);
        return new I386Facts
        {
            Config = config,
            FixaddrTop = I386Timeline.FixaddrTop.RowAt(version),
            ReserveTop = fixedTop
                ? new TimelineRow<ReserveTopRule>(version, I386Timeline.CompatVdsoFixesTop.RowAt(version).Source, ReserveTopRule.Ignored)
                : I386Timeline.ReserveTop.RowAt(version),
            Pkmap = I386Timeline.Pkmap.RowAt(version),
            CpuEntryArea = I386Timeline.CpuEntryArea.RowAt(version),
            CpuEntryPages = I386Timeline.CpuEntryPages.RowAt(version),
            LdtWindow = I386Timeline.LdtWindow.RowAt(version),
            VmallocStart = I386Timeline.VmallocStart.RowAt(version),
            MaxMem = I386Timeline.MaxMem.RowAt(version),
            VmallocOption = I386Timeline.VmallocOption.RowAt(version),
            Fixmap = I386FixmapTimeline.Rows.RowAt(version),
            Kmap = kmap,
            BootBlock = I386Timeline.BootBlock.RowAt(version),
            PrintsLowRam = I386Timeline.PrintsLowRam.At(version),
            FirstFrame = X86Timeline.FirstFrame.RowAt(version),
            PersistentMemoryCounts = X86Timeline.PersistentMemoryCounts.At(version),
            DirectMapSkipsHoles = X86Timeline.DirectMapSkipsHoles.RowAt(version),
            HasZoneMovable = X86Timeline.ZoneMovable.At(version),
            HasZoneDma = !canDropDma || config.Flag("ZONE_DMA", byDefault: true, "on in every usual configuration"),
            Pae = pae,
            Highmem = highmem,
            Highmem64G = highmem64G,
            PageOffset = pageOffset,
            PageOffsetSource = splitSource,
            CpuCountMax = cpus,
            CpuCountSource = cpuSource,
            IoApicCountMax = hasManyIoApics ? 32 : ioApics.Value,
            IoApicSource = ioApics.Source,
            KmapSlotsPerCpu = fences ? kmap.Value.PerCpuWithDebug : kmap.Value.PerCpu,
            RandomizesImage = X86Timeline.ImageKaslr.At(version) && !kernel.CommandLine.Has("nokaslr")
                && config.Flag("RANDOMIZE_BASE", X86Timeline.ImageKaslrByDefault.At(version), "the default of its time"),
            ImagePhysicalStart = ImageStart(config, version),
            ReserveLowBytes = X86LowMemory.ReservedBytes(kernel.CommandLine, config),
            Highmem64GPossible = I386Timeline.HasHighmem64G.At(version),
            PageStructSize = page.Value + (page.Value == 44 && highmem ? 4 : 0)
                + (page.Value == 32 && config.Ask("MEMCG") == true && I386Timeline.MemcgInPage.At(version) ? 8 : 0),
            PageStructSource = page.Source,
        };
    }

    /// <summary>The number of indices each slot takes in this kernel; those its configuration leaves out are skipped.</summary>
    internal List<ResolvedSlot> Resolve(ImmutableArray<FixmapSlot> slots)
    {
        List<ResolvedSlot> into = new(slots.Length);
        foreach (FixmapSlot slot in slots)
        {
            if (slot.When is null || IsPresent(slot.When))
            {
                into.Add(new ResolvedSlot(slot, slot.Count switch
                {
                    FixmapCount.Fixed => slot.Pages,
                    FixmapCount.IoApics => IoApicCountMax,
                    FixmapCount.Kmaps => KmapSlotsPerCpu * CpuCountMax,
                    FixmapCount.Cpus => CpuCountMax,
                    FixmapCount.ClockPages => ((CpuCountMax - 1) / 64) + 1,
                    FixmapCount.VsyscallPage => slot.Pages,
                }));
            }
        }

        return into;
    }

    private static ulong ImageStart(ConfigReader config, KernelVersion version)
    {
        ulong start = config.AskNumber("PHYSICAL_START") ?? AssumedImageStart();
        ulong align = config.AskNumber("PHYSICAL_ALIGN") ?? 1;
        return ulong.IsPow2(align) ? Align.Up(start, align) : start;

        ulong AssumedImageStart()
        {
            ulong usual = I386Timeline.ImageStart.At(version);
            config.Assume("PHYSICAL_START", AddressText.Hex(usual), "the default of its time");
            return usual;
        }
    }

    private bool IsPresent(string when) => when switch
    {
        "HIGHMEM" => Highmem,
        "KMAP_LOCAL" => Config.Ask("KMAP_LOCAL") ?? Highmem,
        "KMAP_LOCAL&PCI_MMCONFIG" => IsPresent("KMAP_LOCAL") && IsPresent("PCI_MMCONFIG"),
        "X86_INTEL_MID" => Config.Ask("X86_MRST") == true || Config.Flag(when, byDefault: false, "off in the usual configuration"),
        "X86_LOCAL_APIC" or "X86_IO_APIC" or "PCI_MMCONFIG" or "ACPI" =>
            Config.Flag(when, byDefault: true, "on in every usual configuration"),
        "ACPI_BOOT" => Config.Ask("ACPI_BOOT") ?? Config.Flag("ACPI", byDefault: FixaddrTop.Value == 0xfffff000,
            "usual for its time: off in 2.4, on in 2.6"),
        "!X86_F00F_WORKS_OK" => !Config.Flag("X86_F00F_WORKS_OK", byDefault: true, "set for every processor but the first Pentiums"),
        _ => Config.Flag(when, byDefault: false, "off in the usual configuration"),
    };

    private static (bool Highmem, bool Highmem64G, bool Pae, string? Impossible) MemoryModel(
        KernelDescription kernel, ConfigReader config)
    {
        bool? asked64G = config.Ask("HIGHMEM64G");
        bool? asked4G = config.Ask("HIGHMEM4G");
        bool? askedPae = config.Ask("X86_PAE");
        bool exists64G = I386Timeline.HasHighmem64G.At(kernel.Version);
        if (asked64G == true && !exists64G)
        {
            return (false, false, false, $"HIGHMEM64G does not exist in {kernel.Version}: it was removed after 6.14");
        }

        if (asked64G == true && askedPae == false)
        {
            return (false, false, false, "HIGHMEM64G needs X86_PAE, and X86_PAE=n was given");
        }

        bool named = kernel.Identity.Release.EndsWith("pae", StringComparison.OrdinalIgnoreCase);
        bool pae;
        if ((askedPae ?? (asked64G == true ? true : null)) is { } known)
        {
            pae = known;
        }
        else
        {
            pae = named;
            config.Assume("X86_PAE", pae ? "y" : "n", named ? "the release is named …pae" : "off in the usual configuration");
        }

        bool highmem;
        if (config.Ask("HIGHMEM") is { } asked)
        {
            highmem = asked;
        }
        else if (asked4G == true || asked64G == true)
        {
            highmem = true;
        }
        else if (config.Ask("NOHIGHMEM") == true)
        {
            highmem = false;
        }
        else
        {
            highmem = true;
            config.Assume("HIGHMEM", "y", "on in every usual configuration since 2.4");
        }

        bool highmem64G = highmem && exists64G && (asked64G ?? (pae && asked4G != true));
        if (highmem64G && asked64G is null)
        {
            config.Assume("HIGHMEM64G", "y", "what a PAE kernel is built for");
        }

        return (highmem, highmem64G, pae, Impossible: null);
    }

    private static (int Count, string Source) CpuCount(KernelDescription kernel, ConfigReader config)
    {
        if (config.AskNumber("NR_CPUS") is { } number)
        {
            return ((int)Math.Min(number, int.MaxValue), "given: NR_CPUS of the configuration");
        }

        if (config.Ask("SMP") == false)
        {
            return (1, "given: a kernel without SMP has NR_CPUS 1");
        }

        int count = I386Timeline.DefaultCpuCountMax.At(kernel.Version);
        config.Assume("NR_CPUS", count.ToString(CultureInfo.InvariantCulture), "what an ordinary SMP configuration has");
        return (count, "assumed: what an ordinary SMP configuration has");
    }

    private static (ulong PageOffset, string Source, string? Impossible) Split(
        KernelDescription kernel, ConfigReader config, bool pae, bool highmem)
    {
        KernelVersion version = kernel.Version;
        bool meansOdd2G = I386Timeline.Split2GIs78000000.At(version);
        (ulong address, string source) = true switch
        {
            _ when config.Ask("VMSPLIT_3G") == true => (0xc0000000UL, "given: VMSPLIT_3G"),
            _ when config.Ask("VMSPLIT_3G_OPT") == true => (0xb0000000UL, "given: VMSPLIT_3G_OPT"),
            _ when config.Ask("VMSPLIT_2G") == true => (meansOdd2G ? 0x78000000UL : 0x80000000UL, "given: VMSPLIT_2G"),
            _ when config.Ask("VMSPLIT_2G_OPT") == true => (0x78000000UL, "given: VMSPLIT_2G_OPT"),
            _ when config.Ask("VMSPLIT_1G") == true => (0x40000000UL, "given: VMSPLIT_1G"),
            _ when config.AskNumber("PAGE_OFFSET") is { } given => (given, "given: PAGE_OFFSET of the configuration"),
            _ => (0xc0000000UL, "assumed: the 3G/1G split"),
        };
        if (source.StartsWith("assumed", StringComparison.Ordinal))
        {
            if (I386Timeline.HasSplitChoice.At(version))
            {
                config.Assume("VMSPLIT_3G", "y", "the default split");
            }
            else
            {
                source = "include/asm-i386/page.h: the only split before 2.6.16";
            }
        }

        string? problem = address switch
        {
            0xc0000000 => null,
            _ when !I386Timeline.HasSplitChoice.At(version) =>
                $"PAGE_OFFSET 0x{address:x8} cannot be chosen in {version}: only 0xc0000000 before 2.6.16",
            0xb0000000 or 0x78000000 when pae =>
                $"PAGE_OFFSET 0x{address:x8} needs a kernel without PAE: a top-level entry maps 1 GiB, and this is no multiple of it",
            0xb0000000 when highmem && I386Timeline.OddSplitNeedsNoHighmem.At(version) =>
                $"VMSPLIT_3G_OPT needs a kernel without HIGHMEM in {version}",
            0xb0000000 or 0x80000000 or 0x78000000 or 0x40000000 => null,
            _ => $"PAGE_OFFSET 0x{address:x} is none of 0xc0000000, 0xb0000000, 0x80000000, 0x78000000 and 0x40000000",
        };
        return (address, source, problem);
    }
}
