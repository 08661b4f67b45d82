using System.Globalization;
using VmScope.Layout;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>What the boot log says of the layout: zone ranges, the lines about low and high memory, the layout block.</summary>
internal static class BootLogAnswers
{
    private const string Source = "dmesg";

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        if (evidence.Dmesg is not { } log)
        {
            return;
        }

        LastPfns(comparer, log);
        if (log.LowmemMiB is { } low && comparer.Layout.FindQuantity("lowmem-mb") is { } predictedLow)
        {
            comparer.Number("LOWMEM available", predictedLow.Value, low, "MB", Source);
        }

        if (log.HighmemMiB is { } high && comparer.Layout.FindQuantity("highmem-mb") is { } predictedHigh)
        {
            comparer.Number("HIGHMEM available", predictedHigh.Value, high, "MB", Source);
        }

        LowRam(comparer, "mapped low ram end", "max-low-pfn-mapped", log.MappedLowRamEnd, evidence.PageSize);
        LowRam(comparer, "low ram end", "max-low-pfn", log.LowRamEnd, evidence.PageSize);

        foreach (DmesgZone zone in log.Zones)
        {
            CompareZone(comparer, zone, evidence.PageSize);
        }

        BootBlockAnswers.Compare(comparer, log);
    }

    private static void LowRam(Comparer comparer, string name, string quantity, PhysicalAddress? observed, PageSize pageSize)
    {
        if (observed is { } end && comparer.Layout.FindQuantity(quantity) is { } predicted)
        {
            comparer.Address(name, predicted.Value * pageSize.Bytes, end.Value, Source);
        }
    }

    // x86 prints the line for all RAM and for what is below 4 GiB, in an order and number that depend on who asks.
    private static void LastPfns(Comparer comparer, DmesgReport log)
    {
        if ((comparer.Layout.FindQuantity("ram-end-pfn") ?? comparer.Layout.FindQuantity("max-pfn")) is not { } end)
        {
            return;
        }

        foreach (ulong lastPfn in log.LastPfns.Select(pair => pair.LastPfn).Distinct())
        {
            if (lastPfn != end.Value && comparer.Layout.FindQuantity("ram-end-below-4g-pfn") is { } low)
            {
                comparer.Frame("last_pfn below 4 GiB", low.Value, lastPfn, Source);
            }
            else
            {
                comparer.Frame("last_pfn", end.Value, lastPfn, Source);
            }
        }
    }

    private static void CompareZone(Comparer comparer, DmesgZone zone, PageSize pageSize)
    {
        (ulong Start, ulong End) predicted = Predicted(comparer.Layout, zone.Name);
        string predictedText = predicted.Start == predicted.End
            ? "empty"
            : Text(predicted.Start * pageSize.Bytes, (predicted.End * pageSize.Bytes) - 1);
        string observedText = zone.Range is { } range ? Text(range.Start.Value, range.Last.Value) : "empty";
        comparer.Add($"zone range {zone.Name}", predictedText, observedText,
            string.Equals(predictedText, observedText, StringComparison.Ordinal), Source);
    }

    /// <summary>The frames of a zone of the whole machine; the same number twice for an empty or unknown one.</summary>
    private static (ulong Start, ulong End) Predicted(KernelLayout layout, string zone)
    {
        ulong below = layout.FindQuantity("zone-first-pfn")?.Value ?? 0;
        foreach ((string name, string quantity) in Zones)
        {
            if (layout.FindQuantity(quantity) is { } end)
            {
                if (name == zone)
                {
                    return (below, end.Value);
                }

                below = end.Value;
            }
        }

        return (0, 0);
    }

    private static readonly (string Zone, string Quantity)[] Zones =
    [
        ("DMA", "zone-dma-end-pfn"),
        ("DMA32", "zone-dma32-end-pfn"),
        ("Normal", "zone-normal-end-pfn"),
        ("HighMem", "zone-highmem-end-pfn"),
    ];

    private static string Text(ulong first, ulong last) =>
        string.Create(CultureInfo.InvariantCulture, $"[mem 0x{first:x16}-0x{last:x16}]");
}
