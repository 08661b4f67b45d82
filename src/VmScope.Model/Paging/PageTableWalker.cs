using System.Collections.Immutable;
using VmScope.Physical;

namespace VmScope.Paging;

/// <summary>How a walk through the page tables ended.</summary>
public enum WalkEnd
{
    /// <summary>At an entry that maps a page.</summary>
    Mapped,

    /// <summary>At an entry that is not present.</summary>
    NotPresent,

    /// <summary>The address is not canonical: the processor does not even look.</summary>
    NotCanonical,

    /// <summary>A table lies where there is no memory to read.</summary>
    TableUnreadable,
}

/// <summary>One step of a walk: the entry that was read and what it says.</summary>
/// <param name="Level">The level, by the geometry's index.</param>
/// <param name="LevelName">pgd, p4d, pud, pmd or pte.</param>
/// <param name="Table">Physical address of the table.</param>
/// <param name="Index">Index of the entry in it.</param>
/// <param name="EntryAddress">Physical address of the entry.</param>
/// <param name="Entry">The entry as it stands there; 0 when it could not be read.</param>
/// <param name="Flags">Names of the set bits.</param>
/// <param name="Text">What the step found, in words.</param>
public sealed record WalkStep(
    int Level, string LevelName, PhysicalAddress Table, int Index, PhysicalAddress EntryAddress, ulong Entry,
    ImmutableArray<string> Flags, string Text);

/// <summary>A virtual address's way through the page tables.</summary>
/// <param name="Address">The address.</param>
/// <param name="End">How it ended.</param>
/// <param name="Steps">The entries read, root first.</param>
/// <param name="Translation">The result; null unless <see cref="WalkEnd.Mapped"/>.</param>
public sealed record PageWalk(VirtualAddress Address, WalkEnd End, ImmutableArray<WalkStep> Steps, Translation? Translation);

/// <summary>What a leaf entry says about the addresses it maps.</summary>
/// <param name="Page">Physical address of the page.</param>
/// <param name="PageShift">log2 of the page's bytes.</param>
/// <param name="Entry">The leaf entry.</param>
/// <param name="Rights">Bits that hold only when every level grants them: writable and user; plus no-execute when any level forbids.</param>
public readonly record struct Translation(PhysicalAddress Page, int PageShift, ulong Entry, ulong Rights)
{
    /// <summary>The physical address a virtual one translates to.</summary>
    public PhysicalAddress Of(VirtualAddress address) => new(Page.Value | (address.Value & ((1UL << PageShift) - 1)));
}

/// <summary>A run of equal mappings: virtual addresses and what is behind them.</summary>
/// <param name="Range">The addresses.</param>
/// <param name="LevelName">The level of the leaf entries.</param>
/// <param name="First">Physical address of the first page.</param>
/// <param name="PageShift">log2 of the bytes per page.</param>
/// <param name="Flags">Flag bits of the leaf entries.</param>
/// <param name="Rights">Rights after every level had its say.</param>
/// <param name="IsContiguous">Whether the pages follow each other physically.</param>
public sealed record MappedRun(
    VirtualRange Range, string LevelName, PhysicalAddress First, int PageShift, ulong Flags, ulong Rights, bool IsContiguous);

/// <summary>Translates addresses by reading page tables, as the processor does on a TLB miss.</summary>
/// <param name="geometry">The shape of the tables.</param>
/// <param name="memory">Where the tables lie: a modelled machine or a dump.</param>
public sealed class PageTableWalker(PagingGeometry geometry, IPhysicalMemory memory)
{
    /// <summary>Rights that every level must grant.</summary>
    private const ulong Granted = X86Entry.Writable | X86Entry.User;

    /// <summary>The shape of the tables.</summary>
    public PagingGeometry Geometry => geometry;

