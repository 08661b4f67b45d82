using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Machine;

/// <summary>A machine to boot: its kernel, its memory, its CPUs.</summary>
/// <param name="Kernel">The kernel and how it is started.</param>
public sealed record MachineDescription(KernelDescription Kernel)
{
    /// <summary>The memory map; null to make one from <see cref="RamBytes"/>.</summary>
    public MemoryMap? Memory { get; init; }

    /// <summary>The amount of RAM in bytes, for when there is no <see cref="Memory"/>.</summary>
    public ulong RamBytes { get; init; } = 1 * Size.GiB;

    /// <summary>CPUs online, 1 to 64.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>The task that runs on every CPU until another is switched to: failure messages name it.</summary>
    public string Task { get; init; } = "insmod";

    /// <summary>min_free_kbytes as an administrator set it; null for the kernel's own formula.</summary>
    public ulong? MinFreeKiB { get; init; }

    /// <summary>Which memory belongs to which NUMA node, numbered from 0 without gaps; empty for one node. x86-64 only.</summary>
    public ImmutableArray<NumaRange> NumaRanges { get; init; } = [];

    /// <summary>The NUMA node of each CPU; empty to give every node as many as the others, in order.</summary>
    public ImmutableArray<int> CpuNodes { get; init; } = [];

    /// <summary>NUMA nodes.</summary>
    public int NodeCount => NumaRanges.IsDefaultOrEmpty ? 1 : NumaRanges.Max(range => range.Node) + 1;

    /// <summary>The same machine with its memory, holes included, cut into nodes of one size.</summary>
    /// <param name="nodes">How many; 1 or more. Each begins at a multiple of 4 MiB.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no memory for so many.</exception>
    public MachineDescription WithNodes(int nodes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nodes, 1);
        ulong end = (Memory ?? MachineReports.DefaultMap(RamBytes)).Usable.Max(range => range.EndExclusive.Value);
        ulong step = Align.Down(end / (ulong)nodes, 4 * Size.MiB);
        ArgumentOutOfRangeException.ThrowIfZero(step, nameof(nodes));
        return nodes == 1 ? this with { NumaRanges = [] } : this with
        {
            NumaRanges =
            [
                .. Enumerable.Range(0, nodes).Select(node => new NumaRange(node, PhysicalRange.FromBounds(
                    new PhysicalAddress((ulong)node * step), new PhysicalAddress(node == nodes - 1 ? end : (ulong)(node + 1) * step)))),
            ],
        };
    }

    /// <summary>The NUMA node of a CPU.</summary>
    internal int NodeOfCpu(int cpu) =>
        !CpuNodes.IsDefaultOrEmpty ? CpuNodes[cpu] : Cpus >= NodeCount ? cpu * NodeCount / Cpus : cpu;

    /// <summary>Whether page table isolation is active, which takes the global bit from kernel mappings.</summary>
    public bool PageTableIsolation { get; init; }
}

/// <summary>What became of booting a machine.</summary>
public abstract record BootOutcome
{
    private BootOutcome()
    {
    }

    /// <summary>It runs.</summary>
    /// <param name="Machine">The machine.</param>
    public sealed record Booted(BootedMachine Machine) : BootOutcome;

    /// <summary>Such a machine cannot be booted, or is not modelled.</summary>
    /// <param name="Reason">Why.</param>
    public sealed record Impossible(string Reason) : BootOutcome;
}
