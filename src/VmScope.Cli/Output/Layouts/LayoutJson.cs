using System.Globalization;
using System.Text.Json;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Cli.Output.Layouts;

/// <summary>A layout as JSON; documented in docs/json-layout.md.</summary>
internal static class LayoutJson
{
    internal static void Write(KernelLayout layout, TextWriter output, ObservedBases? observed)
    {
        using JsonText text = new(output);
        Utf8JsonWriter json = text.Json;
        KernelDescription kernel = layout.Inputs.Kernel;
        json.WriteStartObject();
        json.WriteString("arch", kernel.Architecture.Name());
        json.WriteString("kernel", kernel.Version.ToString());
        json.WriteString("release", kernel.Identity.Release);
        json.WriteStartArray("regions");
        foreach (Region region in layout.Regions)
        {
            WriteRegion(json, region, observed);
        }

        json.WriteEndArray();
        json.WriteNumber("vmallocTotalKiB", layout.VmallocTotalKiB);
        json.WriteString("pageOffset", Hex(layout.PageOffset.Value));
        json.WriteString("highMemory", Hex(layout.HighMemory.Value));
        json.WriteStartArray("zones");
        foreach (Zone zone in layout.Zones)
        {
            json.WriteStartObject();
            json.WriteString("name", zone.Name);
            json.WriteNumber("node", zone.Node);
            json.WriteNumber("startPfn", zone.StartPfn);
            json.WriteNumber("spannedPages", zone.SpannedPages);
            json.WriteNumber("presentPages", zone.PresentPages);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("fixmap");
        foreach (FixmapEntry entry in layout.Fixmap)
        {
            json.WriteStartObject();
            json.WriteString("name", entry.Name);
            json.WriteNumber("index", entry.Index);
            json.WriteString("address", Hex(entry.Address.Value));
            json.WriteNumber("pages", entry.Pages);
            json.WriteBoolean("permanent", entry.IsPermanent);
            json.WriteString("why", entry.Why);
            if (entry.When is { } when)
            {
                json.WriteString("when", when);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        text.Texts("assumed", layout.Assumed.Select(assumption => assumption.ToString()));
        text.Texts("notes", layout.Notes);
        text.Texts("unverified", layout.Unverified);
        json.WriteStartArray("scalars");
        foreach (Quantity quantity in layout.Quantities)
        {
            json.WriteStartObject();
            json.WriteString("name", quantity.Name);
            json.WriteString("symbol", quantity.Symbol);
            if (quantity.Unit is QuantityUnit.Address or QuantityUnit.PhysicalAddress)
            {
                json.WriteString("value", Hex(quantity.Value));
            }
            else
            {
                json.WriteNumber("value", quantity.Value);
            }

            json.WriteString("unit", UnitName(quantity.Unit));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRegion(Utf8JsonWriter json, Region region, ObservedBases? observed)
    {
        json.WriteStartObject();
        json.WriteString("name", region.Name);
        json.WriteString("start", Hex(region.Range.Start.Value));
        json.WriteString("end", Hex((UInt128)region.Range.Last.Value + 1));
        json.WriteNumber("bytes", region.Range.SizeBytes);
        if (region.Inside is { } outer)
        {
            json.WriteString("inside", outer);
        }

        if (region.IsBounds)
        {
            json.WriteBoolean("bounds", true);
        }

        if (region.Random is { } random)
        {
            json.WriteStartObject("random");
            json.WriteString("lowest", Hex(random.Lowest.Value));
            json.WriteString("highest", Hex(random.Highest.Value));
            json.WriteNumber("stepBytes", random.StepBytes);
            json.WriteEndObject();
        }

        if (observed?.BaseOf(region.Name) is { } seen)
        {
            json.WriteString("observedStart", Hex(seen.Value));
        }

        json.WriteEndObject();
    }

    private static string UnitName(QuantityUnit unit) => unit switch
    {
        QuantityUnit.Address => "address",
        QuantityUnit.PhysicalAddress => "physical address",
        QuantityUnit.Bytes => "bytes",
        QuantityUnit.KiB => "KiB",
        QuantityUnit.Frames => "page frames",
        QuantityUnit.Count => "count",
    };

    private static string Hex(UInt128 value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);
}
