using System.Collections.Immutable;
using System.Globalization;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads and writes /proc/buddyinfo.</summary>
public static class BuddyinfoFile
{
    private const long LimitBytes = 4 << 20;
    private const int OrderLimit = 64;

    /// <summary>Reads a buddyinfo text; a line of another shape becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static BuddyinfoReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        ImmutableArray<BuddyinfoZone>.Builder zones = ImmutableArray.CreateBuilder<BuddyinfoZone>();
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            if (TryParse(line) is { } zone)
            {
                zones.Add(zone);
            }
            else if (!string.IsNullOrWhiteSpace(line))
            {
                diagnostics.Add(file, text.Number, line, "not a buddyinfo line");
            }
        }

        return new BuddyinfoReport(zones.ToImmutable());
    }

    /// <summary>Writes a buddyinfo text as the kernel formats it, blanks at the line ends included.</summary>
    public static void Write(BuddyinfoReport report, TextWriter writer)
    {
        foreach (BuddyinfoZone zone in report.Zones)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Node {zone.Node}, zone {zone.Zone,8} "));
            foreach (ulong count in zone.FreeBlocks)
            {
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{count,6} "));
            }

            writer.Write('\n');
        }
    }

    private static BuddyinfoZone? TryParse(string line)
    {
        Scan scan = new(line);
        scan.Blanks();
        if (!ZoneinfoFile.TryZoneHeading(ref scan, out int node, out string zone))
        {
            return null;
        }

        ImmutableArray<ulong>.Builder counts = ImmutableArray.CreateBuilder<ulong>(11);
        while (scan.Blanks() > 0 && scan.Decimal(out ulong count) && counts.Count < OrderLimit)
        {
            counts.Add(count);
        }

        return counts.Count > 0 && scan.AtEnd ? new BuddyinfoZone(node, zone, counts.ToImmutable()) : null;
    }
}
