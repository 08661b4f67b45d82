using System.Runtime.InteropServices;
using VmScope.Kernels;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Vmalloc;

/// <summary>The vmalloc family at work: finds a place, takes pages, maps them, and undoes all of it.</summary>
/// <remarks>
/// Joins <see cref="VmallocSpace"/> (addresses), <see cref="PageAllocator"/> (frames) and
/// <see cref="KernelPageTables"/> (mappings). Source: mm/vmalloc.c, __vmalloc_node_range(), __vunmap(), 2.4.22 to 7.1.
/// </remarks>
public sealed partial class VmallocMemory
{
    private const int HolesExplained = 16;

    /// <summary>How many pages a kernel that asks for many at once asks for at most.</summary>
    private const int PagesPerRequest = 100;

    private readonly VmallocSpace _space;
    private readonly KernelPageTables _tables;
    private readonly PageAllocator _pages;
    private readonly Dictionary<ulong, VmallocArea> _areas = [];
    private readonly SortedSet<ulong> _starts = [];
    private readonly VmapBlocks _blocks;
    private readonly ulong _pageBytes;
    private ulong _lazyLowest = ulong.MaxValue;
    private ulong _lazyHighest;

    /// <summary>Makes an empty vmalloc area.</summary>
    public VmallocMemory(VmallocEnvironment environment, KernelPageTables tables, PageAllocator pages)
    {
        (Environment, _tables, _pages) = (environment, tables, pages);
        _pageBytes = environment.Setup.PageBytes;
        _space = new VmallocSpace(environment.Setup);
        _blocks = new VmapBlocks(this);
    }

    /// <summary>The kernel and machine.</summary>
    public VmallocEnvironment Environment { get; }

    /// <summary>Addresses: what is busy, what waits for a purge, what is free.</summary>
    public VmallocSpace Space => _space;

    /// <summary>The busy areas, lowest first.</summary>
    public IEnumerable<VmallocArea> Areas => _starts.Select(start => _areas[start]);

    /// <summary>Purges since boot.</summary>
    public int PurgeCount { get; private set; }

    /// <summary>Pages of 4 KiB that vmalloc owns: the kernel's nr_vmalloc_pages.</summary>
    public ulong OwnedPages { get; private set; }

    private VmallocFacts Facts => Environment.Setup.Facts;

    private bool FreesLazily => Facts.PurgeOrder != PurgeOrder.None;

    /// <summary>vmalloc and its relatives.</summary>
    public VmallocAnswer Allocate(VmallocCall call, ActionLog? log = null)
    {
        if (call.SizeBytes == 0)
        {
            log?.Step("a request of 0 bytes is refused before any search");
            Warn(VmallocMessageRules.RefusalText(Environment.Messages.SizeZero, call.SizeBytes), call, AreaKind.Vmalloc, log);
            return VmallocAnswer.Null(VmallocEnd.SizeZero);
        }

        ulong compared = Environment.Messages.ComparesUnrounded ? call.SizeBytes : Align.Up(call.SizeBytes, _pageBytes);
        if (compared / _pageBytes > _pages.ManagedPages || call.SizeBytes > ulong.MaxValue - (4 * Size.MiB) - (2 * _pageBytes))
        {
            log?.Step($"{compared / _pageBytes} pages are more than the {_pages.ManagedPages} of the machine: refused before any search");
            Warn(VmallocMessageRules.RefusalText(Environment.Messages.TooLarge, call.SizeBytes), call, AreaKind.Vmalloc, log);
            return VmallocAnswer.Null(VmallocEnd.MoreThanRam);
        }

        ulong size = call.SizeBytes;
        ulong align = call.Variant == VmallocVariant.User && Facts.UserAreasPageAligned
            ? Math.Max(call.AlignBytes, _pageBytes)
            : call.AlignBytes;
        // Only x86 is modelled, which lets callers ask for large pages from 5.18 on and never grants them unasked.
        bool allowsHuge = call.Variant == VmallocVariant.Huge && Facts.HugeVmalloc is HugeVmalloc.WhenAllowed or HugeVmalloc.WhenAllowedPerNode;
        if (allowsHuge && AreaSizing.TryMakeHuge(Facts, ref size, ref align, Environment.HugeVmallocBytes, callerAllows: true, onlineNodes: call.Node is null ? _pages.NodeCount : 1))
        {
            log?.Step($"large pages are allowed and the size is sufficient: {size} bytes aligned to {align}");
            if (TryBack(call, AreaKind.Vmalloc, size, align, (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), isHuge: true, log, out VmallocAnswer huge))
            {
                return huge;
            }

            log?.Step("large pages could not be had: the area is given back and the request repeated with ordinary pages");
            (size, align) = (call.SizeBytes, call.AlignBytes);
        }

        _ = TryBack(call, AreaKind.Vmalloc, size, align, (Environment.Setup.WindowStart, Environment.Setup.WindowEnd), isHuge: false, log, out VmallocAnswer answer);
        return answer;
    }

