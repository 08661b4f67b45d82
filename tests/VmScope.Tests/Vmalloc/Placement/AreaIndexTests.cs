using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc.Placement;

/// <summary>
/// Goal: the fast structure gives the kernel's addresses and keeps the kernel's tree. Method: the same seeded requests
/// to it and to the reference tree; every answer is compared, and after each step the two trees, node for node and
/// colour for colour, and the structure's own promises.
/// </summary>
public class AreaIndexTests
{
    private const ulong Page = 4096;

    /// <summary>Where requests go, as on one architecture or another.</summary>
    /// <param name="LastAddress">The top of the address space.</param>
    /// <param name="VmallocStart">The start of the vmalloc range.</param>
    /// <param name="VmallocEnd">Its exclusive end.</param>
    /// <param name="ModulesStart">The start of the module range.</param>
    /// <param name="ModulesEnd">Its exclusive end.</param>
    private sealed record Map(ulong LastAddress, ulong VmallocStart, ulong VmallocEnd, ulong ModulesStart, ulong ModulesEnd);

    private static readonly Map ModulesAbove = new(ulong.MaxValue, 0xffffc90000000000, 0xffffc90004000000, 0xffffffffc0000000, 0xffffffffc0800000);
    private static readonly Map ModulesBelow = new(ulong.MaxValue, 0xffff800010000000, 0xffff800014000000, 0xffff80000f800000, 0xffff800010000000);
    private static readonly Map Narrow = new(uint.MaxValue, 0xf8000000, 0xfb000000, 0xf7000000, 0xf8000000);
    private static readonly Map AtTheTop = new(uint.MaxValue, 0xfd000000, uint.MaxValue, 0xfc000000, 0xfd000000);
    private static readonly Map AtTheBottom = new(ulong.MaxValue, 0x1000, 0x4000000, 0x5000000, 0x5800000);

    public static TheoryData<FreeSearchRule, string, int> Runs()
    {
        TheoryData<FreeSearchRule, string, int> runs = [];
        int seed = 1;
        foreach (FreeSearchRule rule in Enum.GetValues<FreeSearchRule>())
        {
            foreach (string map in (string[])[nameof(ModulesAbove), nameof(ModulesBelow), nameof(Narrow), nameof(AtTheTop), nameof(AtTheBottom)])
            {
                runs.Add(rule, map, seed++);
                runs.Add(rule, map, seed++);
            }
        }

        return runs;
    }

    [Theory, MemberData(nameof(Runs))]
    public void Every_address_and_every_node_is_the_reference_trees(FreeSearchRule rule, string map, int seed)
    {
        Map where = map switch
        {
            nameof(ModulesAbove) => ModulesAbove,
            nameof(ModulesBelow) => ModulesBelow,
            nameof(Narrow) => Narrow,
            nameof(AtTheTop) => AtTheTop,
            _ => AtTheBottom,
        };
        Comparison run = new(rule, Page, where, seed);
        for (int step = 0; step < 1500; step++)
        {
            run.Step(liveMax: 60 + (seed % 5 * 60));
            run.CompareTrees();
        }

        Assert.True(run.Placed > 400 && run.Refused > 0, $"{run.Placed} placed, {run.Refused} refused");
    }

    [Theory]
    [InlineData(FreeSearchRule.AlwaysPadded, 101)]
    [InlineData(FreeSearchRule.SizeOnly, 102)]
    [InlineData(FreeSearchRule.PaddedAbovePage, 103)]
    [InlineData(FreeSearchRule.PaddedAbovePage, 104)]
    public void Thousands_of_areas_agree_too(FreeSearchRule rule, int seed)
    {
        Comparison run = new(rule, 16 * 1024, ModulesAbove with { VmallocEnd = 0xffffe8ffffffffff }, seed);
        for (int step = 0; step < 60_000; step++)
        {
            run.Step(liveMax: step < 40_000 ? 6000 : 600);   // grow, then shrink: nodes split and join
            if (step % 2500 == 0)
            {
                run.CompareTrees();
            }
        }

        run.CompareTrees();
    }

