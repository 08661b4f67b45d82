using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>A list as it was read: its sums, and what is needed to say more.</summary>
/// <param name="File">Its name.</param>
/// <param name="Texts">Its owners and unknown words.</param>
/// <param name="Diagnostics">The lines nobody understood.</param>
/// <param name="Totals">The sums.</param>
internal sealed record ListReading(string File, TextTable Texts, DiagnosticList Diagnostics, ListTotals Totals)
{
    /// <summary>The rows around an address; null when none was asked for.</summary>
    internal AddressWatch? Watch { get; init; }

    /// <summary>By what the windows were accounted for while reading; null when the areas were kept instead.</summary>
    internal ListOutline? Outline { get; init; }

    /// <summary>Hands every row to a sink once more, owners numbered as before; null when the areas were kept.</summary>
    internal Action<VmallocRowSink>? ReadAgain { get; init; }

    /// <summary>Reads a list from front to back and keeps its areas.</summary>
    /// <param name="stream">The list's bytes, not compressed.</param>
    /// <param name="file">Its name.</param>
    /// <param name="facts">What else is known.</param>
    /// <param name="options">What to keep.</param>
    /// <exception cref="EvidenceException">No line of it is a row.</exception>
    internal static ListReading Of(Stream stream, string file, ExplainFacts facts, ExplainOptions options)
    {
        TextTable texts = new();
        DiagnosticList diagnostics = new();
        ListTotals totals = new(texts, facts.PageBytes);
        AddressWatch? watch = options.Address is { } address ? new AddressWatch(address, texts) : null;
        long lines = VmallocInfoReader.Read(stream, file, texts, diagnostics, watch is null ? totals : new TwoSinks(totals, watch));
        return totals.Rows > 0 || (diagnostics.Count == 0 && diagnostics.OtherText is null)
            ? new ListReading(file, texts, diagnostics, totals) { Watch = watch }
            : throw new EvidenceException($"{file}: none of its {lines} lines is a row of /proc/vmallocinfo");
    }

    /// <summary>What is known beside the list, with what the text around its rows says when nothing else was known.</summary>
    internal ExplainFacts WithText(ExplainFacts facts) =>
        Diagnostics.OtherText is { } text && ReferenceEquals(facts, ExplainFacts.None) ? ExplainFacts.From(text, File) : facts;

    private sealed class TwoSinks(VmallocRowSink first, VmallocRowSink second) : VmallocRowSink
    {
        public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
        {
            first.Add(rows, nodes);
            second.Add(rows, nodes);
        }
    }
}
