namespace VmScope.Vmalloc;

/// <summary>Areas in address order, in chunks that know their widest inner gap so that a walk can step over them.</summary>
/// <remarks>
/// The kernels before 5.2 walk a list or tree of areas one by one. Where they end up depends on the areas alone, so
/// a walk here may pass a whole chunk whose gaps are all too small.
/// </remarks>
internal sealed class SortedAreas
{
    internal const int ChunkCapacity = 128;

    private readonly ulong _lastAddress;
    private Chunk[] _chunks = [new Chunk()];
    private int _chunkCount = 1;

    internal SortedAreas(ulong lastAddress) => _lastAddress = lastAddress;

    internal int Count { get; private set; }

    /// <summary>A place in the order: chunk and index in it. The place behind the last area is <see cref="IsEnd"/>.</summary>
    internal readonly record struct Position(int Chunk, int Index);

    internal Position First => Normalize(0, 0);

    internal bool IsEnd(Position position) => position.Chunk >= _chunkCount;

    internal ulong StartAt(Position position) => _chunks[position.Chunk].Starts[position.Index];

    internal ulong EndAt(Position position) => _chunks[position.Chunk].Ends[position.Index];

    internal Position Next(Position position) => Normalize(position.Chunk, position.Index + 1);

    /// <summary>The widest gap between two areas of the chunk.</summary>
    internal ulong WidestGapOf(int chunk) => _chunks[chunk].WidestGap;

    internal Position LastOf(int chunk) => new(chunk, _chunks[chunk].Count - 1);

