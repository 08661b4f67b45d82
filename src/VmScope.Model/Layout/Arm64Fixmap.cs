using VmScope.Kernels;
using VmScope.Kernels.Timelines;

namespace VmScope.Layout;

/// <summary>The compile-time addresses of arm64: index 0 at FIXADDR_TOP, growing down.</summary>
/// <remarks>Source: arch/arm64/include/asm/fixmap.h, enum fixed_addresses.</remarks>
internal static class Arm64Fixmap
{
    internal static void Add(LayoutBuilder builder, Arm64Facts facts, ulong top, string topFormula)
    {
        builder.Address("fixaddr-top", "FIXADDR_TOP", top, topFormula, facts.Map.Source);
        int index = 0;
        Entry("FIX_HOLE", 1, "kept unmapped");
        if (facts.FdtSlots.Value != Arm64FdtSlots.None)
        {
            // From 6.5 the enum counts one index more than the pages it names.
            Entry("FIX_FDT_END", facts.FdtSlots.Value == Arm64FdtSlots.FourMebibytes
                ? (int)(4 * Size.MiB / facts.PageBytes)
                : (int)(2 * Size.MiB / facts.PageBytes) + 2, "the device tree, wherever it begins");
        }

        Entry("FIX_EARLYCON_MEM_BASE", 1, "the early console's registers");
        if (facts.TextPoke.Value)
        {
            Entry("FIX_TEXT_POKE0", 1, "writes into read-only kernel text");
        }

        if (facts.VncrSlots.Value && facts.Virtualization)
        {
            Entry("FIX_VNCR_END", facts.ConfiguredCpus + 1, "a page of each CPU of NR_CPUS for nested guests", "KVM");
        }

        int ghes = facts.GhesSlots.Value.Always + (facts.SoftwareDelegatedExceptions ? facts.GhesSlots.Value.WithSdei : 0);
        if (facts.AcpiErrors && ghes > 0)
        {
            Entry("FIX_APEI_GHES_IRQ", ghes, "hardware errors that ACPI reports", "ACPI_APEI_GHES");
        }

        if (facts.UnmapsKernel)
        {
            (string name, int pages) = facts.Trampoline.Value switch
            {
                Arm64Trampoline.None => ("", 0),
                Arm64Trampoline.DataAndText => ("FIX_ENTRY_TRAMP_DATA", 2),
                Arm64Trampoline.DataAndThreeTexts => ("FIX_ENTRY_TRAMP_TEXT3", 4),
                Arm64Trampoline.ThreeTexts => facts.Relocatable ? ("FIX_ENTRY_TRAMP_TEXT4", 4) : ("FIX_ENTRY_TRAMP_TEXT3", 3),
            };
            if (pages > 0)
            {
                Entry(name, pages, "the way out of user space while the kernel is unmapped", "UNMAP_KERNEL_AT_EL0");
            }
        }

        ulong start = builder.Address("fixaddr-start", "FIXADDR_START", top - ((ulong)index * facts.PageBytes),
            "{fixaddr-top} less a page for each permanent entry", facts.FdtSlots.Source);
        builder.Region("fixmap", start, top, RegionKind.Fixmap);

        void Entry(string name, int pages, string why, string? when = null)
        {
            builder.Fixmap(new FixmapEntry(name, index, new VirtualAddress(unchecked(top - ((ulong)index * facts.PageBytes))), pages,
                IsPermanent: true, why, when));
            index += pages;
        }
    }
}
