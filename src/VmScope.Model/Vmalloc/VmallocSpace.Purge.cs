using VmScope.Kernels;

namespace VmScope.Vmalloc;

public sealed partial class VmallocSpace
{
    /// <summary>Purges everything that waits.</summary>
    public void Purge(PurgeKind kind)
    {
        BeginPurge(kind, keepNewest: 0);
        FinishPurge();
    }

    /// <summary>
    /// Begins a purge: decays the pools and detaches what waits, except for the areas freed last. A purge still under
    /// way is finished first. What was detached returns with <see cref="ReturnNext"/> or <see cref="FinishPurge"/>.
    /// </summary>
    /// <param name="kind">The kind of run.</param>
    /// <param name="keepNewest">How many of the areas freed last are not part of it.</param>
    public void BeginPurge(PurgeKind kind, int keepNewest)
    {
        FinishPurge();
        _returning.Clear();
        _returned = 0;
        _detached.Clear();
        _decayFully = kind == PurgeKind.Full;
        for (int node = 0; Setup.Nodes > 1 && node < Setup.Nodes; node++)
        {
            if (_pools.IsEmpty(node))
            {
                continue;
            }

            for (ReturnKind step = ReturnKind.HidePools; step <= ReturnKind.ReleaseDecayed; step++)
            {
                _returning.Add(new ReturnStep(step, PoolStep(node, (int)step), 0, node, false));
            }
        }

        bool isMerged = _mergedVersion == _lazy.Version && _mergedKept == keepNewest;
        _lazy.TakeOldest(keepNewest, _detached);
        if (_detached.Count > 0)
        {
            Arrange(kind, isMerged);
        }

        _mergedVersion = -1;
    }

    /// <summary>Names a step in which a purge shortens the pools of a node, for <see cref="ReturnThrough"/>.</summary>
    /// <param name="node">The node.</param>
    /// <param name="step">0 when its lists are out of sight, 1 when they are back, 2 when what they lost is free.</param>
    public static ulong PoolStep(int node, int step) => 1 + ((ulong)node * PoolSteps) + (ulong)step;

    /// <summary>Counts what a purge that keeps the newest areas back would report, and between which addresses.</summary>
    public int CountForPurge(int keepNewest, out ulong lowest, out ulong highest)
    {
        ReadOnlySpan<LazyAreas.Entry> taken = _lazy.InOrderOfFreeing[..Math.Max(0, _lazy.Count - keepNewest)];
        (lowest, highest) = (ulong.MaxValue, 0);
        if (_mergedVersion == _lazy.Version && _mergedKept == keepNewest)
        {
            // A purge is asked for its number, then for its bounds, and then run: one sorting does for all.
            if (_merging.Count > 0)
            {
                (lowest, highest) = (_merging[0].Start, _merging[^1].End);
            }

            return _merging.Count;
        }

        _merging.Clear();
        _mergedVersion = -1;
        foreach (LazyAreas.Entry entry in taken)
        {
            lowest = Math.Min(lowest, entry.Start);
            highest = Math.Max(highest, entry.End);
            if (Setup.Facts.PurgeOrder == PurgeOrder.MergedAscending)
            {
                _merging.Add(new FreeBlock(entry.Start, entry.End));
            }
        }

        if (Setup.Facts.PurgeOrder != PurgeOrder.MergedAscending)
        {
            return taken.Length;
        }

        LazyAreas.SortAndMerge(_merging);
        (_mergedVersion, _mergedKept) = (_lazy.Version, keepNewest);
        return _merging.Count;
    }

    /// <summary>Pages of the areas freed last: what would go on waiting if a purge left them out.</summary>
    public ulong LazyPagesOfNewest(int count)
    {
        ulong bytes = 0;
        foreach (LazyAreas.Entry entry in _lazy.InOrderOfFreeing[Math.Max(0, _lazy.Count - count)..])
        {
            bytes += entry.End - entry.Start;
        }

        return bytes / Setup.PageBytes;
    }

    /// <summary>Goes on with the purge under way until another processor can step in: mostly one area returns.</summary>
    /// <returns>False when the purge is over.</returns>
    public bool ReturnNext()
    {
        if (_returned >= _returning.Count)
        {
            return false;
        }

        while (Return(_returning[_returned++]))
        {
        }

        return true;
    }

    /// <summary>Goes on with the purge up to the step of this name; not at all when there is none.</summary>
    public void ReturnThrough(ulong start)
    {
        for (int i = _returned; i < _returning.Count; i++)
        {
            if (_returning[i].Start != start)
            {
                continue;
            }

            while (_returned <= i)
            {
                ReturnNext();
            }

            return;
        }
    }

