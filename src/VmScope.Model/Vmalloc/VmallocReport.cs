namespace VmScope.Vmalloc;

/// <summary>A whole /proc/vmallocinfo, held in memory: the rows in the order they were printed, and their texts.</summary>
/// <remarks>
/// The same record whether a kernel printed it or a modelled machine did, so that the two are compared as equals.
/// For lists of any size there is the reader that hands rows to a sink instead.
/// </remarks>
public sealed class VmallocReport
{
    private readonly VmallocRow[] _rows;
    private readonly NodePages[] _nodes;
    private readonly Dictionary<int, VmallocCaller> _parsed = [];

    /// <summary>Makes a report that owns the arrays it is given.</summary>
    /// <param name="rows">The rows in printed order.</param>
    /// <param name="nodes">The node counts that rows point into.</param>
    /// <param name="texts">Owners and unknown words.</param>
    /// <exception cref="ArgumentOutOfRangeException">A row points outside the texts or the node counts.</exception>
    public VmallocReport(VmallocRow[] rows, NodePages[] nodes, TextTable texts)
    {
        foreach (ref readonly VmallocRow row in rows.AsSpan())
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row.Caller, (uint)texts.Count);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row.UnknownWords, (uint)texts.Count);
            ArgumentOutOfRangeException.ThrowIfNegative(row.FirstNode);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(row.FirstNode, nodes.Length - row.NodeCount);
        }

        (_rows, _nodes, Texts) = (rows, nodes, texts);
    }

    /// <summary>A list without rows.</summary>
    public static VmallocReport Empty => new([], [], new TextTable());

    /// <summary>The rows in the order they were printed.</summary>
    public ReadOnlySpan<VmallocRow> Rows => _rows;

    /// <summary>Owners and unknown words, by number.</summary>
    public TextTable Texts { get; }

    /// <summary>The node counts of a row, in printed order.</summary>
    public ReadOnlySpan<NodePages> Nodes(in VmallocRow row) => _nodes.AsSpan(row.FirstNode, row.NodeCount);

    /// <summary>The owner as printed, module included; empty when the line names none.</summary>
    public string CallerText(in VmallocRow row) => Texts.Text(row.Caller);

    /// <summary>The owner taken apart; null when the line names none.</summary>
    public VmallocCaller? Caller(in VmallocRow row)
    {
        if (row.Caller == 0)
        {
            return null;
        }

        if (!_parsed.TryGetValue(row.Caller, out VmallocCaller? caller))
        {
            caller = VmallocCaller.Parse(Texts.Text(row.Caller));
            _parsed.Add(row.Caller, caller);
        }

        return caller;
    }

    /// <summary>Whether both lists say the same, row by row: numbers, owners, words and node counts.</summary>
    public bool SaysTheSameAs(VmallocReport other)
    {
        if (_rows.Length != other._rows.Length)
        {
            return false;
        }

        for (int i = 0; i < _rows.Length; i++)
        {
            ref readonly VmallocRow mine = ref _rows[i];
            ref readonly VmallocRow theirs = ref other._rows[i];
            bool same = (mine.Start, mine.End, mine.SizeBytes, mine.Phys, mine.Pages, mine.Flags, mine.PhysDigits)
                == (theirs.Start, theirs.End, theirs.SizeBytes, theirs.Phys, theirs.Pages, theirs.Flags, theirs.PhysDigits)
                && Texts.Bytes(mine.Caller).SequenceEqual(other.Texts.Bytes(theirs.Caller))
                && Texts.Bytes(mine.UnknownWords).SequenceEqual(other.Texts.Bytes(theirs.UnknownWords))
                && Nodes(mine).SequenceEqual(other.Nodes(theirs));
            if (!same)
            {
                return false;
            }
        }

        return true;
    }
}
