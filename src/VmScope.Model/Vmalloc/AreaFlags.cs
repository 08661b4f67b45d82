namespace VmScope.Vmalloc;

/// <summary>What a line of /proc/vmallocinfo says of an area beside its numbers.</summary>
/// <remarks>The low half are the kernel's own words; the high half says how the line was written.</remarks>
[Flags]
public enum AreaFlags
{
    /// <summary>Nothing was said.</summary>
    None = 0,

    /// <summary>"ioremap": device registers or firmware tables, not RAM of the area's own.</summary>
    Ioremap = 1 << 0,

    /// <summary>"sparse": the address range is reserved, pages come and go inside it (6.9 on).</summary>
    Sparse = 1 << 1,

    /// <summary>"vmalloc": the area owns its pages.</summary>
    Vmalloc = 1 << 2,

    /// <summary>"vmap": pages of somebody else, mapped here.</summary>
    Vmap = 1 << 3,

    /// <summary>"user": fit to be mapped into user space.</summary>
    User = 1 << 4,

    /// <summary>"dma-coherent": memory shared with a device (5.4 on).</summary>
    DmaCoherent = 1 << 5,

    /// <summary>"vpages": the array of page pointers was too big for the slab and is an area itself.</summary>
    Vpages = 1 << 6,

    /// <summary>"vm_map_ram": a block of short-lived mappings, without guard page.</summary>
    VmMapRam = 1 << 7,

    /// <summary>"unpurged vm_area": freed, but its addresses cannot be used again before the next purge.</summary>
    Unpurged = 1 << 8,

    /// <summary>The line has a pages= field.</summary>
    HasPages = 1 << 16,

    /// <summary>The line has a phys= field.</summary>
    HasPhys = 1 << 17,

    /// <summary>The physical address is written with 0x (4.12 on).</summary>
    PhysPrefixed = 1 << 18,

    /// <summary>The addresses are hidden behind a word such as (ptrval).</summary>
    AddressHidden = 1 << 19,

    /// <summary>The kernel's own words.</summary>
    Words = 0xffff,
}
