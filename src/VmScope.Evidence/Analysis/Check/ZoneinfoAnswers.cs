using System.Globalization;
using VmScope.Layout;
using VmScope.Physical;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>What /proc/zoneinfo says of each zone of each node: first frame, frames spanned, frames present.</summary>
internal static class ZoneinfoAnswers
{
    private const string Source = "zoneinfo";

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        if (evidence.Zoneinfo is not { } zoneinfo)
        {
            return;
        }

        foreach (ZoneinfoZone observed in zoneinfo.Zones)
        {
            Zone predicted = Find(comparer.Layout, observed.Node, observed.Zone);
            string name = string.Create(CultureInfo.InvariantCulture, $"node {observed.Node} zone {observed.Zone} ");
            if (observed.Spanned is { } spanned)
            {
                comparer.Number(name + "spanned", predicted.SpannedPages, spanned, "pages", Source);
            }

            if (observed.StartPfn is { } start && (observed.Spanned ?? 1) != 0)
            {
                comparer.Number(name + "start_pfn", predicted.StartPfn, start, "", Source);
            }

            if (observed.Present is { } present)
            {
                comparer.Number(name + "present", predicted.PresentPages, present, "pages", Source);
            }
        }

        foreach (Zone zone in comparer.Layout.Zones)
        {
            if (zone.SpannedPages > 0 && !zoneinfo.Zones.Any(observed => observed.Node == zone.Node && observed.Zone == zone.Name))
            {
                comparer.Add(string.Create(CultureInfo.InvariantCulture, $"node {zone.Node} zone {zone.Name} spanned"),
                    string.Create(CultureInfo.InvariantCulture, $"{zone.SpannedPages} pages"), "no such zone", agrees: false, Source);
            }
        }
    }

    // A zone nobody predicted (Device) is predicted to be empty.
    private static Zone Find(KernelLayout layout, int node, string name)
    {
        foreach (Zone zone in layout.Zones)
        {
            if (zone.Node == node && string.Equals(zone.Name, name, StringComparison.Ordinal))
            {
                return zone;
            }
        }

        return new Zone(name, node, StartPfn: 0, SpannedPages: 0, PresentPages: 0);
    }
}
