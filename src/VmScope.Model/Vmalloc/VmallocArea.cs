namespace VmScope.Vmalloc;

/// <summary>Which function made an area.</summary>
public enum AreaKind
{
    /// <summary>vmalloc and its relatives: owns its pages.</summary>
    Vmalloc,

    /// <summary>vmap: pages of somebody else.</summary>
    Vmap,

    /// <summary>ioremap: a device.</summary>
    Ioremap,

    /// <summary>vm_map_ram of many pages: an area of its own, without guard page.</summary>
    MapRam,

    /// <summary>A block that vm_map_ram cuts small pieces from.</summary>
    MapRamBlock,

    /// <summary>A per-CPU chunk's group.</summary>
    Percpu,

    /// <summary>A kernel stack.</summary>
    Stack,

    /// <summary>A module.</summary>
    Module,
}

/// <summary>A busy area and what is behind it.</summary>
public sealed class VmallocArea
{
    internal VmallocArea(VirtualAddress start, ulong sizeBytes, ulong guardBytes, AreaKind kind, string caller) =>
        (Start, SizeBytes, GuardBytes, Kind, Caller) = (start, sizeBytes, guardBytes, kind, caller);

    /// <summary>The first address.</summary>
    public VirtualAddress Start { get; }

    /// <summary>The size with the guard page: what /proc/vmallocinfo prints.</summary>
    public ulong SizeBytes { get; }

    /// <summary>The guard page's bytes at the end; 0 for an area without one.</summary>
    public ulong GuardBytes { get; }

    /// <summary>Which function made it.</summary>
    public AreaKind Kind { get; }

    /// <summary>Who asked for it, as the kernel prints it.</summary>
    public string Caller { get; internal set; }

    /// <summary>All addresses, guard page included.</summary>
    public VirtualRange Range => new(Start, SizeBytes);

    /// <summary>What may be used.</summary>
    public ulong UsableBytes => SizeBytes - GuardBytes;

    /// <summary>Whether the area owns the frames behind it and returns them when it is freed.</summary>
    public bool OwnsFrames { get; internal set; }

    /// <summary>Whether it may be mapped into user space (vmalloc_user).</summary>
    public bool IsUser { get; internal set; }

    /// <summary>The physical address of a device; null for memory.</summary>
    public PhysicalAddress? Device { get; internal set; }

    /// <summary>log2 of the pages it is mapped with.</summary>
    public int PageShift { get; internal set; } = 12;

    /// <summary>The area that holds its page pointers; null when they fit into a page.</summary>
    public VmallocArea? PageArray { get; internal set; }

    /// <summary>First frames behind it, in the order of the addresses, one per page of <see cref="PageShift"/>.</summary>
    public IReadOnlyList<int> Frames => FrameArray;

    internal int[] FrameArray { get; set; } = [];

    /// <summary>Pages of 4 KiB behind it.</summary>
    internal ulong SmallPages => (ulong)FrameArray.Length << (PageShift - 12);
}
