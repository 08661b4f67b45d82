namespace VmScope.Kernels.Timelines;

/// <summary>How arm64 arranges the kernel's half of the address space.</summary>
internal enum Arm64Map
{
    /// <summary>39 bits only: vmalloc from the bottom, vmemmap 16 GiB below the linear map.</summary>
    Fixed39,

    /// <summary>Linear map in the upper half, vmalloc from the bottom, vmemmap 16 GiB below the linear map.</summary>
    LinearOnTop,

    /// <summary>As before, vmemmap as large as the address space needs.</summary>
    LinearOnTopSized,

    /// <summary>As before, the kernel image and its modules at the bottom, below vmalloc.</summary>
    ImageBelowVmalloc,

    /// <summary>Linear map in the lower half, vmemmap at the very top.</summary>
    Flipped,

    /// <summary>As before, vmemmap indexed without an offset, gaps of 256 MiB.</summary>
    FlippedDirectVmemmap,

    /// <summary>As before, vmemmap sized by struct page and ending 1 GiB below the top.</summary>
    FlippedVmemmapBelowTop,
}

/// <summary>How arm64 limits ZONE_DMA.</summary>
internal enum Arm64DmaZone
{
    /// <summary>One zone called DMA for the first 4 GiB of the 4 GiB window RAM begins in.</summary>
    Dma32BitsByName,

    /// <summary>The same zone under the name DMA32.</summary>
    Dma32Only,

    /// <summary>1 GiB for DMA and the rest of 4 GiB for DMA32, both from the window RAM begins in.</summary>
    ThirtyBits,

    /// <summary>What the device tree and ACPI ask for, at most 4 GiB; all RAM where RAM begins past 4 GiB.</summary>
    Firmware,
}

/// <summary>Entries of the arm64 fixmap that come and go.</summary>
internal enum Arm64Trampoline
{
    /// <summary>None.</summary>
    None,

    /// <summary>A page of data and one of text.</summary>
    DataAndText,

    /// <summary>A page of data and three of text.</summary>
    DataAndThreeTexts,

    /// <summary>Three pages of text, and one of data in relocatable kernels.</summary>
    ThreeTexts,
}

/// <summary>What changed in the address space of arm64, and when.</summary>
internal static class Arm64Timelines
{
    private const string Memory = "arch/arm64/include/asm/memory.h";
    private const string Pgtable = "arch/arm64/include/asm/pgtable.h";

    /// <summary>The arrangement.</summary>
    internal static readonly Timeline<Arm64Map> Map = new(
        new(new(3, 10), Memory + " and " + Pgtable + ", 3.10", Arm64Map.Fixed39),
        new(new(3, 11), "UNVERIFIED: " + Memory + "; the map of 3.14, absent in 3.10", Arm64Map.LinearOnTop),
        new(new(3, 14), Memory + " and " + Pgtable + ", 3.14", Arm64Map.LinearOnTop),
        new(new(3, 17), "UNVERIFIED: " + Pgtable + "; the map of 3.19, absent in 3.14", Arm64Map.LinearOnTopSized),
        new(new(3, 19), Memory + " and " + Pgtable + ", 3.19 to 4.4", Arm64Map.LinearOnTopSized),
        new(new(4, 6), "UNVERIFIED: " + Memory + "; the map of 4.10, absent in 4.4", Arm64Map.ImageBelowVmalloc),
        new(new(4, 10), Memory + " and " + Pgtable + ", 4.10 to 5.3", Arm64Map.ImageBelowVmalloc),
        new(new(5, 4), Memory + " and " + Pgtable + ", 5.4 to 5.10", Arm64Map.Flipped),
        new(new(5, 11), Memory + " and " + Pgtable + ", 5.11 to 6.8", Arm64Map.FlippedDirectVmemmap),
        new(new(6, 9), Memory + " and " + Pgtable + ", 6.9", Arm64Map.FlippedVmemmapBelowTop));

