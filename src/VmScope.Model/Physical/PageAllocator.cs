using System.Collections.Immutable;
using System.Numerics;
using VmScope.Kernels;

namespace VmScope.Physical;

/// <summary>A frame's entry of <c>mem_map</c>, as it can be shown.</summary>
/// <param name="Frame">The frame.</param>
/// <param name="Use">What it is used for.</param>
/// <param name="Count">References held; 0 while free.</param>
/// <param name="Order">For the first frame of a block: its order; otherwise null.</param>
/// <param name="Zone">Its zone; null where there is no RAM.</param>
/// <param name="Flags">The page flags in the kernel's words.</param>
/// <param name="Node">Its NUMA node; null where there is no RAM.</param>
public sealed record PageEntry(
    PageFrameNumber Frame, FrameUse Use, int Count, int? Order, ZoneKind? Zone, ImmutableArray<string> Flags, int? Node = null);

/// <summary>All zones of the machine: hands out blocks of pages and takes them back.</summary>
/// <remarks>
/// Which frames a request gets follows the rules of the free lists and of the CPUs' own lists, but a real boot has
/// taken and freed thousands of pages before anyone looks: frame numbers are a faithful example, not a prediction.
/// Source: mm/page_alloc.c, __alloc_pages(), zone_watermark_ok(), 2.6.11 to 6.12.
/// </remarks>
public sealed class PageAllocator
{
    private readonly FrameTable _frames;
    private readonly SparseMemory _memory;
    private readonly PhysicalFacts _facts;
    private readonly int _pageShift;
    private readonly ImmutableArray<ImmutableArray<MemoryZone>> _zonesOfNode;
    private readonly ImmutableArray<int> _cpuNodes;

    internal PageAllocator(PhysicalFacts facts, SparseMemory memory, PageSize pageSize, FrameTable frames, ImmutableArray<MemoryZone> zones, int cpus,
        ImmutableArray<int> cpuNodes)
    {
        (_facts, _memory, _frames, Zones) = (facts, memory, frames, zones);
        _pageShift = pageSize.Shift;
        CpuCount = cpus;
        _cpuNodes = cpuNodes;
        int nodes = zones.IsEmpty ? 1 : zones.Max(zone => zone.Node) + 1;
        _zonesOfNode = [.. Enumerable.Range(0, nodes).Select(node => zones.Where(zone => zone.Node == node).ToImmutableArray())];
    }

    /// <summary>The zones that span memory or that this kernel always lists: node by node, lowest first.</summary>
    public ImmutableArray<MemoryZone> Zones { get; }

    /// <summary>NUMA nodes; 1 on an ordinary machine.</summary>
    public int NodeCount => _zonesOfNode.Length;

    /// <summary>CPUs with their own lists of single pages.</summary>
    public int CpuCount { get; }

    /// <summary>log2 of the pages in the largest block.</summary>
    public int LargestOrder => _facts.LargestOrder;

    /// <summary>The reserve all watermarks are derived from, in KiB.</summary>
    public ulong MinFreeKiB { get; private set; }

    /// <summary>Free pages of every zone, those parked on CPUs included.</summary>
    public ulong FreePages => Zones.Aggregate(0UL, (sum, zone) => sum + zone.FreePages + zone.PagesOnCpus);

    /// <summary>Pages handed to the allocator at boot: the kernel's <c>totalram_pages</c>.</summary>
    public ulong ManagedPages => Zones.Aggregate(0UL, (sum, zone) => sum + zone.ManagedPages);

    internal FrameTable Frames => _frames;

    /// <summary>The NUMA node of a CPU.</summary>
    public int NodeOfCpu(int cpu) => cpu < _cpuNodes.Length ? _cpuNodes[cpu] : 0;

    /// <summary>The NUMA node of a frame; 0 for a frame of no zone.</summary>
    public int NodeOf(PageFrameNumber frame) => frame.Value < (ulong)_frames.FrameCount ? ZoneOf((int)frame.Value)?.Node ?? 0 : 0;

    /// <summary>The order in which nodes are tried for a node's requests: itself, the ones above it, then those below.</summary>
    /// <remarks>
    /// All other nodes are equally far away, as firmware without a distance table has it; a node below the asking one is
    /// taken for a little farther. Source: mm/page_alloc.c, find_next_best_node(), build_zonelists(), 6.1. Up to 4.13 a kernel
    /// could be told, or from 2.6.23 could decide, to try a kind of zone on every node before a lower kind; not modelled.
    /// </remarks>
    public IEnumerable<int> FallbackOrder(int node) => Enumerable.Range(0, NodeCount).Select(i => (node + i) % NodeCount);

