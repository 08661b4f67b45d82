using VmScope.Physical;

namespace VmScope.Paging;

/// <summary>One change of a page-table entry.</summary>
/// <param name="Level">The level's index in the geometry, 0 for the root.</param>
/// <param name="LevelName">pgd, p4d, pud, pmd or pte.</param>
/// <param name="Address">The first virtual address the entry covers.</param>
/// <param name="EntryAddress">Where the entry lies.</param>
/// <param name="Old">What stood there.</param>
/// <param name="New">What stands there now.</param>
public readonly record struct EntryWrite(
    int Level, string LevelName, VirtualAddress Address, PhysicalAddress EntryAddress, ulong Old, ulong New);

/// <summary>Writes page tables, in the hardware's format, into physical memory.</summary>
/// <param name="geometry">The shape of the tables.</param>
/// <param name="memory">Where the tables lie.</param>
/// <param name="allocateTable">Gives a zeroed frame for a new table of a level; null when memory ran out.</param>
public sealed class PageTableMapper(
    PagingGeometry geometry, IWritablePhysicalMemory memory, Func<int, PageFrameNumber?> allocateTable)
{
    /// <summary>Flags of an entry that points to a table: the kernel's <c>_KERNPG_TABLE</c>.</summary>
    public const ulong KernelTable = X86Entry.Present | X86Entry.Writable | X86Entry.Accessed | X86Entry.Dirty;

    /// <summary>The same for tables of user memory: <c>_PAGE_TABLE</c>.</summary>
    public const ulong UserTable = KernelTable | X86Entry.User;

    /// <summary>The shape of the tables.</summary>
    public PagingGeometry Geometry => geometry;

    /// <summary>Maps one page, making the tables on the way to it.</summary>
    /// <param name="root">Physical address of the root table.</param>
    /// <param name="address">The virtual address, aligned to the page.</param>
    /// <param name="page">The physical address, aligned to the page.</param>
    /// <param name="level">The level of the leaf entry: the last for an ordinary page.</param>
    /// <param name="flags">Flags of the leaf, without the bit that makes it one.</param>
    /// <param name="log">Receives every entry written; null when nobody wants to know.</param>
    /// <param name="tableFlags">Flags of new entries that point to tables.</param>
    /// <returns>False when a table was needed and no memory was left for it.</returns>
    public bool TryMap(PhysicalAddress root, VirtualAddress address, PhysicalAddress page, int level, ulong flags,
        ICollection<EntryWrite>? log = null, ulong tableFlags = KernelTable)
    {
        if (!TryTable(root, address, level, tableFlags, log, out PhysicalAddress table))
        {
            return false;
        }

        Write(table, address, level, geometry.Levels[level].Entry.Leaf(page, flags), log);
        return true;
    }

    /// <summary>Maps consecutive ordinary pages to the given frames.</summary>
    /// <returns>How many pages were mapped: fewer than asked for when no memory was left for a table.</returns>
    public int MapFrames(PhysicalAddress root, VirtualAddress start, ReadOnlySpan<int> frames, ulong flags, ICollection<EntryWrite>? log = null)
    {
        int last = geometry.Levels.Length - 1;
        PagingLevel level = geometry.Levels[last];
        PhysicalAddress table = default;
        for (int i = 0; i < frames.Length; i++)
        {
            VirtualAddress at = new(start.Value + ((ulong)i << level.Shift));
            if ((i == 0 || level.IndexOf(at) == 0) && !TryTable(root, at, last, KernelTable, log, out table))
            {
                return i;
            }

            Write(table, at, last, level.Entry.Leaf(new PhysicalAddress((ulong)frames[i] << level.Shift), flags), log);
        }

        return frames.Length;
    }

    /// <summary>Maps a physically contiguous run with pages of one level.</summary>
    /// <returns>False when no memory was left for a table; what was mapped until then stays.</returns>
    public bool TryMapRun(PhysicalAddress root, VirtualAddress start, PhysicalAddress first, ulong pages, int level, ulong flags, ICollection<EntryWrite>? log = null)
    {
        PagingLevel of = geometry.Levels[level];
        PhysicalAddress table = default;
        for (ulong i = 0; i < pages; i++)
        {
            VirtualAddress at = new(unchecked(start.Value + (i << of.Shift)));
            if ((i == 0 || of.IndexOf(at) == 0) && !TryTable(root, at, level, KernelTable, log, out table))
            {
                return false;
            }

            Write(table, at, level, of.Entry.Leaf(new PhysicalAddress(first.Value + (i << of.Shift)), flags), log);
        }

        return true;
    }

    /// <summary>Clears the entries of a range; tables stay, as the kernel keeps those of its own half.</summary>
    /// <returns>How many present leaf entries were cleared.</returns>
    public int Unmap(PhysicalAddress root, VirtualRange range, ICollection<EntryWrite>? log = null)
    {
        int cleared = 0;
        ulong at = range.Start.Value;
        while (true)
        {
            (int level, PhysicalAddress table, ulong entry) = Find(root, new VirtualAddress(at));
            PagingLevel of = geometry.Levels[level];
            if ((entry & X86Entry.Present) != 0 && of.Entry.IsLeaf(entry))
            {
                Write(table, new VirtualAddress(at), level, 0, log);
                cleared++;
            }

            ulong next = unchecked(Align.Down(at, of.SpanBytes) + of.SpanBytes);
            if (next == 0 || next - 1 >= range.Last.Value)
            {
                return cleared;
            }

            at = next;
        }
    }

    /// <summary>Replaces the entry that maps or would map an address at a level.</summary>
    /// <returns>False when a table was needed and no memory was left for it.</returns>
    public bool TrySet(PhysicalAddress root, VirtualAddress address, int level, ulong entry, ICollection<EntryWrite>? log = null)
    {
        if (!TryTable(root, address, level, KernelTable, log, out PhysicalAddress table))
        {
            return false;
        }

        Write(table, address, level, entry, log);
        return true;
    }

    /// <summary>Replaces the large page an address lies in by a table of the pages below it, which map the same with the same rights.</summary>
    /// <returns>False when no memory was left for the table.</returns>
    public bool TrySplit(PhysicalAddress root, VirtualAddress address, ICollection<EntryWrite>? log = null)
    {
        (int level, PhysicalAddress table, ulong entry) = Find(root, address);
        PagingLevel large = geometry.Levels[level];
        if (level + 1 == geometry.Levels.Length || (entry & X86Entry.Present) == 0)
        {
            throw new ModelInvariantException($"{address} lies in no large page");
        }

        if (allocateTable(level + 1) is not { } frame)
        {
            return false;
        }

        PagingLevel small = geometry.Levels[level + 1];
        PhysicalAddress made = frame.StartAddress(geometry.PageSize);
        // The memory type's bit lies elsewhere in a large page's entry than in an ordinary one's.
        const ulong LargePat = 1UL << 12;
        ulong flags = large.Entry.FlagsOf(entry) & ~(X86Entry.LargePage | LargePat);
        flags |= (entry & LargePat) == 0 ? 0 : level + 2 == geometry.Levels.Length ? X86Entry.LargePage : LargePat;
        ulong first = large.Entry.PageAddress(entry).Value;
        for (int i = 0; i < small.EntryCount; i++)
        {
            memory.WriteWord(new PhysicalAddress(made.Value + (ulong)(i * geometry.EntryBytes)), geometry.EntryBytes,
                small.Entry.Leaf(new PhysicalAddress(first + ((ulong)i << small.Shift)), flags));
        }

        Write(table, address, level, made.Value | KernelTable, log);
        return true;
    }

    /// <summary>Makes the table that would hold an address's entry of a level, and maps nothing.</summary>
    /// <returns>False when no memory was left for it.</returns>
    public bool TryPrepare(PhysicalAddress root, VirtualAddress address, int level, ICollection<EntryWrite>? log = null) =>
        TryTable(root, address, level, KernelTable, log, out _);

    /// <summary>The deepest entry on the way to an address: a leaf, or the first that is not present.</summary>
    public (int Level, PhysicalAddress Table, ulong Entry) Find(PhysicalAddress root, VirtualAddress address)
    {
        PhysicalAddress table = root;
        for (int l = 0; ; l++)
        {
            PagingLevel level = geometry.Levels[l];
            ulong entry = Read(EntryAddress(table, level, address));
            if ((entry & X86Entry.Present) == 0 || level.Entry.IsLeaf(entry))
            {
                return (l, table, entry);
            }

            table = level.Entry.TableAddress(entry);
        }
    }

    private bool TryTable(PhysicalAddress root, VirtualAddress address, int level, ulong tableFlags, ICollection<EntryWrite>? log, out PhysicalAddress table)
    {
        table = root;
        for (int l = 0; l < level; l++)
        {
            PagingLevel of = geometry.Levels[l];
            ulong entry = Read(EntryAddress(table, of, address));
            if ((entry & X86Entry.Present) == 0)
            {
                if (allocateTable(l + 1) is not { } frame)
                {
                    return false;
                }

                ulong flags = ReferenceEquals(of.Entry, EntryFormats.PaeRoot) ? X86Entry.Present : tableFlags;
                entry = frame.StartAddress(geometry.PageSize).Value | flags;
                Write(table, address, l, entry, log);
            }
            else if (of.Entry.IsLeaf(entry))
            {
                throw new ModelInvariantException($"{address} is inside a large page; a smaller one cannot be mapped there");
            }

            table = of.Entry.TableAddress(entry);
        }

        return true;
    }

    private void Write(PhysicalAddress table, VirtualAddress address, int level, ulong entry, ICollection<EntryWrite>? log)
    {
        PagingLevel of = geometry.Levels[level];
        PhysicalAddress at = EntryAddress(table, of, address);
        log?.Add(new EntryWrite(level, of.Name, new VirtualAddress(Align.Down(address.Value, of.SpanBytes)), at, Read(at), entry));
        memory.WriteWord(at, geometry.EntryBytes, entry);
    }

    private PhysicalAddress EntryAddress(PhysicalAddress table, PagingLevel level, VirtualAddress address) =>
        new(table.Value + (ulong)(level.IndexOf(address) * geometry.EntryBytes));

    private ulong Read(PhysicalAddress at) =>
        memory.TryReadWord(at, geometry.EntryBytes, out ulong entry)
            ? entry
            : throw new ModelInvariantException($"the page-table entry at {at} lies outside memory");
}
