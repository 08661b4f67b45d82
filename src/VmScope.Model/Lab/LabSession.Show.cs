using System.Globalization;
using VmScope.Highmem;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Lab;

/// <content>Reports and help.</content>
public sealed partial class LabSession
{
    internal LabValue? Show(LabCall call)
    {
        bool json = call.Flag("--json");
        string topic = call.Raw("a topic").ToLowerInvariant();
        LabReport report = Report(topic, call);
        call.CheckAllUsed();
        if (json)
        {
            _host.Line(LabJson.Of(report));
        }
        else
        {
            foreach (string line in report.Lines())
            {
                _host.Line(line);
            }
        }

        return null;
    }

    internal LabValue? Help(LabCall call)
    {
        string? about = call.HasMore ? call.Raw("a topic").ToLowerInvariant() : null;
        foreach (string line in LabHelp.About(about) ?? throw call.At.Error($"there is no help about '{about}'"))
        {
            _host.Line(line);
        }

        return null;
    }

    private LabReport Report(string topic, LabCall call)
    {
        if (topic == "variables")
        {
            return new LabReport(topic, [new("name", "NAME"), new("value", "VALUE")],
                [.. _variables.Select(pair => new string?[] { pair.Key, pair.Value.ToString() })]);
        }

        BootedMachine machine = Booted(call.At);
        return topic switch
        {
            "vmallocinfo" => VmallocInfo(machine, call),
            "areas" => new LabReport(topic, [new("start", "START"), new("end", "END"), new("bytes", "BYTES", IsNumber: true), new("guard", "GUARD", IsNumber: true), new("kind", "KIND"), new("caller", "CALLER"), new("frames", "FIRST FRAMES")],
                [.. machine.Vmalloc.Areas.Select(area => new string?[]
                {
                    area.Start.ToString(), area.Range.EndExclusive.ToString(), Text(area.SizeBytes), Text(area.GuardBytes), area.Kind.ToString().ToLowerInvariant(), area.Caller,
                    area.Device is { } device ? $"device {device}" : string.Join(" ", area.Frames.Take(4).Select(frame => $"{frame:x}")) + (area.Frames.Count > 4 ? " …" : ""),
                })]),
            "vmlist" => new LabReport(topic, [new("start", "START"), new("bytes", "BYTES", IsNumber: true)],
                [.. machine.Vmalloc.Areas.Select(area => new string?[] { area.Start.ToString(), Text(area.SizeBytes) })])
            { KernelText = MachineReports.VmStructList(machine) },
            "layout" => new LabReport(topic, [new("start", "START"), new("last", "LAST"), new("bytes", "BYTES", IsNumber: true), new("name", "REGION"), new("note", "NOTE")],
                [.. machine.Layout.Regions.Select(region => new string?[]
                {
                    region.Range.Start.ToString(), region.Range.Last.ToString(), Text(region.Range.SizeBytes), region.Inside is null ? region.Name : $"  {region.Name}", region.Note,
                })]),
            "numa" => Nodes(machine),
            "zones" => new LabReport(topic, [new("node", "NODE", IsNumber: true), new("zone", "ZONE"), new("start_pfn", "START", IsNumber: true), new("spanned", "SPANNED", IsNumber: true), new("present", "PRESENT", IsNumber: true), new("managed", "MANAGED", IsNumber: true), new("free", "FREE", IsNumber: true), new("on_cpus", "ON CPUS", IsNumber: true), new("min", "MIN", IsNumber: true), new("low", "LOW", IsNumber: true), new("high", "HIGH", IsNumber: true), new("protection", "PROTECTION")],
                [.. machine.Pages.Zones.Select(zone => new string?[]
                {
                    Text((ulong)zone.Node), zone.Kind.Name(), Text(zone.StartFrame.Value), Text(zone.SpannedPages), Text(zone.PresentPages), Text(zone.ManagedPages), Text(zone.FreePages), Text(zone.PagesOnCpus),
                    Text(zone.Watermarks.Min), Text(zone.Watermarks.Low), Text(zone.Watermarks.High), string.Join(" ", zone.Protection),
                })]),
            "buddyinfo" or "buddy" => Buddy(machine),
            "zoneinfo" => Report("zones", call) with { Name = "zoneinfo", KernelText = _host.Text(MachineReports.Zoneinfo(machine)) },
            "meminfo" => Meminfo(machine),
            "iomem" => Iomem(machine),
            "dmesg" => new LabReport(topic, [new("line", "LINE")], [.. BootMessages.Of(machine.Layout).Lines.Select(line => new string?[] { line })])
            { KernelText = string.Join('\n', BootMessages.Of(machine.Layout).Lines) },
            "boot" => new LabReport(topic, [new("start", "START"), new("last", "LAST"), new("name", "TAKEN FOR")],
                [.. Joined(machine.Reservations).Select(reservation => new string?[] { reservation.Range.Start.ToString(), reservation.Range.Last.ToString(), reservation.Name })]),
            "pgdir" => Directory(machine, call),
            "pagetables" => PageTables(machine, RootOf(machine, call)),
            "pkmap" => new LabReport(topic, [new("slot", "SLOT", IsNumber: true), new("address", "ADDRESS"), new("count", "COUNT", IsNumber: true), new("frame", "FRAME"), new("state", "STATE")],
                [.. (machine.Pkmap?.Slots ?? []).Select(slot => new string?[]
                {
                    Text((ulong)slot.Slot), slot.Address.ToString(), Text((ulong)slot.Count), $"0x{slot.Page!.Value.Value:x}", slot.Count == 1 ? "no users, waits for a flush" : $"{slot.Count - 1} user{(slot.Count == 2 ? "" : "s")}",
                })]),
            "kmaps" => new LabReport(topic, [new("slot", "SLOT", IsNumber: true), new("cpu", "CPU", IsNumber: true), new("type", "TYPE"), new("address", "ADDRESS"), new("frame", "FRAME")],
                [.. (machine.AtomicKmaps?.Slots() ?? []).Select(mapping => KmapRow(machine.AtomicKmaps!, mapping))]),
            "fixmap" => new LabReport(topic, [new("index", "INDEX", IsNumber: true), new("pages", "PAGES", IsNumber: true), new("address", "ADDRESS"), new("name", "NAME"), new("permanent", "KIND"), new("maps", "MAPS")],
                [.. machine.Layout.Fixmap.Select(entry => new string?[]
                {
                    Text((ulong)entry.Index), Text((ulong)entry.Pages), entry.Address.ToString(), entry.Name, entry.IsPermanent ? "permanent" : "boot",
                    machine.Walk(entry.Address, _defaultCpu).Translation is { } translation ? translation.Page.ToString() : null,
                })]),
            "tlb" => Tlb(machine),
            "messages" => new LabReport(topic, [new("message", "MESSAGE")], [.. _messages.Select(message => new string?[] { message })]),
            "page" => Page(machine, call),
            _ => throw call.At.Error($"show does not know '{topic}'; it knows {string.Join(", ", LabCommands.Topics)}"),
        };
    }

