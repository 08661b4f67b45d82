using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads and writes /proc/zoneinfo.</summary>
public static class ZoneinfoFile
{
    private const long LimitBytes = 64 << 20;
    private static readonly SearchValues<char> ProtectionList = SearchValues.Create("(), 0123456789");

    /// <summary>Reads a zoneinfo text; a line of another shape becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static ZoneinfoReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        ImmutableArray<ZoneinfoZone>.Builder zones = ImmutableArray.CreateBuilder<ZoneinfoZone>();
        ImmutableArray<ZoneinfoLine>.Builder lines = ImmutableArray.CreateBuilder<ZoneinfoLine>();
        (int Node, string Zone)? open = null;
        ZoneinfoSection section = ZoneinfoSection.Pages;
        TextLines text = new(stream, file, LimitBytes);

        void Close()
        {
            if (open is { } zone)
            {
                zones.Add(new ZoneinfoZone(zone.Node, zone.Zone, lines.ToImmutable()));
                lines.Clear();
            }
        }

        while (text.TryRead(out string line))
        {
            Scan scan = new(line);
            if (TryZoneHeading(ref scan, out int node, out string zoneName) && scan.AtEnd)
            {
                Close();
                (open, section) = ((node, zoneName), ZoneinfoSection.Pages);
            }
            else if (open is not null && TryParse(line, ref section) is { } parsed)
            {
                lines.Add(parsed);
            }
            else if (!string.IsNullOrWhiteSpace(line))
            {
                diagnostics.Add(file, text.Number, line, "not a zoneinfo line");
            }
        }

        Close();
        return new ZoneinfoReport(zones.ToImmutable());
    }

    /// <summary>Writes a zoneinfo text as the kernel formats it.</summary>
    public static void Write(ZoneinfoReport report, TextWriter writer)
    {
        foreach (ZoneinfoZone zone in report.Zones)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"Node {zone.Node}, zone {zone.Zone,8}\n"));
            foreach (ZoneinfoLine line in zone.Lines)
            {
                string start = new string(' ', line.Indent) + line.Name;
                string value = line.Text ?? line.Value?.ToString(CultureInfo.InvariantCulture) ?? "";
                writer.Write(value.Length == 0 ? start : start.PadRight(line.ValueColumn) + value);
                writer.Write('\n');
            }
        }
    }

    /// <summary>A counter line as the kernel formats it: six blanks, the name in at least 12 columns, the value.</summary>
    public static ZoneinfoLine Counter(ZoneinfoSection section, string name, ulong value) =>
        new(section, Indent: 6, name, 6 + Math.Max(12, name.Length) + 1, value);

    /// <summary>A line of the watermark and size block as the kernel formats it; "pages free" opens that block.</summary>
    public static ZoneinfoLine Page(string name, ulong value) =>
        new(ZoneinfoSection.Pages, Indent: name == "pages free" ? 2 : 8, name, ValueColumn: 17, value);

    /// <summary>Takes "Node N, zone     NAME".</summary>
    internal static bool TryZoneHeading(ref Scan scan, out int node, out string zone)
    {
        zone = "";
        node = 0;
        if (!scan.Text("Node ") || !scan.Decimal(out ulong number) || number > 1 << 16 || !scan.Text(", zone") || scan.Blanks() == 0)
        {
            return false;
        }

        node = (int)number;
        zone = scan.Word().ToString();
        return zone.Length is > 0 and <= 32;
    }

    private static ZoneinfoLine? TryParse(string line, ref ZoneinfoSection section)
    {
        Scan scan = new(line);
        int indent = scan.Blanks();
        if (indent == 0)
        {
            return null;
        }

        if (scan.Text("per-node stats") && scan.AtEnd)
        {
            section = ZoneinfoSection.Node;
            return new ZoneinfoLine(section, indent, "per-node stats", 0, null);
        }

        if (scan.Text("pagesets") && scan.AtEnd)
        {
            section = ZoneinfoSection.Pagesets;
            return new ZoneinfoLine(section, indent, "pagesets", 0, null);
        }

        string name = scan.Word().ToString();
        if (name == "pages" && scan.Text(" free"))
        {
            name = "pages free";
            section = ZoneinfoSection.Pages;
        }
        else if (name == "vm" && scan.Text(" stats threshold:"))
        {
            name = "vm stats threshold:";
        }
        else if (name == "protection:")
        {
            scan.Blanks();
            ReadOnlySpan<char> list = scan.Rest;
            return list.Length > 1 && list[0] == '(' && list[^1] == ')' && list.IndexOfAnyExcept(ProtectionList) < 0
                ? new ZoneinfoLine(section, indent, name, scan.Position, null, list.ToString())
                : null;
        }

        if (scan.Blanks() == 0)
        {
            return null;
        }

        int column = scan.Position;
        if (!scan.Decimal(out ulong value) || !scan.AtEnd)
        {
            return null;
        }

        if (section == ZoneinfoSection.Pages && indent == 6)
        {
            section = ZoneinfoSection.Counters;
        }
        else if (section == ZoneinfoSection.Counters && indent == 4 && name.StartsWith("nr_", StringComparison.Ordinal))
        {
            // Up to 2.6.32 counters stand four columns in.
        }
        else if (section is ZoneinfoSection.Pagesets or ZoneinfoSection.Counters && indent == 2 && !name.StartsWith("vm ", StringComparison.Ordinal))
        {
            section = ZoneinfoSection.Tail;
        }
        else if (section == ZoneinfoSection.Pages && indent == 4 && name.StartsWith("nr_", StringComparison.Ordinal))
        {
            section = ZoneinfoSection.Counters;
        }

        return new ZoneinfoLine(section, indent, name, column, value);
    }
}
