namespace VmScope.Kernels;

/// <summary>What <c>reservetop=</c> does to FIXADDR_TOP on 32-bit x86.</summary>
internal enum ReserveTopRule
{
    /// <summary>The option does not exist, or FIXADDR_TOP is constant.</summary>
    Ignored,

    /// <summary>FIXADDR_TOP = 2^32 - N - 4 KiB, and N is added to the vmalloc reserve too.</summary>
    ExactAndReserved,

    /// <summary>FIXADDR_TOP = 2^32 - N - 4 KiB.</summary>
    Exact,

    /// <summary>FIXADDR_TOP = 2^32 - N, rounded down to a PMD, - 4 KiB.</summary>
    RoundedToPmd,
}

/// <summary>How PKMAP_BASE is found on 32-bit x86.</summary>
internal enum PkmapRule
{
    /// <summary>The constant 0xfe000000.</summary>
    Constant32MBelow4G,

    /// <summary>0xff800000 for up to 32 CPUs, 0xff600000 for more.</summary>
    ConstantByCpuCount,

    /// <summary>A page table's worth below the boot-time fixmap.</summary>
    BelowBootFixmap,

    /// <summary>A page table's worth below the permanent fixmap; the boot-time one may share its addresses.</summary>
    BelowFixmap,

    /// <summary>Below the CPU entry area.</summary>
    BelowCpuEntryArea,

    /// <summary>Below the LDT remap window.</summary>
    BelowLdt,
}

/// <summary>Below what the CPU entry area lies on 32-bit x86.</summary>
internal enum CpuEntryAreaRule
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>Below the permanent fixmap.</summary>
    BelowFixmap,

    /// <summary>Below the whole fixmap, boot-time entries included.</summary>
    BelowBootFixmap,
}

/// <summary>Pages of one CPU's entry area.</summary>
/// <param name="Reserved">Pages per CPU that the layout reserves.</param>
/// <param name="Used">Pages per CPU really used: the size the boot message prints.</param>
internal sealed record CpuEntryPages(int Reserved, int Used);

/// <summary>How the vmalloc area begins on 32-bit x86.</summary>
internal enum VmallocStartRule
{
    /// <summary>high_memory plus 16 MiB less a byte, rounded down to 8 MiB: a gap of 8 MiB up to 16 MiB less a byte.</summary>
    RoundedTo8M,

    /// <summary>The same with vmalloc_earlyreserve (0 but on NUMA machines) added first.</summary>
    RoundedTo8MAfterEarlyReserve,

    /// <summary>high_memory plus 8 MiB.</summary>
    EightMiBAbove,
}

/// <summary>How much memory the direct map may hold on 32-bit x86.</summary>
internal enum MaxMemRule
{
    /// <summary>2^32 - PAGE_OFFSET - reserve.</summary>
    FromTopOfMemory,

    /// <summary>VMALLOC_END - PAGE_OFFSET - reserve.</summary>
    FromVmallocEnd,
}

/// <summary>What <c>vmalloc=N</c> does on 32-bit x86.</summary>
internal enum VmallocOptionRule
{
    /// <summary>The option does not exist.</summary>
    Ignored,

    /// <summary>The reserve is N.</summary>
    AsGiven,

    /// <summary>The reserve is N plus the 8 MiB gap.</summary>
    PlusGap,
}

/// <summary>What frame number the first zone begins with on x86.</summary>
internal enum FirstFrameRule
{
    /// <summary>Frame 0, whatever the memory map says: zone sizes are passed as plain numbers.</summary>
    Zero,

    /// <summary>The first frame of RAM the firmware reports.</summary>
    FirstRam,

    /// <summary>As <see cref="FirstRam"/>, page 0 taken away.</summary>
    FirstRamWithoutPageZero,

    /// <summary>As <see cref="FirstRam"/>, the first X86_RESERVE_LOW KiB (64) taken away.</summary>
    FirstRamWithoutLow64K,
}

/// <summary>Which "virtual kernel memory layout" block 32-bit x86 prints at boot.</summary>
internal enum I386BootBlock
{
    /// <summary>None.</summary>
    None,

    /// <summary>fixmap, pkmap, vmalloc, lowmem, .init, .data, .text.</summary>
    WithoutCpuEntry,

    /// <summary>The same with a cpu_entry line.</summary>
    WithCpuEntry,
}
