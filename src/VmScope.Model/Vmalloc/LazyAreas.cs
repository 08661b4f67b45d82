using System.Buffers;
using System.Runtime.InteropServices;

namespace VmScope.Vmalloc;

/// <summary>Areas that are freed but whose addresses still wait for a purge, in the order of their freeing.</summary>
internal sealed class LazyAreas
{
    private Entry[] _entries = new Entry[16];

    /// <summary>One waiting area.</summary>
    /// <param name="Start">First address.</param>
    /// <param name="End">Exclusive end.</param>
    /// <param name="Node">The node whose list holds it.</param>
    /// <param name="ToPool">Whether it may return into that node's pool.</param>
    internal readonly record struct Entry(ulong Start, ulong End, int Node, bool ToPool);

    internal int Count { get; private set; }

    internal ulong Bytes { get; private set; }

    /// <summary>Changes with every change, so that what was computed from the entries can be used again.</summary>
    internal long Version { get; private set; }

    internal ReadOnlySpan<Entry> InOrderOfFreeing => _entries.AsSpan(0, Count);

    internal void Add(in Entry entry)
    {
        if (Count == _entries.Length)
        {
            Array.Resize(ref _entries, Count * 2);
        }

        _entries[Count++] = entry;
        Version++;
        Bytes += entry.End - entry.Start;
    }

    /// <summary>Adds an area as the one freed first.</summary>
    internal void AddOldest(in Entry entry)
    {
        Add(entry);
        Array.Copy(_entries, 0, _entries, 1, Count - 1);
        _entries[0] = entry;
    }

    /// <summary>Takes out all but the newest <paramref name="keepNewest"/>, oldest first.</summary>
    internal void TakeOldest(int keepNewest, List<Entry> into)
    {
        int taken = Math.Max(0, Count - keepNewest);
        Version++;
        for (int i = 0; i < taken; i++)
        {
            into.Add(_entries[i]);
            Bytes -= _entries[i].End - _entries[i].Start;
        }

        Array.Copy(_entries, taken, _entries, 0, Count - taken);
        Count -= taken;
    }

    /// <summary>Takes out an area that shares a byte with a range.</summary>
    internal bool TryTakeOverlapping(ulong start, ulong end, out Entry entry)
    {
        for (int i = Count - 1; i >= 0; i--)
        {
            if (_entries[i].Start < end && start < _entries[i].End)
            {
                entry = _entries[i];
                Version++;
                Bytes -= entry.End - entry.Start;
                Array.Copy(_entries, i + 1, _entries, i, Count - i - 1);
                Count--;
                return true;
            }
        }

        entry = default;
        return false;
    }

    internal LazyAreas Clone() => new() { _entries = [.. _entries], Count = Count, Bytes = Bytes };

    /// <summary>Sorts blocks by address and joins those that touch.</summary>
    internal static void SortAndMerge(List<FreeBlock> blocks)
    {
        // By a row of plain numbers: every purge sorts, and calling a comparison costs most of it.
        Span<FreeBlock> span = CollectionsMarshal.AsSpan(blocks);
        ulong[] starts = ArrayPool<ulong>.Shared.Rent(span.Length);
        for (int i = 0; i < span.Length; i++)
        {
            starts[i] = span[i].Start;
        }

        starts.AsSpan(0, span.Length).Sort(span);
        ArrayPool<ulong>.Shared.Return(starts);
        int kept = 0;
        for (int i = 0; i < blocks.Count; i++)
        {
            if (kept > 0 && blocks[kept - 1].End == blocks[i].Start)
            {
                blocks[kept - 1] = blocks[kept - 1] with { End = blocks[i].End };
            }
            else
            {
                blocks[kept++] = blocks[i];
            }
        }

        blocks.RemoveRange(kept, blocks.Count - kept);
    }
}