    /// <summary>The lowest area that ends at or above an address.</summary>
    internal Position LowestEndingAtOrAbove(ulong address)
    {
        int low = 0, high = _chunkCount;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            Chunk chunk = _chunks[middle];
            if (chunk.Count == 0 || chunk.Ends[chunk.Count - 1] < address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        if (low == _chunkCount)
        {
            return new Position(low, 0);
        }

        int index = _chunks[low].Ends.AsSpan(0, _chunks[low].Count).BinarySearch(address);
        return Normalize(low, index >= 0 ? index : ~index);
    }

    /// <summary>The area that starts exactly there.</summary>
    internal bool TryFindStart(ulong start, out Position position)
    {
        int chunk = ChunkFor(start);
        int index = _chunks[chunk].Starts.AsSpan(0, _chunks[chunk].Count).BinarySearch(start);
        position = new Position(chunk, index);
        return index >= 0;
    }

    /// <summary>The area with the greatest start below an address.</summary>
    internal bool TryPredecessor(ulong address, out Position position)
    {
        int chunk = ChunkFor(address);
        int index = _chunks[chunk].Starts.AsSpan(0, _chunks[chunk].Count).BinarySearch(address);
        index = (index >= 0 ? index : ~index) - 1;
        if (index < 0)
        {
            chunk--;
            index = chunk >= 0 ? _chunks[chunk].Count - 1 : -1;
        }

        position = new Position(chunk, index);
        return index >= 0;
    }

    /// <summary>Whether any area shares a byte with the range.</summary>
    internal bool Overlaps(ulong start, ulong end)
    {
        Position at = LowestEndingAtOrAbove(start);
        if (!IsEnd(at) && EndAt(at) == start)
        {
            at = Next(at);
        }

        return !IsEnd(at) && StartAt(at) < end;
    }

    internal void Add(ulong start, ulong end)
    {
        int number = ChunkFor(start);
        Chunk chunk = _chunks[number];
        if (chunk.Count == ChunkCapacity)
        {
            Split(number);
            number = ChunkFor(start);
            chunk = _chunks[number];
        }

        int index = ~chunk.Starts.AsSpan(0, chunk.Count).BinarySearch(start);
        if (index < 0)
        {
            throw new ArgumentException($"an area starts at 0x{start:x} already", nameof(start));
        }

        int behind = chunk.Count - index;
        Array.Copy(chunk.Starts, index, chunk.Starts, index + 1, behind);
        Array.Copy(chunk.Ends, index, chunk.Ends, index + 1, behind);
        chunk.Starts[index] = start;
        chunk.Ends[index] = end;
        chunk.Count++;
        chunk.MeasureGaps();
        Count++;
    }

    internal void RemoveAt(Position position)
    {
        Chunk chunk = _chunks[position.Chunk];
        int behind = chunk.Count - position.Index - 1;
        Array.Copy(chunk.Starts, position.Index + 1, chunk.Starts, position.Index, behind);
        Array.Copy(chunk.Ends, position.Index + 1, chunk.Ends, position.Index, behind);
        chunk.Count--;
        chunk.MeasureGaps();
        Count--;
        if (chunk.Count == 0 && _chunkCount > 1)
        {
            Array.Copy(_chunks, position.Chunk + 1, _chunks, position.Chunk, _chunkCount - position.Chunk - 1);
            _chunks[--_chunkCount] = null!;
        }
    }

    internal bool TryHoleAtOrBelow(ulong address, out FreeBlock hole)
    {
        // Holes start at 1 and behind every area that its neighbour does not touch.
        ulong below = address;
        while (true)
        {
            Position at = LowestEndingAtOrAbove(below);
            if (!IsEnd(at) && EndAt(at) == below && HoleBehind(at, out hole))
            {
                return true;
            }

            if (IsEnd(at) ? Count == 0 : IsFirst(at))
            {
                hole = new FreeBlock(1, IsEnd(at) ? _lastAddress : StartAt(at));
                return below >= 1 && hole.SizeBytes > 0;
            }

            Position before = IsEnd(at) ? LastOf(_chunkCount - 1) : Before(at);
            if (HoleBehind(before, out hole))
            {
                return true;
            }

            below = StartAt(before);
        }
    }

    internal bool TryHoleAbove(ulong address, out FreeBlock hole)
    {
        if (address < 1 && (Count == 0 || StartAt(First) > 1))
        {
            hole = new FreeBlock(1, Count == 0 ? _lastAddress : StartAt(First));
            return true;
        }

        hole = default;
        if (address == ulong.MaxValue)
        {
            return false;
        }

        for (Position at = LowestEndingAtOrAbove(address + 1); !IsEnd(at); at = Next(at))
        {
            if (HoleBehind(at, out hole))
            {
                return true;
            }
        }

        return false;
    }

    internal SortedAreas Clone() => new(_lastAddress)
    {
        _chunks = Array.ConvertAll(_chunks, chunk => chunk?.Clone()!),
        _chunkCount = _chunkCount,
        Count = Count,
    };

    private bool HoleBehind(Position position, out FreeBlock hole)
    {
        Position next = Next(position);
        hole = new FreeBlock(EndAt(position), IsEnd(next) ? Math.Max(_lastAddress, EndAt(position)) : StartAt(next));
        return hole.SizeBytes > 0;
    }

    private bool IsFirst(Position position) => position is { Chunk: 0, Index: 0 };

    private Position Before(Position position) =>
        position.Index > 0 ? position with { Index = position.Index - 1 } : LastOf(position.Chunk - 1);

    private Position Normalize(int chunk, int index) =>
        chunk < _chunkCount && index >= _chunks[chunk].Count ? new Position(chunk + 1, 0) : new Position(chunk, index);

    /// <summary>The last chunk whose first area does not start above the address; the first when there is none.</summary>
    private int ChunkFor(ulong start)
    {
        int low = 0, high = _chunkCount;
        while (high - low > 1)
        {
            int middle = (low + high) >>> 1;
            if (_chunks[middle].Starts[0] <= start)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private void Split(int number)
    {
        if (_chunkCount == _chunks.Length)
        {
            Array.Resize(ref _chunks, _chunkCount * 2);
        }

        Array.Copy(_chunks, number + 1, _chunks, number + 2, _chunkCount - number - 1);
        _chunkCount++;
        _chunks[number + 1] = _chunks[number].TakeUpperHalf();
    }

    private sealed class Chunk
    {
        internal ulong[] Starts { get; private init; } = new ulong[ChunkCapacity];

        internal ulong[] Ends { get; private init; } = new ulong[ChunkCapacity];

        internal int Count { get; set; }

        internal ulong WidestGap { get; private set; }

        internal void MeasureGaps()
        {
            ulong widest = 0;
            for (int i = 1; i < Count; i++)
            {
                widest = Math.Max(widest, Starts[i] - Ends[i - 1]);
            }

            WidestGap = widest;
        }

        internal Chunk TakeUpperHalf()
        {
            Chunk upper = new() { Count = Count - (Count / 2) };
            Count /= 2;
            Array.Copy(Starts, Count, upper.Starts, 0, upper.Count);
            Array.Copy(Ends, Count, upper.Ends, 0, upper.Count);
            MeasureGaps();
            upper.MeasureGaps();
            return upper;
        }

        internal Chunk Clone() => new()
        {
            Starts = [.. Starts],
            Ends = [.. Ends],
            Count = Count,
            WidestGap = WidestGap,
        };
    }
}
