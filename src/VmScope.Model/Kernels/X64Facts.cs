using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>The fixed bases of one era of the 64-bit x86 map.</summary>
/// <param name="PageOffset">Where the direct map begins when nothing is randomised.</param>
/// <param name="VmallocStart">Where the vmalloc area begins when nothing is randomised.</param>
/// <param name="VmallocEnd">Its exclusive end; the kernel's VMALLOC_END is the byte before.</param>
/// <param name="Vmemmap">Where the virtual array of struct page begins; 0 when there is none.</param>
/// <param name="PhysicalBits">MAX_PHYSMEM_BITS: how much the direct map can hold.</param>
/// <param name="UserBits">User space ends at 2 to this power.</param>
internal sealed record X64Map(
    ulong PageOffset, ulong VmallocStart, ulong VmallocEnd, ulong Vmemmap, int PhysicalBits, int UserBits);

/// <summary>The top-level entries (negative: counted from the end) of the LDT window; 0 when there is none.</summary>
internal sealed record X64LdtWindow(int FourLevels, int FiveLevels);

/// <summary>Where modules lie.</summary>
/// <param name="Start">MODULES_VADDR; 0 when it follows the kernel image's window.</param>
/// <param name="End">Its exclusive end; 0 when it follows the fixmap's end.</param>
internal sealed record X64ModuleRule(ulong Start, ulong End);

/// <summary>The plain facts about one 64-bit x86 kernel that its layout follows from.</summary>
internal sealed class X64Facts
{
    private X64Facts()
    {
    }

    internal required ConfigReader Config { get; init; }
    internal required bool FiveLevels { get; init; }
    internal required string LevelsSource { get; init; }
    internal required X64Map Map { get; init; }
    internal required string MapSource { get; init; }
    internal required TimelineRow<X64LdtWindow> Ldt { get; init; }
    internal required TimelineRow<bool> CpuEntryArea { get; init; }
    internal required TimelineRow<X64ModuleRule> Modules { get; init; }
    internal required TimelineRow<ulong> FixaddrTop { get; init; }
    internal required TimelineRow<FixmapEra?> Fixmap { get; init; }
    internal required TimelineRow<FirstFrameRule> FirstFrame { get; init; }
    internal required TimelineRow<int> PageStructBytes { get; init; }
    internal required TimelineRow<bool> BasesKaslr { get; init; }
    internal required bool PersistentMemoryCounts { get; init; }
    internal required bool HasEspfix { get; init; }
    internal required bool HasEfiWindow { get; init; }
    internal required bool HasLdtWindow { get; init; }
    internal required bool HasKasan { get; init; }
    internal required bool HasKmsan { get; init; }
    internal required bool ForceMapLowersModules { get; init; }
    internal required bool LargeImageWindow { get; init; }
    internal required bool RandomizesImage { get; init; }
    internal required bool RandomizesBases { get; init; }

    /// <summary>RANDOMIZE_MEMORY_PHYSICAL_PADDING in TiB.</summary>
    internal required ulong KaslrPaddingTiB { get; init; }

    /// <summary>Whether the direct map keeps its full size when randomised; null when nobody said.</summary>
    internal required bool? KaslrKeepsFullDirectMap { get; init; }

    internal required bool HasZoneDma { get; init; }
    internal required bool HasZoneDma32 { get; init; }
    internal required bool HasZoneMovable { get; init; }
    internal required bool HasZoneDevice { get; init; }
    internal required ulong ReserveLowBytes { get; init; }
    internal required ulong ImagePhysicalStart { get; init; }
    internal required int CpuCountMax { get; init; }
    internal required string CpuCountSource { get; init; }

    /// <summary>The smaller of the two sizes the window of the image has had since 2.6.26.</summary>
    private const ulong ImageWindowBytes = 512 * Size.MiB;

