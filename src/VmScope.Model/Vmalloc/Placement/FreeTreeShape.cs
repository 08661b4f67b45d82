namespace VmScope.Vmalloc;

/// <summary>Turns a tree of free blocks as it was read, in preorder, into links, and refuses what is no such tree.</summary>
internal sealed class FreeTreeShape
{
    /// <summary>Stands for "no node".</summary>
    internal const int None = -1;

    /// <summary>No red-black tree of 2^31 nodes is deeper.</summary>
    private const int DepthMax = 64;

    private FreeTreeShape(int count)
    {
        (Left, Right, Parent, InOrder) = (new int[count], new int[count], new int[count], new int[count]);
        Array.Fill(Left, None);
        Array.Fill(Right, None);
        Array.Fill(Parent, None);
    }

    /// <summary>Per node of the preorder list (missing children count as entries too): its left child's index.</summary>
    internal int[] Left { get; }

    internal int[] Right { get; }

    internal int[] Parent { get; }

    /// <summary>Indices of the nodes in address order; the first <see cref="Count"/> entries are used.</summary>
    internal int[] InOrder { get; }

    internal int Count { get; private set; }

    /// <summary>Reads a preorder list in which every node is followed by its left and its right subtree.</summary>
    /// <exception cref="ArgumentException">
    /// The list ends early or late, blocks are empty, out of order, touching or not made of pages, or the colours are
    /// not those of a red-black tree. The message names the entry.
    /// </exception>
    internal static FreeTreeShape Read(ReadOnlySpan<FreeTreeNode> preorder, ulong pageBytes)
    {
        FreeTreeShape shape = new(preorder.Length);
        shape.LinkNodes(preorder);
        shape.CheckOrder(preorder, pageBytes);
        shape.CheckColours(preorder);
        return shape;
    }

    /// <summary>Reads a tree that this program keeps itself.</summary>
    /// <exception cref="InvalidOperationException">It is no red-black tree of so many blocks.</exception>
    internal static FreeTreeShape ReadAsInvariant(ReadOnlySpan<FreeTreeNode> preorder, ulong pageBytes, int count)
    {
        try
        {
            FreeTreeShape shape = Read(preorder, pageBytes);
            return shape.Count == count
                ? shape
                : throw new InvalidOperationException($"{shape.Count} blocks in the tree, {count} counted");
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidOperationException(wrong.Message, wrong);
        }
    }

    private void LinkNodes(ReadOnlySpan<FreeTreeNode> preorder)
    {
        Span<int> path = stackalloc int[DepthMax];      // nodes whose right subtree is still to come
        Span<bool> leftDone = stackalloc bool[DepthMax];
        int depth = 0;
        bool complete = false;
        for (int index = 0; index < preorder.Length; index++)
        {
            if (complete)
            {
                throw Refuse(index, "lies behind the end of the tree");
            }

            bool missing = preorder[index].IsMissing;
            if (!missing)
            {
                if (depth == DepthMax)
                {
                    throw Refuse(index, $"is more than {DepthMax} levels deep");
                }

                if (depth > 0)
                {
                    Parent[index] = path[depth - 1];
                    (leftDone[depth - 1] ? Right : Left)[path[depth - 1]] = index;
                }

                (path[depth], leftDone[depth]) = (index, false);
                depth++;
                continue;
            }

            // A missing child ends subtrees: every node whose right side that was is complete.
            while (depth > 0 && leftDone[depth - 1])
            {
                depth--;
            }

            if (depth == 0)
            {
                complete = true;
            }
            else
            {
                leftDone[depth - 1] = true;
                InOrder[Count++] = path[depth - 1];
            }
        }

        if (!complete || Count == 0)
        {
            throw Refuse(preorder.Length, Count == 0 ? "is the end of a list without a block" : "is missing: the list ends inside the tree");
        }
    }

    private void CheckOrder(ReadOnlySpan<FreeTreeNode> preorder, ulong pageBytes)
    {
        for (int position = 0; position < Count; position++)
        {
            int index = InOrder[position];
            FreeTreeNode node = preorder[index];
            if (node.Start >= node.End)
            {
                throw Refuse(index, $"is empty: 0x{node.Start:x}..0x{node.End:x}");
            }

            bool first = position == 0;
            bool last = position == Count - 1;
            bool startFits = node.Start % pageBytes == 0 || (first && node.Start == 1);
            bool endFits = node.End % pageBytes == 0 || (last && node.End is uint.MaxValue or ulong.MaxValue);
            if (!startFits || !endFits)
            {
                throw Refuse(index, $"is not made of pages of {pageBytes} bytes: 0x{node.Start:x}..0x{node.End:x}");
            }

            if (!first && preorder[InOrder[position - 1]].End >= node.Start)
            {
                throw Refuse(index, $"begins at 0x{node.Start:x}, not above the end 0x{preorder[InOrder[position - 1]].End:x} of the block before");
            }
        }
    }

    private void CheckColours(ReadOnlySpan<FreeTreeNode> preorder)
    {
        // Children follow their parents in preorder, so going backwards meets every child first.
        int[] blackHeights = new int[preorder.Length];
        for (int index = preorder.Length - 1; index >= 0; index--)
        {
            if (preorder[index].IsMissing)
            {
                continue;
            }

            int left = Left[index] == None ? 0 : blackHeights[Left[index]];
            int right = Right[index] == None ? 0 : blackHeights[Right[index]];
            if (left != right)
            {
                throw Refuse(index, $"has {left} black nodes below on the left and {right} on the right");
            }

            bool isBlack = preorder[index].IsBlack;
            if (!isBlack && (Parent[index] == None || !preorder[Parent[index]].IsBlack))
            {
                throw Refuse(index, Parent[index] == None ? "is a red root" : "is red below a red node");
            }

            blackHeights[index] = left + (isBlack ? 1 : 0);
        }
    }

    private static ArgumentException Refuse(int index, string why) => new($"Not a tree of free blocks: entry {index} {why}");
}
