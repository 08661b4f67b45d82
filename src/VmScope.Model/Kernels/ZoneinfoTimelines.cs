namespace VmScope.Kernels;

/// <summary>Which lines a kernel's /proc/zoneinfo has, of those that are modelled.</summary>
/// <param name="HasBoost">"boost" behind the free pages.</param>
/// <param name="HasPromo">"promo" behind "high".</param>
/// <param name="HasManaged">"managed" behind "present".</param>
/// <param name="HasCma">"cma" behind "managed".</param>
/// <param name="EndsEmptyZones">Whether an empty zone stops after its protection.</param>
/// <param name="PagesetColumn">The column, from 0, of the figures of a CPU's page lists.</param>
public sealed record ZoneinfoFacts(bool HasBoost, bool HasPromo, bool HasManaged, bool HasCma, bool EndsEmptyZones, int PagesetColumn);

/// <summary>The history of /proc/zoneinfo.</summary>
public static class ZoneinfoTimelines
{
    /// <summary>Which lines there are.</summary>
    public static Timeline<ZoneinfoFacts> Lines { get; } = new(
        new(new(2, 6), "mm/page_alloc.c, zoneinfo_show(), 2.6.13; mm/vmstat.c, 2.6.32", new(false, false, false, false, false, 21)),
        new(new(3, 8), "mm/vmstat.c, zoneinfo_show_print(), managed, 3.8", new(false, false, true, false, false, 21)),
        new(new(4, 12), "mm/vmstat.c, zoneinfo_show_print(), read in 5.10: empty zones stop early (first release UNVERIFIED)", new(false, false, true, false, true, 21)),
        new(new(5, 12), "mm/vmstat.c, zoneinfo_show_print(), cma; recorded boots: not in 5.10, in 6.1 (first release UNVERIFIED)", new(false, false, true, true, true, 21)),
        new(new(5, 14), "mm/vmstat.c, zoneinfo_show_print(), boost; recorded boots: in 6.1 (first release UNVERIFIED)", new(true, false, true, true, true, 21)),
        new(new(6, 11), "mm/vmstat.c, zoneinfo_show_print(), promo; recorded boots: not in 6.1, in 6.12 (first release UNVERIFIED)", new(true, true, true, true, true, 21)),
        new(new(6, 15), "mm/vmstat.c, zoneinfo_show_print(), wider figures; recorded boots: not in 6.12, in 7.2 (first release UNVERIFIED)", new(true, true, true, true, true, 24)));
}
