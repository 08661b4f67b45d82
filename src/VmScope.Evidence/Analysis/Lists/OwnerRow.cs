using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>One owner's share of a list.</summary>
public sealed class OwnerRow
{
    private readonly TextTable _texts;
    private VmallocCaller? _caller;

    internal OwnerRow(int id, TextTable texts, in OwnerTotals totals) =>
        (Id, _texts, Totals, Kinds, SmallestBytes, LargestBytes, Words) =
        (id, texts, totals.Totals, totals.Kinds, totals.SmallestBytes, totals.LargestBytes, totals.Words);

    /// <summary>The owner's number in the list's texts; 0 for rows that name no owner.</summary>
    public int Id { get; }

    /// <summary>The owner as printed, module included; empty for rows that name none.</summary>
    public string FullName => _texts.Text(Id);

    /// <summary>The owner taken apart; null for rows that name none.</summary>
    public VmallocCaller? Caller => Id == 0 ? null : _caller ??= VmallocCaller.Parse(FullName);

    /// <summary>The owner as printed, without the module; "(no owner)" for rows that name none.</summary>
    public string Name => Caller?.Text ?? "(no owner)";

    /// <summary>Its sums.</summary>
    public AreaTotals Totals { get; }

    /// <summary>One bit for each <see cref="ListedKind"/> among its areas.</summary>
    public uint Kinds { get; }

    /// <summary>The size of its smallest area, guard page included.</summary>
    public ulong SmallestBytes { get; }

    /// <summary>The size of its largest area, guard page included.</summary>
    public ulong LargestBytes { get; }

    /// <summary>Every word that any of its areas has.</summary>
    public AreaFlags Words { get; }

    /// <summary>What it is; null for one nobody described.</summary>
    public KnownCaller? Known => Id == 0 ? null : KnownCallers.Find(_texts.Bytes(Id));
}
