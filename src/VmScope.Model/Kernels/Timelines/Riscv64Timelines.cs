namespace VmScope.Kernels.Timelines;

/// <summary>What decides where the linear map of riscv64 begins.</summary>
internal enum Riscv64Map
{
    /// <summary>The build's configuration; three levels of tables.</summary>
    Configured,

    /// <summary>The translation mode chosen at boot.</summary>
    PerMode,
}

/// <summary>What changed in the address space of riscv64, and when.</summary>
internal static class Riscv64Timelines
{
    private const string Pgtable = "arch/riscv/include/asm/pgtable.h";
    private const string Init = "arch/riscv/mm/init.c";

    /// <summary>The arrangement.</summary>
    internal static readonly Timeline<Riscv64Map> Map = new(
        new(new(4, 15), Pgtable + ", VMALLOC_START and VMALLOC_END, 4.15 to 5.15", Riscv64Map.Configured),
        new(new(5, 16), "UNVERIFIED: " + Pgtable + ", VMALLOC_START; the rule of 5.17, absent in 5.15", Riscv64Map.PerMode),
        new(new(5, 17), Pgtable + ", VMALLOC_START and KERN_VIRT_SIZE, 5.17", Riscv64Map.PerMode));

    /// <summary>PAGE_OFFSET with three levels.</summary>
    internal static readonly Timeline<ulong> PageOffsetOfSv39 = new(
        new(new(4, 15), "arch/riscv/include/asm/page.h, PAGE_OFFSET_L3, 5.17 to 6.9", 0xffffffd800000000),
        new(new(6, 11), "UNVERIFIED: arch/riscv/include/asm/page.h, PAGE_OFFSET_L3; the value of 6.12, absent in 6.9", 0xffffffd600000000),
        new(new(6, 12), "arch/riscv/include/asm/page.h, PAGE_OFFSET_L3, 6.12", 0xffffffd600000000));

    /// <summary>The most address bits it can use.</summary>
    internal static readonly Timeline<int> MostBits = new(
        new(new(4, 15), "arch/riscv/Kconfig, 4.15 to 5.15: Sv39 only", 39),
        new(new(5, 16), "UNVERIFIED: " + Init + ", set_satp_mode(); Sv48 in 5.17, absent in 5.15", 48),
        new(new(5, 17), Init + ", set_satp_mode(), 5.17", 48),
        new(new(5, 18), "UNVERIFIED: " + Init + ", set_satp_mode(); Sv57 in 5.19, absent in 5.17", 57),
        new(new(5, 19), Init + ", set_satp_mode(), 5.19", 57));

    /// <summary>Whether <c>no4lvl</c> and <c>no5lvl</c> hold it to fewer bits.</summary>
    internal static readonly Timeline<bool> CanHoldToFewer = new(
        new(new(4, 15), Init + ", up to 6.3", Value: false),
        new(new(6, 4), "UNVERIFIED: arch/riscv/kernel/pi/cmdline_early.c, set_satp_mode_from_cmdline(); first release not read", Value: true),
        new(new(6, 12), "recorded boots of 6.12 and 7.2", Value: true));

    /// <summary>Whether the device tree's mmu-type holds it to fewer bits than the processor has.</summary>
    internal static readonly Timeline<bool> DeviceTreeLimits = new(
        new(new(4, 15), Init + ", set_satp_mode(), up to 6.16", Value: false),
        new(new(6, 18), "UNVERIFIED: arch/riscv/kernel/pi/fdt_early.c, set_satp_mode_from_fdt(); absent in 6.17-rc3, seen at work in 7.2", Value: true));

    /// <summary>Whether the kernel image has the last 2 GiB for itself.</summary>
    internal static readonly Timeline<bool> ImageApart = new(
        new(new(4, 15), Pgtable + ", up to 5.12: the image lies in the linear map", Value: false),
        new(new(5, 13), "UNVERIFIED: " + Pgtable + ", KERNEL_LINK_ADDR; the value of 5.14, absent in 5.12", Value: true),
        new(new(5, 14), Pgtable + ", KERNEL_LINK_ADDR, 5.14", Value: true));

    /// <summary>Whether RAM below the place the image was loaded to is out of use.</summary>
    internal static readonly Timeline<bool> LosesRamBelowImage = new(
        new(new(4, 15), "UNVERIFIED: " + Init + ", va_pa_offset from the load address; until which release was not read", Value: true),
        new(new(6, 4), "UNVERIFIED: " + Init + ", setup_bootmem(); read in 6.8, first release not read", Value: false),
        new(new(6, 12), "recorded boots of 6.12 and 7.2", Value: false));

    /// <summary>Whether there is a virtually mapped array of struct page.</summary>
    internal static readonly Timeline<bool> HasVmemmap = new(
        new(new(4, 15), Pgtable + ", up to 5.3: no VMEMMAP_START", Value: false),
        new(new(5, 4), Pgtable + ", VMEMMAP_START, 5.4", Value: true));

    /// <summary>Whether 16 MiB lie between fixmap and vmemmap for PCI.</summary>
    internal static readonly Timeline<bool> HasPciWindow = new(
        new(new(4, 15), Pgtable + ", up to 5.5: no PCI_IO_START", Value: false),
        new(new(5, 6), "UNVERIFIED: " + Pgtable + ", PCI_IO_START; first release not read", Value: true),
        new(new(5, 7), Pgtable + ", PCI_IO_START, 5.7", Value: true));

    /// <summary>Bytes of the fixmap.</summary>
    internal static readonly Timeline<ulong> FixmapBytes = new(
        new(new(4, 15), Pgtable + ", FIXADDR_SIZE, up to 6.3", 2 * Size.MiB),
        new(new(6, 4), "UNVERIFIED: " + Pgtable + ", FIXADDR_SIZE; read in 6.8, first release not read", 6 * Size.MiB));

    /// <summary>Whether the layout is printed at boot when DEBUG_VM is set.</summary>
    internal static readonly Timeline<bool> BootMessage = new(
        new(new(4, 15), Init + ", up to 5.3", Value: false),
        new(new(5, 6), "UNVERIFIED: " + Init + ", print_vm_layout(); first release not read", Value: true));
}
