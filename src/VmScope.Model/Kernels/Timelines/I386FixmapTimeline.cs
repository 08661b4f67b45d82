using System.Collections.Immutable;

namespace VmScope.Kernels.Timelines;

/// <summary>The fixmap of 32-bit x86, era by era, in index order: growing down from FIXADDR_TOP.</summary>
/// <remarks>The tables read like the header they mirror; a column replaces its #ifdefs.</remarks>
internal static class I386FixmapTimeline
{
    private static readonly FixmapSlot Hole = new("FIX_HOLE", "kept unmapped, so that an address near 2^32 faults");
    private static readonly FixmapSlot Vsyscall = new("FIX_VSYSCALL", "the page user space enters the kernel through");
    private static readonly FixmapSlot Vdso = new("FIX_VDSO", "the page user space enters the kernel through");
    private static readonly FixmapSlot Dbgp = new("FIX_DBGP_BASE", "registers of a USB debug port");
    private static readonly FixmapSlot Earlycon = new("FIX_EARLYCON_MEM_BASE", "registers of the early console");
    private static readonly FixmapSlot Ohci = new("FIX_OHCI1394_BASE", "registers of a FireWire controller, for debugging",
        "PROVIDE_OHCI1394_DMA_INIT");

    private static readonly FixmapSlot Apic = new("FIX_APIC_BASE", "registers of the local APIC", "X86_LOCAL_APIC");
    private static readonly FixmapSlot IoApic = new("FIX_IO_APIC_BASE_0", "registers of each possible I/O APIC", "X86_IO_APIC",
        FixmapCount.IoApics);

    private static readonly FixmapSlot VisWsTimer = new("FIX_CO_CPU", "timer of an SGI visual workstation", "X86_VISWS_APIC");
    private static readonly FixmapSlot VisWsApic = new("FIX_CO_APIC", "interrupt controller of an SGI visual workstation",
        "X86_VISWS_APIC");

    private static readonly FixmapSlot VisWsPciA = new("FIX_LI_PCIA", "PCI bridge A of an SGI visual workstation",
        "X86_VISWS_APIC");

    private static readonly FixmapSlot VisWsPciB = new("FIX_LI_PCIB", "PCI bridge B of an SGI visual workstation",
        "X86_VISWS_APIC");

    private static readonly FixmapSlot F00F24 = new("FIX_F00F", "interrupt table moved out of the F00F bug's way",
        "!X86_F00F_WORKS_OK");

    private static readonly FixmapSlot F00F = new("FIX_F00F_IDT", "interrupt table moved out of the F00F bug's way",
        "X86_F00F_BUG");

    private static readonly FixmapSlot RoIdt = new("FIX_RO_IDT", "read-only view of the interrupt table");
    private static readonly FixmapSlot Cyclone24 = new("FIX_CYCLONE_TIMER", "timer of an IBM Summit chipset", "X86_SUMMIT");
    private static readonly FixmapSlot Cyclone = new("FIX_CYCLONE_TIMER", "timer of an IBM Summit chipset", "X86_CYCLONE_TIMER");
    private static readonly FixmapSlot KmapHighmem = new("FIX_KMAP_BEGIN", "temporary mappings of highmem pages, per CPU",
        "HIGHMEM", FixmapCount.Kmaps);

    private static readonly FixmapSlot KmapAlways = new("FIX_KMAP_BEGIN", "temporary mappings of highmem pages, per CPU",
        Count: FixmapCount.Kmaps);

    private static readonly FixmapSlot KmapLocal = new("FIX_KMAP_BEGIN", "temporary mappings of highmem pages, per CPU",
        "KMAP_LOCAL", FixmapCount.Kmaps);

    private static readonly FixmapSlot AcpiBoot = new("FIX_ACPI_BEGIN", "ACPI tables", "ACPI_BOOT", Pages: 4);
    private static readonly FixmapSlot Acpi = new("FIX_ACPI_BEGIN", "ACPI tables", "ACPI", Pages: 4);
    private static readonly FixmapSlot Mcfg = new("FIX_PCIE_MCFG", "PCI Express configuration space", "PCI_MMCONFIG");
    private static readonly FixmapSlot McfgWithKmap = new("FIX_PCIE_MCFG", "PCI Express configuration space", "KMAP_LOCAL&PCI_MMCONFIG");
    private static readonly FixmapSlot PvClock = new("PVCLOCK_FIXMAP_BEGIN", "clock pages of a paravirtual guest, for user space",
        "PARAVIRT_CLOCK", FixmapCount.ClockPages);

