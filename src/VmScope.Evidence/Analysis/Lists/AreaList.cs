using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What gaps are computed from: an area's place, owner and words.</summary>
public record struct AreaSlot
{
    /// <summary>The first address.</summary>
    public ulong Start { get; set; }

    /// <summary>The exclusive end.</summary>
    public ulong End { get; set; }

    /// <summary>The owner's number.</summary>
    public int Caller { get; set; }

    /// <summary>The words.</summary>
    public AreaFlags Flags { get; set; }

    /// <summary>The size in bytes, guard page included.</summary>
    public readonly ulong SizeBytes => unchecked(End - Start);
}

/// <summary>Areas by address. Added in any order, and fast when they come almost in order, as kernels print them.</summary>
public sealed class AreaList
{
    private const int ChunkShift = 15;
    private const int ChunkMask = (1 << ChunkShift) - 1;
    private const int FirstChunk = 256;

    /// <summary>All areas in one chunk: a place is below 2^30, and none has higher bits.</summary>
    private const int WholeShift = 30;
    private AreaSlot[][] _chunks = new AreaSlot[8][];
    private AreaSlot[]? _current;
    private int _shift = ChunkShift;
    private int _count;

    /// <summary>Areas from this place on lie so many places further on, where another list was joined.</summary>
    private int _seam = int.MaxValue;
    private int _gap;
    private bool _isSorted = true;
    private ulong _lastStart;

    /// <summary>How many areas.</summary>
    public int Count => _count;

    /// <summary>Whether the areas were added in address order.</summary>
    internal bool IsInOrder => _isSorted;

    /// <summary>The area at a place in the list; in address order after <see cref="Sort"/>.</summary>
    public ref readonly AreaSlot this[int index]
    {
        get
        {
            int place = PlaceOf(index);
            return ref _chunks[place >> _shift][place & ((1 << _shift) - 1)];
        }
    }

    /// <summary>The areas from a place on, as many as lie together; at least one.</summary>
    public ReadOnlySpan<AreaSlot> From(int index)
    {
        int place = PlaceOf(index);
        int inChunk = place & ((1 << _shift) - 1);
        int end = index < _seam ? Math.Min(_count, _seam) : _count;
        AreaSlot[] chunk = _chunks[place >> _shift];
        return chunk.AsSpan(inChunk, Math.Min(chunk.Length - inChunk, end - index));
    }

    /// <summary>Joins a list whose areas come behind all of these; it must not be used afterwards.</summary>
    /// <param name="later">The list.</param>
    /// <param name="ids">The owners' numbers here, by their numbers there.</param>
    internal void Append(AreaList later, ReadOnlySpan<int> ids)
    {
        if (later._count == 0)
        {
            _isSorted &= later._isSorted;
            return;
        }

        if (_seam != int.MaxValue || later._seam != int.MaxValue)
        {
            throw new InvalidOperationException("a list is joined once");
        }

        int chunks = (_count + ChunkMask) >> ChunkShift;
        int laterChunks = (later._count + ChunkMask) >> ChunkShift;
        Array.Resize(ref _chunks, chunks + laterChunks);
        for (int chunk = 0; chunk < laterChunks; chunk++)
        {
            AreaSlot[] slots = _chunks[chunks + chunk] = later._chunks[chunk];
            foreach (ref AreaSlot slot in slots.AsSpan(0, Math.Min(slots.Length, later._count - (chunk << ChunkShift))))
            {
                slot.Caller = ids[slot.Caller];
            }
        }

        _isSorted &= later._isSorted && (_count == 0 || later[0].Start >= _lastStart);
        (_seam, _gap) = (_count, (chunks << ChunkShift) - _count);
        _count += later._count;
        _lastStart = later._lastStart;
        _current = null;
    }

    /// <summary>Takes all areas out again, where they are only passed on; no more than a few were added.</summary>
    /// <returns>The areas, until the next is added.</returns>
    internal ReadOnlySpan<AreaSlot> Drain()
    {
        int count = _count;
        _count = 0;
        return _current.AsSpan(0, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(ulong start, ulong end, int caller, AreaFlags flags)
    {
        if ((_count & ChunkMask) == 0 || (_count & ChunkMask) >= _current!.Length)
        {
            MakeRoom();
        }

        ref AreaSlot slot = ref _current![_count & ChunkMask];
        slot.Start = start;
        slot.End = end;
        slot.Caller = caller;
        slot.Flags = flags;
        _isSorted &= start >= _lastStart;
        _lastStart = start;
        _count++;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int PlaceOf(int index) => index < _seam ? index : index + _gap;

    private void MakeRoom()
    {
        if (_seam != int.MaxValue)
        {
            throw new InvalidOperationException("a joined list is complete");
        }

        int chunk = _count >> ChunkShift;
        if ((_count & ChunkMask) == 0)
        {
            if (chunk == _chunks.Length)
            {
                Array.Resize(ref _chunks, _chunks.Length * 2);
            }

            // The first chunk grows: a list of sixty rows should not cost the memory of thirty thousand.
            _chunks[chunk] = chunk > 0 ? GC.AllocateUninitializedArray<AreaSlot>(ChunkMask + 1)
                : _chunks[0] ?? new AreaSlot[FirstChunk];
        }
        else
        {
            Array.Resize(ref _chunks[0], _count * 2);
        }

        _current = _chunks[chunk];
    }

    /// <summary>Puts the areas in address order; of equal starts the first one read stays first.</summary>
    [MethodImpl(HotPath.Compiled)]
    internal void Sort()
    {
        if (_isSorted)
        {
            return;
        }

        AreaSlot[] from = new AreaSlot[_count];
        List<int> runs = [0];
        for (int i = 0; i < _count; i++)
        {
            from[i] = this[i];
            if (i > 0 && from[i].Start < from[i - 1].Start)
            {
                runs.Add(i);
            }
        }

        runs.Add(_count);
        _chunks = [];
        AreaSlot[] to = new AreaSlot[_count];
        while (runs.Count > 2)
        {
            // Merges neighbouring runs: kernels from 6.9 on print one ascending run per node, so there are few.
            List<int> merged = [0];
            for (int r = 0; r < runs.Count - 1; r += 2)
            {
                int end = r + 2 < runs.Count ? runs[r + 2] : runs[r + 1];
                Merge(from, to, runs[r], runs[r + 1], end);
                merged.Add(end);
            }

            (from, to, runs) = (to, from, merged);
        }

        // In one piece: a copy in chunks would be as much memory again.
        (_chunks, _shift, _seam, _gap, _isSorted) = ([from], WholeShift, int.MaxValue, 0, true);
    }

    /// <summary>The index of the first area whose start is not below an address; the count when there is none.</summary>
    public int FirstAtOrAbove(ulong address)
    {
        int low = 0;
        int high = _count;
        while (low < high)
        {
            int middle = (int)(((uint)low + (uint)high) / 2);
            if (this[middle].Start < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    [MethodImpl(HotPath.Compiled)]
    private static void Merge(AreaSlot[] from, AreaSlot[] to, int left, int right, int end)
    {
        int leftEnd = right;
        for (int at = left; at < to.Length && (left < leftEnd || right < end); at++)
        {
            bool takeLeft = left < leftEnd && (right >= end || from[left].Start <= from[right].Start);
            to[at] = from[takeLeft ? left++ : right++];
        }
    }
}
