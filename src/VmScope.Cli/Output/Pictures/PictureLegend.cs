using System.Collections.Frozen;
using System.Collections.Immutable;

namespace VmScope.Cli.Output.Pictures;

/// <summary>One entry of the legend: a pattern and who it stands for.</summary>
/// <param name="Style">Index of the pattern: the id of its definition and its place in the legend.</param>
/// <param name="Name">Who or what it stands for.</param>
/// <param name="Bytes">Bytes drawn in it, in the bar that has most.</param>
internal sealed record LegendEntry(int Style, string Name, ulong Bytes);

/// <summary>Decides which owner gets which pattern: the largest ones get their own, the rest share one.</summary>
internal sealed class PictureLegend
{
    /// <summary>Owners with a pattern of their own. More would not be told apart on paper.</summary>
    internal const int OwnerPatterns = 10;

    internal const int OtherOwners = OwnerPatterns;
    internal const int Hole = OwnerPatterns + 1;
    internal const int Unpurged = OwnerPatterns + 2;
    internal const int Request = OwnerPatterns + 3;
    internal const int Gone = OwnerPatterns + 4;
    internal const int Fresh = OwnerPatterns + 5;
    internal const int Styles = OwnerPatterns + 6;

    /// <summary>The name of the piece of a request that no hole had room for.</summary>
    internal const string MissingPart = "missing";

    private static readonly string[] KindNames = ["other owners", "hole", "freed, not yet purged", "the request", "gone", "new"];

    private readonly FrozenDictionary<string, int> _styleOfOwner;

    internal PictureLegend(Picture picture)
    {
        // Bars often show the same addresses twice (then and now, to scale and in order): the fullest bar counts.
        Dictionary<string, ulong> bytesOfOwner = new(StringComparer.Ordinal);
        ulong[] bytesOfStyle = new ulong[Styles];
        string request = KindNames[Request - OtherOwners];
        foreach (PictureBar bar in picture.Bars)
        {
            Dictionary<string, ulong> ofOwner = new(StringComparer.Ordinal);
            ulong[] ofStyle = new ulong[Styles];
            foreach (PicturePiece piece in bar.Pieces)
            {
                if (piece.Kind == PieceKind.Owned)
                {
                    ofOwner[piece.Owner] = SaturatingAdd(ofOwner.GetValueOrDefault(piece.Owner), piece.SizeBytes);
                }
                else
                {
                    int style = StyleOfKind(piece.Kind);
                    ofStyle[style] = SaturatingAdd(ofStyle[style], piece.SizeBytes);
                    // A request that found no place is drawn only as far as it juts out of the best hole.
                    request = piece is { Kind: PieceKind.Request, Owner: MissingPart } ? MissingPart : request;
                }
            }

            foreach ((string owner, ulong bytes) in ofOwner)
            {
                bytesOfOwner[owner] = Math.Max(bytesOfOwner.GetValueOrDefault(owner), bytes);
            }

            for (int style = 0; style < Styles; style++)
            {
                bytesOfStyle[style] = Math.Max(bytesOfStyle[style], ofStyle[style]);
            }
        }

        KeyValuePair<string, ulong>[] ranked =
        [
            .. bytesOfOwner.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal),
        ];
        Dictionary<string, int> styles = new(StringComparer.Ordinal);
        ImmutableArray<LegendEntry>.Builder entries = ImmutableArray.CreateBuilder<LegendEntry>();
        for (int i = 0; i < ranked.Length && i < OwnerPatterns; i++)
        {
            styles[ranked[i].Key] = i;
            entries.Add(new LegendEntry(i, ranked[i].Key, ranked[i].Value));
        }

        foreach ((string _, ulong bytes) in ranked.Skip(OwnerPatterns))
        {
            bytesOfStyle[OtherOwners] = SaturatingAdd(bytesOfStyle[OtherOwners], bytes);
        }

