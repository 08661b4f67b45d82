namespace VmScope.Cli.Output.Pictures;

/// <summary>Draws a picture as one SVG file: nothing loaded from elsewhere, no script, readable in black and white.</summary>
internal static class SvgReport
{
    private const double Margin = 20;
    private const double PageWidth = BarDrawing.Width + (2 * Margin);
    private const double LineHeight = 17;
    private const double TableCharacter = 6.65;
    private const int RowsMax = 30;
    private const int CellCharactersMax = 60;
    private const int TextCharactersPerLine = 150;

    /// <summary>The file's text.</summary>
    internal static string Draw(Picture picture)
    {
        PictureLegend legend = new(picture);
        Markup body = new();
        double y = Margin;
        y = Verdict(body, picture, y);
        foreach (BarLayout bar in picture.Bars.SelectMany(bar => BarLayout.Of(bar)))
        {
            y += 10;
            body.Leaf("text", bar.Name, "x", Markup.Number(Margin), "y", Markup.Number(y + 12), "font-size", "14", "font-weight", "bold");
            y += 22;
            body.Open("g", "transform", $"translate({Markup.Number(Margin)} {Markup.Number(y)})");
            BarDrawing.Write(body, bar, legend);
            body.CloseLine();
            y += BarDrawing.HeightWithAxis + 4;
            if (bar.Note is { } note)
            {
                y = Lines(body, note, y, 12);
            }
        }

        y = Legend(body, legend, y + 6);
        foreach (PictureTable table in picture.Tables)
        {
            y = Table(body, table, y + 16);
        }

        foreach (string note in picture.Notes)
        {
            y = Lines(body, note, y + 4, 11);
        }

        return Page(picture, body.ToString(), y + Margin);
    }

    private static string Page(Picture picture, string body, double height)
    {
        Markup page = new();
        page.Own("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        page.Open("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox", $"0 0 {Markup.Number(PageWidth)} {Markup.Number(height)}",
            "width", Markup.Number(PageWidth), "height", Markup.Number(height), "font-family", "sans-serif", "role", "img");
        page.Leaf("title", picture.Title).Leaf("desc", picture.Verdict);
        PictureLegend.WritePatterns(page);
        page.Empty("rect", "width", "100%", "height", "100%", "fill", "#fff");
        page.Own(body);
        page.CloseLine();
        return page.ToString();
    }

    private static double Verdict(Markup to, Picture picture, double y)
    {
        List<string> lines = Wrap(picture.Verdict, 130);
        List<string> statements = [.. picture.Statements.SelectMany(text => Wrap("• " + text, TextCharactersPerLine))];
        to.Leaf("text", picture.Title, "x", Markup.Number(Margin), "y", Markup.Number(y + 14), "font-size", "16", "font-weight", "bold");
        y += 26;
        double height = 16 + (lines.Count * 20) + (statements.Count * LineHeight);
        to.Empty("rect", "x", Markup.Number(Margin), "y", Markup.Number(y), "width", Markup.Number(BarDrawing.Width), "height", Markup.Number(height),
            "fill", "none", "stroke", "#000", "stroke-width", picture.Severity == PictureSeverity.Problem ? "3" : "1",
            "stroke-dasharray", picture.Severity == PictureSeverity.Note ? "6 3" : null);
        double textY = y + 8;
        for (int i = 0; i < lines.Count; i++)
        {
            textY += 20;
            to.Leaf("text", i == 0 ? $"{SeverityWord(picture.Severity)}: {lines[i]}" : lines[i], "x", Markup.Number(Margin + 12),
                "y", Markup.Number(textY - 4), "font-size", "15", "font-weight", "bold");
        }

        foreach (string line in statements)
        {
            textY += LineHeight;
            to.Leaf("text", line, "x", Markup.Number(Margin + 12), "y", Markup.Number(textY - 4), "font-size", "12");
        }

        return y + height + 6;
    }

    /// <summary>The severity as one word.</summary>
    internal static string SeverityWord(PictureSeverity severity) => severity switch
    {
        PictureSeverity.Fine => "Fine",
        PictureSeverity.Note => "Note",
        _ => "Problem",
    };

