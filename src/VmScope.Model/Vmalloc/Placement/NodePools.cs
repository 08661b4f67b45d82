using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>The pools of ready areas that stand in front of the free tree, one set per node (6.9 and later).</summary>
/// <remarks>
/// Every node has a list for each size up to 256 pages, guard included. Purged areas go to the front of the list of the
/// node whose processor had asked for them; a request looks at the front element only.
/// Source: mm/vmalloc.c, node_pool_add_va(), node_pool_del_va(), decay_va_pool_node(), 6.9 to 7.1.
/// </remarks>
internal sealed class NodePools
{
    internal const int SizesPerNode = 256;

    /// <summary>The most nodes a kernel makes (clamp of the number of possible processors).</summary>
    internal const int NodesMax = 128;

    private readonly AreaRing?[] _rings;
    private readonly bool[] _hidden;
    private readonly ulong _pageBytes;
    private readonly PoolDecay _decay;
    private readonly List<FreeBlock> _scratch = [];

    internal NodePools(int nodes, ulong pageBytes, PoolDecay decay)
    {
        Nodes = Math.Clamp(nodes, 1, NodesMax);
        _pageBytes = pageBytes;
        _decay = decay;
        _rings = new AreaRing?[Nodes * SizesPerNode];
        _hidden = new bool[Nodes];
    }

    /// <summary>The number of nodes; with one, the pools are never used.</summary>
    internal int Nodes { get; }

    /// <summary>The node whose busy list holds an area that starts there.</summary>
    internal int NodeOf(ulong address) => Nodes == 1 ? 0 : (int)(address / (16 * _pageBytes) % (ulong)Nodes);

    /// <summary>Whether areas of this size are pooled.</summary>
    internal bool Holds(ulong sizeBytes) => Nodes > 1 && sizeBytes <= SizesPerNode * _pageBytes;

    /// <summary>The area a request would get from the pool of a node.</summary>
    internal bool TryPeek(int node, ulong sizeBytes, ulong alignBytes, out ulong address)
    {
        address = 0;
        AreaRing? ring = Holds(sizeBytes) && !_hidden[node] ? _rings[Slot(node, sizeBytes)] : null;
        if (ring is null || ring.Count == 0)
        {
            return false;
        }

        address = ring.Front;
        return Align.IsAligned(address, alignBytes);
    }

    /// <summary>Takes the front area; one whose alignment does not serve moves to the back instead.</summary>
    internal bool TryTake(int node, ulong sizeBytes, ulong alignBytes, out ulong address)
    {
        if (TryPeek(node, sizeBytes, alignBytes, out address))
        {
            _rings[Slot(node, sizeBytes)]!.RemoveFront();
            return true;
        }

        if (address != 0)
        {
            AreaRing ring = _rings[Slot(node, sizeBytes)]!;
            ring.RemoveFront();
            ring.AddBack(address);
        }

        return false;
    }

