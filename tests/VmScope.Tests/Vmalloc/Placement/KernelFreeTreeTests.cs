using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc.Placement;

/// <summary>
/// Goal: the reference tree is the kernel's. Method: the addresses of small worked examples, a plain scan where the
/// answer does not depend on the shape of the tree, red-black and maximum rules after each of many seeded steps.
/// </summary>
public class KernelFreeTreeTests
{
    private const ulong Start = 0xf8000000;
    private const ulong End = 0xfebfe000;

    private static KernelFreeTree Tree(FreeSearchRule rule) => new(rule, 4096, uint.MaxValue);

    private static ulong Place(IFreeSpace space, ulong size, ulong align, ulong from = Start, ulong end = End)
    {
        Assert.True(space.TryPlace(size, align, from, end, out ulong address));
        return address - from;
    }

    /// <summary>Sizes include the guard page, except where one is to be left out; free means purged.</summary>
    [Theory]
    [InlineData(FreeSearchRule.AlwaysPadded, 0xd000UL, 0x7000UL)]
    [InlineData(FreeSearchRule.PaddedAbovePage, 0x7000UL, 0xd000UL)]
    public void The_worked_example_of_5_2_to_5_15_and_5_18_differs_in_one_page_sized_alignment(
        FreeSearchRule rule, ulong pageAligned, ulong unaligned)
    {
        KernelFreeTree tree = Tree(rule);
        void Free(ulong at, ulong size) => tree.Insert(Start + at, Start + at + size);
        Assert.Equal(0x0UL, Place(tree, 0x2000, 1));
        Assert.Equal(0x2000UL, Place(tree, 0x2000, 1));
        Assert.Equal(0x4000UL, Place(tree, 0x3000, 1));
        Assert.Equal(0x7000UL, Place(tree, 0x2000, 4096));
        Assert.Equal(0x9000UL, Place(tree, 0x2000, 1));
        Assert.Equal(0xb000UL, Place(tree, 0x2000, 1));
        Free(0x2000, 0x2000);
        Free(0x4000, 0x3000);
        Assert.Equal(0x2000UL, Place(tree, 0x2000, 1));
        Assert.Equal(0x10000UL, Place(tree, 0x5000, 0x4000));
        Assert.Equal(0x4000UL, Place(tree, 0x3000, 1));
        Free(0, 0x2000);
        Free(0x7000, 0x2000);
        Assert.Equal(0x0UL, Place(tree, 0x2000, 1));
        Assert.Equal(0x15000UL, Place(tree, 0x6000, 1));
        Assert.Equal(pageAligned, Place(tree, 0x2000, 4096));
        Assert.Equal(unaligned, Place(tree, 0x2000, 1));
        Assert.Equal(0x1b000UL, Place(tree, 0x2000, 4096));
        tree.CheckInvariants();
    }

    [Fact]
    public void A_block_that_ends_the_search_past_the_window_is_a_failure_even_if_nothing_else_was_asked()
    {
        KernelFreeTree tree = Tree(FreeSearchRule.PaddedAbovePage);
        Assert.False(tree.TryFind(0x3000, 1, Start, Start + 0x2000, out ulong address));
        Assert.Equal(0UL, address);
        Assert.True(tree.TryFind(0x2000, 1, Start, Start + 0x2000, out address));
        Assert.Equal(Start, address);
    }

    [Theory]
    [InlineData(uint.MaxValue)]
    [InlineData(ulong.MaxValue)]
    public void The_last_page_of_the_address_space_is_never_handed_out(ulong lastAddress)
    {
        KernelFreeTree tree = new(FreeSearchRule.SizeOnly, 4096, lastAddress);
        ulong lastPage = lastAddress - 4095;
        Assert.False(tree.TryPlace(4096, 1, lastPage, lastAddress, out _));
        Assert.True(tree.TryPlace(4096, 1, lastPage - 4096, lastAddress, out ulong address));
        Assert.Equal(lastPage - 4096, address);
        Assert.False(tree.TryPlace(4096, 1UL << 31, lastPage - 4096, lastAddress, out _));
        tree.CheckInvariants();
    }

    [Fact]
    public void A_merge_of_three_keeps_the_lower_node_and_a_cut_inside_keeps_the_upper()
    {
        KernelFreeTree tree = Tree(FreeSearchRule.PaddedAbovePage);
        Assert.True(tree.TryReserve(Start, 0x10000));
        Assert.Equal(2, tree.BlockCount);
        List<FreeTreeNode> shape = tree.ToShape();
        Assert.Equal((Start + 0x10000, (ulong)uint.MaxValue, true), (shape[0].Start, shape[0].End, shape[0].IsBlack));
        Assert.Equal((1UL, Start, false), (shape[1].Start, shape[1].End, shape[1].IsBlack));

        tree.Insert(Start, Start + 0x10000);
        shape = tree.ToShape();
        Assert.Equal([new(1, uint.MaxValue, true, uint.MaxValue - 1), default, default], shape);
    }

