using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>Which address sanitizer shadows the kernel's memory.</summary>
internal enum Arm64Kasan
{
    /// <summary>None that needs address space.</summary>
    None,

    /// <summary>One shadow byte for 8.</summary>
    Generic,

    /// <summary>One shadow byte for 16.</summary>
    SoftwareTags,
}

/// <summary>Everything about an arm64 kernel that decides an address, resolved from version, configuration and options.</summary>
internal sealed record Arm64Facts
{
    /// <summary>log2 of the page size: 12, 14 or 16.</summary>
    internal required int PageShift { get; init; }

    /// <summary>VA_BITS: what the kernel was built for.</summary>
    internal required int BuiltBits { get; init; }

    /// <summary>VA_BITS_MIN: what every processor it boots on must have.</summary>
    internal required int LeastBits { get; init; }

    /// <summary>vabits_actual: what it uses on this processor.</summary>
    internal required int ActualBits { get; init; }

    /// <summary>ARM64_PA_BITS: physical address bits.</summary>
    internal required int PhysicalBits { get; init; }

    internal required Arm64Kasan Kasan { get; init; }

    internal required bool ZoneDma { get; init; }

    internal required bool ZoneDma32 { get; init; }

    /// <summary>Whether the image may be moved at boot: built for it and not forbidden.</summary>
    internal required bool Randomizes { get; init; }

    internal required bool AcpiErrors { get; init; }

    internal required bool SoftwareDelegatedExceptions { get; init; }

    internal required bool UnmapsKernel { get; init; }

    internal required bool Relocatable { get; init; }

    internal required bool Virtualization { get; init; }

    internal required int ConfiguredCpus { get; init; }

    internal required TimelineRow<Arm64Map> Map { get; init; }

    internal required TimelineRow<ulong> ModuleBytes { get; init; }

    internal required TimelineRow<ulong> BpfBytes { get; init; }

    internal required TimelineRow<int> SectionBits { get; init; }

    internal required TimelineRow<bool> LinearMapEndsByActualBits { get; init; }

    internal required TimelineRow<bool> RandomLinearMap { get; init; }

    internal required TimelineRow<Arm64DmaZone> DmaZone { get; init; }

    internal required TimelineRow<Arm64FdtSlots> FdtSlots { get; init; }

    internal required TimelineRow<Arm64Trampoline> Trampoline { get; init; }

    internal required TimelineRow<bool> TextPoke { get; init; }

    internal required TimelineRow<Arm64GhesSlots> GhesSlots { get; init; }

    internal required TimelineRow<bool> VncrSlots { get; init; }

    internal required TimelineRow<bool> BootMessage { get; init; }

    internal required ImmutableArray<Assumption> Assumed { get; init; }

    /// <summary>Bytes of a page.</summary>
    internal ulong PageBytes => 1UL << PageShift;

    // arch/arm64/Kconfig, NR_CPUS.
    private const ulong MostCpus = 4096;

    /// <summary>Resolves the facts, or says why there is no such kernel.</summary>
    internal static Arm64Facts? Resolve(KernelDescription kernel, out string? impossible)
    {
        KernelVersion version = kernel.Version;
        if (KnownKernels.Refusal(kernel) is { } tooOld)
        {
            impossible = tooOld;
            return null;
        }

        ConfigReader config = new(kernel.Config);
        KnownKernels.StateAssumptions(kernel, config);
        Arm64Map map = Arm64Timelines.Map.At(version);
        int shift = PageShiftOf(kernel, config);
        int built = map == Arm64Map.Fixed39 ? 39 : BuiltBitsOf(kernel, config, map, shift);
        if (!Possible(shift, built))
        {
            impossible = $"{built} address bits cannot be built with pages of {(1 << shift) / 1024} KiB";
            return null;
        }

        impossible = built == 52 && map < Arm64Map.Flipped ? TooEarly("52 kernel address bits", Arm64Timelines.Map.Rows.First(row => row.Value == Arm64Map.Flipped).Since)
            : shift == 14 && !Arm64Timelines.CanHave16KPages.At(version) ? TooEarly("pages of 16 KiB", Arm64Timelines.CanHave16KPages.Rows[1].Since)
            : built > 42 && !Arm64Timelines.CanHave48Bits.At(version) ? TooEarly("48 address bits", Arm64Timelines.CanHave48Bits.Rows[1].Since)
            : null;
        if (impossible is not null)
        {
            return null;
        }

        string TooEarly(string what, KernelVersion since) => $"{what} appear in {since}; this is {version}";

        ulong cpus = config.Number("NR_CPUS", 512, "the default of arch/arm64/Kconfig from 6.9 on");
        ulong physicalBits = config.Number("ARM64_PA_BITS", 48, "the default of arch/arm64/Kconfig");
        impossible = cpus is 0 or > MostCpus ? $"NR_CPUS={cpus} is out of range for arm64: 1 to {MostCpus}"
            : physicalBits is not (48 or 52) ? $"ARM64_PA_BITS={physicalBits} is neither 48 nor 52"
            : null;
        if (impossible is not null)
        {
            return null;
        }

        int least = built <= 48 ? built : shift == 14 ? Arm64Timelines.LeastBitsOf52With16K.At(version) : 48;
        bool randomizes = config.Flag("RANDOMIZE_BASE", byDefault: true, "distributions set it")
            && !kernel.CommandLine.Has("nokaslr");
        return new Arm64Facts
        {
            PageShift = shift,
            BuiltBits = built,
            LeastBits = least,
            ActualBits = ActualBitsOf(kernel, config, built, least),
            PhysicalBits = (int)physicalBits,
            Kasan = KasanOf(kernel.Config, config, version),
            ZoneDma = config.Flag("ZONE_DMA", byDefault: true, "the default of arch/arm64/Kconfig"),
            ZoneDma32 = config.Flag("ZONE_DMA32", byDefault: true, "the default of arch/arm64/Kconfig"),
            Randomizes = randomizes,
            AcpiErrors = config.Flag("ACPI_APEI_GHES", byDefault: false, "its usual value outside servers"),
            SoftwareDelegatedExceptions = config.Flag("ARM_SDE_INTERFACE", byDefault: false, "its usual value outside servers"),
            UnmapsKernel = config.Flag("UNMAP_KERNEL_AT_EL0", byDefault: true, "the default of arch/arm64/Kconfig"),
            Relocatable = config.Flag("RELOCATABLE", byDefault: true, "RANDOMIZE_BASE selects it"),
            Virtualization = config.Flag("KVM", byDefault: false, "cloud kernels leave it out"),
            ConfiguredCpus = (int)cpus,
            Map = Arm64Timelines.Map.RowAt(version),
            ModuleBytes = Arm64Timelines.ModuleBytes.RowAt(version),
            BpfBytes = Arm64Timelines.BpfBytes.RowAt(version),
            SectionBits = Arm64Timelines.SectionBits.RowAt(version),
            LinearMapEndsByActualBits = Arm64Timelines.LinearMapEndsByActualBits.RowAt(version),
            RandomLinearMap = Arm64Timelines.RandomLinearMap.RowAt(version),
            DmaZone = Arm64Timelines.DmaZone.RowAt(version),
            FdtSlots = Arm64Timelines.FdtSlots.RowAt(version),
            Trampoline = Arm64Timelines.Trampoline.RowAt(version),
            TextPoke = Arm64Timelines.TextPoke.RowAt(version),
            GhesSlots = Arm64Timelines.GhesSlots.RowAt(version),
            VncrSlots = Arm64Timelines.VncrSlots.RowAt(version),
            BootMessage = Arm64Timelines.BootMessage.RowAt(version),
            Assumed = [.. config.Assumed],
        };
    }

