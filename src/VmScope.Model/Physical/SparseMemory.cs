namespace VmScope.Physical;

/// <summary>A machine's physical memory, of which only written frames cost anything.</summary>
/// <remarks>
/// Reading a frame nobody wrote gives zeros. Addresses outside RAM behave like memory of a device that remembers
/// what was written: enough to map a device and look through the mapping, nothing of any real device.
/// </remarks>
public sealed class SparseMemory : IWritablePhysicalMemory
{
    /// <summary>The widest physical address any supported processor has.</summary>
    public const int AddressBitsMax = 52;

    private const int GroupShift = 10;
    private readonly int _pageShift;
    private readonly int _pageBytes;
    private readonly byte[]?[]?[] _groups;
    private readonly SortedDictionary<ulong, byte[]> _beyond = [];

    /// <summary>Makes memory whose frames below <paramref name="endExclusive"/> are reached fastest.</summary>
    /// <param name="pageSize">The size of a frame.</param>
    /// <param name="endExclusive">The end of RAM; at most 64 TiB.</param>
    public SparseMemory(PageSize pageSize, PhysicalAddress endExclusive)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endExclusive.Value, 64 * Size.TiB);
        _pageShift = pageSize.Shift;
        _pageBytes = (int)pageSize.Bytes;
        ulong frames = Align.Up(endExclusive.Value, pageSize.Bytes) >> _pageShift;
        _groups = new byte[]?[]?[(int)((frames + (1 << GroupShift) - 1) >> GroupShift)];
    }

    /// <summary>How many frames have been written and so occupy memory here.</summary>
    public int MaterializedFrames { get; private set; }

    /// <summary>The frames that were written, lowest first.</summary>
    public IEnumerable<PageFrameNumber> WrittenFrames
    {
        get
        {
            for (int g = 0; g < _groups.Length; g++)
            {
                byte[]?[]? group = _groups[g];
                for (int f = 0; group is not null && f < group.Length; f++)
                {
                    if (group[f] is not null)
                    {
                        yield return new PageFrameNumber(((ulong)g << GroupShift) + (ulong)f);
                    }
                }
            }

            foreach (ulong frame in _beyond.Keys)
            {
                yield return new PageFrameNumber(frame);
            }
        }
    }

    /// <inheritdoc />
    public bool TryRead(PhysicalAddress start, Span<byte> destination)
    {
        ulong at = start.Value;
        while (destination.Length > 0)
        {
            if (at >> AddressBitsMax != 0)
            {
                return false;
            }

            int offset = (int)(at & (ulong)(_pageBytes - 1));
            int length = Math.Min(destination.Length, _pageBytes - offset);
            byte[]? frame = Find(at >> _pageShift);
            if (frame is null)
            {
                destination[..length].Clear();
            }
            else
            {
                frame.AsSpan(offset, length).CopyTo(destination);
            }

            destination = destination[length..];
            at += (ulong)length;
        }

        return true;
    }

    /// <inheritdoc />
    public void Write(PhysicalAddress start, ReadOnlySpan<byte> source)
    {
        ulong at = start.Value;
        while (source.Length > 0)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(at, 1UL << AddressBitsMax, nameof(start));
            int offset = (int)(at & (ulong)(_pageBytes - 1));
            int length = Math.Min(source.Length, _pageBytes - offset);
            source[..length].CopyTo(FrameBytes(at >> _pageShift).AsSpan(offset));
            source = source[length..];
            at += (ulong)length;
        }
    }

    /// <summary>Reads a word that lies inside one frame of RAM: a page-table walk does nothing else.</summary>
    /// <returns>False when it does not; nothing is known of the word then.</returns>
    internal bool TryWord(PhysicalAddress at, int sizeBytes, out ulong word)
    {
        word = 0;
        int offset = (int)(at.Value & (ulong)(_pageBytes - 1));
        ulong frame = at.Value >> _pageShift;
        if (offset + sizeBytes > _pageBytes || frame >> GroupShift >= (ulong)_groups.Length)
        {
            return false;
        }

        if (Find(frame) is { } bytes)
        {
            word = sizeBytes == 8 ? BitConverter.ToUInt64(bytes, offset) : sizeBytes == 4 ? BitConverter.ToUInt32(bytes, offset) : word;
        }

        return sizeBytes is 4 or 8;
    }

    /// <summary>Copies bytes that lie inside one frame into another frame, or into the same one.</summary>
    internal void Copy(PhysicalAddress from, PhysicalAddress to, int bytes)
    {
        int mask = _pageBytes - 1;
        Span<byte> target = FrameBytes(to.Value >> _pageShift).AsSpan((int)(to.Value & (ulong)mask), bytes);
        if (Find(from.Value >> _pageShift) is { } source)
        {
            source.AsSpan((int)(from.Value & (ulong)mask), bytes).CopyTo(target);
        }
        else
        {
            target.Clear();
        }
    }

    /// <summary>Fills a whole frame with zeros, giving its memory back.</summary>
    public void Clear(PageFrameNumber frame)
    {
        ulong group = frame.Value >> GroupShift;
        if (group >= (ulong)_groups.Length)
        {
            _beyond.Remove(frame.Value);
        }
        else if (_groups[group] is { } frames && frames[frame.Value & ((1 << GroupShift) - 1)] is not null)
        {
            frames[frame.Value & ((1 << GroupShift) - 1)] = null;
            MaterializedFrames--;
        }
    }

    /// <summary>The bytes of a frame, for code that writes many words to it.</summary>
    internal byte[] FrameBytes(ulong frame)
    {
        ulong group = frame >> GroupShift;
        if (group >= (ulong)_groups.Length)
        {
            if (!_beyond.TryGetValue(frame, out byte[]? outside))
            {
                _beyond.Add(frame, outside = new byte[_pageBytes]);
            }

            return outside;
        }

        byte[]?[] frames = _groups[group] ??= new byte[]?[1 << GroupShift];
        ref byte[]? bytes = ref frames[frame & ((1 << GroupShift) - 1)];
        if (bytes is null)
        {
            bytes = new byte[_pageBytes];
            MaterializedFrames++;
        }

        return bytes;
    }

    /// <summary>The bytes of a frame if it was ever written.</summary>
    internal byte[]? Find(ulong frame)
    {
        ulong group = frame >> GroupShift;
        return group < (ulong)_groups.Length
            ? _groups[group]?[frame & ((1 << GroupShift) - 1)]
            : _beyond.GetValueOrDefault(frame);
    }
}
