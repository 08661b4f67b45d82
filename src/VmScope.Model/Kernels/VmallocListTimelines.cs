namespace VmScope.Kernels;

/// <summary>Which freed areas a list of vmalloc areas shows.</summary>
public enum FreedAreasListed
{
    /// <summary>None: they leave the list at once, though their addresses stay blocked until a purge.</summary>
    No,

    /// <summary>All, among the others in address order.</summary>
    InPlace,

    /// <summary>All, behind the others.</summary>
    AtTheEnd,
}

/// <summary>What a list of vmalloc areas shows and how its rows were aligned, by kernel version.</summary>
public static class VmallocListTimelines
{
    /// <summary>The first kernel that has /proc/vmallocinfo.</summary>
    public static readonly KernelVersion First = new(2, 6, 26);

    /// <summary>Which freed areas are listed.</summary>
    public static readonly Timeline<FreedAreasListed> FreedAreas = new(
        new(new(2, 6, 26), "mm/vmalloc.c, s_show(), 2.6.28 to 4.12", FreedAreasListed.No),
        new(new(4, 13), "mm/vmalloc.c, s_show(), read in 4.15, not in 4.12", FreedAreasListed.InPlace),
        new(new(5, 4), "mm/vmalloc.c, show_purge_info(), 5.4 to 7.1", FreedAreasListed.AtTheEnd));

    /// <summary>Whether blocks of vm_map_ram are listed.</summary>
    public static readonly Timeline<bool> MapRamListed = new(
        new(new(2, 6, 26), "mm/vmalloc.c, s_show() walks vmlist, 2.6.28 to 3.4", false),
        new(new(3, 10), "mm/vmalloc.c, s_show(), 3.10", true),
        new(new(3, 14), "mm/vmalloc.c, s_show() skips areas without vm_struct, 3.14 to 4.12", false),
        new(new(4, 13), "mm/vmalloc.c, s_show(), read in 4.15, not in 4.12", true));

    /// <summary>Whether addresses are hashed for readers that may not see them.</summary>
    public static readonly Timeline<bool> AddressesHashed = new(
        new(new(2, 6, 26), "lib/vsprintf.c, %p and %pK print zeros at most, up to 5.0", false),
        new(new(5, 1), "lib/vsprintf.c, restricted_pointer(), read in 5.4, not in 5.0", true));

    /// <summary>log2 of the largest alignment ioremap asks for (IOREMAP_MAX_ORDER).</summary>
    /// <param name="version">The version.</param>
    /// <param name="architecture">The architecture.</param>
    /// <param name="pageShift">log2 of the page size.</param>
    /// <param name="hasPae">Whether a 32-bit x86 kernel uses PAE.</param>
    /// <param name="hasSupersections">Whether a 32-bit arm kernel is built without SMP and without LPAE, and so maps 16 MiB at once.</param>
    /// <remarks>arch/arm/include/asm/memory.h defines 24 only in that case; recorded boots of SMP kernels show 512 KiB steps.</remarks>
    public static int IoremapMaxOrder(
        KernelVersion version, Architecture architecture, int pageShift, bool hasPae, bool hasSupersections = false) => architecture switch
        {
            Architecture.X64 => X64IoremapMaxOrder.At(version),
            Architecture.I386 => I386IoremapMaxOrder.At(version) is var order && order == 0 ? 7 + pageShift : hasPae ? 21 : 22,
            Architecture.Arm => hasSupersections ? 24 : 7 + pageShift,
            Architecture.Arm64 => Arm64IoremapIsHuge.At(version) ? (pageShift == 12 ? 30 : (2 * pageShift) - 3) : 7 + pageShift,
            Architecture.Riscv64 => RiscvIoremapIsHuge.At(version) ? 30 : 7 + pageShift,
            Architecture.Unknown => 7 + pageShift,
        };

    /// <summary>The end of the vmalloc window of 32-bit arm, exclusive, on machines that do not choose their own.</summary>
    public static readonly Timeline<ulong> ArmVmallocEnd = new(
        new(new(3, 3), "arch/arm/include/asm/pgtable.h, VMALLOC_END, 3.4 to 4.3", 0xff000000),
        new(new(4, 4), "arch/arm/include/asm/pgtable.h, VMALLOC_END, 4.4 to 6.18", 0xff800000));

    /// <summary>Where the vmalloc window of x86-64 begins with 4-level paging and without KASLR; the newest for an unknown version.</summary>
    public static ulong X64VmallocStart(KernelVersion? version) => version is { } known ? X64Start.At(known) : NewestX64Start;

    /// <summary>Bytes of the module window right below the vmalloc window of arm64; the newest for an unknown version.</summary>
    public static ulong Arm64ModulesBytes(KernelVersion? version) => version is { } known ? Arm64Modules.At(known) : NewestArm64Modules;

    // Constants of their own: for an unknown version no timeline has to be built at start-up.
    private const ulong NewestX64Start = 0xffffc900_00000000;
    private const ulong NewestArm64Modules = 2UL << 30;

    private static readonly Timeline<ulong> X64Start = new(
        new(new(2, 6, 12), "include/asm-x86_64/pgtable.h, VMALLOC_START, 2.6.12 to 2.6.30", 0xffffc200_00000000),
        new(new(2, 6, 31), "arch/x86/include/asm/pgtable_64_types.h, VMALLOC_START, 2.6.31 to 6.19", NewestX64Start));

    private static readonly Timeline<ulong> Arm64Modules = new(
        new(new(4, 6), "arch/arm64/include/asm/memory.h, MODULES_VSIZE, 4.10 to 6.4", 128UL << 20),
        new(new(6, 5), "arch/arm64/include/asm/memory.h, MODULES_VSIZE, read in 6.6; 6.5 not read", NewestArm64Modules));

    private static readonly Timeline<int> X64IoremapMaxOrder = new(
        new(new(2, 6, 26), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER, 7 + PAGE_SHIFT, up to 3.19", 19),
        new(new(4, 1), "arch/x86/include/asm/page_types.h, IOREMAP_MAX_ORDER, PUD_SHIFT, read in 4.4, not in 3.19", 30));

    private static readonly Timeline<int> I386IoremapMaxOrder = new(
        new(new(2, 6, 26), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER, up to 3.19", 0),
        new(new(4, 1), "arch/x86/include/asm/page_types.h, IOREMAP_MAX_ORDER, PMD_SHIFT, read in 4.4, not in 3.19", 1));

    private static readonly Timeline<bool> Arm64IoremapIsHuge = new(
        new(new(3, 7), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER, 3.10", false),
        new(new(4, 6), "UNVERIFIED: arch/arm64/include/asm/memory.h, IOREMAP_MAX_ORDER, from 4.6", true));

    private static readonly Timeline<bool> RiscvIoremapIsHuge = new(
        new(new(4, 15), "include/linux/vmalloc.h, IOREMAP_MAX_ORDER, 4.15", false),
        new(new(5, 12), "UNVERIFIED: arch/riscv/include/asm/vmalloc.h, IOREMAP_MAX_ORDER, from 5.12", true));
}
