using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Layout;

/// <summary>A piece of memory and the NUMA node it belongs to.</summary>
/// <param name="Node">The node number, 0 or more.</param>
/// <param name="Range">The physical range.</param>
public sealed record NumaRange(int Node, PhysicalRange Range);

/// <summary>Everything a prediction may use: inputs of a boot, never an answer of one.</summary>
/// <param name="Kernel">The kernel and how it is started.</param>
public sealed record LayoutInputs(KernelDescription Kernel)
{
    /// <summary>The memory map as the firmware reports it, before the kernel's options change it; null when nobody said.</summary>
    public MemoryMap? Memory { get; init; }

    /// <summary>The amount of RAM in bytes, for when there is no <see cref="Memory"/>; null when nobody said.</summary>
    public ulong? RamBytes { get; init; }

    /// <summary>Which memory belongs to which NUMA node; empty for one node.</summary>
    public ImmutableArray<NumaRange> NumaRanges { get; init; } = [];

    /// <summary>What the caller had to assume while putting these inputs together.</summary>
    public ImmutableArray<Assumption> Assumed { get; init; } = [];
}
