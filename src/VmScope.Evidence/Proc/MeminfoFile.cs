using System.Buffers;
using System.Globalization;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads and writes /proc/meminfo.</summary>
public static class MeminfoFile
{
    private const long LimitBytes = 1 << 20;
    private static readonly SearchValues<char> OldTable = SearchValues.Create("MemSwap: \t0123456789");

    /// <summary>Reads a meminfo text; a line of another shape becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static MeminfoReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        List<MeminfoLine> lines = [];
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            if (TryParse(line, out MeminfoLine? parsed))
            {
                lines.Add(parsed!);
            }
            else if (!string.IsNullOrWhiteSpace(line) && !IsOldTable(line))
            {
                diagnostics.Add(file, text.Number, line, "not a meminfo line");
            }
        }

        return new MeminfoReport(lines);
    }

    /// <summary>Writes a meminfo text as the kernel formats it.</summary>
    public static void Write(MeminfoReport report, TextWriter writer)
    {
        foreach (MeminfoLine line in report.Lines)
        {
            writer.Write(Format(line));
            writer.Write('\n');
        }
    }

    /// <summary>
    /// One line as the kernel formats it: a label of 16 columns and a number of at least 8; 19 and 5 for the counts of
    /// huge pages and for labels longer than that.
    /// </summary>
    /// <remarks>Source: fs/proc/meminfo.c, meminfo_proc_show(); mm/hugetlb.c, hugetlb_report_meminfo().</remarks>
    public static string Format(MeminfoLine line)
    {
        string label = line.Name + ":";
        (int columns, int digits) = line.InKiB && label.Length <= 16 ? (16, 8) : (Math.Max(19, label.Length + 1), 5);
        string text = label.PadRight(columns) + line.Value.ToString(CultureInfo.InvariantCulture).PadLeft(digits);
        return line.InKiB ? text + " kB" : text;
    }

    /// <summary>Whether a line is one of meminfo that gives a size.</summary>
    internal static bool IsSize(ReadOnlySpan<char> line) =>
        line.EndsWith(" kB", StringComparison.Ordinal) && line.IndexOf(':') is > 0 and < 40 and int colon
            && line[(colon + 1)..^3].Trim().IndexOfAnyExceptInRange('0', '9') < 0;

    private static bool TryParse(string line, out MeminfoLine? parsed)
    {
        parsed = null;
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || colon > 64)
        {
            return false;
        }

        Scan scan = new(line.AsSpan(colon + 1));
        scan.Blanks();
        if (!scan.Decimal(out ulong value))
        {
            return false;
        }

        scan.Blanks();
        bool inKiB = scan.Text("kB");
        if (!scan.AtEnd)
        {
            return false;
        }

        parsed = new MeminfoLine(line[..colon].Trim(), value, inKiB);
        return true;
    }

    // 2.4 opens with a table in bytes before the labelled lines.
    private static bool IsOldTable(string line)
    {
        ReadOnlySpan<char> text = line.AsSpan().TrimStart();
        return text.StartsWith("total:", StringComparison.Ordinal)
            || ((text.StartsWith("Mem:", StringComparison.Ordinal) || text.StartsWith("Swap:", StringComparison.Ordinal))
                && line.AsSpan().IndexOfAnyExcept(OldTable) < 0);
    }
}
