using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>The kinds of zones, lowest first; a request is served from its own kind downward.</summary>
public enum ZoneKind
{
    /// <summary>The first 16 MiB.</summary>
    Dma,

    /// <summary>Below 4 GiB (64-bit kernels).</summary>
    Dma32,

    /// <summary>Directly mapped memory.</summary>
    Normal,

    /// <summary>Memory without a permanent kernel address (32-bit kernels).</summary>
    HighMem,

    /// <summary>Only movable pages; empty unless asked for at boot.</summary>
    Movable,

    /// <summary>Memory of devices; empty until one is plugged in.</summary>
    Device,
}

/// <summary>Names of zones.</summary>
public static class ZoneKinds
{
    /// <summary>The name the kernel prints.</summary>
    public static string Name(this ZoneKind kind) => kind switch
    {
        ZoneKind.Dma => "DMA",
        ZoneKind.Dma32 => "DMA32",
        ZoneKind.Normal => "Normal",
        ZoneKind.HighMem => "HighMem",
        ZoneKind.Movable => "Movable",
        ZoneKind.Device => "Device",
    };
}

/// <summary>A zone's watermarks, in pages.</summary>
/// <param name="Min">Below this only emergency requests are served.</param>
/// <param name="Low">Below this an ordinary request looks at the next zone first.</param>
/// <param name="High">Background reclaim stops here.</param>
/// <param name="Promo">The mark above high of 5.19 and later; otherwise null.</param>
public sealed record Watermarks(ulong Min, ulong Low, ulong High, ulong? Promo);

/// <summary>A zone of physical memory: a span of frames with its own free lists and reserves.</summary>
public sealed class MemoryZone
{
    private readonly BuddyAllocator _buddy;
    private readonly CpuPages[] _cpus;

    internal MemoryZone(ZoneKind kind, FrameTable frames, int first, int endExclusive, int cpus)
    {
        (Kind, First, EndExclusive) = (kind, first, endExclusive);
        _buddy = new BuddyAllocator(frames, first, endExclusive);
        _cpus = new CpuPages[cpus];
        for (int i = 0; i < cpus; i++)
        {
            _cpus[i] = new CpuPages();
        }
    }

    /// <summary>Which zone.</summary>
    public ZoneKind Kind { get; }

    /// <summary>The NUMA node it belongs to.</summary>
    public int Node { get; internal init; }

    /// <summary>The first frame it spans.</summary>
    public PageFrameNumber StartFrame => new((ulong)First);

    /// <summary>Frames from the first to the last one, holes included.</summary>
    public ulong SpannedPages => (ulong)(EndExclusive - First);

    /// <summary>Frames that are RAM.</summary>
    public ulong PresentPages { get; internal set; }

    /// <summary>Frames the page allocator was given at boot.</summary>
    public ulong ManagedPages { get; internal set; }

    /// <summary>Frames in the free lists; pages parked on CPUs are not counted, as in the kernel's own figure.</summary>
    public ulong FreePages => _buddy.FreeFrames;

    /// <summary>Frames parked in the CPUs' lists of single pages.</summary>
    public ulong PagesOnCpus => (ulong)_cpus.Sum(cpu => cpu.Pages.Count);

    /// <summary>The watermarks.</summary>
    public Watermarks Watermarks { get; internal set; } = new(0, 0, 0, Promo: null);

    /// <summary>
    /// Pages kept from requests that could have been served higher up, by the request's highest zone; the kernel's
    /// <c>lowmem_reserve</c>, printed as "protection".
    /// </summary>
    public ImmutableArray<ulong> Protection { get; internal set; } = [];

    /// <summary>How many pages a CPU fetches or returns at a time.</summary>
    public int Batch { get; internal set; } = 1;

    /// <summary>How many pages a CPU parks at most.</summary>
    public int CpuHigh => 6 * Batch;

    internal int First { get; }

    internal int EndExclusive { get; }

    internal BuddyAllocator Buddy => _buddy;

    /// <summary>Free blocks of an order, as /proc/buddyinfo counts them.</summary>
    public ulong FreeBlocks(int order) => _buddy.FreeBlocks(order);

    /// <summary>Pages parked on one CPU.</summary>
    public int PagesOnCpu(int cpu) => _cpus[cpu].Pages.Count;

    internal Stack<int> CpuList(int cpu) => _cpus[cpu].Pages;

    private sealed class CpuPages
    {
        internal Stack<int> Pages { get; } = new();
    }
}
