using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>The areas of per-CPU chunks in a list: how many, and the lowest of them.</summary>
internal sealed class PercpuAreas
{
    /// <summary>How many of the lowest are kept.</summary>
    private const int LowestKept = 8;

    private readonly VmallocRow[] _lowest = new VmallocRow[LowestKept + 1];
    private int _kept;

    /// <summary>How many areas.</summary>
    internal long Count { get; private set; }

    /// <summary>Their bytes.</summary>
    internal ulong Bytes { get; private set; }

    /// <summary>The last address of the highest of them.</summary>
    internal ulong Last { get; private set; }

    /// <summary>Whether their sizes differ.</summary>
    internal bool AreMixed { get; private set; }

    /// <summary>The lowest areas, by address.</summary>
    internal ReadOnlySpan<VmallocRow> Lowest => _lowest.AsSpan(0, _kept);

    /// <summary>Counts an area, when its address is a real one.</summary>
    internal void Note(in VmallocRow row)
    {
        if (!row.AddressesMatchSize || row.SizeBytes == 0)
        {
            return;
        }

        AreMixed |= _kept > 0 && _lowest[0].SizeBytes != row.SizeBytes;
        Count++;
        Bytes = unchecked(Bytes + row.SizeBytes);
        Last = Math.Max(Last, unchecked(row.End - 1));
        Keep(row);
    }

    /// <summary>Adds the areas of a later part.</summary>
    /// <param name="later">The part.</param>
    /// <param name="ids">The owners' numbers here, by their numbers there.</param>
    internal void Append(PercpuAreas later, ReadOnlySpan<int> ids)
    {
        AreMixed |= later.AreMixed || (_kept > 0 && later._kept > 0 && _lowest[0].SizeBytes != later._lowest[0].SizeBytes);
        Count += later.Count;
        Bytes = unchecked(Bytes + later.Bytes);
        Last = Math.Max(Last, later.Last);
        foreach (VmallocRow row in later.Lowest)
        {
            Keep(row with { Caller = ids[row.Caller] });
        }
    }

    private void Keep(in VmallocRow row)
    {
        int at = _kept;
        while (at > 0 && _lowest[at - 1].Start > row.Start)
        {
            _lowest[at] = _lowest[at - 1];
            at--;
        }

        _lowest[at] = row;
        _kept = Math.Min(_kept + 1, LowestKept);
    }
}