    /// <summary>vfree, vunmap and iounmap: gives an area back.</summary>
    /// <param name="address">What the caller was given; ioremap's offset inside the page may be included.</param>
    /// <param name="kinds">The kinds the called function accepts; empty for any.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public VmallocEnd Free(VirtualAddress address, ReadOnlySpan<AreaKind> kinds, int cpu = 0, ActionLog? log = null)
    {
        ulong start = address.Value;
        ulong page = Align.Down(start, _pageBytes);
        bool isIounmap = kinds.Contains(AreaKind.Ioremap);
        if (!isIounmap && page != start)
        {
            Say($"Trying to vfree() bad address ({Pointer(start)})", log);
            return VmallocEnd.UnknownAddress;
        }

        if (!_areas.TryGetValue(page, out VmallocArea? area))
        {
            Say(kinds.Contains(AreaKind.Percpu) ? null : isIounmap ? BadIounmapText(start, page) : $"Trying to vfree() nonexistent vm area ({Pointer(page)})", log);
            return VmallocEnd.UnknownAddress;
        }

        // The kernel would not notice an area of another kind, and lose pages or more; the caller hears of it instead.
        if (!kinds.IsEmpty && !kinds.Contains(area.Kind))
        {
            return VmallocEnd.OtherKind;
        }

        Release(area, cpu, log);
        if (area.Kind == AreaKind.Module && Facts.PurgesOnExecutableFree)
        {
            log?.Step("the area held executable memory (VM_FLUSH_RESET_PERMS): everything waiting is purged at once");
            if (Environment.Attributes.Reset(area.Frames, log) is > 0 and int changed)
            {
                log?.Step($"{changed} of its pages get their usual rights in the direct map again");
                _tables.FlushAll("rights of pages changed", log);
            }

            Purge(PurgeKind.Normal, log);
        }

        PurgeIfDue(log);
        return VmallocEnd.Done;
    }

    /// <summary>vm_unmap_aliases: purges everything that waits, whatever the sum; every change of page attributes calls it.</summary>
    public void UnmapAliases(ActionLog? log = null)
    {
        if (FreesLazily)
        {
            if (Facts.PurgesFragmentedBlocks)
            {
                _blocks.DropFragmented(log);
            }

            Purge(PurgeKind.Normal, log);
        }
    }

    /// <summary>The NUMA node of a frame.</summary>
    internal int NodeOf(int frame) => _pages.NodeOf(new PageFrameNumber((ulong)frame));

    /// <summary>The area an address lies in, guard page included; null when none.</summary>
    public VmallocArea? AreaAt(VirtualAddress address)
    {
        ulong? start = StartAtOrBelow(address.Value);
        return start is { } found && _areas[found].Range.Contains(address) ? _areas[found] : null;
    }

    /// <summary>The area that ends last before an address; null when none does.</summary>
    public VmallocArea? AreaBelow(VirtualAddress address) =>
        StartAtOrBelow(address.Value) is { } start ? _areas[start] : null;

