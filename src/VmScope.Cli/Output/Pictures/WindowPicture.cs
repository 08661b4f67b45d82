using System.Collections.Immutable;
using VmScope.Analysis;
using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Pictures;

/// <summary>Turns an explained list into bars and tables.</summary>
internal static class WindowPicture
{
    private const int RowsMax = 5_000;

    /// <summary>A window with its areas, freed areas and holes.</summary>
    internal static PictureBar Bar(ListExplanation list, WindowAccount account)
    {
        ImmutableArray<PicturePiece>.Builder pieces = ImmutableArray.CreateBuilder<PicturePiece>(account.EndIndex - account.FirstIndex);
        for (int i = account.FirstIndex; i < account.EndIndex; i++)
        {
            ref readonly AreaSlot area = ref list.Areas[i];
            bool unpurged = (area.Flags & AreaFlags.Unpurged) != AreaFlags.None;
            pieces.Add(new PicturePiece(area.Start, area.SizeBytes, unpurged ? PieceKind.Unpurged : PieceKind.Owned,
                unpurged ? "" : OwnerOf(list, area), list.Describe(area)));
        }

        foreach (Gap gap in GapsOf(account))
        {
            if (gap.Kind != GapKind.Unpurged)
            {
                pieces.Add(new PicturePiece(gap.Start, gap.Bytes, PieceKind.Hole, "", GapKinds.Meaning(gap.Kind)));
            }
        }

        return new PictureBar($"{account.Window.Name} window", account.Window.Start, account.Window.Last, pieces.ToImmutable())
        {
            Note = $"{SizeText.Grouped(account.CoveredBytes)} bytes held by {account.Areas} areas, {SizeText.Grouped(account.FreeBytes)} free in {account.Holes} holes, the largest {SizeText.Grouped(account.LargestHole.Bytes)}; bounds {account.Window.Source}.",
        };
    }

    /// <summary>An explained list: its findings on top, every window, owners and holes.</summary>
    internal static Picture Explained(ListExplanation list)
    {
        Finding? worst = list.Findings.Count > 0 && list.Findings[0].Severity > Severity.Info ? list.Findings[0] : null;
        PictureSeverity severity = worst is null ? PictureSeverity.Fine : worst.HasWeight ? PictureSeverity.Problem : PictureSeverity.Note;
        return new Picture($"vmscope explain: {Named(list)}", severity, worst?.Text ?? "Nothing in the list looks wrong.")
        {
            Statements = [.. list.Findings.Where(finding => finding != worst).Select(finding => finding.Text)],
            Bars = Bars(list),
            Tables = Tables(list),
            Notes = ["Sizes of areas contain their guard page."],
        };
    }

    /// <summary>A window with the request where it would go, or beside the hole it does not fit.</summary>
    internal static Picture Fitted(ListExplanation list, WindowAccount account, FitAnswer answer)
    {
        PictureBar bar = Bar(list, account);
        ImmutableArray<PictureBar>.Builder bars = ImmutableArray.CreateBuilder<PictureBar>();
        if (answer is { Fits: true, Address: { } address })
        {
            // First of all pieces at its place: what lies under it is cut away.
            bar = bar with { Pieces = [new PicturePiece(address, answer.RequestBytes, PieceKind.Request, "the request", "where it would go"), .. Around(bar.Pieces, address, answer.RequestBytes)] };
        }
        else
        {
            bars.Add(Missing(answer.RequestBytes, answer.ShortByBytes));
        }

        bars.Insert(0, bar);
        return new Picture($"vmscope fit: {Named(list)}", answer.Fits ? PictureSeverity.Fine : PictureSeverity.Problem,
            answer.Fits
                ? $"{SizeText.Grouped(answer.RequestBytes)} bytes fit the {account.Window.Name} window at {list.Hex(answer.Address ?? 0)}{(answer.AddressIsCertain ? "" : " or higher")}."
                : $"{SizeText.Grouped(answer.RequestBytes)} bytes do not fit the {account.Window.Name} window: short by {SizeText.Grouped(answer.ShortByBytes)} bytes.")
        {
            Statements = [.. answer.Notes],
            Bars = bars.ToImmutable(),
            Tables = Tables(list),
            Notes = ["Sizes of areas contain their guard page."],
        };
    }

