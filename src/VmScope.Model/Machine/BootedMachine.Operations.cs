using System.Globalization;
using VmScope.Highmem;
using VmScope.Kernels;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Machine;

/// <content>Operations of the kernel that allocate and map; each tells what it did.</content>
public sealed partial class BootedMachine
{
    /// <summary>vmalloc and its relatives.</summary>
    public OperationReport Allocate(VmallocCall call)
    {
        ActionLog log = new();
        string name = call.Variant switch
        {
            VmallocVariant.Plain => "vmalloc",
            VmallocVariant.Zeroed => "vzalloc",
            VmallocVariant.Below4G => "vmalloc_32",
            VmallocVariant.User => "vmalloc_user",
            VmallocVariant.Huge => "vmalloc_huge",
        };
        return Finish($"{name}({call.SizeBytes})", Vmalloc.Allocate(call, log), log);
    }

    /// <summary>vfree; also undoes vmap and gives back modules' areas. NULL is nothing to do.</summary>
    public OperationReport Vfree(VirtualAddress address, int cpu = 0) =>
        GiveBack("vfree", address, [AreaKind.Vmalloc, AreaKind.Vmap, AreaKind.Module], "vmalloc", cpu);

    /// <summary>vunmap: undoes vmap. NULL is nothing to do.</summary>
    public OperationReport Vunmap(VirtualAddress address, int cpu = 0) => GiveBack("vunmap", address, [AreaKind.Vmap], "vmap", cpu);

    /// <summary>ioremap.</summary>
    public OperationReport Ioremap(PhysicalAddress physical, ulong sizeBytes, string caller, int cpu = 0)
    {
        ActionLog log = new();
        return Finish($"ioremap({physical}, {sizeBytes})", Vmalloc.Ioremap(physical, sizeBytes, caller, cpu, log), log);
    }

    /// <summary>iounmap; addresses up to high_memory are ignored, as the kernel does.</summary>
    public OperationReport Iounmap(VirtualAddress address, int cpu = 0)
    {
        if (address > Layout.HighMemory)
        {
            return GiveBack("iounmap", address, [AreaKind.Ioremap], "ioremap", cpu);
        }

        ActionLog log = new();
        log.Step("the address does not lie above high_memory: nothing to undo");
        return Finish($"iounmap({address})", VmallocEnd.Done, log, $"{address} was never an area");
    }

    private OperationReport GiveBack(string function, VirtualAddress address, ReadOnlySpan<AreaKind> kinds, string maker, int cpu)
    {
        ActionLog log = new();
        if (address.Value == 0)
        {
            log.Step("NULL: the function returns at once");
            return Finish($"{function}(NULL)", VmallocEnd.Done, log, "nothing to do");
        }

        VmallocEnd end = Vmalloc.Free(address, kinds, cpu, log);
        return Finish($"{function}({address})", end, log, end switch
        {
            VmallocEnd.Done => $"{address} is free",
            VmallocEnd.OtherKind when Vmalloc.AreaAt(address) is { } area =>
                $"refused: {area.Start} is a {KindName(area.Kind)}, which the kernel would tear down the wrong way without a word",
            _ => $"{address} is no area of {maker}",
        });
    }

    /// <summary>vmap: maps pages of the caller.</summary>
    public OperationReport Vmap(IReadOnlyList<PageFrameNumber> frames, string caller, int cpu = 0)
    {
        ActionLog log = new();
        return Finish($"vmap({frames.Count} pages)", Vmalloc.Vmap([.. frames], caller, cpu, log), log);
    }

    /// <summary>vm_map_ram.</summary>
    public OperationReport MapRam(IReadOnlyList<PageFrameNumber> frames, string caller, int cpu = 0)
    {
        ActionLog log = new();
        return Finish($"vm_map_ram({frames.Count} pages)", Vmalloc.MapRam([.. frames], caller, cpu, log), log);
    }

    /// <summary>vm_unmap_ram.</summary>
    public OperationReport UnmapRam(VirtualAddress address, int pages, int cpu = 0)
    {
        ActionLog log = new();
        VmallocEnd end = Vmalloc.UnmapRam(address, pages, cpu, log);
        return Finish($"vm_unmap_ram({address}, {pages})", end, log, end == VmallocEnd.Done ? $"{address} is unmapped" : $"{address} is no mapping of {pages} pages by vm_map_ram");
    }

    /// <summary>A new per-CPU chunk.</summary>
    public OperationReport PercpuChunk()
    {
        ActionLog log = new();
        return Finish("pcpu_get_vm_areas()", Vmalloc.PercpuChunk(log), log);
    }

