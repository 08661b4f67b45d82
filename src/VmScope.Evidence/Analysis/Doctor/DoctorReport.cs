using System.Collections.Immutable;
using VmScope.Layout;

namespace VmScope.Analysis;

/// <summary>What is wrong, in one word.</summary>
public enum DoctorVerdict
{
    /// <summary>Nothing.</summary>
    Healthy,

    /// <summary>Messages that look worse than they are.</summary>
    Harmless,

    /// <summary>A request found no place; the evidence does not show why.</summary>
    NoRoom,

    /// <summary>Enough is free, but in pieces.</summary>
    Fragmentation,

    /// <summary>Less is free than was asked for.</summary>
    Exhausted,

    /// <summary>The request is larger than its whole window.</summary>
    LargerThanWindow,

    /// <summary>The request is larger than the machine's memory, or no size at all.</summary>
    ImpossibleSize,

    /// <summary>Addresses were there; pages of memory were not.</summary>
    OutOfPages,

    /// <summary>The list shows something no healthy kernel has.</summary>
    Corrupt,

    /// <summary>The list looks like a leak; nothing has failed yet.</summary>
    LeakSuspect,

    /// <summary>Nothing has failed, but the next request of ordinary size will.</summary>
    NearlyFull,
}

/// <summary>Which allocator's addresses ran out.</summary>
public enum FailedWindow
{
    /// <summary>None: the failure has nothing to do with addresses.</summary>
    None,

    /// <summary>The evidence does not say.</summary>
    Unknown,

    /// <summary>The vmalloc and ioremap area.</summary>
    Vmalloc,

    /// <summary>The module area, asked for a module.</summary>
    Modules,

    /// <summary>The module area, asked for code of BPF, kprobes or trampolines.</summary>
    Bpf,

    /// <summary>A per-CPU chunk, placed from the top of the vmalloc area.</summary>
    Percpu,

    /// <summary>A range that the message prints and that is no known window.</summary>
    FixedRange,

    /// <summary>The few slots that exist before the vmalloc area.</summary>
    Early,
}

/// <summary>What had no room for a per-CPU allocation.</summary>
public enum PercpuShortage
{
    /// <summary>It was none.</summary>
    None,

    /// <summary>The vmalloc window, for a whole new chunk.</summary>
    Chunk,

    /// <summary>The area set aside at boot for the variables of modules.</summary>
    Reserved,

    /// <summary>The present chunks, for a caller that may not wait until there is another.</summary>
    Atomic,
}

/// <summary>How bad it is.</summary>
public enum DoctorSeverity
{
    /// <summary>Nothing to say.</summary>
    None,

    /// <summary>A message, no harm.</summary>
    Harmless,

    /// <summary>Worth knowing.</summary>
    Notice,

    /// <summary>Something did not work, or soon will not.</summary>
    Serious,
}

/// <summary>One sentence of the report, where it comes from and how sure it is.</summary>
/// <param name="Text">The sentence.</param>
/// <param name="Certainty">How sure.</param>
/// <param name="File">The file that shows it; null when it follows from several, or from none.</param>
/// <param name="Line">The line there, from 1; 0 for the whole file.</param>
public sealed record DoctorStatement(string Text, Sureness Certainty, string? File = null, long Line = 0);

/// <summary>A failed request, put together from the messages that tell of it.</summary>
/// <param name="Line">Line of the first message.</param>
/// <param name="Window">Whose addresses.</param>
/// <param name="WindowReason">What tells that it was this window, in a clause.</param>
/// <param name="WindowCertainty">How sure that is.</param>
/// <param name="Bytes">The size the message names; null when it names none.</param>
/// <param name="GuardIncluded">Whether the guard page is in it.</param>
/// <param name="SearchedBytes">The size the kernel looked for, guard page included; null when no size is known.</param>
/// <param name="Range">The range the message prints; null when it prints none.</param>
/// <param name="Process">Who asked; null when no message says.</param>
/// <param name="Repeats">How many messages tell of a request like this, this one included.</param>
/// <param name="Text">The message.</param>
public sealed record FailedRequest(
    long Line, FailedWindow Window, string WindowReason, Sureness WindowCertainty, ulong? Bytes, bool GuardIncluded,
    ulong? SearchedBytes, VirtualRange? Range, string? Process, long Repeats, string Text)
{
    /// <summary>Whether device memory was to be mapped, whose alignment the kernel chooses by its size.</summary>
    public bool IsIoremap { get; init; }

    /// <summary>Of a per-CPU allocation: what had no room.</summary>
    public PercpuShortage Percpu { get; init; }
}

