using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>A request for a block of pages: the order and what the flags allow.</summary>
/// <param name="Order">log2 of the pages.</param>
/// <param name="Highest">The highest zone the flags allow; lower ones are tried in turn.</param>
/// <param name="Use">What the pages are for.</param>
/// <param name="IsAtomic">Whether the caller cannot wait and may dip below the minimum (GFP_ATOMIC).</param>
/// <param name="IsZeroed">Whether the pages are cleared (__GFP_ZERO).</param>
/// <param name="Cpu">The CPU asking: its list of single pages is used for order 0.</param>
/// <param name="Node">The NUMA node to take the pages from first; null for the node of the CPU.</param>
/// <param name="IsNodeOnly">Whether no other node may serve it (__GFP_THISNODE).</param>
public readonly record struct PageRequest(
    int Order,
    ZoneKind Highest,
    FrameUse Use = FrameUse.Allocated,
    bool IsAtomic = false,
    bool IsZeroed = false,
    int Cpu = 0,
    int? Node = null,
    bool IsNodeOnly = false);

/// <summary>Why a zone on a request's list did or did not serve it.</summary>
/// <param name="Zone">The zone.</param>
/// <param name="Served">Whether the pages came from here.</param>
/// <param name="FreePages">Its free pages at that moment.</param>
/// <param name="Mark">The watermark that applied, in pages.</param>
/// <param name="Protection">What the zone keeps from this request, in pages.</param>
/// <param name="LargestFreeOrder">log2 of its largest free block; null when nothing is free.</param>
/// <param name="Node">The zone's NUMA node; null on a machine with one.</param>
public sealed record ZoneAttempt(
    ZoneKind Zone, bool Served, ulong FreePages, ulong Mark, ulong Protection, int? LargestFreeOrder, int? Node = null)
{
    private string Name => Node is { } node ? $"node {node}, {Zone.Name()}" : Zone.Name();

    /// <summary>The attempt in words.</summary>
    public string Text(int order) => Served
        ? $"{Name}: {FreePages} free, more than mark {Mark} + reserve {Protection}: taken here"
        : LargestFreeOrder is not { } largest
            ? $"{Name}: nothing free"
            : FreePages < (1UL << order) || FreePages - ((1UL << order) - 1) <= Mark + Protection
                ? $"{Name}: {FreePages} free, not more than mark {Mark} + reserve {Protection}"
                : $"{Name}: {FreePages} free, but no block of order {order}: the largest has order {largest}";
}

/// <summary>What the page allocator answered.</summary>
public sealed record PageAllocation
{
    internal PageAllocation(PageRequest request, PageFrameNumber? first, ZoneKind? zone, ImmutableArray<ZoneAttempt> attempts) =>
        (Request, First, Zone, Attempts) = (request, first, zone, attempts);

    /// <summary>The request.</summary>
    public PageRequest Request { get; }

    /// <summary>The first frame of the block; null when no zone could serve it.</summary>
    public PageFrameNumber? First { get; }

    /// <summary>The zone it came from; null on failure.</summary>
    public ZoneKind? Zone { get; }

    /// <summary>The zones that were looked at, in order.</summary>
    public ImmutableArray<ZoneAttempt> Attempts { get; }
}
