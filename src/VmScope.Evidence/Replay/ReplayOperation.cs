using System.Numerics;
using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>What an operation does to the address space.</summary>
internal enum OperationKind : byte
{
    /// <summary>Place an area.</summary>
    Place,

    /// <summary>Take an area whose request was not seen.</summary>
    Appear,

    /// <summary>Free an area.</summary>
    Free,

    /// <summary>Detach what waits; it comes back from here on.</summary>
    PurgeBegin,

    /// <summary>Everything detached is back. Without a beginning of its own, the whole purge.</summary>
    PurgeEnd,

    /// <summary>A per-CPU chunk at a known address.</summary>
    Chunk,

    /// <summary>A per-CPU chunk somewhere.</summary>
    ChunkSomewhere,

    /// <summary>A listing was read around here.</summary>
    Marker,

    /// <summary>Events were lost here.</summary>
    Lost,
}

/// <summary>One operation of a recorded kernel, put together from one or two events.</summary>
internal struct ReplayOperation
{
    internal OperationKind Kind;
    internal TraceMarker Marker;

    /// <summary>The kernel found no room.</summary>
    internal bool Failed;

    /// <summary>Something no kernel does: the line is damaged.</summary>
    internal bool IsOdd;

    /// <summary>Already applied, ahead of its turn.</summary>
    internal bool Done;

    /// <summary>A purge whose areas were detached ahead of its turn.</summary>
    internal bool Begun;

    /// <summary>A purge that says how many areas it returned.</summary>
    internal bool HasCount;

    /// <summary>A purge after which a later line says how much waited.</summary>
    internal bool HasLazyPagesAfter;

    /// <summary>A purge that empties the pools.</summary>
    internal bool Full;

    internal int Cpu;

    /// <summary>The task; an idle task, of which every processor has one, is minus the processor minus one.</summary>
    internal int Task;

    /// <summary>The line at which the operation had certainly happened.</summary>
    internal long Line;

    /// <summary>
    /// The line before which it cannot have happened; 0 when nothing tells. Lines of the same time stamp tell no order: the
    /// clock all processors share stands still for one that is behind, so it is the first of them.
    /// </summary>
    internal long EntryLine;

    internal ulong Time;
    internal ulong Start;
    internal ulong End;
    internal ulong SizeBytes;
    internal ulong AlignBytes;
    internal ulong WindowStart;
    internal ulong WindowEnd;
    internal ulong Count;
    internal ulong Limit;

    /// <summary>Pages that waited when the purge was over, by the line of the next free.</summary>
    internal ulong LazyPagesAfter;

    internal readonly AreaRequest Request => new(SizeBytes, AlignBytes, WindowStart, WindowEnd, Cpu);

    /// <summary>
    /// Whether the order of two lines is the order in which their task did it. Lines of one time stamp stand in the order of
    /// the processors: a task that was moved then can have done the second one first.
    /// </summary>
    internal readonly bool IsOrderedWith(in ReplayOperation other) =>
        Task == other.Task && (Time != other.Time || Cpu == other.Cpu);

    /// <summary>
    /// Whether a free can have come before a purge that took this many pages: its line gives the sum it made, which falls
    /// to almost nothing when a purge is over.
    /// </summary>
    internal readonly bool CanPrecedePurgeOf(ulong pages) => Limit == 0 || Count >= pages - (pages / 4);

    /// <summary>Whether a kernel could have done this: whole pages, powers of two, nothing past the top of the space.</summary>
    internal readonly bool IsPossible(ulong pageBytes, ulong lastAddress)
    {
        switch (Kind)
        {
            case OperationKind.Place:
                return IsArea(0, SizeBytes, pageBytes, lastAddress)
                    && BitOperations.IsPow2(AlignBytes)
                    && WindowStart < WindowEnd && WindowEnd <= lastAddress
                    && (Failed || (Start < End && End - Start >= SizeBytes && IsArea(Start, End - Start, pageBytes, lastAddress)));
            case OperationKind.Appear:
            case OperationKind.Chunk:
                return Start < End && IsArea(Start, End - Start, pageBytes, lastAddress)
                    && (AlignBytes == 0 || BitOperations.IsPow2(AlignBytes));
            case OperationKind.Free:
                return Start <= lastAddress && (End == 0 || (Start < End && IsArea(Start, End - Start, pageBytes, lastAddress)));
            default:
                return true;
        }
    }

    /// <summary>The same for operations that name areas instead of placing them: whole pages, powers of two, a range that has a size.</summary>
    internal readonly bool IsPossibleRequest(ulong pageBytes, ulong lastAddress) => Kind switch
    {
        OperationKind.Place => IsArea(0, SizeBytes, pageBytes, lastAddress)
            && BitOperations.IsPow2(AlignBytes)
            && WindowStart < WindowEnd && WindowEnd <= lastAddress,
        OperationKind.Chunk or OperationKind.Appear => IsArea(0, SizeBytes, pageBytes, lastAddress),
        _ => true,
    };

    private static bool IsArea(ulong start, ulong sizeBytes, ulong pageBytes, ulong lastAddress) =>
        sizeBytes > 0 && ((start | sizeBytes) & (pageBytes - 1)) == 0 && start <= lastAddress && sizeBytes <= lastAddress - start;
}
