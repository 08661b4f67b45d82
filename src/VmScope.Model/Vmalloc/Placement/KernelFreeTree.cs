using System.Runtime.CompilerServices;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>
/// The kernel's tree of free blocks as the kernel runs it: an augmented red-black tree, walked, cut and merged step by
/// step. The reference for everything faster.
/// </summary>
/// <remarks>
/// Addresses and sizes are bytes. Source: mm/vmalloc.c, find_vmap_lowest_match(), is_within_this_va(),
/// adjust_va_to_fit_type() (va_clip() from 6.9), merge_or_add_vmap_area(), vmap_init_free_space(), 5.2 to 7.1.
/// </remarks>
internal sealed class KernelFreeTree : IFreeSpace
{
    private readonly AddressTree<LargestUpkeep> _tree = new();
    private readonly ulong _pageBytes;
    private readonly ulong _lastAddress;
    private AddressNode? _spare;   // erased nodes, last in first out as in a slab: steady use allocates nothing

    /// <summary>Makes an address space with one free block, [1, lastAddress).</summary>
    /// <param name="rule">How long a block is searched for.</param>
    /// <param name="pageBytes">The page size in bytes.</param>
    /// <param name="lastAddress">The kernel's ULONG_MAX: 2^32-1 or 2^64-1.</param>
    internal KernelFreeTree(FreeSearchRule rule, ulong pageBytes, ulong lastAddress)
        : this(lastAddress, rule, pageBytes) => Insert(1, lastAddress);

    private KernelFreeTree(ulong lastAddress, FreeSearchRule rule, ulong pageBytes)
    {
        if (lastAddress is not (uint.MaxValue or ulong.MaxValue))
        {
            throw new ArgumentOutOfRangeException(nameof(lastAddress), lastAddress, "An address space ends at 2^32-1 or 2^64-1.");
        }

        (Rule, _pageBytes, _lastAddress) = (rule, pageBytes, lastAddress);
    }

    /// <inheritdoc />
    public FreeSearchRule Rule { get; }

    /// <inheritdoc />
    public int BlockCount => _tree.Count;

    /// <summary>Makes the space around areas that existed before the allocator: the gaps enter in ascending order.</summary>
    /// <param name="rule">How long a block is searched for.</param>
    /// <param name="pageBytes">The page size in bytes.</param>
    /// <param name="lastAddress">The kernel's ULONG_MAX.</param>
    /// <param name="early">The areas, ascending, made of pages, without overlap.</param>
    /// <exception cref="ArgumentException">The areas are not ascending.</exception>
    internal static KernelFreeTree Around(FreeSearchRule rule, ulong pageBytes, ulong lastAddress, ReadOnlySpan<FreeBlock> early)
    {
        KernelFreeTree space = new(lastAddress, rule, pageBytes);
        ulong free = 1;
        foreach (FreeBlock area in early)
        {
            if (area.Start < free || area.End <= area.Start)
            {
                throw new ArgumentException($"Early area 0x{area.Start:x}..0x{area.End:x} does not follow 0x{free:x}", nameof(early));
            }

            if (area.Start > free)
            {
                space.Insert(free, area.Start);
            }

            free = area.End;
        }

        if (free < lastAddress)
        {
            space.Insert(free, lastAddress);
        }

        return space;
    }

    /// <summary>Makes the tree that was read from a running kernel, colours and shape included.</summary>
    /// <remarks>The largest sizes are computed, not taken over.</remarks>
    /// <exception cref="ArgumentException">The list is no red-black tree of blocks; the message names the entry.</exception>
    internal static KernelFreeTree FromShape(FreeSearchRule rule, ulong pageBytes, ReadOnlySpan<FreeTreeNode> preorder)
    {
        FreeTreeShape shape = FreeTreeShape.Read(preorder, pageBytes);
        ulong top = preorder[shape.InOrder[shape.Count - 1]].End;
        KernelFreeTree space = new(top > uint.MaxValue ? ulong.MaxValue : uint.MaxValue, rule, pageBytes);
        AddressNode?[] nodes = new AddressNode?[preorder.Length];
        for (int index = 0; index < nodes.Length; index++)
        {
            if (!preorder[index].IsMissing)
            {
                nodes[index] = new AddressNode { Start = preorder[index].Start, End = preorder[index].End, IsBlack = preorder[index].IsBlack };
            }
        }

        AddressNode? At(int index) => index == FreeTreeShape.None ? null : nodes[index];
        for (int index = nodes.Length - 1; index >= 0; index--)
        {
            if (nodes[index] is { } node)
            {
                (node.Left, node.Right, node.Parent) = (At(shape.Left[index]), At(shape.Right[index]), At(shape.Parent[index]));
                node.SubtreeMax = LargestUpkeep.LargestOf(node);
            }
        }

        for (int position = 1; position < shape.Count; position++)
        {
            (AddressNode lower, AddressNode upper) = (At(shape.InOrder[position - 1])!, At(shape.InOrder[position])!);
            (lower.Next, upper.Previous) = (upper, lower);
        }

        (space._tree.Root, space._tree.First, space._tree.Count) = (nodes[0], At(shape.InOrder[0]), shape.Count);
        return space;
    }