    /// <summary>Without a search before each placement, what the last operation left behind is used.</summary>
    [Theory]
    [InlineData(20, 1, 65, 201)]
    [InlineData(300, 1, 65, 202)]
    [InlineData(1000, 1, 65, 203)]
    [InlineData(1000, 13, 65, 204)]
    [InlineData(100, 1, 70_000, 205)]
    [InlineData(100, 20, 70_000, 206)]
    [InlineData(30, 1, 30_000_000, 207)]
    public void Steady_use_agrees_address_by_address(int live, int alignBits, int pagesMax, int seed)
    {
        Random random = new(seed);
        KernelFreeTree reference = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        AreaIndex index = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        ulong start = ModulesAbove.VmallocStart;
        ulong end = start + ((ulong)live * (ulong)pagesMax * 5 / 8 * Page);
        FreeBlock[] areas = new FreeBlock[live];
        for (int step = 0; step < 20_000; step++)
        {
            int victim = random.Next(4) == 0 ? step % live : random.Next(live);
            if (areas[victim].End != 0)
            {
                reference.Insert(areas[victim].Start, areas[victim].End);
                Assert.True(index.TryRelease(areas[victim].Start, out ulong freed));
                Assert.Equal(areas[victim].SizeBytes, freed);
            }

            ulong size = Page * (ulong)(random.Next(2) == 0 ? random.Next(1, 66) : random.Next(1, pagesMax + 1));
            ulong align = random.Next(10) < 3 ? Page << random.Next(alignBits) : 1;
            bool expected = reference.TryPlace(size, align, start, end, out ulong wanted);
            Assert.Equal(expected, index.TryPlace(size, align, start, end, out ulong found));
            Assert.Equal(wanted, found);
            areas[victim] = expected ? new(found, found + size) : default;
            if (step % 16 == 0)
            {
                index.CheckInvariants();
            }
        }

        Assert.Equal(reference.ToShape(), index.ToShape());
    }

    [Fact]
    public void Nothing_is_allocated_per_operation_once_the_memory_has_grown()
    {
        AreaIndex index = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        Use(index);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Use(index);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        static void Use(AreaIndex index)
        {
            Span<ulong> areas = stackalloc ulong[500];
            for (int step = 0; step < 4000; step++)
            {
                ref ulong area = ref areas[step * 7 % 500];
                if (area != 0)
                {
                    Assert.True(index.TryRelease(area, out _));
                }

                ulong align = step % 3 == 0 ? 4 * Page : 1;
                Assert.True(index.TryPlace(Page * (ulong)((step % 11) + 1), align, ModulesAbove.VmallocStart, ModulesAbove.VmallocEnd, out area));
            }

            foreach (ulong area in areas)
            {
                Assert.True(index.TryRelease(area, out _));
            }
        }
    }

    [Fact]
    public void A_tree_that_was_read_goes_on_like_the_tree_it_was_read_from()
    {
        Comparison run = new(FreeSearchRule.PaddedAbovePage, Page, ModulesAbove, seed: 7);
        for (int step = 0; step < 2000; step++)
        {
            run.Step(liveMax: 300);
        }

        run.ReadBack();
        run.CompareTrees();
        for (int step = 0; step < 2000; step++)
        {
            run.Step(liveMax: 300);
        }

        run.CompareTrees();
    }

    /// <summary>Areas farther apart than a leaf can span, and sizes and holes around what its lanes can hold.</summary>
    [Theory]
    [InlineData(1, 301)]
    [InlineData(2, 302)]
    [InlineData(40, 303)]
    public void Areas_all_over_a_wide_address_space_are_exact(int clusters, int seed)
    {
        Random random = new(seed);
        Comparison run = new(FreeSearchRule.PaddedAbovePage, Page, ModulesAbove, seed);
        ulong[] starts = [.. Enumerable.Range(0, clusters).Select(_ => (ulong)random.NextInt64() & ~(Page - 1))];
        for (int step = 0; step < 4000; step++)
        {
            ulong pages = random.Next(6) switch
            {
                0 => (ulong)random.Next(65_530, 65_540),
                1 => (ulong)random.NextInt64(1L << 32),
                _ => (ulong)random.Next(1, 40),
            };
            ulong start = starts[random.Next(clusters)] + (Page * (ulong)random.NextInt64(1L << random.Next(1, 34)));
            run.PlaceOrFree(step % 1000 < 600, pages * Page, random.Next(4) == 0 ? Page << random.Next(20) : 1, start, 0xffff_f000_0000_0000);
            if (step % 50 == 0)
            {
                run.CompareTrees();
            }
        }

        run.FreeAll();
        run.CompareTrees();
    }

