using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using VmScope.Kernels;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Machine;

/// <summary>What the kernel of a modelled machine would say of itself under /proc.</summary>
public static class MachineReports
{
    /// <summary>/proc/vmallocinfo; null where the kernel has no such file.</summary>
    public static VmallocReport? Vmallocinfo(BootedMachine machine) =>
        machine.Vmalloc.Environment.Uses.HasList
            ? VmallocListing.Report(machine.Vmalloc, withNodes: machine.Description.NodeCount > 1 || machine.Description.Kernel.Config.IsSet("NUMA") == true)
            : null;

    /// <summary>/proc/buddyinfo.</summary>
    public static BuddyinfoReport Buddyinfo(BootedMachine machine) => new(
    [
        .. machine.Pages.Zones.Where(zone => zone.PresentPages > 0).Select(zone => new BuddyinfoZone(zone.Node, zone.Kind.Name(),
            [.. Enumerable.Range(0, machine.Pages.LargestOrder + 1).Select(zone.FreeBlocks)])),
    ]);

    /// <summary>/proc/zoneinfo, of which only what is modelled: sizes, marks, reserves, free pages, the CPUs' lists.</summary>
    public static ZoneinfoReport Zoneinfo(BootedMachine machine)
    {
        ZoneinfoFacts facts = ZoneinfoTimelines.Lines.At(machine.Description.Kernel.Version);
        // Before empty zones stopped early they were not printed at all.
        return new ZoneinfoReport([.. machine.Pages.Zones.Where(zone => facts.EndsEmptyZones || zone.PresentPages > 0).Select(zone => new ZoneinfoZone(zone.Node, zone.Kind.Name(), Lines(machine, zone, facts)))]);
    }

    /// <summary>/proc/iomem, of which only memory and the kernel image.</summary>
    public static IomemReport Iomem(BootedMachine machine)
    {
        List<IomemEntry> entries = [];
        PhysicalRange image = machine.Reservations.First(reservation => reservation.Name == "kernel image").Range;
        MemoryMap map = machine.Description.Memory ?? DefaultMap(machine.Description.RamBytes);
        foreach (MemoryMapEntry entry in map.Entries)
        {
            entries.Add(new IomemEntry(0, entry.Range, entry.Kind switch
            {
                MemoryKind.Usable => "System RAM",
                MemoryKind.Reserved => "Reserved",
                MemoryKind.AcpiData => "ACPI Tables",
                MemoryKind.AcpiNvs => "ACPI Non-volatile Storage",
                MemoryKind.Other => "Unusable memory",
            }));
            if (entry.Range.Contains(image))
            {
                entries.Add(new IomemEntry(1, image, "Kernel code"));
            }
        }

        return new IomemReport([.. entries], AddressesHidden: false);
    }

    /// <summary>/proc/meminfo, of which only the totals, high and low memory, and the vmalloc lines.</summary>
    public static MeminfoReport Meminfo(BootedMachine machine)
    {
        List<MeminfoLine> lines = [];
        void Add(string name, ulong pages) => lines.Add(new MeminfoLine(name, pages * 4, InKiB: true));
        ulong Sum(Func<MemoryZone, bool> which, Func<MemoryZone, ulong> what) =>
            machine.Pages.Zones.Where(which).Aggregate(0UL, (sum, zone) => sum + what(zone));
        // Zone Movable is high too where it was cut from highmem. Source: include/linux/mmzone.h, is_highmem_idx(), 6.1.
        ulong lowFrames = (machine.Layout.HighMemory.Value - machine.Layout.PageOffset.Value) >> 12;
        bool IsHigh(MemoryZone zone) => zone.Kind == ZoneKind.HighMem || (zone.Kind == ZoneKind.Movable && zone.StartFrame.Value >= lowFrames);
        Add("MemTotal", machine.Pages.ManagedPages);
        Add("MemFree", Sum(_ => true, zone => zone.FreePages));
        if (machine.Pages.Zones.Any(IsHigh))
        {
            Add("HighTotal", Sum(IsHigh, zone => zone.ManagedPages));
            Add("HighFree", Sum(IsHigh, zone => zone.FreePages));
            Add("LowTotal", Sum(zone => !IsHigh(zone), zone => zone.ManagedPages));
            Add("LowFree", Sum(zone => !IsHigh(zone), zone => zone.FreePages));
        }

        KernelVersion version = machine.Description.Kernel.Version;
        VmallocUsedMeaning used = VmallocMeminfoTimelines.Used.At(version);
        if (used != VmallocUsedMeaning.NotPrinted)
        {
            lines.Add(new MeminfoLine("VmallocTotal", machine.Layout.VmallocTotalKiB, InKiB: true));
            lines.Add(new MeminfoLine("VmallocUsed", Used(machine, used) >> 10, InKiB: true));
            lines.Add(new MeminfoLine("VmallocChunk", VmallocMeminfoTimelines.Chunk.At(version) == VmallocChunkMeaning.LargestGap ? LargestGap(machine) >> 10 : 0, InKiB: true));
        }

        return new MeminfoReport(lines);
    }

