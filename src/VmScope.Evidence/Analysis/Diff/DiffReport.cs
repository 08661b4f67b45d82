using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>One list to compare, and what is known about when it was taken.</summary>
/// <param name="Name">What to call it.</param>
/// <param name="Areas">The list.</param>
public sealed record DiffSnapshot(string Name, VmallocReport Areas)
{
    /// <summary>When it was taken; null when nobody said.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>Time since boot; null when nobody said. Smaller than in the snapshot before it: another boot.</summary>
    public TimeSpan? Uptime { get; init; }

    /// <summary>Release of the kernel; null when nobody said.</summary>
    public string? Kernel { get; init; }

    /// <summary>The machine's architecture by name; null when nobody said.</summary>
    public string? Architecture { get; init; }

    /// <summary>The modules that were loaded; null when nobody said.</summary>
    public ImmutableHashSet<string>? Modules { get; init; }
}

/// <summary>How rows of two lists were recognised as the same area.</summary>
public enum DiffMatching
{
    /// <summary>By address, size, owner and words: real addresses, or hashes of one boot.</summary>
    ByAddress,

    /// <summary>By size, owner, words and physical address only: addresses hidden, or of different boots.</summary>
    BySizeAndOwner,
}

/// <summary>Numbers of one list.</summary>
/// <param name="Name">What to call it.</param>
/// <param name="Time">When it was taken; null when nobody said.</param>
/// <param name="Areas">Areas in it, freed ones not counted.</param>
/// <param name="Bytes">Their bytes, guard pages included.</param>
/// <param name="UnpurgedAreas">Freed areas whose addresses are still blocked.</param>
/// <param name="UnpurgedBytes">Their bytes.</param>
/// <param name="AddressesAreReal">Whether addresses and sizes agree: not so in a hashed list.</param>
public sealed record DiffSummary(
    string Name, DateTimeOffset? Time, long Areas, ulong Bytes, long UnpurgedAreas, ulong UnpurgedBytes, bool AddressesAreReal);

/// <summary>One area that appeared or vanished.</summary>
/// <param name="Snapshot">Index of the list the row was read from.</param>
/// <param name="Line">Its line there.</param>
/// <param name="Start">First address as printed.</param>
/// <param name="SizeBytes">Size, guard page included.</param>
/// <param name="Owner">The owner as printed; empty for none.</param>
/// <param name="Kind">What kind of area, in the kernel's words.</param>
/// <param name="Phys">Physical address; null without one.</param>
public sealed record DiffRow(int Snapshot, long Line, ulong Start, ulong SizeBytes, string Owner, string Kind, ulong? Phys);

/// <summary>How one group of areas changed.</summary>
/// <param name="Name">Owner, module, kind or physical range.</param>
/// <param name="Areas">Areas in each list.</param>
/// <param name="Bytes">Bytes in each list.</param>
/// <param name="Appeared">Areas that appeared, over all steps.</param>
/// <param name="Vanished">Areas that vanished, over all steps.</param>
/// <param name="BytesPerHour">Growth from first to last list; null when the times are not known.</param>
public sealed record DiffGroup(
    string Name, ImmutableArray<long> Areas, ImmutableArray<ulong> Bytes, long Appeared, long Vanished, double? BytesPerHour)
{
    /// <summary>Areas more (or fewer) in the last list than in the first.</summary>
    public long AreasMore => Areas[^1] - Areas[0];

    /// <summary>Bytes more (or fewer) in the last list than in the first.</summary>
    public Int128 BytesMore => (Int128)Bytes[^1] - Bytes[0];
}

/// <summary>Why an owner is suspected of a leak.</summary>
public enum LeakReason
{
    /// <summary>More areas, and (almost) none given back.</summary>
    Growth,

    /// <summary>Never less from list to list, more in at least two steps.</summary>
    MonotonicGrowth,

    /// <summary>What was added has one size.</summary>
    EqualSizes,

    /// <summary>What was added is a quarter of the list or more, in many areas.</summary>
    LargeShare,

    /// <summary>A physical range that was mapped is mapped again.</summary>
    SamePhysAgain,

    /// <summary>The module is not loaded any more and its areas are still there.</summary>
    ModuleGone,

    /// <summary>Grows with the load (tasks, terminals): speaks against a leak.</summary>
    GrowsWithLoad,

    /// <summary>The lists are of different kernels or machines: speaks against a leak.</summary>
    OtherKernel,
}

/// <summary>An owner suspected of a leak.</summary>
/// <param name="Owner">Function, module included.</param>
/// <param name="Score">Weight of the reasons; suspects are ranked by it.</param>
/// <param name="Reasons">Why, in words, most telling first.</param>
/// <param name="Kinds">The same as values.</param>
/// <param name="Group">The owner's numbers.</param>
/// <param name="Example">A row to look at.</param>
public sealed record LeakSuspect(
    string Owner, int Score, ImmutableArray<string> Reasons, ImmutableArray<LeakReason> Kinds, DiffGroup Group, DiffRow? Example);

/// <summary>What changed over two or more lists.</summary>
public sealed record DiffReport
{
    /// <summary>The lists, in the order given.</summary>
    public required ImmutableArray<DiffSummary> Snapshots { get; init; }

    /// <summary>How rows were recognised.</summary>
    public required DiffMatching Matching { get; init; }

    /// <summary>Why not by address; null when it was by address.</summary>
    public string? MatchingReason { get; init; }

    /// <summary>Whether the lists are known to be of different boots or machines, so that more in the last one is no growth over time.</summary>
    public bool AreOfDifferentBoots { get; init; }

    /// <summary>Hours from first to last list; null when the times are not known.</summary>
    public double? Hours { get; init; }

    /// <summary>Areas in the last list that the first one lacks, largest first.</summary>
    public required ImmutableArray<DiffRow> Appeared { get; init; }

    /// <summary>Areas in the first list that the last one lacks, largest first.</summary>
    public required ImmutableArray<DiffRow> Vanished { get; init; }

    /// <summary>Changes by owner, largest growth first; unchanged ones included.</summary>
    public required ImmutableArray<DiffGroup> ByOwner { get; init; }

    /// <summary>Changes by module.</summary>
    public required ImmutableArray<DiffGroup> ByModule { get; init; }

    /// <summary>Changes by kind: vmalloc, ioremap, vmap, …</summary>
    public required ImmutableArray<DiffGroup> ByKind { get; init; }

    /// <summary>Changes by physical range, of those that are mapped more than once or changed.</summary>
    public required ImmutableArray<DiffGroup> ByPhys { get; init; }

    /// <summary>Suspects, strongest first.</summary>
    public required ImmutableArray<LeakSuspect> Suspects { get; init; }
}
