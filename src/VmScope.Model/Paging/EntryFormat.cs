using System.Collections.Immutable;

namespace VmScope.Paging;

/// <summary>One bit of a page-table entry and its names.</summary>
/// <param name="Mask">The bit.</param>
/// <param name="Name">Short name, as page-table dumps print it.</param>
/// <param name="Meaning">What it says when set.</param>
/// <param name="InLeaf">Whether it means that in an entry that maps a page.</param>
/// <param name="InTable">Whether it means that in an entry that points to a table.</param>
public sealed record EntryBit(ulong Mask, string Name, string Meaning, bool InLeaf = true, bool InTable = true);

/// <summary>How the entries of one level are read: where the address sits, which bit makes it a leaf, what bits mean.</summary>
/// <param name="TableAddressMask">Bits of the next table's physical address; 0 when the level has only leaves.</param>
/// <param name="LeafAddressMask">Bits of the page's physical address, in place; 0 when the level has no leaves.</param>
/// <param name="LeafMark">The bit that makes an entry a leaf; 0 when every entry of the level is one.</param>
/// <param name="HighAddressMask">Further address bits of a leaf that lie elsewhere in the entry (PSE-36); 0 for none.</param>
/// <param name="HighAddressShift">How far those are moved up.</param>
/// <param name="Bits">The bits worth naming.</param>
public sealed record EntryFormat(
    ulong TableAddressMask,
    ulong LeafAddressMask,
    ulong LeafMark,
    ulong HighAddressMask,
    int HighAddressShift,
    ImmutableArray<EntryBit> Bits)
{
    /// <summary>Whether entries of this level can map a page.</summary>
    public bool CanBeLeaf => LeafAddressMask != 0;

    /// <summary>Whether a present entry maps a page.</summary>
    public bool IsLeaf(ulong entry) => CanBeLeaf && (LeafMark == 0 || (entry & LeafMark) != 0);

    /// <summary>The physical address of the page a leaf maps.</summary>
    public PhysicalAddress PageAddress(ulong entry) =>
        new((entry & LeafAddressMask) | ((entry & HighAddressMask) << HighAddressShift));

    /// <summary>The physical address of the table an entry points to.</summary>
    public PhysicalAddress TableAddress(ulong entry) => new(entry & TableAddressMask);

    /// <summary>The entry that maps a page with the given flags.</summary>
    /// <exception cref="ArgumentException">The address needs bits the entry does not have.</exception>
    public ulong Leaf(PhysicalAddress page, ulong flags)
    {
        ulong high = HighAddressShift == 0 ? 0 : (page.Value >> HighAddressShift) & HighAddressMask;
        ulong entry = (page.Value & LeafAddressMask) | high | LeafMark | flags;
        return PageAddress(entry) == page
            ? entry
            : throw new ArgumentException($"an entry cannot hold the physical address {page}", nameof(page));
    }

    /// <summary>Flag bits of an entry, without its address.</summary>
    public ulong FlagsOf(ulong entry) => IsLeaf(entry)
        ? entry & ~(LeafAddressMask | HighAddressMask)
        : entry & ~TableAddressMask;

    /// <summary>The names of the bits that are set, in the order of the table.</summary>
    public ImmutableArray<string> Names(ulong entry)
    {
        bool leaf = IsLeaf(entry);
        return [.. Bits.Where(bit => (entry & bit.Mask) != 0 && (leaf ? bit.InLeaf : bit.InTable)).Select(bit => bit.Name)];
    }
}

/// <summary>The bits of x86 page-table entries.</summary>
/// <remarks>Source: Intel SDM volume 3, chapter "Paging"; arch/x86/include/asm/pgtable_types.h, 6.1.</remarks>
public static class X86Entry
{
    /// <summary>The entry is valid.</summary>
    public const ulong Present = 1UL << 0;

    /// <summary>Writing is allowed.</summary>
    public const ulong Writable = 1UL << 1;

    /// <summary>User mode may use it.</summary>
    public const ulong User = 1UL << 2;

