using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>Everything about a riscv64 kernel that decides an address, resolved from version, configuration and options.</summary>
internal sealed record Riscv64Facts
{
    /// <summary>Address bits in use: 39, 48 or 57.</summary>
    internal required int Bits { get; init; }

    /// <summary>Where <see cref="Bits"/> comes from.</summary>
    internal required string BitsSource { get; init; }

    internal required ulong PageOffset { get; init; }

    internal required string PageOffsetSource { get; init; }

    internal required bool Kasan { get; init; }

    internal required bool ZoneDma32 { get; init; }

    internal required bool Randomizes { get; init; }

    internal required TimelineRow<Riscv64Map> Map { get; init; }

    internal required TimelineRow<bool> ImageApart { get; init; }

    internal required TimelineRow<bool> LosesRamBelowImage { get; init; }

    internal required TimelineRow<bool> Vmemmap { get; init; }

    internal required TimelineRow<bool> PciWindow { get; init; }

    internal required TimelineRow<ulong> FixmapBytes { get; init; }

    internal required ImmutableArray<Assumption> Assumed { get; init; }

    /// <summary>log2 of what one entry of the top table covers (PGDIR_SHIFT): 30, 39 or 48.</summary>
    internal int TopShift => Bits - 9;

    /// <summary>Resolves the facts, or says why there is no such kernel.</summary>
    internal static Riscv64Facts? Resolve(KernelDescription kernel, out string? impossible)
    {
        KernelVersion version = kernel.Version;
        if (KnownKernels.Refusal(kernel) is { } tooOld)
        {
            impossible = tooOld;
            return null;
        }

        ConfigReader config = new(kernel.Config);
        KnownKernels.StateAssumptions(kernel, config);
        TimelineRow<Riscv64Map> map = Riscv64Timelines.Map.RowAt(version);
        (int bits, string bitsSource) = BitsOf(kernel, config);
        (ulong pageOffset, string pageOffsetSource) = map.Value == Riscv64Map.Configured
            ? (ConfiguredPageOffset(kernel.Config, config), "arch/riscv/Kconfig, PAGE_OFFSET")
            : PageOffsetOf(bits, version);
        if (pageOffset % Size.GiB != 0 || pageOffset < 0xff00000000000000)
        {
            impossible = $"PAGE_OFFSET 0x{pageOffset:x} is not a multiple of 1 GiB in the kernel's half";
            return null;
        }

        impossible = null;
        return new Riscv64Facts
        {
            Bits = bits,
            BitsSource = bitsSource,
            PageOffset = pageOffset,
            PageOffsetSource = pageOffsetSource,
            Kasan = config.Flag("KASAN", byDefault: false, "a debugging option"),
            ZoneDma32 = config.Flag("ZONE_DMA32", byDefault: true, "the default of arch/riscv/Kconfig"),
            Randomizes = config.Flag("RANDOMIZE_BASE", byDefault: false, "the default of arch/riscv/Kconfig")
                && !kernel.CommandLine.Has("nokaslr"),
            Map = map,
            ImageApart = Riscv64Timelines.ImageApart.RowAt(version),
            LosesRamBelowImage = Riscv64Timelines.LosesRamBelowImage.RowAt(version),
            Vmemmap = Riscv64Timelines.HasVmemmap.RowAt(version),
            PciWindow = Riscv64Timelines.HasPciWindow.RowAt(version),
            FixmapBytes = Riscv64Timelines.FixmapBytes.RowAt(version),
            Assumed = [.. config.Assumed],
        };
    }

    private static (int Bits, string Source) BitsOf(KernelDescription kernel, ConfigReader reader)
    {
        TimelineRow<int> most = Riscv64Timelines.MostBits.RowAt(kernel.Version);
        int bits = kernel.Config.IsSet("XIP_KERNEL") == true ? 39 : most.Value;
        string source = most.Source;
        if (Riscv64Timelines.CanHoldToFewer.At(kernel.Version))
        {
            bool three = kernel.CommandLine.Has("no4lvl");
            if (bits > 39 && (three || kernel.CommandLine.Has("no5lvl")))
            {
                bits = three ? 39 : Math.Min(bits, 48);
                source = three ? "no4lvl on the command line" : "no5lvl on the command line";
            }
        }

        if (bits == 39)
        {
            return (bits, source);
        }

        if (kernel.Cpu.VirtualAddressBits is { } processor)
        {
            int usable = processor >= 57 ? 57 : processor >= 48 ? 48 : 39;
            return usable < bits ? (usable, "the processor's mmu") : (bits, source);
        }

        reader.Assume("mmu of the processor", "sv" + bits.ToString(CultureInfo.InvariantCulture),
            Riscv64Timelines.DeviceTreeLimits.At(kernel.Version)
                ? "the largest this kernel uses; the device tree's mmu-type may hold it to fewer bits"
                : "the largest this kernel uses; many processors have fewer bits");
        return (bits, source);
    }

    private static ulong ConfiguredPageOffset(KernelConfig config, ConfigReader reader)
    {
        if (config.Number("PAGE_OFFSET") is { } given)
        {
            return given;
        }

        if (config.IsSet("MAXPHYSMEM_2GB") == true)
        {
            return 0xffffffff80000000;
        }

        reader.Assume("MAXPHYSMEM_128GB", "y", "the default of arch/riscv/Kconfig");
        return 0xffffffe000000000;
    }

    private static (ulong PageOffset, string Source) PageOffsetOf(int bits, KernelVersion version)
    {
        TimelineRow<ulong> sv39 = Riscv64Timelines.PageOffsetOfSv39.RowAt(version);
        return bits switch
        {
            39 => (sv39.Value, sv39.Source),
            48 => (0xffffaf8000000000, "arch/riscv/include/asm/page.h, PAGE_OFFSET_L4, 5.17"),
            _ => (0xff60000000000000, "arch/riscv/include/asm/page.h, PAGE_OFFSET_L5 (CONFIG_PAGE_OFFSET up to 6.16), 5.19"),
        };
    }
}
