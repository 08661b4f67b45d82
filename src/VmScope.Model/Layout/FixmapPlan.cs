using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>The indices of a fixmap: what <c>enum fixed_addresses</c> comes to for one kernel.</summary>
internal sealed class FixmapPlan
{
    /// <summary>(FIXADDR_TOP - VSYSCALL_ADDR) / 4 KiB: 0xffffffffff7ff000 down to 0xffffffffff600000.</summary>
    private const int VsyscallIndex = 511;

    private readonly List<(ResolvedSlot Slot, int Index, bool IsPermanent)> _entries = new(24);

    /// <summary>Number of permanent indices: <c>__end_of_permanent_fixed_addresses</c>.</summary>
    internal int Permanent { get; private set; }

    /// <summary>First index of the early-ioremap block, FIX_BTMAP_END; the number of permanent indices where there is none.</summary>
    internal int BootMapIndex { get; private set; }

    /// <summary>Number of all indices: <c>__end_of_fixed_addresses</c>.</summary>
    internal int Total { get; private set; }

    /// <summary>Whether the vsyscall page of x86-64 is one of the entries.</summary>
    internal bool HasVsyscallPage { get; private set; }

    /// <summary>Lays the entries out.</summary>
    /// <param name="permanent">The permanent entries in order.</param>
    /// <param name="placement">Where the early-ioremap block begins.</param>
    /// <param name="bootMapPages">Its pages.</param>
    /// <param name="before">Boot-time entries between the permanent ones and the block.</param>
    /// <param name="after">Boot-time entries behind it.</param>
    /// <param name="entriesPerTable">PTRS_PER_PTE.</param>
    internal static FixmapPlan Of(List<ResolvedSlot> permanent, BootMapPlacement placement, int bootMapPages,
        List<ResolvedSlot> before, List<ResolvedSlot> after, int entriesPerTable)
    {
        FixmapPlan plan = new();
        int at = plan.Add(permanent, 0, isPermanent: true);
        plan.Permanent = at;
        int behind = plan.Add(before, at, isPermanent: false);
        plan.BootMapIndex = placement switch
        {
            BootMapPlacement.None or BootMapPlacement.Adjacent => behind,
            BootMapPlacement.NextMultipleOf512 => at + 512 - (at & 511),
            BootMapPlacement.NextMultipleOf256 => at + 256 - (at & 255),
            BootMapPlacement.InsideOnePageTable => ((at ^ (at + bootMapPages - 1)) & -entriesPerTable) != 0
                ? at + bootMapPages - (at & (bootMapPages - 1))
                : at,
        };
        at = plan.BootMapIndex;
        if (placement != BootMapPlacement.None)
        {
            FixmapSlot block = new("FIX_BTMAP_END", "early_ioremap()", Pages: bootMapPages);
            plan._entries.Add((new ResolvedSlot(block, bootMapPages), at, false));
            at += bootMapPages;
        }

        plan.Total = plan.Add(after, at, isPermanent: false);
        return plan;
    }

    /// <summary>Records every entry with its address.</summary>
    internal void Describe(LayoutBuilder builder, ulong top)
    {
        foreach ((ResolvedSlot slot, int index, bool isPermanent) in _entries)
        {

            builder.Fixmap(new FixmapEntry(slot.Slot.Name, index,
                new VirtualAddress(unchecked(top - ((ulong)index << 12))), slot.Pages, isPermanent, slot.Slot.Why, slot.Slot.When));
        }
    }

    /// <summary>Pages of the permanent entries that take as many as this says.</summary>
    internal int PermanentPagesOf(FixmapCount count)
    {
        int pages = 0;
        foreach ((ResolvedSlot slot, _, bool isPermanent) in _entries)
        {
            pages += isPermanent && slot.Slot.Count == count ? slot.Pages : 0;
        }

        return pages;
    }

    private int Add(List<ResolvedSlot> slots, int at, bool isPermanent)
    {
        foreach (ResolvedSlot slot in slots)
        {
            if (slot.Slot.Count == FixmapCount.VsyscallPage)
            {
                at = VsyscallIndex;
                HasVsyscallPage = true;
            }

            _entries.Add((slot, at, isPermanent));
            at += slot.Pages;
        }

        return at;
    }
}