    /// <inheritdoc />
    public bool TryFind(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address) =>
        Find(sizeBytes, alignBytes, windowStart, windowEnd, out address) is not null;

    /// <inheritdoc />
    public bool TryPlace(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        if (Find(sizeBytes, alignBytes, windowStart, windowEnd, out address) is not { } block)
        {
            return false;
        }

        Cut(block, address, address + sizeBytes);
        return true;
    }

    /// <inheritdoc />
    public bool TryReserve(ulong start, ulong sizeBytes)
    {
        if (sizeBytes == 0 || _tree.AtOrBelow(start) is not { } block
            || start >= block.End || sizeBytes > block.End - start)
        {
            return false;
        }

        Cut(block, start, start + sizeBytes);
        return true;
    }

    /// <inheritdoc />
    public void Insert(ulong start, ulong endExclusive)
    {
        if (start >= endExclusive || !_tree.TryFindPlace(start, endExclusive, out AddressNode? parent, out bool isLeft))
        {
            throw new ArgumentException($"Range 0x{start:x}..0x{endExclusive:x} is empty or already free in part.");
        }

        AddressNode? lower = isLeft ? parent!.Previous : parent;
        AddressNode? upper = isLeft ? parent : parent is null ? null : parent.Next;
        bool joinsLower = lower is not null && lower.End == start;
        bool joinsUpper = upper is not null && upper.Start == endExclusive;
        if (joinsUpper)
        {
            upper!.Start = start;
            LargestUpkeep.Refresh(upper);
        }

        if (joinsLower)
        {
            // The lower node is the one that survives a merge of three.
            if (joinsUpper)
            {
                endExclusive = upper!.End;
                _tree.Erase(upper);
                Keep(upper);
            }

            lower!.End = endExclusive;
            LargestUpkeep.Refresh(lower);
        }

        if (!joinsLower && !joinsUpper)
        {
            _tree.Insert(NewNode(start, endExclusive), parent, isLeft);
        }
    }

    /// <inheritdoc />
    public bool TryBlockAtOrBelow(ulong address, out FreeBlock block)
    {
        AddressNode? node = _tree.AtOrBelow(address);
        block = node?.Block ?? default;
        return node is not null;
    }

    /// <inheritdoc />
    public bool TryBlockAbove(ulong address, out FreeBlock block)
    {
        AddressNode? below = _tree.AtOrBelow(address);
        AddressNode? node = below is null ? _tree.First : below.Next;
        block = node?.Block ?? default;
        return node is not null;
    }

    /// <inheritdoc />
    public IFreeSpace Clone()
    {
        KernelFreeTree copy = new(_lastAddress, Rule, _pageBytes);
        AddressNode? last = null;
        AddressNode? Copy(AddressNode? node, AddressNode? parent)
        {
            if (node is null)
            {
                return null;
            }

            AddressNode twin = new()
            {
                Start = node.Start,
                End = node.End,
                SubtreeMax = node.SubtreeMax,
                IsBlack = node.IsBlack,
                Parent = parent,
            };
            twin.Left = Copy(node.Left, twin);
            twin.Previous = last;
            copy._tree.First ??= twin;
            _ = last?.Next = twin;
            last = twin;
            twin.Right = Copy(node.Right, twin);
            return twin;
        }

        copy._tree.Root = Copy(_tree.Root, parent: null);
        copy._tree.Count = _tree.Count;
        return copy;
    }

    /// <summary>The tree in preorder, each node followed by its left and its right subtree.</summary>
    internal List<FreeTreeNode> ToShape()
    {
        List<FreeTreeNode> preorder = [];
        void Add(AddressNode? node)
        {
            if (node is null)
            {
                preorder.Add(default);
                return;
            }

            preorder.Add(new(node.Start, node.End, node.IsBlack, node.SubtreeMax));
            Add(node.Left);
            Add(node.Right);
        }

        Add(_tree.Root);
        return preorder;
    }