    /// <summary>A request laid beside the hole that came closest: what was lost to alignment is not part of the hole.</summary>
    internal static PictureBar Missing(ulong requestBytes, ulong shortByBytes)
    {
        ulong room = requestBytes - Math.Min(shortByBytes, requestBytes);
        PicturePiece missing = new(room, requestBytes - room, PieceKind.Request, PictureLegend.MissingPart, $"{SizeText.Grouped(requestBytes - room)} bytes are missing");
        return new PictureBar("the request against the best hole", 0, requestBytes - 1,
            room == 0 ? [missing] : [new PicturePiece(0, room, PieceKind.Hole, "", "the best hole"), missing])
        { AddressesAreReal = false };
    }

    /// <summary>All windows of a list.</summary>
    internal static ImmutableArray<PictureBar> Bars(ListExplanation list) => [.. list.Windows.Select(account => Bar(list, account))];

    /// <summary>Owners and the largest holes.</summary>
    internal static ImmutableArray<PictureTable> Tables(ListExplanation list)
    {
        ImmutableArray<PictureTable>.Builder tables = ImmutableArray.CreateBuilder<PictureTable>();
        tables.Add(new PictureTable("Owners",
            [new("bytes", Side.Right), new("areas", Side.Right), new("pages", Side.Right), new("owner", Side.Left), new("what it is", Side.Left)],
            [
                .. list.Owners.Take(RowsMax).Select(owner => ImmutableArray.Create<PictureCell>(PictureCell.Bytes(owner.Totals.Bytes), PictureCell.Count(owner.Totals.Areas),
                    PictureCell.Count((long)owner.Totals.Pages), owner.FullName.Length > 0 ? owner.FullName : "(no owner)", owner.Known?.Meaning ?? "")),
            ]));
        foreach (WindowAccount account in list.Windows)
        {
            tables.Add(new PictureTable($"Largest holes of the {account.Window.Name} window",
                [new("bytes", Side.Right), new("from", Side.Left), new("to", Side.Left), new("why", Side.Left)],
                [
                    .. GapsOf(account).Where(gap => gap.Kind != GapKind.Unpurged).OrderByDescending(gap => gap.Bytes).ThenBy(gap => gap.Start).Take(RowsMax)
                        .Select(gap => ImmutableArray.Create<PictureCell>(PictureCell.Bytes(gap.Bytes), list.Hex(gap.Start), list.Hex(gap.EndExclusive), GapKinds.Meaning(gap.Kind))),
                ]));
        }

        return tables.ToImmutable();
    }

    private static string Named(ListExplanation list) =>
        $"{list.Source}{(list.Facts.Kernel is { } kernel ? $", {kernel.Release}" : "")}, {list.Architecture.Name()}";

    /// <summary>The pieces without a stretch: cut at its ends, left away inside.</summary>
    private static IEnumerable<PicturePiece> Around(ImmutableArray<PicturePiece> pieces, ulong start, ulong sizeBytes)
    {
        ulong last = start + (sizeBytes - 1);
        foreach (PicturePiece piece in pieces)
        {
            if (piece.SizeBytes == 0 || piece.Last < start || piece.Start > last)
            {
                yield return piece;
                continue;
            }

            if (piece.Start < start)
            {
                yield return piece with { SizeBytes = start - piece.Start };
            }

            if (piece.Last > last)
            {
                yield return piece with { Start = last + 1, SizeBytes = piece.Last - last };
            }
        }
    }

    private static Gap[] GapsOf(WindowAccount account) => account.All.IsEmpty ? account.Largest.ToArray() : account.All.ToArray();

    private static string OwnerOf(ListExplanation list, in AreaSlot area) => area.Caller == 0
        ? ListedKinds.Name(ListedKinds.Of(area.Flags))
        : VmallocCaller.Parse(list.Texts.Text(area.Caller)) is { } caller && !caller.IsRawAddress
            ? caller.Function + (caller.Module is { } module ? $" [{module}]" : "")
            : list.Texts.Text(area.Caller);
}
