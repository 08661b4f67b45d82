using Microsoft.Win32.SafeHandles;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>
/// Reads a long list in a file of its own: several parts at the same time where there are processors for it, and without
/// keeping its areas where they are not wanted and the list is in order.
/// </summary>
/// <remarks>
/// A list of a million rows is a hundred megabytes of text; everything but reading it is quick. The parts are cut
/// between two rows that plainly are rows and differ, so that no row is torn and no repeated line missed.
/// </remarks>
internal static class LongList
{
    /// <summary>Below this, looking first and a second thread cost more than they save.</summary>
    private const long LongBytes = 8 << 20;

    private const int SampleBytes = 16 * 1024;

    /// <summary>Enough: with as many, a million rows are read sooner than the runtime starts.</summary>
    private const int PartsMax = 4;

    /// <summary>Reads a list.</summary>
    /// <param name="file">The file; stays open.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="facts">What is known beside it.</param>
    /// <param name="options">What to keep.</param>
    /// <returns>Null for a short list, for one address in a list, and where one reading from front to back has to decide.</returns>
    internal static ListReading? Read(SafeFileHandle file, string name, ExplainFacts facts, ExplainOptions options)
    {
        if (options.Address is not null || RandomAccess.GetLength(file) < LongBytes)
        {
            return null;
        }

        int parts = Math.Min(Environment.ProcessorCount, PartsMax);
        ListReading? passed = options.KeepAreas ? null : ReadPassing(file, name, facts, options, parts);
        return passed ?? (parts > 1 ? ReadKeeping(file, name, facts) : null);
    }

    /// <summary>Reads a list of any length and keeps no areas.</summary>
    /// <returns>Null when the list is not one that can be read so.</returns>
    internal static ListReading? ReadPassing(SafeFileHandle file, string name, ExplainFacts facts, ExplainOptions options, int parts)
    {
        if (ListOutline.TryRead(file, facts, options) is not { } outline)
        {
            return null;
        }

        Part all = ReadParts(file, Cut(file, name, facts, outline, parts));
        return all.IsWhole && outline.Held(all.Totals, all.Totals.Walk!)
            ? new ListReading(name, all.Texts, all.Diagnostics, all.Totals)
            {
                Outline = outline,
                ReadAgain = sink =>
                {
                    using FilePart whole = new(file, 0, long.MaxValue);
                    VmallocInfoReader.Read(whole, name, all.Texts, new DiagnosticList(), sink);
                },
            }
            : null;
    }

    /// <summary>Reads a list of any length in two halves and keeps its areas.</summary>
    /// <returns>Null when one reading from front to back has to decide.</returns>
    internal static ListReading? ReadKeeping(SafeFileHandle file, string name, ExplainFacts facts)
    {
        List<Part> halves = Cut(file, name, facts, outline: null, parts: 2);
        Part? all = halves.Count == 2 ? ReadParts(file, halves) : null;
        return all is { IsWhole: true } ? new ListReading(name, all.Texts, all.Diagnostics, all.Totals) : null;
    }

    /// <summary>Cuts a list into parts of about the same length; into fewer where there is no place to cut.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="facts">What is known beside it.</param>
    /// <param name="outline">Whose windows must hold the places, and account for the parts; null to keep areas.</param>
    /// <param name="parts">How many.</param>
    internal static List<Part> Cut(SafeFileHandle file, string name, ExplainFacts facts, ListOutline? outline, int parts)
    {
        List<Part> cut = [new Part(name, facts, outline, start: 0)];
        ListProbe probe = new(file);
        for (int i = 1; i < parts; i++)
        {
            if (TryPlace(probe, probe.Length / parts * i, outline, out AreaSlot below, out long start) && start > cut[^1].Start)
            {
                cut.Add(new Part(name, facts, outline, start));
                cut[^1].Totals.Walk?.BeginBehind(below);
            }
        }

        return cut;
    }

    /// <summary>Finds a place to cut at or behind an offset.</summary>
    private static bool TryPlace(ListProbe probe, long offset, ListOutline? outline, out AreaSlot below, out long start)
    {
        bool isRow = probe.TryFrom(offset, out VmallocRow lower, out _, out start);
        long next = start;
        while (next < offset + SampleBytes)
        {
            long before = next;
            bool isNextRow = probe.TryFrom(before, out VmallocRow upper, out start, out next);
            if (isRow && isNextRow && lower.Start != upper.Start && (outline is null || outline.CanBeCut(lower, upper)))
            {
                below = ListOutline.AreaOf(lower);
                return true;
            }

            if (next <= before)
            {
                break;
            }

            (lower, isRow) = (upper, isNextRow);
        }

        below = default;
        return false;
    }

    /// <summary>Reads parts at the same time and puts them together.</summary>
    private static Part ReadParts(SafeFileHandle file, List<Part> parts)
    {
        Exception? failure = null;
        Thread[] threads = new Thread[parts.Count];
        for (int i = 1; i < parts.Count; i++)
        {
            Part part = parts[i];
            long end = i + 1 < parts.Count ? parts[i + 1].Start : long.MaxValue;
            threads[i] = new Thread(() =>
            {
                try
                {
                    part.Read(file, end);
                }
                catch (IOException error)
                {
                    failure = error;
                }
            });
            threads[i].Start();
        }

        parts[0].Read(file, parts.Count > 1 ? parts[1].Start : long.MaxValue);
        for (int i = 1; i < parts.Count; i++)
        {
            threads[i].Join();
            if (failure is null)
            {
                parts[0].Append(parts[i]);
            }
        }

        return failure is null ? parts[0] : throw new IOException(failure.Message, failure);
    }

    /// <summary>A run of a list's lines, and what was read of it.</summary>
    internal sealed class Part
    {
        private readonly string _name;
        private long _lines;
        private bool _agree = true;

        internal Part(string name, ExplainFacts facts, ListOutline? outline, long start)
        {
            (_name, Start) = (name, start);
            Totals = new ListTotals(Texts, facts.PageBytes);
            Totals.Walk = outline?.NewWalk(Texts, Totals);
        }

        /// <summary>Where in the file it begins.</summary>
        internal long Start { get; }

        internal TextTable Texts { get; } = new();

        internal DiagnosticList Diagnostics { get; } = new();

        internal ListTotals Totals { get; }

        /// <summary>
        /// Whether parts make the whole: they agree on the size of a page, and nothing but rows was pasted into the list; a
        /// log among them belongs together, and says more about the list than rows do.
        /// </summary>
        internal bool IsWhole => _agree && Diagnostics.OtherText is null;

        internal void Read(SafeFileHandle file, long end)
        {
            using FilePart part = new(file, Start, end);
            _lines = VmallocInfoReader.Read(part, _name, Texts, Diagnostics, Totals);
        }

        internal void Append(Part later)
        {
            _agree &= Totals.PageBytes == later.Totals.PageBytes && later.IsWhole;
            int[] ids = Totals.Append(later.Totals, _lines);
            Totals.Walk?.Append(later.Totals.Walk!, ids);
            foreach (Diagnostic diagnostic in later.Diagnostics.Items)
            {
                Diagnostics.Add(_name, diagnostic.Line + _lines, diagnostic.Text, diagnostic.Reason);
            }

            for (long i = later.Diagnostics.Items.Length; i < later.Diagnostics.Count; i++)
            {
                Diagnostics.Add(_name, 0, "", "");
            }

            _lines += later._lines;
        }
    }
}
