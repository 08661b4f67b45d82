using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>Makes the placer of an era.</summary>
internal static class AreaPlacers
{
    /// <summary>The placer of a kernel whose address space is still empty.</summary>
    /// <param name="facts">What the version says.</param>
    /// <param name="pageBytes">The page size.</param>
    /// <param name="lastAddress">2^32 - 1 or 2^64 - 1.</param>
    /// <param name="free">A free space to start from where the era has one; null for an empty address space.</param>
    internal static IAreaPlacer For(VmallocFacts facts, ulong pageBytes, ulong lastAddress, IFreeSpace? free = null)
    {
        SortedAreas Areas() => new(lastAddress);
        HintedAreaPlacer Hinted(bool remembers, bool gap, bool refusesExact) =>
            new(Areas(), lastAddress, new HintedAreaPlacer.Rules(
                PageBytes: pageBytes,
                RemembersPlace: remembers,
                GapBytes: gap ? pageBytes : 0,
                RefusesExactGap: refusesExact,
                RefusesTop: facts.RefusesTopOfSpace));

        // No arm for "anything else": a new era stops the build here until it has a class.
        return facts.Era switch
        {
            PlacementEra.SortedList => new SortedListPlacer(Areas(), lastAddress),
            PlacementEra.AlignedSortedList => new AlignedSortedListPlacer(Areas(), lastAddress, pageBytes),
            PlacementEra.BusyAreas => Hinted(remembers: false, gap: true, refusesExact: false),
            PlacementEra.HintedBusyAreasWithGap => Hinted(remembers: true, gap: true, refusesExact: true),
            PlacementEra.HintedBusyAreas => Hinted(remembers: true, gap: false, refusesExact: false),
            PlacementEra.FreeTree or PlacementEra.PooledFreeTree =>
                new FreeTreePlacer(free ?? FreeSpaces.Empty(facts.SearchRule, pageBytes, lastAddress)),
        };
    }
}