    [Fact]
    public void Areas_reserved_from_the_top_down_share_their_leaves()
    {
        AreaIndex index = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        Assert.True(index.TryPlace(Page, 1, ModulesAbove.VmallocStart, 0xffffe8ffffffffff, out _));
        long before = index.UsedBytes;
        for (ulong chunk = 1; chunk <= 1000; chunk++)
        {
            Assert.True(index.TryReserve(0xffffe90000000000 - (chunk * 100 * Page), 64 * Page));
            index.CheckInvariants();
        }

        Assert.InRange((index.UsedBytes - before) / 1000, 1, 60);
        for (ulong chunk = 1; chunk <= 1000; chunk++)
        {
            Assert.True(index.TryRelease(0xffffe90000000000 - (chunk * 100 * Page), out _));
        }

        index.CheckInvariants();
        Assert.Equal(2, index.BlockCount);
    }

    [Fact]
    public void A_copy_lives_on_its_own()
    {
        AreaIndex index = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        Assert.True(index.TryPlace(Page, 1, ModulesAbove.VmallocStart, ModulesAbove.VmallocEnd, out ulong first));
        IFreeSpace copy = index.Clone();
        index.Insert(first, first + Page);
        Assert.Equal(1, index.BlockCount);
        Assert.Equal(2, copy.BlockCount);
        copy.CheckInvariants();
        index.CheckInvariants();
    }

    [Fact]
    public void Areas_are_found_by_any_address_inside_and_freed_by_their_first()
    {
        AreaIndex index = new(FreeSearchRule.PaddedAbovePage, Page, ulong.MaxValue);
        ulong start = ModulesAbove.VmallocStart;
        for (int area = 0; area < 500; area++)
        {
            Assert.True(index.TryReserve(start + ((ulong)area * 4 * Page), 3 * Page));
        }

        Assert.Equal(500, index.AreaCount);
        for (ulong area = 0; area < 500; area++)
        {
            ulong at = start + (area * 4 * Page);
            Assert.True(index.TryFindArea(at + (3 * Page) - 1, out FreeBlock found));
            Assert.Equal(new(at, at + (3 * Page)), found);
            Assert.False(index.TryFindArea(at + (3 * Page), out _));
            Assert.False(index.TryRelease(at + Page, out _));
        }

        Assert.False(index.TryFindArea(0, out _));
        Assert.False(index.TryFindArea(ulong.MaxValue, out _));
        for (ulong area = 0; area < 500; area += 2)
        {
            Assert.True(index.TryRelease(start + (area * 4 * Page), out ulong size));
            Assert.Equal(3 * Page, size);
        }

        Assert.Equal(250, index.AreaCount);
        index.CheckInvariants();
    }

    [Fact]
    public void Areas_and_requests_of_more_pages_than_a_lane_holds_are_exact()
    {
        Comparison run = new(FreeSearchRule.PaddedAbovePage, Page, ModulesAbove with { VmallocStart = 0x10000000, VmallocEnd = 0xfff0000000000000 }, seed: 9);
        ulong huge = 1UL << 43;   // 2^31 pages
        foreach (ulong size in (ulong[])[huge - Page, huge, huge + Page, 1UL << 50, Page, 1UL << 62])
        {
            foreach (ulong align in (ulong[])[1, 1UL << 14, 1UL << 43, 1UL << 63])
            {
                run.Place(size, align, 0x10000000, 0xfff0000000000000);
                run.CompareTrees();
            }
        }

        for (int step = 0; step < 400; step++)
        {
            run.Step(liveMax: 20);
            run.CompareTrees();
        }

        run.FreeAll();
        run.CompareTrees();
    }

