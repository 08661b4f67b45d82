using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmScope.Vmalloc;

/// <summary>What a <see cref="WideNode"/> asks of its lanes, 64 bytes at a time.</summary>
/// <remarks>Changes write whole aligned vectors: a later load of the same line would have to wait for anything narrower.</remarks>
internal static unsafe class Lanes512
{
    internal static bool IsSupported
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.IsHardwareAccelerated && Avx512F.IsSupported;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo(long* lanes, long value)
    {
        unchecked
        {
            Vector512<long> limit = Vector512.Create(value);
            uint mask0 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes), limit).ExtractMostSignificantBits();
            uint mask1 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes + 8), limit).ExtractMostSignificantBits();
            uint mask2 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes + 16), limit).ExtractMostSignificantBits();
            uint mask3 = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes + 24), limit).ExtractMostSignificantBits();
            return BitOperations.TrailingZeroCount(mask0 | (mask1 << 8) | (mask2 << 16) | (mask3 << 24));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(int* lanes, int value)
    {
        unchecked
        {
            Vector512<int> tooSmall = Vector512.Create(value - 1);
            uint low = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes), tooSmall).ExtractMostSignificantBits();
            uint high = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes + 16), tooSmall).ExtractMostSignificantBits();
            return low | (high << 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Largest(int* lanes)
    {
        unchecked
        {
            Vector512<int> both = Vector512.Max(Vector512.LoadAligned(lanes), Vector512.LoadAligned(lanes + 16));
            Vector256<int> eight = Vector256.Max(both.GetLower(), both.GetUpper());
            Vector128<int> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2)));
            return four.ToScalar();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Set(int* lanes, int lane, int value)
    {
        unchecked
        {
            int* half = lanes + (lane & 16);
            Vector512<int> here = Vector512.Equals(Vector512<int>.Indices, Vector512.Create(lane & 15));
            Vector512.ConditionalSelect(here, Vector512.Create(value), Vector512.LoadAligned(half)).StoreAligned(half);
        }
    }

    // Not inlined: with their callers they would exceed what the compiler is ready to inline.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InsertBehind(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        unchecked
        {
            long* starts = WideNode.Starts(node);
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
            InsertLanes(WideNode.Holes(node), at, hole, holeBefore);
            InsertLanes(WideNode.Blocks(node), at, block, blockBefore);
            InsertLanes(WideNode.Sizes(node), at, size);
        }
    }

    // Not inlined: with their callers they would exceed what the compiler is ready to inline.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void RemoveBehind(byte* node, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            long* starts = WideNode.Starts(node);
            Vector512<long> wanted = Vector512.Create((long)lane);
            Vector512<long> v0 = Vector512.LoadAligned(starts);
            Vector512<long> v1 = Vector512.LoadAligned(starts + 8);
            Vector512<long> v2 = Vector512.LoadAligned(starts + 16);
            Vector512<long> v3 = Vector512.LoadAligned(starts + 24);
            Closed(v0, v1, Vector512<long>.Indices, wanted).StoreAligned(starts);
            Closed(v1, v2, Vector512<long>.Indices + Vector512.Create(8L), wanted).StoreAligned(starts + 8);
            Closed(v2, v3, Vector512<long>.Indices + Vector512.Create(16L), wanted).StoreAligned(starts + 16);
            Closed(v3, Vector512.Create(WideNode.Unused), Vector512<long>.Indices + Vector512.Create(24L), wanted).StoreAligned(starts + 24);

            Vector512<int> at = Vector512.Create(lane);
            RemoveLanes(WideNode.Holes(node), at, holeBefore);
            RemoveLanes(WideNode.Blocks(node), at, blockBefore);
            RemoveLanes(WideNode.Sizes(node), at);
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
}
