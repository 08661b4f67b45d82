using VmScope.Kernels;
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
