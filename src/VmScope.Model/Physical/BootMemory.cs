using System.Collections.Immutable;
using VmScope.Kernels;

namespace VmScope.Physical;

/// <summary>A piece of RAM taken before the page allocator started.</summary>
/// <param name="Name">What for.</param>
/// <param name="Range">Where.</param>
public sealed record BootReservation(string Name, PhysicalRange Range);

/// <summary>Where a zone begins and ends, in frames.</summary>
/// <param name="Kind">Which zone.</param>
/// <param name="Start">Its first frame.</param>
/// <param name="EndExclusive">The frame behind its last; equal to the start for an empty zone.</param>
/// <param name="Node">The NUMA node it belongs to.</param>
public sealed record ZoneSpan(ZoneKind Kind, ulong Start, ulong EndExclusive, int Node = 0);

/// <summary>Physical memory while the machine boots: RAM from the memory map, of which pieces are taken in turn.</summary>
/// <remarks>Stands for bootmem (up to 3.7 on x86) and memblock (from 3.8). Source: mm/bootmem.c, mm/memblock.c.</remarks>
public sealed class BootMemory
{
    private readonly PageSize _pageSize;
    private readonly PhysicalFacts _facts;
    private readonly List<(ulong Start, ulong End)> _free = [];
    private readonly List<(ulong Start, ulong End)> _ram = [];
    private readonly List<BootReservation> _reservations = [];

    /// <summary>Takes over the usable memory of a map.</summary>
    /// <param name="facts">The kernel's habits.</param>
    /// <param name="pageSize">The page size.</param>
    /// <param name="map">The memory map.</param>
    /// <param name="endFrame">The frame behind the last one the kernel uses (its <c>max_pfn</c>).</param>
    public BootMemory(PhysicalFacts facts, PageSize pageSize, MemoryMap map, ulong endFrame)
    {
        (_facts, _pageSize) = (facts, pageSize);
        foreach (PhysicalRange range in map.Usable)
        {
            // Only whole pages count: the kernel rounds a range's start up and its end down.
            ulong start = Align.Up(range.Start.Value, pageSize.Bytes) >> pageSize.Shift;
            ulong end = Math.Min((range.Last.Value >> pageSize.Shift) + (IsPageEnd(range.Last.Value) ? 1UL : 0), endFrame);
            if (end <= start)
            {
                continue;
            }

            if (_ram.Count > 0 && _ram[^1].End >= start)
            {
                start = _ram[^1].Start;
                end = Math.Max(end, _ram[^1].End);
                _ram.RemoveAt(_ram.Count - 1);
            }

            _ram.Add((start, end));
        }

        _free.AddRange(_ram);
        EndFrame = _ram.Count == 0 ? 0 : _ram[^1].End;
    }

    /// <summary>The frame behind the last frame of RAM.</summary>
    public ulong EndFrame { get; }

    /// <summary>What was taken, in the order it was taken.</summary>
    public IReadOnlyList<BootReservation> Reservations => _reservations;

    /// <summary>Frames of RAM in a span.</summary>
    public ulong PresentFrames(ulong start, ulong endExclusive) => Count(_ram, start, endExclusive);

    /// <summary>Whether a frame is RAM.</summary>
    public bool IsRam(ulong frame) => Count(_ram, frame, frame + 1) == 1;

    /// <summary>Keeps a range out of the page allocator, whether or not all of it is RAM.</summary>
    public void Reserve(string name, PhysicalRange range)
    {
        ulong start = range.Start.Value >> _pageSize.Shift;
        ulong end = (range.Last.Value >> _pageSize.Shift) + 1;
        Cut(start, end);
        _reservations.Add(new BootReservation(name, range));
    }

    /// <summary>Finds and takes a range of RAM.</summary>
    /// <param name="name">What for.</param>
    /// <param name="sizeBytes">How much; rounded up to whole pages.</param>
    /// <param name="alignBytes">A power of two, at least the page size.</param>
    /// <param name="belowFrame">The range must end at or below this frame.</param>
    /// <returns>Null when no free range is large enough.</returns>
    public PhysicalRange? Take(string name, ulong sizeBytes, ulong alignBytes, ulong belowFrame)
    {
        ulong pages = Align.Up(sizeBytes, _pageSize.Bytes) >> _pageSize.Shift;
        ulong align = Math.Max(alignBytes, _pageSize.Bytes) >> _pageSize.Shift;
        ulong? start = _facts.BootAllocatesTopDown ? Highest(pages, align, belowFrame) : Lowest(pages, align, belowFrame);
        if (start is not { } found)
        {
            return null;
        }

        Cut(found, found + pages);
        PhysicalRange range = new(new PhysicalAddress(found << _pageSize.Shift), pages << _pageSize.Shift);
        _reservations.Add(new BootReservation(name, range));
        return range;
    }

