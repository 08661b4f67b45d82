using System.Collections.Immutable;
using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>Everything about a 32-bit arm kernel that decides an address, resolved from version, configuration and options.</summary>
internal sealed record ArmFacts
{
    /// <summary>PAGE_OFFSET.</summary>
    internal required ulong PageOffset { get; init; }

    /// <summary>Whether the long page table format is used (physical addresses past 4 GiB).</summary>
    internal required bool LargePhysicalAddresses { get; init; }

    internal required bool HighMemory { get; init; }

    internal required bool ZoneDma { get; init; }

    internal required bool Modules { get; init; }

    /// <summary>Bytes of the module window below PAGE_OFFSET.</summary>
    internal required ulong ModuleWindowBytes { get; init; }

    /// <summary>KASAN_SHADOW_OFFSET; null without KASAN.</summary>
    internal required ulong? KasanShadowOffset { get; init; }

    /// <summary>Kmap slots of one CPU in the fixmap.</summary>
    internal required int KmapSlotsPerCpu { get; init; }

    internal required int ConfiguredCpus { get; init; }

    internal required TimelineRow<ulong?> VmallocEnd { get; init; }

    internal required TimelineRow<ArmVmallocReserve> Reserve { get; init; }

    internal required TimelineRow<bool> Pkmap { get; init; }

    internal required TimelineRow<ArmFixmapWindow> Fixmap { get; init; }

    internal required TimelineRow<int> KmapSlots { get; init; }

    internal required TimelineRow<bool> FdtWindow { get; init; }

    internal required TimelineRow<ulong?> ConsistentDmaEnd { get; init; }

    internal required TimelineRow<int> VectorPages { get; init; }

    internal required TimelineRow<ArmBootMessage> BootMessage { get; init; }

    /// <summary>The value of <c>vmalloc=</c>; null without it.</summary>
    internal required ulong? VmallocOption { get; init; }

    internal required ImmutableArray<Assumption> Assumed { get; init; }

    // arch/arm/Kconfig, NR_CPUS.
    private const ulong MostCpus = 32;

    /// <summary>Resolves the facts, or says why there is no such kernel.</summary>
    internal static ArmFacts? Resolve(KernelDescription kernel, out string? impossible)
    {
        KernelVersion version = kernel.Version;
        if (KnownKernels.Refusal(kernel) is { } tooOld)
        {
            impossible = tooOld;
            return null;
        }

        ConfigReader config = new(kernel.Config);
        KnownKernels.StateAssumptions(kernel, config);
        ulong pageOffset = PageOffsetOf(kernel.Config, config);
        bool isNamedLpae = kernel.Identity.Release.EndsWith("lpae", StringComparison.OrdinalIgnoreCase);
        bool lpae = config.Flag("ARM_LPAE", isNamedLpae, isNamedLpae ? "the release is named …lpae" : "the usual choice of a 32-bit arm kernel");
        bool highMemory = config.Flag("HIGHMEM", byDefault: true, "distributions and multi-platform kernels set it");
        bool zoneDma = config.Flag("ZONE_DMA", byDefault: true, "multi-platform kernels set it");
        bool modules = config.Flag("MODULES", byDefault: true, "nearly every kernel has modules");
        bool thumb = config.Flag("THUMB2_KERNEL", byDefault: false, "the default of arch/arm/Kconfig");
        ulong cpus = config.Number("NR_CPUS", 4, "the default of arch/arm/Kconfig");
        if (cpus is 0 or > MostCpus)
        {
            impossible = $"NR_CPUS={cpus} is out of range for arm: 1 to {MostCpus}";
            return null;
        }

        if (pageOffset is < 512 * Size.MiB or > 0xe0000000)
        {
            impossible = $"PAGE_OFFSET 0x{pageOffset:x} leaves no room for user space, or none for the kernel";
            return null;
        }

        if (pageOffset % (lpae ? Size.GiB : 2 * Size.MiB) != 0)
        {
            impossible = $"PAGE_OFFSET {pageOffset:x8} is not a multiple of {(lpae ? "1 GiB, which LPAE needs" : "2 MiB")}";
            return null;
        }

        TimelineRow<bool> pkmap = ArmTimelines.HasPkmap.RowAt(version);
        bool kasan = ArmTimelines.CanHaveKasan.At(version) && config.Flag("KASAN", byDefault: false, "a debugging option");
        int slots = ArmTimelines.KmapSlots.At(version);
        int guarded = ArmTimelines.KmapSlotsWithGuards.At(version);
        if (guarded != 0 && config.Flag("DEBUG_KMAP_LOCAL", byDefault: false, "a debugging option"))
        {
            slots = guarded;
        }

        ulong shadowOffset = ShadowOffset(pageOffset);
        if (kasan && kernel.Config.Number("KASAN_SHADOW_OFFSET") is { } given && given != shadowOffset)
        {
            impossible = $"KASAN_SHADOW_OFFSET 0x{given:x} is not 0x{shadowOffset:x}, which goes with PAGE_OFFSET 0x{pageOffset:x}";
            return null;
        }

        impossible = null;
        return new ArmFacts
        {
            PageOffset = pageOffset,
            LargePhysicalAddresses = lpae,
            HighMemory = highMemory,
            ZoneDma = zoneDma,
            Modules = modules,
            ModuleWindowBytes = (thumb && ArmTimelines.ThumbShrinksModules.At(version) ? 8UL : 16UL) * Size.MiB,
            KasanShadowOffset = kasan ? shadowOffset : null,
            KmapSlotsPerCpu = slots,
            ConfiguredCpus = (int)cpus,
            VmallocEnd = ArmTimelines.VmallocEnd.RowAt(version),
            Reserve = ArmTimelines.Reserve.RowAt(version),
            Pkmap = pkmap,
            Fixmap = ArmTimelines.Fixmap.RowAt(version),
            KmapSlots = ArmTimelines.KmapSlots.RowAt(version),
            FdtWindow = ArmTimelines.HasFdtWindow.RowAt(version),
            ConsistentDmaEnd = ArmTimelines.ConsistentDmaEnd.RowAt(version),
            VectorPages = ArmTimelines.VectorPages.RowAt(version),
            BootMessage = ArmTimelines.BootMessage.RowAt(version),
            VmallocOption = kernel.CommandLine.Last("vmalloc") is { } text
                ? KernelCommandLine.MemoryParse(text, out _) & uint.MaxValue ?? 0
                : null,
            Assumed = [.. config.Assumed],
        };
    }

    private static ulong PageOffsetOf(KernelConfig config, ConfigReader reader)
    {
        if (config.Number("PAGE_OFFSET") is { } given)
        {
            return given & uint.MaxValue;
        }

        foreach ((string symbol, ulong value) in Splits)
        {
            if (config.IsSet(symbol) == true)
            {
                return value;
            }
        }

        reader.Assume("PAGE_OFFSET", "0xc0000000", "VMSPLIT_3G is the default");
        return 0xc0000000;
    }

    private static readonly (string Symbol, ulong PageOffset)[] Splits =
    [
        ("VMSPLIT_3G", 0xc0000000),
        ("VMSPLIT_3G_OPT", 0xb0000000),
        ("VMSPLIT_2G", 0x80000000),
        ("VMSPLIT_1G", 0x40000000),
    ];

    // arch/arm/Kconfig, KASAN_SHADOW_OFFSET, 5.11: one value for each split.
    private static ulong ShadowOffset(ulong pageOffset) => pageOffset switch
    {
        0x40000000 => 0x1f000000,
        0x80000000 => 0x5f000000,
        0xb0000000 => 0x8f000000,
        _ => 0x9f000000,
    };
}
