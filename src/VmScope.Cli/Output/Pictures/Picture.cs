using System.Collections.Immutable;

namespace VmScope.Cli.Output.Pictures;

/// <summary>How the verdict at the top of a picture reads.</summary>
internal enum PictureSeverity
{
    /// <summary>Nothing wrong.</summary>
    Fine,

    /// <summary>Worth knowing, not wrong.</summary>
    Note,

    /// <summary>A finding.</summary>
    Problem,
}

/// <summary>What a piece of an address bar is; decides how it is drawn.</summary>
internal enum PieceKind
{
    /// <summary>Held by an owner: drawn in the owner's pattern.</summary>
    Owned,

    /// <summary>Free addresses.</summary>
    Hole,

    /// <summary>Freed, but not yet given back (a purge returns it).</summary>
    Unpurged,

    /// <summary>A request drawn where it would go, or to show its size.</summary>
    Request,

    /// <summary>Was there before and is not any more.</summary>
    Gone,

    /// <summary>Was not there before.</summary>
    Fresh,
}

/// <summary>How addresses become positions.</summary>
internal enum BarScale
{
    /// <summary>Straight; when most of the window is empty a close-up follows beneath.</summary>
    Linear,

    /// <summary>Every piece equally wide and labelled: an order of things, not their sizes.</summary>
    Order,
}

/// <summary>One-page report: verdict on top, address bars, tables, notes. What every command fills and both formats draw.</summary>
/// <param name="Title">One line naming machine and question.</param>
/// <param name="Severity">How the verdict reads.</param>
/// <param name="Verdict">The answer in one sentence.</param>
/// <remarks>Every text may come from outside; the renderers escape all of it.</remarks>
internal sealed record Picture(string Title, PictureSeverity Severity, string Verdict)
{
    /// <summary>Sentences below the verdict, in order of weight.</summary>
    internal ImmutableArray<string> Statements { get; init; } = [];

    /// <summary>Address bars, drawn one below the other.</summary>
    internal ImmutableArray<PictureBar> Bars { get; init; } = [];

    /// <summary>Tables, drawn below the bars.</summary>
    internal ImmutableArray<PictureTable> Tables { get; init; } = [];

    /// <summary>Small print: where the facts come from, what was left out.</summary>
    internal ImmutableArray<string> Notes { get; init; } = [];
}

/// <summary>One stretch of addresses and what lies in it.</summary>
/// <param name="Name">What the stretch is called.</param>
/// <param name="Start">First address.</param>
/// <param name="Last">Last address, inclusive.</param>
/// <param name="Pieces">What lies there; pieces outside are cut or left away, what no piece covers stays blank.</param>
internal sealed record PictureBar(string Name, ulong Start, ulong Last, ImmutableArray<PicturePiece> Pieces)
{
    /// <summary>How addresses become positions.</summary>
    internal BarScale Scale { get; init; }

    /// <summary>False when the addresses are only an order (a hashed listing): none are printed then.</summary>
    internal bool AddressesAreReal { get; init; } = true;

    /// <summary>A sentence beneath the bar, or null.</summary>
    internal string? Note { get; init; }
}

/// <summary>One piece of a bar.</summary>
/// <param name="Start">First address.</param>
/// <param name="SizeBytes">Length in bytes; a piece of 0 bytes is not drawn.</param>
/// <param name="Kind">How it is drawn.</param>
/// <param name="Owner">Who holds it: pieces of one owner share a pattern and an entry of the legend; empty for holes.</param>
/// <param name="Detail">More about it, shown when pointed at.</param>
internal readonly record struct PicturePiece(ulong Start, ulong SizeBytes, PieceKind Kind, string Owner, string Detail)
{
    /// <summary>Last address, inclusive; cut at the top of the address space.</summary>
    internal ulong Last => SizeBytes - 1 > ulong.MaxValue - Start ? ulong.MaxValue : Start + (SizeBytes - 1);
}

/// <summary>A column of a picture's table.</summary>
/// <param name="Name">Its heading.</param>
/// <param name="Side">Numbers right, words left.</param>
internal readonly record struct PictureColumn(string Name, Side Side);

/// <summary>A cell: what is shown, and the number to sort by where the text does not sort itself.</summary>
internal readonly record struct PictureCell(string Text, double? SortKey = null)
{
    /// <summary>A size in exact grouped digits, sorting by its value.</summary>
    internal static PictureCell Bytes(ulong bytes) => new(SizeText.Grouped(bytes), bytes);

    /// <summary>A count in grouped digits, sorting by its value.</summary>
    internal static PictureCell Count(long count) =>
        new(count.ToString("N0", System.Globalization.CultureInfo.InvariantCulture), count);

    public static implicit operator PictureCell(string text) => new(text);
}

/// <summary>A table of a picture.</summary>
internal sealed record PictureTable(
    string Title, ImmutableArray<PictureColumn> Columns, ImmutableArray<ImmutableArray<PictureCell>> Rows);