    /// <summary>Ends the boot: builds the zones and gives all memory that is still free to the page allocator.</summary>
    /// <param name="memory">The bytes.</param>
    /// <param name="spans">The zones of this machine, lowest first.</param>
    /// <param name="cpus">CPUs, at least 1.</param>
    /// <param name="minFreeKiB">min_free_kbytes as set by an administrator; null for the kernel's own formula.</param>
    /// <param name="cpuNodes">The NUMA node of each CPU; empty when all are on node 0.</param>
    public PageAllocator Release(SparseMemory memory, ImmutableArray<ZoneSpan> spans, int cpus, ulong? minFreeKiB = null,
        ImmutableArray<int> cpuNodes = default)
    {
        FrameTable frames = new(Math.Max(EndFrame, 1), _facts.LargestOrder);
        foreach ((ulong start, ulong end) in _ram)
        {
            frames.Mark((int)start, (int)end, FrameUse.Reserved, count: 1);
        }

        ImmutableArray<MemoryZone> zones =
        [
            .. spans.Select(span => new MemoryZone(span.Kind, frames, (int)span.Start, (int)span.EndExclusive, cpus)
            {
                Node = span.Node,
                PresentPages = PresentFrames(span.Start, span.EndExclusive),
            }),
        ];
        foreach (MemoryZone zone in zones)
        {
            foreach ((ulong start, ulong end) in _free)
            {
                ulong first = Math.Max(start, (ulong)zone.First);
                ulong last = Math.Min(end, (ulong)zone.EndExclusive);
                for (ulong frame = first; frame < last;)
                {
                    int order = Math.Min(frame == 0 ? _facts.LargestOrder : System.Numerics.BitOperations.TrailingZeroCount(frame), _facts.LargestOrder);
                    while (frame + (1UL << order) > last)
                    {
                        order--;
                    }

                    zone.Buddy.Give((int)frame, order, atHead: !_facts.BootBlocksAtTail);
                    frame += 1UL << order;
                }

                zone.ManagedPages += last > first ? last - first : 0;
            }
        }

        PageAllocator allocator = new(_facts, memory, _pageSize, frames, zones, cpus, cpuNodes.IsDefault ? [] : cpuNodes);
        allocator.SetReserves(minFreeKiB);
        return allocator;
    }

    private static ulong Count(List<(ulong Start, ulong End)> ranges, ulong start, ulong endExclusive)
    {
        ulong count = 0;
        foreach ((ulong from, ulong to) in ranges)
        {
            ulong low = Math.Max(from, start);
            ulong high = Math.Min(to, endExclusive);
            count += high > low ? high - low : 0;
        }

        return count;
    }

    private bool IsPageEnd(ulong last) => Align.IsAligned(unchecked(last + 1), _pageSize.Bytes);

    private ulong? Highest(ulong pages, ulong align, ulong below)
    {
        for (int i = _free.Count - 1; i >= 0; i--)
        {
            ulong end = Math.Min(_free[i].End, below);
            if (end < pages)
            {
                continue;
            }

            ulong start = Align.Down(end - pages, align);
            if (start >= _free[i].Start && start + pages <= end)
            {
                return start;
            }
        }

        return null;
    }

    private ulong? Lowest(ulong pages, ulong align, ulong below)
    {
        // Old kernels keep the first 16 MiB for devices as long as there is other memory.
        ulong above = (16 * Size.MiB) >> _pageSize.Shift;
        foreach (ulong from in new[] { above, 0UL })
        {
            foreach ((ulong start, ulong end) in _free)
            {
                ulong at = Align.Up(Math.Max(start, from), align);
                if (at + pages <= Math.Min(end, below))
                {
                    return at;
                }
            }
        }

        return null;
    }

    private void Cut(ulong start, ulong end)
    {
        for (int i = _free.Count - 1; i >= 0; i--)
        {
            (ulong from, ulong to) = _free[i];
            if (to <= start || from >= end)
            {
                continue;
            }

            _free.RemoveAt(i);
            if (end < to)
            {
                _free.Insert(i, (end, to));
            }

            if (from < start)
            {
                _free.Insert(i, (from, start));
            }
        }
    }
}