    /// <summary>Translates without explaining.</summary>
    /// <param name="root">Physical address of the root table (CR3 without its low bits).</param>
    /// <param name="address">The address.</param>
    /// <param name="translation">The result.</param>
    public WalkEnd Translate(PhysicalAddress root, VirtualAddress address, out Translation translation)
    {
        translation = default;
        if (!geometry.IsCanonical(address))
        {
            return WalkEnd.NotCanonical;
        }

        ulong table = root.Value;
        ulong rights = Granted;
        foreach (PagingLevel level in geometry.Levels)
        {
            PhysicalAddress at = new(table + (ulong)(level.IndexOf(address) * geometry.EntryBytes));
            if (!memory.TryReadWord(at, geometry.EntryBytes, out ulong entry))
            {
                return WalkEnd.TableUnreadable;
            }

            if ((entry & X86Entry.Present) == 0)
            {
                return WalkEnd.NotPresent;
            }

            rights = Narrow(rights, level, entry);
            if (level.Entry.IsLeaf(entry))
            {
                translation = new Translation(level.Entry.PageAddress(entry), level.Shift, entry, rights);
                return WalkEnd.Mapped;
            }

            table = level.Entry.TableAddress(entry).Value;
        }

        throw new ModelInvariantException($"{geometry.Name}: the last level has entries that are no leaves");
    }

    /// <summary>Translates and tells every step.</summary>
    public PageWalk Walk(PhysicalAddress root, VirtualAddress address)
    {
        if (!geometry.IsCanonical(address))
        {
            return new PageWalk(address, WalkEnd.NotCanonical, [], Translation: null);
        }

        ImmutableArray<WalkStep>.Builder steps = ImmutableArray.CreateBuilder<WalkStep>();
        PhysicalAddress table = root;
        ulong rights = Granted;
        for (int l = 0; l < geometry.Levels.Length; l++)
        {
            PagingLevel level = geometry.Levels[l];
            int index = level.IndexOf(address);
            PhysicalAddress at = new(table.Value + (ulong)(index * geometry.EntryBytes));
            WalkStep Step(ulong entry, string text) =>
                new(l, level.Name, table, index, at, entry, level.Entry.Names(entry), text);
            if (!memory.TryReadWord(at, geometry.EntryBytes, out ulong entry))
            {
                steps.Add(Step(0, "the table lies outside readable memory"));
                return new PageWalk(address, WalkEnd.TableUnreadable, steps.ToImmutable(), Translation: null);
            }

            if ((entry & X86Entry.Present) == 0)
            {
                steps.Add(Step(entry, entry == 0 ? "empty: nothing is mapped here" : "not present: the processor ignores its other bits"));
                return new PageWalk(address, WalkEnd.NotPresent, steps.ToImmutable(), Translation: null);
            }

            rights = Narrow(rights, level, entry);
            if (level.Entry.IsLeaf(entry))
            {
                Translation translation = new(level.Entry.PageAddress(entry), level.Shift, entry, rights);
                steps.Add(Step(entry, $"maps the {SizeName(level.Shift)} page at {translation.Page}; offset 0x{address.Value & (level.SpanBytes - 1):x} gives {translation.Of(address)}"));
                return new PageWalk(address, WalkEnd.Mapped, steps.ToImmutable(), translation);
            }

            PhysicalAddress next = level.Entry.TableAddress(entry);
            steps.Add(Step(entry, $"points to the {geometry.Levels[l + 1].Name} table at {next}"));
            table = next;
        }

        throw new ModelInvariantException($"{geometry.Name}: the last level has entries that are no leaves");
    }

    /// <summary>Lists what is mapped, neighbours with equal level and flags joined.</summary>
    /// <param name="root">Physical address of the root table.</param>
    /// <param name="within">Which addresses to look at; null for all.</param>
    /// <param name="joinScattered">Whether pages that do not follow each other physically are still one run.</param>
    public IEnumerable<MappedRun> Runs(PhysicalAddress root, VirtualRange? within = null, bool joinScattered = true)
    {
        MappedRun? run = null;
        ulong expected = 0;
        foreach ((ulong start, int l, ulong entry, ulong rights) in Leaves(root, 0, 0, Granted, within))
        {
            PagingLevel level = geometry.Levels[l];
            VirtualAddress at = geometry.Address(start);
            PhysicalAddress page = level.Entry.PageAddress(entry);
            ulong flags = level.Entry.FlagsOf(entry);
            bool isNext = page.Value == expected;
            if (run is not null && run.Range.EndExclusive == at && run.PageShift == level.Shift && run.Flags == flags
                && run.Rights == rights && (isNext || joinScattered))
            {
                run = run with
                {
                    Range = new VirtualRange(run.Range.Start, run.Range.SizeBytes + level.SpanBytes),
                    IsContiguous = run.IsContiguous && isNext,
                };
            }
            else
            {
                if (run is not null)
                {
                    yield return run;
                }

                run = new MappedRun(new VirtualRange(at, level.SpanBytes), level.Name, page, level.Shift, flags, rights, IsContiguous: true);
            }

            expected = page.Value + level.SpanBytes;
        }

        if (run is not null)
        {
            yield return run;
        }
    }