    /// <summary>Checks areas against addresses, frames and page tables.</summary>
    /// <exception cref="ModelInvariantException">They contradict each other.</exception>
    public void CheckInvariants()
    {
        List<FreeBlock> busy = [];
        _space.CopyBusyTo(busy);
        ModelInvariantException.Unless(busy.Count == _areas.Count, $"{busy.Count} busy areas placed, {_areas.Count} known");
        ulong end = 0;
        ulong owned = 0;
        HashSet<int> frames = [];
        foreach ((FreeBlock block, VmallocArea area) in busy.Zip(Areas))
        {
            ModelInvariantException.Unless(block.Start == area.Start.Value && block.SizeBytes == area.SizeBytes, $"area {area.Range} was placed at {block.Start:x}, {block.SizeBytes} bytes");
            ModelInvariantException.Unless(area.Start.Value >= end, $"area {area.Range} overlaps the one below it");
            end = unchecked(area.Start.Value + area.SizeBytes);
            if (area.OwnsFrames)
            {
                owned += area.SmallPages;
            }

            CheckMapping(area, frames);
        }

        ModelInvariantException.Unless(owned == OwnedPages, $"{owned} pages owned by areas, counted {OwnedPages}");
        List<FreeBlock> lazy = [];
        _space.CopyLazyTo(lazy);
        foreach (FreeBlock block in lazy)
        {
            for (ulong at = block.Start; at < block.End; at += _pageBytes)
            {
                ModelInvariantException.Unless(_tables.Walker.Translate(_tables.Root, new VirtualAddress(at), out _) != WalkEnd.Mapped, $"{at:x} waits for a purge and is still mapped");
            }
        }
    }

    internal bool TryPlace(ulong sizeBytes, ulong alignBytes, (ulong Start, ulong End) window, int cpu, ActionLog? log, out ulong address)
    {
        AreaRequest request = new(sizeBytes, alignBytes, window.Start, window.End, cpu);
        bool placed = _space.TryPlace(request, out address);
        if (log is not null)
        {
            ExplainHoles(request, placed ? address : null, log);
        }

        if (placed || !FreesLazily)
        {
            return placed;
        }

        log?.Step("no hole will do: everything freed lazily is purged, and the search starts again");
        _blocks.DropFragmented(log);
        Purge(PurgeKind.Full, log);
        placed = _space.TryPlace(request, out address);
        if (log is not null && placed)
        {
            log.Step($"after the purge: {AddressText.Hex(address)}");
        }

        return placed;
    }

    /// <summary>Makes a known place an area.</summary>
    internal VmallocArea Register(ulong start, ulong sizeBytes, ulong guardBytes, AreaKind kind, string caller)
    {
        VmallocArea area = new(new VirtualAddress(start), sizeBytes, guardBytes, kind, caller);
        _areas.Add(start, area);
        _starts.Add(start);
        return area;
    }

    /// <summary>Gives an area's mappings, frames and addresses back.</summary>
    internal void Release(VmallocArea area, int cpu, ActionLog? log)
    {
        if (!_areas.Remove(area.Start.Value))
        {
            throw new ModelInvariantException($"area {area.Range} is freed twice");
        }

        _starts.Remove(area.Start.Value);
        int cleared = area.UsableBytes == 0 ? 0 : _tables.Mapper.Unmap(_tables.Root, new VirtualRange(area.Start, area.UsableBytes), log?.Entries);
        log?.Step($"{cleared} page-table entries cleared; the tables themselves stay");
        if (!_space.TryFree(area.Start.Value, out _))
        {
            throw new ModelInvariantException($"area {area.Range} was never placed");
        }

        if (!FreesLazily)
        {
            log?.Step("the addresses can be used again at once");
            if (cleared > 0)
            {
                _tables.FlushRange(area.Range, "entries were cleared", log);
            }
        }
        else
        {
            (_lazyLowest, _lazyHighest) = (Math.Min(_lazyLowest, area.Start.Value), Math.Max(_lazyHighest, area.Range.Last.Value));
            log?.Step($"the addresses wait for a purge: {_space.LazyPages} pages wait now, more than {Environment.Setup.LazyPagesMax} trigger it; no TLB is flushed before");
        }

        if (area.OwnsFrames)
        {
            OwnedPages -= area.SmallPages;
            foreach (int frame in area.FrameArray)
            {
                GiveFrame(frame, area.PageShift, cpu, log);
            }
        }

        if (area.PageArray is { } array)
        {
            log?.Step("the area of its page pointers is freed too");
            Release(array, cpu, log);
        }
    }

