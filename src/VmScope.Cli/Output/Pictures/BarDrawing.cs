namespace VmScope.Cli.Output.Pictures;

/// <summary>Draws one laid-out bar as SVG elements, in a box of its own from the origin.</summary>
internal static class BarDrawing
{
    internal const double Width = 1160;
    internal const double Height = 44;

    /// <summary>The bar, its axis and the labels under it.</summary>
    internal const double HeightWithAxis = Height + 22;

    /// <summary>Finest unit of the drawing: pieces below it share a column and the largest one colours it.</summary>
    private const double ColumnWidth = 0.5;

    private const int Columns = (int)(Width / ColumnWidth);
    private const double CharacterWidth = 6.7;

    /// <summary>Writes the bar.</summary>
    internal static void Write(Markup to, BarLayout bar, PictureLegend legend)
    {
        to.Empty("rect", "x", "0", "y", "0", "width", Markup.Number(Width), "height", Markup.Number(Height), "fill", "#fff", "stroke", "#000");
        to.Open("g", "class", "pieces");
        foreach ((int from, int end, int style) in Runs(bar, legend))
        {
            Rectangle(to, from * ColumnWidth, end * ColumnWidth, style);
        }

        foreach (PlacedPiece piece in bar.Pieces)
        {
            if (piece.IsBreak)
            {
                Break(to, piece.From * Width, piece.To * Width);
            }
            else if (!piece.IsBlank)
            {
                Label(to, piece, legend);
            }
        }

        to.CloseLine();
        to.Open("g", "class", "axis", "font-size", "11", "font-family", "monospace");
        foreach (BarTick tick in bar.Ticks)
        {
            double x = tick.At * Width;
            double labelWidth = tick.Label.Length * CharacterWidth;
            to.Empty("path", "d", $"M{Markup.Number(x)} {Markup.Number(Height)}v5", "stroke", "#000");
            double labelX = Math.Clamp(x - (tick.At == 0 ? 0 : labelWidth / 2), 0, Width - labelWidth);
            to.Leaf("text", tick.Label, "x", Markup.Number(labelX), "y", Markup.Number(Height + 17));
        }

        to.CloseLine();
    }

    /// <summary>Columns of equal style, joined. Empty columns are left out.</summary>
    private static List<(int From, int End, int Style)> Runs(BarLayout bar, PictureLegend legend)
    {
        int[] styleOfColumn = new int[Columns];
        double[] best = new double[Columns];
        Array.Fill(styleOfColumn, -1);
        foreach (PlacedPiece piece in bar.Pieces.Where(piece => !piece.IsBlank && !piece.IsBreak))
        {
            int style = legend.StyleOf(piece.Piece);
            double from = piece.From * Columns;
            double to = piece.To * Columns;
            int first = Math.Clamp((int)from, 0, Columns - 1);
            int last = Math.Clamp((int)Math.Ceiling(to) - 1, first, Columns - 1);
            // A hole never hides what somebody holds: in a column both touch, it counts for next to nothing.
            double weight = piece.Piece.Kind == PieceKind.Hole ? 1e-9 : 1;
            for (int column = first; column <= last; column++)
            {
                double covered = weight * Math.Max(Math.Min(to, column + 1) - Math.Max(from, column), 1e-12);
                if (covered > best[column])
                {
                    best[column] = covered;
                    styleOfColumn[column] = style;
                }
            }
        }

        List<(int, int, int)> runs = [];
        for (int column = 0; column < Columns;)
        {
            int end = column + 1;
            while (end < Columns && styleOfColumn[end] == styleOfColumn[column])
            {
                end++;
            }

            if (styleOfColumn[column] is >= 0 and not PictureLegend.Hole)
            {
                runs.Add((column, end, styleOfColumn[column]));
            }

            column = end;
        }

        return runs;
    }

    private static void Rectangle(Markup to, double from, double end, int style) =>
        to.Empty("rect", "x", Markup.Number(from), "y", "0", "width", Markup.Number(end - from), "height", Markup.Number(Height),
            "fill", $"url(#{PictureLegend.PatternId(style)})", "data-style", style.ToString(System.Globalization.CultureInfo.InvariantCulture));

    private static void Label(Markup to, PlacedPiece piece, PictureLegend legend)
    {
        double x = piece.From * Width;
        double width = (piece.To - piece.From) * Width;
        if (width >= 3)
        {
            to.Empty("rect", "x", Markup.Number(x), "y", "0", "width", Markup.Number(width), "height", Markup.Number(Height),
                "fill", "none", "stroke", "#000", "stroke-width", "0.6",
                "stroke-dasharray", piece.Piece.Kind is PieceKind.Hole or PieceKind.Gone ? "3 2" : null);
        }

        string sign = PictureLegend.SignOf(legend.StyleOf(piece.Piece));
        int fits = (int)((width - 8) / CharacterWidth);
        string owner = piece.Piece.Owner;
        string words = piece.Piece.Kind == PieceKind.Hole ? SizeText.Short(piece.Piece.SizeBytes) : owner.Length > 0 ? owner : sign;
        string? label = words.Length <= fits ? words : sign.Length > 0 && sign.Length <= fits ? sign : null;
        if (label is null || label.Length == 0)
        {
            return;
        }

        to.Leaf("text", label, "x", Markup.Number(x + (width / 2)), "y", Markup.Number((Height / 2) + 4), "text-anchor", "middle",
            "font-size", "11", "font-family", "monospace", "stroke", "#fff", "stroke-width", "3", "paint-order", "stroke");
    }

    private static void Break(Markup to, double from, double end)
    {
        double middle = (from + end) / 2;
        foreach (double x in new[] { middle - 2, middle + 2 })
        {
            to.Empty("path", "d", $"M{Markup.Number(x)} -3l3 12l-6 12l6 12l-3 14", "stroke", "#000", "stroke-width", "1", "fill", "none");
        }
    }
}
