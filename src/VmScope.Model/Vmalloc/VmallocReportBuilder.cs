namespace VmScope.Vmalloc;

/// <summary>Collects rows into a <see cref="VmallocReport"/>.</summary>
public sealed class VmallocReportBuilder
{
    private readonly List<VmallocRow> _rows = [];
    private readonly List<NodePages> _nodes = [];

    /// <summary>Owners and unknown words of the report to be.</summary>
    public TextTable Texts { get; } = new();

    /// <summary>How many rows there are so far.</summary>
    public int Count => _rows.Count;

    /// <summary>Adds one area as a kernel would print it.</summary>
    /// <param name="start">The first address.</param>
    /// <param name="sizeBytes">Size with the guard page.</param>
    /// <param name="caller">The owner as printed, module included; empty for none.</param>
    /// <param name="words">The kernel's words.</param>
    /// <param name="pages">Pages the area owns; null for an area that owns none.</param>
    /// <param name="phys">The physical address; null without one. Written in the form of 4.12 and later.</param>
    /// <param name="is64Bit">Whether the kernel's addresses have 64 bits.</param>
    /// <param name="nodes">Pages by NUMA node, in node order.</param>
    public void Add(
        ulong start, ulong sizeBytes, string caller, AreaFlags words, uint? pages, ulong? phys, bool is64Bit,
        ReadOnlySpan<NodePages> nodes)
    {
        VmallocRow row = new()
        {
            Start = start,
            End = unchecked(start + sizeBytes),
            SizeBytes = sizeBytes,
            Caller = Texts.Intern(caller),
            Flags = words & AreaFlags.Words,
            AddressDigits = is64Bit ? (byte)16 : (byte)8,
        };
        if (pages is { } count)
        {
            row.Flags |= AreaFlags.HasPages;
            row.Pages = count;
        }

        if (phys is { } address)
        {
            row.Flags |= AreaFlags.HasPhys | AreaFlags.PhysPrefixed;
            row.Phys = address;
            row.PhysDigits = row.AddressDigits;
        }

        Add(row, nodes);
    }

    /// <summary>Adds a row whose texts are numbers of <see cref="Texts"/>; its place among the node counts is set here.</summary>
    public void Add(in VmallocRow row, ReadOnlySpan<NodePages> nodes)
    {
        VmallocRow added = row;
        added.FirstNode = _nodes.Count;
        added.NodeCount = checked((ushort)nodes.Length);
        _nodes.AddRange(nodes);
        _rows.Add(added);
    }

    /// <summary>The report of what was added.</summary>
    public VmallocReport Build() => new([.. _rows], [.. _nodes], Texts);
}
