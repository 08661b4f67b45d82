using VmScope.Paging;

namespace VmScope.Machine;

/// <summary>What an operation did and why: the answer, and everything noted on the way.</summary>
/// <param name="Operation">The function called, with its arguments.</param>
/// <param name="Succeeded">Whether the caller got what it asked for.</param>
/// <param name="Summary">The outcome in one sentence.</param>
/// <param name="Log">Steps, holes passed over, frames, entries, flushes, kernel messages.</param>
public sealed record OperationReport(string Operation, bool Succeeded, string Summary, ActionLog Log)
{
    /// <summary>The address the caller got; null for none.</summary>
    public VirtualAddress? Address { get; init; }

    /// <summary>The first frame the caller got; null for none.</summary>
    public PageFrameNumber? Frame { get; init; }

    /// <summary>log2 of the frames it got.</summary>
    public int Order { get; init; }

    /// <summary>Bytes that were read; null for none.</summary>
    public byte[]? Bytes { get; init; }

    /// <summary>The fault that stopped an access; null for none.</summary>
    public PageFault? Fault { get; init; }
}
