using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Rows kept whole, the first of them: enough to show and to compare, bounded whatever the list.</summary>
internal sealed class RowList
{
    /// <summary>How many rows are kept.</summary>
    internal const int KeptMax = 65_536;

    private VmallocRow[] _rows = [];

    /// <summary>How many are kept.</summary>
    internal int Count { get; private set; }

    /// <summary>How many were added.</summary>
    internal long Total { get; private set; }

    internal ref readonly VmallocRow this[int index] => ref _rows[index];

    [MethodImpl(HotPath.Compiled)]
    internal void Add(in VmallocRow row)
    {
        Total++;
        if (Count == KeptMax)
        {
            return;
        }

        if (Count == _rows.Length)
        {
            Array.Resize(ref _rows, Math.Min(KeptMax, Math.Max(16, Count * 2)));
        }

        _rows[Count++] = row;
    }

    /// <summary>Adds the rows of a later part, whose texts have other numbers there.</summary>
    internal void Append(RowList later, int[] ids, long lines)
    {
        for (int i = 0; i < later.Count; i++)
        {
            VmallocRow row = later._rows[i];
            row.Caller = ids[row.Caller];
            row.UnknownWords = ids[row.UnknownWords];
            row.Line += lines;
            Add(row);
        }

        Total += later.Total - later.Count;
    }
}
