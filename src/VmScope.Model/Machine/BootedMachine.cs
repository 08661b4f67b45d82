using VmScope.Highmem;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Machine;

/// <summary>A machine whose kernel has booted: memory, page tables and allocators, ready for use.</summary>
/// <remarks>
/// Deterministic: the same description and operations give the same machine. Nothing is allocated at the start but
/// what boot itself needs: a real kernel has made hundreds of areas by the time anyone looks.
/// </remarks>
public sealed partial class BootedMachine
{
    private readonly BootPlan _plan;
    private readonly List<BootReservation> _reservations = [];
    private readonly Dictionary<string, PhysicalAddress> _processes = new(StringComparer.Ordinal);
    private readonly string?[] _running;
    private BootMemory? _boot;
    private bool _rootChanged;

    private BootedMachine(BootPlan plan)
    {
        _plan = plan;
        ulong end = Math.Max(plan.MaxFrame, 1) << 12;
        Memory = new SparseMemory(PageSize.Size4K, new PhysicalAddress(end));
        _boot = new BootMemory(plan.Physical, PageSize.Size4K, plan.Ram, plan.MaxFrame);
        _running = new string?[plan.Description.Cpus];
        Warner = new AllocationWarner(AllocationWarningTimelines.At(plan.Description.Kernel.Version), plan.Description.Task,
            plan.Description.Kernel.Config.IsSet("CPUSETS") == false ? null
                : plan.Description.NodeCount == 1 ? "0" : $"0-{plan.Description.NodeCount - 1}");
        _boot.Reserve("first page", new PhysicalRange(new PhysicalAddress(0), 4096));
        _boot.Reserve("kernel image", plan.Image);
        PhysicalAddress root = new(plan.Paging.SwapperAtFixedPlace is { } place && !plan.Is64Bit ? place : plan.Image.EndExclusive.Value - 4096);
        Tables = new KernelPageTables(plan.Paging, plan.Geometry, Memory, root, plan.Flags, plan.Description.Cpus, AllocateTable);
    }

    /// <summary>What was booted.</summary>
    public MachineDescription Description => _plan.Description;

    /// <summary>Where this kernel puts everything.</summary>
    public KernelLayout Layout => _plan.Layout;

    /// <summary>The bytes of physical memory.</summary>
    public SparseMemory Memory { get; }

    /// <summary>The page allocator.</summary>
    public PageAllocator Pages { get; private set; } = null!;

    /// <summary>The kernel's page tables and the CPUs.</summary>
    public KernelPageTables Tables { get; }

    /// <summary>Who runs on each CPU, and how its failed allocations are worded.</summary>
    public AllocationWarner Warner { get; }

    /// <summary>The vmalloc area.</summary>
    public VmallocMemory Vmalloc { get; private set; } = null!;

    /// <summary>Rights of pages.</summary>
    public PageAttributes Attributes { get; private set; } = null!;

    /// <summary>The pkmap window; null where the kernel has no HIGHMEM.</summary>
    public PermanentKmap? Pkmap { get; private set; }

    /// <summary>Temporary mappings; null where the kernel has no HIGHMEM.</summary>
    public AtomicKmap? AtomicKmaps { get; private set; }

    /// <summary>Compile-time addresses; null where the layout has none.</summary>
    public Fixmap? Fixmap { get; private set; }

    /// <summary>Boot-time mappings of devices; null where the layout has none.</summary>
    public EarlyIoremap? EarlyIoremap { get; private set; }

    /// <summary>What boot took before the page allocator started.</summary>
    public IReadOnlyList<BootReservation> Reservations => _reservations;

    /// <summary>Whether addresses have 64 bits.</summary>
    public bool Is64Bit => _plan.Is64Bit;

    /// <summary>The frame behind the last directly mapped one.</summary>
    public ulong LowFrames => _plan.LowFrames;

    /// <summary>Processes with page tables of their own.</summary>
    public IReadOnlyDictionary<string, PhysicalAddress> Processes => _processes;

    /// <summary>Boots a machine.</summary>
    public static BootOutcome Boot(MachineDescription description)
    {
        if (BootPlan.Make(description, out string problem) is not { } plan)
        {
            return new BootOutcome.Impossible(problem);
        }

        BootedMachine machine = new(plan);
        return machine.BringUp() is { } failure
            ? new BootOutcome.Impossible(failure)
            : new BootOutcome.Booted(machine);
    }

    /// <summary>The direct map's address of a frame; null for a frame without one.</summary>
    public VirtualAddress? DirectAddress(PageFrameNumber frame) =>
        frame.Value < _plan.LowFrames ? new VirtualAddress(Layout.PageOffset.Value + (frame.Value << 12)) : null;

