using VmScope.Kernels;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Vmalloc;

/// <content>vmap, ioremap, vm_map_ram, per-CPU chunks, kernel stacks, modules.</content>
public sealed partial class VmallocMemory
{
    private const int StacksCachedPerCpu = 2;
    private readonly Dictionary<int, VmallocArea?[]> _stackCache = [];

    /// <summary>vmap: maps pages of the caller.</summary>
    /// <param name="frames">The pages, in order.</param>
    /// <param name="caller">Who calls.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public VmallocAnswer Vmap(ReadOnlySpan<PageFrameNumber> frames, string caller, int cpu = 0, ActionLog? log = null)
    {
        if (frames.IsEmpty || (ulong)frames.Length > _pages.ManagedPages)
        {
            return VmallocAnswer.Null(frames.IsEmpty ? VmallocEnd.SizeZero : VmallocEnd.MoreThanRam);
        }

        if (!AreReachable(frames, log))
        {
            return VmallocAnswer.Null(VmallocEnd.BadPhysical);
        }

        ulong searched = AreaSizing.SearchedBytes(Facts, (ulong)frames.Length * _pageBytes, _pageBytes);
        if (!TryPlace(searched, 1, (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), cpu, log, out ulong address))
        {
            Say(Environment.Messages.NoRoomText(searched, Environment.Setup.WindowStart, Environment.Setup.WindowEnd), log);
            return VmallocAnswer.Null(VmallocEnd.NoRoom);
        }

        VmallocArea area = Register(address, searched, _pageBytes, AreaKind.Vmap, caller);
        return MapGiven(area, frames, cpu, log);
    }

    /// <summary>ioremap: maps a device.</summary>
    /// <param name="physical">Its physical address; need not begin a page.</param>
    /// <param name="sizeBytes">Its size.</param>
    /// <param name="caller">Who calls.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public VmallocAnswer Ioremap(PhysicalAddress physical, ulong sizeBytes, string caller, int cpu = 0, ActionLog? log = null)
    {
        ulong last = unchecked(physical.Value + sizeBytes - 1);
        if (sizeBytes == 0)
        {
            return VmallocAnswer.Null(VmallocEnd.SizeZero);
        }

        // An entry of 4 bytes comes with physical addresses of 32 bits, where running past the end is a wrap-around.
        bool wraps = last < physical.Value || (Environment.PhysicalBits == 32 && last >> 32 != 0);
        if (wraps || last >> Environment.PhysicalBits != 0)
        {
            log?.Step(wraps ? "the end of the device lies past the last physical address: refused without a word"
                : $"the processor has {Environment.PhysicalBits} physical address bits");
            if (!wraps && Environment.Uses.ComplainsOfPhysical && physical.Value >> Environment.PhysicalBits != 0)
            {
                Say($"ioremap: invalid physical address {physical.Value:x}", log);
            }

            return VmallocAnswer.Null(VmallocEnd.BadPhysical);
        }

        if (Environment.Uses.IsaWindowDirect && physical.Value >= 0xa0000 && last < 0x100000)
        {
            log?.Step("0xa0000 to 0xfffff is answered from the direct map: no area is made");
            return new VmallocAnswer(VmallocEnd.Done, new VirtualAddress(Environment.DirectMapStart.Value + physical.Value), Area: null);
        }

        ulong start = Align.Down(physical.Value, _pageBytes);
        ulong size = Align.Up(last + 1, _pageBytes) - start;
        for (ulong page = start; page < start + size; page += _pageBytes)
        {
            ulong frame = page / _pageBytes;
            FrameUse use = frame < (ulong)_pages.Frames.FrameCount ? _pages.Frames.UseOf((int)frame) : FrameUse.Absent;
            bool isUsableRam = use is not FrameUse.Absent && (use != FrameUse.Reserved || Environment.Uses.OfRam == IoremapOfRam.Warns);
            if (isUsableRam)
            {
                log?.Step($"frame 0x{frame:x} is RAM: mapping it a second time, uncached, is refused");
                if (Environment.Uses.OfRam == IoremapOfRam.Warns)
                {
                    Say($"ioremap on RAM at 0x{physical.Value:x16} - 0x{last:x16}", log);
                }

                return VmallocAnswer.Null(VmallocEnd.BadPhysical);
            }
        }

        ulong align = AreaSizing.IoremapAlignBytes(Facts, size, _pageBytes, Environment.IoremapOrderMax);
        ulong searched = AreaSizing.SearchedBytes(Facts, size, _pageBytes);
        log?.Step($"{size} bytes and a guard page; ioremap aligns them to {align}");
        if (!TryPlace(searched, align, (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), cpu, log, out ulong address))
        {
            Say(Environment.Messages.NoRoomText(searched, Environment.Setup.WindowStart, Environment.Setup.WindowEnd), log);
            return VmallocAnswer.Null(VmallocEnd.NoRoom);
        }

        VmallocArea area = Register(address, searched, _pageBytes, AreaKind.Ioremap, caller);
        area.Device = new PhysicalAddress(start);
        if (!TryMapDevice(area, start, size, log))
        {
            Release(area, cpu, log);
            return VmallocAnswer.Null(VmallocEnd.NoTables);
        }

        return new VmallocAnswer(VmallocEnd.Done, new VirtualAddress(address + (physical.Value - start)), area);
    }

