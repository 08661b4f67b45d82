using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>What /proc/meminfo says of the layout: VmallocTotal, and how much memory is high.</summary>
internal static class MeminfoAnswers
{
    private const string Source = "meminfo";

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        if (evidence.Meminfo is not { } meminfo)
        {
            return;
        }

        if (meminfo.VmallocTotalKiB is { } total)
        {
            comparer.Number("VmallocTotal", comparer.Layout.VmallocTotalKiB, total, "kB", Source);
        }

        if (meminfo.HighTotalKiB is { } high)
        {
            // Zone Movable counts too where it was cut from highmem. Source: include/linux/mmzone.h, is_highmem_idx(), 6.1.
            ulong pages = 0;
            ulong lowEnd = (comparer.Layout.HighMemory.Value - comparer.Layout.PageOffset.Value) / evidence.PageSize.Bytes;
            foreach (Zone zone in comparer.Layout.Zones)
            {
                pages += zone.Name == "HighMem" || (zone.Name == "Movable" && zone.StartPfn >= lowEnd) ? zone.PresentPages : 0;
            }

            comparer.Number("HighTotal", pages * (evidence.PageSize.Bytes / Size.KiB), high, "kB", Source);
        }
    }
}