    [Fact]
    public void Ranges_that_are_free_or_not_made_of_pages_are_refused_and_change_nothing()
    {
        AreaIndex index = new(FreeSearchRule.SizeOnly, Page, uint.MaxValue);
        Assert.True(index.TryReserve(0xf8000000, 4 * Page));
        Assert.True(index.TryReserve(0xf8000000 + (4 * Page), 4 * Page));
        foreach ((ulong start, ulong end) in ((ulong, ulong)[])
            [(0xf8000000, 0xf8000000), (0xf8001000, 0xf8000000), (0xf7fff000, 0xf8001000), (0xf8007000, 0xf8009000),
             (0xf8000800, 0xf8001000), (0, Page), (0xf8000000, 0x100000000), (0x200000000, 0x200001000)])
        {
            Assert.Throws<ArgumentException>(() => index.Insert(start, end));
        }

        Assert.False(index.TryReserve(0xf8003000, 2 * Page));
        Assert.False(index.TryReserve(0, Page));
        Assert.False(index.TryReserve(uint.MaxValue - 4095UL, Page));
        Assert.Throws<ArgumentException>(() => index.TryReserve(0xf9000000, 100));
        Assert.Throws<ArgumentException>(() => index.TryFind(100, 1, 0xf8000000, 0xf9000000, out _));
        foreach ((ulong size, ulong align) in ((ulong, ulong)[])[(0, 1), (0, Page), (100, 1), (Page, 3), (Page, 0), (Page, 3 * Page)])
        {
            Assert.ThrowsAny<ArgumentException>(() => index.TryPlace(size, align, 0xf8000000, 0xf9000000, out _));
        }

        Assert.Throws<ArgumentException>(() => index.TryFind(Page, 3, 0xf8000000, 0xf9000000, out _));
        Assert.Equal(2, index.AreaCount);
        index.CheckInvariants();
        index.Insert(0xf8002000, 0xf8006000);   // the middle of two areas
        Assert.Equal([new(1, 0xf8000000), new(0xf8002000, 0xf8006000), new(0xf8008000, uint.MaxValue)], KernelFreeTreeTests.Blocks(index));
        index.CheckInvariants();
    }

    [Fact]
    public void A_tree_without_its_two_ends_is_refused()
    {
        FreeTreeNode block = new(0x5000, 0x6000, true, 0x1000);
        Assert.Throws<ArgumentException>(() => AreaIndex.FromShape(FreeSearchRule.SizeOnly, Page, [block, default, default]));
        AreaIndex around = AreaIndex.Around(FreeSearchRule.SizeOnly, Page, uint.MaxValue, [new(0xf8000000, 0xf8002000), new(0xf9000000, 0xf9001000)]);
        Assert.Equal([new(1, 0xf8000000), new(0xf8002000, 0xf9000000), new(0xf9001000, uint.MaxValue)], KernelFreeTreeTests.Blocks(around));
        around.CheckInvariants();
    }

    /// <summary>One sequence of requests to both structures.</summary>
    private sealed class Comparison(FreeSearchRule rule, ulong page, Map map, int seed)
    {
        private readonly Random _random = new(seed);
        private readonly List<FreeBlock> _areas = [];
        private IFreeSpace _reference = new KernelFreeTree(rule, page, map.LastAddress);
        private AreaIndex _index = new(rule, page, map.LastAddress);
        private ulong _topDown = map.VmallocEnd;

        internal int Placed { get; private set; }

        internal int Refused { get; private set; }

        internal void Step(int liveMax)
        {
            int free = _areas.Count >= liveMax ? 75 : 35;
            int choice = _random.Next(100);
            if (_areas.Count > 0 && choice < free)
            {
                FreeSome();
            }
            else if (choice < 97)
            {
                PlaceSome();
            }
            else
            {
                ReserveFromTheTop();
            }
        }

        internal void Place(ulong size, ulong align, ulong from, ulong end)
        {
            bool expected = _reference.TryFind(size, align, from, end, out ulong wanted);
            Assert.Equal(expected, _index.TryFind(size, align, from, end, out ulong found));
            Assert.True(wanted == found, $"size 0x{size:x} align 0x{align:x} from 0x{from:x} end 0x{end:x}: 0x{found:x}, the kernel 0x{wanted:x}");
            Assert.Equal(expected, _index.TryPlace(size, align, from, end, out found));
            Assert.Equal(wanted, found);
            if (expected)
            {
                Assert.True(_reference.TryPlace(size, align, from, end, out _));
                _areas.Add(new(found, found + size));
                Placed++;
            }
            else
            {
                Refused++;
            }
        }

        internal void PlaceOrFree(bool place, ulong size, ulong align, ulong from, ulong end)
        {
            if (place || _areas.Count == 0)
            {
                Place(size, align, from, end);
            }
            else
            {
                FreeSome();
            }
        }

        internal void FreeAll()
        {
            while (_areas.Count > 0)
            {
                FreeOne();
            }
        }

