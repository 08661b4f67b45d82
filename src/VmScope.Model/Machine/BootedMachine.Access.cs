using VmScope.Layout;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Machine;

/// <content>Reading and writing at kernel addresses, through TLB and page tables; faults and processes.</content>
public sealed partial class BootedMachine
{
    private const ulong KernelMap = 0xffff_ffff_8000_0000;

    /// <summary>The most bytes one access moves.</summary>
    public const int AccessBytesMax = 64 << 20;

    /// <summary>Reads bytes at a kernel address.</summary>
    public OperationReport Read(VirtualAddress address, int sizeBytes, int cpu = 0)
    {
        ActionLog log = new();
        byte[] bytes = new byte[sizeBytes];
        PageFault? fault = Move(address, bytes, AccessKind.Read, cpu, log);
        return fault is null
            ? new OperationReport($"read({address}, {sizeBytes})", Succeeded: true, Bytes(sizeBytes), log) { Bytes = bytes, Address = address }
            : Faulted($"read({address}, {sizeBytes})", fault, log);
    }

    /// <summary>Writes bytes at a kernel address. A fault in the middle leaves what was written before it.</summary>
    public OperationReport Write(VirtualAddress address, ReadOnlySpan<byte> bytes, int cpu = 0)
    {
        ActionLog log = new();
        PageFault? fault = Move(address, bytes.ToArray(), AccessKind.Write, cpu, log);
        return fault is null
            ? new OperationReport($"write({address}, {bytes.Length})", Succeeded: true, Bytes(bytes.Length), log) { Address = address }
            : Faulted($"write({address}, {bytes.Length})", fault, log);
    }

    /// <summary>Executes at an address as far as the MMU cares: tries an instruction fetch.</summary>
    public OperationReport Execute(VirtualAddress address, int cpu = 0)
    {
        ActionLog log = new();
        PageFault? fault = Translate(address, AccessKind.Fetch, cpu, log, out PhysicalAddress physical);
        return fault is null
            ? new OperationReport($"execute({address})", Succeeded: true, $"instructions are fetched from {physical}", log) { Address = address }
            : Faulted($"execute({address})", fault, log);
    }

    /// <summary>Translates an address as the CPU would for reading, telling whether its TLB knew.</summary>
    public OperationReport Translate(VirtualAddress address, int cpu = 0)
    {
        ActionLog log = new();
        ulong hits = Tables.Cpus[cpu].Tlb.Counts.Hits;
        PageFault? fault = Translate(address, AccessKind.Read, cpu, log, out PhysicalAddress physical);
        if (fault is not null)
        {
            return Faulted($"translate({address})", fault, log);
        }

        log.Step(Tables.Cpus[cpu].Tlb.Counts.Hits > hits ? $"CPU {cpu}'s TLB knows the page" : $"CPU {cpu}'s TLB misses: the page tables are walked");
        return new OperationReport($"translate({address})", Succeeded: true, $"physical {physical}", log)
        {
            Address = address,
            Frame = new PageFrameNumber(physical.Value >> 12),
        };
    }

    /// <summary>Moves bytes between a buffer and kernel addresses; for callers that want no report.</summary>
    /// <returns>Null when all bytes were moved, otherwise the fault that stopped it.</returns>
    public PageFault? Move(VirtualAddress address, Span<byte> bytes, AccessKind access, int cpu = 0, ActionLog? log = null)
    {
        ulong at = address.Value;
        while (bytes.Length > 0)
        {
            if (Translate(new VirtualAddress(at), access, cpu, log, out PhysicalAddress physical) is { } fault)
            {
                return fault;
            }

            int length = (int)Math.Min((ulong)bytes.Length, 4096 - (at & 4095));
            if (access == AccessKind.Write)
            {
                Memory.Write(physical, bytes[..length]);
            }
            else if (!Memory.TryRead(physical, bytes[..length]))
            {
                throw new ModelInvariantException($"{physical} lies outside memory");
            }

            bytes = bytes[length..];
            at = unchecked(at + (ulong)length) & (Is64Bit ? ulong.MaxValue : uint.MaxValue);
        }

        return null;
    }

    /// <summary>Copies bytes from one kernel address to another, page by page.</summary>
    /// <returns>Null when all bytes were moved, otherwise the fault that stopped it.</returns>
    public PageFault? Copy(VirtualAddress from, VirtualAddress to, ulong sizeBytes, int cpu = 0)
    {
        for (ulong done = 0; done < sizeBytes;)
        {
            (ulong source, ulong target) = (unchecked(from.Value + done), unchecked(to.Value + done));
            int length = (int)Math.Min(sizeBytes - done, 4096 - Math.Max(source & 4095, target & 4095));
            if (Translate(new VirtualAddress(source), AccessKind.Read, cpu, log: null, out PhysicalAddress read) is { } unreadable)
            {
                return unreadable;
            }

            if (Translate(new VirtualAddress(target), AccessKind.Write, cpu, log: null, out PhysicalAddress written) is { } unwritable)
            {
                return unwritable;
            }

            Memory.Copy(read, written, length);
            done += (ulong)length;
        }

        return null;
    }

