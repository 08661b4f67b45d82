namespace VmScope.Traces;

/// <summary>What a line of a trace tells about the allocator.</summary>
internal enum TraceEventKind : byte
{
    /// <summary>Nothing this project uses.</summary>
    Other,

    /// <summary>Tracepoint alloc_vmap_area: an attempt to place an area, after it was decided.</summary>
    Placed,

    /// <summary>Tracepoint free_vmap_area_noflush: an area now waits for a purge.</summary>
    Freed,

    /// <summary>Tracepoint purge_vmap_area_lazy: the end of a purge.</summary>
    Purged,

    /// <summary>Probe at the entry of alloc_vmap_area.</summary>
    ProbePlace,

    /// <summary>Probe at the return of alloc_vmap_area.</summary>
    ProbePlaced,

    /// <summary>Probe at the entry of free_vmap_area_noflush.</summary>
    ProbeFree,

    /// <summary>Probe at the entry of __purge_vmap_area_lazy: what waits now comes back until its return.</summary>
    ProbePurge,

    /// <summary>Probe at the return of __purge_vmap_area_lazy.</summary>
    ProbePurged,

    /// <summary>Probe at the entry of pcpu_get_vm_areas.</summary>
    ProbePercpu,

    /// <summary>Probe at the return of pcpu_get_vm_areas.</summary>
    ProbePercpuPlaced,

    /// <summary>Tracepoint percpu_create_chunk; its address is hashed.</summary>
    ChunkCreated,

    /// <summary>A marker written by whoever recorded, around a listing.</summary>
    Marker,

    /// <summary>The tracer dropped events here.</summary>
    Lost,
}

/// <summary>Which moment a marker marks.</summary>
internal enum TraceMarker : byte
{
    /// <summary>None that concerns a listing.</summary>
    None,

    /// <summary>The listing before the workload is about to be read.</summary>
    BeforeBegins,

    /// <summary>It has been read.</summary>
    BeforeEnds,

    /// <summary>The listing after the workload is about to be read.</summary>
    AfterBegins,

    /// <summary>It has been read.</summary>
    AfterEnds,
}

/// <summary>One event of a trace. A field that its kind does not have is 0.</summary>
internal struct TraceEvent
{
    /// <summary>What happened.</summary>
    internal TraceEventKind Kind;

    /// <summary>Which moment a marker marks.</summary>
    internal TraceMarker Marker;

    /// <summary>Whether the kernel found no room.</summary>
    internal bool Failed;

    /// <summary>The processor; -1 for a line that names none.</summary>
    internal int Cpu;

    /// <summary>The task's number; 0 is the idle task of each processor.</summary>
    internal int Task;

    /// <summary>The line in the file, from 1.</summary>
    internal long Line;

    /// <summary>The time stamp in nanoseconds; in the clock's own units where it does not count seconds.</summary>
    internal ulong Time;

    /// <summary>First address: of the area, or the lowest purged.</summary>
    internal ulong Start;

    /// <summary>Exclusive end, or the highest address purged.</summary>
    internal ulong End;

    /// <summary>Size asked for, guard page included.</summary>
    internal ulong SizeBytes;

    /// <summary>Alignment asked for.</summary>
    internal ulong AlignBytes;

    /// <summary>The lowest address allowed.</summary>
    internal ulong WindowStart;

    /// <summary>The exclusive end of what is allowed.</summary>
    internal ulong WindowEnd;

    /// <summary>Areas purged, pages that wait, groups of a chunk, or events lost.</summary>
    internal ulong Count;

    /// <summary>The threshold of waiting pages a free event names.</summary>
    internal ulong Limit;
}