/// <summary>A value of <c>vmalloc=</c> that helps.</summary>
/// <param name="Value">As it is written behind vmalloc=: whole MiB.</param>
/// <param name="Bytes">The same in bytes.</param>
/// <param name="ExactBytes">The smallest value to the page.</param>
/// <param name="IsProved">Whether the present areas and the request were placed in the new layout, by this kernel's rule, with the present holes and without.</param>
/// <param name="Before">The layout as it is; null when it cannot be computed.</param>
/// <param name="After">The layout with the value.</param>
/// <param name="LowmemLostBytes">Directly mapped memory that is lost.</param>
/// <param name="MarginBytes">Room that stays in one piece beside the request.</param>
public sealed record VmallocCure(
    string Value, ulong Bytes, ulong ExactBytes, bool IsProved, KernelLayout? Before, KernelLayout After, ulong LowmemLostBytes, ulong MarginBytes);

/// <summary>What the doctor says.</summary>
public sealed record DoctorReport
{
    /// <summary>What to call the evidence.</summary>
    public required string Source { get; init; }

    /// <summary>The kernel's release; null when nobody said.</summary>
    public string? Kernel { get; init; }

    /// <summary>The architecture's name, also of those vmscope cannot predict; "unknown" when nothing tells.</summary>
    public required string Architecture { get; init; }

    /// <summary>What is wrong.</summary>
    public required DoctorVerdict Verdict { get; init; }

    /// <summary>How bad it is.</summary>
    public required DoctorSeverity Severity { get; init; }

    /// <summary>The answer in one or two sentences.</summary>
    public required string Summary { get; init; }

    /// <summary>The request that decided; null when nothing failed.</summary>
    public FailedRequest? Request { get; init; }

    /// <summary>Every request that failed, in the order of the log.</summary>
    public ImmutableArray<FailedRequest> Requests { get; init; } = [];

    /// <summary>The window the numbers are of; null when its bounds are not known.</summary>
    public AddressWindow? Window { get; init; }

    /// <summary>Bytes that areas hold there; null without a list.</summary>
    public ulong? UsedBytes { get; init; }

    /// <summary>Free bytes there, what a purge returns included; null without a list.</summary>
    public ulong? FreeBytes { get; init; }

    /// <summary>Holes there.</summary>
    public long? Holes { get; init; }

    /// <summary>The largest hole after a purge; null without a list.</summary>
    public ulong? LargestHoleBytes { get; init; }

    /// <summary>How many bytes the best hole misses; null when not known, 0 when the list has room.</summary>
    public ulong? ShortByBytes { get; init; }

    /// <summary>The smallest <c>vmalloc=</c> that helps; null when none does, or none applies.</summary>
    public VmallocCure? Cure { get; init; }

    /// <summary>Everything there is to say, most weighty first.</summary>
    public ImmutableArray<DoctorStatement> Statements { get; init; } = [];

    /// <summary>What the list shows beside.</summary>
    public ImmutableArray<Finding> Findings { get; init; } = [];

    /// <summary>The list; null without one.</summary>
    public ListExplanation? List { get; init; }

    /// <summary>The account of the window; null without one.</summary>
    public WindowAccount? Account { get; init; }

    /// <summary>Whether there is something to do.</summary>
    public bool IsProblem => Severity == DoctorSeverity.Serious;
}