    /// <summary>Gives a per-CPU chunk back.</summary>
    public OperationReport FreePercpuChunk(VirtualAddress address)
    {
        ActionLog log = new();
        VmallocEnd end = Vmalloc.Free(address, [AreaKind.Percpu], 0, log);
        return Finish($"pcpu_free_vm_areas({address})", end, log, end == VmallocEnd.Done ? $"{address} is free" : $"{address} is no per-CPU chunk");
    }

    /// <summary>A kernel stack, as fork asks for it.</summary>
    public OperationReport AllocateStack(string caller, int cpu = 0)
    {
        ActionLog log = new();
        return Finish("alloc_thread_stack()", Vmalloc.AllocateStack(caller, cpu, log), log);
    }

    /// <summary>Gives a kernel stack back, as exit does.</summary>
    public OperationReport FreeStack(VirtualAddress address, int cpu = 0)
    {
        ActionLog log = new();
        VmallocEnd end = Vmalloc.FreeStack(address, cpu, log);
        return Finish($"free_thread_stack({address})", end, log, end == VmallocEnd.Done ? $"{address} is given back" : $"{address} is no kernel stack");
    }

    /// <summary>Room for a module.</summary>
    public OperationReport AllocateModule(ulong sizeBytes, string caller, int cpu = 0)
    {
        ActionLog log = new();
        return Finish($"module_alloc({sizeBytes})", Vmalloc.AllocateModule(sizeBytes, caller, cpu, log), log);
    }

    /// <summary>vm_unmap_aliases, as every change of page attributes calls it; frees unused pkmap slots too.</summary>
    public OperationReport UnmapAliases()
    {
        ActionLog log = new();
        Vmalloc.UnmapAliases(log);
        int slots = Pkmap?.FlushUnused(log) ?? 0;
        return Finish("vm_unmap_aliases()", VmallocEnd.Done, log, slots == 0 ? "nothing waits any more" : $"nothing waits any more; {slots} pkmap slots became free");
    }

    /// <summary>alloc_pages: 2^order contiguous frames.</summary>
    public OperationReport AllocatePages(PageRequest request)
    {
        ActionLog log = new();
        PageAllocation answer = Pages.Allocate(request);
        foreach (ZoneAttempt attempt in answer.Attempts)
        {
            log.Step(attempt.Text(request.Order));
        }

        string name = $"alloc_pages({request.Highest.Name()}, {request.Order})";
        if (answer.First is not { } first)
        {
            if (request.Order > Pages.LargestOrder)
            {
                // alloc_pages_node(), 2.6.11, and __alloc_pages(), 6.1, refuse such an order before they search; no failure is logged.
                log.Step($"order {request.Order} is above the largest there is, {Pages.LargestOrder}: refused before any search");
            }
            else
            {
                log.Step("no zone can serve the request");
                log.Messages.AddRange(Warner.Lines(null, request.Order, WishOf(request), request.Cpu));
            }

            return new OperationReport(name, Succeeded: false, request.Order == 0 ? "no page is to be had" : $"no block of {1UL << Math.Min(request.Order, 40)} contiguous pages", log);
        }

        log.Frames.Add(new FrameMove(first, request.Order, answer.Zone!.Value.Name(), IsTaken: true, "for the caller"));
        return new OperationReport(name, Succeeded: true,
            $"frame 0x{first.Value:x} of {answer.Zone!.Value.Name()}{(DirectAddress(first) is { } at ? $", at {at} in the direct map" : ", without a kernel address")}", log)
        {
            Frame = first,
            Order = request.Order,
            Address = DirectAddress(first),
        };
    }

    private static GfpWish WishOf(PageRequest request) =>
        (request.IsAtomic ? GfpWish.Atomic : GfpWish.Kernel)
        | (request.IsZeroed ? GfpWish.Zero : GfpWish.Kernel)
        | request.Highest switch
        {
            ZoneKind.Dma => GfpWish.Dma,
            ZoneKind.Dma32 => GfpWish.Dma32,
            ZoneKind.HighMem or ZoneKind.Movable or ZoneKind.Device => GfpWish.HighMem,
            ZoneKind.Normal => GfpWish.Kernel,
        };

    /// <summary>free_pages: gives a block back.</summary>
    public OperationReport FreePages(PageFrameNumber first, int order, int cpu = 0)
    {
        ActionLog log = new();
        string name = $"free_pages(0x{first.Value:x}, {order})";
        PageEntry entry = Pages.Entry(first);
        if (entry.Use != FrameUse.Allocated || entry.Order != order)
        {
            return new OperationReport(name, Succeeded: false, $"frame 0x{first.Value:x} is no block of order {order} of the caller: {entry.Use}", log);
        }

        Pages.Free(first, order, cpu);
        log.Frames.Add(new FrameMove(first, order, entry.Zone!.Value.Name(), IsTaken: false, "of the caller"));
        return new OperationReport(name, Succeeded: true, order == 0 ? "1 page is free" : $"{1UL << order} pages are free", log);
    }

