using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>What a boot log says that a layout follows from: nothing in here is a result of the layout.</summary>
public sealed record DmesgInputs
{
    /// <summary>The "Linux version …" line; null when the log does not go back to the boot.</summary>
    public string? Banner { get; init; }

    /// <summary>The kernel, from the banner.</summary>
    public KernelIdentity? Kernel { get; init; }

    /// <summary>The architecture, from lines only one has; unknown when there are none.</summary>
    public Architecture Architecture { get; init; }

    /// <summary>The kernel command line; null when not printed.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Whether the log cut the command line: printk keeps about a thousand characters of a message.</summary>
    public bool CommandLineIsCut { get; init; }

    /// <summary>The firmware's map before the kernel's options changed it (x86); null elsewhere.</summary>
    public MemoryMap? FirmwareMap { get; init; }

    /// <summary>The memory the kernel keeps by node ("Early memory node ranges"), neighbours joined; null when not printed.</summary>
    public MemoryMap? NodeRanges { get; init; }

    /// <summary>RAM the kernel says it cannot use ("Ignoring RAM at …", 32-bit arm).</summary>
    public ImmutableArray<PhysicalRange> IgnoredRam { get; init; } = [];

    /// <summary>Possible processors (nr_cpu_ids); null when not printed.</summary>
    public int? PossibleCpus { get; init; }

    /// <summary>NR_CPUS of the build; null when not printed.</summary>
    public int? CpusMax { get; init; }

    /// <summary>Whether no-execute protection is active (x86); null when not printed.</summary>
    public bool? NxActive { get; init; }

    /// <summary>Whether user and kernel have separate page tables; null when not printed.</summary>
    public bool? PageTableIsolation { get; init; }

    /// <summary>Whether the arm64 processor offers 52-bit virtual addresses; false when the log does not say so.</summary>
    public bool Has52BitVirtualAddresses { get; init; }

    /// <summary>Which memory the firmware says belongs to which NUMA node ("ACPI: SRAT: Node …"); empty when it says nothing.</summary>
    public ImmutableArray<NumaRange> NumaRanges { get; init; } = [];

    /// <summary>The machine's name from its device tree; null when there is none.</summary>
    public string? MachineModel { get; init; }
}

/// <summary>A zone as the boot log announces it.</summary>
/// <param name="Name">DMA, DMA32, Normal, HighMem, Movable, Device.</param>
/// <param name="Range">Its physical range; null for an empty zone.</param>
public sealed record DmesgZone(string Name, PhysicalRange? Range);

/// <summary>One line of the "virtual kernel memory layout" block.</summary>
/// <param name="Label">The region's name as printed: vmalloc, lowmem, fixmap, .text …</param>
/// <param name="Start">The first address printed; null when it is hidden.</param>
/// <param name="End">The second address printed: an exclusive end on most architectures, as printed here.</param>
/// <param name="Size">The size printed, or computed where none is, in <paramref name="Unit"/>s, already rounded by the kernel.</param>
/// <param name="Unit">kB, KB, MB, GB, TB as printed.</param>
/// <param name="Text">The whole line without its log prefix.</param>
public sealed record LayoutLine(string Label, VirtualAddress? Start, VirtualAddress? End, ulong Size, string Unit, string Text);

/// <summary>The "Memory: …" line.</summary>
/// <param name="AvailableKiB">Free memory at that moment; null in forms without it.</param>
/// <param name="TotalKiB">All memory; null in forms without it.</param>
/// <param name="Parts">The amounts listed in KiB by name: kernel code, rwdata, reserved, highmem …</param>
/// <param name="Text">The whole line without its log prefix.</param>
public sealed record MemoryLine(
    ulong? AvailableKiB, ulong? TotalKiB, ImmutableArray<(string Name, ulong KiB)> Parts, string Text);

/// <summary>How the first per-CPU chunk was made ("percpu: Embedded 33 pages/cpu s103316 r0 d31852 u135168").</summary>
/// <param name="Embedded">True for an embedded first chunk (in the direct map), false for one made of pages (in vmalloc space).</param>
/// <param name="PagesPerCpu">Pages of each CPU's unit.</param>
/// <param name="StaticBytes">The kernel's own per-CPU variables.</param>
/// <param name="ReservedBytes">Kept for modules.</param>
/// <param name="DynamicBytes">For run-time allocations.</param>
/// <param name="UnitBytes">Distance between two CPUs' units in every chunk; 0 when not printed.</param>
public sealed record PercpuLine(
    bool Embedded, ulong PagesPerCpu, ulong StaticBytes, ulong ReservedBytes, ulong DynamicBytes, ulong UnitBytes);

/// <summary>Everything a boot log says that vmscope uses.</summary>
public sealed record DmesgReport
{
    /// <summary>What a layout follows from.</summary>
    public required DmesgInputs Inputs { get; init; }

    /// <summary>The map after the options mem= and memmap= ("user-defined physical RAM map"); null without them.</summary>
    public MemoryMap? UserMap { get; init; }

    /// <summary>The zones announced.</summary>
    public ImmutableArray<DmesgZone> Zones { get; init; } = [];

    /// <summary>"875MB LOWMEM available.": lowmem in MiB, rounded down; null when not printed.</summary>
    public ulong? LowmemMiB { get; init; }

    /// <summary>"147MB HIGHMEM available.": highmem in MiB, rounded down; null when not printed.</summary>
    public ulong? HighmemMiB { get; init; }

    /// <summary>The end of "low ram: 0 - 36bfe000" (i386); null when not printed.</summary>
    public PhysicalAddress? LowRamEnd { get; init; }

    /// <summary>The end of "mapped low ram: 0 - 36bfe000" (i386); null when not printed.</summary>
    public PhysicalAddress? MappedLowRamEnd { get; init; }

    /// <summary>Every "last_pfn = … max_arch_pfn = …" line in order (x86).</summary>
    public ImmutableArray<(ulong LastPfn, ulong MaxArchPfn)> LastPfns { get; init; } = [];

    /// <summary>The heading of the layout block ("virtual kernel memory layout:"); null without a block.</summary>
    public string? LayoutTitle { get; init; }

    /// <summary>The lines of the layout block.</summary>
    public ImmutableArray<LayoutLine> Layout { get; init; } = [];

    /// <summary>The "Memory:" lines.</summary>
    public ImmutableArray<MemoryLine> Memory { get; init; } = [];

    /// <summary>The first per-CPU chunk; null when not printed.</summary>
    public PercpuLine? Percpu { get; init; }

    /// <summary>Failures of vmalloc, vmap and their relatives.</summary>
    public ImmutableArray<VmallocFailure> Failures { get; init; } = [];

    /// <summary>How many earlier ones of a very long log are not among them.</summary>
    public long FailuresLeftOut { get; init; }

    /// <summary>Messages the kernel swallowed, by the function that counted them.</summary>
    public ImmutableArray<SuppressedMessages> Suppressed { get; init; } = [];

    /// <summary>A region of the layout block by its label, also where it is the first of several ("vmalloc &amp; ioremap"); null when not printed.</summary>
    public LayoutLine? LayoutOf(string label) =>
        Layout.FirstOrDefault(line => string.Equals(line.Label, label, StringComparison.Ordinal)
            || line.Label.StartsWith(label + " & ", StringComparison.Ordinal));
}