    [Fact]
    public void Ranges_that_are_empty_or_free_already_are_refused_and_change_nothing()
    {
        KernelFreeTree tree = Tree(FreeSearchRule.SizeOnly);
        Assert.True(tree.TryReserve(Start, 0x4000));
        Assert.Throws<ArgumentException>(() => tree.Insert(Start, Start));
        Assert.Throws<ArgumentException>(() => tree.Insert(Start, Start + 0x5000));
        Assert.Throws<ArgumentException>(() => tree.Insert(Start - 0x1000, Start + 0x1000));
        Assert.False(tree.TryReserve(Start + 0x3000, 0x2000));
        Assert.False(tree.TryReserve(Start - 0x1000, 0x2000));
        Assert.False(tree.TryReserve(Start + 0x8000, 0));
        Assert.Equal(2, tree.BlockCount);
        tree.CheckInvariants();
    }

    [Fact]
    public void Areas_older_than_the_allocator_leave_their_gaps_in_ascending_order()
    {
        KernelFreeTree tree = KernelFreeTree.Around(FreeSearchRule.SizeOnly, 4096, uint.MaxValue,
            [new(Start, Start + 0x2000), new(Start + 0x2000, Start + 0x3000), new(Start + 0x9000, Start + 0xa000)]);
        Assert.Equal([new(1, Start), new(Start + 0x3000, Start + 0x9000), new(Start + 0xa000, uint.MaxValue)], Blocks(tree));
        Assert.Equal(Start + 0x3000, tree.ToShape()[0].Start);
        tree.CheckInvariants();
    }

    [Theory]
    [InlineData(FreeSearchRule.SizeOnly, 1UL << 22, 1)]
    [InlineData(FreeSearchRule.SizeOnly, 1UL, 2)]
    [InlineData(FreeSearchRule.PaddedAbovePage, 4096UL, 3)]
    [InlineData(FreeSearchRule.AlwaysPadded, 1UL, 4)]
    public void Where_the_shape_does_not_matter_the_answer_is_the_lowest_block_that_fits(FreeSearchRule rule, ulong alignMax, int seed)
    {
        Random random = new(seed);
        KernelFreeTree tree = Tree(rule);
        List<FreeBlock> areas = [];
        for (int step = 0; step < 4000; step++)
        {
            if (areas.Count > 0 && random.Next(100) < 48)
            {
                int victim = random.Next(areas.Count);
                tree.Insert(areas[victim].Start, areas[victim].End);
                areas.RemoveAt(victim);
            }
            else
            {
                ulong size = 4096UL * (ulong)random.Next(1, 20);
                ulong align = 1UL << random.Next(System.Numerics.BitOperations.Log2(alignMax) + 1);
                ulong from = random.Next(3) == 0 ? Start + (4096UL * (ulong)random.Next(1000)) : Start;
                ulong expected = LowestFit(Blocks(tree), size, align, from);
                bool placed = tree.TryPlace(size, align, from, End, out ulong address);
                Assert.Equal(expected <= End - size, placed);
                if (placed)
                {
                    Assert.Equal(expected, address);
                    areas.Add(new(address, address + size));
                }
            }

            tree.CheckInvariants();
        }

        IFreeSpace copy = tree.Clone();
        copy.CheckInvariants();
        Assert.Equal(tree.ToShape(), ((KernelFreeTree)copy).ToShape());
        Assert.Equal(tree.ToShape(), KernelFreeTree.FromShape(rule, 4096, [.. tree.ToShape()]).ToShape());
        Assert.True(tree.BlockCount > 50, $"{tree.BlockCount} blocks prove little");
    }

    [Fact]
    public void A_list_that_is_no_red_black_tree_is_refused_with_the_entry()
    {
        FreeTreeNode root = new(0x5000, 0x6000, true, 0);
        FreeTreeNode low = new(0x1000, 0x2000, false, 0);
        FreeTreeNode[][] wrong =
        [
            [],
            [default],
            [root],
            [root, default],
            [root, default, default, default],
            [root with { IsBlack = false }, default, default],
            [root, low with { IsBlack = true }, default, default, default],
            [root, low, low with { Start = 1, End = 0x800 }, default, default, default, default],
            [root, low with { End = 0x5000 }, default, default, default],
            [root, default, low, default, default],
            [root with { Start = 0x5001 }, default, default],
            [root with { End = 0x5000 }, default, default],
        ];
        foreach (FreeTreeNode[] list in wrong)
        {
            ArgumentException refused = Assert.Throws<ArgumentException>(
                () => KernelFreeTree.FromShape(FreeSearchRule.SizeOnly, 4096, list));
            Assert.Contains("entry ", refused.Message, StringComparison.Ordinal);
        }

        FreeTreeNode[] deep = [.. Enumerable.Repeat(root, 100_000)];
        Assert.Throws<ArgumentException>(() => KernelFreeTree.FromShape(FreeSearchRule.SizeOnly, 4096, deep));
    }

    internal static List<FreeBlock> Blocks(IFreeSpace space)
    {
        List<FreeBlock> blocks = [];
        ulong above = 0;
        while (space.TryBlockAbove(above, out FreeBlock block))
        {
            blocks.Add(block);
            above = block.Start;
        }

        return blocks;
    }

    private static ulong LowestFit(List<FreeBlock> blocks, ulong size, ulong align, ulong from)
    {
        foreach (FreeBlock block in blocks)
        {
            ulong start = (Math.Max(block.Start, from) + align - 1) & ~(align - 1);
            if (start + size <= block.End)
            {
                return start;
            }
        }

        return ulong.MaxValue;
    }
}