    /// <summary>Checks every mechanism against the others.</summary>
    /// <exception cref="ModelInvariantException">Something contradicts something else.</exception>
    public void CheckInvariants()
    {
        Pages.CheckInvariants();
        Vmalloc.CheckInvariants();
        Pkmap?.CheckInvariants();
        foreach ((_, PhysicalAddress table) in Tables.Walker.Tables(Tables.Root))
        {
            FrameUse use = Pages.Frames.UseOf((int)(table.Value >> 12));
            ModelInvariantException.Unless(use is FrameUse.PageTable or FrameUse.Reserved, $"the page table at {table} lies in a frame marked {use}");
        }
    }

    private string? BringUp()
    {
        if (MapMemory() is { } problem)
        {
            return problem;
        }

        ReserveFor("mem_map", Is64Bit ? 0 : Layout.FindQuantity("mem-map-size")?.Value ?? 0, out bool fits);
        if (!fits)
        {
            return $"mem_map of {DerivationText.BytesText(Layout.ValueOf("mem-map-size"))} does not fit into low memory";
        }

        if (Is64Bit && !MapPageArray())
        {
            return "the array of struct page does not fit into memory";
        }

        MapFixedWindows();
        BootMemory boot = _boot!;
        _boot = null;
        _reservations.AddRange(boot.Reservations);
        Pages = boot.Release(Memory, _plan.Zones, Description.Cpus, Description.MinFreeKiB,
            [.. Enumerable.Range(0, Description.Cpus).Select(Description.NodeOfCpu)]);
        Attributes = new PageAttributes(PageAttributeTimelines.At(Description.Kernel.Version), Tables, Layout.PageOffset, _plan.LowFrames);
        Vmalloc = new VmallocMemory(_plan.Vmalloc(Warner, Attributes), Tables, Pages);
        SetUpHighmem();
        return null;
    }

    /// <summary>Builds the direct map and, on x86-64, the second mapping of the kernel image.</summary>
    private string? MapMemory()
    {
        ulong end = _plan.LowFrames << 12;
        int? large = _plan.HasLargePages ? Is64Bit || Tables.Geometry.EntryBytes == 8 ? 21 : 22 : null;
        int? huge = _plan.HasHugePages ? 30 : null;
        // A 32-bit kernel maps low memory through, holes and all; a 64-bit one maps RAM only.
        List<(ulong Start, ulong End)> ram = Is64Bit
            ? [.. _plan.Ram.Usable.Select(range => (range.Start.Value, range.EndExclusive.Value))]
            : [(0, end)];
        foreach (DirectMapPiece piece in DirectMap.Pieces(_plan.Paging.DirectMap, ram, end, large, huge, firstSlotSmall: !Is64Bit))
        {
            if (!TryMapDirect(piece))
            {
                return "the page tables of the direct map do not fit into memory";
            }
        }

        if (!Is64Bit)
        {
            return null;
        }

        ulong from = _plan.Image.Start.Value;
        ulong half = Align.Up(_plan.Image.SizeBytes / 2, 2 * Size.MiB);
        bool mapped = Tables.Mapper.TryMapRun(Tables.Root, new VirtualAddress(KernelMap + from), new PhysicalAddress(from), half >> 21, Tables.PageLevel - 1, _plan.Flags.ReadOnlyText)
            && Tables.Mapper.TryMapRun(Tables.Root, new VirtualAddress(KernelMap + from + half), new PhysicalAddress(from + half), (_plan.Image.SizeBytes - half + (2 * Size.MiB) - 1) >> 21, Tables.PageLevel - 1, _plan.Flags.Data);
        return mapped ? null : "the page tables of the kernel image do not fit into memory";
    }