    /// <summary>Bytes of the module window.</summary>
    internal static readonly Timeline<ulong> ModuleBytes = new(
        new(new(3, 10), Memory + ", MODULES_VADDR, up to 4.5", 64 * Size.MiB),
        new(new(4, 6), Memory + ", MODULES_VSIZE, 4.6 to 6.4", 128 * Size.MiB),
        new(new(6, 5), "UNVERIFIED: " + Memory + ", MODULES_VSIZE; the value of 6.6, absent in 6.4", 2 * Size.GiB),
        new(new(6, 6), Memory + ", MODULES_VSIZE, 6.6", 2 * Size.GiB));

    /// <summary>Bytes kept for translated BPF programs.</summary>
    internal static readonly Timeline<ulong> BpfBytes = new(
        new(new(3, 10), Memory + ", up to 4.20: no BPF_JIT_REGION_START", 0),
        new(new(5, 0), Memory + ", BPF_JIT_REGION_SIZE, 5.0 to 5.15", 128 * Size.MiB),
        new(new(5, 16), "UNVERIFIED: " + Memory + "; no BPF_JIT_REGION_START in 5.17, present in 5.15", 0),
        new(new(5, 17), Memory + ", 5.17: no BPF_JIT_REGION_START", 0));

    /// <summary>Bits every processor must translate when the kernel is built for 52 bits and pages of 16 KiB.</summary>
    internal static readonly Timeline<int> LeastBitsOf52With16K = new(
        new(new(3, 10), Memory + ", VA_BITS_MIN, up to 6.8", 48),
        new(new(6, 9), Memory + ", VA_BITS_MIN, 6.9", 47));

    /// <summary>log2 of a section of memory: where the linear map begins is rounded to it.</summary>
    internal static readonly Timeline<int> SectionBits = new(
        new(new(3, 10), "arch/arm64/include/asm/sparsemem.h, SECTION_SIZE_BITS, up to 5.11", 30),
        new(new(5, 12), "arch/arm64/include/asm/sparsemem.h, SECTION_SIZE_BITS, 5.12; 29 with pages of 64 KiB", 27));

    /// <summary>Whether the linear map ends where the processor's bits say rather than where the least bits say.</summary>
    internal static readonly Timeline<bool> LinearMapEndsByActualBits = new(
        new(new(3, 10), "arch/arm64/mm/init.c, arm64_memblock_init(), up to 5.10", Value: true),
        new(new(5, 11), "arch/arm64/include/asm/memory.h, PAGE_END, 5.15", Value: false));

    /// <summary>Whether more than 42 address bits can be built.</summary>
    internal static readonly Timeline<bool> CanHave48Bits = new(
        new(new(3, 10), "arch/arm64/Kconfig, up to 3.14: 39 bits, 42 with pages of 64 KiB", Value: false),
        new(new(3, 17), "UNVERIFIED: arch/arm64/Kconfig, ARM64_VA_BITS_48; read in 3.19, absent in 3.14", Value: true),
        new(new(3, 19), "arch/arm64/Kconfig, ARM64_VA_BITS_48, 3.19", Value: true));

    /// <summary>Whether pages of 16 KiB can be built.</summary>
    internal static readonly Timeline<bool> CanHave16KPages = new(
        new(new(3, 10), "arch/arm64/Kconfig, up to 4.3: no ARM64_16K_PAGES", Value: false),
        new(new(4, 4), "UNVERIFIED: arch/arm64/Kconfig, ARM64_16K_PAGES, from memory", Value: true));

    /// <summary>Whether KASAN can be configured.</summary>
    internal static readonly Timeline<bool> CanHaveKasan = new(
        new(new(3, 10), "arch/arm64/Kconfig, up to 4.3: no HAVE_ARCH_KASAN", Value: false),
        new(new(4, 4), "arch/arm64/include/asm/kasan.h, 4.4", Value: true));

