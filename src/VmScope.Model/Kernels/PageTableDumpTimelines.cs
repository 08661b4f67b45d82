using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>How a page-table dump tells the PAT bit.</summary>
public enum PatColumn
{
    /// <summary>One column for two bits: "PSE " on every level but the last, "pat " there.</summary>
    SharedWithPse,

    /// <summary>A column of its own, "pat ", for ordinary pages.</summary>
    OwnLowerCase,

    /// <summary>A column of its own, "PAT ", for ordinary pages.</summary>
    Own,

    /// <summary>The same, and large pages show their PAT bit (bit 12) too.</summary>
    OwnAndLargePages,
}

/// <summary>Which rights inherited from the tables above end a run of equal entries.</summary>
public enum DumpedRights
{
    /// <summary>None: only an entry's own flags count.</summary>
    OwnOnly,

    /// <summary>Those of every table above; a PAE root, which has no rights, counts as granting all.</summary>
    Inherited,

    /// <summary>Quirk: those of the leaf or hole seen last on the level above, whatever table really lies above.</summary>
    OfLastLeafAbove,

    /// <summary>Those of every table above, a PAE root without rights included.</summary>
    InheritedFromRoot,
}

/// <summary>A place that a dump's heading may begin at.</summary>
public enum DumpPlace
{
    /// <summary>Address 0.</summary>
    User,

    /// <summary>The upper half of the address space; PAGE_OFFSET on 32 bit.</summary>
    Kernel,

    /// <summary>The LDT remap of page table isolation.</summary>
    Ldt,

    /// <summary>PAGE_OFFSET on 64 bit.</summary>
    DirectMap,

    /// <summary>VMALLOC_START.</summary>
    Vmalloc,

    /// <summary>VMALLOC_END.</summary>
    VmallocEnd,

    /// <summary>The virtual array of struct page.</summary>
    PageArray,

    /// <summary>KASAN_SHADOW_START.</summary>
    KasanShadow,

    /// <summary>KASAN_SHADOW_END.</summary>
    KasanShadowEnd,

    /// <summary>CPU_ENTRY_AREA_BASE.</summary>
    CpuEntryArea,

    /// <summary>ESPFIX_BASE_ADDR.</summary>
    Espfix,

    /// <summary>EFI_VA_END, the lower end of what EFI run-time services may use.</summary>
    Efi,

    /// <summary>__START_KERNEL_map.</summary>
    KernelMap,

    /// <summary>MODULES_VADDR.</summary>
    Modules,

    /// <summary>MODULES_END.</summary>
    ModulesEnd,

    /// <summary>PKMAP_BASE.</summary>
    Pkmap,

    /// <summary>FIXADDR_START.</summary>
    Fixmap,
}

/// <summary>A heading of a dump.</summary>
/// <param name="Place">Where it belongs.</param>
/// <param name="Name">Its text.</param>
/// <param name="LinesMax">How many lines are printed under it before the rest is only counted; 0 for all.</param>
/// <param name="When">Configuration symbols that must be set ("!SYMBOL": must not), separated by blanks; null for always.</param>
public sealed record DumpMarker(DumpPlace Place, string Name, int LinesMax = 0, string? When = null);

/// <summary>How a kernel prints its page tables.</summary>
/// <param name="File">The file under /sys/kernel/debug; null where the kernel has none.</param>
/// <param name="SmallestUnit">The unit sizes begin with: "B" or "K".</param>
/// <param name="AbsentColumns">Blanks in place of the flags of a hole.</param>
/// <param name="Pat">How the PAT bit is told.</param>
/// <param name="Rights">Which inherited rights end a run.</param>
/// <param name="WalksRanges">
/// Whether the generic walker is used: it leaves the hole kept for hypervisors out, and calls a large page of two-level
/// tables "pmd" where the walker before it said "pgd".
/// </param>
/// <param name="Markers">The headings in the kernel's order, which is not always that of the addresses.</param>
public sealed record PageTableDumpFacts(
    string? File,
    char SmallestUnit,
    int AbsentColumns,
    PatColumn Pat,
    DumpedRights Rights,
    bool WalksRanges,
    ImmutableArray<DumpMarker> Markers);

/// <summary>The history of the x86 page-table dump.</summary>
/// <remarks>
/// The text is made in arch/x86/mm/dump_pagetables.c, printk_prot() and note_page(); the walk is in the same file up to
/// 5.5 and in mm/ptdump.c from 5.6.
/// </remarks>
public static class PageTableDumpTimelines
{
    private const string Dumper = "arch/x86/mm/dump_pagetables.c";

