using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmScope.Vmalloc;

/// <summary>What a node asks of its lanes, 64 bytes at a time.</summary>
/// <remarks>Changes write whole aligned vectors: a later load of the same line would have to wait for anything narrower.</remarks>
internal static unsafe class Lanes512
{
    internal static bool IsSupported
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.IsHardwareAccelerated && Avx512BW.IsSupported;
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
    internal static int CountUpTo(ushort* lanes, int value)
    {
        unchecked
        {
            Vector512<ushort> limit = Vector512.Create((ushort)value);
            return BitOperations.TrailingZeroCount((uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes), limit).ExtractMostSignificantBits());
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(ushort* lanes, int value) =>
        unchecked((uint)Vector512.GreaterThanOrEqual(Vector512.LoadAligned(lanes), Vector512.Create((ushort)value)).ExtractMostSignificantBits());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AboveZero(int* lanes)
    {
        unchecked
        {
            uint low = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes), Vector512<int>.Zero).ExtractMostSignificantBits();
            uint high = (uint)Vector512.GreaterThan(Vector512.LoadAligned(lanes + 16), Vector512<int>.Zero).ExtractMostSignificantBits();
            return low | (high << 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Largest(ushort* lanes)
    {
        unchecked
        {
            Vector512<ushort> all = Vector512.LoadAligned(lanes);
            Vector256<ushort> half = Vector256.Max(all.GetLower(), all.GetUpper());
            Vector128<ushort> eight = Vector128.Max(half.GetLower(), half.GetUpper());
            return (ushort)~Sse41.MinHorizontal(~eight).ToScalar();   // there is a horizontal minimum only
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Set(ushort* lanes, int lane, int value)
    {
        unchecked
        {
            Vector512<ushort> here = Vector512.Equals(Vector512<ushort>.Indices, Vector512.Create((ushort)lane));
            Vector512.ConditionalSelect(here, Vector512.Create((ushort)value), Vector512.LoadAligned(lanes)).StoreAligned(lanes);
        }
    }

    // Not inlined: with their callers they would exceed what the compiler is ready to inline.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InsertBehind(byte* leaf, int lane, int holeBefore, int blockBefore, int offset, int size, int hole, int block)
    {
        unchecked
        {
            // Where each lane's new content stands now; the lane to be filled takes anything.
            Vector512<int> low = Vector512<int>.Indices;
            Vector512<int> high = low + Vector512.Create(16);
            Vector512<int> before = Vector512.Create(lane);
            Vector512<int> at = Vector512.Create(lane + 1);
            Vector512<int> fromLow = Vector512.ConditionalSelect(Vector512.GreaterThan(low, before), low - Vector512<int>.One, low);
            Vector512<int> fromHigh = Vector512.ConditionalSelect(Vector512.GreaterThan(high, before), high - Vector512<int>.One, high);

            int* blocks = LeafNode.Blocks(leaf);
            Vector512<int> value = Vector512.Create(block);
            Vector512<int> valueBefore = Vector512.Create(blockBefore);
            Vector512<int> v0 = Vector512.LoadAligned(blocks);
            Vector512<int> v1 = Vector512.LoadAligned(blocks + 16);
            Vector512<int> n0 = Vector512.ConditionalSelect(Vector512.Equals(low, at), value, Avx512F.PermuteVar16x32(v0, fromLow));
            Vector512<int> n1 = Vector512.ConditionalSelect(Vector512.Equals(high, at), value, Avx512F.PermuteVar16x32x2(v0, fromHigh, v1));
            Vector512.ConditionalSelect(Vector512.Equals(low, before), valueBefore, n0).StoreAligned(blocks);
            Vector512.ConditionalSelect(Vector512.Equals(high, before), valueBefore, n1).StoreAligned(blocks + 16);

            Vector512<short> words = Vector512<short>.Indices;
            Vector512<short> wordBefore = Vector512.Create((short)lane);
            Vector512<short> wordAt = Vector512.Create((short)(lane + 1));
            Vector512<short> from = Vector512.ConditionalSelect(Vector512.GreaterThan(words, wordBefore), words - Vector512<short>.One, words);
            short* offsets = (short*)LeafNode.Offsets(leaf);
            short* sizes = (short*)LeafNode.Sizes(leaf);
            short* holes = (short*)LeafNode.Holes(leaf);
            Vector512<short> newOffsets = Avx512BW.PermuteVar32x16(Vector512.LoadAligned(offsets), from);
            Vector512.ConditionalSelect(Vector512.Equals(words, wordAt), Vector512.Create((short)offset), newOffsets).StoreAligned(offsets);
            Vector512<short> newSizes = Avx512BW.PermuteVar32x16(Vector512.LoadAligned(sizes), from);
            Vector512<short> newHoles = Avx512BW.PermuteVar32x16(Vector512.LoadAligned(holes), from);
            newHoles = Vector512.ConditionalSelect(Vector512.Equals(words, wordAt), Vector512.Create((short)hole), newHoles);
            Vector512.ConditionalSelect(Vector512.Equals(words, wordBefore), Vector512.Create((short)holeBefore), newHoles).StoreAligned(holes);
            Vector512.ConditionalSelect(Vector512.Equals(words, wordAt), Vector512.Create((short)size), newSizes).StoreAligned(sizes);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void RemoveBehind(byte* leaf, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            Vector512<int> low = Vector512<int>.Indices;
            Vector512<int> high = low + Vector512.Create(16);
            Vector512<int> before = Vector512.Create(lane);
            Vector512<int> fromLow = Vector512.ConditionalSelect(Vector512.GreaterThan(low, before), low + Vector512<int>.One, low);
            Vector512<int> fromHigh = Vector512.ConditionalSelect(Vector512.GreaterThan(high, before), low + Vector512<int>.One, low);

            int* blocks = LeafNode.Blocks(leaf);
            Vector512<int> valueBefore = Vector512.Create(blockBefore);
            Vector512<int> v0 = Vector512.LoadAligned(blocks);
            Vector512<int> v1 = Vector512.LoadAligned(blocks + 16);
            Vector512<int> n0 = Avx512F.PermuteVar16x32x2(v0, fromLow, v1);
            Vector512<int> n1 = Avx512F.PermuteVar16x32x2(v1, fromHigh, Vector512<int>.Zero);
            Vector512.ConditionalSelect(Vector512.Equals(low, before), valueBefore, n0).StoreAligned(blocks);
            Vector512.ConditionalSelect(Vector512.Equals(high, before), valueBefore, n1).StoreAligned(blocks + 16);

            Vector512<short> words = Vector512<short>.Indices;
            Vector512<short> wordBefore = Vector512.Create((short)lane);
            Vector512<short> from = Vector512.ConditionalSelect(Vector512.GreaterThan(words, wordBefore), words + Vector512<short>.One, words);
            short* offsets = (short*)LeafNode.Offsets(leaf);
            short* sizes = (short*)LeafNode.Sizes(leaf);
            short* holes = (short*)LeafNode.Holes(leaf);
            Avx512BW.PermuteVar32x16x2(Vector512.LoadAligned(offsets), from, Vector512<short>.AllBitsSet).StoreAligned(offsets);
            Vector512<short> newHoles = Avx512BW.PermuteVar32x16x2(Vector512.LoadAligned(holes), from, Vector512<short>.Zero);
            Vector512.ConditionalSelect(Vector512.Equals(words, wordBefore), Vector512.Create((short)holeBefore), newHoles).StoreAligned(holes);
            Avx512BW.PermuteVar32x16x2(Vector512.LoadAligned(sizes), from, Vector512<short>.Zero).StoreAligned(sizes);
        }
    }
}
