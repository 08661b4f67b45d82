using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace VmScope.Cli.Output.Pictures;

/// <summary>Writes a picture as one HTML file: bars that zoom, tables that sort, no network, fit to print.</summary>
/// <remarks>
/// Everything is in the page before the script runs, so paper and script-less readers see it too. The page's content
/// security policy admits only this program's own script and style sheet, by hash: text from a log that slipped
/// through the escaping would still not run.
/// </remarks>
internal static class HtmlReport
{
    private const int RowsMax = 5_000;
    private const int FilterFromRows = 12;

    /// <summary>Pieces of one bar the script can zoom into; beyond it the smallest are left to the drawn bar.</summary>
    private const int PiecesMax = 20_000;

    /// <summary>The file's text.</summary>
    internal static string Draw(Picture picture)
    {
        PictureLegend legend = new(picture);
        List<BarLayout> bars = [.. picture.Bars.SelectMany(bar => BarLayout.Of(bar))];
        Markup page = new();
        page.Own("<!DOCTYPE html>\n").Open("html", "lang", "en").Open("head");
        page.Own("<meta charset=\"utf-8\">");
        page.Own($"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{Hash(HtmlAssets.Style)}'; script-src '{Hash(HtmlAssets.Script)}'; base-uri 'none'; form-action 'none'\">");
        page.Own("<meta name=\"viewport\" content=\"width=device-width\">");
        page.Leaf("title", picture.Title);
        page.Open("style").Own(HtmlAssets.Style).Close();
        page.CloseLine().Open("body");
        page.Leaf("h1", picture.Title);
        Verdict(page, picture);
        page.Open("svg", "class", "patterns", "aria-hidden", "true");
        PictureLegend.WritePatterns(page);
        page.CloseLine();
        for (int i = 0; i < bars.Count; i++)
        {
            Bar(page, bars[i], i, legend);
        }

        Legend(page, legend);
        foreach (PictureTable table in picture.Tables)
        {
            Table(page, table);
        }

        Notes(page, picture, bars);
        page.Open("script", "type", "application/json", "id", "bars").Own(Data(bars, legend)).CloseLine();
        page.Open("script").Own(HtmlAssets.Script).CloseLine();
        page.Close().CloseLine();
        return page.ToString();
    }

    private static string Hash(string content) =>
        "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(content)));

    private static void Verdict(Markup page, Picture picture)
    {
        page.Open("div", "class", "verdict " + SvgReport.SeverityWord(picture.Severity));
        page.Leaf("strong", $"{SvgReport.SeverityWord(picture.Severity)}: {picture.Verdict}");
        if (!picture.Statements.IsEmpty)
        {
            page.Open("ul");
            foreach (string statement in picture.Statements)
            {
                page.Leaf("li", statement);
            }

            page.Close();
        }

        page.CloseLine();
    }

    private static void Bar(Markup page, BarLayout bar, int index, PictureLegend legend)
    {
        page.Open("figure", "id", string.Create(CultureInfo.InvariantCulture, $"bar{index}"), "tabindex", "0");
        page.Leaf("figcaption", bar.Name);
        page.Open("svg", "class", "bar", "viewBox", $"-2 -4 {Markup.Number(BarDrawing.Width + 4)} {Markup.Number(BarDrawing.HeightWithAxis + 4)}");
        BarDrawing.Write(page, bar, legend);
        page.CloseLine();
        page.Open("div", "class", "tools");
        foreach ((string act, string name) in new[] { ("in", "zoom in"), ("out", "zoom out"), ("left", "←"), ("right", "→"), ("all", "all") })
        {
            page.Leaf("button", name, "type", "button", "data-act", act);
        }

        page.Text("wheel or w/s zooms, drag or a/d moves, a click pins, shift-click twice measures").CloseLine();
        page.Leaf("div", "", "class", "detail");
        if (bar.Note is { } note)
        {
            page.Leaf("p", note);
        }

        page.CloseLine();
    }

