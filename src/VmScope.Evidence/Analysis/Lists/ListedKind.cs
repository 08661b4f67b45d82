using System.Runtime.CompilerServices;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What an area is, by the most telling of its words.</summary>
public enum ListedKind
{
    /// <summary>Memory of the area's own.</summary>
    Vmalloc,

    /// <summary>Device registers or firmware tables.</summary>
    Ioremap,

    /// <summary>Pages of somebody else.</summary>
    Vmap,

    /// <summary>Memory shared with a device.</summary>
    DmaCoherent,

    /// <summary>A range whose pages come and go.</summary>
    Sparse,

    /// <summary>A block of short-lived mappings.</summary>
    VmMapRam,

    /// <summary>Freed, not yet purged.</summary>
    Unpurged,

    /// <summary>The line has no word that says.</summary>
    Unnamed,
}

/// <summary>Names of kinds and what decides them.</summary>
public static class ListedKinds
{
    /// <summary>How many kinds there are.</summary>
    public const int Count = 8;

    /// <summary>How many combinations the words that decide the kind have; <see cref="AreaFlags.Unpurged"/> is the highest.</summary>
    private const int Combinations = (int)AreaFlags.Unpurged * 2;

    /// <summary>
    /// The kinds of all combinations of words: where every row asks, looking it up spares the processor guesses it loses.
    /// </summary>
    internal static byte[] Table()
    {
        byte[] kinds = new byte[Combinations];
        for (int words = 0; words < kinds.Length; words++)
        {
            kinds[words] = (byte)Of((AreaFlags)words);
        }

        return kinds;
    }

    /// <summary>The kind of an area with these words, from <see cref="Table"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ListedKind Of(AreaFlags flags, byte[] table) => (ListedKind)table[(int)flags & (Combinations - 1)];

    /// <summary>The kind of an area with these words.</summary>
    public static ListedKind Of(AreaFlags flags)
    {
        AreaFlags words = flags & AreaFlags.Words;
        if ((words & AreaFlags.Unpurged) != AreaFlags.None)
        {
            return ListedKind.Unpurged;
        }

        if ((words & AreaFlags.VmMapRam) != AreaFlags.None)
        {
            return ListedKind.VmMapRam;
        }

        if ((words & AreaFlags.Ioremap) != AreaFlags.None)
        {
            return ListedKind.Ioremap;
        }

        if ((words & AreaFlags.DmaCoherent) != AreaFlags.None)
        {
            return ListedKind.DmaCoherent;
        }

        if ((words & AreaFlags.Sparse) != AreaFlags.None)
        {
            return ListedKind.Sparse;
        }

        if ((words & AreaFlags.Vmap) != AreaFlags.None)
        {
            return ListedKind.Vmap;
        }

        return (words & (AreaFlags.Vmalloc | AreaFlags.User)) != AreaFlags.None ? ListedKind.Vmalloc : ListedKind.Unnamed;
    }

    /// <summary>The name in JSON, CSV and tables: the kernel's own word.</summary>
    public static string Name(ListedKind kind) => kind switch
    {
        ListedKind.Vmalloc => "vmalloc",
        ListedKind.Ioremap => "ioremap",
        ListedKind.Vmap => "vmap",
        ListedKind.DmaCoherent => "dma-coherent",
        ListedKind.Sparse => "sparse",
        ListedKind.VmMapRam => "vm_map_ram",
        ListedKind.Unpurged => "unpurged",
        ListedKind.Unnamed => "unnamed",
    };

    /// <summary>What such areas are, in one clause.</summary>
    public static string Meaning(ListedKind kind) => kind switch
    {
        ListedKind.Vmalloc => "memory allocated page by page, contiguous only in addresses",
        ListedKind.Ioremap => "registers of devices and firmware tables; no RAM of its own",
        ListedKind.Vmap => "pages allocated elsewhere, shown here at consecutive addresses",
        ListedKind.DmaCoherent => "memory shared with a device",
        ListedKind.Sparse => "a reserved range whose pages come and go",
        ListedKind.VmMapRam => "a block cut into short-lived mappings; no guard page",
        ListedKind.Unpurged => "freed; the addresses wait for the next purge, the memory is already back",
        ListedKind.Unnamed => "the list does not say",
    };
}