    /// <summary>kmap: an address for a page.</summary>
    public OperationReport Kmap(PageFrameNumber page, bool maySleep = true)
    {
        ActionLog log = new();
        string name = $"kmap(0x{page.Value:x})";
        if (BeyondReach(name, page.Value, log) is { } refused)
        {
            return refused;
        }

        if (DirectAddress(page) is { } direct)
        {
            log.Step("the page is in low memory: the direct map answers, pkmap is not touched");
            return new OperationReport(name, Succeeded: true, $"{direct}, in the direct map", log) { Address = direct, Frame = page };
        }

        return Pkmap?.Map(page, maySleep, log) switch
        {
            KmapAnswer.Mapped mapped => new OperationReport(name, Succeeded: true, $"{mapped.Address}, slot {mapped.Slot} of pkmap", log) { Address = mapped.Address, Frame = page },
            KmapAnswer.Sleeps sleeps => new OperationReport(name, Succeeded: false, $"the task sleeps (waiter {sleeps.Ticket}): all {Pkmap.SlotCount} slots have users", log) { Frame = page },
            KmapAnswer.Refused => new OperationReport(name, Succeeded: false, "refused: all slots have users and the caller must not sleep", log) { Frame = page },
            _ => new OperationReport(name, Succeeded: false, "this kernel has no high memory", log),
        };
    }

    /// <summary>kunmap.</summary>
    public OperationReport Kunmap(PageFrameNumber page)
    {
        ActionLog log = new();
        string name = $"kunmap(0x{page.Value:x})";
        if (DirectAddress(page) is not null)
        {
            log.Step("the page is in low memory: nothing to undo");
            return new OperationReport(name, Succeeded: true, "nothing to undo", log);
        }

        try
        {
            WokenKmap[] woken = Pkmap is null ? throw new KeyNotFoundException("this kernel has no high memory") : [.. Pkmap.Unmap(page, log)];
            string summary = woken.Length == 0 ? "given back" : "given back; " + string.Join(", ",
                woken.Select(call => $"waiter {call.Ticket} wakes with {call.Address}, slot {call.Slot}"));
            return new OperationReport(name, Succeeded: true, summary, log)
            {
                Address = woken.Length == 0 ? null : woken[0].Address,
            };
        }
        catch (KeyNotFoundException error)
        {
            return new OperationReport(name, Succeeded: false, error.Message, log);
        }
    }

    /// <summary>kmap_atomic in a named slot (up to 2.6.36).</summary>
    public OperationReport KmapAtomic(PageFrameNumber page, string type, int cpu = 0)
    {
        ActionLog log = new();
        string name = $"kmap_atomic(0x{page.Value:x}, {type.ToUpperInvariant()})";
        if (BeyondReach(name, page.Value, log) is { } refused)
        {
            return refused;
        }

        if (DirectAddress(page) is { } direct)
        {
            log.Step("the page is in low memory: the direct map answers");
            return new OperationReport(name, Succeeded: true, $"{direct}, in the direct map", log) { Address = direct, Frame = page };
        }

        if (AtomicKmaps is null)
        {
            return new OperationReport(name, Succeeded: false, "this kernel has no high memory", log);
        }

        if (AtomicKmaps.Facts.AtomicRule != AtomicKmapRule.ByType)
        {
            return new OperationReport(name, Succeeded: false, "this kernel chooses the slot itself: no type is named", log);
        }

        return AtomicKmaps.TypeOf(type) is not { } index
            ? new OperationReport(name, Succeeded: false, $"this kernel has no type {type}; it has {string.Join(", ", AtomicKmaps.Facts.SlotTypes).ToLowerInvariant()}", log)
            : Finish(name, AtomicKmaps.MapType(page, index, cpu, log), log);
    }

