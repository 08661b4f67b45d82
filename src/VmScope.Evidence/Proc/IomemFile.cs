using System.Collections.Immutable;
using System.Globalization;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads and writes /proc/iomem.</summary>
public static class IomemFile
{
    private const long LimitBytes = 16 << 20;
    private const int DepthLimit = 64;

    /// <summary>Reads an iomem text; a line of another shape becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static IomemReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        ImmutableArray<IomemEntry>.Builder entries = ImmutableArray.CreateBuilder<IomemEntry>();
        bool anyAddress = false;
        bool any = false;
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            if (TryParse(line, out IomemEntry? entry, out bool isZero))
            {
                any = true;
                anyAddress |= !isZero;
                entries.Add(entry!);
            }
            else if (!string.IsNullOrWhiteSpace(line))
            {
                diagnostics.Add(file, text.Number, line, "not an iomem line");
            }
        }

        return any && !anyAddress
            ? new IomemReport([], AddressesHidden: true)
            : new IomemReport(entries.ToImmutable(), AddressesHidden: false);
    }

    /// <summary>Writes an iomem text as the kernel formats it: 8 digits, or as many as the highest address needs.</summary>
    /// <remarks>
    /// Source: kernel/resource.c, r_show(): the width is 4, 8 or 16 by the end of the root resource; in practice 8 digits,
    /// and more only where a number needs them.
    /// </remarks>
    public static void Write(IomemReport report, TextWriter writer)
    {
        foreach (IomemEntry entry in report.Entries)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture,
                $"{new string(' ', entry.Depth * 2)}{entry.Range.Start.Value:x8}-{entry.Range.Last.Value:x8} : {entry.Name}\n"));
        }
    }

    private static bool TryParse(string line, out IomemEntry? entry, out bool isZero)
    {
        entry = null;
        isZero = false;
        Scan scan = new(line);
        int indent = scan.Blanks();
        if (indent % 2 != 0 || indent / 2 > DepthLimit
            || !scan.Hex(out ulong first) || !scan.Text("-") || !scan.Hex(out ulong last) || !scan.Text(" : ")
            || last < first || last - first == ulong.MaxValue)
        {
            return false;
        }

        isZero = first == 0 && last == 0;
        entry = new IomemEntry(indent / 2, new PhysicalRange(new PhysicalAddress(first), last - first + 1), scan.Rest.ToString());
        return true;
    }
}
