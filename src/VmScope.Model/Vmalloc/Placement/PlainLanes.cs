using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmScope.Vmalloc;

/// <summary>What a <see cref="WideNode"/> asks of its lanes, for any machine.</summary>
internal static unsafe class PlainLanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo(long* lanes, long value)
    {
        unchecked
        {
            // Lanes are sorted, so the last one within tells the count; halving finds it without a branch to guess.
            int count = lanes[15] <= value ? 16 : 0;
            count += lanes[count + 7] <= value ? 8 : 0;
            count += lanes[count + 3] <= value ? 4 : 0;
            count += lanes[count + 1] <= value ? 2 : 0;
            count += lanes[count] <= value ? 1 : 0;
            return count + (count == WideNode.Lanes - 1 && lanes[count] <= value ? 1 : 0);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(int* lanes, int value)
    {
        unchecked
        {
            Vector128<int> tooSmall = Vector128.Create(value - 1);
            uint mask = 0;
            for (int lane = 0; lane < WideNode.Lanes; lane += 4)
            {
                mask |= Vector128.GreaterThan(Vector128.LoadAligned(lanes + lane), tooSmall).ExtractMostSignificantBits() << lane;
            }

            return mask;
        }
    }

    internal static int Largest(int* lanes)
    {
        unchecked
        {
            Vector128<int> four = Vector128.LoadAligned(lanes);
            for (int lane = 4; lane < WideNode.Lanes; lane += 4)
            {
                four = Vector128.Max(four, Vector128.LoadAligned(lanes + lane));
            }

            return Math.Max(Math.Max(four.GetElement(0), four.GetElement(1)), Math.Max(four.GetElement(2), four.GetElement(3)));
        }
    }

    internal static void InsertBehind(byte* node, int lane, int holeBefore, int blockBefore, long start, int size, int hole, int block)
    {
        Span<long> starts = new(WideNode.Starts(node), WideNode.Lanes);
        starts[(lane + 1)..^1].CopyTo(starts[(lane + 2)..]);
        starts[lane + 1] = start;
        InsertLane(WideNode.Holes(node), lane + 1, hole);
        InsertLane(WideNode.Sizes(node), lane + 1, size);
        InsertLane(WideNode.Blocks(node), lane + 1, block);
        WideNode.Holes(node)[lane] = holeBefore;
        WideNode.Blocks(node)[lane] = blockBefore;
    }

    internal static void RemoveBehind(byte* node, int lane, int holeBefore, int blockBefore)
    {
        Span<long> starts = new(WideNode.Starts(node), WideNode.Lanes);
        starts[(lane + 2)..].CopyTo(starts[(lane + 1)..]);
        starts[^1] = WideNode.Unused;
        RemoveLane(WideNode.Holes(node), lane + 1);
        RemoveLane(WideNode.Sizes(node), lane + 1);
        RemoveLane(WideNode.Blocks(node), lane + 1);
        if (lane >= 0)
        {
            WideNode.Holes(node)[lane] = holeBefore;
            WideNode.Blocks(node)[lane] = blockBefore;
        }
    }

    private static void InsertLane(int* lanes, int lane, int value)
    {
        Span<int> all = new(lanes, WideNode.Lanes);
        all[lane..^1].CopyTo(all[(lane + 1)..]);
        all[lane] = value;
    }

    private static void RemoveLane(int* lanes, int lane)
    {
        Span<int> all = new(lanes, WideNode.Lanes);
        all[(lane + 1)..].CopyTo(all[lane..]);
        all[^1] = 0;
    }
}