    /// <summary>kmap_atomic or kmap_local in the next slot (2.6.37 on).</summary>
    public OperationReport KmapNext(PageFrameNumber page, int cpu = 0)
    {
        ActionLog log = new();
        string function = AtomicKmaps?.Facts.AtomicRule == AtomicKmapRule.TaskStack ? "kmap_local_page" : "kmap_atomic";
        string name = $"{function}(0x{page.Value:x})";
        if (BeyondReach(name, page.Value, log) is { } refused)
        {
            return refused;
        }

        if (DirectAddress(page) is { } direct)
        {
            log.Step("the page is in low memory: the direct map answers");
            return new OperationReport(name, Succeeded: true, $"{direct}, in the direct map", log) { Address = direct, Frame = page };
        }

        if (AtomicKmaps is null)
        {
            return new OperationReport(name, Succeeded: false, "this kernel has no high memory", log);
        }

        return AtomicKmaps.Facts.AtomicRule == AtomicKmapRule.ByType
            ? new OperationReport(name, Succeeded: false, $"this kernel wants a type named: {string.Join(", ", AtomicKmaps.Facts.SlotTypes).ToLowerInvariant()}", log)
            : Finish(name, AtomicKmaps.Push(page, cpu, log), log);
    }

    /// <summary>kmap_local (5.11 on).</summary>
    public OperationReport KmapLocal(PageFrameNumber page, int cpu = 0) =>
        NoKmapLocal($"kmap_local_page(0x{page.Value:x})") ?? KmapNext(page, cpu);

    /// <summary>kunmap_local (5.11 on).</summary>
    public OperationReport KunmapLocal(VirtualAddress address, int cpu = 0) =>
        NoKmapLocal($"kunmap_local({address})") ?? KunmapNext(address, cpu);

    private OperationReport? NoKmapLocal(string name) => _plan.Highmem.AtomicRule == AtomicKmapRule.TaskStack
        ? null
        : new OperationReport(name, Succeeded: false, "this kernel has no such function: kmap_atomic and kunmap_atomic do its work", new ActionLog());

    /// <summary>kunmap_atomic of a named slot.</summary>
    public OperationReport KunmapAtomic(string type, int cpu = 0)
    {
        ActionLog log = new();
        string name = $"kunmap_atomic({type.ToUpperInvariant()})";
        if (AtomicKmaps is null || AtomicKmaps.Facts.AtomicRule != AtomicKmapRule.ByType || AtomicKmaps.TypeOf(type) is not { } index)
        {
            return new OperationReport(name, Succeeded: false, $"this kernel has no type {type}", log);
        }

        AtomicKmaps.UnmapType(index, cpu, log);
        return new OperationReport(name, Succeeded: true, "given back", log);
    }

    /// <summary>kunmap_atomic or kunmap_local of the newest slot.</summary>
    public OperationReport KunmapNext(VirtualAddress address, int cpu = 0)
    {
        ActionLog log = new();
        string name = $"{(AtomicKmaps?.Facts.AtomicRule == AtomicKmapRule.TaskStack ? "kunmap_local" : "kunmap_atomic")}({address})";
        if (AtomicKmaps is { Facts.AtomicRule: AtomicKmapRule.ByType })
        {
            return new OperationReport(name, Succeeded: false, "this kernel gives slots back by their type", log);
        }

        if (AtomicKmaps?.IsSlot(address) != true)
        {
            log.Step("the address is no slot of the fixmap: nothing to undo");
            return new OperationReport(name, Succeeded: true, "nothing to undo", log);
        }

        string? complaint = AtomicKmaps.Pop(address, cpu, log);
        return new OperationReport(name, complaint is null, complaint ?? "given back", log);
    }

    /// <summary>Makes another task run on a CPU.</summary>
    public OperationReport SwitchTask(string task, int cpu = 0)
    {
        ActionLog log = new();
        string name = $"switch to {task} on CPU {cpu}";
        try
        {
            AtomicKmaps?.SwitchTo(task, cpu, log);
            Warner.Run(task, cpu);
            return new OperationReport(name, Succeeded: true, $"{task} runs on CPU {cpu}", log);
        }
        catch (InvalidOperationException error)
        {
            return new OperationReport(name, Succeeded: false, error.Message, log);
        }
    }

    /// <summary>set_fixmap.</summary>
    public OperationReport SetFixmap(int index, PhysicalAddress page, bool isDevice)
    {
        ActionLog log = new();
        string name = $"set_fixmap({index}, {page})";
        if (Fixmap is null || index < 0 || index >= Fixmap.Count)
        {
            return new OperationReport(name, Succeeded: false, Fixmap is null ? "the layout has no fixmap" : $"index {index} is not below {Fixmap.Count}: the kernel stops with BUG", log);
        }

        if (BeyondReach(name, page.Value >> 12, log) is { } refused)
        {
            return refused;
        }

        VirtualAddress address = Fixmap.Set(index, page, isDevice ? Tables.Flags.Device : Tables.Flags.Data, log);
        return new OperationReport(name, Succeeded: true, $"{address}", log) { Address = address };
    }

