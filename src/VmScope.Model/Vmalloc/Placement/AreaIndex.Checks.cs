namespace VmScope.Vmalloc;

// What the structure promises of itself, checked in full.
internal sealed unsafe partial class AreaIndex
{
    /// <inheritdoc />
    public void CheckInvariants()
    {
        FreeTreeShape.ReadAsInvariant([.. ToShape()], _pageMask + 1, BlockCount);
        long expectedStart = 0;
        int block = _bottom;
        int areas = -1;   // entry 0 is none
        CheckInner(_root, _height, ref expectedStart, ref block, ref areas, out _);
        Require(expectedStart == _topPage, $"the entries end at page 0x{expectedStart:x}, not at 0x{_topPage:x}");
        Require(_bottomEnd == BlockAt(_bottom)->End, $"the bottom block ends at page 0x{_bottomEnd:x}");
        Require(block == 0, "a hole is in the tree of holes but behind no area");
        Require(areas == AreaCount, $"{areas} areas are there, {AreaCount} counted");
    }

    /// <summary>The tree of holes in preorder, each followed by its left and its right subtree.</summary>
    internal List<FreeTreeNode> ToShape()
    {
        List<FreeTreeNode> preorder = [];
        ulong Add(int id)
        {
            int place = preorder.Count;
            preorder.Add(default);
            if (id == 0)
            {
                return 0;
            }

            FreeBlock block = BlockOf(id);
            ulong left = Add(BlockAt(id)->Left);
            ulong right = Add(BlockAt(id)->Right);
            ulong max = Math.Max(block.SizeBytes, Math.Max(left, right));
            preorder[place] = new(block.Start, block.End, BlockAt(id)->IsBlack != 0, max);
            return max;
        }

        _ = Add(_shape.Root);
        return preorder;
    }

    private void CheckInner(byte* node, int level, ref long expectedStart, ref int block, ref int areas, out int largest)
    {
        int count = InnerNode.Count(node);
        Require(count > 0, "an inner node is empty");
        largest = 0;
        for (int lane = 0; lane < InnerNode.Lanes; lane++)
        {
            long start = InnerNode.Starts(node)[lane];
            int hole = InnerNode.Holes(node)[lane];
            int child = InnerNode.Children(node)[lane];
            if (lane >= count)
            {
                Require(start == InnerNode.Unused && hole == 0 && child == 0, "an unused lane is not clear");
                continue;
            }

            Require(start == expectedStart, $"a node begins at page 0x{start:x}, not at 0x{expectedStart:x}");
            int actual;
            if (level > 1)
            {
                CheckInner(InnerAt(child), level - 1, ref expectedStart, ref block, ref areas, out actual);
            }
            else
            {
                CheckLeaf(LeafAt(child), ref expectedStart, ref block, ref areas, out actual);
            }

            Require(hole == actual, $"the largest hole below page 0x{start:x} is {actual} pages, not {hole}");
            largest = Math.Max(largest, hole);
        }
    }

    private void CheckLeaf(byte* leaf, ref long expectedStart, ref int block, ref int areas, out int largest)
    {
        int count = LeafNode.Count(leaf);
        long leafStart = expectedStart;
        Require(count > 0, "a leaf is empty");
        largest = 0;
        for (int lane = 0; lane < LeafNode.Lanes; lane++)
        {
            int offset = LeafNode.Offsets(leaf)[lane];
            int hole = LeafNode.Holes(leaf)[lane];
            if (lane >= count)
            {
                Require(offset == LeafNode.Unused && hole == 0 && LeafNode.Sizes(leaf)[lane] == 0 && LeafNode.Blocks(leaf)[lane] == 0, "an unused lane is not clear");
                continue;
            }

            long start = leafStart + offset;
            Require(start == expectedStart, $"an area begins at page 0x{start:x}, not at 0x{expectedStart:x}");
            int actual = CheckEntry(leaf, lane, start, ref expectedStart, ref block);
            Require(hole == actual, $"the hole behind the area at page 0x{start:x} is {actual} pages, not {hole}");
            largest = Math.Max(largest, hole);
            areas++;
        }
    }

    private int CheckEntry(byte* leaf, int lane, long start, ref long expectedStart, ref int block)
    {
        long end = start + PagesOf(leaf, lane, start);
        int here = LeafNode.Blocks(leaf)[lane];
        expectedStart = end;
        if (here == 0)
        {
            return 0;
        }

        BlockNode* node = BlockAt(here);
        Require(here == block, $"hole {here} stands where the tree of holes has {block}");
        Require(node->Start == end && node->End > end, $"the hole behind page 0x{end:x} is 0x{node->Start:x}..0x{node->End:x}");
        expectedStart = node->End;
        block = _shape.Above(node->Start);
        return here == _bottom ? 0 : HoleLane(node->End - node->Start);
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new InvalidOperationException($"Areas and holes are inconsistent: {otherwise}.");
        }
    }
}