    private static readonly DumpMarker User = new(DumpPlace.User, "User Space");
    private static readonly DumpMarker Vmalloc = new(DumpPlace.Vmalloc, "vmalloc() Area");
    private static readonly DumpMarker Espfix = new(DumpPlace.Espfix, "ESPfix Area", LinesMax: 16, When: "X86_ESPFIX64");
    private static readonly DumpMarker Efi = new(DumpPlace.Efi, "EFI Runtime Services", When: "EFI");
    private static readonly DumpMarker KasanStart = new(DumpPlace.KasanShadow, "KASAN shadow", When: "KASAN");
    private static readonly DumpMarker KasanEnd = new(DumpPlace.KasanShadowEnd, "KASAN shadow end", When: "KASAN");
    private static readonly DumpMarker EntryArea64 = new(DumpPlace.CpuEntryArea, "CPU entry Area");
    private static readonly DumpMarker EntryArea32 = new(DumpPlace.CpuEntryArea, "CPU entry area");
    private static readonly DumpMarker Fixmap64 = new(DumpPlace.Fixmap, "Fixmap Area");
    private static readonly DumpMarker Ldt = new(DumpPlace.Ldt, "LDT remap", When: "MODIFY_LDT_SYSCALL");
    private static readonly DumpMarker LdtFiveLevels = Ldt with { When = "MODIFY_LDT_SYSCALL X86_5LEVEL" };
    private static readonly DumpMarker LdtFourLevels = Ldt with { When = "MODIFY_LDT_SYSCALL !X86_5LEVEL" };

    private static readonly DumpMarker[] Start64 = [User, new(DumpPlace.Kernel, "Kernel Space")];
    private static readonly DumpMarker[] Low64 = [new(DumpPlace.DirectMap, "Low Kernel Mapping")];
    private static readonly DumpMarker[] Areas64 = [Vmalloc, new(DumpPlace.PageArray, "Vmemmap")];
    private static readonly DumpMarker[] Image64 =
        [new(DumpPlace.KernelMap, "High Kernel Mapping"), new(DumpPlace.Modules, "Modules"), new(DumpPlace.ModulesEnd, "End Modules")];

    private static readonly DumpMarker[] Start32 =
        [User, new(DumpPlace.Kernel, "Kernel Mapping"), Vmalloc, new(DumpPlace.VmallocEnd, "vmalloc() End")];

    private static readonly DumpMarker Pkmap32 = new(DumpPlace.Pkmap, "Persistent kmap() Area", When: "HIGHMEM");

    // The kernel misspelt it for as long.
    private static readonly DumpMarker OldPkmap32 = Pkmap32 with { Name = "Persisent kmap() Area" };

    /// <summary>The first version that prints its page tables.</summary>
    public static KernelVersion First { get; } = new(2, 6, 26);

    /// <summary>The file.</summary>
    public static Timeline<string?> File { get; } = new(
        new(new(2, 4), "not in the sources of 2.6.24", null),
        new(new(2, 6, 26), $"{Dumper}, pt_dump_init(), 2.6.32 and 3.4 (commit of 2.6.26)", "kernel_page_tables"),
        new(new(4, 15), "arch/x86/mm/debug_pagetables.c, pt_dump_debug_init(), read in 6.1, not in 4.4", "page_tables/kernel"));

    /// <summary>The unit sizes begin with.</summary>
    public static Timeline<char> SmallestUnit { get; } = new(
        new(new(2, 4), $"{Dumper}, note_page(), 2.6.32 and 3.4", 'K'),
        new(new(3, 16), $"{Dumper}, note_page(), read in 3.18, not in 3.4", 'B'));

    /// <summary>The width of a hole's empty flags.</summary>
    public static Timeline<int> AbsentColumns { get; } = new(
        new(new(2, 4), $"{Dumper}, printk_prot(), 2.6.32 to 3.18", 26),
        new(new(3, 19), $"{Dumper}, printk_prot(), read in 4.4, not in 3.18", 30));

    /// <summary>How the PAT bit is told.</summary>
    public static Timeline<PatColumn> Pat { get; } = new(
        new(new(2, 4), $"{Dumper}, printk_prot(), 2.6.32 to 3.18", PatColumn.SharedWithPse),
        new(new(3, 19), $"{Dumper}, printk_prot(), as a change of 2015 found it; not in 3.18", PatColumn.OwnLowerCase),
        new(new(4, 3), $"{Dumper}, walk_pmd_level(), pmd_flags(), 4.4 to 5.4", PatColumn.OwnAndLargePages),
        new(new(5, 6), $"{Dumper}, note_page(), PTE_FLAGS_MASK, read in 6.1 and 6.12", PatColumn.Own));