    /// <summary>vm_map_ram: a short-lived mapping of a few pages, cut from a block of this CPU.</summary>
    public VmallocAnswer MapRam(ReadOnlySpan<PageFrameNumber> frames, string caller, int cpu = 0, ActionLog? log = null)
    {
        if (Facts.VmapBlocks == VmapBlockRule.None)
        {
            return VmallocAnswer.Null(VmallocEnd.NotSupported);
        }

        if (frames.IsEmpty)
        {
            return VmallocAnswer.Null(VmallocEnd.SizeZero);
        }

        if (!AreReachable(frames, log))
        {
            return VmallocAnswer.Null(VmallocEnd.BadPhysical);
        }

        if (frames.Length <= VmapBlocks.PagesMax(Environment.Setup.Is64Bit))
        {
            return _blocks.Map(frames, cpu, log);
        }

        ulong size = (ulong)frames.Length * _pageBytes;
        log?.Step($"{frames.Length} pages are too many for a block: an area of their own, page aligned, without guard page");
        if (!TryPlace(size, _pageBytes, (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), cpu, log, out ulong address))
        {
            Say(Environment.Messages.NoRoomText(size, Environment.Setup.WindowStart, Environment.Setup.WindowEnd), log);
            return VmallocAnswer.Null(VmallocEnd.NoRoom);
        }

        return MapGiven(Register(address, size, guardBytes: 0, AreaKind.MapRam, caller), frames, cpu, log);
    }

    /// <summary>vm_unmap_ram.</summary>
    /// <param name="address">What vm_map_ram answered.</param>
    /// <param name="pages">The number of pages mapped there.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public VmallocEnd UnmapRam(VirtualAddress address, int pages, int cpu = 0, ActionLog? log = null)
    {
        if (pages > VmapBlocks.PagesMax(Environment.Setup.Is64Bit))
        {
            return Free(address, [AreaKind.MapRam], cpu, log);
        }

        bool known = _blocks.TryUnmap(address, pages, cpu, log);
        PurgeIfDue(log);
        return known ? VmallocEnd.Done : VmallocEnd.UnknownAddress;
    }

    /// <summary>Places a per-CPU chunk from the top of the area downward; its pages come when objects are allocated in it.</summary>
    public VmallocAnswer PercpuChunk(ActionLog? log = null)
    {
        if (!FreesLazily || Environment.PercpuGroups.IsEmpty)
        {
            return VmallocAnswer.Null(VmallocEnd.NotSupported);
        }

        PercpuGroup[] groups = [.. Environment.PercpuGroups];
        bool placed = _space.TryPlacePercpu(groups, Environment.PercpuAtomBytes, out ulong first);
        if (!placed)
        {
            log?.Step("no place for all groups: everything freed lazily is purged, and the search starts again");
            Purge(PurgeKind.Full, log);
            placed = _space.TryPlacePercpu(groups, Environment.PercpuAtomBytes, out first);
        }

        if (!placed)
        {
            return VmallocAnswer.Null(VmallocEnd.NoRoom);
        }

        VmallocArea? firstArea = null;
        foreach (PercpuGroup group in groups)
        {
            VmallocArea area = Register(first + group.OffsetBytes, group.SizeBytes, guardBytes: 0, AreaKind.Percpu, "pcpu_get_vm_areas+0x0/0x7b0");
            firstArea ??= area;
        }

        log?.Step($"the highest place that is a multiple of {Environment.PercpuAtomBytes}: 0x{first:x}; no guard page");
        return new VmallocAnswer(VmallocEnd.Done, new VirtualAddress(first), firstArea);
    }

