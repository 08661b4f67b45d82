using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
/// <see cref="Saturated"/>, which means "this or more". Nodes begin at multiples of 64 bytes, and are changed by whole
/// aligned vectors: a load that follows a narrower store to the same line would have to wait for it.
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
    internal static int CountAtOrBelow(byte* node, long page)
    {
        unchecked
        {
            long* starts = Starts(node);
            Vector512<long> above = Vector512.Create(page);
            uint mask0 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(starts), above).ExtractMostSignificantBits();
            uint mask1 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(starts + 8), above).ExtractMostSignificantBits();
            uint mask2 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(starts + 16), above).ExtractMostSignificantBits();
            uint mask3 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(starts + 24), above).ExtractMostSignificantBits();
            return BitOperations.TrailingZeroCount(mask0 | (mask1 << 8) | (mask2 << 16) | (mask3 << 24));
        }
    }

    /// <summary>One bit per entry whose hole (or largest hole below) has at least so many pages, 1 or more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint HolesOfAtLeast(byte* node, int pages)
    {
        unchecked
        {
            int* holes = Holes(node);
            Vector512<int> tooSmall = Vector512.Create(pages - 1);
            uint low = (uint)Vector512.GreaterThan(Vector512.LoadAligned(holes), tooSmall).ExtractMostSignificantBits();
            uint high = (uint)Vector512.GreaterThan(Vector512.LoadAligned(holes + 16), tooSmall).ExtractMostSignificantBits();
            return low | (high << 16);
        }
    }

    /// <summary>One bit per area with a hole behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint WithBlock(byte* leaf)
    {
        unchecked
        {
            int* blocks = Blocks(leaf);
            uint low = (uint)Vector512.GreaterThan(Vector512.LoadAligned(blocks), Vector512<int>.Zero).ExtractMostSignificantBits();
            uint high = (uint)Vector512.GreaterThan(Vector512.LoadAligned(blocks + 16), Vector512<int>.Zero).ExtractMostSignificantBits();
            return low | (high << 16);
        }
    }

    /// <summary>The largest hole of a node.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LargestHole(byte* node)
    {
        unchecked
        {
            int* holes = Holes(node);
            Vector512<int> both = Vector512.Max(Vector512.LoadAligned(holes), Vector512.LoadAligned(holes + 16));
            Vector256<int> eight = Vector256.Max(both.GetLower(), both.GetUpper());
            Vector128<int> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2)));
            return four.ToScalar();
        }
    }

    /// <summary>Writes one hole lane as part of a whole vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SetHole(byte* node, int lane, int pages)
    {
        unchecked
        {
            int* half = Holes(node) + (lane & 16);
            Vector512<int> here = Vector512.Equals(Vector512<int>.Indices, Vector512.Create(lane & 15));
            Vector512.ConditionalSelect(here, Vector512.Create(pages), Vector512.LoadAligned(half)).StoreAligned(half);
        }
    }

    /// <summary>Writes one block lane as part of a whole vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void SetBlock(byte* leaf, int lane, int block)
    {
        unchecked
        {
            int* half = Blocks(leaf) + (lane & 16);
            Vector512<int> here = Vector512.Equals(Vector512<int>.Indices, Vector512.Create(lane & 15));
            Vector512.ConditionalSelect(here, Vector512.Create(block), Vector512.LoadAligned(half)).StoreAligned(half);
        }
    }

    /// <summary>
    /// Puts an entry behind lane <paramref name="lane"/>, which gets another hole; all later ones move up by one. The node
    /// has room.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void InsertBehind(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        if (Avx512F.IsSupported)
        {
            InsertByVectors(node, lane, holeBefore, blockBefore, start, size, hole, block);
        }
        else
        {
            InsertByMoves(node, lane, holeBefore, blockBefore, start, size, hole, block);
        }
    }

    /// <summary>Removes the entry behind lane <paramref name="lane"/>, which gets another hole; later ones move down.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void RemoveBehind(byte* node, int lane, int holeBefore, int blockBefore)
    {
        if (Avx512F.IsSupported)
        {
            RemoveByVectors(node, lane, holeBefore, blockBefore);
        }
        else
        {
            RemoveByMoves(node, lane, holeBefore, blockBefore);
        }
    }

    internal static void InsertByMoves(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        Span<long> starts = new(Starts(node), Lanes);
        starts[(lane + 1)..^1].CopyTo(starts[(lane + 2)..]);
        starts[lane + 1] = start;
        InsertLane(Holes(node), lane + 1, hole);
        InsertLane(Sizes(node), lane + 1, size);
        InsertLane(Blocks(node), lane + 1, block);
        Holes(node)[lane] = holeBefore;
        Blocks(node)[lane] = blockBefore;
    }

    internal static void RemoveByMoves(byte* node, int lane, int holeBefore, int blockBefore)
    {
        RemoveByMoves(node, lane + 1);
        Holes(node)[lane] = holeBefore;
        Blocks(node)[lane] = blockBefore;
    }

    /// <summary>Removes the entry of one lane, whatever its place; later ones move down.</summary>
    internal static void Remove(byte* node, int lane)
    {
        if (Avx512F.IsSupported)
        {
            RemoveByVectors(node, lane - 1, lane > 0 ? Holes(node)[lane - 1] : 0, lane > 0 ? Blocks(node)[lane - 1] : 0);
        }
        else
        {
            RemoveByMoves(node, lane);
        }
    }

    private static void RemoveByMoves(byte* node, int lane)
    {
        Span<long> starts = new(Starts(node), Lanes);
        starts[(lane + 1)..].CopyTo(starts[lane..]);
        starts[^1] = Unused;
        RemoveLane(Holes(node), lane);
        RemoveLane(Sizes(node), lane);
        RemoveLane(Blocks(node), lane);
    }

    /// <summary>Moves the entries from <paramref name="firstLane"/> on into <paramref name="empty"/>, a cleared node.</summary>
    internal static void SplitInto(byte* node, int firstLane, byte* empty) => Move(node, firstLane, empty, 0, Lanes - firstLane);

    /// <summary>Moves all entries of <paramref name="upper"/> behind the <paramref name="count"/> ones of <paramref name="lower"/>.</summary>
    internal static void Join(byte* lower, int count, byte* upper, int upperCount) => Move(upper, 0, lower, count, upperCount);

    // Not inlined: with their callers they would exceed what the compiler is ready to inline.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InsertByVectors(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        unchecked
        {
            long* starts = Starts(node);
            Vector512<long> wanted = Vector512.Create((long)lane + 1);
            Vector512<long> value = Vector512.Create(start);
            Vector512<long> v0 = Vector512.LoadAligned(starts);
            Vector512<long> v1 = Vector512.LoadAligned(starts + 8);
            Vector512<long> v2 = Vector512.LoadAligned(starts + 16);
            Vector512<long> v3 = Vector512.LoadAligned(starts + 24);
            Opened(v0, v0, Vector512<long>.Indices, wanted, value).StoreAligned(starts);
            Opened(v1, v0, Vector512<long>.Indices + Vector512.Create(8L), wanted, value).StoreAligned(starts + 8);
            Opened(v2, v1, Vector512<long>.Indices + Vector512.Create(16L), wanted, value).StoreAligned(starts + 16);
            Opened(v3, v2, Vector512<long>.Indices + Vector512.Create(24L), wanted, value).StoreAligned(starts + 24);

            Vector512<int> at = Vector512.Create(lane + 1);
            InsertLanes(Holes(node), at, hole, holeBefore);
            InsertLanes(Blocks(node), at, block, blockBefore);
            InsertLanes(Sizes(node), at, size);
        }
    }

    // Not inlined: with their callers they would exceed what the compiler is ready to inline.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void RemoveByVectors(byte* node, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            long* starts = Starts(node);
            Vector512<long> wanted = Vector512.Create((long)lane);
            Vector512<long> v0 = Vector512.LoadAligned(starts);
            Vector512<long> v1 = Vector512.LoadAligned(starts + 8);
            Vector512<long> v2 = Vector512.LoadAligned(starts + 16);
            Vector512<long> v3 = Vector512.LoadAligned(starts + 24);
            Closed(v0, v1, Vector512<long>.Indices, wanted).StoreAligned(starts);
            Closed(v1, v2, Vector512<long>.Indices + Vector512.Create(8L), wanted).StoreAligned(starts + 8);
            Closed(v2, v3, Vector512<long>.Indices + Vector512.Create(16L), wanted).StoreAligned(starts + 16);
            Closed(v3, Vector512.Create(Unused), Vector512<long>.Indices + Vector512.Create(24L), wanted).StoreAligned(starts + 24);

            Vector512<int> at = Vector512.Create(lane);
            RemoveLanes(Holes(node), at, holeBefore);
            RemoveLanes(Blocks(node), at, blockBefore);
            RemoveLanes(Sizes(node), at);
        }
    }

    // Lanes below the wanted one stay, the wanted one takes the value, the others take their lower neighbour's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<long> Opened(Vector512<long> lanes, Vector512<long> before, Vector512<long> indices, Vector512<long> wanted, Vector512<long> value)
    {
        Vector512<long> shifted = Avx512F.AlignRight64(lanes, before, 7);
        Vector512<long> moved = Vector512.ConditionalSelect(Vector512.LessThan(indices, wanted), lanes, shifted);
        return Vector512.ConditionalSelect(Vector512.Equals(indices, wanted), value, moved);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Opened(Vector512<int> lanes, Vector512<int> before, Vector512<int> indices, Vector512<int> wanted, Vector512<int> value)
    {
        Vector512<int> shifted = Avx512F.AlignRight32(lanes, before, 15);
        Vector512<int> moved = Vector512.ConditionalSelect(Vector512.LessThan(indices, wanted), lanes, shifted);
        return Vector512.ConditionalSelect(Vector512.Equals(indices, wanted), value, moved);
    }

    // Lanes up to the one given stay, the others take their upper neighbour's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<long> Closed(Vector512<long> lanes, Vector512<long> after, Vector512<long> indices, Vector512<long> last) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(indices, last), Avx512F.AlignRight64(after, lanes, 1), lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Closed(Vector512<int> lanes, Vector512<int> after, Vector512<int> indices, Vector512<int> last) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(indices, last), Avx512F.AlignRight32(after, lanes, 1), lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InsertLanes(int* lanes, Vector512<int> wanted, int value)
    {
        unchecked
        {
            Vector512<int> values = Vector512.Create(value);
            Vector512<int> v0 = Vector512.LoadAligned(lanes);
            Vector512<int> v1 = Vector512.LoadAligned(lanes + 16);
            Opened(v0, v0, Vector512<int>.Indices, wanted, values).StoreAligned(lanes);
            Opened(v1, v0, Vector512<int>.Indices + Vector512.Create(16), wanted, values).StoreAligned(lanes + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InsertLanes(int* lanes, Vector512<int> wanted, int value, int before)
    {
        unchecked
        {
            Vector512<int> values = Vector512.Create(value);
            Vector512<int> befores = Vector512.Create(before);
            Vector512<int> one = wanted - Vector512<int>.One;
            Vector512<int> upper = Vector512<int>.Indices + Vector512.Create(16);
            Vector512<int> v0 = Vector512.LoadAligned(lanes);
            Vector512<int> v1 = Vector512.LoadAligned(lanes + 16);
            Vector512<int> n0 = Opened(v0, v0, Vector512<int>.Indices, wanted, values);
            Vector512<int> n1 = Opened(v1, v0, upper, wanted, values);
            Vector512.ConditionalSelect(Vector512.Equals(Vector512<int>.Indices, one), befores, n0).StoreAligned(lanes);
            Vector512.ConditionalSelect(Vector512.Equals(upper, one), befores, n1).StoreAligned(lanes + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RemoveLanes(int* lanes, Vector512<int> last)
    {
        unchecked
        {
            Vector512<int> v0 = Vector512.LoadAligned(lanes);
            Vector512<int> v1 = Vector512.LoadAligned(lanes + 16);
            Closed(v0, v1, Vector512<int>.Indices, last).StoreAligned(lanes);
            Closed(v1, Vector512<int>.Zero, Vector512<int>.Indices + Vector512.Create(16), last).StoreAligned(lanes + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RemoveLanes(int* lanes, Vector512<int> last, int before)
    {
        unchecked
        {
            Vector512<int> befores = Vector512.Create(before);
            Vector512<int> upper = Vector512<int>.Indices + Vector512.Create(16);
            Vector512<int> v0 = Vector512.LoadAligned(lanes);
            Vector512<int> v1 = Vector512.LoadAligned(lanes + 16);
            Vector512<int> n0 = Closed(v0, v1, Vector512<int>.Indices, last);
            Vector512<int> n1 = Closed(v1, Vector512<int>.Zero, upper, last);
            Vector512.ConditionalSelect(Vector512.Equals(Vector512<int>.Indices, last), befores, n0).StoreAligned(lanes);
            Vector512.ConditionalSelect(Vector512.Equals(upper, last), befores, n1).StoreAligned(lanes + 16);
        }
    }

    private static void InsertLane(int* lanes, int lane, int value)
    {
        Span<int> all = new(lanes, Lanes);
        all[lane..^1].CopyTo(all[(lane + 1)..]);
        all[lane] = value;
    }

    private static void RemoveLane(int* lanes, int lane)
    {
        Span<int> all = new(lanes, Lanes);
        all[(lane + 1)..].CopyTo(all[lane..]);
        all[^1] = 0;
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
