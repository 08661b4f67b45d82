using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Tests.Cli.Pictures;

/// <summary>Goal: both formats hold all that was said, load nothing, and let no outside text become markup or script.</summary>
public partial class PictureTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    public static TheoryData<string> Names => ["crowded", "sparse", "hostile"];

    [Theory, MemberData(nameof(Names))]
    public void An_svg_is_well_formed_and_loads_nothing(string name)
    {
        XDocument document = Parse(SvgReport.Draw(Named(name)));
        string[] allowed = ["svg", "title", "desc", "defs", "pattern", "rect", "path", "g", "text"];
        Assert.All(document.Descendants(), element => Assert.Contains(element.Name.LocalName, allowed));
        Assert.DoesNotContain(document.Descendants().Attributes(), attribute =>
            attribute.Name.LocalName.StartsWith("on", StringComparison.Ordinal) || attribute.Name.LocalName is "href" or "src" or "style");
        foreach (string url in document.Descendants().Attributes().Select(attribute => attribute.Value).Where(value => value.Contains("url(", StringComparison.Ordinal)))
        {
            Assert.Matches("^url\\(#p[0-9]+\\)$", url);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void An_html_page_has_only_our_script_and_reaches_no_network(string name)
    {
        string page = HtmlReport.Draw(Named(name));
        Assert.Equal(2, ScriptStart().Count(page));
        Assert.Equal(2, page.Split("</script>").Length - 1);
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        string outsideScript = Regex.Replace(page, "<script.*?</script>|<style>.*?</style>", "", RegexOptions.Singleline);
        Assert.DoesNotContain("://", outsideScript, StringComparison.Ordinal);
        Assert.DoesNotMatch("<[^>]*\\s(src|href|on[a-z]+|style)\\s*=", Regex.Replace(outsideScript, "\"[^\"]*\"", "\"\""));
        Assert.All(Tag().Matches(outsideScript), match => Assert.Contains(match.Groups[1].Value,
            (string[])["html", "head", "meta", "title", "body", "h1", "h2", "div", "strong", "ul", "li", "svg", "defs", "pattern", "rect", "path", "g", "text",
                "figure", "figcaption", "button", "p", "section", "label", "input", "table", "thead", "tbody", "tr", "th", "td"]));
    }

    [Fact]
    public void No_control_or_direction_character_of_a_name_reaches_a_picture()
    {
        Picture hostile = Named("hostile");
        foreach (string text in new[] { SvgReport.Draw(hostile), HtmlReport.Draw(hostile) })
        {
            Assert.DoesNotContain(text, c => (char.IsControl(c) && c != '\n') || c is '\u202e' or '\uffff' or '\ufffe' || char.IsSurrogate(c));
        }
    }

    [Fact]
    public void What_was_said_is_in_both_formats()
    {
        Picture picture = Named("crowded");
        string svg = string.Join('\n', Parse(SvgReport.Draw(picture)).Descendants().Select(element => element.Value));
        string html = HtmlReport.Draw(picture);
        foreach (string expected in picture.Statements.Append(picture.Verdict).Append(picture.Title).Append("0xfdbfe000").Append("owner_number_3+0x3/0x100"))
        {
            Assert.Contains(expected, svg, StringComparison.Ordinal);
            Assert.Contains(expected, html, StringComparison.Ordinal);
        }
    }

    /// <summary>Goal: what is drawn is to scale. Method: the drawn rectangles against the pieces' own shares.</summary>
    [Fact]
    public void A_straight_bar_is_to_scale()
    {
        PictureBar bar = new("w", 0x1000, 0x100fff,
            [new(0x1000, 0x40000, PieceKind.Owned, "a", ""), new(0x81000, 0x80000, PieceKind.Owned, "b", "")]);
        XDocument document = Parse(SvgReport.Draw(new Picture("t", PictureSeverity.Fine, "v") { Bars = [bar] }));
        (double, double)[] drawn =
        [
            .. document.Descendants(Svg + "rect").Where(rect => rect.Attribute("data-style") is not null)
                .Select(rect => (Value(rect, "x"), Value(rect, "width"))),
        ];
        Assert.Equal([(0, BarDrawing.Width / 4), (BarDrawing.Width / 2, BarDrawing.Width / 2)], drawn);
    }

    /// <summary>Goal: no piece is lost or drawn twice, whatever overlaps or sticks out. Method: seeded pieces, the layout's own cover.</summary>
    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5), InlineData(6)]
    public void A_layout_covers_its_bar_from_end_to_end(int seed)
    {
        Random random = new(seed);
        ulong start = seed % 2 == 0 ? 0xffff_ffff_8000_0000 : 0;
        ulong last = seed % 3 == 0 ? ulong.MaxValue : start + 0x7fff_ffff;
        PicturePiece[] pieces =
        [
            .. Enumerable.Range(0, 200).Select(i => new PicturePiece(
                start + (ulong)random.NextInt64(0, 0x9000_0000 / (i % 2 == 0 ? 1 : 4096)) % (ulong.MaxValue - start),
                (ulong)random.NextInt64(0, seed % 3 == 1 ? 0x100000 : 0x10000), (PieceKind)random.Next(6), "o" + random.Next(20), "")),
            new(ulong.MaxValue - 4, ulong.MaxValue, PieceKind.Owned, "sticks out", ""),
        ];
        foreach (BarLayout layout in BarLayout.Of(new PictureBar("w", start, last, [.. pieces])))
        {
            double at = 0;
            ulong address = start;
            foreach (PlacedPiece piece in layout.Pieces)
            {
                Assert.Equal(at, piece.From, 1e-6);
                Assert.Equal(address, piece.Piece.Start);
                at = piece.To;
                address = unchecked(piece.Piece.Start + piece.Piece.SizeBytes);
            }

            Assert.Equal(1, at, 1e-6);
            Assert.Equal(unchecked(last + 1), address);
        }
    }

    [Fact]
    public void A_hundred_thousand_pieces_make_a_page_of_bounded_size()
    {
        PictureBar bar = new("w", 0, (100_000UL * 8192) - 1,
            [.. Enumerable.Range(0, 100_000).Select(i => new PicturePiece((ulong)i * 8192, 4096, PieceKind.Owned, "o" + (i % 50), ""))]);
        Picture picture = new("t", PictureSeverity.Fine, "v") { Bars = [bar] };
        Assert.InRange(HtmlReport.Draw(picture).Length, 10_000, 4_000_000);
        Assert.InRange(SvgReport.Draw(picture).Length, 10_000, 1_000_000);
    }

    private static Picture Named(string name) => name switch
    {
        "crowded" => SamplePictures.Crowded(),
        "sparse" => SamplePictures.Sparse(),
        _ => SamplePictures.Hostile(),
    };

    private static XDocument Parse(string svg)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(svg), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
        return XDocument.Load(reader);
    }

    private static double Value(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("<script")]
    private static partial Regex ScriptStart();

    [GeneratedRegex("<([a-z0-9]+)[ >/]")]
    private static partial Regex Tag();
}
