using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmScope.Vmalloc;

/// <summary>What a node asks of its lanes, for any machine.</summary>
internal static unsafe class PlainLanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountUpTo<T>(T* lanes, T value) where T : unmanaged, INumber<T>
    {
        unchecked
        {
            // Lanes are sorted, so the last one within tells the count; halving finds it without a branch to guess.
            int count = lanes[15] <= value ? 16 : 0;
            count += lanes[count + 7] <= value ? 8 : 0;
            count += lanes[count + 3] <= value ? 4 : 0;
            count += lanes[count + 1] <= value ? 2 : 0;
            count += lanes[count] <= value ? 1 : 0;
            return count + (count == LeafNode.Lanes - 1 && lanes[count] <= value ? 1 : 0);
        }
    }

    internal static uint AtLeast(ushort* lanes, int value)
    {
        unchecked
        {
            Vector128<ushort> wanted = Vector128.Create((ushort)value);
            uint mask = 0;
            for (int lane = 0; lane < LeafNode.Lanes; lane += 8)
            {
                Vector128<ushort> eight = Vector128.LoadAligned(lanes + lane);
                mask |= Vector128.Equals(Vector128.Max(eight, wanted), eight).ExtractMostSignificantBits() << lane;
            }

            return mask;
        }
    }

    internal static int Largest(ushort* lanes)
    {
        unchecked
        {
            Vector128<ushort> eight = Vector128.LoadAligned(lanes);
            for (int lane = 8; lane < LeafNode.Lanes; lane += 8)
            {
                eight = Vector128.Max(eight, Vector128.LoadAligned(lanes + lane));
            }

            Vector128<ushort> four = Vector128.Max(eight, Vector128.Shuffle(eight, Vector128.Create((ushort)4, 5, 6, 7, 0, 1, 2, 3)));
            Vector128<ushort> two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create((ushort)2, 3, 0, 1, 6, 7, 4, 5)));
            return Math.Max(two.GetElement(0), two.GetElement(1));
        }
    }

    internal static void InsertBehind(byte* leaf, int lane, int holeBefore, int blockBefore, int offset, int size, int hole, int block)
    {
        unchecked
        {
            Insert(LeafNode.Offsets(leaf), lane + 1, (ushort)offset);
            Insert(LeafNode.Sizes(leaf), lane + 1, (ushort)size);
            Insert(LeafNode.Holes(leaf), lane + 1, (ushort)hole);
            Insert(LeafNode.Blocks(leaf), lane + 1, block);
            if (lane >= 0)
            {
                LeafNode.Holes(leaf)[lane] = (ushort)holeBefore;
                LeafNode.Blocks(leaf)[lane] = blockBefore;
            }
        }
    }

    internal static void RemoveBehind(byte* leaf, int lane, int holeBefore, int blockBefore)
    {
        unchecked
        {
            Remove(LeafNode.Offsets(leaf), lane + 1, (ushort)LeafNode.Unused);
            Remove(LeafNode.Sizes(leaf), lane + 1, (ushort)0);
            Remove(LeafNode.Holes(leaf), lane + 1, (ushort)0);
            Remove(LeafNode.Blocks(leaf), lane + 1, 0);
            if (lane >= 0)
            {
                LeafNode.Holes(leaf)[lane] = (ushort)holeBefore;
                LeafNode.Blocks(leaf)[lane] = blockBefore;
            }
        }
    }

    /// <summary>Writes a lane; what was in it and behind moves up by one.</summary>
    internal static void Insert<T>(T* lanes, int lane, T value) where T : unmanaged
    {
        Span<T> all = new(lanes, LeafNode.Lanes);
        all[lane..^1].CopyTo(all[(lane + 1)..]);
        all[lane] = value;
    }

    /// <summary>Drops a lane; what was behind it moves down by one.</summary>
    internal static void Remove<T>(T* lanes, int lane, T unused) where T : unmanaged
    {
        Span<T> all = new(lanes, LeafNode.Lanes);
        all[(lane + 1)..].CopyTo(all[lane..]);
        all[^1] = unused;
    }
}