    /// <summary>clear_fixmap.</summary>
    public OperationReport ClearFixmap(int index)
    {
        ActionLog log = new();
        string name = $"clear_fixmap({index})";
        if (Fixmap is null || index < 0 || index >= Fixmap.Count)
        {
            return new OperationReport(name, Succeeded: false, Fixmap is null ? "the layout has no fixmap" : $"index {index} is not below {Fixmap.Count}: the kernel stops with BUG", log);
        }

        Fixmap.Clear(index, log);
        return new OperationReport(name, Succeeded: true, "cleared", log);
    }

    /// <summary>early_ioremap.</summary>
    public OperationReport EarlyMap(PhysicalAddress physical, ulong sizeBytes)
    {
        ActionLog log = new();
        string name = $"early_ioremap({physical}, {sizeBytes})";
        if (EarlyIoremap is null)
        {
            return new OperationReport(name, Succeeded: false, "the layout has no boot-time slots", log);
        }

        if (BeyondReach(name, unchecked(physical.Value + sizeBytes) >> 12, log) is { } refused)
        {
            return refused;
        }

        EarlyIoremapAnswer answer = EarlyIoremap.Map(physical, sizeBytes, log);
        return new OperationReport(name, answer.Address is not null, answer.Address is { } at ? $"{at}, slot {answer.Slot}" : answer.Complaint!, log) { Address = answer.Address };
    }

    /// <summary>early_iounmap.</summary>
    public OperationReport EarlyUnmap(VirtualAddress address, ulong sizeBytes)
    {
        ActionLog log = new();
        string? complaint = EarlyIoremap is null ? "the layout has no boot-time slots" : EarlyIoremap.Unmap(address, sizeBytes, log);
        return new OperationReport($"early_iounmap({address}, {sizeBytes})", complaint is null, complaint ?? "given back", log);
    }

    /// <summary>Refuses a frame that no page-table entry of this machine can hold.</summary>
    private OperationReport? BeyondReach(string name, ulong frame, ActionLog log)
    {
        int bits = Vmalloc.Environment.PhysicalBits;
        return frame >> (bits - 12) == 0
            ? null
            : new OperationReport(name, Succeeded: false, $"frame 0x{frame:x} lies beyond the processor's {bits} physical address bits", log);
    }

    private static string Why(VmallocEnd end) => end switch
    {
        VmallocEnd.Done => "done",
        VmallocEnd.SizeZero => "NULL: a size of 0",
        VmallocEnd.MoreThanRam => "NULL: more pages than the machine has",
        VmallocEnd.NoRoom => "NULL: no place in the address range",
        VmallocEnd.NoPages => "NULL: the pages ran out",
        VmallocEnd.NoTables => "NULL: no memory for page tables",
        VmallocEnd.UnknownAddress => "the address is not known",
        VmallocEnd.OtherKind => "the area is of another kind",
        VmallocEnd.BadPhysical => "NULL: the physical address cannot be mapped",
        VmallocEnd.NotSupported => "this kernel has no such function",
    };

    private OperationReport Finish(string name, AtomicKmapAnswer answer, ActionLog log) => answer switch
    {
        AtomicKmapAnswer.Mapped mapped => new OperationReport(name, Succeeded: true,
            mapped.Replaced is { } old ? $"{mapped.Mapping.Address}; frame 0x{old.Value:x} lost its mapping" : $"{mapped.Mapping.Address}", log)
        {
            Address = mapped.Mapping.Address,
            Frame = mapped.Mapping.Page,
        },
        AtomicKmapAnswer.Bug bug => new OperationReport(name, Succeeded: false, $"kernel BUG: {bug.Reason}", log),
        _ => throw new ModelInvariantException("an answer of kmap_atomic that does not exist"),
    };

    private OperationReport Finish(string name, VmallocAnswer answer, ActionLog log)
    {
        SyncProcesses(log);
        string summary = answer.Address is { } at
            ? answer.Area is { } area
                ? area.Kind == AreaKind.MapRamBlock ? $"{at}, in a block of {area.SizeBytes} bytes" : string.Create(CultureInfo.InvariantCulture, $"{at}, an area of {area.SizeBytes} bytes{(area.GuardBytes > 0 ? " with its guard page" : "")}")
                : $"{at}"
            : Why(answer.End);
        return new OperationReport(name, answer.End == VmallocEnd.Done, summary, log) { Address = answer.Address };
    }

    private OperationReport Finish(string name, VmallocEnd end, ActionLog log, string summary)
    {
        SyncProcesses(log);
        return new OperationReport(name, end == VmallocEnd.Done, summary, log);
    }
}
