namespace VmScope.Physical;

/// <summary>What a frame is used for.</summary>
public enum FrameUse : byte
{
    /// <summary>No RAM there.</summary>
    Absent,

    /// <summary>RAM that never reached the page allocator: firmware, kernel image, boot-time tables.</summary>
    Reserved,

    /// <summary>In a free list of its zone.</summary>
    Free,

    /// <summary>Free, but parked in a CPU's own list of single pages.</summary>
    FreeOnCpu,

    /// <summary>Handed out by <c>alloc_pages</c> to whoever asked.</summary>
    Allocated,

    /// <summary>Holds a page table.</summary>
    PageTable,

    /// <summary>Backs a vmalloc area.</summary>
    Vmalloc,

    /// <summary>Backs a kernel structure: an array of page pointers, a descriptor.</summary>
    Slab,
}

/// <summary>One frame's entry: the part of <c>struct page</c> the page allocator works with.</summary>
internal struct Frame
{
    /// <summary>The neighbours in a free list; -1 at its ends. Meaningful only for the first frame of a free block.</summary>
    internal int Next;
    internal int Previous;

    /// <summary>References held; 0 while free.</summary>
    internal int Count;

    /// <summary>For the first frame of a block: log2 of its frames.</summary>
    internal byte Order;
    internal FrameUse Use;

    /// <summary>Whether this is the first frame of a free or allocated block.</summary>
    internal bool IsHead;
}

/// <summary>The entries of all frames (<c>mem_map</c>), stored per largest block and only where blocks are not whole.</summary>
/// <remarks>
/// A machine of 64 GiB has 16 million entries; almost all of them lie inside free blocks of the largest order that
/// nobody has touched. Such a block is one word here.
/// </remarks>
internal sealed class FrameTable
{
    private readonly int _blockShift;
    private readonly Frame[]?[] _blocks;
    private readonly FrameUse[] _uniform;
    private readonly int[] _nextWhole;
    private readonly int[] _previousWhole;
    private readonly Stack<Frame[]> _spare = new();

    /// <summary>Makes a table in which every frame is absent.</summary>
    /// <param name="frameCount">Frames, up to 2^31 - 1.</param>
    /// <param name="largestOrder">log2 of the frames in the largest block.</param>
    internal FrameTable(ulong frameCount, int largestOrder)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(frameCount, (ulong)int.MaxValue - (1UL << largestOrder));
        _blockShift = largestOrder;
        int blocks = (int)((frameCount + (1UL << largestOrder) - 1) >> largestOrder);
        _blocks = new Frame[]?[blocks];
        _uniform = new FrameUse[blocks];
        _nextWhole = new int[blocks];
        _previousWhole = new int[blocks];
        FrameCount = (int)frameCount;
        LargestOrder = largestOrder;
    }

    internal int FrameCount { get; }

    internal int LargestOrder { get; }

    /// <summary>The entry of a frame, for change; splits up the block's summary.</summary>
    internal ref Frame At(int frame)
    {
        int block = frame >> _blockShift;
        Frame[] frames = _blocks[block] ?? Detail(block);
        return ref frames[frame & ((1 << _blockShift) - 1)];
    }

    /// <summary>What a frame is used for, without touching its block.</summary>
    internal FrameUse UseOf(int frame)
    {
        int block = frame >> _blockShift;
        return frame < 0 || frame >= FrameCount
            ? FrameUse.Absent
            : _blocks[block] is { } frames ? frames[frame & ((1 << _blockShift) - 1)].Use : _uniform[block];
    }

    /// <summary>A copy of a frame's entry.</summary>
    internal Frame Peek(int frame)
    {
        int block = frame >> _blockShift;
        if (_blocks[block] is { } frames)
        {
            return frames[frame & ((1 << _blockShift) - 1)];
        }

        bool isFreeHead = _uniform[block] == FrameUse.Free && (frame & ((1 << _blockShift) - 1)) == 0;
        return new Frame
        {
            Use = _uniform[block],
            IsHead = isFreeHead,
            Order = isFreeHead ? (byte)LargestOrder : (byte)0,
            Count = _uniform[block] == FrameUse.Reserved ? 1 : 0,
        };
    }

    /// <summary>Whether a free block of exactly this order starts at the frame.</summary>
    internal bool IsFreeBlock(int frame, int order)
    {
        int block = frame >> _blockShift;
        if (frame + (1L << order) > FrameCount)
        {
            return false;
        }

        if (order == LargestOrder)
        {
            return _blocks[block] is null && _uniform[block] == FrameUse.Free;
        }

        if (_blocks[block] is not { } frames)
        {
            return false;
        }

        ref Frame entry = ref frames[frame & ((1 << _blockShift) - 1)];
        return entry.IsHead && entry.Use == FrameUse.Free && entry.Order == order;
    }

    /// <summary>Makes a whole block uniform: all of one use, nothing to remember per frame.</summary>
    internal void SetWhole(int firstFrame, FrameUse use)
    {
        int block = firstFrame >> _blockShift;
        if (_blocks[block] is { } frames)
        {
            _spare.Push(frames);
            _blocks[block] = null;
        }

        _uniform[block] = use;
    }

    /// <summary>Marks frames, whole blocks at once where possible.</summary>
    internal void Mark(int first, int endExclusive, FrameUse use, int count)
    {
        int blockFrames = 1 << _blockShift;
        for (int frame = first; frame < endExclusive;)
        {
            if ((frame & (blockFrames - 1)) == 0 && endExclusive - frame >= blockFrames
                && use is FrameUse.Absent or FrameUse.Reserved && _blocks[frame >> _blockShift] is null)
            {
                _uniform[frame >> _blockShift] = use;
                frame += blockFrames;
                continue;
            }

            ref Frame entry = ref At(frame);
            entry.Use = use;
            entry.Count = count;
            entry.IsHead = false;
            entry.Order = 0;
            frame++;
        }
    }

    internal int NextOf(int frame, int order) => order == LargestOrder ? _nextWhole[frame >> _blockShift] : At(frame).Next;

    internal void SetNext(int frame, int order, int next)
    {
        if (order == LargestOrder)
        {
            _nextWhole[frame >> _blockShift] = next;
        }
        else
        {
            At(frame).Next = next;
        }
    }

    internal int PreviousOf(int frame, int order) =>
        order == LargestOrder ? _previousWhole[frame >> _blockShift] : At(frame).Previous;

    internal void SetPrevious(int frame, int order, int previous)
    {
        if (order == LargestOrder)
        {
            _previousWhole[frame >> _blockShift] = previous;
        }
        else
        {
            At(frame).Previous = previous;
        }
    }

    private Frame[] Detail(int block)
    {
        Frame[] frames = _spare.TryPop(out Frame[]? spare) ? spare : new Frame[1 << _blockShift];
        Array.Fill(frames, new Frame
        {
            Use = _uniform[block],
            Count = _uniform[block] is FrameUse.Absent or FrameUse.Free ? 0 : 1,
        });
        _blocks[block] = frames;
        return frames;
    }
}
