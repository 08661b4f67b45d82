namespace VmScope.Physical;

/// <summary>One zone's free blocks: powers of two of frames, split on demand and merged with their buddies when freed.</summary>
/// <remarks>Source: mm/page_alloc.c, __rmqueue_smallest(), expand(), __free_one_page(); the same from 2.6.11 to 6.12.</remarks>
internal sealed class BuddyAllocator
{
    private const int None = -1;
    private readonly FrameTable _frames;
    private readonly int _first;
    private readonly int _endExclusive;
    private readonly int[] _heads;
    private readonly int[] _tails;
    private readonly ulong[] _counts;

    internal BuddyAllocator(FrameTable frames, int first, int endExclusive)
    {
        (_frames, _first, _endExclusive) = (frames, first, endExclusive);
        _heads = new int[frames.LargestOrder + 1];
        _tails = new int[frames.LargestOrder + 1];
        _counts = new ulong[frames.LargestOrder + 1];
        Array.Fill(_heads, None);
        Array.Fill(_tails, None);
    }

    /// <summary>Frames in free blocks of any order.</summary>
    internal ulong FreeFrames { get; private set; }

    internal int LargestOrder => _frames.LargestOrder;

    /// <summary>How many free blocks of an order there are.</summary>
    internal ulong FreeBlocks(int order) => _counts[order];

    /// <summary>Whether any free block of at least this order exists.</summary>
    internal bool HasBlock(int order)
    {
        for (int o = order; o <= LargestOrder; o++)
        {
            if (_counts[o] != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes the head of the smallest sufficient free list and gives the upper halves back.</summary>
    /// <returns>The first frame, or -1 when no block is large enough.</returns>
    internal int Take(int order)
    {
        for (int o = order; o <= LargestOrder; o++)
        {
            if (_heads[o] == None)
            {
                continue;
            }

            int frame = _heads[o];
            Unlink(frame, o);
            if (o == LargestOrder)
            {
                _frames.At(frame).IsHead = false;
            }

            while (o > order)
            {
                o--;
                Link(frame + (1 << o), o, atHead: true);
            }

            return frame;
        }

        return None;
    }

    /// <summary>Takes one particular free frame out of whatever block holds it.</summary>
    /// <returns>False when the frame is not free.</returns>
    internal bool TakeExactly(int frame)
    {
        for (int order = 0; order <= LargestOrder; order++)
        {
            int head = frame & ~((1 << order) - 1);
            if (head < _first || !_frames.IsFreeBlock(head, order))
            {
                continue;
            }

            Unlink(head, order);
            _frames.At(head).IsHead = false;
            while (order > 0)
            {
                order--;
                int upper = head + (1 << order);
                bool inUpper = frame >= upper;
                Link(inUpper ? head : upper, order, atHead: true);
                head = inUpper ? upper : head;
            }

            return true;
        }

        return false;
    }

    /// <summary>Gives a block back, merging it with free buddies as far as possible.</summary>
    /// <param name="frame">Its first frame.</param>
    /// <param name="order">Its order.</param>
    /// <param name="atHead">Whether the resulting block is the next to be taken.</param>
    internal void Give(int frame, int order, bool atHead = true)
    {
        while (order < LargestOrder)
        {
            int buddy = frame ^ (1 << order);
            // Neighbouring zones may share a largest block; blocks never merge across their border.
            if (buddy < _first || buddy + (1L << order) > _endExclusive || !_frames.IsFreeBlock(buddy, order))
            {
                break;
            }

            Unlink(buddy, order);
            _frames.At(buddy).IsHead = false;
            frame &= buddy;
            order++;
        }

        Link(frame, order, atHead);
    }

    /// <summary>First frames of the free blocks of an order, next to be taken first.</summary>
    internal IEnumerable<int> Blocks(int order)
    {
        for (int frame = _heads[order]; frame != None; frame = _frames.NextOf(frame, order))
        {
            yield return frame;
        }
    }

    /// <summary>Checks lists, counts and the zone's borders.</summary>
    /// <exception cref="ModelInvariantException">Something does not add up.</exception>
    internal void CheckInvariants()
    {
        ulong frames = 0;
        for (int order = 0; order <= LargestOrder; order++)
        {
            ulong blocks = 0;
            int previous = None;
            foreach (int frame in Blocks(order))
            {
                ModelInvariantException.Unless((frame & ((1 << order) - 1)) == 0, $"free block {frame:x} of order {order} is not aligned");
                ModelInvariantException.Unless(frame >= _first && frame + (1L << order) <= _endExclusive, $"free block {frame:x} of order {order} lies outside its zone");
                ModelInvariantException.Unless(_frames.IsFreeBlock(frame, order), $"frame {frame:x} is listed as a free block of order {order} but not marked so");
                ModelInvariantException.Unless(_frames.PreviousOf(frame, order) == previous, $"free list of order {order} is broken at {frame:x}");
                previous = frame;
                blocks++;
            }

            ModelInvariantException.Unless(blocks == _counts[order], $"{blocks} free blocks of order {order}, counted {_counts[order]}");
            ModelInvariantException.Unless(_tails[order] == previous, $"free list of order {order} does not end at its tail");
            frames += blocks << order;
        }

        ModelInvariantException.Unless(frames == FreeFrames, $"{frames} free frames, counted {FreeFrames}");
    }

    private void Link(int frame, int order, bool atHead)
    {
        if (order == LargestOrder)
        {
            _frames.SetWhole(frame, FrameUse.Free);
        }
        else
        {
            ref Frame entry = ref _frames.At(frame);
            entry.Use = FrameUse.Free;
            entry.IsHead = true;
            entry.Order = (byte)order;
            entry.Count = 0;
        }

        int next = atHead ? _heads[order] : None;
        int previous = atHead ? None : _tails[order];
        _frames.SetNext(frame, order, next);
        _frames.SetPrevious(frame, order, previous);
        if (next != None)
        {
            _frames.SetPrevious(next, order, frame);
        }
        else
        {
            _tails[order] = frame;
        }

        if (previous != None)
        {
            _frames.SetNext(previous, order, frame);
        }
        else
        {
            _heads[order] = frame;
        }

        _counts[order]++;
        FreeFrames += 1UL << order;
    }

    private void Unlink(int frame, int order)
    {
        int next = _frames.NextOf(frame, order);
        int previous = _frames.PreviousOf(frame, order);
        if (next != None)
        {
            _frames.SetPrevious(next, order, previous);
        }
        else
        {
            _tails[order] = previous;
        }

        if (previous != None)
        {
            _frames.SetNext(previous, order, next);
        }
        else
        {
            _heads[order] = next;
        }

        _counts[order]--;
        FreeFrames -= 1UL << order;
    }
}
