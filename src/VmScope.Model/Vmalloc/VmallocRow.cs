namespace VmScope.Vmalloc;

/// <summary>Pages of an area that lie on one NUMA node.</summary>
/// <param name="Node">The node's number.</param>
/// <param name="Pages">Pages there.</param>
public readonly record struct NodePages(int Node, uint Pages);

/// <summary>One line of /proc/vmallocinfo, as it was printed.</summary>
/// <remarks>
/// A plain value without references, so that a million of them cost what they hold. Texts are numbers of a
/// <see cref="TextTable"/>, node counts a run of the array that comes with the rows.
/// Source: mm/vmalloc.c, s_show() in 2.6.28, vmalloc_info_show() in 7.1.
/// </remarks>
public record struct VmallocRow
{
    /// <summary>The first address, as printed: a hash when the kernel hides addresses.</summary>
    public ulong Start { get; set; }

    /// <summary>The exclusive end, as printed.</summary>
    public ulong End { get; set; }

    /// <summary>The size as printed, in bytes, guard page included.</summary>
    public ulong SizeBytes { get; set; }

    /// <summary>The physical address behind phys=; 0 without one.</summary>
    public ulong Phys { get; set; }

    /// <summary>The line in the file, counted from 1; 0 for a row that was not read from a file.</summary>
    public long Line { get; set; }

    /// <summary>The number behind pages=: pages the area owns, guard not included; 0 without one.</summary>
    public uint Pages { get; set; }

    /// <summary>Number of the owner's text in the report's callers; 0 when the line names none.</summary>
    public int Caller { get; set; }

    /// <summary>Number of the words nobody knows, in the report's texts; 0 when every word was known.</summary>
    public int UnknownWords { get; set; }

    /// <summary>Where the area's node counts begin in the array that comes with the rows.</summary>
    public int FirstNode { get; set; }

    /// <summary>How many node counts the line has.</summary>
    public ushort NodeCount { get; set; }

    /// <summary>Digits of phys= as printed, without 0x; 0 without one.</summary>
    public byte PhysDigits { get; set; }

    /// <summary>Hexadecimal digits of the addresses: 8 or 16 in kernel text.</summary>
    public byte AddressDigits { get; set; }

    /// <summary>The words of the line.</summary>
    public AreaFlags Flags { get; set; }

    /// <summary>Whether the two addresses are as far apart as the size says: not so when they are hashes.</summary>
    public readonly bool AddressesMatchSize =>
        (Flags & AreaFlags.AddressHidden) == AreaFlags.None && unchecked(End - Start) == SizeBytes;

    /// <summary>Whether every one of the words is there.</summary>
    public readonly bool Has(AreaFlags flags) => (Flags & flags) == flags;
}
