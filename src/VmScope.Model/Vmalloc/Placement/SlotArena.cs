using System.Runtime.InteropServices;

namespace VmScope.Vmalloc;

/// <summary>Equal slots of memory that the garbage collector neither moves nor scans, named by small numbers.</summary>
/// <remarks>
/// A slot's number is its distance from the first in bytes, so that its address is one addition away; number 0 is never
/// handed out and stands for "none". Slots begin at multiples of 64 bytes if their size is one. The memory is a pinned
/// array, so nothing has to be disposed of.
/// </remarks>
internal sealed unsafe class SlotArena
{
    private const int AlignmentBytes = 64;

    private readonly int _slotBytes;
    private byte[] _memory = [];
    private int _capacity;
    private int _highWater = 1;   // in slots; slot 0 counts
    private int _firstReturned;   // chain through the first four bytes of returned slots, last in first out

    /// <summary>Makes room for some slots.</summary>
    /// <param name="slotBytes">The size of a slot.</param>
    /// <param name="capacity">How many slots fit at first.</param>
    internal SlotArena(int slotBytes, int capacity)
    {
        _slotBytes = slotBytes;
        Resize(capacity);
    }

    /// <summary>The address of number 0. Changes in <see cref="Reserve"/>, and in <see cref="Take"/> if nothing is to spare.</summary>
    internal byte* Base { get; private set; }

    /// <summary>How many slots <see cref="Take"/> can still give.</summary>
    internal int Spare { get; private set; }

    /// <summary>The number of slots taken and not returned.</summary>
    internal int Taken => _capacity - 1 - Spare;

    /// <summary>The bytes of all slots ever used at once; the rest of the memory was never touched.</summary>
    internal long UsedBytes => (long)_highWater * _slotBytes;

    /// <summary>Makes sure that the next <paramref name="slots"/> calls of <see cref="Take"/> find one. May move everything.</summary>
    internal void Reserve(int slots)
    {
        if (Spare < slots)
        {
            Resize(checked(_capacity + Math.Max(_capacity / 2, slots)));
        }
    }

    /// <summary>Takes a slot out; its contents are undefined. Moves everything if there was no spare one.</summary>
    internal int Take()
    {
        unchecked
        {
            int number = _firstReturned;
            if (number == 0)
            {
                Reserve(1);
                Spare--;
                return _highWater++ * _slotBytes;
            }

            Spare--;
            _firstReturned = *(int*)(Base + number);
            return number;
        }
    }

    /// <summary>Gives a slot back.</summary>
    internal void Return(int number)
    {
        unchecked
        {
            *(int*)(Base + number) = _firstReturned;
            _firstReturned = number;
            Spare++;
        }
    }

    /// <summary>A copy in which every slot has the same number and contents.</summary>
    internal SlotArena Clone()
    {
        SlotArena copy = new(_slotBytes, _capacity)
        {
            _highWater = _highWater,
            _firstReturned = _firstReturned,
            Spare = Spare,
        };
        Buffer.MemoryCopy(Base, copy.Base, UsedBytes, UsedBytes);
        return copy;
    }

    private void Resize(int capacity)
    {
        long bytes = ((long)capacity * _slotBytes) + (2 * AlignmentBytes);   // vectors may be read past the last slot
        if (bytes > Array.MaxLength)
        {
            throw new InvalidOperationException($"{capacity} slots of {_slotBytes} bytes do not fit one array");
        }

        byte[] memory = GC.AllocateUninitializedArray<byte>((int)bytes, pinned: true);
        byte* start = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(memory, 0);
        start += -(nint)start & (AlignmentBytes - 1);
        if (Base != null)
        {
            Buffer.MemoryCopy(Base, start, UsedBytes, UsedBytes);
        }

        GC.KeepAlive(_memory);   // until its contents are copied
        _memory = memory;
        Base = start;
        _capacity = capacity;
        Spare = capacity - _highWater + CountReturned();
    }

    private int CountReturned()
    {
        int count = 0;
        for (int number = _firstReturned; number != 0; number = *(int*)(Base + number))
        {
            count++;
        }

        return count;
    }
}