    /// <summary>Physical addresses of all tables reachable from a root, the root first.</summary>
    public IEnumerable<(int Level, PhysicalAddress Table)> Tables(PhysicalAddress root) => Tables(0, root);

    /// <summary>Physical addresses of the tables that an address's entry of a level leads to, the highest first; none for a leaf.</summary>
    internal IEnumerable<PhysicalAddress> TablesUnder(PhysicalAddress root, VirtualAddress address, int level)
    {
        PhysicalAddress table = root;
        for (int l = 0; l <= level; l++)
        {
            PagingLevel of = geometry.Levels[l];
            PhysicalAddress at = new(table.Value + (ulong)(of.IndexOf(address) * geometry.EntryBytes));
            if (!memory.TryReadWord(at, geometry.EntryBytes, out ulong entry) || (entry & X86Entry.Present) == 0 || of.Entry.IsLeaf(entry))
            {
                return [];
            }

            table = of.Entry.TableAddress(entry);
        }

        return Tables(level + 1, table).Select(found => found.Table);
    }

    private IEnumerable<(int Level, PhysicalAddress Table)> Tables(int first, PhysicalAddress root)
    {
        HashSet<ulong> seen = [];
        Stack<(int Level, PhysicalAddress Table)> open = new([(first, root)]);
        while (open.TryPop(out (int Level, PhysicalAddress Table) next))
        {
            if (!seen.Add(next.Table.Value))
            {
                continue;
            }

            yield return next;
            PagingLevel level = geometry.Levels[next.Level];
            for (int i = level.EntryCount - 1; i >= 0; i--)
            {
                PhysicalAddress at = new(next.Table.Value + (ulong)(i * geometry.EntryBytes));
                if (memory.TryReadWord(at, geometry.EntryBytes, out ulong entry)
                    && (entry & X86Entry.Present) != 0 && !level.Entry.IsLeaf(entry))
                {
                    open.Push((next.Level + 1, level.Entry.TableAddress(entry)));
                }
            }
        }
    }

    /// <summary>4 KiB, 2 MiB and so on.</summary>
    public static string SizeName(int shift) => shift switch
    {
        >= 40 => $"{1UL << (shift - 40)} TiB",
        >= 30 => $"{1UL << (shift - 30)} GiB",
        >= 20 => $"{1UL << (shift - 20)} MiB",
        _ => $"{1UL << (shift - 10)} KiB",
    };

    private ulong Narrow(ulong rights, PagingLevel level, ulong entry)
    {
        // A PAE root entry has no rights of its own: it grants whatever the levels below grant.
        ulong granted = ReferenceEquals(level.Entry, EntryFormats.PaeRoot) ? Granted : entry & Granted;
        ulong forbidden = geometry.EntryBytes == 8 ? entry & X86Entry.NoExecute : 0;
        return (rights & Granted & granted) | (rights & X86Entry.NoExecute) | forbidden;
    }

    private IEnumerable<(ulong Start, int Level, ulong Entry, ulong Rights)> Leaves(
        PhysicalAddress table, int l, ulong start, ulong rights, VirtualRange? within)
    {
        PagingLevel level = geometry.Levels[l];
        byte[] bytes = new byte[level.EntryCount * geometry.EntryBytes];
        if (!memory.TryRead(table, bytes))
        {
            yield break;
        }

        for (int i = 0; i < level.EntryCount; i++)
        {
            ulong entry = geometry.EntryBytes == 4
                ? BitConverter.ToUInt32(bytes, i * 4)
                : BitConverter.ToUInt64(bytes, i * 8);
            if ((entry & X86Entry.Present) == 0)
            {
                continue;
            }

            ulong at = start + ((ulong)i << level.Shift);
            if (within is { } range && !range.Overlaps(new VirtualRange(geometry.Address(at), level.SpanBytes)))
            {
                continue;
            }

            ulong narrowed = Narrow(rights, level, entry);
            if (level.Entry.IsLeaf(entry))
            {
                yield return (at, l, entry, narrowed);
            }
            else
            {
                foreach ((ulong Start, int Level, ulong Entry, ulong Rights) leaf in
                    Leaves(level.Entry.TableAddress(entry), l + 1, at, narrowed, within))
                {
                    yield return leaf;
                }
            }
        }
    }
}
