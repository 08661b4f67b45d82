using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmScope.Vmalloc;

/// <summary>What a <see cref="WideNode"/> asks of its lanes, 32 bytes at a time.</summary>
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
            for (int lane = 0; lane < WideNode.Lanes; lane += 4)
            {
                mask |= Vector256.GreaterThan(Vector256.LoadAligned(lanes + lane), limit).ExtractMostSignificantBits() << lane;
            }

            return BitOperations.TrailingZeroCount(mask);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(int* lanes, int value)
    {
        unchecked
        {
            Vector256<int> tooSmall = Vector256.Create(value - 1);
            uint mask0 = Vector256.GreaterThan(Vector256.LoadAligned(lanes), tooSmall).ExtractMostSignificantBits();
            uint mask1 = Vector256.GreaterThan(Vector256.LoadAligned(lanes + 8), tooSmall).ExtractMostSignificantBits();
            uint mask2 = Vector256.GreaterThan(Vector256.LoadAligned(lanes + 16), tooSmall).ExtractMostSignificantBits();
            uint mask3 = Vector256.GreaterThan(Vector256.LoadAligned(lanes + 24), tooSmall).ExtractMostSignificantBits();
            return mask0 | (mask1 << 8) | (mask2 << 16) | (mask3 << 24);
        }
    }

    // The lanes are read one place off, from the end on, so that nothing is read that was written already.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void InsertBehind(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        unchecked
        {
            long* starts = WideNode.Starts(node);
            Vector256<long> last = Vector256.Create((long)lane);
            for (int at = WideNode.Lanes - 4; at >= 4; at -= 4)
            {
                Vector256<long> moves = Vector256.GreaterThan(Vector256<long>.Indices + Vector256.Create((long)at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(starts + at - 1), Vector256.LoadAligned(starts + at)).StoreAligned(starts + at);
            }

            for (int at = 3; at > lane; at--)
            {
                starts[at] = starts[at - 1];   // what lies before the first lane is not ours
            }

            starts[lane + 1] = start;
            InsertLane(WideNode.Sizes(node), lane, size);
            InsertLane(WideNode.Blocks(node), lane, block);
            InsertLane(WideNode.Holes(node), lane, hole);
            WideNode.Blocks(node)[lane] = blockBefore;
            WideNode.Holes(node)[lane] = holeBefore;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void RemoveBehind(byte* node, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            long* starts = WideNode.Starts(node);
            Vector256<long> last = Vector256.Create((long)lane);
            for (int at = 0; at < WideNode.Lanes - 4; at += 4)
            {
                Vector256<long> moves = Vector256.GreaterThan(Vector256<long>.Indices + Vector256.Create((long)at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(starts + at + 1), Vector256.LoadAligned(starts + at)).StoreAligned(starts + at);
            }

            for (int at = Math.Max(lane + 1, WideNode.Lanes - 4); at < WideNode.Lanes - 1; at++)
            {
                starts[at] = starts[at + 1];
            }

            starts[WideNode.Lanes - 1] = WideNode.Unused;
            RemoveLane(WideNode.Sizes(node), lane);
            RemoveLane(WideNode.Blocks(node), lane);
            RemoveLane(WideNode.Holes(node), lane);
            if (lane >= 0)
            {
                WideNode.Blocks(node)[lane] = blockBefore;
                WideNode.Holes(node)[lane] = holeBefore;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InsertLane(int* lanes, int lane, int value)
    {
        unchecked
        {
            // Reading one lane before the first meets the array in front, and the lane read is not kept.
            Vector256<int> last = Vector256.Create(lane);
            for (int at = WideNode.Lanes - 8; at >= 0; at -= 8)
            {
                Vector256<int> moves = Vector256.GreaterThan(Vector256<int>.Indices + Vector256.Create(at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at - 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            lanes[lane + 1] = value;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RemoveLane(int* lanes, int lane)
    {
        unchecked
        {
            Vector256<int> last = Vector256.Create(lane);
            for (int at = 0; at < WideNode.Lanes - 8; at += 8)
            {
                Vector256<int> moves = Vector256.GreaterThan(Vector256<int>.Indices + Vector256.Create(at), last);
                Vector256.ConditionalSelect(moves, Vector256.Load(lanes + at + 1), Vector256.LoadAligned(lanes + at)).StoreAligned(lanes + at);
            }

            for (int at = Math.Max(lane + 1, WideNode.Lanes - 8); at < WideNode.Lanes - 1; at++)
            {
                lanes[at] = lanes[at + 1];
            }

            lanes[WideNode.Lanes - 1] = 0;
        }
    }
}
