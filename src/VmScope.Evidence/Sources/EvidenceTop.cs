namespace VmScope.Sources;

/// <summary>Finds the folder inside a collection that holds the evidence: archives add folders of their own around it.</summary>
internal static class EvidenceTop
{
    private static readonly HashSet<string> Telling = new(TellingPaths(), StringComparer.Ordinal);

    /// <summary>The paths that mark a folder as a capture, a copy of a machine's root, or an sosreport.</summary>
    internal static IEnumerable<string> TellingPaths() =>
        EvidenceNames.ProcFiles
            .Concat([EvidenceNames.Dmesg, EvidenceNames.Case, EvidenceNames.Config, EvidenceNames.Trace, EvidenceNames.Uname,
                "vmallocinfo-before", "vmallocinfo-after"])
            .SelectMany(EvidenceNames.Candidates);

    /// <summary>The prefix under which most telling files lie, the shortest of equals; "" when there are none.</summary>
    internal static string Find(IEnumerable<string> paths, out bool several)
    {
        Dictionary<string, int> hits = new(StringComparer.Ordinal);
        foreach (string path in paths)
        {
            // Every split of the path into a folder and a telling rest is a vote for that folder.
            for (int at = path.Length; at >= 0; at = at == 0 ? -1 : path.LastIndexOf('/', at - 1))
            {
                int rest = at == path.Length || at < 0 ? -1 : at + 1;
                if (rest > 0 && Telling.Contains(path[rest..]))
                {
                    hits[path[..rest]] = hits.GetValueOrDefault(path[..rest]) + 1;
                }
            }

            if (Telling.Contains(path))
            {
                hits[""] = hits.GetValueOrDefault("") + 1;
            }
        }

        string best = "";
        int most = 0;
        several = false;
        foreach ((string prefix, int count) in hits.OrderByDescending(pair => pair.Value)
            .ThenBy(pair => pair.Key.Length).ThenBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (most == 0)
            {
                (best, most) = (prefix, count);
            }
            else if (!prefix.StartsWith(best, StringComparison.Ordinal) && !best.StartsWith(prefix, StringComparison.Ordinal))
            {
                several = true;
            }
        }

        return best;
    }
}