    /// <summary>Which inherited rights end a run.</summary>
    public static Timeline<DumpedRights> Rights { get; } = new(
        new(new(2, 4), $"{Dumper}, note_page(), 2.6.32 to 4.12", DumpedRights.OwnOnly),
        new(new(4, 17), $"{Dumper}, effective_prot(), read in 4.19 and 5.4, not in 4.12", DumpedRights.Inherited),
        new(new(5, 6), $"{Dumper}, note_page(), st->prot_levels, as the change of 5.8 found it", DumpedRights.OfLastLeafAbove),
        new(new(5, 8), $"{Dumper}, effective_prot(), read in 6.1 (releases of 5.7 after the change not read)", DumpedRights.InheritedFromRoot));

    /// <summary>Whether the generic walker is used.</summary>
    public static Timeline<bool> WalksRanges { get; } = new(
        new(new(2, 4), $"{Dumper}, walk_pgd_level(), 2.6.32; ptdump_walk_pgd_level_core(), 5.4", false),
        new(new(5, 6), "mm/ptdump.c, ptdump_walk_pgd(), read in 6.1; of 5.6 by its first fix", true));

    /// <summary>The headings on x86-64.</summary>
    public static Timeline<ImmutableArray<DumpMarker>> Markers64 { get; } = new(
        new(new(2, 4), $"{Dumper}, address_markers, 2.6.32 and 3.4", [.. Start64, .. Low64, .. Areas64, .. Image64]),
        new(new(3, 16), $"{Dumper}, address_markers, read in 3.18, not in 3.4", [.. Start64, .. Low64, .. Areas64, Espfix, .. Image64]),
        new(new(3, 19), $"{Dumper}, address_markers, read in 4.4, not in 3.18", [.. Start64, .. Low64, .. Areas64, Espfix, Efi, .. Image64]),
        new(new(4, 12), $"{Dumper}, address_markers, read in 4.12, not in 4.11", [.. Start64, .. Low64, .. Areas64, KasanStart, KasanEnd, Espfix, Efi, .. Image64]),
        // Quirk: the place in the list follows the build, the address what the processor can.
        new(new(4, 15), $"{Dumper}, address_markers, 4.19 and the change of 4.20",
            [.. Start64, .. Low64, LdtFiveLevels, .. Areas64, KasanStart, KasanEnd, EntryArea64, LdtFourLevels, Espfix, Efi, .. Image64, Fixmap64]),
        new(new(4, 20), $"{Dumper}, address_markers, 5.4 to 6.12",
            [.. Start64, Ldt, .. Low64, .. Areas64, KasanStart, KasanEnd, EntryArea64, Espfix, Efi, .. Image64, Fixmap64]));

    /// <summary>The headings on i386.</summary>
    public static Timeline<ImmutableArray<DumpMarker>> Markers32 { get; } = new(
        new(new(2, 4), $"{Dumper}, address_markers, 2.6.32 to 3.18", [.. Start32, OldPkmap32, new(DumpPlace.Fixmap, "Fixmap Area")]),
        new(new(3, 19), $"{Dumper}, address_markers, read in 4.4, not in 3.18", [.. Start32, Pkmap32, new(DumpPlace.Fixmap, "Fixmap Area")]),
        new(new(4, 15), $"{Dumper}, address_markers, before the change of 4.19", [.. Start32, Pkmap32, EntryArea32, new(DumpPlace.Fixmap, "Fixmap area")]),
        new(new(4, 19), $"{Dumper}, address_markers, 4.19 to 6.12", [.. Start32, Pkmap32, Ldt, EntryArea32, new(DumpPlace.Fixmap, "Fixmap area")]));

    /// <summary>How a kernel prints its page tables; one without the dump as the first that had it.</summary>
    public static PageTableDumpFacts At(KernelDescription kernel)
    {
        KernelVersion version = kernel.Version;
        ImmutableArray<DumpMarker> markers = (kernel.Architecture.Is64Bit() ? Markers64 : Markers32).At(version);
        return new PageTableDumpFacts(
            File.At(version),
            SmallestUnit.At(version),
            AbsentColumns.At(version),
            Pat.At(version),
            Rights.At(version),
            WalksRanges.At(version),
            [.. markers.Where(marker => Holds(marker.When, kernel))]);
    }

    private static bool Holds(string? when, KernelDescription kernel)
    {
        foreach (string symbol in when?.Split(' ') ?? [])
        {
            bool isNot = symbol.StartsWith('!');
            string name = isNot ? symbol[1..] : symbol;
            bool set = kernel.Config.IsSet(name) ?? name switch
            {
                "KASAN" => false,
                "X86_5LEVEL" => Timelines.X64Timeline.LevelsChosenAtBoot.At(kernel.Version),
                _ => true,
            };
            if (set == isNot)
            {
                return false;
            }
        }

        return true;
    }
}
