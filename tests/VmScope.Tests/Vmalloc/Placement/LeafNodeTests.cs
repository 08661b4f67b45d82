using System.Runtime.InteropServices;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc.Placement;

/// <summary>
/// Goal: leaves and inner nodes answer and change alike with and without wide vectors. Method: every count of entries and every lane;
/// searches against plain loops, changes by vectors against changes by moves.
/// </summary>
public sealed unsafe class LeafNodeTests : IDisposable
{
    // A slot in front and one behind: vectors may be read one lane past either end of a leaf.
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(5 * LeafNode.Bytes, 64);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    [Fact]
    public void Searches_find_what_a_loop_over_the_lanes_finds()
    {
        Random random = new(1);
        for (int count = 0; count <= LeafNode.Lanes; count++)
        {
            byte* node = Filled(count, random);
            Assert.Equal(count, LeafNode.Count(node));
            Assert.Equal(count == LeafNode.Lanes, LeafNode.IsFull(node));
            foreach (int wanted in (int[])[1, 2, 5, 11, 12, 32767, 32768, 32769, 65534, 65535])
            {
                uint expected = 0;
                uint blocks = 0;
                for (int lane = 0; lane < LeafNode.Lanes; lane++)
                {
                    expected |= LeafNode.Holes(node)[lane] >= wanted ? 1u << lane : 0;
                    blocks |= LeafNode.Blocks(node)[lane] != 0 ? 1u << lane : 0;
                }

                Assert.Equal(expected, LeafNode.HolesOfAtLeast(node, wanted));
                Assert.Equal(expected, PlainLanes.AtLeast(LeafNode.Holes(node), wanted));
                Assert.Equal(expected, Lanes256.IsSupported ? Lanes256.AtLeast(LeafNode.Holes(node), wanted) : expected);
                Assert.Equal(blocks, LeafNode.WithBlock(node));
            }

            int largest = 0;
            for (int lane = 0; lane < count; lane++)
            {
                largest = Math.Max(largest, LeafNode.Holes(node)[lane]);
                int start = LeafNode.Offsets(node)[lane];
                foreach (int page in (int[])[start - 1, start])
                {
                    int expected = page < start ? lane : lane + 1;
                    Assert.Equal(expected, LeafNode.CountAtOrBelow(node, page));
                    Assert.Equal(expected, PlainLanes.CountUpTo(LeafNode.Offsets(node), (ushort)page));
                    Assert.Equal(expected, Lanes256.IsSupported ? Lanes256.CountUpTo(LeafNode.Offsets(node), page) : expected);
                }
            }

            Assert.Equal(largest, LeafNode.LargestHole(node));
            Assert.Equal(largest, PlainLanes.Largest(LeafNode.Holes(node)));
        }
    }

    [Fact]
    public void Entries_come_and_go_alike_by_vectors_and_by_moves()
    {
        Random random = new(2);
        for (int count = 1; count <= LeafNode.Lanes; count++)
        {
            for (int lane = 0; lane < count; lane++)
            {
                if (count < LeafNode.Lanes)
                {
                    Pair(count, random, out byte* moved, out byte* either);
                    int start = LeafNode.Offsets(moved)[lane] + 1;
                    PlainLanes.InsertBehind(moved, lane, 5, 6, start, 7, 8, 9);
                    LeafNode.InsertBehind(either, lane, 5, 6, start, 7, 8, 9);
                    AssertSame(moved, either);
                    Assert.Equal((start, 7, 8, 9), (LeafNode.Offsets(either)[lane + 1], LeafNode.Sizes(either)[lane + 1],
                        LeafNode.Holes(either)[lane + 1], LeafNode.Blocks(either)[lane + 1]));
                    Assert.Equal((5, 6), (LeafNode.Holes(either)[lane], LeafNode.Blocks(either)[lane]));
                    if (Lanes256.IsSupported)
                    {
                        Lanes256.RemoveBehind(either, lane, 1, 2);
                        PlainLanes.RemoveBehind(moved, lane, 1, 2);
                        AssertSame(moved, either);
                        Lanes256.InsertBehind(either, lane, 1, 2, start, 3, 4, 5);
                        PlainLanes.InsertBehind(moved, lane, 1, 2, start, 3, 4, 5);
                        AssertSame(moved, either);
                    }
                }

                if (lane + 1 < count)
                {
                    Pair(count, random, out byte* moved, out byte* either);
                    PlainLanes.RemoveBehind(moved, lane, 5, 6);
                    LeafNode.RemoveBehind(either, lane, 5, 6);
                    AssertSame(moved, either);
                    Assert.Equal(count - 1, LeafNode.Count(either));
                    Assert.Equal((5, 6), (LeafNode.Holes(either)[lane], LeafNode.Blocks(either)[lane]));
                }

                if (count < LeafNode.Lanes)
                {
                    Pair(count, random, out byte* opened, out byte* vectors);
                    PlainLanes.InsertBehind(opened, -1, 1, 1, 0, 7, 8, 9);
                    LeafNode.InsertBehind(vectors, -1, 1, 1, 0, 7, 8, 9);
                    AssertSame(opened, vectors);
                    Assert.Equal((0, 7, 8, 9), (LeafNode.Offsets(vectors)[0], LeafNode.Sizes(vectors)[0], LeafNode.Holes(vectors)[0], LeafNode.Blocks(vectors)[0]));
                    Assert.Equal(count + 1, LeafNode.Count(vectors));
                }

                Pair(count, random, out byte* first, out byte* second);
                PlainLanes.RemoveBehind(first, -1, 1, 1);
                LeafNode.RemoveBehind(second, -1, 1, 1);
                AssertSame(first, second);

                Pair(count, random, out byte* changed, out byte* same);
                LeafNode.Holes(changed)[lane] = 77;
                LeafNode.Blocks(changed)[lane] = 78;
                HoleLanes.Set(LeafNode.Holes(same), lane, 77);
                LeafNode.Blocks(same)[lane] = 78;
                AssertSame(changed, same);
            }
        }
    }