    private static readonly FixmapSlot Paravirt = new("FIX_PARAVIRT_BOOTMAP", "page tables of a paravirtual guest while booting",
        "PARAVIRT");

    private static readonly FixmapSlot ParavirtXxl = new("FIX_PARAVIRT_BOOTMAP", "page tables of a Xen guest while booting",
        "PARAVIRT_XXL");

    private static readonly FixmapSlot TextPoke0 = new("FIX_TEXT_POKE0", "writable alias for patching kernel text");
    private static readonly FixmapSlot TextPoke1 = new("FIX_TEXT_POKE1", "writable alias for patching kernel text");
    private static readonly FixmapSlot VrtcMrst = new("FIX_LNW_VRTC", "virtual clock of Intel MID platforms", "X86_MRST");
    private static readonly FixmapSlot VrtcMid = new("FIX_LNW_VRTC", "virtual clock of Intel MID platforms", "X86_INTEL_MID");
    private static readonly FixmapSlot GdtRemap = new("FIX_GDT_REMAP_BEGIN", "read-only view of each CPU's descriptor table",
        Count: FixmapCount.Cpus);

    private static readonly FixmapSlot GhesIrq = new("FIX_APEI_GHES_IRQ", "hardware error records, from interrupts",
        "ACPI_APEI_GHES");

    private static readonly FixmapSlot GhesNmi = new("FIX_APEI_GHES_NMI", "hardware error records, from NMIs", "ACPI_APEI_GHES");
    private static readonly FixmapSlot WpTest = new("FIX_WP_TEST", "probe whether write protection holds in kernel mode");
    private static readonly FixmapSlot Tboot = new("FIX_TBOOT_BASE", "shared page of Trusted Boot", "INTEL_TXT");

    private static readonly ImmutableArray<FixmapSlot> VisWs = [VisWsTimer, VisWsApic, VisWsPciA, VisWsPciB];

