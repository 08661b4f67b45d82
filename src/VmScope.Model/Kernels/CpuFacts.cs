using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>What is known of the processors a kernel boots on.</summary>
public sealed record CpuFacts
{
    /// <summary>Nothing is known.</summary>
    public static CpuFacts Unknown { get; } = new();

    /// <summary>Feature flags as /proc/cpuinfo names them (la57, pse, nx, pdpe1gb); null when nobody said.</summary>
    public ImmutableHashSet<string>? Flags { get; init; }

    /// <summary>Processors present at boot; null when nobody said.</summary>
    public int? Count { get; init; }

    /// <summary>Physical address bits; null when nobody said.</summary>
    public int? PhysicalAddressBits { get; init; }

    /// <summary>
    /// Virtual address bits the processor can translate: 48 or 57 on x86-64, 48 or 52 on arm64, 39, 48 or 57 on
    /// riscv64; null when nobody said.
    /// </summary>
    public int? VirtualAddressBits { get; init; }

    /// <summary>Whether the processor has a feature flag; null when the flags are not known.</summary>
    public bool? Has(string flag) => Flags?.Contains(flag);
}