    /// <inheritdoc />
    public void CheckInvariants()
    {
        FreeTreeNode[] nodes = [.. ToShape()];
        FreeTreeShape shape = FreeTreeShape.ReadAsInvariant(nodes, _pageBytes, BlockCount);
        AddressNode? listed = _tree.First;
        for (int position = 0; position < shape.Count; position++, listed = listed?.Next)
        {
            FreeTreeNode node = nodes[shape.InOrder[position]];
            if (listed is null || listed.Start != node.Start)
            {
                throw new InvalidOperationException($"The list of blocks has 0x{listed?.Start:x} where the tree has 0x{node.Start:x}");
            }

            if (listed.SubtreeMax != LargestUpkeep.LargestOf(listed))
            {
                throw new InvalidOperationException($"Block 0x{node.Start:x} claims a largest block of 0x{node.SubtreeMaxBytes:x} bytes below");
            }
        }
    }

    /// <summary>How long a block the search aims at, at this kernel's word width.</summary>
    private ulong SearchLength(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd)
    {
        bool padded = Rule switch
        {
            FreeSearchRule.AlwaysPadded => true,
            FreeSearchRule.SizeOnly => false,
            FreeSearchRule.PaddedAbovePage => alignBytes > _pageBytes && unchecked(windowEnd - windowStart) != sizeBytes,
        };
        return padded ? unchecked(sizeBytes + alignBytes - 1) & _lastAddress : sizeBytes;
    }

    private AddressNode? Find(ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, out ulong address)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sizeBytes);
        ulong length = SearchLength(sizeBytes, alignBytes, windowStart, windowEnd);
        AddressNode? block = LowestMatch(sizeBytes, alignBytes, length, windowStart);
        address = 0;
        if (block is null)
        {
            return null;
        }

        address = Aligned(block, alignBytes, windowStart);
        if (address < block.Start || address + sizeBytes > windowEnd)
        {
            address = 0;
            return null;   // quirk: a block that ends the search too high is a failure, not a reason to look on
        }

        return block;
    }

    private AddressNode? LowestMatch(ulong sizeBytes, ulong alignBytes, ulong length, ulong from)
    {
        AddressNode? node = _tree.Root;
        // Without the shift of the start a subtree could be entered again for ever; a kernel would hang there.
        long stepsLeft = 16L * (BlockCount + 64L);
        while (node is not null)
        {
            if (node.Left is { } left && left.SubtreeMax >= length && from < node.Start)
            {
                node = left;
                continue;
            }

            if (Fits(node, sizeBytes, alignBytes, from))
            {
                return node;
            }

            if (node.Right is { } right && right.SubtreeMax >= length)
            {
                node = right;
                continue;
            }

            // Nothing below: every ancestor is asked again, whichever side it was reached from.
            AddressNode? entered = null;
            for (node = node.Parent; node is not null; node = node.Parent)
            {
                if (Fits(node, sizeBytes, alignBytes, from))
                {
                    return node;
                }

                if (node.Right is { } other && other.SubtreeMax >= length && from <= node.Start)
                {
                    from = Rule == FreeSearchRule.AlwaysPadded ? from : node.Start + 1;
                    entered = other;
                    break;
                }
            }

            node = entered;
            if (--stepsLeft < 0)
            {
                return null;
            }
        }

        return null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong Aligned(AddressNode block, ulong alignBytes, ulong from)
    {
        ulong lowest = block.Start > from ? block.Start : from;
        return unchecked(lowest + alignBytes - 1) & ~(alignBytes - 1) & _lastAddress;
    }

    private bool Fits(AddressNode block, ulong sizeBytes, ulong alignBytes, ulong from)
    {
        ulong start = Aligned(block, alignBytes, from);
        ulong end = unchecked(start + sizeBytes) & _lastAddress;
        return end >= start && start >= from && end <= block.End;
    }

    private void Cut(AddressNode block, ulong start, ulong end)
    {
        if (block.Start == start)
        {
            if (block.End == end)
            {
                _tree.Erase(block);
                Keep(block);
                return;
            }

            block.Start = end;
        }
        else if (block.End == end)
        {
            block.End = start;
        }
        else
        {
            // The existing node keeps the upper part and its place; the lower part is a new leaf.
            AddressNode lower = NewNode(block.Start, start);
            block.Start = end;
            LargestUpkeep.Refresh(block);
            InsertBelow(block, lower);
            return;
        }

        LargestUpkeep.Refresh(block);
    }

    /// <summary>Inserts <paramref name="lower"/> directly before <paramref name="block"/>.</summary>
    private void InsertBelow(AddressNode block, AddressNode lower)
    {
        if (block.Left is null)
        {
            _tree.Insert(lower, block, isLeft: true);
            return;
        }

        AddressNode parent = block.Left;
        while (parent.Right is { } right)
        {
            parent = right;
        }

        _tree.Insert(lower, parent, isLeft: false);
    }

    private AddressNode NewNode(ulong start, ulong end)
    {
        AddressNode node = _spare ?? new();
        _spare = node.Next;
        (node.Start, node.End) = (start, end);
        return node;
    }

    private void Keep(AddressNode erased)
    {
        erased.Next = _spare;
        _spare = erased;
    }
}
