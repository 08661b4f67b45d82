using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>The part of a zone's description a line of /proc/zoneinfo belongs to.</summary>
public enum ZoneinfoSection
{
    /// <summary>"per-node stats": counters of the whole node, printed with its first populated zone (4.8 and later).</summary>
    Node,

    /// <summary>Watermarks and sizes: free, min, low, high, spanned, present, managed, protection.</summary>
    Pages,

    /// <summary>Counters of the zone (nr_free_pages and the rest).</summary>
    Counters,

    /// <summary>The per-CPU page lists.</summary>
    Pagesets,

    /// <summary>What follows them: start_pfn, node_unreclaimable and whatever the version adds.</summary>
    Tail,
}

/// <summary>One line of a zone's description.</summary>
/// <param name="Section">Where it stands.</param>
/// <param name="Indent">Blanks before the name.</param>
/// <param name="Name">The name as printed, with its colon if it has one; "pages free" is one name.</param>
/// <param name="ValueColumn">The column (from 0) its value begins at; 0 for a heading, which has none.</param>
/// <param name="Value">The number; null for a heading and for the protection list.</param>
/// <param name="Text">What stands there instead of a number: the protection list. Null otherwise.</param>
public sealed record ZoneinfoLine(
    ZoneinfoSection Section, int Indent, string Name, int ValueColumn, ulong? Value, string? Text = null);

/// <summary>One zone of /proc/zoneinfo.</summary>
/// <param name="Node">NUMA node.</param>
/// <param name="Zone">Zone name: DMA, DMA32, Normal, HighMem, Movable, Device.</param>
/// <param name="Lines">Its lines in order.</param>
public sealed record ZoneinfoZone(int Node, string Zone, ImmutableArray<ZoneinfoLine> Lines)
{
    /// <summary>Free pages.</summary>
    public ulong? Free => Page("pages free");

    /// <summary>The minimum watermark in pages.</summary>
    public ulong? Min => Page("min");

    /// <summary>The low watermark in pages.</summary>
    public ulong? Low => Page("low");

    /// <summary>The high watermark in pages.</summary>
    public ulong? High => Page("high");

    /// <summary>Page frames from the zone's first to its last, holes included.</summary>
    public ulong? Spanned => Page("spanned");

    /// <summary>Page frames that exist.</summary>
    public ulong? Present => Page("present");

    /// <summary>Page frames the buddy allocator got (3.8 and later).</summary>
    public ulong? Managed => Page("managed");

    /// <summary>The zone's first page frame; null for an empty zone of a newer kernel, which prints none.</summary>
    public ulong? StartPfn => Find(ZoneinfoSection.Tail, "start_pfn:");

    /// <summary>A counter of the zone, by its full name; null when this kernel has none.</summary>
    public ulong? Counter(string name) => Find(ZoneinfoSection.Counters, name);

    /// <summary>A counter of the zone's node; null when it is not printed with this zone.</summary>
    public ulong? NodeCounter(string name) => Find(ZoneinfoSection.Node, name);

    private ulong? Page(string name) => Find(ZoneinfoSection.Pages, name);

    private ulong? Find(ZoneinfoSection section, string name) => Lines.FirstOrDefault(line =>
        line.Section == section && string.Equals(line.Name, name, StringComparison.Ordinal))?.Value;
}

/// <summary>What /proc/zoneinfo says, in its order.</summary>
/// <param name="Zones">The zones; newer kernels list empty ones too.</param>
/// <remarks>Source: mm/vmstat.c, zoneinfo_show_print().</remarks>
public sealed record ZoneinfoReport(ImmutableArray<ZoneinfoZone> Zones);