    /// <summary>The list of vm_struct as a debugging routine of the old days walks it: address and size per line, guard page included.</summary>
    public static string VmStructList(BootedMachine machine)
    {
        StringBuilder text = new();
        foreach (VmallocArea area in machine.Vmalloc.Areas)
        {
            text.Append(CultureInfo.InvariantCulture, $"addr 0x{area.Start.Value:x8} size {area.SizeBytes}\n");
        }

        return text.ToString();
    }

    /// <summary>The map of a machine of which only the amount of RAM is known.</summary>
    public static MemoryMap DefaultMap(ulong ramBytes) => new(
    [
        new(new PhysicalRange(new PhysicalAddress(0), Math.Min(640 * Size.KiB, ramBytes)), MemoryKind.Usable),
        .. ramBytes > Size.MiB
            ? new MemoryMapEntry[] { new(new PhysicalRange(new PhysicalAddress(Size.MiB), ramBytes - Size.MiB), MemoryKind.Usable) }
            : [],
    ]);

    private static ulong Used(BootedMachine machine, VmallocUsedMeaning meaning) => meaning switch
    {
        VmallocUsedMeaning.AllAreas or VmallocUsedMeaning.AreasNotLazy =>
            machine.Vmalloc.Areas.Aggregate(0UL, (sum, area) => sum + area.SizeBytes),
        VmallocUsedMeaning.AreasInWindow => machine.Vmalloc.Areas.Where(area => machine.Layout.Vmalloc.Contains(area.Range))
            .Aggregate(0UL, (sum, area) => sum + area.SizeBytes),
        VmallocUsedMeaning.VmallocPages => machine.Vmalloc.OwnedPages * 4096,
        VmallocUsedMeaning.AlwaysZero or VmallocUsedMeaning.NotPrinted => 0,
    };

    private static ulong LargestGap(BootedMachine machine)
    {
        ulong at = machine.Layout.Vmalloc.Start.Value;
        ulong largest = 0;
        foreach (VmallocArea area in machine.Vmalloc.Areas.Where(area => machine.Layout.Vmalloc.Contains(area.Range)))
        {
            largest = Math.Max(largest, area.Start.Value - at);
            at = area.Start.Value + area.SizeBytes;
        }

        return Math.Max(largest, machine.Layout.Vmalloc.EndExclusive.Value - at);
    }

    private static ImmutableArray<ZoneinfoLine> Lines(BootedMachine machine, MemoryZone zone, ZoneinfoFacts facts)
    {
        List<ZoneinfoLine> lines = [];
        void Page(string name, ulong value) => lines.Add(new ZoneinfoLine(ZoneinfoSection.Pages, name == "pages free" ? 2 : 8, name, 17, value));
        Page("pages free", zone.FreePages);
        if (facts.HasBoost)
        {
            Page("boost", 0);
        }

        Page("min", zone.Watermarks.Min);
        Page("low", zone.Watermarks.Low);
        Page("high", zone.Watermarks.High);
        if (facts.HasPromo)
        {
            Page("promo", zone.Watermarks.Promo ?? 0);
        }

        Page("spanned", zone.SpannedPages);
        Page("present", zone.PresentPages);
        if (facts.HasManaged)
        {
            Page("managed", zone.ManagedPages);
        }

        if (facts.HasCma)
        {
            Page("cma", 0);
        }

        lines.Add(new ZoneinfoLine(ZoneinfoSection.Pages, 8, "protection:", 20, Value: null, $"({string.Join(", ", zone.Protection)})"));
        if (facts.EndsEmptyZones && zone.PresentPages == 0)
        {
            return [.. lines];
        }

        lines.Add(new ZoneinfoLine(ZoneinfoSection.Counters, 6, "nr_free_pages", 20, zone.FreePages));
        lines.Add(new ZoneinfoLine(ZoneinfoSection.Pagesets, 2, "pagesets", 0, Value: null));
        for (int cpu = 0; cpu < machine.Pages.CpuCount; cpu++)
        {
            lines.Add(new ZoneinfoLine(ZoneinfoSection.Pagesets, 4, "cpu:", 9, (ulong)cpu));
            lines.Add(new ZoneinfoLine(ZoneinfoSection.Pagesets, 14, "count:", facts.PagesetColumn, (ulong)zone.PagesOnCpu(cpu)));
            lines.Add(new ZoneinfoLine(ZoneinfoSection.Pagesets, 14, "high:", facts.PagesetColumn, (ulong)zone.CpuHigh));
            lines.Add(new ZoneinfoLine(ZoneinfoSection.Pagesets, 14, "batch:", facts.PagesetColumn, (ulong)zone.Batch));
        }

        lines.Add(new ZoneinfoLine(ZoneinfoSection.Tail, 2, "start_pfn:", 23, zone.StartFrame.Value));
        return [.. lines];
    }
}
