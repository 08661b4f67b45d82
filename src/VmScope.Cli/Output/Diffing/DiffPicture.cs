using System.Collections.Immutable;
using System.Globalization;
using VmScope.Analysis;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Cli.Output.Diffing;

/// <summary>A comparison as a picture: the windows then and now, what is new and what is gone standing out.</summary>
internal static class DiffPicture
{
    private const int RowsMax = 2_000;

    internal static Picture Of(DiffReport report, DiffWindows windows)
    {
        ImmutableArray<PictureBar>.Builder bars = ImmutableArray.CreateBuilder<PictureBar>();
        foreach (DiffWindow window in windows.Items)
        {
            if (window.Then is { } then)
            {
                bars.Add(Marked(WindowPicture.Bar(windows.First, then), "then", report.Vanished, PieceKind.Gone));
            }

            bars.Add(Marked(WindowPicture.Bar(windows.Last, window.Now), "now", report.Appeared, PieceKind.Fresh));
        }

        string verdict = report.Suspects switch
        {
            [] => "Nothing looks like a leak.",
            [var only] => $"One leak suspect: {only.Owner}.",
            [var first, ..] => string.Create(CultureInfo.InvariantCulture, $"{report.Suspects.Length} leak suspects, the strongest {first.Owner}."),
        };
        return new Picture($"vmscope diff: {report.Snapshots[0].Name} to {report.Snapshots[^1].Name}",
            report.Suspects.IsEmpty ? PictureSeverity.Fine : PictureSeverity.Problem, verdict)
        {
            Statements = [.. report.Suspects.SelectMany(suspect => suspect.Reasons.Select(reason => $"{suspect.Owner}: {reason}"))],
            Bars = bars.ToImmutable(),
            Tables =
            [
                .. new[]
                {
                    Groups("By owner", report.ByOwner), Groups("By module", report.ByModule), Groups("By kind", report.ByKind), Groups("By physical range", report.ByPhys),
                    Rows("Appeared", report.Appeared), Rows("Vanished", report.Vanished),
                }.Where(table => !table.Rows.IsEmpty),
            ],
            Notes =
            [
                report.Hours is { } hours ? $"{DiffText.Length(TimeSpan.FromHours(hours))} lie between the first and the last snapshot." : "When the snapshots were taken is not known.",
                report.MatchingReason is { } reason ? $"Areas are matched by size and owner: {reason}." : "Areas are matched by address, size and owner.",
                .. report.AreOfDifferentBoots ? [DiffText.NoGrowth] : Array.Empty<string>(),
            ],
        };
    }

    private static PictureBar Marked(PictureBar bar, string when, ImmutableArray<DiffRow> rows, PieceKind kind)
    {
        HashSet<(ulong, ulong)> marked = [.. rows.Select(row => (row.Start, row.SizeBytes))];
        return bar with
        {
            Name = $"{bar.Name}, {when}",
            Pieces = [.. bar.Pieces.Select(piece => piece.Kind == PieceKind.Owned && marked.Contains((piece.Start, piece.SizeBytes)) ? piece with { Kind = kind } : piece)],
        };
    }

    private static PictureTable Groups(string title, ImmutableArray<DiffGroup> groups) => new(title,
        [new("bytes more", Side.Right), new("areas more", Side.Right), new("bytes now", Side.Right), new("areas now", Side.Right), new("bytes per hour", Side.Right), new("name", Side.Left)],
        [
            .. groups.Where(DiffText.IsChanged).OrderByDescending(group => Int128.Abs(group.BytesMore)).Take(RowsMax).Select(group => ImmutableArray.Create(
                new PictureCell(group.BytesMore.ToString("+#,0;-#,0;0", CultureInfo.InvariantCulture), (double)group.BytesMore),
                new PictureCell(group.AreasMore.ToString("+#,0;-#,0;0", CultureInfo.InvariantCulture), group.AreasMore),
                PictureCell.Bytes(group.Bytes[^1]), PictureCell.Count(group.Areas[^1]),
                new PictureCell(group.BytesPerHour?.ToString("N0", CultureInfo.InvariantCulture) ?? "", group.BytesPerHour ?? 0), group.Name)),
        ]);

    private static PictureTable Rows(string title, ImmutableArray<DiffRow> rows) => new($"{title} ({rows.Length})",
        [new("bytes", Side.Right), new("from", Side.Left), new("kind", Side.Left), new("owner", Side.Left)],
        [.. rows.Take(RowsMax).Select(row => ImmutableArray.Create<PictureCell>(PictureCell.Bytes(row.SizeBytes), BarLayout.Hex(row.Start), row.Kind, row.Owner))]);
}
