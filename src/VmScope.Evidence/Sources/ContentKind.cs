using System.Text;
using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>Tells what a text is by looking at its first lines; names are only asked when the lines say nothing.</summary>
internal static class ContentKind
{
    /// <summary>Bytes looked at.</summary>
    internal const int SampleBytes = 64 * 1024;

    private const int LinesLookedAt = 400;

    /// <summary>The known name a text answers to; null when nothing fits.</summary>
    /// <param name="sample">Its first bytes, unpacked.</param>
    /// <param name="fileName">Its name, for texts whose lines say nothing; null for standard input.</param>
    internal static string? Of(ReadOnlySpan<byte> sample, string? fileName)
    {
        string text = Encoding.UTF8.GetString(sample);
        string[] lines = text.Split('\n', LinesLookedAt + 1);
        Dictionary<string, int> votes = new(StringComparer.Ordinal);
        foreach (string line in lines.Take(LinesLookedAt))
        {
            if (OfLine(TextLines.Plain(line.TrimEnd('\r'))) is { } kind)
            {
                votes[kind] = votes.GetValueOrDefault(kind) + 1;
            }
        }

        // A log may quote a listing, and a listing may have been pasted out of a log: the majority decides, and of equals
        // the more particular kind.
        string? best = votes.Count == 0
            ? null
            : votes.OrderByDescending(vote => vote.Value).ThenBy(vote => vote.Key == EvidenceNames.Dmesg ? 1 : 0).First().Key;
        if (best == EvidenceNames.Version && (lines.Length > 4 || votes.ContainsKey(EvidenceNames.Dmesg)))
        {
            best = EvidenceNames.Dmesg;
        }

        return best ?? OfName(fileName) ?? (LooksLikeCommandLine(lines) ? EvidenceNames.CommandLine : null);
    }

    /// <summary>The known name a file name begins with; null when there is none.</summary>
    internal static string? OfName(string? fileName)
    {
        if (fileName is null)
        {
            return null;
        }

        string name = Path.GetFileName(fileName).ToLowerInvariant();
        if (name == EvidenceNames.Case)
        {
            return name;
        }

        foreach (string known in EvidenceNames.ProcFiles.Concat([EvidenceNames.Dmesg, EvidenceNames.Config, EvidenceNames.Trace, EvidenceNames.Uname]))
        {
            if (name.StartsWith(known, StringComparison.Ordinal))
            {
                return known;
            }
        }

        return null;
    }

    private static string? OfLine(ReadOnlySpan<char> line)
    {
        if (line.IsWhiteSpace())
        {
            return null;
        }

        if (IsVmallocInfo(line))
        {
            return EvidenceNames.VmallocInfo;
        }

        if (line.StartsWith("Linux version ", StringComparison.Ordinal))
        {
            return EvidenceNames.Version;
        }

        if (LogLine.IsOne(line))
        {
            return EvidenceNames.Dmesg;
        }

        if (line.StartsWith("# tracer:", StringComparison.Ordinal) || IsTraceLine(line))
        {
            return EvidenceNames.Trace;
        }

        if (line.StartsWith("CONFIG_", StringComparison.Ordinal) || line.StartsWith("# CONFIG_", StringComparison.Ordinal)
            || line.StartsWith("# Automatically generated", StringComparison.Ordinal))
        {
            return EvidenceNames.Config;
        }

        if (line.StartsWith("Linux ", StringComparison.Ordinal) && line.Contains(" #", StringComparison.Ordinal))
        {
            return EvidenceNames.Uname;
        }

        if (line.StartsWith("processor\t", StringComparison.Ordinal))
        {
            return EvidenceNames.Cpuinfo;
        }

        Scan scan = new(line);
        if (ZoneinfoFile.TryZoneHeading(ref scan, out _, out _))
        {
            return scan.AtEnd ? EvidenceNames.Zoneinfo : EvidenceNames.Buddyinfo;
        }

        if (line.StartsWith("  pages free ", StringComparison.Ordinal) || line.StartsWith("      nr_", StringComparison.Ordinal))
        {
            return EvidenceNames.Zoneinfo;
        }

        if (MeminfoFile.IsSize(line))
        {
            return EvidenceNames.Meminfo;
        }

        if (IsIomem(line))
        {
            return EvidenceNames.Iomem;
        }

        if (IsModule(line))
        {
            return EvidenceNames.Modules;
        }

        return line.TrimStart().StartsWith("\"kernel_version\"", StringComparison.Ordinal) ? EvidenceNames.Case : null;
    }

    /// <summary>Whether a line has the addresses and the size of a list's row, whatever a log or a mail put around them.</summary>
    internal static bool IsVmallocInfo(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> start = text.Length > 512 ? text[..512] : text;
        byte[] bytes = new byte[start.Length];
        _ = System.Text.Encoding.Latin1.GetBytes(start, bytes);
        return VmallocLineParser.HasRange(bytes);
    }

    // "    bash-123   [000] d..1.   12.345678: event: …"
    private static bool IsTraceLine(ReadOnlySpan<char> line)
    {
        int cpu = line.IndexOf(" [", StringComparison.Ordinal);
        if (cpu < 0 || line.Length < cpu + 8)
        {
            return false;
        }

        Scan scan = new(line[(cpu + 2)..]);
        return scan.Decimal(out _) && scan.Text("] ") && line[..cpu].Contains('-') && scan.Behind(": ");
    }

    private static bool IsIomem(ReadOnlySpan<char> line)
    {
        Scan scan = new(line);
        scan.Blanks();
        return scan.Hex(out _) && scan.Text("-") && scan.Hex(out _) && scan.Text(" : ");
    }

    private static bool IsModule(ReadOnlySpan<char> line)
    {
        Scan scan = new(line);
        scan.Word();
        return scan.Blanks() == 1 && scan.Decimal(out _) && scan.Blanks() == 1 && scan.Decimal(out _)
            && scan.Rest.Contains(" 0x", StringComparison.Ordinal)
            && (scan.Rest.Contains(" Live ", StringComparison.Ordinal) || scan.Rest.Contains(" Loading ", StringComparison.Ordinal));
    }

    private static bool LooksLikeCommandLine(string[] lines) =>
        lines.Length <= 2 && lines[0].Contains('=', StringComparison.Ordinal)
        && (lines[0].Contains("root=", StringComparison.Ordinal) || lines[0].Contains("console=", StringComparison.Ordinal)
            || lines[0].Contains("BOOT_IMAGE=", StringComparison.Ordinal));
}
