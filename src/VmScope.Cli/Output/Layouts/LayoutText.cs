using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Cli.Output.Layouts;

/// <summary>A layout for people: a map to scale, the regions, zones, fixmap, and what was assumed.</summary>
internal sealed class LayoutText(KernelLayout layout, Terminal terminal, Paint paint, ObservedBases? observed)
{
    private readonly int _digits = layout.Inputs.Kernel.Architecture.Is64Bit() ? 16 : 8;

    // A pipe has no edge to cut at.
    private readonly int _width = terminal.OutIsTerminal ? terminal.Width : 1000;

    internal void Write()
    {
        KernelDescription kernel = layout.Inputs.Kernel;
        TextWriter output = terminal.Out;
        output.WriteLine(paint.Bold(SafeText.Line(
            $"{kernel.Architecture.Name()} {kernel.Version}{(kernel.Identity.Release == kernel.Version.ToString() ? "" : $" ({kernel.Identity.Release})")}")));
        output.WriteLine(SafeText.Line(Summary()));
        output.WriteLine();
        new LayoutMap(layout, paint, terminal.Width).Write(output);
        output.WriteLine();
        WriteRegions(output);
        WriteZones(output);
        WriteFixmap(output);
        WriteList(output, "Notes", layout.Notes);
        WriteList(output, "Assumed", layout.Assumed.Select(assumption => assumption.ToString()));
        WriteList(output, "Not verified", layout.Unverified);
    }

    private string Summary()
    {
        List<string> parts =
        [
            $"VmallocTotal {layout.VmallocTotalKiB.ToString(CultureInfo.InvariantCulture)} kB",
            $"PAGE_OFFSET {Hex(layout.PageOffset.Value)}",
            $"high_memory {Hex(layout.HighMemory.Value)}",
        ];
        foreach ((string name, string label) in ((string, string)[])
            [("maxmem", "MAXMEM"), ("vmalloc-reserve", "VMALLOC_RESERVE"), ("last-pkmap", "LAST_PKMAP"), ("km-slots", "kmap slots per CPU")])
        {
            if (layout.FindQuantity(name) is { } quantity)
            {
                parts.Add($"{label} {DerivationText.ValueText(quantity)}");
            }
        }

        return string.Join(", ", parts);
    }

    private void WriteRegions(TextWriter output)
    {
        ColumnTable table = new(("Region", Side.Left), ("Start", Side.Right), ("End", Side.Right), ("Size", Side.Right), ("", Side.Left));
        foreach (Region region in layout.Regions)
        {
            List<string> notes = [];
            if (region.IsBounds)
            {
                notes.Add("bounds");
            }

            if (region.Note is { } note)
            {
                notes.Add(note);
            }

            table.Add(
                (region.Inside is null ? "" : "  ") + region.Name,
                Hex(region.Range.Start.Value),
                Hex((UInt128)region.Range.Last.Value + 1),
                SizeText.Short(region.Range.SizeBytes),
                string.Join("; ", notes));
        }

        table.Write(output, _width);
        foreach (Region region in layout.Regions)
        {
            if (region.Random is { } random)
            {
                output.WriteLine(
                    $"{region.Name} is moved at boot: it begins between {Hex(random.Lowest.Value)} and {Hex(random.Highest.Value)}, in steps of {SizeText.Short(random.StepBytes)}; shown is its place without KASLR.");
                if (observed?.BaseOf(region.Name) is { } seen)
                {
                    output.WriteLine($"  Observed in the evidence: {Hex(seen.Value)}.");
                }
            }
        }
    }

    private void WriteZones(TextWriter output)
    {
        output.WriteLine();
        bool nodes = layout.Zones.Any(zone => zone.Node != 0);
        ColumnTable table = new(("Zone", Side.Left), ("First frame", Side.Right), ("Spanned", Side.Right), ("Present", Side.Right), ("Size", Side.Right));
        foreach (Zone zone in layout.Zones)
        {
            table.Add(
                nodes ? $"{zone.Name} (node {zone.Node.ToString(CultureInfo.InvariantCulture)})" : zone.Name,
                zone.SpannedPages == 0 ? "-" : zone.StartPfn.ToString(CultureInfo.InvariantCulture),
                zone.SpannedPages.ToString(CultureInfo.InvariantCulture),
                zone.PresentPages.ToString(CultureInfo.InvariantCulture),
                SizeText.Short(zone.SpannedPages * PageBytes()));
        }

        table.Write(output, _width);
    }

    private ulong PageBytes() => layout.FindQuantity("page-size") is { Unit: QuantityUnit.Bytes } size ? size.Value : 4096;

    private void WriteFixmap(TextWriter output)
    {
        if (layout.Fixmap.IsEmpty)
        {
            return;
        }

        output.WriteLine();
        ColumnTable table = new(("Fixmap entry", Side.Left), ("Index", Side.Right), ("Address", Side.Right), ("Pages", Side.Right), ("Why", Side.Left));
        foreach (FixmapEntry entry in layout.Fixmap)
        {
            string why = entry.When is { } when ? $"{entry.Why} ({when.Replace("&", " and ", StringComparison.Ordinal)})" : entry.Why;
            table.Add(
                entry.Name,
                entry.Index.ToString(CultureInfo.InvariantCulture),
                Hex(entry.Address.Value),
                entry.Pages.ToString(CultureInfo.InvariantCulture),
                entry.IsPermanent ? why : "while booting: " + why);
        }

        table.Write(output, _width);
    }

    private static void WriteList(TextWriter output, string title, IEnumerable<string> lines)
    {
        bool first = true;
        foreach (string line in lines)
        {
            if (first)
            {
                output.WriteLine();
                output.WriteLine($"{title}:");
                first = false;
            }

            output.WriteLine("  " + SafeText.Line(line));
        }
    }

    private string Hex(UInt128 value) => "0x" + value.ToString("x" + _digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
