using System.Collections.Immutable;

namespace VmScope.Paging;

/// <summary>One level of a page table: which address bits choose the entry, and what entries there can be.</summary>
/// <param name="Name">The kernel's name: pgd, p4d, pud, pmd or pte.</param>
/// <param name="Shift">The lowest address bit of the index; a leaf here maps 2^Shift bytes.</param>
/// <param name="IndexBits">How many bits the index has.</param>
/// <param name="Entry">How to read an entry of this level.</param>
public sealed record PagingLevel(string Name, int Shift, int IndexBits, EntryFormat Entry)
{
    /// <summary>Entries in a table.</summary>
    public int EntryCount => 1 << IndexBits;

    /// <summary>Bytes one entry covers.</summary>
    public ulong SpanBytes => 1UL << Shift;

    /// <summary>The index of an address's entry in its table.</summary>
    public int IndexOf(VirtualAddress address) => (int)((address.Value >> Shift) & ((1UL << IndexBits) - 1));
}

/// <summary>The shape of a page table: its levels from the root down. Pure data; walker and mapper read it.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="EntryBytes">4 or 8.</param>
/// <param name="VirtualBits">Address bits that are translated.</param>
/// <param name="SignExtends">Whether the bits above repeat the highest translated one.</param>
/// <param name="Levels">The levels, root first.</param>
public sealed record PagingGeometry(
    string Name, int EntryBytes, int VirtualBits, bool SignExtends, ImmutableArray<PagingLevel> Levels)
{
    /// <summary>The size of an ordinary page.</summary>
    public PageSize PageSize => new(Levels[^1].Shift);

    /// <summary>Whether the processor accepts the address at all (x86-64: "canonical").</summary>
    public bool IsCanonical(VirtualAddress address) => SignExtends
        ? SignExtend(address.Value) == address.Value
        : VirtualBits == 64 || address.Value >> VirtualBits == 0;

    /// <summary>Makes an address from its translated bits.</summary>
    public VirtualAddress Address(ulong translatedBits) => new(SignExtends ? SignExtend(translatedBits) : translatedBits);

    /// <summary>The index of the level whose leaves have this size; -1 when there is none.</summary>
    public int LevelOfPage(ulong pageBytes)
    {
        for (int level = 0; level < Levels.Length; level++)
        {
            if (Levels[level].SpanBytes == pageBytes && Levels[level].Entry.CanBeLeaf)
            {
                return level;
            }
        }

        return -1;
    }

    private ulong SignExtend(ulong value)
    {
        int unused = 64 - VirtualBits;
        return unchecked((ulong)((long)(value << unused) >> unused));
    }
}

/// <summary>The page-table shapes vmscope knows.</summary>
/// <remarks>Source: Intel SDM volume 3, chapter "Paging"; arch/x86/include/asm/pgtable-*level_types.h.</remarks>
public static class PagingGeometries
{
    /// <summary>i386 without PAE: two levels of 1024 four-byte entries; 4 MiB pages in the directory.</summary>
    public static PagingGeometry I386 { get; } = new("i386, two levels", 4, 32, SignExtends: false,
    [
        new("pgd", 22, 10, EntryFormats.I386Directory),
        new("pte", 12, 10, EntryFormats.I386Page),
    ]);

    /// <summary>i386 with PAE: a root of four entries, then 512 and 512 of eight bytes; 2 MiB pages.</summary>
    public static PagingGeometry I386Pae { get; } = new("i386 PAE, three levels", 8, 32, SignExtends: false,
    [
        new("pgd", 30, 2, EntryFormats.PaeRoot),
        new("pmd", 21, 9, EntryFormats.Large(21)),
        new("pte", 12, 9, EntryFormats.Page),
    ]);

    /// <summary>x86-64 with four levels: 48 address bits; 2 MiB and 1 GiB pages.</summary>
    public static PagingGeometry X64 { get; } = new("x86-64, four levels", 8, 48, SignExtends: true,
    [
        new("pgd", 39, 9, EntryFormats.TableOnly),
        new("pud", 30, 9, EntryFormats.Large(30)),
        new("pmd", 21, 9, EntryFormats.Large(21)),
        new("pte", 12, 9, EntryFormats.Page),
    ]);

    /// <summary>x86-64 with five levels: 57 address bits.</summary>
    public static PagingGeometry X64FiveLevel { get; } = new("x86-64, five levels", 8, 57, SignExtends: true,
    [
        new("pgd", 48, 9, EntryFormats.TableOnly),
        new("p4d", 39, 9, EntryFormats.TableOnly),
        new("pud", 30, 9, EntryFormats.Large(30)),
        new("pmd", 21, 9, EntryFormats.Large(21)),
        new("pte", 12, 9, EntryFormats.Page),
    ]);

    /// <summary>Every shape, for tests that must hold for all of them.</summary>
    public static ImmutableArray<PagingGeometry> All { get; } = [I386, I386Pae, X64, X64FiveLevel];
}
