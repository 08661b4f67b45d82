using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace VmScope.Vmalloc;

/// <summary>A node of <see cref="AreaIndex"/>: 32 entries as parallel arrays, made to be compared all at once.</summary>
/// <remarks>
/// <code>
/// byte   0  first page  int64 x 32   leaf: of the area         inner: of the first area below the child
///      256  hole        int32 x 32   leaf: pages behind area   inner: the largest below the child
///      384  size        int32 x 32   leaf: pages of the area   inner: the child's id
///      512  block       int32 x 32   leaf: id of the hole      inner: unused
/// </code>
/// Entries fill the lanes from 0 on. Unused lanes hold <see cref="Unused"/> as their first page and zeros, so no search
/// needs a count. Signed lanes throughout: 256-bit machines compare only those. Page counts stop at
/// <see cref="Saturated"/>, which means "this or more". Nodes begin at multiples of 64 bytes.
/// </remarks>
internal static unsafe class WideNode
{
    internal const int Lanes = 32;
    internal const int Bytes = 640;
    internal const long Unused = long.MaxValue;
    internal const int Saturated = int.MaxValue;

    private const int HoleOffset = 256;
    private const int SizeOffset = 384;
    private const int BlockOffset = 512;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long* Starts(byte* node) => (long*)node;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Holes(byte* node) => unchecked((int*)(node + HoleOffset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Sizes(byte* node) => unchecked((int*)(node + SizeOffset));

    /// <summary>The ids of the children of an inner node.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Children(byte* node) => unchecked((int*)(node + SizeOffset));

    /// <summary>The ids of the holes of a leaf; 0 where an area touches the next one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Blocks(byte* node) => unchecked((int*)(node + BlockOffset));

    /// <summary>Makes every lane unused.</summary>
    internal static void Clear(byte* node)
    {
        new Span<long>(Starts(node), Lanes).Fill(Unused);
        new Span<byte>(node + HoleOffset, Bytes - HoleOffset).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool IsFull(byte* node) => unchecked(Starts(node)[Lanes - 1]) != Unused;

    /// <summary>Asks for what a change of a leaf will read beside the first pages, so that it arrives all at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Prefetch(byte* leaf)
    {
        if (Sse.IsSupported)
        {
            unchecked
            {
                Sse.Prefetch0(leaf + HoleOffset);
                Sse.Prefetch0(leaf + HoleOffset + 64);
                Sse.Prefetch0(leaf + SizeOffset);
                Sse.Prefetch0(leaf + SizeOffset + 64);
                Sse.Prefetch0(leaf + BlockOffset);
                Sse.Prefetch0(leaf + BlockOffset + 64);
            }
        }
    }

    /// <summary>The number of entries.</summary>
    internal static int Count(byte* node) => CountAtOrBelow(node, Unused - 1);

    /// <summary>How many entries start at or below a page; the entry before is the one that may contain it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountAtOrBelow(byte* node, long page) =>
        Lanes512.IsSupported ? Lanes512.CountUpTo(Starts(node), page)
        : Lanes256.IsSupported ? Lanes256.CountUpTo(Starts(node), page)
        : PlainLanes.CountUpTo(Starts(node), page);

    /// <summary>One bit per entry whose hole (or largest hole below) has at least so many pages, 1 or more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint HolesOfAtLeast(byte* node, int pages) => AtLeast(Holes(node), pages);

    /// <summary>One bit per area with a hole behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint WithBlock(byte* leaf) => AtLeast(Blocks(leaf), 1);

    /// <summary>The largest hole of a node.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LargestHole(byte* node) =>
        Lanes512.IsSupported ? Lanes512.Largest(Holes(node)) : PlainLanes.Largest(Holes(node));

    /// <summary>Writes one hole lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SetHole(byte* node, int lane, int pages) => Set(Holes(node), lane, pages);

    /// <summary>Writes one block lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SetBlock(byte* leaf, int lane, int block) => Set(Blocks(leaf), lane, block);

    /// <summary>
    /// Puts an entry behind lane <paramref name="lane"/>, which gets another hole; all later ones move up by one. The node
    /// has room.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void InsertBehind(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.InsertBehind(node, lane, holeBefore, blockBefore, start, size, hole, block);
        }
        else if (Lanes256.IsSupported)
        {
            Lanes256.InsertBehind(node, lane, holeBefore, blockBefore, start, size, hole, block);
        }
        else
        {
            PlainLanes.InsertBehind(node, lane, holeBefore, blockBefore, start, size, hole, block);
        }
    }

    /// <summary>
    /// Removes the entry behind lane <paramref name="lane"/>, which gets another hole; later ones move down. Behind lane -1
    /// stands the first entry, and nothing gets the hole.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void RemoveBehind(byte* node, int lane, int holeBefore, int blockBefore)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.RemoveBehind(node, lane, holeBefore, blockBefore);
        }
        else if (Lanes256.IsSupported)
        {
            Lanes256.RemoveBehind(node, lane, holeBefore, blockBefore);
        }
        else
        {
            PlainLanes.RemoveBehind(node, lane, holeBefore, blockBefore);
        }
    }

    /// <summary>Removes the entry of one lane, whatever its place; later ones move down.</summary>
    internal static void Remove(byte* node, int lane)
    {
        int before = lane - 1;
        RemoveBehind(node, before, before < 0 ? 0 : Holes(node)[before], before < 0 ? 0 : Blocks(node)[before]);
    }

    /// <summary>Moves the entries from <paramref name="firstLane"/> on into <paramref name="empty"/>, a cleared node.</summary>
    internal static void SplitInto(byte* node, int firstLane, byte* empty) => Move(node, firstLane, empty, 0, Lanes - firstLane);

    /// <summary>Moves all entries of <paramref name="upper"/> behind the <paramref name="count"/> ones of <paramref name="lower"/>.</summary>
    internal static void Join(byte* lower, int count, byte* upper, int upperCount) => Move(upper, 0, lower, count, upperCount);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint AtLeast(int* lanes, int value) =>
        Lanes512.IsSupported ? Lanes512.AtLeast(lanes, value)
        : Lanes256.IsSupported ? Lanes256.AtLeast(lanes, value)
        : PlainLanes.AtLeast(lanes, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Set(int* lanes, int lane, int value)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.Set(lanes, lane, value);
        }
        else
        {
            lanes[lane] = value;
        }
    }

    private static void Move(byte* from, int fromLane, byte* to, int toLane, int count)
    {
        Span<long> starts = new(Starts(from) + fromLane, count);
        starts.CopyTo(new(Starts(to) + toLane, count));
        starts.Fill(Unused);
        MoveLanes(Holes(from) + fromLane, Holes(to) + toLane, count);
        MoveLanes(Sizes(from) + fromLane, Sizes(to) + toLane, count);
        MoveLanes(Blocks(from) + fromLane, Blocks(to) + toLane, count);
    }

    private static void MoveLanes(int* from, int* to, int count)
    {
        Span<int> lanes = new(from, count);
        lanes.CopyTo(new(to, count));
        lanes.Clear();
    }
}
