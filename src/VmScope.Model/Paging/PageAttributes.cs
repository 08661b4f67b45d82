using VmScope.Kernels;

namespace VmScope.Paging;

/// <summary>Changes the rights of kernel mappings page by page, and splits large pages where only a part of one changes.</summary>
/// <remarks>
/// A page of memory that is mapped elsewhere too is changed in the direct map as well, except for the right to execute:
/// there large pages are split and stay split. (Kernels of 2025 and later may join them again; not modelled.) Source:
/// arch/x86/mm/pat/set_memory.c, change_page_attr_set_clr(), __change_page_attr(), cpa_process_alias(), 6.1.
/// </remarks>
/// <param name="facts">What the kernel does.</param>
/// <param name="tables">Its page tables.</param>
/// <param name="directMapStart">The first address of the direct map.</param>
/// <param name="lowFrames">The frame behind the last directly mapped one.</param>
public sealed class PageAttributes(PageAttributeFacts facts, KernelPageTables tables, VirtualAddress directMapStart, ulong lowFrames)
{
    /// <summary>What the kernel does.</summary>
    public PageAttributeFacts Facts => facts;

    /// <summary>Indices of root entries that were changed since the last time this was emptied: 32-bit processes have copies.</summary>
    internal HashSet<int> ChangedRootEntries { get; } = [];

    /// <summary>Sets and clears bits of every page of a range, and of its aliases.</summary>
    /// <returns>Null when it is done, the first problem otherwise: what was changed before it stays.</returns>
    public string? Change(VirtualAddress first, int pages, ulong set, ulong clear, ActionLog? log)
    {
        bool hasAliases = (set | clear) != X86Entry.NoExecute;
        bool touchedAlias = false;
        List<ulong> frames = [];
        if (ChangeRange(first, (ulong)pages, set, clear, frames, log) is { } problem)
        {
            return problem;
        }

        if (hasAliases && !IsDirect(first))
        {
            foreach (ulong frame in frames.Where(frame => frame < lowFrames))
            {
                touchedAlias = true;
                if (ChangeRange(new VirtualAddress(directMapStart.Value + (frame << 12)), 1, set, clear, frames: null, log) is { } aliasProblem)
                {
                    return aliasProblem;
                }
            }

            if (touchedAlias)
            {
                log?.Step("the same pages are changed in the direct map too: another mapping of them must not have other rights");
            }
        }

        if (touchedAlias || pages > facts.FlushPagesMax)
        {
            tables.FlushAll("rights of pages changed", log);
        }
        else
        {
            for (int i = 0; i < pages; i++)
            {
                tables.FlushPage(new VirtualAddress(first.Value + ((ulong)i << 12)), cpu: null, "its rights changed", log);
            }
        }

        return null;
    }

    /// <summary>Gives frames their usual rights in the direct map again, as freeing executable memory does.</summary>
    /// <returns>How many entries were not as usual.</returns>
    public int Reset(IEnumerable<int> frames, ActionLog? log)
    {
        int changed = 0;
        foreach (int frame in frames)
        {
            VirtualAddress at = new(directMapStart.Value + ((ulong)frame << 12));
            (int level, PhysicalAddress _, ulong entry) = (ulong)frame < lowFrames ? tables.Mapper.Find(tables.Root, at) : default;
            if (level != tables.PageLevel || (entry & X86Entry.Present) == 0)
            {
                continue;
            }

            ulong usual = tables.Geometry.Levels[level].Entry.Leaf(new PhysicalAddress((ulong)frame << 12), tables.Flags.DirectMap);
            const ulong Kept = X86Entry.Accessed | X86Entry.Dirty;
            if ((entry | Kept) != (usual | Kept))
            {
                tables.Mapper.TrySet(tables.Root, at, level, usual, log?.Entries);
                changed++;
            }
        }

        return changed;
    }

    private string? ChangeRange(VirtualAddress first, ulong pages, ulong set, ulong clear, List<ulong>? frames, ActionLog? log)
    {
        ulong end = first.Value + (pages << 12);
        for (ulong at = first.Value; at < end;)
        {
            VirtualAddress address = new(at);
            (int level, _, ulong entry) = tables.Mapper.Find(tables.Root, address);
            PagingLevel of = tables.Geometry.Levels[level];
            if ((entry & X86Entry.Present) == 0)
            {
                if (!IsDirect(address))
                {
                    return $"CPA: called for zero pte. vaddr = {at:x} cpa->vaddr = {first.Value:x}";
                }

                // A hole of the direct map is passed over.
                at += 4096;
                continue;
            }

            bool isWhole = at % of.SpanBytes == 0 && end - at >= of.SpanBytes;
            ulong changed = (entry & ~clear) | set;
            if (changed != entry && level == 0)
            {
                ChangedRootEntries.Add(of.IndexOf(address));
            }

            if (changed != entry && !isWhole)
            {
                if (!tables.Mapper.TrySplit(tables.Root, address, log?.Entries))
                {
                    return "no memory for the table of a split large page";
                }

                log?.Step($"the {PageTableWalker.SizeName(of.Shift)} page at {new VirtualAddress(Align.Down(at, of.SpanBytes))} is split: only a part of it changes");
                continue;
            }

            if (changed != entry)
            {
                tables.Mapper.TrySet(tables.Root, address, level, changed, log?.Entries);
            }

            ulong next = Math.Min(end, Align.Down(at, of.SpanBytes) + of.SpanBytes);
            for (ulong page = at; frames is not null && page < next; page += 4096)
            {
                frames.Add((of.Entry.PageAddress(entry).Value + (page & (of.SpanBytes - 1))) >> 12);
            }

            at = next;
        }

        return null;
    }

    private bool IsDirect(VirtualAddress address) =>
        address >= directMapStart && (address.Value - directMapStart.Value) >> 12 < lowFrames;
}