    /// <summary>Whether <c>arm64.nolva</c> keeps the kernel from 52 bits.</summary>
    internal static readonly Timeline<bool> CanRefuse52 = new(
        new(new(3, 10), "arch/arm64/kernel/idreg-override.c, up to 6.8", Value: false),
        new(new(6, 9), "UNVERIFIED: arch/arm64/kernel/pi/idreg-override.c, arm64.nolva, from memory", Value: true));

    /// <summary>Whether a kernel is built for 52 bits unless somebody says otherwise.</summary>
    internal static readonly Timeline<bool> Builds52BitsByDefault = new(
        new(new(3, 10), "arch/arm64/Kconfig, ARM64_VA_BITS, up to 6.8", Value: false),
        new(new(6, 9), "UNVERIFIED: arch/arm64/Kconfig, default ARM64_VA_BITS_52, from memory; recorded kernels 6.12 and 7.2 have it", Value: true));

    /// <summary>Whether the boot log says that a processor has 52-bit virtual addresses.</summary>
    internal static readonly Timeline<bool> Announces52Bits = new(
        new(new(3, 10), "arch/arm64/kernel/cpufeature.c, up to 6.8: only user space's bits are announced", Value: false),
        new(new(6, 9), "UNVERIFIED: arch/arm64/kernel/cpufeature.c, ARM64_HAS_VA52; first release not read", Value: true),
        new(new(6, 12), "recorded boots of 6.12 and 7.2: \"52-bit Virtual Addressing (LPA2)\"", Value: true));

    /// <summary>Whether RAM may be moved within the linear map by KASLR.</summary>
    internal static readonly Timeline<bool> RandomLinearMap = new(
        new(new(3, 10), "arch/arm64/mm/init.c, up to 4.5: no memstart_offset_seed", Value: false),
        new(new(4, 6), "arch/arm64/mm/init.c, arm64_memblock_init(), 4.6 to 6.12", Value: true),
        new(new(6, 17), "UNVERIFIED: arch/arm64/mm/init.c; no memstart_offset_seed in 6.17, present in 6.12", Value: false));

    /// <summary>How far ZONE_DMA reaches.</summary>
    internal static readonly Timeline<Arm64DmaZone> DmaZone = new(
        new(new(3, 10), "arch/arm64/mm/init.c, zone_sizes_init(), up to 4.20", Arm64DmaZone.Dma32BitsByName),
        new(new(5, 0), "UNVERIFIED: arch/arm64/mm/init.c, zone_sizes_init(); the zone is called DMA32 from 5.0 to 5.4", Arm64DmaZone.Dma32Only),
        new(new(5, 5), "UNVERIFIED: arch/arm64/mm/init.c, ARM64_ZONE_DMA_BITS; read in 5.10, first release not read", Arm64DmaZone.ThirtyBits),
        new(new(5, 10), "arch/arm64/mm/init.c, ARM64_ZONE_DMA_BITS, 5.10", Arm64DmaZone.ThirtyBits),
        new(new(5, 10, 22), "UNVERIFIED: arch/arm64/mm/init.c, zone_sizes_init(); seen in 5.10.223, the stable release that took it is a guess",
            Arm64DmaZone.Firmware),
        new(new(5, 11), "UNVERIFIED: arch/arm64/mm/init.c, zone_sizes_init(); read in 5.15", Arm64DmaZone.Firmware),
        new(new(5, 15), "arch/arm64/mm/init.c, max_zone_phys() and zone_sizes_init(), 5.15 and 6.17", Arm64DmaZone.Firmware));