    /// <summary>Page-level write-through.</summary>
    public const ulong WriteThrough = 1UL << 3;

    /// <summary>Page-level cache disable.</summary>
    public const ulong CacheDisable = 1UL << 4;

    /// <summary>The processor used it.</summary>
    public const ulong Accessed = 1UL << 5;

    /// <summary>The processor wrote through it.</summary>
    public const ulong Dirty = 1UL << 6;

    /// <summary>In a directory: maps a large page.</summary>
    public const ulong LargePage = 1UL << 7;

    /// <summary>Survives a change of address space in the TLB.</summary>
    public const ulong Global = 1UL << 8;

    /// <summary>Instructions may not be fetched (needs EFER.NXE and eight-byte entries).</summary>
    public const ulong NoExecute = 1UL << 63;
}

/// <summary>Entry formats of the levels of x86 page tables.</summary>
public static class EntryFormats
{
    /// <summary>Address bits 12 to 51: the widest an eight-byte entry holds.</summary>
    private const ulong AddressMask = 0x000f_ffff_ffff_f000;

    private const ulong AddressMask32 = 0xffff_f000;

    private static readonly ImmutableArray<EntryBit> Bits32 =
    [
        new(X86Entry.Present, "P", "present"),
        new(X86Entry.Writable, "RW", "writable"),
        new(X86Entry.User, "US", "user mode allowed"),
        new(X86Entry.WriteThrough, "PWT", "write-through"),
        new(X86Entry.CacheDisable, "PCD", "not cached"),
        new(X86Entry.Accessed, "A", "accessed"),
        new(X86Entry.Dirty, "D", "dirty", InTable: false),
        new(X86Entry.Global, "G", "global", InTable: false),
    ];

    private static readonly ImmutableArray<EntryBit> Bits64 =
        Bits32.Add(new(X86Entry.NoExecute, "NX", "no instruction fetch"));

    private static readonly EntryBit Pse = new(X86Entry.LargePage, "PSE", "maps a large page");
    private static readonly EntryBit PatInPage = new(1UL << 7, "PAT", "memory type from the attribute table", InTable: false);
    private static readonly EntryBit PatInLarge = new(1UL << 12, "PAT", "memory type from the attribute table", InTable: false);

    /// <summary>i386 directory entry: a table, or a 4 MiB page whose address bits 32 to 39 sit in bits 13 to 20 (PSE-36).</summary>
    public static EntryFormat I386Directory { get; } = new(
        AddressMask32, 0xffc0_0000, X86Entry.LargePage, 0x001f_e000, 19, Bits32.Add(Pse).Add(PatInLarge));

    /// <summary>i386 page-table entry.</summary>
    public static EntryFormat I386Page { get; } = new(0, AddressMask32, 0, 0, 0, Bits32.Add(PatInPage));

    /// <summary>An entry of the four-entry PAE root: only present, the cache bits and the address.</summary>
    public static EntryFormat PaeRoot { get; } = new(AddressMask, 0, 0, 0, 0,
    [
        new(X86Entry.Present, "P", "present"),
        new(X86Entry.WriteThrough, "PWT", "write-through"),
        new(X86Entry.CacheDisable, "PCD", "not cached"),
    ]);

    /// <summary>An eight-byte entry that can only point to a table.</summary>
    public static EntryFormat TableOnly { get; } = new(AddressMask, 0, 0, 0, 0, Bits64);

    /// <summary>An eight-byte page-table entry.</summary>
    public static EntryFormat Page { get; } = new(0, AddressMask, 0, 0, 0, Bits64.Add(PatInPage));

    /// <summary>An eight-byte entry that points to a table or maps a large page.</summary>
    /// <param name="shift">log2 of the large page: 21 or 30.</param>
    public static EntryFormat Large(int shift) => new(
        AddressMask, AddressMask & ~((1UL << shift) - 1), X86Entry.LargePage, 0, 0, Bits64.Add(Pse).Add(PatInLarge));
}
