using System.Runtime.InteropServices;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc.Placement;

/// <summary>
/// Goal: a node answers and changes alike with and without wide vectors. Method: every count of entries and every lane;
/// searches against plain loops, changes by vectors against changes by moves.
/// </summary>
public sealed unsafe class WideNodeTests : IDisposable
{
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(4 * 640, 64);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    [Fact]
    public void Searches_find_what_a_loop_over_the_lanes_finds()
    {
        Random random = new(1);
        for (int count = 0; count <= WideNode.Lanes; count++)
        {
            byte* node = Filled(0, count, random);
            Assert.Equal(count, WideNode.Count(node));
            Assert.Equal(count == WideNode.Lanes, WideNode.IsFull(node));
            for (int wanted = 1; wanted < 12; wanted++)
            {
                uint expected = 0;
                uint blocks = 0;
                for (int lane = 0; lane < WideNode.Lanes; lane++)
                {
                    expected |= WideNode.Holes(node)[lane] >= wanted ? 1u << lane : 0;
                    blocks |= WideNode.Blocks(node)[lane] != 0 ? 1u << lane : 0;
                }

                Assert.Equal(expected, WideNode.HolesOfAtLeast(node, wanted));
                Assert.Equal(expected, PlainLanes.AtLeast(WideNode.Holes(node), wanted));
                Assert.Equal(expected, Lanes256.IsSupported ? Lanes256.AtLeast(WideNode.Holes(node), wanted) : expected);
                Assert.Equal(blocks, WideNode.WithBlock(node));
            }

            int largest = 0;
            for (int lane = 0; lane < count; lane++)
            {
                largest = Math.Max(largest, WideNode.Holes(node)[lane]);
                long start = WideNode.Starts(node)[lane];
                foreach (long page in (long[])[start - 1, start])
                {
                    int expected = page < start ? lane : lane + 1;
                    Assert.Equal(expected, WideNode.CountAtOrBelow(node, page));
                    Assert.Equal(expected, PlainLanes.CountUpTo(WideNode.Starts(node), page));
                    Assert.Equal(expected, Lanes256.IsSupported ? Lanes256.CountUpTo(WideNode.Starts(node), page) : expected);
                }
            }

            Assert.Equal(largest, WideNode.LargestHole(node));
            Assert.Equal(largest, PlainLanes.Largest(WideNode.Holes(node)));
        }
    }

    [Fact]
    public void Entries_come_and_go_alike_by_vectors_and_by_moves()
    {
        Random random = new(2);
        for (int count = 1; count <= WideNode.Lanes; count++)
        {
            for (int lane = 0; lane < count; lane++)
            {
                if (count < WideNode.Lanes)
                {
                    Pair(count, random, out byte* moved, out byte* either);
                    long start = WideNode.Starts(moved)[lane] + 1;
                    PlainLanes.InsertBehind(moved, lane, 5, 6, start, 7, 8, 9);
                    WideNode.InsertBehind(either, lane, 5, 6, start, 7, 8, 9);
                    AssertSame(moved, either);
                    Assert.Equal((start, 7, 8, 9), (WideNode.Starts(either)[lane + 1], WideNode.Sizes(either)[lane + 1],
                        WideNode.Holes(either)[lane + 1], WideNode.Blocks(either)[lane + 1]));
                    Assert.Equal((5, 6), (WideNode.Holes(either)[lane], WideNode.Blocks(either)[lane]));
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
                    WideNode.RemoveBehind(either, lane, 5, 6);
                    AssertSame(moved, either);
                    Assert.Equal(count - 1, WideNode.Count(either));
                    Assert.Equal((5, 6), (WideNode.Holes(either)[lane], WideNode.Blocks(either)[lane]));
                }

                Pair(count, random, out byte* first, out byte* second);
                PlainLanes.RemoveBehind(first, -1, 1, 1);
                WideNode.Remove(second, 0);
                AssertSame(first, second);

                Pair(count, random, out byte* changed, out byte* same);
                WideNode.Holes(changed)[lane] = 77;
                WideNode.Blocks(changed)[lane] = 78;
                WideNode.SetHole(same, lane, 77);
                WideNode.SetBlock(same, lane, 78);
                AssertSame(changed, same);
            }
        }
    }

    [Fact]
    public void A_split_and_a_join_keep_every_entry()
    {
        for (int first = 1; first < WideNode.Lanes; first++)
        {
            Pair(WideNode.Lanes, new Random(first), out byte* whole, out byte* lower);
            byte* upper = _memory + (2 * WideNode.Bytes);
            WideNode.Clear(upper);
            WideNode.SplitInto(lower, first, upper);
            Assert.Equal((first, WideNode.Lanes - first), (WideNode.Count(lower), WideNode.Count(upper)));
            WideNode.Join(lower, first, upper, WideNode.Lanes - first);
            AssertSame(whole, lower);
            Assert.Equal(0, WideNode.Count(upper));
        }
    }

    private void Pair(int count, Random random, out byte* first, out byte* second)
    {
        first = Filled(0, count, random);
        second = _memory + WideNode.Bytes;
        new Span<byte>(first, WideNode.Bytes).CopyTo(new(second, WideNode.Bytes));
    }

    private byte* Filled(int slot, int count, Random random)
    {
        byte* node = _memory + (slot * WideNode.Bytes);
        WideNode.Clear(node);
        long start = 1;
        for (int lane = 0; lane < count; lane++)
        {
            start += random.Next(2, 10);
            WideNode.Starts(node)[lane] = start;
            WideNode.Holes(node)[lane] = random.Next(12);
            WideNode.Sizes(node)[lane] = random.Next(1, 100);
            WideNode.Blocks(node)[lane] = random.Next(3);
        }

        return node;
    }

    private static void AssertSame(byte* expected, byte* actual) =>
        Assert.True(new Span<byte>(expected, WideNode.Bytes).SequenceEqual(new(actual, WideNode.Bytes)));
}