    /// <summary>Purges what waits; the TLB is flushed for all of it at once.</summary>
    internal void Purge(PurgeKind kind, ActionLog? log)
    {
        ulong pages = _space.LazyPages;
        int areas = _space.LazyCount;
        _space.Purge(kind);
        PurgeCount++;
        log?.Step(areas == 0
            ? "the purge finds nothing that waits"
            : $"purge: {areas} areas, {pages} pages become usable again, and one flush pays for all of them");
        if (_lazyLowest <= _lazyHighest)
        {
            _tables.FlushRange(new VirtualRange(new VirtualAddress(_lazyLowest), _lazyHighest - _lazyLowest + 1), $"{areas} lazily freed areas are purged", log);
            (_lazyLowest, _lazyHighest) = (ulong.MaxValue, 0);
        }
    }

    internal bool TryMapFrames(VmallocArea area, ulong flags, ActionLog? log)
    {
        if (area.PageShift == 12)
        {
            return _tables.Mapper.MapFrames(_tables.Root, area.Start, area.FrameArray, flags, log?.Entries) == area.FrameArray.Length;
        }

        int level = _tables.Geometry.LevelOfPage(1UL << area.PageShift);
        for (int i = 0; i < area.FrameArray.Length; i++)
        {
            VirtualAddress at = new(area.Start.Value + ((ulong)i << area.PageShift));
            PhysicalAddress first = new((ulong)area.FrameArray[i] << 12);
            bool isLarge = CanHoldLarge(at, level, log);
            if (!_tables.Mapper.TryMapRun(_tables.Root, at, first, isLarge ? 1 : 1UL << (area.PageShift - 12), isLarge ? level : _tables.PageLevel, flags, log?.Entries))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Maps a piece of a vm_map_ram block.</summary>
    internal bool TryMapPiece(VirtualAddress start, ReadOnlySpan<PageFrameNumber> frames, ActionLog? log)
    {
        int[] given = new int[frames.Length];
        for (int i = 0; i < given.Length; i++)
        {
            given[i] = (int)frames[i].Value;
        }

        return _tables.Mapper.MapFrames(_tables.Root, start, given, _tables.Flags.Data, log?.Entries) == given.Length;
    }

    /// <summary>Unmaps a piece of a block; its translations are flushed with the next purge.</summary>
    internal void UnmapPiece(VirtualRange range, ActionLog? log)
    {
        _tables.Mapper.Unmap(_tables.Root, range, log?.Entries);
        (_lazyLowest, _lazyHighest) = (Math.Min(_lazyLowest, range.Start.Value), Math.Max(_lazyHighest, range.Last.Value));
    }

    internal void PurgeIfDue(ActionLog? log)
    {
        if (!FreesLazily || !_space.IsPurgeDue)
        {
            return;
        }

        log?.Step(Facts.PurgeTrigger == PurgeTrigger.FreeingTask
            ? "too much waits: the freeing task purges at once"
            : "too much waits: the worker drain_vmap_work is queued, and runs next");
        Purge(PurgeKind.Normal, log);
    }

    /// <summary>A pointer as the kernel prints it, unhashed: all digits, no prefix.</summary>
    private string Pointer(ulong address) =>
        address.ToString(Environment.Setup.Is64Bit ? "x16" : "x8", System.Globalization.CultureInfo.InvariantCulture);

    private string BadIounmapText(ulong address, ulong page) => Environment.Uses.BadIounmap switch
    {
        BadIounmapMessage.AsVfree => $"Trying to vfree() nonexistent vm area ({Pointer(page)})",
        BadIounmapMessage.Underscored => $"__iounmap: bad address {Pointer(address)}",
        BadIounmapMessage.Plain => $"iounmap: bad address {Pointer(page)}",
    };

    private static void Say(string? text, ActionLog? log)
    {
        if (text is not null)
        {
            log?.Messages.Add(text);
        }
    }

    /// <summary>Says a text of vmalloc through the page allocator: with the task's name and the flags passed.</summary>
    private void Warn(string? text, VmallocCall call, AreaKind kind, ActionLog? log)
    {
        if (text is not null)
        {
            Warn(text, WishOf(call, kind), call.Cpu, log);
        }
    }

    /// <summary>The same for what follows once the area has its place.</summary>
    private void WarnOfPages(string? text, VmallocCall call, AreaKind kind, ActionLog? log)
    {
        if (text is not null && kind == AreaKind.Module && Environment.Messages.ModulesWarnAsExecmem)
        {
            Say("execmem: unable to allocate memory", log);
        }
        else if (text is not null)
        {
            GfpWish wish = WishOf(call, kind);
            bool takesHighmem = Environment.Messages.PagesWarning == VmallocPagesWarning.AsAsked && (wish & (GfpWish.Dma | GfpWish.Dma32)) == GfpWish.Kernel;
            Warn(text, takesHighmem ? wish | GfpWish.HighMem : wish, call.Cpu, log);
        }
    }

    private void Warn(string? text, GfpWish wish, int cpu, ActionLog? log)
    {
        foreach (string line in log is null ? [] : Environment.Warner.Lines(text, order: 0, wish, cpu))
        {
            log!.Messages.Add(line);
        }
    }

    /// <summary>The flags a function of the family passes.</summary>
    private GfpWish WishOf(VmallocCall call, AreaKind kind)
    {
        GfpWish wish = call.Variant is VmallocVariant.Zeroed or VmallocVariant.User ? GfpWish.Zero : GfpWish.Kernel;
        return call.Variant == VmallocVariant.Below4G ? Environment.Setup.Is64Bit || Environment.Messages.Vmalloc32WishesDma32 ? wish | GfpWish.Dma32 : wish
            : Environment.Messages.WishesHighmem && kind != AreaKind.Module ? wish | GfpWish.HighMem : wish;
    }

    /// <summary>Places, backs with pages of its own and maps; on failure everything is undone as the kernel undoes it.</summary>
    private bool TryBack(VmallocCall call, AreaKind kind, ulong size, ulong align, (ulong Start, ulong End) window, bool isHuge, ActionLog? log, out VmallocAnswer answer)
    {
        ulong searched = AreaSizing.SearchedBytes(Facts, size, _pageBytes);
        ulong pages = (searched - _pageBytes) / _pageBytes;
        log?.Step($"{call.SizeBytes} bytes are {pages} page{(pages == 1 ? "" : "s")}, {searched} bytes with the guard page; alignment {align}");
        if (!TryPlace(searched, align, window, call.Cpu, log, out ulong address))
        {
            // A large request that finds no place is repeated with ordinary pages; only that one complains.
            if (!isHuge)
            {
                bool isQuiet = kind == AreaKind.Module && Environment.Messages.ModulesWarnAsExecmem;
                Say(isQuiet ? "execmem: unable to allocate memory" : Environment.Messages.NoRoomText(searched, window.Start, window.End), log);
                Warn(isQuiet ? null : Environment.Messages.SecondNoRoomText(call.SizeBytes), call, kind, log);
            }

            answer = VmallocAnswer.Null(VmallocEnd.NoRoom);
            return false;
        }

        VmallocArea area = Register(address, searched, _pageBytes, kind, call.Caller);
        log?.Step($"the area is {AddressText.Hex(address)} to {AddressText.Hex(address + searched - 1)}; its last page is the guard, never mapped");
        area.IsUser = call.Variant == VmallocVariant.User;
        ulong arrayBytes = Environment.Uses.HasPageArray
            ? AreaSizing.PageArrayBytes(pages, Environment.Setup.Is64Bit ? 8 : 4, _pageBytes)
            : 0;
        if (arrayBytes != 0)
        {
            log?.Step($"{pages} page pointers need {arrayBytes} bytes, more than a page: they get an area of their own");
            VmallocAnswer array = Allocate(new VmallocCall(arrayBytes, call.Caller) { Cpu = call.Cpu, Variant = VmallocVariant.Zeroed, Node = call.Node, Interleaves = call.Interleaves }, log);
            if (array.Area is null)
            {
                WarnOfPages(Environment.Messages.NoPageArrayText(pages * _pageBytes, arrayBytes), call, kind, log);
                Release(area, call.Cpu, log);
                answer = VmallocAnswer.Null(array.End);
                return false;
            }

            area.PageArray = array.Area;
        }

        area.PageShift = isHuge ? System.Numerics.BitOperations.Log2(Environment.HugeVmallocBytes) : 12;
        int[] frames = TakeFrames((int)(pages >> (area.PageShift - 12)), area.PageShift - 12, call, log, out int taken);
        area.OwnsFrames = true;
        area.FrameArray = taken == frames.Length ? frames : frames[..taken];
        OwnedPages += area.SmallPages;
        if (taken < frames.Length)
        {
            log?.Step($"only {taken} of {frames.Length} pages could be had: all is given back");
            if (Environment.Messages.Second == VmallocSecondMessage.None)
            {
                // Nothing of vmalloc's own, and nothing tells the page allocator to be quiet.
                Warn(null, WishOf(call, kind), call.Cpu, log);
            }

            int order = area.PageShift - 12;
            WarnOfPages(Environment.Messages.NoPagesText((ulong)taken * _pageBytes << order, searched, pages * _pageBytes, order), call, kind, log);
            Release(area, call.Cpu, log);
            answer = VmallocAnswer.Null(VmallocEnd.NoPages);
            return false;
        }

        ulong flags = kind == AreaKind.Module ? _tables.Flags.Text : _tables.Flags.Data;
        if (!TryMapFrames(area, flags, log))
        {
            WarnOfPages(Environment.Messages.NoTablesText(pages * _pageBytes), call, kind, log);
            Release(area, call.Cpu, log);
            answer = VmallocAnswer.Null(VmallocEnd.NoTables);
            return false;
        }

        answer = new VmallocAnswer(VmallocEnd.Done, area.Start, area);
        return true;
    }

    private int[] TakeFrames(int count, int order, VmallocCall call, ActionLog? log, out int taken)
    {
        ZoneKind highest = call.Variant != VmallocVariant.Below4G ? ZoneKind.HighMem
            : Environment.Setup.Is64Bit ? ZoneKind.Dma32 : ZoneKind.Normal;
        bool zeroed = call.Variant is VmallocVariant.Zeroed or VmallocVariant.User;
        int[] frames = new int[count];
        for (taken = 0; taken < count; taken++)
        {
            int? node = call.Node ?? (call.Interleaves ? InterleavedNode(taken, count, order) : null);
            int frame = order == 0
                ? _pages.TakePage(highest, FrameUse.Vmalloc, call.Cpu, zeroed, node)
                : _pages.Allocate(new PageRequest(order, highest, FrameUse.Vmalloc, IsZeroed: zeroed, Cpu: call.Cpu, Node: node)).First is { } first ? (int)first.Value : -1;
            if (frame < 0)
            {
                return frames;
            }

            frames[taken] = frame;
            log?.Frames.Add(new FrameMove(new PageFrameNumber((ulong)frame), order, _pages.ZoneOf(frame)!.Kind.Name(), IsTaken: true, "page of the area"));
        }

        return frames;
    }

    /// <summary>The node of a page when pages come from all nodes in turn; null where this kernel's way does not interleave.</summary>
    private int? InterleavedNode(int index, int count, int order)
    {
        int nodes = _pages.NodeCount;
        if (order > 0 || Facts.Interleaving == VmallocInterleaving.PageByPage)
        {
            return index % nodes;
        }

        if (Facts.Interleaving == VmallocInterleaving.Never)
        {
            return null;
        }

        // Of each request the nodes get equal runs; what is left over goes to the first ones, one page each.
        int batch = Math.Min(PagesPerRequest, count - (index / PagesPerRequest * PagesPerRequest));
        int within = index % PagesPerRequest;
        int each = batch / nodes;
        int longer = batch % nodes;
        int ofLonger = longer * (each + 1);
        return within < ofLonger ? within / (each + 1) : longer + ((within - ofLonger) / each);
    }

    private void GiveFrame(int frame, int pageShift, int cpu, ActionLog? log)
    {
        _pages.Free(new PageFrameNumber((ulong)frame), pageShift - 12, cpu);
        log?.Frames.Add(new FrameMove(new PageFrameNumber((ulong)frame), pageShift - 12, _pages.ZoneOf(frame)!.Kind.Name(), IsTaken: false, "page of the area"));
    }

    /// <summary>Says which holes below the chosen place were no use, and why.</summary>
    private void ExplainHoles(in AreaRequest request, ulong? chosen, ActionLog log)
    {
        ulong below = chosen ?? request.WindowEnd;
        ulong at = request.WindowStart;
        bool have = _space.TryHoleAtOrBelow(at, out FreeBlock hole) && hole.End > at;
        if (!have)
        {
            have = _space.TryHoleAbove(at, out hole);
        }

        int passed = 0;
        while (have && hole.Start < below)
        {
            ulong start = Math.Max(hole.Start, request.WindowStart);
            ulong first = Align.Up(start, request.AlignBytes);
            ulong end = Math.Min(hole.End, request.WindowEnd);
            if (!(chosen is { } place && place >= hole.Start && place < hole.End))
            {
                passed++;
                string why = first >= end || end - first < request.SizeBytes
                    ? request.AlignBytes > _pageBytes && end - start >= request.SizeBytes
                        ? $"large enough, but not from an address that is a multiple of {request.AlignBytes}"
                        : $"{end - start} bytes, {request.SizeBytes} are needed"
                    : "would do, but this kernel's search does not come here";
                if (passed <= HolesExplained)
                {
                    log.Holes.Add(new HolePassed(new VirtualAddress(start), new VirtualAddress(end), why));
                }
            }

            have = _space.TryHoleAbove(hole.Start, out hole);
        }

        log.Step(chosen is { } taken
            ? passed == 0 ? $"no hole lies below {AddressText.Hex(taken)}" : $"{passed} {(passed == 1 ? "hole" : "holes")} below {AddressText.Hex(taken)} {(passed == 1 ? "was" : "were")} passed over"
            : passed == 1 ? $"the only hole of the window does not hold {request.SizeBytes} bytes"
            : $"none of the {passed} holes of the window holds {request.SizeBytes} bytes");
    }

    private ulong? StartAtOrBelow(ulong address)
    {
        if (_starts.Count == 0 || _starts.Min > address)
        {
            return null;
        }

        return _starts.GetViewBetween(0, address).Max;
    }

    private void CheckMapping(VmallocArea area, HashSet<int> frames)
    {
        if (area.Kind is AreaKind.MapRamBlock or AreaKind.Percpu)
        {
            return;
        }

        ReadOnlySpan<int> own = CollectionsMarshal.AsSpan(area.FrameArray.ToList());
        for (ulong offset = 0; offset < area.SizeBytes; offset += _pageBytes)
        {
            VirtualAddress at = new(area.Start.Value + offset);
            WalkEnd end = _tables.Walker.Translate(_tables.Root, at, out Translation translation);
            bool isGuard = offset >= area.UsableBytes;
            ModelInvariantException.Unless((end == WalkEnd.Mapped) != isGuard, $"{at}: {(isGuard ? "a guard page is mapped" : "a page of an area is not mapped")}");
            if (isGuard || own.IsEmpty)
            {
                continue;
            }

            ulong frame = (ulong)own[(int)(offset >> area.PageShift)] + ((offset & ((1UL << area.PageShift) - 1)) >> 12);
            ModelInvariantException.Unless(translation.Of(at).Value >> 12 == frame, $"{at} maps {translation.Of(at)}, not frame {frame:x}");
            if (area.OwnsFrames)
            {
                ModelInvariantException.Unless(frames.Add((int)frame), $"frame {frame:x} backs two areas");
                ModelInvariantException.Unless(_pages.Frames.UseOf((int)frame) == FrameUse.Vmalloc, $"frame {frame:x} backs {area.Range} but is marked {_pages.Frames.UseOf((int)frame)}");
            }
        }
    }
}
