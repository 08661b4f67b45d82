using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmScope.Vmalloc;

/// <summary>What a node asks of its lanes, 32 bytes at a time.</summary>
internal static unsafe class Lanes256
{
    internal static bool IsSupported
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.IsHardwareAccelerated;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo(long* lanes, long value)
    {
        unchecked
        {
            Vector256<long> limit = Vector256.Create(value);
            uint mask = 0;
            for (int lane = 0; lane < InnerNode.Lanes; lane += 4)
            {
                mask |= Vector256.GreaterThan(Vector256.LoadAligned(lanes + lane), limit).ExtractMostSignificantBits() << lane;
            }

            return BitOperations.TrailingZeroCount(mask);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo(ushort* lanes, int value) => unchecked(BitOperations.TrailingZeroCount(AtLeast(lanes, value + 1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(ushort* lanes, int value)
    {
        unchecked
        {
            // Such machines compare signed words only; of two words the larger one tells as much.
            Vector256<ushort> wanted = Vector256.Create((ushort)value);
            Vector256<ushort> low = Vector256.LoadAligned(lanes);
            Vector256<ushort> high = Vector256.LoadAligned(lanes + 16);
            uint lowMask = Vector256.Equals(Vector256.Max(low, wanted), low).ExtractMostSignificantBits();
            return lowMask | (Vector256.Equals(Vector256.Max(high, wanted), high).ExtractMostSignificantBits() << 16);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InsertBehind(byte* leaf, int lane, int holeBefore, int blockBefore, int offset, int size, int hole, int block)
    {
        unchecked
        {
            Open(LeafNode.Offsets(leaf), lane, offset);
            Open(LeafNode.Sizes(leaf), lane, size);
            Open(LeafNode.Holes(leaf), lane, hole);
            Open(LeafNode.Blocks(leaf), lane, block);
            if (lane >= 0)
            {
                LeafNode.Holes(leaf)[lane] = (ushort)holeBefore;
                LeafNode.Blocks(leaf)[lane] = blockBefore;
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void RemoveBehind(byte* leaf, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            Close(LeafNode.Offsets(leaf), lane, LeafNode.Unused);
            Close(LeafNode.Sizes(leaf), lane, 0);
            Close(LeafNode.Holes(leaf), lane, 0);
            Close(LeafNode.Blocks(leaf), lane);
            if (lane >= 0)
            {
                LeafNode.Holes(leaf)[lane] = (ushort)holeBefore;
                LeafNode.Blocks(leaf)[lane] = blockBefore;
            }
        }
    }

    // Lanes behind the given one move up. They are read one place off, from the end on, so that nothing is read that was
    // written already. What is read in front of the first lane is not kept.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Open(int* lanes, int lane, int value)
    {
        unchecked
        {
            Vector256<int> last = Vector256.Create(lane);
            for (int at = LeafNode.Lanes - 8; at >= 0; at -= 8)
            {
                Vector256<int> moves = Vector256.GreaterThan(Vector256<int>.Indices + Vector256.Create(at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at - 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            lanes[lane + 1] = value;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Open(ushort* words, int lane, int value)
    {
        unchecked
        {
            short* lanes = (short*)words;
            Vector256<short> last = Vector256.Create((short)lane);
            for (int at = LeafNode.Lanes - 16; at >= 0; at -= 16)
            {
                Vector256<short> moves = Vector256.GreaterThan(Vector256<short>.Indices + Vector256.Create((short)at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at - 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            lanes[lane + 1] = (short)value;
        }
    }

    // Lanes behind the one after the given move down. What is read behind the last lane is not kept.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Close(int* lanes, int lane)
    {
        unchecked
        {
            Vector256<int> last = Vector256.Create(lane);
            for (int at = 0; at < LeafNode.Lanes; at += 8)
            {
                Vector256<int> moves = Vector256.GreaterThan(Vector256<int>.Indices + Vector256.Create(at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at + 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            lanes[LeafNode.Lanes - 1] = 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Close(ushort* words, int lane, int unused)
    {
        unchecked
        {
            short* lanes = (short*)words;
            Vector256<short> last = Vector256.Create((short)lane);
            for (int at = 0; at < LeafNode.Lanes; at += 16)
            {
                Vector256<short> moves = Vector256.GreaterThan(Vector256<short>.Indices + Vector256.Create((short)at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at + 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            lanes[LeafNode.Lanes - 1] = (short)unused;
        }
    }
}
