
namespace VmScope.Analysis;

/// <summary>What can still be told when addresses are hashed: which areas touch.</summary>
/// <remarks>
/// Equal addresses hash equally, so an area whose end looks like another's start lies right below it. Where chains lie,
/// how far apart they are, and how large any hole is cannot be known. Source: lib/vsprintf.c, ptr_to_hashval().
/// </remarks>
public sealed class HashChains
{
    private readonly int[] _next;
    private readonly List<int> _heads = [];

    internal HashChains(RowList rows)
    {
        Rows = rows.Count;
        _next = new int[rows.Count];
        Dictionary<ulong, int> starts = new(rows.Count);
        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i].Start != 0)
            {
                starts[rows[i].Start] = i;
            }
        }

        bool[] hasBelow = new bool[rows.Count];
        for (int i = 0; i < rows.Count; i++)
        {
            _next[i] = rows[i].End != 0 && starts.TryGetValue(rows[i].End, out int above) && above != i ? above : -1;
            if (_next[i] >= 0)
            {
                hasBelow[_next[i]] = true;
                TouchingRows++;
            }
        }

        for (int i = 0; i < rows.Count; i++)
        {
            if (!hasBelow[i])
            {
                _heads.Add(i);
                Measure(rows, i);
            }
        }
    }

    /// <summary>Rows looked at.</summary>
    public int Rows { get; }

    /// <summary>Rows that end where another begins.</summary>
    public int TouchingRows { get; }

    /// <summary>Chains of areas without a gap, single areas among them; each is followed by at least one hole.</summary>
    public int Chains => _heads.Count;

    /// <summary>Areas of the longest chain.</summary>
    public int LongestAreas { get; private set; }

    /// <summary>Bytes of the longest chain.</summary>
    public ulong LongestBytes { get; private set; }

    private void Measure(RowList rows, int head)
    {
        int areas = 0;
        ulong bytes = 0;

        // Bounded by the rows: a forged list may close a ring.
        for (int at = head; at >= 0 && areas < rows.Count; at = _next[at])
        {
            areas++;
            bytes = unchecked(bytes + rows[at].SizeBytes);
        }

        if (areas > LongestAreas)
        {
            (LongestAreas, LongestBytes) = (areas, bytes);
        }
    }
}