    private static void Legend(Markup page, PictureLegend legend)
    {
        page.Open("div", "class", "legend");
        foreach (LegendEntry entry in legend.Entries)
        {
            page.Open("button", "type", "button", "aria-pressed", "false", "data-style", entry.Style.ToString(CultureInfo.InvariantCulture));
            page.Open("svg", "class", "key", "viewBox", "0 0 28 18");
            page.Empty("rect", "x", "1", "y", "1", "width", "26", "height", "16", "stroke", "#000", "stroke-width", "0.8",
                "stroke-dasharray", entry.Style is PictureLegend.Hole or PictureLegend.Gone ? "3 2" : null, "fill", $"url(#{PictureLegend.PatternId(entry.Style)})");
            page.Leaf("text", PictureLegend.SignOf(entry.Style), "x", "14", "y", "13", "text-anchor", "middle", "font-size", "11",
                "stroke", "#fff", "stroke-width", "3", "paint-order", "stroke");
            page.Close();
            page.Text($"{entry.Name} {SizeText.Short(entry.Bytes)}").CloseLine();
        }

        page.CloseLine();
    }

    private static void Table(Markup page, PictureTable table)
    {
        page.Open("section");
        page.Leaf("h2", table.Title);
        if (table.Rows.Length >= FilterFromRows)
        {
            page.Open("p", "class", "filter").Open("label").Text("filter: ").Own("<input type=\"search\">").Close().CloseLine();
        }

        page.Open("div", "class", "scroll").Open("table").Open("thead").Open("tr");
        foreach (PictureColumn column in table.Columns)
        {
            page.Leaf("th", column.Name, "scope", "col", "class", column.Side == Side.Right ? "right" : null);
        }

        page.Close().CloseLine().Open("tbody");
        foreach (System.Collections.Immutable.ImmutableArray<PictureCell> row in table.Rows.Take(RowsMax))
        {
            page.Open("tr");
            for (int i = 0; i < row.Length; i++)
            {
                page.Leaf("td", row[i].Text, "class", i < table.Columns.Length && table.Columns[i].Side == Side.Right ? "right" : null,
                    "data-key", row[i].SortKey?.ToString("R", CultureInfo.InvariantCulture));
            }

            page.CloseLine();
        }

        page.Close().Close().Close();
        if (table.Rows.Length > RowsMax)
        {
            page.Leaf("p", $"{table.Rows.Length - RowsMax} more rows are not in this report.");
        }

        page.CloseLine();
    }

    private static void Notes(Markup page, Picture picture, List<BarLayout> bars)
    {
        page.Open("div", "class", "notes");
        foreach (string note in picture.Notes)
        {
            page.Leaf("p", note);
        }

        if (bars.Exists(bar => bar.Pieces.Length > PiecesMax))
        {
            page.Leaf("p", string.Create(CultureInfo.InvariantCulture, $"A bar holds more than {PiecesMax} pieces; zooming shows the largest {PiecesMax}."));
        }

        page.CloseLine();
    }

    /// <summary>The pieces for the script. The writer escapes &lt;, &gt;, &amp; and everything beyond ASCII.</summary>
    private static string Data(List<BarLayout> bars, PictureLegend legend)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartArray();
            foreach (BarLayout bar in bars)
            {
                json.WriteStartObject();
                json.WriteBoolean("real", bar.AddressesAreReal);
                json.WriteStartArray("pieces");
                foreach (PlacedPiece placed in Largest(bar))
                {
                    json.WriteStartArray();
                    json.WriteNumberValue(placed.From);
                    json.WriteNumberValue(placed.To);
                    json.WriteNumberValue(placed.IsBlank || placed.IsBreak ? -1 : legend.StyleOf(placed.Piece));
                    json.WriteStringValue(placed.Piece.Start.ToString("x", CultureInfo.InvariantCulture));
                    json.WriteStringValue(placed.Piece.SizeBytes.ToString(CultureInfo.InvariantCulture));
                    json.WriteStringValue(SafeText.Line(NameOf(placed)));
                    json.WriteStringValue(SafeText.Line(placed.Piece.Detail));
                    json.WriteEndArray();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static string NameOf(PlacedPiece placed) =>
        placed.IsBlank ? "" : placed.Piece.Owner.Length > 0 ? placed.Piece.Owner : placed.Piece.Kind == PieceKind.Hole ? "hole" : "";

    private static IEnumerable<PlacedPiece> Largest(BarLayout bar) => bar.Pieces.Length <= PiecesMax
        ? bar.Pieces
        : bar.Pieces.OrderByDescending(piece => piece.To - piece.From).Take(PiecesMax).OrderBy(piece => piece.From);
}
