using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Rows kept whole, the first of them: enough to show and to compare, bounded whatever the list.</summary>
/// <param name="keptMax">How many rows are kept, 64 bytes each.</param>
internal sealed class RowList(int keptMax)
{
    /// <summary>What keeps a chunk below the size from which arrays count as large, and their sum as a reason to collect.</summary>
    private const int ChunkRows = 1024;
    private VmallocRow[][] _chunks = [];

    /// <summary>How many are kept.</summary>
    internal int Count { get; private set; }

    /// <summary>How many were added.</summary>
    internal long Total { get; private set; }

    internal ref readonly VmallocRow this[int index] => ref _chunks[index / ChunkRows][index % ChunkRows];

    [MethodImpl(HotPath.Compiled)]
    internal void Add(in VmallocRow row)
    {
        Total++;
        if (Count == keptMax)
        {
            return;
        }

        int chunk = Count / ChunkRows;
        int place = Count % ChunkRows;
        if (chunk == _chunks.Length || place == _chunks[chunk].Length)
        {
            MakeRoom(chunk);
        }

        _chunks[chunk][place] = row;
        Count++;
    }

    private void MakeRoom(int chunk)
    {
        if (chunk < _chunks.Length)
        {
            Array.Resize(ref _chunks[chunk], _chunks[chunk].Length * 2);
            return;
        }

        // Only the first chunk grows: most lists have few such rows, and a long list should not copy them.
        Array.Resize(ref _chunks, chunk + 1);
        _chunks[chunk] = new VmallocRow[chunk == 0 ? 16 : ChunkRows];
    }

    /// <summary>Adds the rows of a later part, whose texts have other numbers there.</summary>
    internal void Append(RowList later, int[] ids, long lines)
    {
        int taken = Math.Min(later.Count, keptMax - Count);
        for (int i = 0; i < taken; i++)
        {
            VmallocRow row = later[i];
            row.Caller = ids[row.Caller];
            row.UnknownWords = ids[row.UnknownWords];
            row.Line += lines;
            Add(row);
        }

        Total += later.Total - taken;
    }
}
