using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmScope.Vmalloc;

/// <summary>A leaf of <see cref="AreaIndex"/>: 32 areas as parallel arrays, made to be compared all at once.</summary>
/// <remarks>
/// <code>
/// byte   0  offset  uint16 x 32   first page of the area, counted from the first area of the leaf
///       64  size    uint16 x 32   pages of the area
///      128  hole    uint16 x 32   pages of the hole behind it
///      192  block   int32  x 32   id of that hole
/// </code>
/// Five cache lines: a look-up reads two of them, a change all. Where the leaf begins stands in its parent; areas farther
/// from there than an offset holds are in another leaf. Areas fill the lanes from 0 on. Unused lanes hold
/// <see cref="Unused"/> as their offset and zeros, so no search needs a count.
/// Page counts stop at <see cref="Saturated"/>, which means "this or more". Leaves begin at multiples of 64 bytes.
/// </remarks>
internal static unsafe class LeafNode
{
    internal const int Lanes = 32;
    internal const int Bytes = 320;
    internal const int Unused = ushort.MaxValue;
    internal const int Saturated = ushort.MaxValue;

    private const int SizeOffset = 64;
    private const int HoleOffset = 128;
    private const int BlockOffset = 192;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ushort* Offsets(byte* leaf) => (ushort*)leaf;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ushort* Sizes(byte* leaf) => unchecked((ushort*)(leaf + SizeOffset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ushort* Holes(byte* leaf) => unchecked((ushort*)(leaf + HoleOffset));

    /// <summary>The ids of the holes; 0 where an area touches the next one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Blocks(byte* leaf) => unchecked((int*)(leaf + BlockOffset));

    /// <summary>Makes every lane unused.</summary>
    internal static void Clear(byte* leaf)
    {
        new Span<ushort>(Offsets(leaf), Lanes).Fill(Unused);
        new Span<byte>(leaf + SizeOffset, Bytes - SizeOffset).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool IsFull(byte* leaf) => unchecked(Offsets(leaf)[Lanes - 1]) != Unused;

    /// <summary>Whether there is no area behind a lane.</summary>
    internal static bool IsLast(byte* leaf, int lane) => lane == Lanes - 1 || Offsets(leaf)[lane + 1] == Unused;

    /// <summary>Asks for what a look-up reads beside the offsets, so that it arrives together with them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void PrefetchSizes(byte* leaf)
    {
        if (Sse.IsSupported)
        {
            unchecked
            {
                Sse.Prefetch0(leaf + SizeOffset);
            }
        }
    }

    /// <summary>Asks for all that a change of the leaf reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Prefetch(byte* leaf)
    {
        if (Sse.IsSupported)
        {
            unchecked
            {
                Sse.Prefetch0(leaf);
                Sse.Prefetch0(leaf + SizeOffset);
                Sse.Prefetch0(leaf + HoleOffset);
                Sse.Prefetch0(leaf + BlockOffset);
                Sse.Prefetch0(leaf + BlockOffset + 64);
            }
        }
    }

    /// <summary>The number of areas.</summary>
    internal static int Count(byte* leaf) => CountUpTo(leaf, Unused - 1);

    /// <summary>How many areas start at or below an offset; the one before is the one that may contain it.</summary>
    /// <param name="leaf">The leaf.</param>
    /// <param name="offset">In pages; beyond what a lane holds, all areas count.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountAtOrBelow(byte* leaf, long offset) =>
        CountUpTo(leaf, unchecked((ushort)Math.Min(offset, Unused - 1)));

    /// <summary>The same for an offset that a lane holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo(byte* leaf, ushort offset) =>
        Lanes512.IsSupported ? Lanes512.CountUpTo(Offsets(leaf), offset)
        : Lanes256.IsSupported ? Lanes256.CountUpTo(Offsets(leaf), offset)
        : PlainLanes.CountUpTo(Offsets(leaf), offset);

    /// <summary>One bit per area with a hole of at least so many pages behind it; 1 to <see cref="Saturated"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint HolesOfAtLeast(byte* leaf, int pages) => HoleLanes.AtLeast(Holes(leaf), pages);

    /// <summary>The largest hole.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LargestHole(byte* leaf) => HoleLanes.Largest(Holes(leaf));

    /// <summary>One bit per area with a hole behind it that is in the kernel's tree.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint WithBlock(byte* leaf)
    {
        if (Lanes512.IsSupported)
        {
            return Lanes512.AboveZero(Blocks(leaf));
        }

        unchecked
        {
            uint mask = 0;
            for (int lane = 0; lane < Lanes; lane += 4)
            {
                mask |= Vector128.GreaterThan(Vector128.LoadAligned(Blocks(leaf) + lane), Vector128<int>.Zero).ExtractMostSignificantBits() << lane;
            }

            return mask;
        }
    }

    /// <summary>
    /// Puts an area behind lane <paramref name="lane"/>, which gets another hole; all later ones move up by one. The leaf
    /// has room. Behind lane -1 is the first place, and nothing gets the hole.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void InsertBehind(byte* leaf, int lane, int holeBefore, int blockBefore, int offset, int size, int hole, int block)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.InsertBehind(leaf, lane, holeBefore, blockBefore, offset, size, hole, block);
        }
        else if (Lanes256.IsSupported)
        {
            Lanes256.InsertBehind(leaf, lane, holeBefore, blockBefore, offset, size, hole, block);
        }
        else
        {
            PlainLanes.InsertBehind(leaf, lane, holeBefore, blockBefore, offset, size, hole, block);
        }
    }

    /// <summary>
    /// Removes the area behind lane <paramref name="lane"/>, which gets another hole; later ones move down. Behind lane -1
    /// stands the first area, and nothing gets the hole.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void RemoveBehind(byte* leaf, int lane, int holeBefore, int blockBefore)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.RemoveBehind(leaf, lane, holeBefore, blockBefore);
        }
        else if (Lanes256.IsSupported)
        {
            Lanes256.RemoveBehind(leaf, lane, holeBefore, blockBefore);
        }
        else
        {
            PlainLanes.RemoveBehind(leaf, lane, holeBefore, blockBefore);
        }
    }

    /// <summary>Counts offsets from a first page so many pages higher.</summary>
    internal static void Rebase(byte* leaf, int pages)
    {
        unchecked
        {
            Vector128<ushort> unused = Vector128.Create((ushort)Unused);
            for (int lane = 0; lane < Lanes; lane += 8)
            {
                Vector128<ushort> offsets = Vector128.LoadAligned(Offsets(leaf) + lane);
                Vector128.ConditionalSelect(Vector128.Equals(offsets, unused), unused, offsets - Vector128.Create((ushort)pages)).StoreAligned(Offsets(leaf) + lane);
            }
        }
    }

    /// <summary>
    /// Moves <paramref name="count"/> areas into unused lanes of another leaf, which begins so many pages higher (or lower).
    /// The lanes they leave are the last of theirs.
    /// </summary>
    internal static void Move(byte* from, int fromLane, int count, byte* to, int toLane, int pagesHigher)
    {
        for (int lane = 0; lane < count; lane++)
        {
            Offsets(to)[toLane + lane] = (ushort)(Offsets(from)[fromLane + lane] - pagesHigher);
        }

        new Span<ushort>(Offsets(from) + fromLane, count).Fill(Unused);
        MoveLanes(Sizes(from) + fromLane, Sizes(to) + toLane, count);
        MoveLanes(Holes(from) + fromLane, Holes(to) + toLane, count);
        MoveLanes(Blocks(from) + fromLane, Blocks(to) + toLane, count);
    }

    private static void MoveLanes<T>(T* from, T* to, int count) where T : unmanaged
    {
        Span<T> lanes = new(from, count);
        lanes.CopyTo(new(to, count));
        lanes.Clear();
    }
}