    /// <summary>
    /// Takes an area out of whichever pool of that size holds it. What lay in front of it goes to the back: the kernel
    /// can only have reached it by passing the others over.
    /// </summary>
    internal bool TryRemove(ulong address, ulong sizeBytes)
    {
        for (int node = 0; Holds(sizeBytes) && node < Nodes; node++)
        {
            if (_rings[Slot(node, sizeBytes)] is { } ring && ring.Remove(address))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A pooled area that shares a byte with a range, and its node; looks through every pool.</summary>
    internal bool TryFindOverlapping(ulong start, ulong end, out FreeBlock area, out int node)
    {
        for (int slot = 0; slot < _rings.Length; slot++)
        {
            ulong sizeBytes = (ulong)((slot % SizesPerNode) + 1) * _pageBytes;
            if (_rings[slot] is { Count: > 0 } ring && ring.TryFindOverlapping(start, end, sizeBytes, out ulong found))
            {
                area = new FreeBlock(found, found + sizeBytes);
                node = slot / SizesPerNode;
                return true;
            }
        }

        (area, node) = (default, 0);
        return false;
    }

    /// <summary>Takes out a pooled area that shares a byte with a range.</summary>
    internal bool TryTakeOverlapping(ulong start, ulong end, out FreeBlock taken)
    {
        bool found = TryFindOverlapping(start, end, out taken, out int node);
        return found && _rings[Slot(node, taken.SizeBytes)]!.Remove(taken.Start);
    }

    /// <summary>Puts a purged area to the front of its node's pool.</summary>
    internal void Add(int node, ulong start, ulong endExclusive) =>
        (_rings[Slot(node, endExclusive - start)] ??= new AreaRing()).AddFront(start);

    /// <summary>Whether no pool of a node holds anything.</summary>
    internal bool IsEmpty(int node)
    {
        for (int index = 0; index < SizesPerNode; index++)
        {
            if (_rings[(node * SizesPerNode) + index] is { Count: > 0 })
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Takes the lists of a node away while a purge shortens them: requests find them empty. The kernel does so with one
    /// size after the other; to a single request that is the same.
    /// </summary>
    internal void Hide(int node) => _hidden[node] = true;

    /// <summary>Collects what one purge run takes out of a node's pools, merged, ascending; the rest is there again.</summary>
    internal List<FreeBlock> Decay(int node, bool full)
    {
        _scratch.Clear();
        _hidden[node] = false;
        if (Nodes == 1)
        {
            return _scratch;
        }

        for (int index = 0; index < SizesPerNode; index++)
        {
            if (_rings[(node * SizesPerNode) + index] is not { Count: > 0 } ring)
            {
                continue;
            }

            ulong sizeBytes = (ulong)(index + 1) * _pageBytes;
            for (int leaving = Leaving(ring.Count, full); leaving > 0; leaving--)
            {
                ulong start = ring.RemoveFront();
                _scratch.Add(new FreeBlock(start, start + sizeBytes));
            }
        }

        LazyAreas.SortAndMerge(_scratch);
        return _scratch;
    }

    /// <summary>Bytes lying in pools.</summary>
    internal ulong PooledBytes()
    {
        ulong bytes = 0;
        for (int i = 0; i < _rings.Length; i++)
        {
            bytes += (ulong)(_rings[i]?.Count ?? 0) * (ulong)((i % SizesPerNode) + 1) * _pageBytes;
        }

        return bytes;
    }

    internal NodePools Clone()
    {
        NodePools copy = new(Nodes, _pageBytes, _decay);
        for (int i = 0; i < _rings.Length; i++)
        {
            copy._rings[i] = _rings[i]?.Clone();
        }

        _hidden.CopyTo(copy._hidden, 0);

        return copy;
    }

    private int Leaving(int count, bool full) =>
        full || (count < 4 && _decay == PoolDecay.QuarterOrAllOfFew) ? count : count / 4;

    private int Slot(int node, ulong sizeBytes) => (node * SizesPerNode) + (int)((sizeBytes - 1) / _pageBytes);
}

/// <summary>A list of starts that grows and shrinks at both ends.</summary>
internal sealed class AreaRing
{
    private ulong[] _items = new ulong[8];
    private int _front;

    internal int Count { get; private set; }

    internal ulong Front => _items[_front];

    internal void AddFront(ulong start)
    {
        GrowIfFull();
        _front = (_front - 1) & (_items.Length - 1);
        _items[_front] = start;
        Count++;
    }

    internal void AddBack(ulong start)
    {
        GrowIfFull();
        _items[(_front + Count) & (_items.Length - 1)] = start;
        Count++;
    }

    internal ulong RemoveFront()
    {
        ulong start = _items[_front];
        _front = (_front + 1) & (_items.Length - 1);
        Count--;
        return start;
    }

    internal bool Remove(ulong start)
    {
        for (int i = 0; i < Count; i++)
        {
            if (_items[(_front + i) & (_items.Length - 1)] != start)
            {
                continue;
            }

            for (; i > 0; i--)
            {
                AddBack(RemoveFront());
            }

            RemoveFront();
            return true;
        }

        return false;
    }

    internal bool TryFindOverlapping(ulong start, ulong end, ulong sizeBytes, out ulong found)
    {
        for (int i = 0; i < Count; i++)
        {
            found = _items[(_front + i) & (_items.Length - 1)];
            if (found < end && start < found + sizeBytes)
            {
                return true;
            }
        }

        found = 0;
        return false;
    }

    internal AreaRing Clone() => new() { _items = [.. _items], _front = _front, Count = Count };

    private void GrowIfFull()
    {
        if (Count < _items.Length)
        {
            return;
        }

        ulong[] grown = new ulong[_items.Length * 2];
        for (int i = 0; i < Count; i++)
        {
            grown[i] = _items[(_front + i) & (_items.Length - 1)];
        }

        (_items, _front) = (grown, 0);
    }
}