    [Fact]
    public void Offsets_beyond_what_a_lane_holds_are_behind_every_area()
    {
        byte* leaf = Filled(5, new Random(3));
        Assert.Equal(5, LeafNode.CountAtOrBelow(leaf, LeafNode.Unused));
        Assert.Equal(5, LeafNode.CountAtOrBelow(leaf, long.MaxValue));
    }

    [Fact]
    public void Inner_nodes_find_children_by_page_and_by_hole()
    {
        byte* node = stackalloc byte[InnerNode.Bytes + 64];
        node += -(nint)node & 63;
        InnerNode.Clear(node);
        for (int child = 0; child < InnerNode.Lanes; child++)
        {
            InnerNode.Insert(node, child - 1, (long)child << 40, child + 1, child * 2000);
            Assert.Equal(child + 1, InnerNode.Count(node));
            Assert.Equal(child == InnerNode.Lanes - 1, InnerNode.IsFull(node));
            Assert.Equal(child * 2000, InnerNode.LargestHole(node));
            for (int wanted = 0; wanted <= child; wanted++)
            {
                long page = (long)wanted << 40;
                Assert.Equal(wanted + 1, InnerNode.CountAtOrBelow(node, page));
                Assert.Equal(wanted, InnerNode.CountAtOrBelow(node, page - 1));
                Assert.Equal(wanted + 1, PlainLanes.CountUpTo(InnerNode.Starts(node), page));
                Assert.Equal(wanted + 1, Lanes256.IsSupported ? Lanes256.CountUpTo(InnerNode.Starts(node), page) : wanted + 1);
                int from = Math.Max(wanted, 1);
                uint expected = unchecked(((2u << child) - 1) & ~((1u << from) - 1));
                Assert.Equal(expected, InnerNode.HolesOfAtLeast(node, (from * 2000) - 1));
            }
        }

        InnerNode.Remove(node, 3);
        Assert.Equal(InnerNode.Lanes - 1, InnerNode.Count(node));
        Assert.Equal((4L << 40, 5, 8000), (InnerNode.Starts(node)[3], InnerNode.Children(node)[3], InnerNode.Holes(node)[3]));
    }

    [Fact]
    public void A_split_and_a_join_keep_every_entry()
    {
        for (int first = 1; first < LeafNode.Lanes; first++)
        {
            Pair(LeafNode.Lanes, new Random(first), out byte* whole, out byte* lower);
            byte* upper = _memory + (3 * LeafNode.Bytes);
            LeafNode.Clear(upper);
            int apart = LeafNode.Offsets(lower)[first];
            LeafNode.Move(lower, first, LeafNode.Lanes - first, upper, 0, apart);
            Assert.Equal(0, LeafNode.Offsets(upper)[0]);
            Assert.Equal((first, LeafNode.Lanes - first), (LeafNode.Count(lower), LeafNode.Count(upper)));
            LeafNode.Rebase(upper, -3);
            Assert.Equal(LeafNode.Lanes - first, LeafNode.Count(upper));
            LeafNode.Move(upper, 0, LeafNode.Lanes - first, lower, first, 3 - apart);
            AssertSame(whole, lower);
            Assert.Equal(0, LeafNode.Count(upper));
        }
    }

    private void Pair(int count, Random random, out byte* first, out byte* second)
    {
        first = Filled(count, random);
        second = _memory + (2 * LeafNode.Bytes);
        new Span<byte>(first, LeafNode.Bytes).CopyTo(new(second, LeafNode.Bytes));
    }

    private byte* Filled(int count, Random random)
    {
        byte* node = _memory + LeafNode.Bytes;
        LeafNode.Clear(node);
        int start = 1;
        for (int lane = 0; lane < count; lane++)
        {
            start += random.Next(2, count % 2 == 0 ? 10 : 2000);
            LeafNode.Offsets(node)[lane] = (ushort)start;
            LeafNode.Holes(node)[lane] = (ushort)(random.Next(3) == 0 ? random.Next(32760, 65536) : random.Next(12));
            LeafNode.Sizes(node)[lane] = (ushort)random.Next(1, 65536);
            LeafNode.Blocks(node)[lane] = random.Next(3);
        }

        return node;
    }

    private static void AssertSame(byte* expected, byte* actual) =>
        Assert.True(new Span<byte>(expected, LeafNode.Bytes).SequenceEqual(new(actual, LeafNode.Bytes)));
}