    private LabReport VmallocInfo(BootedMachine machine, LabCall call)
    {
        VmallocReport report = MachineReports.Vmallocinfo(machine)
            ?? throw call.At.Error($"this kernel has no /proc/vmallocinfo ({VmallocListTimelines.First} has); show areas and show vmlist work everywhere");
        List<string?[]> rows = [];
        foreach (ref readonly VmallocRow row in report.Rows)
        {
            rows.Add(
            [
                new VirtualAddress(row.Start).ToString(), new VirtualAddress(row.End).ToString(), Text(row.SizeBytes), row.Caller == 0 ? null : report.CallerText(row),
                row.Has(AreaFlags.HasPages) ? Text(row.Pages) : null, row.Has(AreaFlags.HasPhys) ? $"0x{row.Phys:x}" : null,
                (row.Flags & AreaFlags.Words).ToString().ToLowerInvariant(),
            ]);
        }

        return new LabReport("vmallocinfo", [new("start", "START"), new("end", "END"), new("bytes", "BYTES", IsNumber: true), new("caller", "CALLER"), new("pages", "PAGES", IsNumber: true), new("physical", "PHYSICAL"), new("words", "WORDS")], rows)
        {
            KernelText = _host.Text(report),
        };
    }

    private LabReport Buddy(BootedMachine machine)
    {
        BuddyinfoReport report = MachineReports.Buddyinfo(machine);
        int orders = machine.Pages.LargestOrder + 1;
        return new LabReport("buddyinfo",
            [new("node", "NODE", IsNumber: true), new("zone", "ZONE"), .. Enumerable.Range(0, orders).Select(order => new LabColumn($"order{order}", Text((ulong)order), IsNumber: true))],
            [.. report.Zones.Select(zone => (string?[])[Text((ulong)zone.Node), zone.Zone, .. zone.FreeBlocks.Select(Text)])])
        {
            KernelText = _host.Text(report),
        };
    }

