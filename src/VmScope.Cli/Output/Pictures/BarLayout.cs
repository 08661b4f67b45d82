using System.Collections.Immutable;
using System.Globalization;

namespace VmScope.Cli.Output.Pictures;

/// <summary>A piece with its place on the bar, both ends as fractions of the bar's width.</summary>
internal readonly record struct PlacedPiece(double From, double To, PicturePiece Piece, bool IsBlank, bool IsBreak);

/// <summary>A mark on the axis below a bar.</summary>
internal readonly record struct BarTick(double At, string Label);

/// <summary>A bar with every position decided: what remains is to draw it.</summary>
/// <param name="Name">Heading of the bar.</param>
/// <param name="Pieces">All of the bar from left to right without a gap: stretches nobody named are blank pieces.</param>
/// <param name="Ticks">Marks on the axis.</param>
/// <param name="Note">A sentence beneath, or null.</param>
internal sealed record BarLayout(string Name, ImmutableArray<PlacedPiece> Pieces, ImmutableArray<BarTick> Ticks, string? Note)
{
    /// <summary>Below this used share of a window a close-up follows: the straight bar shows next to nothing.</summary>
    private const double CloseUpBelowShare = 0.10;

    /// <summary>Width of a cut-out hole in a close-up.</summary>
    private const double BreakShare = 0.015;

    private const int LinearTicks = 5;
    private const int CloseUpTicks = 7;

    /// <summary>False when no address may be printed.</summary>
    internal bool AddressesAreReal { get; init; } = true;

    /// <summary>The layouts of a bar: one, or a straight one and a close-up.</summary>
    internal static ImmutableArray<BarLayout> Of(PictureBar bar)
    {
        List<(PicturePiece Piece, bool IsBlank)> pieces = Cover(bar);
        if (bar.Scale == BarScale.Order)
        {
            return [Ordered(bar, pieces)];
        }

        BarLayout linear = Linear(bar, pieces);
        double used = pieces.Where(IsSolid).Sum(entry => (double)entry.Piece.SizeBytes);
        return used > 0 && used / Length(bar) < CloseUpBelowShare ? [linear, CloseUp(bar, pieces, used)] : [linear];
    }

    private static bool IsSolid((PicturePiece Piece, bool IsBlank) entry) => !entry.IsBlank && entry.Piece.Kind != PieceKind.Hole;

    private static double Length(PictureBar bar) => (double)(bar.Last - bar.Start) + 1;

    /// <summary>Sorts the pieces, cuts them at the bar's ends and at each other, and fills what is left with blanks.</summary>
    private static List<(PicturePiece Piece, bool IsBlank)> Cover(PictureBar bar)
    {
        List<(PicturePiece, bool)> covered = [];
        ulong next = bar.Start;
        bool isFull = false;
        foreach (PicturePiece piece in bar.Pieces
            .Where(piece => piece.SizeBytes > 0 && piece.Start <= bar.Last && piece.Last >= bar.Start)
            .OrderBy(piece => piece.Start).ThenByDescending(piece => piece.SizeBytes))
        {
            ulong last = Math.Min(piece.Last, bar.Last);
            if (isFull || last < next)
            {
                continue;
            }

            ulong start = Math.Max(piece.Start, next);
            if (start > next)
            {
                covered.Add((Blank(next, start - 1), true));
            }

            // A piece of 2^64 bytes has no size to write; the bar ends one byte earlier then.
            covered.Add((piece with { Start = start, SizeBytes = last - start == ulong.MaxValue ? ulong.MaxValue : last - start + 1 }, false));
            isFull = last == ulong.MaxValue || last == bar.Last;
            next = isFull ? last : last + 1;
        }

        if (!isFull)
        {
            covered.Add((Blank(next, bar.Last), true));
        }

        return covered;
    }

    private static PicturePiece Blank(ulong start, ulong last) =>
        new(start, last - start == ulong.MaxValue ? ulong.MaxValue : last - start + 1, PieceKind.Hole, "", "");