    /// <summary>Asks for 2^order contiguous frames.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The order is negative or above the kernel's largest.</exception>
    public PageAllocation Allocate(PageRequest request)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(request.Order, nameof(request));
        if (request.Order > LargestOrder)
        {
            return new PageAllocation(request, first: null, zone: null, []);
        }

        ImmutableArray<ZoneAttempt>.Builder attempts = ImmutableArray.CreateBuilder<ZoneAttempt>();
        int frame = Take(request, attempts, out MemoryZone? zone);
        return new PageAllocation(request, frame < 0 ? null : new PageFrameNumber((ulong)frame), zone?.Kind, attempts.ToImmutable());
    }

    /// <summary>Takes one page quickly; -1 when no zone can serve it.</summary>
    internal int TakePage(ZoneKind highest, FrameUse use, int cpu, bool isZeroed, int? node = null, bool isNodeOnly = false) =>
        Take(new PageRequest(0, highest, use, IsZeroed: isZeroed, Cpu: cpu, Node: node, IsNodeOnly: isNodeOnly), attempts: null, out _);

    /// <summary>Gives a block back; a single page goes to the CPU's own list first.</summary>
    /// <exception cref="ModelInvariantException">The frames are not an allocated block of this order.</exception>
    public void Free(PageFrameNumber first, int order, int cpu = 0)
    {
        int frame = (int)first.Value;
        MemoryZone zone = ZoneOf(frame) ?? throw new ModelInvariantException($"frame {frame:x} belongs to no zone");
        ref Frame head = ref _frames.At(frame);
        ModelInvariantException.Unless(head.IsHead && head.Order == order && head.Use > FrameUse.FreeOnCpu,
            $"frame {frame:x} is not an allocated block of order {order}: {head.Use}, order {head.Order}");
        if (order > 0)
        {
            for (int i = 0; i < 1 << order; i++)
            {
                ref Frame entry = ref _frames.At(frame + i);
                entry.Use = FrameUse.Free;
                entry.Count = 0;
                entry.IsHead = false;
            }

            zone.Buddy.Give(frame, order);
            return;
        }

        head.Use = FrameUse.FreeOnCpu;
        head.Count = 0;
        head.IsHead = false;
        Stack<int> list = zone.CpuList(cpu);
        list.Push(frame);
        if (list.Count > zone.CpuHigh)
        {
            Drain(zone, list, zone.Batch);
        }
    }

    /// <summary>Returns every page parked on a CPU to the free lists (the kernel's <c>drain_all_pages</c>).</summary>
    public void DrainCpus()
    {
        foreach (MemoryZone zone in Zones)
        {
            for (int cpu = 0; cpu < CpuCount; cpu++)
            {
                Stack<int> list = zone.CpuList(cpu);
                Drain(zone, list, list.Count);
            }
        }
    }

    /// <summary>A frame's entry of <c>mem_map</c>.</summary>
    public PageEntry Entry(PageFrameNumber frame)
    {
        if (frame.Value >= (ulong)_frames.FrameCount)
        {
            return new PageEntry(frame, FrameUse.Absent, 0, Order: null, Zone: null, []);
        }

        Frame entry = _frames.Peek((int)frame.Value);
        MemoryZone? within = entry.Use == FrameUse.Absent ? null : ZoneOf((int)frame.Value);
        ZoneKind? zone = within?.Kind;
        List<string> flags = [];
        switch (entry.Use)
        {
            case FrameUse.Reserved:
                flags.Add("reserved");
                break;
            case FrameUse.Free when entry.IsHead:
                flags.Add("buddy");
                break;
            case FrameUse.PageTable:
                flags.Add("table");
                break;
            case FrameUse.Slab:
                flags.Add("slab");
                break;
        }

        if (zone == ZoneKind.HighMem)
        {
            flags.Add("highmem");
        }

        return new PageEntry(frame, entry.Use, entry.Count, entry.IsHead ? entry.Order : null, zone, [.. flags], within?.Node);
    }

    /// <summary>The zone a frame lies in.</summary>
    internal MemoryZone? ZoneOf(int frame)
    {
        foreach (MemoryZone zone in Zones)
        {
            if (frame >= zone.First && frame < zone.EndExclusive)
            {
                return zone;
            }
        }

        return null;
    }

    /// <summary>Takes one more reference to a frame.</summary>
    internal void AddReference(int frame) => _frames.At(frame).Count++;

    /// <summary>Sets watermarks and reserves from what the zones manage now.</summary>
    /// <param name="minFreeKiB">min_free_kbytes as set by an administrator; null for the kernel's own formula.</param>
    internal void SetReserves(ulong? minFreeKiB)
    {
        ulong lowPages = Zones.Where(IsLowmem).Aggregate(0UL, (sum, zone) => sum + zone.ManagedPages);
        ulong lowKiB = lowPages << (_pageShift - 10);
        MinFreeKiB = minFreeKiB ?? Math.Clamp(SquareRoot(lowKiB * 16), 128, _facts.MinFreeKiBMax);
        ulong minPages = MinFreeKiB >> (_pageShift - 10);
        foreach (MemoryZone zone in Zones)
        {
            zone.Batch = BatchOf(zone.ManagedPages);
            ulong share = lowPages == 0 ? 0 : minPages * zone.ManagedPages / lowPages;
            // Movable memory counts as high memory where there is high memory at all.
            bool clamped = zone.Kind == ZoneKind.HighMem
                || (zone.Kind == ZoneKind.Movable && (_facts.ClampsMovable || Zones.Any(other => other.Kind == ZoneKind.HighMem)));
            ulong min = clamped ? Math.Clamp(zone.ManagedPages / 1024, 32, 128) : share;
            zone.Watermarks = MarksOf(zone, min, share);
            // Movable is listed last but borders nothing of its own; its entry equals the zone's below it.
            // Reserves look at the zones of the same node only.
            ImmutableArray<MemoryZone> own = _zonesOfNode[zone.Node];
            ulong above = 0;
            ulong[] protection = new ulong[own.Length];
            ulong ratio = zone.Kind switch
            {
                ZoneKind.Dma or ZoneKind.Dma32 => 256,
                ZoneKind.Normal => _facts.ReserveRatioNormal,
                ZoneKind.HighMem or ZoneKind.Movable or ZoneKind.Device => 0,
            };
            for (int j = own.IndexOf(zone) + 1; j < own.Length; j++)
            {
                above += own[j].ManagedPages;
                protection[j] = ratio == 0 || zone.ManagedPages == 0 ? 0 : above / ratio;
            }

            zone.Protection = [.. protection];
        }
    }

    /// <summary>Checks every free list, and that no frame is both free and in use.</summary>
    /// <exception cref="ModelInvariantException">Something does not add up.</exception>
    public void CheckInvariants()
    {
        foreach (MemoryZone zone in Zones)
        {
            zone.Buddy.CheckInvariants();
            for (int cpu = 0; cpu < CpuCount; cpu++)
            {
                foreach (int frame in zone.CpuList(cpu))
                {
                    ModelInvariantException.Unless(_frames.UseOf(frame) == FrameUse.FreeOnCpu,
                        $"frame {frame:x} is parked on CPU {cpu} but marked {_frames.UseOf(frame)}");
                    ModelInvariantException.Unless(ZoneOf(frame) == zone, $"frame {frame:x} is parked in a list of another zone");
                }
            }

            foreach (MemoryZone other in Zones)
            {
                ModelInvariantException.Unless(other == zone || other.SpannedPages == 0 || zone.SpannedPages == 0 || other.First >= zone.EndExclusive || zone.First >= other.EndExclusive,
                    $"node {zone.Node}, {zone.Kind.Name()} and node {other.Node}, {other.Kind.Name()} span the same frames");
            }

            ulong free = zone.FreePages + zone.PagesOnCpus;
            ModelInvariantException.Unless(free <= zone.ManagedPages, $"{zone.Kind.Name()}: {free} free of {zone.ManagedPages} managed");
        }
    }

    private static bool IsLowmem(MemoryZone zone) => zone.Kind is ZoneKind.Dma or ZoneKind.Dma32 or ZoneKind.Normal;

    private int Take(PageRequest request, ImmutableArray<ZoneAttempt>.Builder? attempts, out MemoryZone? served)
    {
        // First look for a zone above its low mark; background reclaim would be woken next, of which the model
        // has none; then the marks are lowered to min, and for an atomic request below it.
        for (int pass = 0; pass < 2; pass++)
        {
            attempts?.Clear();
            int first = request.Node ?? NodeOfCpu(request.Cpu);
            for (int n = 0; n < (request.IsNodeOnly ? 1 : NodeCount); n++)
            {
                ImmutableArray<MemoryZone> zones = _zonesOfNode[(first + n) % NodeCount];
                for (int z = zones.Length - 1; z >= 0; z--)
                {
                    MemoryZone zone = zones[z];
                    if (zone.Kind > request.Highest || zone.ManagedPages == 0)
                    {
                        continue;
                    }

                    ulong mark = pass == 0 ? zone.Watermarks.Low : zone.Watermarks.Min;
                    if (pass == 1 && request.IsAtomic)
                    {
                        mark -= mark / 2;
                        mark -= mark / 4;
                    }

                    ulong reserve = zone.Protection.IsEmpty ? 0 : zone.Protection[HighestIndex(zones, request.Highest)];
                    ulong free = zone.FreePages;
                    int frame = free >= 1UL << request.Order && free - ((1UL << request.Order) - 1) > mark + reserve
                        ? TakeFrom(zone, request)
                        : -1;
                    attempts?.Add(new ZoneAttempt(zone.Kind, frame >= 0, free, mark, reserve, LargestFree(zone), NodeCount > 1 ? zone.Node : null));
                    if (frame >= 0)
                    {
                        served = zone;
                        return frame;
                    }
                }
            }
        }

        served = null;
        return -1;
    }

    private int TakeFrom(MemoryZone zone, PageRequest request)
    {
        int frame;
        if (request.Order == 0)
        {
            Stack<int> list = zone.CpuList(request.Cpu);
            if (list.Count == 0 && !Refill(zone, list))
            {
                return -1;
            }

            frame = list.Pop();
        }
        else
        {
            frame = zone.Buddy.Take(request.Order);
            if (frame < 0)
            {
                return -1;
            }
        }

        for (int i = 0; i < 1 << request.Order; i++)
        {
            ref Frame entry = ref _frames.At(frame + i);
            entry.Use = request.Use;
            entry.Count = i == 0 ? 1 : 0;
            entry.IsHead = i == 0;
            entry.Order = (byte)(i == 0 ? request.Order : 0);
            if (request.IsZeroed)
            {
                _memory.Clear(new PageFrameNumber((ulong)(frame + i)));
            }
        }

        return frame;
    }

    private bool Refill(MemoryZone zone, Stack<int> list)
    {
        Span<int> batch = stackalloc int[64];
        int count = 0;
        while (count < zone.Batch)
        {
            int frame = zone.Buddy.Take(0);
            if (frame < 0)
            {
                break;
            }

            ref Frame entry = ref _frames.At(frame);
            entry.Use = FrameUse.FreeOnCpu;
            entry.IsHead = false;
            batch[count++] = frame;
        }

        // The batch is handed out in the order it was taken.
        for (int i = count - 1; i >= 0; i--)
        {
            list.Push(batch[i]);
        }

        return count > 0;
    }

    private void Drain(MemoryZone zone, Stack<int> list, int count)
    {
        if (count == 0)
        {
            return;
        }

        // The pages parked longest leave first.
        int[] parked = [.. list];
        list.Clear();
        for (int i = parked.Length - 1; i >= 0; i--)
        {
            if (parked.Length - 1 - i < count)
            {
                _frames.At(parked[i]).Use = FrameUse.Free;
                zone.Buddy.Give(parked[i], 0);
            }
            else
            {
                list.Push(parked[i]);
            }
        }
    }

    private static int HighestIndex(ImmutableArray<MemoryZone> zones, ZoneKind highest)
    {
        for (int z = zones.Length - 1; z >= 0; z--)
        {
            if (zones[z].Kind <= highest)
            {
                return z;
            }
        }

        return 0;
    }

    private int? LargestFree(MemoryZone zone)
    {
        for (int order = LargestOrder; order >= 0; order--)
        {
            if (zone.FreeBlocks(order) != 0)
            {
                return order;
            }
        }

        return null;
    }

    private Watermarks MarksOf(MemoryZone zone, ulong min, ulong share)
    {
        ulong scaled = Math.Max(share / 4, zone.ManagedPages * 10 / 10000);
        return _facts.Watermarks switch
        {
            WatermarkRule.FractionsOfMin => new Watermarks(min, min * 5 / 4, min * 6 / 4, Promo: null),
            WatermarkRule.QuarterSteps => new Watermarks(min, min + (share / 4), min + (share / 2), Promo: null),
            WatermarkRule.ScaledSteps => new Watermarks(min, min + scaled, min + (2 * scaled), Promo: null),
            WatermarkRule.ScaledStepsWithPromotion => new Watermarks(min, min + scaled, min + (2 * scaled), min + (3 * scaled)),
        };
    }

    /// <summary>How many pages a CPU moves at once; source: mm/page_alloc.c, zone_batchsize(), 2.6.11 to 5.12.</summary>
    private int BatchOf(ulong managedPages)
    {
        ulong pages = Math.Min(managedPages / 1024, (512 * Size.KiB) >> _pageShift) / 4;
        pages = Math.Max(pages, 1);
        // One less than a power of two: large caches clash less.
        return (int)Math.Max(1, (1UL << BitOperations.Log2(pages + (pages / 2))) - 1);
    }

    private static ulong SquareRoot(ulong value)
    {
        ulong root = (ulong)Math.Sqrt(value);
        while (root * root > value)
        {
            root--;
        }

        while ((root + 1) * (root + 1) <= value)
        {
            root++;
        }

        return root;
    }
}