    /// <summary>Resolves a kernel into facts.</summary>
    internal static X64Facts? Resolve(KernelDescription kernel, out string? impossible)
    {
        KernelVersion version = kernel.Version;
        impossible = KnownKernels.Refusal(kernel);
        if (impossible is not null)
        {
            return null;
        }

        ConfigReader config = new(kernel.Config);
        KnownKernels.StateAssumptions(kernel, config);
        (int cpus, string cpuSource) = CpuCount(config);
        int most = X64Timeline.CpuCountLimit.At(version);
        if (cpus < 1 || cpus > most)
        {
            impossible = $"NR_CPUS={cpus} is out of range for x86-64 {version}: 1 to {most}";
            return null;
        }

        ulong imageStart = config.AskNumber("PHYSICAL_START") ?? X64Timeline.ImageStart.At(version);
        if (imageStart >= ImageWindowBytes)
        {
            impossible = $"PHYSICAL_START=0x{imageStart:x} lies outside the {ImageWindowBytes / Size.MiB} MiB that map the kernel image";
            return null;
        }

        (bool fiveLevels, string levelsSource, impossible) = Levels(kernel, config);
        if (impossible is not null)
        {
            return null;
        }

        bool kaslr = X86Timeline.ImageKaslr.At(version)
            && config.Flag("RANDOMIZE_BASE", byDefault: X86Timeline.ImageKaslrByDefault.At(version), "the default of its time");
        bool noKaslr = kernel.CommandLine.Has("nokaslr");
        bool kasan = config.Ask("KASAN") == true;
        bool randomBases = kaslr && X64Timeline.BasesKaslr.At(version) && !noKaslr && !kasan
            && config.Flag("RANDOMIZE_MEMORY", byDefault: true, "on with RANDOMIZE_BASE");
        if ((!kaslr || noKaslr) && config.AskNumber("PHYSICAL_START") is null)
        {
            config.Assume("PHYSICAL_START", AddressText.Hex(imageStart), "the default of its time");
        }

        string? fullMap = X64Timeline.KaslrFullDirectMap.At(version);
        TimelineRow<X64Map> map = fiveLevels
            ? new TimelineRow<X64Map>(version, X64Timeline.FiveLevels.RowAt(version).Source, X64Timeline.FiveLevels.At(version)!)
            : X64Timeline.FourLevels.RowAt(version);
        return new X64Facts
        {
            Config = config,
            FiveLevels = fiveLevels,
            LevelsSource = levelsSource,
            Map = map.Value,
            MapSource = map.Source,
            Ldt = X64Timeline.Ldt.RowAt(version),
            CpuEntryArea = X64Timeline.CpuEntryArea.RowAt(version),
            Modules = X64Timeline.Modules.RowAt(version),
            FixaddrTop = X64Timeline.FixaddrTop.RowAt(version),
            Fixmap = X64Timeline.Fixmap.RowAt(version),
            FirstFrame = X86Timeline.FirstFrame.RowAt(version),
            PageStructBytes = X64Timeline.PageStructBytes.RowAt(version),
            BasesKaslr = X64Timeline.BasesKaslr.RowAt(version),
            PersistentMemoryCounts = X86Timeline.PersistentMemoryCounts.At(version),
            HasEspfix = X64Timeline.EspfixStacks.At(version) && config.Ask("X86_ESPFIX64") != false,
            HasEfiWindow = X64Timeline.EfiWindow.At(version) && config.Ask("EFI") != false,
            HasLdtWindow = X64Timeline.Ldt.At(version).FourLevels != 0 && config.Ask("MODIFY_LDT_SYSCALL") != false,
            HasKasan = kasan,
            HasKmsan = config.Ask("KMSAN") == true,
            ForceMapLowersModules = X64Timeline.ForceMapLowersModules.At(version) && config.Ask("DEBUG_KMAP_LOCAL_FORCE_MAP") == true,
            LargeImageWindow = kaslr,
            RandomizesImage = kaslr && !noKaslr,
            RandomizesBases = randomBases,
            KaslrPaddingTiB = randomBases
                ? config.Number("RANDOMIZE_MEMORY_PHYSICAL_PADDING", 10, "the default with memory hotplug")
                : 0,
            KaslrKeepsFullDirectMap = fullMap is null || config.Ask(fullMap) == false
                ? false
                : X64Timeline.KaslrFullDirectMapIsCertain.At(version) is { } certain && config.Ask(certain) == true ? true : null,
            HasZoneDma = !X86Timeline.ZoneDmaIsOptional.At(version) || config.Flag("ZONE_DMA", byDefault: true, "on in every usual configuration"),
            HasZoneDma32 = X64Timeline.ZoneDma32.At(version) && config.Ask("ZONE_DMA32") != false,
            HasZoneMovable = X86Timeline.ZoneMovable.At(version),
            HasZoneDevice = config.Ask("ZONE_DEVICE") == true,
            ReserveLowBytes = X86LowMemory.ReservedBytes(kernel.CommandLine, config),
            ImagePhysicalStart = imageStart,
            CpuCountMax = cpus,
            CpuCountSource = cpuSource,
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
                    FixmapCount.Fixed or FixmapCount.VsyscallPage => slot.Pages,
                    FixmapCount.IoApics => IoApicCountMax,
                    FixmapCount.Kmaps => KmapSlots * CpuCountMax,
                    FixmapCount.Cpus => CpuCountMax,
                    FixmapCount.ClockPages => ((CpuCountMax - 1) / 64) + 1,
                }));
            }
        }

        return into;
    }

    /// <summary>MAX_IO_APICS on 64 bit.</summary>
    internal const int IoApicCountMax = 128;

    // KM_MAX_IDX with DEBUG_KMAP_LOCAL, which DEBUG_KMAP_LOCAL_FORCE_MAP needs; there are no kmap entries otherwise.
    private const int KmapSlots = 33;

    private bool IsPresent(string when) => when switch
    {
        "X86_LOCAL_APIC" or "X86_IO_APIC" or "PCI_MMCONFIG" => Config.Flag(when, byDefault: true, "on in every usual configuration"),
        "X86_VSYSCALL_EMULATION" => Config.Flag(when, byDefault: true, "on unless an expert turned it off"),
        "KMAP_LOCAL" => Config.Ask("KMAP_LOCAL") ?? Config.Ask("DEBUG_KMAP_LOCAL_FORCE_MAP") ?? false,
        "KMAP_LOCAL&PCI_MMCONFIG" => IsPresent("KMAP_LOCAL") && IsPresent("PCI_MMCONFIG"),
        "X86_INTEL_MID" => Config.Ask("X86_MRST") == true || Config.Flag(when, byDefault: false, "off in the usual configuration"),
        _ => Config.Flag(when, byDefault: false, "off in the usual configuration"),
    };

    private static (bool Five, string Source, string? Impossible) Levels(KernelDescription kernel, ConfigReader config)
    {
        KernelVersion version = kernel.Version;
        if (X64Timeline.FiveLevels.At(version) is null)
        {
            return config.Ask("X86_5LEVEL") == true
                ? (false, "", $"5-level paging does not exist in {version}: it came with 4.12")
                : (false, "no 5-level paging before 4.12", null);
        }

        bool builtIn = X64Timeline.FiveLevelsAlwaysBuiltIn.At(version)
            || config.Flag("X86_5LEVEL", byDefault: X64Timeline.LevelsChosenAtBoot.At(version), "the default of its time");
        if (!builtIn)
        {
            return (false, "given: X86_5LEVEL=n", null);
        }

        if (!X64Timeline.LevelsChosenAtBoot.At(version))
        {
            return (true, "given: X86_5LEVEL=y, which leaves no choice at boot in this version", null);
        }

        if (kernel.CommandLine.Has("no5lvl"))
        {
            return (false, "given: no5lvl", null);
        }

        bool? processor = kernel.Cpu.Has("la57") ?? (kernel.Cpu.VirtualAddressBits is { } bits ? bits >= 57 : null);
        if (processor is null)
        {
            config.Assume("la57", "n", "nobody said that the processor has 5-level paging");
            return (false, "assumed: a processor without la57", null);
        }

        return (processor.Value, processor.Value ? "given: the processor has la57" : "given: the processor lacks la57", null);
    }

    private static (int Count, string Source) CpuCount(ConfigReader config)
    {
        if (config.AskNumber("NR_CPUS") is { } number)
        {
            return ((int)Math.Min(number, int.MaxValue), "given: NR_CPUS of the configuration");
        }

        if (config.Ask("SMP") == false)
        {
            return (1, "given: a kernel without SMP has NR_CPUS 1");
        }

        config.Assume("NR_CPUS", 64.ToString(CultureInfo.InvariantCulture), "what an ordinary SMP configuration has");
        return (64, "assumed: what an ordinary SMP configuration has");
    }
}
