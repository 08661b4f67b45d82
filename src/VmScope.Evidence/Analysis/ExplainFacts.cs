using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Analysis;

/// <summary>What is known beside the list itself; everything may be missing.</summary>
public sealed record ExplainFacts
{
    /// <summary>Nothing but the list.</summary>
    public static ExplainFacts None { get; } = new();

    /// <summary>The kernel.</summary>
    public KernelIdentity? Kernel { get; init; }

    /// <summary>The architecture.</summary>
    public Architecture Architecture { get; init; }

    /// <summary>Bytes of a page; null when nobody said.</summary>
    public ulong? PageBytes { get; init; }

    /// <summary>The build's configuration.</summary>
    public KernelConfig Config { get; init; } = KernelConfig.Nothing;

    /// <summary>The boot options; null when nobody said.</summary>
    public KernelCommandLine? CommandLine { get; init; }

    /// <summary>VmallocTotal of /proc/meminfo in KiB.</summary>
    public ulong? VmallocTotalKiB { get; init; }

    /// <summary>VmallocUsed of /proc/meminfo in KiB.</summary>
    public ulong? VmallocUsedKiB { get; init; }

    /// <summary>MemTotal of /proc/meminfo in KiB.</summary>
    public ulong? MemTotalKiB { get; init; }

    /// <summary>The vmalloc line of the boot log's layout block, its end exclusive; null when not printed.</summary>
    public (ulong Start, ulong EndExclusive)? BootLogVmalloc { get; init; }

    /// <summary>The modules line of the boot log's layout block, its end exclusive; null when not printed.</summary>
    public (ulong Start, ulong EndExclusive)? BootLogModules { get; init; }

    /// <summary>Processors the kernel can ever have; null when nobody said.</summary>
    public int? PossibleCpus { get; init; }

    /// <summary>Bytes between two processors' units of a per-CPU chunk; null when nobody said.</summary>
    public ulong? PercpuUnitBytes { get; init; }

    /// <summary>The layout computed from everything above; null when that is not possible.</summary>
    public KernelLayout? Predicted { get; init; }
}