    private static double Legend(Markup to, PictureLegend legend, double y)
    {
        double x = Margin;
        foreach (LegendEntry entry in legend.Entries)
        {
            string name = $"{Cut(SafeText.Line(entry.Name))}  {SizeText.Short(entry.Bytes)}";
            double width = 34 + (name.Length * 7.2);
            if (x > Margin && x + width > Margin + BarDrawing.Width)
            {
                x = Margin;
                y += 24;
            }

            to.Empty("rect", "x", Markup.Number(x), "y", Markup.Number(y), "width", "24", "height", "16", "stroke", "#000", "stroke-width", "0.6",
                "stroke-dasharray", entry.Style is PictureLegend.Hole or PictureLegend.Gone ? "3 2" : null, "fill", $"url(#{PictureLegend.PatternId(entry.Style)})");
            to.Leaf("text", PictureLegend.SignOf(entry.Style), "x", Markup.Number(x + 12), "y", Markup.Number(y + 12), "text-anchor", "middle",
                "font-size", "11", "stroke", "#fff", "stroke-width", "3", "paint-order", "stroke");
            to.Leaf("text", name, "x", Markup.Number(x + 29), "y", Markup.Number(y + 12), "font-size", "12");
            x += width;
        }

        return legend.Entries.IsEmpty ? y : y + 24;
    }

    private static double Table(Markup to, PictureTable table, double y)
    {
        to.Leaf("text", table.Title, "x", Markup.Number(Margin), "y", Markup.Number(y + 12), "font-size", "14", "font-weight", "bold");
        y += 22;
        string[][] rows = [.. table.Rows.Take(RowsMax).Select(row => row.Select(cell => Cut(SafeText.Line(cell.Text))).ToArray())];
        double x = Margin;
        to.Open("g", "font-size", "11", "font-family", "monospace");
        for (int column = 0; column < table.Columns.Length; column++)
        {
            PictureColumn heading = table.Columns[column];
            int longest = Math.Max(heading.Name.Length, rows.Length == 0 ? 0 : rows.Max(row => column < row.Length ? row[column].Length : 0));
            double width = longest * TableCharacter;
            bool isRight = heading.Side == Side.Right;
            string textX = Markup.Number(isRight ? x + width : x);
            string? anchor = isRight ? "end" : null;
            to.Leaf("text", heading.Name, "x", textX, "y", Markup.Number(y + 11), "text-anchor", anchor, "font-weight", "bold");
            for (int row = 0; row < rows.Length; row++)
            {
                if (column < rows[row].Length)
                {
                    to.Leaf("text", rows[row][column], "x", textX, "y", Markup.Number(y + 11 + ((row + 1) * 15)), "text-anchor", anchor);
                }
            }

            x += width + 18;
        }

        to.Empty("path", "d", $"M{Markup.Number(Margin)} {Markup.Number(y + 15)}H{Markup.Number(Math.Min(x - 18, Margin + BarDrawing.Width))}", "stroke", "#000", "stroke-width", "0.6");
        to.CloseLine();
        y += 15 * (rows.Length + 1);
        return table.Rows.Length > RowsMax
            ? Lines(to, $"{table.Rows.Length - RowsMax} more rows are not drawn here; --html shows them.", y + 4, 11)
            : y + 4;
    }

    private static double Lines(Markup to, string text, double y, double fontSize)
    {
        foreach (string line in Wrap(text, TextCharactersPerLine))
        {
            to.Leaf("text", line, "x", Markup.Number(Margin), "y", Markup.Number(y + 12), "font-size", Markup.Number(fontSize));
            y += fontSize + 4;
        }

        return y;
    }

    private static string Cut(string text) => text.Length <= CellCharactersMax ? text : text[..(CellCharactersMax - 1)] + "…";

    /// <summary>Breaks a text at blanks into lines of at most so many characters; a longer word is cut apart.</summary>
    private static List<string> Wrap(string text, int charactersMax)
    {
        List<string> lines = [];
        string rest = SafeText.Line(text);
        while (rest.Length > charactersMax)
        {
            int at = rest.LastIndexOf(' ', charactersMax);
            at = at <= 0 ? charactersMax : at;
            lines.Add(rest[..at]);
            rest = rest[at..].TrimStart();
        }

        lines.Add(rest);
        return lines;
    }
}