    private static BarLayout Linear(PictureBar bar, List<(PicturePiece Piece, bool IsBlank)> pieces)
    {
        double length = Length(bar);
        ImmutableArray<PlacedPiece>.Builder placed = ImmutableArray.CreateBuilder<PlacedPiece>(pieces.Count);
        foreach ((PicturePiece piece, bool isBlank) in pieces)
        {
            double from = (piece.Start - bar.Start) / length;
            placed.Add(new PlacedPiece(from, from + (piece.SizeBytes / length), piece, isBlank, IsBreak: false));
        }

        ImmutableArray<BarTick>.Builder ticks = ImmutableArray.CreateBuilder<BarTick>(LinearTicks);
        for (int i = 0; bar.AddressesAreReal && i < LinearTicks; i++)
        {
            double at = i / (double)(LinearTicks - 1);
            ulong address = bar.Start + (ulong)(((UInt128)(bar.Last - bar.Start) + 1) * (uint)i / (LinearTicks - 1) - (i == LinearTicks - 1 ? 1u : 0u));
            ticks.Add(new BarTick(at, Hex(address)));
        }

        return new BarLayout($"{bar.Name}, {SizeText.Short(bar.Last - bar.Start == ulong.MaxValue ? ulong.MaxValue : bar.Last - bar.Start + 1)}, to scale",
            placed.ToImmutable(), ticks.ToImmutable(), bar.Note)
        { AddressesAreReal = bar.AddressesAreReal };
    }

    private static BarLayout CloseUp(PictureBar bar, List<(PicturePiece Piece, bool IsBlank)> pieces, double used)
    {
        double longestGap = used / 8;
        bool IsCut((PicturePiece Piece, bool IsBlank) entry) => !IsSolid(entry) && entry.Piece.SizeBytes > longestGap;
        int cuts = pieces.Count(IsCut);
        double breakShare = Math.Min(BreakShare, 0.5 / Math.Max(cuts, 1));
        double shown = pieces.Where(entry => !IsCut(entry)).Sum(entry => (double)entry.Piece.SizeBytes);
        double perByte = (1 - (cuts * breakShare)) / shown;
        ImmutableArray<PlacedPiece>.Builder placed = ImmutableArray.CreateBuilder<PlacedPiece>(pieces.Count);
        ImmutableArray<BarTick>.Builder ticks = ImmutableArray.CreateBuilder<BarTick>(CloseUpTicks);
        double at = 0;
        double lastTick = double.NegativeInfinity;
        bool isAfterBreak = true;
        foreach ((PicturePiece piece, bool isBlank) in pieces)
        {
            bool isBreak = IsCut((piece, isBlank));
            double to = at + (isBreak ? breakShare : piece.SizeBytes * perByte);
            if (bar.AddressesAreReal && isAfterBreak && !isBreak && at - lastTick > 1.0 / CloseUpTicks)
            {
                ticks.Add(new BarTick(at, Hex(piece.Start)));
                lastTick = at;
            }

            placed.Add(new PlacedPiece(at, Math.Min(to, 1), piece, isBlank, isBreak));
            isAfterBreak = isBreak;
            at = to;
        }

        return new BarLayout($"{bar.Name}, close-up: {SizeText.Short((ulong)used)} in use, {cuts} long empty stretches cut out",
            placed.ToImmutable(), ticks.ToImmutable(), null)
        { AddressesAreReal = bar.AddressesAreReal };
    }

    private static BarLayout Ordered(PictureBar bar, List<(PicturePiece Piece, bool IsBlank)> pieces)
    {
        List<PicturePiece> named = [.. pieces.Where(entry => !entry.IsBlank).Select(entry => entry.Piece)];
        double share = 1.0 / Math.Max(named.Count, 1);
        ImmutableArray<PlacedPiece> placed =
            [.. named.Select((piece, i) => new PlacedPiece(i * share, (i + 1) * share, piece, IsBlank: false, IsBreak: false))];
        ImmutableArray<BarTick> ticks = bar.AddressesAreReal && named.Count <= LinearTicks
            ? [.. named.Select((piece, i) => new BarTick(i * share, Hex(piece.Start)))]
            : [];
        return new BarLayout($"{bar.Name}, in address order, not to scale", placed, ticks, bar.Note)
        { AddressesAreReal = bar.AddressesAreReal };
    }

    /// <summary>An address as the kernel writes it: 8 digits, or 16 where they do not suffice.</summary>
    internal static string Hex(ulong address) =>
        "0x" + address.ToString(address > uint.MaxValue ? "x16" : "x8", CultureInfo.InvariantCulture);
}
