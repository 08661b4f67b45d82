using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>What the address space was when the replay began.</summary>
public enum ReplayStart
{
    /// <summary>Nothing was allocated yet: exact.</summary>
    Boot,

    /// <summary>A listing, and the free tree as it was read from the kernel: exact.</summary>
    FreeTree,

    /// <summary>A listing: the addresses taken are known, the shape of the tree is not.</summary>
    Listing,

    /// <summary>Nothing is known of it.</summary>
    Unknown,
}

/// <summary>Why a model's answer differs from the recorded one.</summary>
public enum DifferenceKind
{
    /// <summary>The start state does not tell: the shape of the tree decides, and it is unknown.</summary>
    Unknowable,

    /// <summary>Nothing excuses it.</summary>
    Unexplained,
}

/// <summary>A request that model and kernel answered differently.</summary>
/// <param name="Line">The line of the trace.</param>
/// <param name="Time">Its time stamp in nanoseconds.</param>
/// <param name="Cpu">The processor.</param>
/// <param name="Request">What was asked.</param>
/// <param name="Model">The model's address; null when it found no room.</param>
/// <param name="Kernel">The kernel's address; null when it found no room.</param>
/// <param name="Kind">Why.</param>
/// <param name="Holes">The holes around both answers, by address.</param>
/// <param name="ModelReason">What the model chose and why, in a sentence.</param>
/// <param name="KernelReason">What the model holds at the place the kernel chose, in a sentence.</param>
public sealed record ReplayDifference(
    long Line,
    ulong Time,
    int Cpu,
    AreaRequest Request,
    ulong? Model,
    ulong? Kernel,
    DifferenceKind Kind,
    ImmutableArray<FreeBlock> Holes,
    string ModelReason,
    string KernelReason);

/// <summary>A row that only one of model and kernel has at the end.</summary>
/// <param name="Start">First address.</param>
/// <param name="End">Exclusive end.</param>
/// <param name="InModel">Whether the model has it; otherwise the kernel's listing has.</param>
/// <param name="Owner">The owner the listing names; empty without one.</param>
public sealed record ListDifference(ulong Start, ulong End, bool InModel, string Owner);

/// <summary>The areas at the end against the captured listing, row by row.</summary>
/// <param name="File">The listing.</param>
/// <param name="Rows">Busy rows of the listing.</param>
/// <param name="Same">Rows that the model has with the same start and end.</param>
/// <param name="Differences">The others, at most a few dozen.</param>
/// <param name="DifferenceCount">How many others there are.</param>
public sealed record FinalList(string File, int Rows, int Same, ImmutableArray<ListDifference> Differences, int DifferenceCount);

/// <summary>What a replay found.</summary>
public sealed record ReplayResult
{
    /// <summary>What was replayed.</summary>
    public required string Trace { get; init; }

    /// <summary>The kernel that recorded it.</summary>
    public required string Kernel { get; init; }

    /// <summary>Where the replay began.</summary>
    public required ReplayStart Start { get; init; }

    /// <summary>How the start was found, in a sentence.</summary>
    public required string StartReason { get; init; }

    /// <summary>Whether the trace can be replayed at all.</summary>
    public required bool Replayable { get; init; }

    /// <summary>Why not, in a sentence; null when it can.</summary>
    public string? WhyNot { get; init; }

    /// <summary>Events of the allocator read.</summary>
    public long Events { get; init; }

    /// <summary>Requests that got an address from the kernel, or would have got one from the model.</summary>
    public long Allocations { get; init; }

    /// <summary>Of those, at the same address.</summary>
    public long SameAddress { get; init; }

    /// <summary>Of those, not.</summary>
    public long Different { get; init; }

    /// <summary>Of the different ones, those that the start state does not decide.</summary>
    public long Unknowable { get; init; }

    /// <summary>Of the different ones, those that nothing excuses.</summary>
    public long Unexplained { get; init; }

    /// <summary>Requests for which neither found room.</summary>
    public long FailedInBoth { get; init; }

    /// <summary>Operations applied in another order than the lines have.</summary>
    public long Reordered { get; init; }

    /// <summary>Requests aligned above a page.</summary>
    public long Aligned { get; init; }

    /// <summary>Areas freed.</summary>
    public long Frees { get; init; }

    /// <summary>Frees of areas the model does not have.</summary>
    public long UnknownFrees { get; init; }

    /// <summary>Frees after which another number of pages waited for a purge in the model than the event says.</summary>
    public long LazyOff { get; init; }

    /// <summary>Purges.</summary>
    public long Purges { get; init; }

    /// <summary>Purges whose number of areas the model did not reach.</summary>
    public long PurgesOff { get; init; }

    /// <summary>Per-CPU chunks whose address the trace tells.</summary>
    public long Chunks { get; init; }

    /// <summary>Of those, placed where the kernel did.</summary>
    public long ChunksSame { get; init; }

    /// <summary>Per-CPU chunks of unknown size: their place is missing in the model.</summary>
    public long ChunksUnplaced { get; init; }

    /// <summary>Events that the tracer lost.</summary>
    public ulong LostEvents { get; init; }

    /// <summary>Operations left out because no kernel does them: damage in the trace.</summary>
    public long OddOperations { get; init; }

    /// <summary>Whether the run was stopped before the end of the trace.</summary>
    public bool Interrupted { get; init; }

    /// <summary>The first difference; null without one.</summary>
    public ReplayDifference? First { get; init; }

    /// <summary>The end against the captured listing; null without one.</summary>
    public FinalList? Final { get; init; }

    /// <summary>What a reader should know beside the numbers.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