    /// <summary>Returns every detached area.</summary>
    public void FinishPurge()
    {
        while (ReturnNext())
        {
        }
    }

    /// <summary>Begins a purge that leaves certain areas out, although they were freed before others it takes.</summary>
    /// <param name="kind">The kind of run.</param>
    /// <param name="keepNewest">How many of the areas freed last are not part of it either.</param>
    /// <param name="leftOut">Starts of the areas left out; they go on waiting.</param>
    public void BeginPurge(PurgeKind kind, int keepNewest, IReadOnlyList<ulong> leftOut)
    {
        List<LazyAreas.Entry> kept = [];
        foreach (ulong start in leftOut)
        {
            if (_lazy.TryTakeOverlapping(start, start + 1, out LazyAreas.Entry entry))
            {
                kept.Add(entry);
            }
        }

        BeginPurge(kind, keepNewest);
        foreach (LazyAreas.Entry entry in kept)
        {
            _lazy.Add(entry);
        }
    }

    /// <summary>Does one step of a purge.</summary>
    /// <returns>Whether the next one happens in the same go.</returns>
    private bool Return(in ReturnStep step)
    {
        switch (step.Kind)
        {
            case ReturnKind.HidePools:
                _pools.Hide(step.Node);
                break;
            case ReturnKind.ShortenPools:
                _decayed.AddRange(_pools.Decay(step.Node, _decayFully));
                break;
            case ReturnKind.ReleaseDecayed:
                foreach (FreeBlock block in _decayed)
                {
                    _placer.Release(block.Start, block.End);
                }

                _decayed.Clear();
                break;
            case ReturnKind.ToPool:
                _pools.Add(step.Node, step.Start, step.End);
                break;
            case ReturnKind.ToTree:
            default:
                _placer.Release(step.Start, step.End);
                break;
        }

        return step.AndNext;
    }

    /// <summary>Puts what was detached into the order in which this era returns it.</summary>
    private void Arrange(PurgeKind kind, bool isMerged)
    {
        switch (Setup.Facts.PurgeOrder)
        {
            case PurgeOrder.Ascending:
                _detached.Sort(static (left, right) => left.Start.CompareTo(right.Start));
                ToTree(_detached);
                break;
            case PurgeOrder.LastFreedFirst:
                _detached.Reverse();
                ToTree(_detached);
                break;
            case PurgeOrder.MergedAscending:
                if (!isMerged)
                {
                    _merging.Clear();
                    foreach (LazyAreas.Entry entry in _detached)
                    {
                        _merging.Add(new FreeBlock(entry.Start, entry.End));
                    }

                    LazyAreas.SortAndMerge(_merging);
                }

                foreach (FreeBlock block in _merging)
                {
                    _returning.Add(new ReturnStep(ReturnKind.ToTree, block.Start, block.End, 0, false));
                }

                break;
            case PurgeOrder.NodeByNode:
                ArrangeByNode(kind);
                break;
            case PurgeOrder.None:
            default:
                throw new InvalidOperationException("nothing waits in an era without lazy freeing");
        }
    }

    private void ArrangeByNode(PurgeKind kind)
    {
        _detached.Sort(static (left, right) =>
            left.Node != right.Node ? left.Node.CompareTo(right.Node) : left.Start.CompareTo(right.Start));
        for (int from = 0, to; from < _detached.Count; from = to)
        {
            int node = _detached[from].Node;
            for (to = from; to < _detached.Count && _detached[to].Node == node; to++)
            {
                LazyAreas.Entry entry = _detached[to];
                if (GoesToPool(entry, kind))
                {
                    _returning.Add(new ReturnStep(ReturnKind.ToPool, entry.Start, entry.End, node, false));
                }
            }

            // What goes to the tree was collected at the front of a list, so the highest address comes first; the tree's
            // lock is held until the list is empty.
            bool isLast = true;
            int first = _returning.Count;
            for (int i = from; i < to; i++)
            {
                if (!GoesToPool(_detached[i], kind))
                {
                    _returning.Add(new ReturnStep(ReturnKind.ToTree, _detached[i].Start, _detached[i].End, node, !isLast));
                    isLast = false;
                }
            }

            _returning.Reverse(first, _returning.Count - first);
        }
    }

    private bool GoesToPool(in LazyAreas.Entry entry, PurgeKind kind) =>
        kind == PurgeKind.Normal && entry.ToPool && _pools.Holds(entry.End - entry.Start);

    private void ToTree(List<LazyAreas.Entry> entries)
    {
        foreach (LazyAreas.Entry entry in entries)
        {
            _returning.Add(new ReturnStep(ReturnKind.ToTree, entry.Start, entry.End, 0, false));
        }
    }
}