    /// <summary>A kernel stack: from this CPU's cache of freed stacks, or a new area aligned to its size.</summary>
    public VmallocAnswer AllocateStack(string caller, int cpu = 0, ActionLog? log = null)
    {
        if (!Environment.Uses.StacksInVmalloc || !Environment.Setup.Is64Bit)
        {
            log?.Step("stacks of this kernel are contiguous pages, not vmalloc areas");
            return VmallocAnswer.Null(VmallocEnd.NotSupported);
        }

        if (_stackCache.TryGetValue(cpu, out VmallocArea?[]? cache))
        {
            for (int i = 0; i < cache.Length; i++)
            {
                if (cache[i] is { } cached)
                {
                    cache[i] = null;
                    log?.Step($"CPU {cpu} keeps a freed stack in slot {i}: it is reused, and vmalloc is not asked");
                    return new VmallocAnswer(VmallocEnd.Done, cached.Start, cached);
                }
            }
        }

        VmallocCall call = new(Environment.StackBytes, caller) { Cpu = cpu, Variant = VmallocVariant.Zeroed };
        _ = TryBack(call, AreaKind.Stack, Environment.StackBytes, Environment.StackBytes,
            (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), isHuge: false, log, out VmallocAnswer answer);
        return answer;
    }

    /// <summary>Gives a kernel stack back: to this CPU's cache while it has room.</summary>
    public VmallocEnd FreeStack(VirtualAddress address, int cpu = 0, ActionLog? log = null)
    {
        if (!_areas.TryGetValue(address.Value, out VmallocArea? area) || area.Kind != AreaKind.Stack || IsCached(area))
        {
            return VmallocEnd.UnknownAddress;
        }

        if (!_stackCache.TryGetValue(cpu, out VmallocArea?[]? cache))
        {
            _stackCache[cpu] = cache = new VmallocArea?[StacksCachedPerCpu];
        }

        for (int i = 0; i < cache.Length; i++)
        {
            if (cache[i] is null)
            {
                cache[i] = area;
                log?.Step($"the stack stays mapped in slot {i} of CPU {cpu}'s cache: no vfree");
                return VmallocEnd.Done;
            }
        }

        return Free(address, [AreaKind.Stack], cpu, log);
    }

    /// <summary>Room for a module, executable.</summary>
    public VmallocAnswer AllocateModule(ulong sizeBytes, string caller, int cpu = 0, ActionLog? log = null)
    {
        if (sizeBytes == 0 || sizeBytes / _pageBytes > _pages.ManagedPages)
        {
            return VmallocAnswer.Null(sizeBytes == 0 ? VmallocEnd.SizeZero : VmallocEnd.MoreThanRam);
        }

        ulong align = Environment.Uses.ModulesPageAligned ? _pageBytes : 1;
        _ = TryBack(new VmallocCall(sizeBytes, caller) { Cpu = cpu }, AreaKind.Module, sizeBytes, align, Environment.ModuleWindow, isHuge: false, log, out VmallocAnswer answer);
        return answer;
    }

    /// <summary>Empties the caches of freed stacks, as taking a CPU offline does.</summary>
    public void DropStackCaches(ActionLog? log = null)
    {
        foreach ((int cpu, VmallocArea?[] cache) in _stackCache.OrderBy(pair => pair.Key))
        {
            for (int i = 0; i < cache.Length; i++)
            {
                if (cache[i] is { } area)
                {
                    cache[i] = null;
                    Release(area, cpu, log);
                }
            }
        }
    }

