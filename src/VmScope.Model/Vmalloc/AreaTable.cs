using System.Numerics;

namespace VmScope.Vmalloc;

/// <summary>The busy areas by their start: what a free, which names only the start, has to look up.</summary>
/// <remarks>Open addressing with linear steps; a removal closes its gap, so nothing is ever left behind.</remarks>
internal sealed class AreaTable
{
    private const ulong Multiplier = 0x9e37_79b9_7f4a_7c15;
    private const int SmallestCapacity = 64;

    private Entry[] _entries = new Entry[SmallestCapacity];
    private int _shift = 64 - BitOperations.Log2(SmallestCapacity);

    /// <summary>A busy area; an end of 0 marks an empty slot.</summary>
    /// <param name="Start">First address.</param>
    /// <param name="End">Exclusive end.</param>
    /// <param name="NodeTag">The node of the processor that asked, plus one; 0 when it did not ask there.</param>
    internal readonly record struct Entry(ulong Start, ulong End, int NodeTag);

    internal int Count { get; private set; }

    internal ulong Bytes { get; private set; }

    internal bool TryGet(ulong start, out Entry entry)
    {
        int mask = _entries.Length - 1;
        for (int at = Home(start); ; at = (at + 1) & mask)
        {
            entry = _entries[at];
            if (entry.End == 0 || entry.Start == start)
            {
                return entry.End != 0;
            }
        }
    }

    internal void Add(in Entry entry)
    {
        if ((Count + 1) * 2 > _entries.Length)
        {
            Grow();
        }

        int mask = _entries.Length - 1;
        int at = Home(entry.Start);
        while (_entries[at].End != 0)
        {
            if (_entries[at].Start == entry.Start)
            {
                throw new ArgumentException($"an area starts at 0x{entry.Start:x} already", nameof(entry));
            }

            at = (at + 1) & mask;
        }

        _entries[at] = entry;
        Count++;
        Bytes += entry.End - entry.Start;
    }

    internal bool TryRemove(ulong start, out Entry removed)
    {
        int mask = _entries.Length - 1;
        int at = Home(start);
        for (; ; at = (at + 1) & mask)
        {
            removed = _entries[at];
            if (removed.End == 0)
            {
                return false;
            }

            if (removed.Start == start)
            {
                break;
            }
        }

        Count--;
        Bytes -= removed.End - removed.Start;
        int hole = at;
        while (true)
        {
            at = (at + 1) & mask;
            Entry next = _entries[at];
            if (next.End == 0)
            {
                _entries[hole] = default;
                return true;
            }

            // An entry may move back into the hole unless its home lies behind the hole.
            if (((at - Home(next.Start)) & mask) >= ((at - hole) & mask))
            {
                _entries[hole] = next;
                hole = at;
            }
        }
    }

    /// <summary>The busy area that shares a byte with a range, if any; walks the whole table.</summary>
    internal bool TryOverlapping(ulong start, ulong end, out Entry entry)
    {
        foreach (Entry candidate in _entries)
        {
            if (candidate.End != 0 && candidate.Start < end && start < candidate.End)
            {
                entry = candidate;
                return true;
            }
        }

        entry = default;
        return false;
    }

    internal void CopyTo(List<FreeBlock> areas, bool inOrder)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.End != 0)
            {
                areas.Add(new FreeBlock(entry.Start, entry.End));
            }
        }

        if (inOrder)
        {
            areas.Sort(static (left, right) => left.Start.CompareTo(right.Start));
        }
    }

    internal AreaTable Clone() => new() { _entries = [.. _entries], _shift = _shift, Count = Count, Bytes = Bytes };

    private int Home(ulong start) => (int)(unchecked((start >> 12) * Multiplier) >> _shift);

    private void Grow()
    {
        Entry[] old = _entries;
        _entries = new Entry[old.Length * 2];
        _shift--;
        int mask = _entries.Length - 1;
        foreach (Entry entry in old)
        {
            if (entry.End == 0)
            {
                continue;
            }

            int at = Home(entry.Start);
            while (_entries[at].End != 0)
            {
                at = (at + 1) & mask;
            }

            _entries[at] = entry;
        }
    }
}
