using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>The address space a replay begins with, and how much of it is known.</summary>
internal sealed record StartState
{
    /// <summary>Where it came from.</summary>
    internal required ReplayStart Kind { get; init; }

    /// <summary>How it was found, in a sentence.</summary>
    internal required string Reason { get; init; }

    /// <summary>The address space.</summary>
    internal required VmallocSpace Space { get; init; }

    /// <summary>How many of the operations read ahead came before this state.</summary>
    internal int Skip { get; init; }

    /// <summary>Whether the tree has the shape the kernel's has.</summary>
    internal bool ShapeKnown => Kind is ReplayStart.Boot or ReplayStart.FreeTree;

    /// <summary>Whether areas may wait for a purge that nobody told of; the first purge ends that.</summary>
    internal bool LazyUnknownUntilPurge { get; init; }

    /// <summary>Whether events are missing between this state and the first one of the trace.</summary>
    internal bool EventsMissing { get; init; }

    /// <summary>The size of a per-CPU chunk's area; 0 when unknown.</summary>
    internal ulong ChunkBytes { get; init; }

    /// <summary>Where the groups of a chunk lie in it, with several nodes; empty with one.</summary>
    internal ImmutableArray<PercpuGroup> ChunkGroups { get; init; } = [];

    /// <summary>The groups of a chunk whose first one has this size.</summary>
    internal ImmutableArray<PercpuGroup> GroupsOf(ulong sizeBytes) =>
        ChunkGroups.Length > 1 && ChunkGroups[0].SizeBytes == sizeBytes ? ChunkGroups : [new PercpuGroup(0, sizeBytes)];

    /// <summary>The alignment of a chunk of this size: large pages on 64 bits, ordinary ones on 32.</summary>
    internal ulong ChunkAlignFor(ulong sizeBytes)
    {
        ulong large = 2 * Size.MiB;
        return Space.Setup.Is64Bit && sizeBytes % large == 0 ? large : Space.Setup.PageBytes;
    }
}