        for (int style = OtherOwners; style < Styles; style++)
        {
            if (bytesOfStyle[style] > 0)
            {
                entries.Add(new LegendEntry(style, style == Request ? request : KindNames[style - OtherOwners], bytesOfStyle[style]));
            }
        }

        _styleOfOwner = styles.ToFrozenDictionary(StringComparer.Ordinal);
        Entries = entries.ToImmutable();
    }

    /// <summary>The entries in drawing order: owners by size, then the other kinds that occur.</summary>
    internal ImmutableArray<LegendEntry> Entries { get; }

    /// <summary>The pattern of a piece.</summary>
    internal int StyleOf(PicturePiece piece) => piece.Kind == PieceKind.Owned
        ? _styleOfOwner.GetValueOrDefault(piece.Owner, OtherOwners)
        : StyleOfKind(piece.Kind);

    /// <summary>The sign printed inside a piece wide enough for it: a number for owners, a letter for the rest.</summary>
    internal static string SignOf(int style) => style switch
    {
        < OwnerPatterns => (style + 1).ToString(System.Globalization.CultureInfo.InvariantCulture),
        OtherOwners => "o",
        Unpurged => "u",
        Request => "R",
        Gone => "−",
        Fresh => "+",
        _ => "",
    };

    private static int StyleOfKind(PieceKind kind) => kind switch
    {
        PieceKind.Hole => Hole,
        PieceKind.Unpurged => Unpurged,
        PieceKind.Request => Request,
        PieceKind.Gone => Gone,
        PieceKind.Fresh => Fresh,
        _ => OtherOwners,
    };

    private static ulong SaturatingAdd(ulong left, ulong right) => right > ulong.MaxValue - left ? ulong.MaxValue : left + right;

    /// <summary>Definitions of the patterns: a light colour and dark lines, told apart without the colour.</summary>
    internal static void WritePatterns(Markup to)
    {
        (string Fill, string Lines)[] patterns =
        [
            ("#9ecae1", "M0 4H8"),
            ("#fdd0a2", "M0 8L8 0M-2 2L2 -2M6 10L10 6"),
            ("#c7e9c0", "M4 0V8"),
            ("#dadaeb", "M0 0L8 8M-2 6L2 10M6 -2L10 2"),
            ("#fcbba1", "M0 4H8M4 0V8"),
            ("#d9d9d9", "M4 4h.1"),
            ("#c6dbef", "M0 0L8 8M0 8L8 0"),
            ("#e7cb94", "M0 2H8M0 6H8"),
            ("#ccebc5", "M2 0V8M6 0V8"),
            ("#e7969c", "M2 2h.1M6 6h.1"),
            ("#bdbdbd", ""),
            ("#ffffff", ""),
            ("#f7f7f7", "M1 1h.1M5 5h.1"),
            ("#ffff99", "M0 8L8 0M-2 2L2 -2M6 10L10 6M0 0L8 8M-2 6L2 10M6 -2L10 2"),
            ("#ffffff", "M0 0L8 8M0 8L8 0"),
            ("#636363", "M4 0V8M0 4H8"),
        ];
        to.Open("defs");
        for (int style = 0; style < patterns.Length; style++)
        {
            bool isInverse = style == Fresh;
            to.Open("pattern", "id", PatternId(style), "width", "8", "height", "8", "patternUnits", "userSpaceOnUse")
                .Empty("rect", "width", "8", "height", "8", "fill", patterns[style].Fill);
            if (patterns[style].Lines.Length > 0)
            {
                to.Empty("path", "d", patterns[style].Lines, "stroke", isInverse ? "#fff" : style is 5 or 9 or Unpurged ? "#000" : "#555",
                    "stroke-width", style is 5 or 9 ? "2" : "1", "stroke-linecap", style is 5 or 9 or Unpurged ? "round" : null, "fill", "none");
            }

            to.Close();
        }

        to.CloseLine();
    }

    internal static string PatternId(int style) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"p{style}");
}