    private static LabReport Nodes(BootedMachine machine)
    {
        List<string?[]> rows = [];
        for (int node = 0; node < machine.Pages.NodeCount; node++)
        {
            List<MemoryZone> zones = [.. machine.Pages.Zones.Where(zone => zone.Node == node)];
            IEnumerable<int> cpus = Enumerable.Range(0, machine.Description.Cpus).Where(cpu => machine.Pages.NodeOfCpu(cpu) == node);
            List<MemoryZone> own = [.. zones.Where(zone => zone.SpannedPages > 0)];
            rows.Add(
            [
                Text((ulong)node), string.Join(" ", cpus), own.Count == 0 ? null : $"0x{own.Min(zone => zone.StartFrame.Value) << 12:x}",
                own.Count == 0 ? null : $"0x{(own.Max(zone => zone.StartFrame.Value + zone.SpannedPages) << 12) - 1:x}",
                Text(Sum(zones, zone => zone.PresentPages)), Text(Sum(zones, zone => zone.ManagedPages)), Text(Sum(zones, zone => zone.FreePages + zone.PagesOnCpus)),
                string.Join(" ", machine.Pages.FallbackOrder(node)),
            ]);
        }

        return new LabReport("numa",
            [new("node", "NODE", IsNumber: true), new("cpus", "CPUS"), new("start", "START"), new("last", "LAST"), new("present", "PRESENT", IsNumber: true), new("managed", "MANAGED", IsNumber: true), new("free", "FREE", IsNumber: true), new("fallback", "TRIED IN ORDER")], rows);

        static ulong Sum(List<MemoryZone> zones, Func<MemoryZone, ulong> what) => zones.Aggregate(0UL, (sum, zone) => sum + what(zone));
    }

    private LabReport Meminfo(BootedMachine machine)
    {
        MeminfoReport report = MachineReports.Meminfo(machine);
        return new LabReport("meminfo", [new("name", "NAME"), new("kib", "KIB", IsNumber: true)],
            [.. report.Lines.Select(line => new string?[] { line.Name, Text(line.Value) })])
        {
            KernelText = _host.Text(report),
        };
    }

    private LabReport Iomem(BootedMachine machine)
    {
        IomemReport report = MachineReports.Iomem(machine);
        return new LabReport("iomem", [new("start", "START"), new("last", "LAST"), new("name", "NAME"), new("depth", "DEPTH", IsNumber: true)],
            [.. report.Entries.Select(entry => new string?[] { entry.Range.Start.ToString(), entry.Range.Last.ToString(), entry.Name, Text((ulong)entry.Depth) })])
        {
            KernelText = _host.Text(report),
        };
    }

    /// <summary>The root table of the process named, of the kernel, or of the CPU commands run on.</summary>
    private PhysicalAddress RootOf(BootedMachine machine, LabCall call)
    {
        if (!call.HasMore)
        {
            return machine.Tables.Cpus[_defaultCpu].Root;
        }

        string process = call.Word("a process");
        return process == "kernel" ? machine.Tables.Root
            : machine.Processes.TryGetValue(process, out PhysicalAddress own) ? own : throw call.At.Error($"there is no process {process}");
    }

    private static LabReport PageTables(BootedMachine machine, PhysicalAddress root) =>
        new LabReport("pagetables", [new("start", "START"), new("bytes", "BYTES", IsNumber: true), new("level", "LEVEL"), new("page_bytes", "PAGE", IsNumber: true), new("physical", "PHYSICAL"), new("flags", "FLAGS"), new("access", "ACCESS")],
            [.. machine.Tables.Walker.Runs(root, joinScattered: false).Select(run => new string?[]
            {
                run.Range.Start.ToString(), Text(run.Range.SizeBytes), run.LevelName, Text(1UL << run.PageShift), run.First.ToString(), $"0x{run.Flags:x}",
                $"{((run.Rights & X86Entry.User) != 0 ? 'u' : '-')}r{((run.Rights & X86Entry.Writable) != 0 ? 'w' : '-')}{((run.Rights & X86Entry.NoExecute) != 0 ? '-' : 'x')}",
            })])
        { KernelText = PageTableDump.Of(machine, root) };

