using Microsoft.Win32.SafeHandles;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Reads the two halves of a long list at the same time.</summary>
/// <remarks>
/// A list of a million rows is a hundred megabytes of text; everything but reading it is quick. The halves are cut
/// between two rows that plainly are rows and differ, so that no row is torn and no repeated line missed.
/// </remarks>
internal sealed class ListHalves
{
    /// <summary>Below this a second thread costs more than it saves.</summary>
    private const long LongBytes = 8 << 20;

    private const int SampleBytes = 16 * 1024;

    private ListHalves(TextTable texts, DiagnosticList diagnostics, ListTotals totals) =>
        (Texts, Diagnostics, Totals) = (texts, diagnostics, totals);

    internal TextTable Texts { get; }

    internal DiagnosticList Diagnostics { get; }

    internal ListTotals Totals { get; }

    /// <summary>Where the second half begins; 0 for a file that is read in one piece.</summary>
    internal static long FindMiddle(SafeFileHandle file)
    {
        long length = RandomAccess.GetLength(file);
        if (length < LongBytes)
        {
            return 0;
        }

        byte[] sample = new byte[SampleBytes];
        long from = length / 2;
        int got = RandomAccess.Read(file, sample, from);
        ReadOnlySpan<byte> text = sample.AsSpan(0, got);
        int first = text.IndexOf((byte)'\n') + 1;
        ReadOnlySpan<byte> above = Line(text[first..]);
        ReadOnlySpan<byte> below = Line(text[Math.Min(got, first + above.Length + 1)..]);
        bool areRows = IsRow(above) && IsRow(below) && !above.SequenceEqual(below);
        return first > 0 && areRows ? from + first + above.Length + 1 : 0;
    }

    /// <summary>Reads both halves.</summary>
    /// <returns>Null when they do not agree on the size of a page: then one reading has to decide.</returns>
    internal static ListHalves? Read(SafeFileHandle file, long middle, string name)
    {
        Half lower = new(name);
        Half upper = new(name);
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                upper.Read(new FilePart(file, middle, long.MaxValue));
            }
            catch (IOException error)
            {
                failure = error;
            }
        });
        thread.Start();
        lower.Read(new FilePart(file, 0, middle));
        thread.Join();
        if (failure is not null)
        {
            throw new IOException(failure.Message, failure);
        }

        if (lower.Totals.PageBytes != upper.Totals.PageBytes)
        {
            return null;
        }

        lower.Append(upper);
        return new ListHalves(lower.Texts, lower.Diagnostics, lower.Totals);
    }

    private static ReadOnlySpan<byte> Line(ReadOnlySpan<byte> text)
    {
        int feed = text.IndexOf((byte)'\n');
        return feed < 0 ? default : text[..feed];
    }

    private static bool IsRow(ReadOnlySpan<byte> line) => line.StartsWith("0x"u8) && VmallocLineParser.HasRange(line);

    private sealed class Half
    {
        private readonly string _name;
        private long _lines;

        internal Half(string name)
        {
            _name = name;
            Totals = new ListTotals(Texts, pageBytes: null);
        }

        internal TextTable Texts { get; } = new();

        internal DiagnosticList Diagnostics { get; } = new();

        internal ListTotals Totals { get; }

        internal void Read(Stream part)
        {
            using (part)
            {
                _lines = VmallocInfoReader.Read(part, _name, Texts, Diagnostics, Totals);
            }
        }

        internal void Append(Half later)
        {
            Totals.Append(later.Totals, _lines);
            foreach (Diagnostic diagnostic in later.Diagnostics.Items)
            {
                Diagnostics.Add(_name, diagnostic.Line + _lines, diagnostic.Text, diagnostic.Reason);
            }

            for (long i = later.Diagnostics.Items.Length; i < later.Diagnostics.Count; i++)
            {
                Diagnostics.Add(_name, 0, "", "");
            }
        }
    }
}
