using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>What the firmware says a piece of the physical address space is.</summary>
public enum MemoryKind
{
    /// <summary>RAM the kernel may use.</summary>
    Usable,

    /// <summary>Kept by firmware or hardware.</summary>
    Reserved,

    /// <summary>ACPI tables; reclaimable.</summary>
    AcpiData,

    /// <summary>ACPI non-volatile storage.</summary>
    AcpiNvs,

    /// <summary>Anything else that was named.</summary>
    Other,
}

/// <summary>One entry of a memory map.</summary>
/// <param name="Range">The physical range; not necessarily whole pages.</param>
/// <param name="Kind">What it is.</param>
public sealed record MemoryMapEntry(PhysicalRange Range, MemoryKind Kind);

/// <summary>The physical memory map of a machine, before the kernel's options changed it.</summary>
public sealed class MemoryMap
{
    /// <summary>Makes a map; entries are kept sorted by address.</summary>
    public MemoryMap(IEnumerable<MemoryMapEntry> entries) =>
        Entries = [.. entries.OrderBy(entry => entry.Range.Start.Value).ThenBy(entry => entry.Range.SizeBytes)];

    /// <summary>The entries, lowest address first.</summary>
    public ImmutableArray<MemoryMapEntry> Entries { get; }

    /// <summary>The usable ranges, lowest address first.</summary>
    public IEnumerable<PhysicalRange> Usable =>
        Entries.Where(entry => entry.Kind == MemoryKind.Usable).Select(entry => entry.Range);
}