        internal void ReadBack()
        {
            FreeTreeNode[] shape = [.. _index.ToShape()];
            Assert.Equal(_reference.BlockCount, shape.Count(node => !node.IsMissing));
            _index = AreaIndex.FromShape(rule, page, shape);
            _reference = KernelFreeTree.FromShape(rule, page, shape);
        }

        internal void CompareTrees()
        {
            _index.CheckInvariants();
            _reference.CheckInvariants();
            Assert.Equal(((KernelFreeTree)_reference).ToShape(), _index.ToShape());
            ulong probe = map.VmallocStart + (page * (ulong)_random.Next(3000)) + (ulong)_random.Next(2);
            Assert.Equal(_reference.TryBlockAbove(probe, out FreeBlock above), _index.TryBlockAbove(probe, out FreeBlock sameAbove));
            Assert.Equal(_reference.TryBlockAtOrBelow(probe, out FreeBlock below), _index.TryBlockAtOrBelow(probe, out FreeBlock sameBelow));
            Assert.Equal((above, below), (sameAbove, sameBelow));
        }

        private void PlaceSome()
        {
            ulong size = page * (ulong)(_random.Next(8) == 0 ? _random.Next(1, 300) : _random.Next(1, 20));
            ulong align = _random.Next(3) == 0 ? 1 : 1UL << _random.Next(_random.Next(20) == 0 ? 64 : 24);
            (ulong from, ulong end) = (map.VmallocStart, map.VmallocEnd);
            switch (_random.Next(8))
            {
                case 0:
                    (from, end) = (map.ModulesStart, map.ModulesEnd);
                    break;
                case 1:
                    from += page * (ulong)_random.Next(2000);
                    break;
                case 2 when _areas.Count > 0:
                    FreeBlock near = _areas[_random.Next(_areas.Count)];   // at, inside and just behind an area
                    from = near.Start + (page * (ulong)_random.Next((int)Math.Min((near.SizeBytes / page) + 2, 1000)));
                    end = _random.Next(2) == 0 ? end : from + (page * (ulong)_random.Next(1, 400)) + (ulong)_random.Next(2);
                    break;
                case 3:
                    from += page * (ulong)_random.Next(2000);
                    end = from + size;   // exactly as long as the area
                    break;
                default:
                    break;
            }

            if (end <= map.LastAddress && end > from)
            {
                Place(size, align, from, end);
            }
        }

        private void FreeSome()
        {
            if (_random.Next(8) != 0)
            {
                FreeOne();
                return;
            }

            // Neighbours that touch return as one range, as ranges merged before a purge do.
            _areas.Sort((left, right) => left.Start.CompareTo(right.Start));
            int first = _random.Next(_areas.Count);
            int last = first;
            while (last + 1 < _areas.Count && _areas[last + 1].Start == _areas[last].End && last - first < 40)
            {
                last++;
            }

            Give(_areas[first].Start, _areas[last].End);
            _areas.RemoveRange(first, last - first + 1);
        }

        private void FreeOne()
        {
            int victim = _random.Next(_areas.Count);
            FreeBlock area = _areas[victim];
            _areas[victim] = _areas[^1];
            _areas.RemoveAt(_areas.Count - 1);
            ulong pages = area.SizeBytes / page;
            if (pages > 2 && _random.Next(20) == 0)
            {
                // In two parts: what was read as one area may have been several.
                ulong cut = area.Start + (page * (1 + ((ulong)_random.NextInt64() % (pages - 1))));
                Give(cut, area.End);
                Give(area.Start, cut);
                return;
            }

            Give(area.Start, area.End);
        }

        private void Give(ulong start, ulong end)
        {
            _reference.Insert(start, end);
            _index.Insert(start, end);
        }

        private void ReserveFromTheTop()
        {
            _topDown = _topDown / page * page;
            ulong size = page * (ulong)_random.Next(1, 9);
            ulong start = _topDown - size - (page * (ulong)_random.Next(3));
            _topDown = start - (page * (ulong)_random.Next(30)) > map.VmallocStart + (64 * page) ? start : map.VmallocEnd;
            bool expected = _reference.TryReserve(start, size);
            Assert.Equal(expected, _index.TryReserve(start, size));
            if (expected)
            {
                _areas.Add(new(start, start + size));
            }
        }
    }
}
