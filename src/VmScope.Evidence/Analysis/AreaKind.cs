using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What an area is, by the most telling of its words.</summary>
public enum AreaKind
{
    /// <summary>Memory of the area's own.</summary>
    Vmalloc,

    /// <summary>Device registers or firmware tables.</summary>
    Ioremap,

    /// <summary>Pages of somebody else.</summary>
    Vmap,

    /// <summary>Memory shared with a device.</summary>
    DmaCoherent,

    /// <summary>A range whose pages come and go.</summary>
    Sparse,

    /// <summary>A block of short-lived mappings.</summary>
    VmMapRam,

    /// <summary>Freed, not yet purged.</summary>
    Unpurged,

    /// <summary>The line has no word that says.</summary>
    Unnamed,
}

/// <summary>Names of kinds and what decides them.</summary>
public static class AreaKinds
{
    /// <summary>How many kinds there are.</summary>
    public const int Count = 8;

    /// <summary>The kind of an area with these words.</summary>
    public static AreaKind Of(AreaFlags flags)
    {
        // By far the most frequent first: this runs once for every row.
        AreaFlags words = flags & AreaFlags.Words;
        if ((words & ~AreaFlags.Vpages) == AreaFlags.Vmalloc)
        {
            return AreaKind.Vmalloc;
        }

        if ((words & AreaFlags.Unpurged) != AreaFlags.None)
        {
            return AreaKind.Unpurged;
        }

        if ((words & AreaFlags.VmMapRam) != AreaFlags.None)
        {
            return AreaKind.VmMapRam;
        }

        if ((words & AreaFlags.Ioremap) != AreaFlags.None)
        {
            return AreaKind.Ioremap;
        }

        if ((words & AreaFlags.DmaCoherent) != AreaFlags.None)
        {
            return AreaKind.DmaCoherent;
        }

        if ((words & AreaFlags.Sparse) != AreaFlags.None)
        {
            return AreaKind.Sparse;
        }

        if ((words & AreaFlags.Vmap) != AreaFlags.None)
        {
            return AreaKind.Vmap;
        }

        return (words & (AreaFlags.Vmalloc | AreaFlags.User)) != AreaFlags.None ? AreaKind.Vmalloc : AreaKind.Unnamed;
    }

    /// <summary>The name in JSON, CSV and tables: the kernel's own word.</summary>
    public static string Name(AreaKind kind) => kind switch
    {
        AreaKind.Vmalloc => "vmalloc",
        AreaKind.Ioremap => "ioremap",
        AreaKind.Vmap => "vmap",
        AreaKind.DmaCoherent => "dma-coherent",
        AreaKind.Sparse => "sparse",
        AreaKind.VmMapRam => "vm_map_ram",
        AreaKind.Unpurged => "unpurged",
        AreaKind.Unnamed => "unnamed",
    };

    /// <summary>What such areas are, in one clause.</summary>
    public static string Meaning(AreaKind kind) => kind switch
    {
        AreaKind.Vmalloc => "memory allocated page by page, contiguous only in addresses",
        AreaKind.Ioremap => "registers of devices and firmware tables; no RAM of its own",
        AreaKind.Vmap => "pages allocated elsewhere, shown here at consecutive addresses",
        AreaKind.DmaCoherent => "memory shared with a device",
        AreaKind.Sparse => "a reserved range whose pages come and go",
        AreaKind.VmMapRam => "a block cut into short-lived mappings; no guard page",
        AreaKind.Unpurged => "freed; the addresses wait for the next purge, the memory is already back",
        AreaKind.Unnamed => "the list does not say",
    };
}