    /// <summary>Whether a page-table entry can hold each frame; asked before anything is changed.</summary>
    private bool AreReachable(ReadOnlySpan<PageFrameNumber> frames, ActionLog? log)
    {
        foreach (PageFrameNumber frame in frames)
        {
            if (frame.Value > int.MaxValue || frame.Value * _pageBytes >> Environment.PhysicalBits != 0)
            {
                log?.Step($"frame 0x{frame.Value:x} lies beyond the processor's {Environment.PhysicalBits} physical address bits");
                return false;
            }
        }

        return true;
    }

    private bool IsCached(VmallocArea area) => _stackCache.Values.Any(cache => cache.Contains(area));

    private VmallocAnswer MapGiven(VmallocArea area, ReadOnlySpan<PageFrameNumber> frames, int cpu, ActionLog? log)
    {
        int[] given = new int[frames.Length];
        for (int i = 0; i < given.Length; i++)
        {
            given[i] = (int)frames[i].Value;
        }

        area.FrameArray = given;
        if (TryMapFrames(area, _tables.Flags.Data, log))
        {
            return new VmallocAnswer(VmallocEnd.Done, area.Start, area);
        }

        Release(area, cpu, log);
        return VmallocAnswer.Null(VmallocEnd.NoTables);
    }

    /// <summary>Maps a device, with the largest pages both addresses and what is left of the area allow.</summary>
    private bool TryMapDevice(VmallocArea area, ulong physical, ulong size, ActionLog? log)
    {
        for (ulong offset = 0; offset < size;)
        {
            VirtualAddress at = new(area.Start.Value + offset);
            ulong page = _pageBytes;
            foreach (ulong large in Environment.LargePageBytes)
            {
                if (size - offset >= large && Align.IsAligned(at.Value, large) && Align.IsAligned(physical + offset, large)
                    && CanHoldLarge(at, _tables.Geometry.LevelOfPage(large), log))
                {
                    page = large;
                    break;
                }
            }

            // Ordinary pages go in one run to where the next large one could begin.
            ulong step = page > _pageBytes ? page
                : Environment.LargePageBytes.IsEmpty ? size - offset
                : Math.Min(size - offset, Environment.LargePageBytes[^1] - (at.Value & (Environment.LargePageBytes[^1] - 1)));
            int level = page > _pageBytes ? _tables.Geometry.LevelOfPage(page) : _tables.PageLevel;
            if (!_tables.Mapper.TryMapRun(_tables.Root, at, new PhysicalAddress(physical + offset), step / page, level, _tables.Flags.Ioremap, log?.Entries))
            {
                return false;
            }

            offset += step;
        }

        return true;
    }

    /// <summary>Whether a large page can stand at an address; a table of smaller, unmapped pages may have to go for it.</summary>
    private bool CanHoldLarge(VirtualAddress address, int level, ActionLog? log)
    {
        (int reached, _, ulong entry) = _tables.Mapper.Find(_tables.Root, address);
        if (reached <= level)
        {
            return (entry & X86Entry.Present) == 0;
        }

        List<int> tables = [.. _tables.Walker.TablesUnder(_tables.Root, address, level).Select(table => (int)(table.Value >> 12))];
        TableUnderLargePage rule = Environment.Setup.Is64Bit ? Environment.Uses.TableUnderLarge64 : Environment.Uses.TableUnderLarge32;
        if (rule == TableUnderLargePage.Kept || tables.Exists(table => _pages.Frames.UseOf(table) != FrameUse.PageTable))
        {
            log?.Step($"a table of smaller pages stands at {address}: it stays, and smaller pages are used");
            return false;
        }

        _tables.Mapper.TrySet(_tables.Root, address, level, 0, log?.Entries);
        if (rule == TableUnderLargePage.Lost)
        {
            log?.Step($"an empty table of smaller pages stands at {address}: its entry is overwritten, and {tables.Count} pages of tables are lost");
            return true;
        }

        _tables.FlushPage(address, cpu: null, "an entry no longer points to a table", log);
        log?.Step($"an empty table of smaller pages stood at {address}: {tables.Count} pages of tables are freed");
        foreach (int table in tables)
        {
            _pages.Free(new PageFrameNumber((ulong)table), order: 0);
            log?.Frames.Add(new FrameMove(new PageFrameNumber((ulong)table), 0, _pages.ZoneOf(table)!.Kind.Name(), IsTaken: false, "page table"));
        }

        return true;
    }
}