    /// <summary>The walk a CPU's page tables give for an address.</summary>
    public PageWalk Walk(VirtualAddress address, int cpu = 0) => Tables.Walker.Walk(Tables.Cpus[cpu].Root, address);

    /// <summary>What an address is: its region, the area it belongs to, a guard page, a hole.</summary>
    public string Describe(VirtualAddress address)
    {
        if (Vmalloc.AreaAt(address) is { } area)
        {
            string owner = area.Caller.Length == 0 ? $"the {KindName(area.Kind)} at {area.Start}" : $"the area of {PlainCaller(area.Caller)} at {area.Start}";
            return address.Value - area.Start.Value >= area.UsableBytes
                ? $"guard page behind {owner}"
                : $"offset 0x{address.Value - area.Start.Value:x} in {owner}";
        }

        if (Layout.Vmalloc.Contains(address))
        {
            string state = Vmalloc.Space.StateOf(address.Value) switch
            {
                AreaState.Lazy or AreaState.Returning => "freed, waiting for a purge",
                AreaState.Pooled => "freed and purged, lying ready in a pool",
                _ => "free",
            };
            string below = Vmalloc.AreaBelow(address) is { } lower ? $", behind the area at {lower.Start}" : "";
            return $"in the vmalloc area, {state}{below}";
        }

        if (Pkmap is { } pkmap && pkmap.Window.Contains(address))
        {
            return pkmap.PageAt(address) is { } page ? $"pkmap slot of frame 0x{page.Value:x}" : "an empty slot of the pkmap window";
        }

        if (Is64Bit && address.Value >= KernelMap && _plan.Image.Contains(new PhysicalAddress(address.Value - KernelMap)))
        {
            return $"the kernel image, at physical 0x{address.Value - KernelMap:x}";
        }

        foreach (Region region in Layout.Regions.Reverse())
        {
            if (region.Range.Contains(address) && !region.IsBounds)
            {
                return region.Kind switch
                {
                    RegionKind.Gap when region.Name == "vmalloc-gap" => $"the hole of {DerivationText.BytesText(region.Range.SizeBytes)} between the direct map and the vmalloc area: it catches runs past the end of low memory",
                    RegionKind.DirectMap => $"the direct map of physical 0x{address.Value - Layout.PageOffset.Value:x}{(address < Layout.HighMemory ? "" : ", past the last RAM")}",
                    RegionKind.User => address.Value < 4096 ? "the first page of user space, where a null pointer leads: never mapped"
                        : "user space, where these processes map nothing",
                    _ => $"region {region.Name}{(region.Note is { } note ? $" ({note})" : "")}",
                };
            }
        }

        return Layout.Regions.Any(region => region.IsBounds && region.Kind == RegionKind.KernelImage && region.Range.Contains(address))
            ? "in the window of the kernel image, outside the image"
            : "no region of the kernel";
    }

    /// <summary>Makes a process: a root table whose user half is empty and whose kernel half is a copy.</summary>
    public OperationReport CreateProcess(string name)
    {
        ActionLog log = new();
        string operation = $"new process {name}";
        if (_processes.ContainsKey(name))
        {
            return new OperationReport(operation, Succeeded: false, $"there is a process {name} already", log);
        }

        int frame = Pages.TakePage(ZoneKind.Normal, FrameUse.PageTable, cpu: 0, isZeroed: true);
        if (frame < 0)
        {
            return new OperationReport(operation, Succeeded: false, "no page for its directory", log);
        }

        PhysicalAddress root = new((ulong)frame << 12);
        int copied = 0;
        foreach (int index in KernelRootEntries())
        {
            copied += CopyRootEntry(root, index, log) ? 1 : 0;
        }

        _processes.Add(name, root);
        log.Step($"{copied} entries of the kernel half are copied from swapper_pg_dir; tables below are shared");
        return new OperationReport(operation, Succeeded: true, $"its directory is at physical {root}", log) { Frame = new PageFrameNumber((ulong)frame) };
    }

    /// <summary>Loads a process's root table into a CPU; an empty name loads the kernel's own.</summary>
    public OperationReport RunProcess(string name, int cpu = 0)
    {
        ActionLog log = new();
        PhysicalAddress root = Tables.Root;
        if (name.Length > 0 && !_processes.TryGetValue(name, out root))
        {
            return new OperationReport($"run {name}", Succeeded: false, $"there is no process {name}", log);
        }

        Tables.Cpus[cpu].Load(root);
        _running[cpu] = name.Length == 0 ? null : name;
        log.Flushes.Add(new TlbFlush(FlushScope.All, Range: null, cpu, "CR3 was loaded: entries that are not global leave the TLB"));
        return new OperationReport($"run {(name.Length == 0 ? "kernel" : name)}", Succeeded: true, $"CPU {cpu} uses the tables at {root}", log);
    }

