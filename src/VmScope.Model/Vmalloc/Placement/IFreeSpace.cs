using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>The free blocks of an address space, handed out as the kernel's tree of free blocks hands them out.</summary>
/// <remarks>
/// One implementation runs the kernel's own red-black tree and is the reference; another gives the same addresses
/// faster. Every range of addresses is [start, end) in bytes; nothing here knows of guard pages, lazy freeing or pools.
/// Source: mm/vmalloc.c, __alloc_vmap_area(), find_vmap_lowest_match(), merge_or_add_vmap_area(), 5.2 to 7.1.
/// </remarks>
public interface IFreeSpace
{
    /// <summary>How long a block the search looks for.</summary>
    FreeSearchRule Rule { get; }

    /// <summary>The number of free blocks.</summary>
    int BlockCount { get; }

    /// <summary>Finds where the kernel would put an area, and changes nothing.</summary>
    /// <param name="sizeBytes">Size with the guard page; at least 1, in whole pages.</param>
    /// <param name="alignBytes">A power of two, 1 or more.</param>
    /// <param name="windowStart">The lowest address allowed (the kernel's vstart).</param>
    /// <param name="windowEnd">The exclusive end of what is allowed (the kernel's vend).</param>
    /// <param name="address">The start of the area.</param>
    /// <returns>
    /// False when no block is found, or (quirk) when the one block that the search ends at would make the area pass
    /// <paramref name="windowEnd"/>: the kernel does not look for another.
    /// </returns>
    bool TryFind(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address);

    /// <summary>Finds the place as <see cref="TryFind"/> does and cuts the area out of its block.</summary>
    /// <returns>False when there is no place; then nothing changed.</returns>
    bool TryPlace(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address);

    /// <summary>Finds the place, and cuts the area out only when it is the expected one: one search for a replay's two questions.</summary>
    /// <param name="sizeBytes">As in <see cref="TryFind"/>.</param>
    /// <param name="alignBytes">As in <see cref="TryFind"/>.</param>
    /// <param name="windowStart">As in <see cref="TryFind"/>.</param>
    /// <param name="windowEnd">As in <see cref="TryFind"/>.</param>
    /// <param name="expected">The address to take.</param>
    /// <param name="address">Where the area would go; 0 without room.</param>
    ExpectedPlace PlaceExpected(
        ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, ulong expected, out ulong address)
    {
        if (!TryFind(sizeBytes, alignBytes, windowStart, windowEnd, out address))
        {
            return ExpectedPlace.NoRoom;
        }

        return address == expected && TryReserve(address, sizeBytes) ? ExpectedPlace.Placed : ExpectedPlace.Elsewhere;
    }

    /// <summary>Cuts a known area out of the block that holds it, by the kernel's rules of cutting.</summary>
    /// <returns>False when no single block holds all of it; then nothing changed.</returns>
    bool TryReserve(ulong start, ulong sizeBytes);

    /// <summary>Returns a range, merging it with the neighbours it touches.</summary>
    /// <exception cref="ArgumentException">Empty, or overlaps a free block; then nothing changed.</exception>
    void Insert(ulong start, ulong endExclusive);

    /// <summary>The block with the greatest start that is not above <paramref name="address"/>.</summary>
    /// <returns>False when every block starts above it.</returns>
    bool TryBlockAtOrBelow(ulong address, out FreeBlock block);

    /// <summary>The block with the smallest start above <paramref name="address"/>; walking up from 0 meets every block.</summary>
    /// <returns>False when none starts above it.</returns>
    bool TryBlockAbove(ulong address, out FreeBlock block);

    /// <summary>An independent copy that answers every later request alike; used to try an order of events out.</summary>
    IFreeSpace Clone();

    /// <summary>Checks the order of the blocks and whatever the structure promises of itself.</summary>
    /// <exception cref="InvalidOperationException">A promise is broken; the message says which and where.</exception>
    void CheckInvariants();
}