    internal static readonly Timeline<FixmapEra> Rows = new(
        Row(new(2, 4, 16), "include/asm-i386/fixmap.h, 2.4.16",
            [Apic, IoApic, .. VisWs, KmapHighmem], BootMapPlacement.None, 0, []),
        Row(new(2, 4, 17), "UNVERIFIED: 2.4.17 to 2.4.19 taken as 2.4.16 (include/asm-i386/fixmap.h)",
            [Apic, IoApic, .. VisWs, KmapHighmem], BootMapPlacement.None, 0, []),
        Row(new(2, 4, 20), "include/asm-i386/fixmap.h, 2.4.20",
            [Apic, IoApic, .. VisWs, F00F24, KmapHighmem], BootMapPlacement.Adjacent, 16, []),
        Row(new(2, 4, 21), "UNVERIFIED: 2.4.21 taken as 2.4.22; it lies between two headers that differ",
            [Apic, IoApic, .. VisWs, F00F24, Cyclone24, KmapHighmem, AcpiBoot], BootMapPlacement.Adjacent, 16, []),
        Row(new(2, 4, 22), "include/asm-i386/fixmap.h, 2.4.22",
            [Apic, IoApic, .. VisWs, F00F24, Cyclone24, KmapHighmem, AcpiBoot], BootMapPlacement.Adjacent, 16, []),
        Row(new(2, 4, 23), "UNVERIFIED: later 2.4 taken as 2.4.22",
            [Apic, IoApic, .. VisWs, F00F24, Cyclone24, KmapHighmem, AcpiBoot], BootMapPlacement.Adjacent, 16, []),
        Row(new(2, 5, 0), "UNVERIFIED: 2.5.x and 2.6.0 to 2.6.8 taken as 2.6.9",
            Early26(Vsyscall, AcpiBoot), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 9), "include/asm-i386/fixmap.h, 2.6.9",
            Early26(Vsyscall, AcpiBoot), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 10), "UNVERIFIED: 2.6.10 taken as 2.6.9 and 2.6.11, which agree",
            Early26(Vsyscall, AcpiBoot), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 11), "include/asm-i386/fixmap.h, 2.6.11",
            Early26(Vsyscall, AcpiBoot), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 14, Candidate: 1), "include/asm-i386/fixmap.h, 2.6.14: ACPI_BOOT became ACPI",
            Early26(Vsyscall, Acpi), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 18, Candidate: 1), "include/asm-i386/fixmap.h, 2.6.18: FIX_VSYSCALL became FIX_VDSO",
            Early26(Vdso, Acpi), BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 22, Candidate: 1), "include/asm-i386/fixmap.h, 2.6.22: FIX_PARAVIRT_BOOTMAP",
            [.. Early26(Vdso, Acpi), Paravirt], BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 23, Candidate: 1), "include/asm-i386/fixmap.h, 2.6.23: FIX_DBGP_BASE and FIX_EARLYCON_MEM_BASE",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapHighmem, Acpi, Mcfg, Paravirt],
            BootMapPlacement.Adjacent, 16, [WpTest]),
        Row(new(2, 6, 25, Candidate: 1), "include/asm-x86/fixmap_32.h, 2.6.25: boot mappings within one page table",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapHighmem, Acpi, Mcfg, Paravirt],
            BootMapPlacement.NextMultipleOf512, 256, [WpTest, Ohci]),
        Row(new(2, 6, 27, Candidate: 1), "include/asm-x86/fixmap_32.h, 2.6.27: rounding to 256, ACPI behind FIX_WP_TEST",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapHighmem, Mcfg, Paravirt],
            BootMapPlacement.NextMultipleOf256, 256, [WpTest, Acpi, Ohci]),
        Row(new(2, 6, 28, Candidate: 4), "arch/x86/include/asm/fixmap_32.h, 2.6.28: kmap entries without HIGHMEM too",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt],
            BootMapPlacement.NextMultipleOf256, 256, [WpTest, Acpi, Ohci]),
        new(new(2, 6, 30, Candidate: 1), "arch/x86/include/asm/fixmap.h, 2.6.30: one file for 32 and 64 bit, text poke entries",
            new FixmapEra(
                [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt, TextPoke0, TextPoke1],
                BootMapPlacement.NextMultipleOf256, 256, [Ohci], [WpTest])),
        Row(new(2, 6, 31, Candidate: 3), "arch/x86/include/asm/fixmap.h, 2.6.31: order of the boot-time entries",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0],
            BootMapPlacement.NextMultipleOf256, 256, [Ohci, WpTest]),
        Row(new(2, 6, 32, Candidate: 1), "arch/x86/include/asm/fixmap.h, 2.6.32: FIX_TBOOT_BASE",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0],
            BootMapPlacement.NextMultipleOf256, 256, [Ohci, WpTest, Tboot]),
        Row(new(2, 6, 34, Candidate: 1), "arch/x86/include/asm/fixmap.h, 2.6.34: placement rule relaxed",
            [Hole, Vdso, Dbgp, Earlycon, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0],
            BootMapPlacement.InsideOnePageTable, 256, [Ohci, WpTest, Tboot]),
        Row(new(2, 6, 34, Candidate: 3), "arch/x86/include/asm/fixmap.h, 2.6.34: FIX_OHCI1394_BASE made permanent",
            [Hole, Vdso, Dbgp, Earlycon, Ohci, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0],
            BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(2, 6, 38), "UNVERIFIED: FIX_LNW_VRTC came between 2.6.37 and 3.0",
            [.. Era34(F00F, Cyclone), VrtcMrst], BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 0), "arch/x86/include/asm/fixmap.h, 3.0 and 3.4",
            [.. Era34(F00F, Cyclone), VrtcMrst], BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 8), "UNVERIFIED: PVCLOCK_FIXMAP came between 3.4 and 3.10",
            [Hole, Vdso, PvClock, .. Era34(F00F, Cyclone).Skip(2), VrtcMrst], BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 10), "arch/x86/include/asm/fixmap.h, 3.10; F00F_IDT and CYCLONE_TIMER gave way to RO_IDT in April 2013 (commit 4eefbe792bae)",
            [.. Era38(), VrtcMid], BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 14), "UNVERIFIED: 3.14 before 3.14.40 taken as 3.10",
            [.. Era38(), VrtcMid], BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 14, 40), "arch/x86/include/asm/fixmap.h, 3.14.40 (8 slots of early ioremap)",
            [.. Era38(), VrtcMid], BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(3, 15), "arch/x86/include/asm/fixmap.h, 3.15.5: FIX_VDSO and the VISWS entries removed",
            Era315(), BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 16), "arch/x86/include/asm/fixmap.h, 3.16",
            Era315(), BootMapPlacement.InsideOnePageTable, 256, [WpTest, Tboot]),
        Row(new(3, 17), "UNVERIFIED: 4 slots of early ioremap became 8 between 3.16 and 3.19",
            Era315(), BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(3, 19), "arch/x86/include/asm/fixmap.h, 3.19 to 4.4",
            Era315(), BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(4, 5), "arch/x86/include/asm/fixmap.h, 4.10",
            Era315(), BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(4, 11), "UNVERIFIED: FIX_GDT_REMAP came between 4.10 and 4.12",
            [.. Era315(), GdtRemap], BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(4, 12), "arch/x86/include/asm/fixmap.h, 4.12",
            [.. Era315(), GdtRemap], BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(4, 13), "UNVERIFIED: 4.13 and 4.14 taken as 4.12; stable 4.14 may carry page table isolation",
            [.. Era315(), GdtRemap], BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(4, 15), "arch/x86/include/asm/fixmap.h, 4.15 to 5.0: tables moved to the cpu_entry_area",
            [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0, VrtcMid, GhesIrq, GhesNmi],
            BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 1), "UNVERIFIED: the text poke entries went between 5.0 and 5.2",
            [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapAlways, Mcfg, Paravirt, VrtcMid, GhesIrq, GhesNmi],
            BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 2), "arch/x86/include/asm/fixmap.h, 5.2 to 5.9",
            [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapAlways, Mcfg, Paravirt, VrtcMid, GhesIrq, GhesNmi],
            BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 10), "arch/x86/include/asm/fixmap.h, 5.10; recorded boots of 5.10",
            [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapAlways, Mcfg, ParavirtXxl, VrtcMid, GhesIrq, GhesNmi],
            BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 11), "arch/x86/include/asm/fixmap.h, 5.11: kmap_local",
            [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapLocal, McfgWithKmap, ParavirtXxl, VrtcMid, GhesIrq, GhesNmi],
            BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 12), "UNVERIFIED: FIX_LNW_VRTC went between 5.11 and 5.15",
            Era515(), BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]),
        Row(new(5, 15), "arch/x86/include/asm/fixmap.h, 5.15 to 6.19; recorded boots of 6.1 and 6.5",
            Era515(), BootMapPlacement.InsideOnePageTable, 512, [WpTest, Tboot]));

    /// <summary>Entries of a list that 64-bit x86 has too; the header has been one file since 2.6.30.</summary>
    internal static IEnumerable<FixmapSlot> On64Bit(ImmutableArray<FixmapSlot> slots) => slots.Where(slot =>
        slot != Hole && slot != Vdso && slot != F00F && slot != Cyclone && slot != KmapAlways && slot != Mcfg && slot != WpTest
        && slot != PvClock && !VisWs.Contains(slot));

    private static ImmutableArray<FixmapSlot> Early26(FixmapSlot entryPage, FixmapSlot acpi) =>
        [Hole, entryPage, Apic, IoApic, .. VisWs, F00F, Cyclone, KmapHighmem, acpi, Mcfg];

    private static ImmutableArray<FixmapSlot> Era34(FixmapSlot f00F, FixmapSlot cyclone) =>
    [
        Hole, Vdso, Dbgp, Earlycon, Ohci, Apic, IoApic, .. VisWs, f00F, cyclone, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0,
    ];

    private static ImmutableArray<FixmapSlot> Era38() =>
        [Hole, Vdso, PvClock, Dbgp, Earlycon, Ohci, Apic, IoApic, .. VisWs, RoIdt, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0];

    private static ImmutableArray<FixmapSlot> Era315() =>
        [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, RoIdt, KmapAlways, Mcfg, Paravirt, TextPoke1, TextPoke0, VrtcMid];

    private static ImmutableArray<FixmapSlot> Era515() =>
        [Hole, Dbgp, Earlycon, Ohci, Apic, IoApic, KmapLocal, McfgWithKmap, ParavirtXxl, GhesIrq, GhesNmi];

    private static TimelineRow<FixmapEra> Row(KernelVersion since, string source, ImmutableArray<FixmapSlot> permanent,
        BootMapPlacement placement, int bootMapPages, ImmutableArray<FixmapSlot> afterBootMap) =>
        new(since, source, new FixmapEra(permanent, placement, bootMapPages, [], afterBootMap));
}