    /// <summary>Maps a piece of the direct map; where a table exists already its entries are filled, never replaced.</summary>
    private bool TryMapDirect(DirectMapPiece piece)
    {
        int level = Tables.Geometry.LevelOfPage(1UL << piece.PageShift);
        ulong pageBytes = 1UL << piece.PageShift;
        for (ulong at = piece.Start; at < piece.EndExclusive; at += pageBytes)
        {
            VirtualAddress address = new(Layout.PageOffset.Value + at);
            (int reached, _, ulong entry) = Tables.Mapper.Find(Tables.Root, address);
            if (reached <= level && (entry & X86Entry.Present) != 0)
            {
                continue;
            }

            bool mapped = reached > level
                ? TryMapDirect(new DirectMapPiece(at, at + pageBytes, Tables.Geometry.Levels[level + 1].Shift))
                : Tables.Mapper.TryMap(Tables.Root, address, new PhysicalAddress(at), level, _plan.Flags.DirectMap);
            if (!mapped)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Maps the virtual array of struct page with large pages, as far as there is RAM.</summary>
    private bool MapPageArray()
    {
        if (Layout.Regions.FirstOrDefault(region => region.Kind == RegionKind.PageArray) is not { Range.SizeBytes: > 0 } array || !_plan.HasLargePages)
        {
            return true;
        }

        const ulong PageStructBytes = 64;
        ulong next = 0;
        foreach (PhysicalRange range in _plan.Ram.Usable)
        {
            ulong first = Math.Max(next, Align.Down((range.Start.Value >> 12) * PageStructBytes, 2 * Size.MiB));
            ulong end = Align.Up((range.EndExclusive.Value >> 12) * PageStructBytes, 2 * Size.MiB);
            for (ulong offset = first; offset < end; offset += 2 * Size.MiB)
            {
                // The entries of a node's frames lie on that node, while it has room.
                if (_boot!.Take("vmemmap", 2 * Size.MiB, 2 * Size.MiB, Math.Min(EndOfNodeAt(offset / PageStructBytes), _plan.LowFrames)) is not { } piece
                    || !Tables.Mapper.TryMap(Tables.Root, new VirtualAddress(array.Range.Start.Value + offset), piece.Start, Tables.PageLevel - 1, _plan.Flags.Data))
                {
                    return false;
                }
            }

            next = Math.Max(next, end);
        }

        return true;
    }

    /// <summary>The frame behind the last of the node that a frame, or the nearest below it, belongs to.</summary>
    private ulong EndOfNodeAt(ulong frame)
    {
        if (Description.NumaRanges.IsDefaultOrEmpty)
        {
            return ulong.MaxValue;
        }

        int node = Description.NumaRanges.Where(part => part.Range.Start.Value >> 12 <= frame).MaxBy(part => part.Range.Start.Value)?.Node ?? 0;
        return Description.NumaRanges.Where(part => part.Node == node).Max(part => part.Range.EndExclusive.Value) >> 12;
    }

    /// <summary>Makes the page tables of pkmap and fixmap, which are there from boot on.</summary>
    private void MapFixedWindows()
    {
        foreach (Region region in Layout.Regions)
        {
            // x86-64 has the tables of its fixmap in the kernel image; here they are taken like all others.
            if (region.Kind is not (RegionKind.Pkmap or RegionKind.Fixmap) || (Is64Bit && region.Name != "fixmap"))
            {
                continue;
            }

            ulong step = Tables.Geometry.Levels[^2].SpanBytes;
            for (ulong at = Align.Down(region.Range.Start.Value, step); at <= region.Range.Last.Value; at += step)
            {
                Tables.Mapper.TryPrepare(Tables.Root, new VirtualAddress(at), Tables.PageLevel);
            }
        }
    }

    private void SetUpHighmem()
    {
        if (Layout.FindQuantity("fixaddr-top") is { } top && !Layout.Fixmap.IsDefaultOrEmpty)
        {
            int count = Layout.Fixmap.Max(entry => entry.Index + entry.Pages);
            Fixmap = new Fixmap(Tables, new VirtualAddress(top.Value), count);
            FixmapEntry begin = Layout.Fixmap.FirstOrDefault(entry => entry.Name.Contains("BTMAP", StringComparison.Ordinal) && entry.Pages > 1);
            if (begin.Pages > 1)
            {
                EarlyIoremap = new EarlyIoremap(_plan.Highmem, Fixmap, Tables, begin.Index + begin.Pages - 1);
            }
        }

        if (!Is64Bit && Layout.FindRegion("pkmap") is { } window)
        {
            Pkmap = new PermanentKmap(_plan.Highmem, Tables, window.Range);
            FixmapEntry first = Layout.Fixmap.First(entry => entry.Name.Contains("KMAP_BEGIN", StringComparison.Ordinal));
            AtomicKmaps = new AtomicKmap(_plan.Highmem, Tables, first.Address);
        }
    }

    private void ReserveFor(string name, ulong bytes, out bool fits) =>
        fits = bytes == 0 || _boot!.Take(name, bytes, 4096, _plan.LowFrames) is not null;

    /// <summary>Gives a frame for a new page table: from boot memory while booting, then from low memory.</summary>
    private PageFrameNumber? AllocateTable(int level)
    {
        _rootChanged |= level == 1;
        if (_boot is not null)
        {
            return _boot.Take("page tables", 4096, 4096, _plan.LowFrames) is { } taken
                ? new PageFrameNumber(taken.Start.Value >> 12)
                : null;
        }

        int frame = Pages.TakePage(ZoneKind.Normal, FrameUse.PageTable, cpu: 0, isZeroed: true);
        return frame < 0 ? null : new PageFrameNumber((ulong)frame);
    }
}
