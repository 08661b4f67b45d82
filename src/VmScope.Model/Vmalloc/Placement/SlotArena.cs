namespace VmScope.Vmalloc;

/// <summary>Equal slots of memory that the garbage collector neither moves nor scans, named by small numbers.</summary>
/// <remarks>
/// Slot 0 is never handed out and stands for "none". Slots begin at multiples of 64 bytes if their size is one. The
/// memory is a pinned array, so nothing has to be disposed of.
/// </remarks>
internal sealed unsafe class SlotArena
{
    private const int AlignmentBytes = 64;

    private readonly int _slotBytes;
    private byte[] _memory = [];
    private int _capacity;
    private int _firstReturned;   // chain through the first four bytes of returned slots, last in first out
    private int _returned;

    internal SlotArena(int slotBytes, int capacity)
    {
        _slotBytes = slotBytes;
        HighWater = 1;
        Resize(capacity);
    }

    /// <summary>The address of slot 0. Changes only inside <see cref="Reserve"/>.</summary>
    internal byte* Base { get; private set; }

    /// <summary>One more than the highest slot ever in use.</summary>
    internal int HighWater { get; private set; }

    /// <summary>The bytes of all slots ever used at once; the rest of the memory was never touched.</summary>
    internal long UsedBytes => (long)HighWater * _slotBytes;

    /// <summary>Makes sure that the next <paramref name="slots"/> calls of <see cref="Take"/> move nothing.</summary>
    internal void Reserve(int slots)
    {
        if (_capacity - HighWater + _returned < slots)
        {
            Resize(checked(_capacity + Math.Max(_capacity / 2, slots)));
        }
    }

    /// <summary>Takes a slot out; its contents are undefined. Call <see cref="Reserve"/> before.</summary>
    internal int Take()
    {
        int slot = _firstReturned;
        if (slot == 0)
        {
            return HighWater++;
        }

        _returned--;
        _firstReturned = *(int*)(Base + ((long)slot * _slotBytes));
        return slot;
    }

    /// <summary>Gives a slot back.</summary>
    internal void Return(int slot)
    {
        *(int*)(Base + ((long)slot * _slotBytes)) = _firstReturned;
        _firstReturned = slot;
        _returned++;
    }

    /// <summary>A copy in which every slot has the same number and contents.</summary>
    internal SlotArena Clone()
    {
        SlotArena copy = new(_slotBytes, HighWater + 8)
        {
            HighWater = HighWater,
            _firstReturned = _firstReturned,
            _returned = _returned,
        };
        Buffer.MemoryCopy(Base, copy.Base, UsedBytes, UsedBytes);
        return copy;
    }

    private void Resize(int capacity)
    {
        long bytes = ((long)capacity * _slotBytes) + AlignmentBytes;
        byte[] memory = GC.AllocateUninitializedArray<byte>(checked((int)Math.Min(bytes, Array.MaxLength)), pinned: true);
        if (bytes > memory.Length)
        {
            throw new InvalidOperationException($"{capacity} slots of {_slotBytes} bytes do not fit one array");
        }

        byte* start = (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0);
        start += -(nint)start & (AlignmentBytes - 1);
        if (Base != null)
        {
            Buffer.MemoryCopy(Base, start, UsedBytes, UsedBytes);
        }

        GC.KeepAlive(_memory);   // until its contents are copied
        _memory = memory;
        Base = start;
        _capacity = capacity;
    }
}