    /// <summary>Bytes of the fixmap that hold the device tree.</summary>
    internal static readonly Timeline<Arm64FdtSlots> FdtSlots = new(
        new(new(3, 10), "arch/arm64/include/asm/fixmap.h, up to 4.1: no FIX_FDT", Arm64FdtSlots.None),
        new(new(4, 2), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_FDT; read in 4.6, first release not read", Arm64FdtSlots.FourMebibytes),
        new(new(4, 6), "arch/arm64/include/asm/fixmap.h, FIX_FDT_SIZE, 4.6 to 5.15", Arm64FdtSlots.FourMebibytes),
        new(new(6, 5), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_FDT; read in 6.17, first release not read",
            Arm64FdtSlots.TwoMebibytesAndTwoPages));

    /// <summary>Pages of the fixmap that hold the trampoline out of user space.</summary>
    internal static readonly Timeline<Arm64Trampoline> Trampoline = new(
        new(new(3, 10), "arch/arm64/include/asm/fixmap.h, up to 4.15: no FIX_ENTRY_TRAMP_TEXT", Arm64Trampoline.None),
        new(new(4, 16), "arch/arm64/include/asm/fixmap.h, FIX_ENTRY_TRAMP_TEXT, 5.0 to 5.15", Arm64Trampoline.DataAndText),
        new(new(5, 17), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_ENTRY_TRAMP_TEXT1; stable releases took it at different times",
            Arm64Trampoline.DataAndThreeTexts),
        new(new(6, 0), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_ENTRY_TRAMP_TEXT4; read in 6.17, first release not read",
            Arm64Trampoline.ThreeTexts));

    /// <summary>Whether text is patched through the fixmap.</summary>
    internal static readonly Timeline<bool> TextPoke = new(
        new(new(3, 10), "arch/arm64/include/asm/fixmap.h, up to 3.19: no FIX_TEXT_POKE0", Value: false),
        new(new(4, 0), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_TEXT_POKE0; read in 4.6, first release not read", Value: true),
        new(new(4, 6), "arch/arm64/include/asm/fixmap.h, FIX_TEXT_POKE0, 4.6", Value: true));

    /// <summary>Pages for hardware errors reported by ACPI: always, and more with software delegated exceptions.</summary>
    internal static readonly Timeline<Arm64GhesSlots> GhesSlots = new(
        new(new(3, 10), "arch/arm64/include/asm/fixmap.h, up to 4.14: no FIX_APEI_GHES_IRQ", new(0, 0)),
        new(new(4, 15), "arch/arm64/include/asm/fixmap.h, FIX_APEI_GHES_NMI, 5.0", new(2, 0)),
        new(new(5, 1), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_APEI_GHES_SEA; read in 5.10, absent in 5.0", new(2, 2)),
        new(new(5, 10), "arch/arm64/include/asm/fixmap.h, FIX_APEI_GHES_SEA, 5.10", new(2, 2)));

    /// <summary>Whether the fixmap has a page per CPU for nested virtualization.</summary>
    internal static readonly Timeline<bool> VncrSlots = new(
        new(new(3, 10), "arch/arm64/include/asm/fixmap.h, up to 6.14: no FIX_VNCR", Value: false),
        new(new(6, 16), "UNVERIFIED: arch/arm64/include/asm/fixmap.h, FIX_VNCR; read in 6.17, first release not read", Value: true),
        new(new(6, 17), "arch/arm64/include/asm/fixmap.h, FIX_VNCR, 6.17", Value: true));

    /// <summary>Whether the layout is printed at boot.</summary>
    internal static readonly Timeline<bool> BootMessage = new(
        new(new(3, 10), "arch/arm64/mm/init.c, mem_init(), 3.10", Value: true),
        new(new(4, 16), "UNVERIFIED: arch/arm64/mm/init.c; the message of 4.15 is gone by 4.18", Value: false),
        new(new(4, 18), "arch/arm64/mm/init.c, mem_init(), 4.18", Value: false));
}

/// <summary>Fixmap pages for ACPI's hardware errors.</summary>
/// <param name="Always">With ACPI_APEI_GHES.</param>
/// <param name="WithSdei">More of them with ARM_SDE_INTERFACE.</param>
internal sealed record Arm64GhesSlots(int Always, int WithSdei);

/// <summary>How much of the fixmap the device tree takes.</summary>
internal enum Arm64FdtSlots
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The largest tree and 2 MiB to align it.</summary>
    FourMebibytes,

    /// <summary>The largest tree and two pages.</summary>
    TwoMebibytesAndTwoPages,
}