    // arch/arm64/Kconfig: which sizes of address space exist for which page.
    private static bool Possible(int pageShift, int bits) => pageShift switch
    {
        12 => bits is 39 or 48 or 52,
        14 => bits is 36 or 47 or 48 or 52,
        _ => bits is 42 or 48 or 52,
    };

    private static int PageShiftOf(KernelDescription kernel, ConfigReader reader)
    {
        KernelConfig config = kernel.Config;
        if (config.Number("ARM64_PAGE_SHIFT") is { } given and (12 or 14 or 16))
        {
            return (int)given;
        }

        if (config.IsSet("ARM64_64K_PAGES") == true)
        {
            return 16;
        }

        if (config.IsSet("ARM64_16K_PAGES") == true)
        {
            return 14;
        }

        if (config.IsSet("ARM64_4K_PAGES") is not null)
        {
            return 12;
        }

        // Distributions that build for several page sizes name the others.
        foreach ((string name, string symbol, int shift) in (ReadOnlySpan<(string, string, int)>)
            [("64k", "ARM64_64K_PAGES", 16), ("16k", "ARM64_16K_PAGES", 14)])
        {
            if (kernel.Identity.Release.Contains(name, StringComparison.OrdinalIgnoreCase))
            {
                reader.Assume(symbol, "y", $"the release is named …{name}");
                return shift;
            }
        }

        reader.Assume("ARM64_4K_PAGES", "y", "the usual page size");
        return 12;
    }

    private static int BuiltBitsOf(KernelDescription kernel, ConfigReader reader, Arm64Map map, int pageShift)
    {
        KernelConfig config = kernel.Config;
        if (config.Number("ARM64_VA_BITS") is { } given and < 64)
        {
            return (int)given;
        }

        foreach (int bits in (ReadOnlySpan<int>)[36, 39, 42, 47, 48, 52])
        {
            if (config.IsSet("ARM64_VA_BITS_" + bits.ToString(CultureInfo.InvariantCulture)) == true)
            {
                return bits;
            }
        }

        bool is52 = Arm64Timelines.Builds52BitsByDefault.At(kernel.Version);
        int usual = is52 ? 52 : map >= Arm64Map.LinearOnTopSized ? 48 : pageShift == 16 ? 42 : 39;
        reader.Assume("ARM64_VA_BITS", usual.ToString(CultureInfo.InvariantCulture),
            is52 ? "the default of arch/arm64/Kconfig by then" : "distributions build for it");
        return usual;
    }

    private static int ActualBitsOf(KernelDescription kernel, ConfigReader reader, int built, int least)
    {
        if (built <= least)
        {
            return built;
        }

        if (kernel.CommandLine.Has("arm64.nolva") && Arm64Timelines.CanRefuse52.At(kernel.Version))
        {
            return least;
        }

        if (kernel.Cpu.VirtualAddressBits is { } bits)
        {
            return bits >= built ? built : least;
        }

        reader.Assume("52-bit addresses of the processor", "no", "nobody said it has LVA or LPA2, and most have not");
        return least;
    }

    private static Arm64Kasan KasanOf(KernelConfig config, ConfigReader reader, KernelVersion version)
    {
        if (!Arm64Timelines.CanHaveKasan.At(version) || !reader.Flag("KASAN", byDefault: false, "a debugging option"))
        {
            return Arm64Kasan.None;
        }

        return config.IsSet("KASAN_HW_TAGS") == true ? Arm64Kasan.None
            : config.IsSet("KASAN_SW_TAGS") == true ? Arm64Kasan.SoftwareTags
            : Arm64Kasan.Generic;
    }
}
