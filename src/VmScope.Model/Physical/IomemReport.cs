using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>One line of /proc/iomem: a claimed physical range.</summary>
/// <param name="Depth">How many ranges enclose it; 0 at the top.</param>
/// <param name="Range">The range. The kernel prints both ends inclusive.</param>
/// <param name="Name">Who claimed it.</param>
public sealed record IomemEntry(int Depth, PhysicalRange Range, string Name);

/// <summary>What /proc/iomem says, in its order: enclosing ranges before the ones inside.</summary>
/// <param name="Entries">The ranges.</param>
/// <param name="AddressesHidden">
/// Whether the kernel printed zeros for every address, as it does for readers without CAP_SYS_ADMIN (4.6 and later);
/// then there are no entries.
/// </param>
/// <remarks>Source: kernel/resource.c, r_show().</remarks>
public sealed record IomemReport(ImmutableArray<IomemEntry> Entries, bool AddressesHidden)
{
    private const string Ram = "System RAM";

    /// <summary>
    /// The RAM and what firmware keeps, as the kernel saw them after its options: top-level ranges by their names.
    /// Null when the addresses are hidden or nothing is called System RAM.
    /// </summary>
    public MemoryMap? ToMemoryMap()
    {
        List<MemoryMapEntry> map = [];
        foreach (IomemEntry entry in Entries)
        {
            if (entry.Depth == 0 && KindOf(entry.Name) is { } kind)
            {
                map.Add(new MemoryMapEntry(entry.Range, kind));
            }
        }

        return map.Exists(entry => entry.Kind == MemoryKind.Usable) ? new MemoryMap(map) : null;
    }

    // The names of arch/x86/kernel/e820.c, e820_type_to_string(), and of the device-tree architectures.
    private static MemoryKind? KindOf(string name) => name switch
    {
        Ram or "System RAM (boot alias)" => MemoryKind.Usable,
        "Reserved" or "reserved" or "device reserved" => MemoryKind.Reserved,
        "ACPI Tables" => MemoryKind.AcpiData,
        "ACPI Non-volatile Storage" => MemoryKind.AcpiNvs,
        "RAM buffer" => null,
        "Unusable memory" or "Persistent Memory" or "Persistent Memory (legacy)" or "Soft Reserved" => MemoryKind.Other,
        _ => null,
    };
}
