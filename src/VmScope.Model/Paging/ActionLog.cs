namespace VmScope.Paging;

/// <summary>How much of a TLB a flush dropped.</summary>
public enum FlushScope
{
    /// <summary>One page.</summary>
    Page,

    /// <summary>A range, page by page.</summary>
    Range,

    /// <summary>Everything, global entries too.</summary>
    All,
}

/// <summary>A flush the kernel ordered.</summary>
/// <param name="Scope">How much.</param>
/// <param name="Range">Which addresses; null for everything.</param>
/// <param name="Cpu">On which CPU; null for all of them.</param>
/// <param name="Why">What made it necessary.</param>
public sealed record TlbFlush(FlushScope Scope, VirtualRange? Range, int? Cpu, string Why);

/// <summary>A hole in the address space that was looked at and not taken.</summary>
/// <param name="Start">Its first address.</param>
/// <param name="EndExclusive">The address behind it.</param>
/// <param name="Why">Why it did not do.</param>
public sealed record HolePassed(VirtualAddress Start, VirtualAddress EndExclusive, string Why);

/// <summary>Frames taken from or given back to the page allocator.</summary>
/// <param name="First">The first frame.</param>
/// <param name="Order">log2 of the frames.</param>
/// <param name="Zone">The zone's name.</param>
/// <param name="IsTaken">Taken, or given back.</param>
/// <param name="What">What for.</param>
public sealed record FrameMove(PageFrameNumber First, int Order, string Zone, bool IsTaken, string What);

/// <summary>A list that keeps only the beginning of what is added, and counts all of it: a large area writes a million entries.</summary>
/// <typeparam name="T">What is noted.</typeparam>
public sealed class BoundedLog<T> : System.Collections.ObjectModel.Collection<T>
{
    /// <summary>How much is kept.</summary>
    public const int KeptMax = 2000;

    /// <summary>How much was added.</summary>
    public int Total { get; private set; }

    /// <inheritdoc />
    protected override void InsertItem(int index, T item)
    {
        Total++;
        if (Count < KeptMax)
        {
            base.InsertItem(index, item);
        }
    }
}

/// <summary>What an operation did, while it does it: steps in words, and every frame, entry and flush.</summary>
public sealed class ActionLog
{
    /// <summary>The reasoning, one sentence each, in order.</summary>
    public List<string> Steps { get; } = [];

    /// <summary>Holes passed over in the search for a place.</summary>
    public List<HolePassed> Holes { get; } = [];

    /// <summary>Frames that changed hands.</summary>
    public BoundedLog<FrameMove> Frames { get; } = [];

    /// <summary>Page-table entries written.</summary>
    public BoundedLog<EntryWrite> Entries { get; } = [];

    /// <summary>Flushes ordered.</summary>
    public List<TlbFlush> Flushes { get; } = [];

    /// <summary>What the kernel printed.</summary>
    public List<string> Messages { get; } = [];

    /// <summary>Adds a step.</summary>
    public void Step(string text) => Steps.Add(text);
}
