using System.Collections.Immutable;
using System.Globalization;
using VmScope.Layout;

namespace VmScope.Cli.Output.Layouts;

/// <summary>Writes down why a number is what it is, inputs first.</summary>
internal static class LayoutWhy
{
    /// <summary>Prints the derivation of a quantity, a region, a zone or a fixmap entry.</summary>
    /// <exception cref="UsageException">The layout has nothing of that name.</exception>
    internal static void Write(KernelLayout layout, string name, TextWriter output)
    {
        if (name.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            WriteAddress(layout, name, output);
            return;
        }

        bool found = false;
        foreach (string quantity in QuantitiesOf(layout, name))
        {
            if (found)
            {
                output.WriteLine();
            }

            WriteSteps(output, DerivationText.Steps(layout, quantity));
            found = true;
        }

        foreach (FixmapEntry entry in layout.Fixmap)
        {
            if (Same(entry.Name, name))
            {
                WriteEntry(layout, entry, output);
                found = true;
            }
        }

        foreach (Zone zone in layout.Zones)
        {
            if (Same(zone.Name, name) || Same("zone-" + zone.Name, name))
            {
                WriteZone(zone, output);
                found = true;
            }
        }

        if (!found && layout.Regions.Any(region => Same(region.Name, name)))
        {
            Region region = layout.Regions.First(candidate => Same(candidate.Name, name));
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{region.Name} = 0x{region.Range.Start.Value:x} .. 0x{region.Range.Last.Value:x} (inclusive)"));
            output.WriteLine($"    {region.Note ?? "what lies between its neighbours"}");
            found = true;
        }

        if (!found)
        {
            throw new UsageException($"--why {name}: not in this layout; it knows {string.Join(", ", layout.Quantities.Select(quantity => quantity.Name))}");
        }
    }

    private static void WriteAddress(KernelLayout layout, string text, TextWriter output)
    {
        if (!ulong.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong value)
            || layout.FindRegion(new VirtualAddress(value)) is not { } region)
        {
            throw new UsageException($"--why {text}: not an address of this machine");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"0x{value:x} lies in {region.Name}, 0x{region.Range.Start.Value:x} .. 0x{region.Range.Last.Value:x} (inclusive), at offset 0x{value - region.Range.Start.Value:x}"));
        if (layout.ToPhysical(new VirtualAddress(value)) is { } physical)
        {
            ulong start = physical.Value + layout.PageOffset.Value - value;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"physical = virtual - PAGE_OFFSET{(start == 0 ? "" : " + PHYS_OFFSET")} = 0x{value:x} - 0x{layout.PageOffset.Value:x}{(start == 0 ? "" : $" + 0x{start:x}")} = 0x{physical.Value:x}"));
        }

        foreach (FixmapEntry entry in layout.Fixmap)
        {
            if (value <= entry.Address.Value + 4095 && value >= entry.Address.Value - ((ulong)(entry.Pages - 1) * 4096))
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"fixmap entry {entry.Name}, index {entry.Index + (int)((entry.Address.Value + 4095 - value) / 4096)}: {entry.Why}"));
            }
        }
    }

    private static IEnumerable<string> QuantitiesOf(KernelLayout layout, string name)
    {
        Quantity[] exact = [.. layout.Quantities.Where(quantity => Same(quantity.Name, name) || Same(quantity.Symbol, name))];
        if (exact.Length > 0)
        {
            return exact.Select(quantity => quantity.Name);
        }

        // A region: whatever quantity is one of its two ends.
        foreach (Region region in layout.Regions)
        {
            if (Same(region.Name, name))
            {
                return layout.Quantities
                    .Where(quantity => quantity.Unit == QuantityUnit.Address
                        && (quantity.Value == region.Range.Start.Value || quantity.Value == region.Range.EndExclusive.Value))
                    .Select(quantity => quantity.Name);
            }
        }

        return [];
    }

    private static void WriteSteps(TextWriter output, ImmutableArray<DerivationStep> steps)
    {
        foreach (DerivationStep step in steps)
        {
            Quantity quantity = step.Quantity;
            string head = $"{quantity.Label} = ";
            if (step.Symbolic.Length == 0)
            {
                output.WriteLine(SafeText.Line($"{head}{step.Result}"));
            }
            else
            {
                output.WriteLine(SafeText.Line($"{head}{step.Symbolic}"));
                string indent = new(' ', Math.Max(0, head.Length - 2));
                if (step.Substituted != step.Symbolic)
                {
                    output.WriteLine(SafeText.Line($"{indent}= {step.Substituted}"));
                }

                output.WriteLine(SafeText.Line($"{indent}= {step.Result}"));
            }

            if (quantity.Source.Length > 0)
            {
                output.WriteLine(SafeText.Line($"    {quantity.Source}"));
            }
        }
    }

    private static void WriteEntry(KernelLayout layout, FixmapEntry entry, TextWriter output)
    {
        foreach (FixmapEntry before in layout.Fixmap)
        {
            if (before.Index < entry.Index)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  index {before.Index,5}  {before.Pages,4} pages  {before.Name}"));
            }
        }

        Quantity? top = layout.FindQuantity("fixaddr-top");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{entry.Name} has index {entry.Index}: {entry.Why}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"    FIXADDR_TOP - {entry.Index} * 4 KiB = 0x{top?.Value ?? 0:x} - 0x{(ulong)entry.Index * 4096:x} = 0x{entry.Address.Value:x}"));
        output.WriteLine($"    {layout.FindQuantity("fixmap-permanent")?.Source}");
    }

    private static void WriteZone(Zone zone, TextWriter output) =>
        output.WriteLine(zone.SpannedPages == 0
            ? string.Create(CultureInfo.InvariantCulture, $"zone {zone.Name} of node {zone.Node} is empty: no frame of the node's RAM lies inside its limits")
            : string.Create(CultureInfo.InvariantCulture,
                $"zone {zone.Name} of node {zone.Node}: frames 0x{zone.StartPfn:x} to 0x{zone.StartPfn + zone.SpannedPages:x} (exclusive): from the end of the zone below to its limit, clamped to the node's first and last frame of RAM"));

    private static bool Same(string left, string right) => left.Equals(right, StringComparison.OrdinalIgnoreCase);
}