    private static string Bytes(int count) => count == 1 ? "1 byte" : $"{count} bytes";

    private static string PlainCaller(string caller)
    {
        int plus = caller.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? caller : caller[..plus];
    }

    private static string KindName(AreaKind kind) => kind switch
    {
        AreaKind.Vmalloc => "vmalloc area",
        AreaKind.Vmap => "vmap area",
        AreaKind.Ioremap => "ioremap area",
        AreaKind.MapRam => "vm_map_ram area",
        AreaKind.MapRamBlock => "vm_map_ram block",
        AreaKind.Percpu => "per-CPU chunk",
        AreaKind.Stack => "kernel stack",
        AreaKind.Module => "module",
    };

    private PageFault? Translate(VirtualAddress address, AccessKind access, int cpu, ActionLog? log, out PhysicalAddress physical)
    {
        Mmu mmu = Tables.Cpus[cpu];
        PageFault? fault = mmu.Translate(address, access, out physical);
        return fault is { Kind: FaultKind.NotPresent } && mmu.Root != Tables.Root && TryVmallocFault(address, mmu, log)
            ? mmu.Translate(address, access, out physical)
            : fault;
    }

    /// <summary>Copies a directory entry the process does not have yet, as the fault handler does for the kernel half.</summary>
    private bool TryVmallocFault(VirtualAddress address, Mmu mmu, ActionLog? log)
    {
        if (!_plan.Paging.CopiesKernelEntriesOnFault || !Layout.Vmalloc.Contains(address))
        {
            return false;
        }

        int index = Tables.Geometry.Levels[0].IndexOf(address);
        bool copied = CopyRootEntry(mmu.Root, index, log);
        if (copied)
        {
            log?.Step($"vmalloc fault: directory entry {index} was missing in this process and is copied from swapper_pg_dir; the access is repeated");
        }

        return copied;
    }

    /// <summary>Entries of the root table that belong to the kernel.</summary>
    private IEnumerable<int> KernelRootEntries()
    {
        PagingLevel root = Tables.Geometry.Levels[0];
        int first = Is64Bit ? root.EntryCount / 2 : root.IndexOf(Layout.PageOffset);
        return Enumerable.Range(first, root.EntryCount - first);
    }

    private bool CopyRootEntry(PhysicalAddress root, int index, ActionLog? log)
    {
        int bytes = Tables.Geometry.EntryBytes;
        PhysicalAddress at = new(root.Value + (ulong)(index * bytes));
        _ = Memory.TryReadWord(new PhysicalAddress(Tables.Root.Value + (ulong)(index * bytes)), bytes, out ulong entry);
        _ = Memory.TryReadWord(at, bytes, out ulong old);
        if (entry == old || (entry & X86Entry.Present) == 0)
        {
            return false;
        }

        Memory.WriteWord(at, bytes, entry);
        log?.Entries.Add(new EntryWrite(0, Tables.Geometry.Levels[0].Name, Tables.Geometry.Address((ulong)index << Tables.Geometry.Levels[0].Shift), at, old, entry));
        return true;
    }

    /// <summary>Copies new kernel entries into every process at once, where the kernel does so.</summary>
    private void SyncProcesses(ActionLog log)
    {
        if (!_rootChanged)
        {
            return;
        }

        _rootChanged = false;
        if (!_plan.Paging.SyncsNewKernelTables)
        {
            return;
        }

        foreach ((string name, PhysicalAddress root) in _processes.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            int copied = KernelRootEntries().Count(index => CopyRootEntry(root, index, log));
            if (copied > 0)
            {
                log.Step($"{copied} new kernel directory entries are copied to {name}");
            }
        }
    }

    private OperationReport Faulted(string name, PageFault fault, ActionLog log)
    {
        string meaning = Describe(fault.Address);
        log.Step(fault.Kind == FaultKind.NotCanonical
            ? "the processor raises a general protection fault"
            : $"page fault: CR2 {fault.Address}, error code {fault.ErrorCode:x4} ({fault.ErrorCodeText})");
        log.Step($"{fault.Address} is {meaning}");
        string kind = fault.Kind == FaultKind.NotCanonical ? "general protection fault" : $"page fault, error code {fault.ErrorCode:x4} ({fault.ErrorCodeText})";
        return new OperationReport(name, Succeeded: false, $"{kind} at {fault.Address}: {meaning}", log) { Fault = fault, Address = fault.Address };
    }
}
