using VmScope.Kernels;

namespace VmScope.Replay;

/// <summary>What a source knows of the machine its operations come from.</summary>
/// <param name="Kernel">The kernel's version; null when it does not tell.</param>
/// <param name="Cpus">Processors online; 0 when it does not tell.</param>
/// <param name="PossibleCpus">Processors possible; 0 when it does not tell.</param>
/// <param name="PageBytes">The page size; 0 when it does not tell.</param>
/// <param name="WindowStart">VMALLOC_START; 0 with <paramref name="WindowEnd"/> when it does not tell.</param>
/// <param name="WindowEnd">VMALLOC_END as the kernel passes it.</param>
internal sealed record SourceMachine(
    KernelVersion? Kernel, int Cpus, int PossibleCpus, ulong PageBytes, ulong WindowStart, ulong WindowEnd);

/// <summary>Where operations come from: a trace, a file of operations, or a generated workload.</summary>
internal abstract class OperationSource
{
    /// <summary>The name that messages give.</summary>
    internal abstract string Name { get; }

    /// <summary>Events read so far, markers apart.</summary>
    internal abstract long Events { get; }

    /// <summary>Bytes read so far; 0 where there is no file.</summary>
    internal virtual long Bytes => 0;

    /// <summary>Whether operations carry the kernel's addresses. Otherwise starts are names that tie a free to its allocation.</summary>
    internal abstract bool HasAddresses { get; }

    /// <summary>What it knows of the machine.</summary>
    internal abstract SourceMachine Machine { get; }

    /// <summary>Events that the tracer dropped on the way.</summary>
    internal virtual ulong LostEvents => 0;

    /// <summary>Events that were overwritten before the first one kept.</summary>
    internal virtual ulong OverwrittenEvents => 0;

    /// <summary>Lines that could not be understood.</summary>
    internal virtual long OddLines => 0;

    /// <summary>The first of them.</summary>
    internal virtual IReadOnlyList<string> OddLineSamples => [];

    /// <summary>Lines read.</summary>
    internal virtual long Lines => Events;

    /// <summary>Calls that were seen to return and not to begin.</summary>
    internal virtual long ReturnsWithoutEntry => 0;

    /// <summary>Reads up to the next operation.</summary>
    /// <returns>False at the end.</returns>
    internal abstract bool TryRead(ref ReplayOperation operation);
}