    private LabReport Directory(BootedMachine machine, LabCall call)
    {
        PhysicalAddress root = RootOf(machine, call);
        PagingGeometry geometry = machine.Tables.Geometry;
        PagingLevel level = geometry.Levels[0];
        List<string?[]> rows = [];
        ulong next = 0;
        for (int i = 0; i < level.EntryCount; i++)
        {
            PhysicalAddress at = new(root.Value + (ulong)(i * geometry.EntryBytes));
            if (!machine.Memory.TryReadWord(at, geometry.EntryBytes, out ulong entry) || entry == 0)
            {
                next = 0;
                continue;
            }

            // Large pages that follow each other are one row.
            if (entry == next)
            {
                rows[^1][1] = Text((ulong)i);
            }
            else
            {
                rows.Add(
                [
                    Text((ulong)i), Text((ulong)i), geometry.Address((ulong)i << level.Shift).ToString(), at.ToString(), $"0x{entry:x}",
                    level.Entry.IsLeaf(entry) ? $"{PageTableWalker.SizeName(level.Shift)} page at {level.Entry.PageAddress(entry)}" : $"table at {level.Entry.TableAddress(entry)}",
                    string.Join(" ", level.Entry.Names(entry)),
                ]);
            }

            next = level.Entry.IsLeaf(entry) ? entry + level.SpanBytes : 0;
        }

        return new LabReport("pgdir", [new("index", "INDEX", IsNumber: true), new("last_index", "TO", IsNumber: true), new("address", "MAPS FROM"), new("at", "ENTRY AT"), new("entry", "ENTRY"), new("meaning", "MEANING"), new("flags", "FLAGS")], rows);
    }

    /// <summary>Pieces taken for the same thing that touch each other, as one.</summary>
    private static List<BootReservation> Joined(IEnumerable<BootReservation> reservations)
    {
        List<BootReservation> joined = [];
        foreach (BootReservation next in reservations)
        {
            BootReservation? last = joined.Count > 0 && joined[^1].Name == next.Name ? joined[^1] : null;
            if (last is not null && next.Range.EndExclusive == last.Range.Start)
            {
                joined[^1] = last with { Range = PhysicalRange.FromBounds(next.Range.Start, last.Range.EndExclusive) };
            }
            else if (last is not null && last.Range.EndExclusive == next.Range.Start)
            {
                joined[^1] = last with { Range = PhysicalRange.FromBounds(last.Range.Start, next.Range.EndExclusive) };
            }
            else
            {
                joined.Add(next);
            }
        }

        return joined;
    }

    private static LabReport Tlb(BootedMachine machine) => new("tlb",
        [new("cpu", "CPU", IsNumber: true), new("hits", "HITS", IsNumber: true), new("misses", "MISSES", IsNumber: true), new("page_flushes", "PAGE FLUSHES", IsNumber: true), new("range_flushes", "RANGE FLUSHES", IsNumber: true), new("full_flushes", "FULL FLUSHES", IsNumber: true), new("switches", "CR3 LOADS", IsNumber: true), new("entries", "ENTRIES", IsNumber: true)],
        [.. machine.Tables.Cpus.Select((cpu, i) => new string?[]
        {
            Text((ulong)i), Text(cpu.Tlb.Counts.Hits), Text(cpu.Tlb.Counts.Misses), Text(cpu.Tlb.Counts.PageFlushes), Text(cpu.Tlb.Counts.RangeFlushes),
            Text(cpu.Tlb.Counts.FullFlushes), Text(cpu.Tlb.Counts.SwitchFlushes), Text((ulong)cpu.Tlb.Entries.Count),
        })]);

    private static LabReport Page(BootedMachine machine, LabCall call)
    {
        LabValue page = call.Value("a page or frame number");
        PageEntry entry = machine.Pages.Entry(new PageFrameNumber(page.Number));
        return new LabReport("page", [new("frame", "FRAME"), new("zone", "ZONE"), new("use", "USE"), new("count", "COUNT", IsNumber: true), new("order", "ORDER", IsNumber: true), new("flags", "FLAGS"), new("address", "ADDRESS")],
        [
            [
                $"0x{entry.Frame.Value:x}", entry.Zone?.Name(), entry.Use.ToString().ToLowerInvariant(), entry.Count.ToString(CultureInfo.InvariantCulture),
                entry.Order?.ToString(CultureInfo.InvariantCulture), string.Join(" ", entry.Flags), machine.DirectAddress(entry.Frame)?.ToString(),
            ],
        ]);
    }

    private static string?[] KmapRow(AtomicKmap kmaps, AtomicMapping mapping)
    {
        int index = mapping.Slot % kmaps.Facts.SlotsPerCpu;
        string? type = kmaps.Facts.AtomicRule == AtomicKmapRule.ByType && index < kmaps.Facts.SlotTypes.Length ? kmaps.Facts.SlotTypes[index] : null;
        return [Text((ulong)mapping.Slot), Text((ulong)(mapping.Slot / kmaps.Facts.SlotsPerCpu)), type, mapping.Address.ToString(), $"0x{mapping.Page!.Value.Value:x}"];
    }

    private static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);
}
