using System.Globalization;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Everything worth saying about a list, most serious first.</summary>
internal static partial class FindingRules
{
    private const int AreasShown = 8;

    /// <summary>Characters of a foreign line that are enough to find it again.</summary>
    private const int TextShown = 60;

    /// <summary>Equal areas of one owner, when there are this many more than others and nothing known that multiplies them.</summary>
    private const long EqualAreasMin = 64;

    /// <summary>A window is small when it can really run out: the 32-bit ones, and module windows.</summary>
    private const ulong SmallWindow = 4 * Size.GiB;

    internal static List<Finding> All(ListExplanation list)
    {
        List<Finding> findings = [];
        AddressesHidden(list, findings);
        WrongSizes(list, findings);
        Overfull(list, findings);
        foreach (WindowAccount account in list.Windows)
        {
            Overlaps(list, account, findings);
            Fullness(list, account, findings);
            Unexplained(list, account, findings);
        }

        DuplicateMappings(list, findings);
        EqualAreas(list, findings);
        PercpuChunks(list, findings);
        LazyAreas(list, findings);
        VmallocUsed(list, findings);
        Outside(list, findings);
        Unlisted(list, findings);
        OddLines(list, findings);

        // Stable by hand: the most serious first, otherwise in the order of the rules.
        List<Finding> ordered = new(findings.Count);
        for (Severity severity = Severity.Error; severity >= Severity.Info; severity--)
        {
            foreach (Finding finding in findings)
            {
                if (finding.Severity == severity)
                {
                    ordered.Add(finding);
                }
            }
        }

        return ordered;
    }

    private static void AddressesHidden(ListExplanation list, List<Finding> findings)
    {
        const string how = "To get real addresses: as root, 'sysctl kernel.kptr_restrict=1' and read the file again as root "
            + "(a process with CAP_SYSLOG), or boot with no_hash_pointers (5.12 and later).";
        if (list.Addresses == AddressState.Hashed && list.Chains is { } chains)
        {
            string some = list.Totals.OddRows.Total > chains.Rows ? $" of the first {Grouped((ulong)chains.Rows)}" : "";
            findings.Add(new Finding("addresses-hashed", Severity.Notice,
                $"The addresses are hashes: end minus start is not the size in {Grouped((ulong)list.Totals.OddCount)} of {Grouped((ulong)list.Rows)} rows. Sizes, owners, "
                + $"pages and nodes are real. Equal addresses hash equally, so {Count(chains.TouchingRows, "area", "areas")}{some} {(chains.TouchingRows == 1 ? "is" : "are")} known to touch the next one: "
                + $"{Count(chains.Chains, "chain", "chains")}, single areas among them, the longest of {Grouped((ulong)chains.LongestAreas)} areas and {Text(chains.LongestBytes)}. Where they lie, how large the "
                + "holes between them are, what the largest hole is and whether areas overlap cannot be known from this list. " + how, []));
        }
        else if (list.Addresses == AddressState.Hidden)
        {
            findings.Add(new Finding("addresses-hidden", Severity.Notice,
                "The kernel printed zeros or a word in place of every address. Sizes, owners, pages and nodes are real; neighbours, holes "
                + "and windows cannot be known from this list. " + how, []));
        }
    }

    private static void WrongSizes(ListExplanation list, List<Finding> findings)
    {
        if (list.Addresses != AddressState.Real || list.Totals.OddCount == 0)
        {
            return;
        }

        findings.Add(new Finding("wrong-size", Severity.Error,
            $"{Count(list.Totals.OddCount, "row has", "rows have")} a size that is not end minus start, in a list whose other addresses are real: "
            + "the text was damaged on its way here, or the list in the kernel is corrupt. These rows are left out of the windows.",
            Describe(list, list.Totals.OddRows)));
    }

    private static void Overfull(ListExplanation list, List<Finding> findings)
    {
        RowList rows = list.Totals.OverfullRows;
        if (rows.Total > 0)
        {
            findings.Add(new Finding("too-many-pages", Severity.Error,
                $"{Count(rows.Total, "row names", "rows name")} more pages than the area has room for: the text was damaged on its way here, or the list in the "
                + "kernel is corrupt. Sums of memory count these pages as printed.", Describe(list, rows)));
        }
    }

    private static void Overlaps(ListExplanation list, WindowAccount account, List<Finding> findings)
    {
        if (account.OverlapCount == 0)
        {
            return;
        }

        List<string> areas = [];
        for (int i = 0; i < account.Overlaps.Count && areas.Count + 1 < AreasShown; i++)
        {
            areas.Add(list.Describe(account.Overlaps[i].Lower));
            areas.Add(list.Describe(account.Overlaps[i].Upper));
        }

        bool same = account.Overlaps[0].Lower.Start == account.Overlaps[0].Upper.Start
            && account.Overlaps[0].Lower.End == account.Overlaps[0].Upper.End
            && account.Overlaps[0].Lower.Caller == account.Overlaps[0].Upper.Caller;
        string hint = same ? " The first pair is the same row twice: perhaps the list was pasted more than once." : "";
        findings.Add(new Finding("overlap", Severity.Error,
            $"{Count(account.OverlapCount, "area begins", "areas begin")} inside another one in the {account.Window.Name} window ({Text(account.OverlapBytes)} in common). "
            + "Two live areas never share addresses: the kernel's list is corrupt, the allocator has a bug, or the text is not one "
            + "listing." + hint, areas));
    }

    private static void Fullness(ListExplanation list, WindowAccount account, List<Finding> findings)
    {
        AddressWindow window = account.Window;
        if (window.Sureness == Sureness.Guessed || window.Bytes > SmallWindow)
        {
            return;
        }

        ulong reachable = Math.Max(account.LargestHole.Bytes, account.LargestHoleAfterPurge.Bytes);
        double fragmentation = account.FreeBytes == 0 ? 0 : 1 - ((double)reachable / account.FreeBytes);
        if (reachable < Size.MiB)
        {
            findings.Add(new Finding("no-room", Severity.Warning,
                (reachable == 0
                    ? $"The {window.Name} window is full: not one page is free. Every request fails now."
                    : $"No hole of the {window.Name} window holds even 1 MiB: {Text(account.FreeBytes)} are free in {Count(account.Holes, "hole", "holes")}, the largest "
                        + $"{(reachable > account.LargestHole.Bytes ? "after a purge " : "")}{Text(reachable)} ({Grouped(reachable)} bytes). Requests above that fail now, whatever the sum of free bytes says.")
                + Advice(list, window), []));
        }
        else if (fragmentation > 0.75 && account.FreeBytes > window.Bytes / 20 && reachable < window.Bytes / 16)
        {
            findings.Add(new Finding("fragmented", Severity.Notice,
                $"The free space of the {window.Name} window is in pieces: {Text(account.FreeBytes)} free in {Count(account.Holes, "hole", "holes")}, the largest {Text(reachable)}. "
                + string.Create(CultureInfo.InvariantCulture, $"External fragmentation is {fragmentation:0.00} (1 minus largest hole divided by free bytes)."), []));
        }
    }

    private static string Advice(ListExplanation list, AddressWindow window) =>
        window.Name == "vmalloc" && list.Architecture is Architecture.I386 or Architecture.Arm
            ? " The boot option vmalloc= makes the window larger and directly mapped memory smaller."
            : "";

    private static void Unexplained(ListExplanation list, WindowAccount account, List<Finding> findings)
    {
        ulong bytes = account.BytesByGapKind[(int)GapKind.Unexplained];
        if (bytes > 0 && account.Window.Sureness != Sureness.Guessed)
        {
            findings.Add(new Finding("unexplained-gap", Severity.Notice,
                $"{Count(account.CountByGapKind[(int)GapKind.Unexplained], "hole", "holes")} ({Text(bytes)}) of the {account.Window.Name} window "
                + $"{(account.CountByGapKind[(int)GapKind.Unexplained] == 1 ? "is" : "are")} not whole pages of {Grouped(list.PageBytes)} bytes; no rule of any kernel leaves them.", []));
        }
    }

    private static void PercpuChunks(ListExplanation list, List<Finding> findings)
    {
        PercpuAreas percpu = list.Totals.Percpu;
        if (percpu.Count == 0 || list.Addresses != AddressState.Real)
        {
            return;
        }

        ulong chunkBytes = percpu.Lowest[0].SizeBytes;
        List<string> rows = [];
        foreach (ref readonly VmallocRow row in percpu.Lowest)
        {
            rows.Add(list.Describe(row));
        }

        string arithmetic = percpu.AreMixed || list.Facts.PossibleCpus is not (> 0 and int cpus) ? "" : ChunkArithmetic(list, chunkBytes, cpus);
        findings.Add(new Finding("percpu-chunks", Severity.Info,
            $"{Count(percpu.Count, "area", "areas")} of per-CPU chunks ({Text(percpu.Bytes)}), placed from the top of the window downwards, without guard pages; "
            + "pages come as they are used, so this is address space rather than memory." + arithmetic, rows));
    }

    /// <summary>How the size of a chunk's area follows from the processors, as far as is known.</summary>
    /// <remarks>Source: mm/percpu.c, pcpu_build_alloc_info(): one group and area per memory node, units to a group rounded up.</remarks>
    private static string ChunkArithmetic(ListExplanation list, ulong areaBytes, int cpus)
    {
        string processors = Count(cpus, "possible processor", "possible processors");
        if (list.Facts.PercpuUnitBytes is > 0 and ulong unit && areaBytes % unit == 0)
        {
            ulong units = areaBytes / unit;
            return units == (ulong)cpus ? $" {processors} with {Grouped(unit)} bytes each make {Grouped(areaBytes)}: as the boot log says."
                : units > (ulong)cpus ? $" It holds {Grouped(units)} units of {Grouped(unit)} bytes, the size the boot log says: one for each of {processors}, the others unused."
                : $" The boot log says {Grouped(unit)} bytes for each of {processors}; an area holds {Count((long)units, "such unit", "such units")}, because a chunk has one area for each memory node.";
        }

        int nodes = 0;
        foreach (AreaTotals node in list.Nodes)
        {
            nodes += node.Pages > 0 ? 1 : 0;
        }

        return nodes > 1 ? " On a machine with several memory nodes a chunk has one area for each node."
            : areaBytes % (ulong)cpus == 0 ? $" For {processors} that is {Grouped(areaBytes / (ulong)cpus)} bytes each."
            : $" {Grouped(areaBytes)} bytes do not divide by {processors}: some units are unused, or a chunk has one area for each memory node.";
    }

    private static void LazyAreas(ListExplanation list, List<Finding> findings)
    {
        if (list.Unpurged.Areas == 0)
        {
            return;
        }

        findings.Add(new Finding("unpurged", Severity.Info,
            $"{Count(list.Unpurged.Areas, "row says", "rows say")} 'unpurged vm_area' ({Text(list.Unpurged.Bytes)}). Harmless: these areas are freed, their memory is already "
            + "back, only the addresses wait so that one flush of all translation caches serves many frees. The kernel purges above "
            + "32 MiB times the number of bits in the processor count, and always before it reports that there is no room.", []));
    }

    private static void VmallocUsed(ListExplanation list, List<Finding> findings)
    {
        if (list.Facts.VmallocUsedKiB is not { } usedKiB || list.Facts.Kernel is not { } kernel)
        {
            return;
        }

        VmallocUsedMeaning meaning = VmallocMeminfoTimelines.Used.At(kernel.Version);
        ulong listed = list.Live.Bytes;
        string text = meaning switch
        {
            VmallocUsedMeaning.AlwaysZero when usedKiB > 0 =>
                $"VmallocUsed in /proc/meminfo says {Grouped(usedKiB)} kB, where kernel.org's {kernel.Version} prints a constant 0: this vendor's kernel counts, probably as 5.3 and later "
                + $"do, only pages of vmalloc(). The list shows {Text(listed)} of addresses.",
            VmallocUsedMeaning.AlwaysZero =>
                $"VmallocUsed in /proc/meminfo is {usedKiB} kB, and always is on {kernel.Version}: kernels 4.4 to 5.2 do not count. The list shows {Text(listed)}.",
            VmallocUsedMeaning.VmallocPages =>
                $"VmallocUsed in /proc/meminfo says {Grouped(usedKiB)} kB; the areas take {Grouped(listed / 1024)} kB of addresses. Since 5.3 the figure counts only pages that "
                + "vmalloc() itself allocated: ioremap, vmap, per-CPU chunks, vm_map_ram and guard pages are left out, so it says nothing about room.",
            VmallocUsedMeaning.AllAreas or VmallocUsedMeaning.AreasInWindow or VmallocUsedMeaning.AreasNotLazy =>
                $"VmallocUsed in /proc/meminfo says {Grouped(usedKiB)} kB; it counts address space with guard pages. The list shows {Grouped(listed / 1024)} kB.",
            VmallocUsedMeaning.NotPrinted => "",
        };
        if (text.Length > 0 && list.Facts.VmallocChunkKiB is { } chunkKiB)
        {
            text += VmallocMeminfoTimelines.Chunk.At(kernel.Version) switch
            {
                VmallocChunkMeaning.AlwaysZero => $" VmallocChunk is a constant {chunkKiB} since 4.4: it does not mean that nothing is free.",
                VmallocChunkMeaning.LargestGap => $" VmallocChunk says {Grouped(chunkKiB)} kB: the largest gap between areas, freed areas that wait for a purge counted as gap.",
                VmallocChunkMeaning.NotPrinted => "",
            };
        }

        if (text.Length > 0)
        {
            findings.Add(new Finding("vmalloc-used", Severity.Info, text, []));
        }
    }

    private static void Outside(ListExplanation list, List<Finding> findings)
    {
        if (list.Outside.Count > 0)
        {
            findings.Add(new Finding("outside-windows", Severity.Info,
                $"{Count(list.Outside.Count, "area lies", "areas lie")} outside the windows known here ({Text(list.Outside.Bytes)}), from {list.Hex(list.Outside.First.Start)} on: modules, BPF code, or mappings "
                + "fixed at boot.", [list.Describe(list.Outside.First)]));
        }
    }

    private static void Unlisted(ListExplanation list, List<Finding> findings)
    {
        if (list.Addresses != AddressState.Real || list.Facts.Kernel is not { } kernel)
        {
            return;
        }

        bool freed = VmallocListTimelines.FreedAreas.At(kernel.Version) != FreedAreasListed.No;
        bool mapRam = VmallocListTimelines.MapRamListed.At(kernel.Version);
        if (!freed || !mapRam)
        {
            string what = freed ? "blocks of vm_map_ram" : mapRam ? "freed areas that wait for a purge" : "freed areas that wait for a purge, and blocks of vm_map_ram,";
            findings.Add(new Finding("not-listed", Severity.Info,
                $"The list of {kernel.Version} does not show {what} though they take addresses: a hole here may be less free than it looks.", []));
        }
    }

    private static void OddLines(ListExplanation list, List<Finding> findings)
    {
        foreach (Diagnostic damage in list.Diagnostics.Damage)
        {
            findings.Add(new Finding("damaged-file", Severity.Notice, $"{damage.File}: {damage.Reason}.", []));
            if (findings.Count > 100)
            {
                break;
            }
        }

        long odd = list.Diagnostics.Count - list.Diagnostics.Damage.Length;
        if (odd > 0)
        {
            findings.Add(new Finding("unparsed-lines", Severity.Notice,
                $"{Count(odd, "line was", "lines were")} not understood and left out{OddFiles(list)}; --json lists the first of them.", []));
        }

        if (list.Diagnostics.OtherText is { } text)
        {
            findings.Add(new Finding("other-text", Severity.Info,
                $"{Count(text.Lines, "line is", "lines are")} no part of the list but of a text it was pasted with, the first of them line {Grouped((ulong)text.FirstLine)}: "
                + $"'{(text.First.Length > TextShown ? text.First[..TextShown] + "…" : text.First)}'. What they say of the kernel and its layout is used where nothing better is known.", []));
        }

        if (list.Totals.RepeatedRows > 0)
        {
            findings.Add(new Finding("repeated-lines", Severity.Info,
                $"{Count(list.Totals.RepeatedRows, "line repeats", "lines repeat")} the one before and {(list.Totals.RepeatedRows == 1 ? "is" : "are")} counted once: the file is printed piece by piece while the kernel works on.",
                Describe(list, list.Totals.Repeated)));
        }

        foreach (KeyValuePair<int, long> word in list.Totals.UnknownWords)
        {
            findings.Add(new Finding("unknown-words", Severity.Info,
                $"{Count(word.Value, "row has", "rows have")} the words '{list.Texts.Text(word.Key)}', which no released kernel prints: a vendor's own. They are kept, and change nothing else.", []));
            if (findings.Count > 100)
            {
                break;
            }
        }
    }

    /// <summary>In which files lines were not understood, when the list is not the only one.</summary>
    private static string OddFiles(ListExplanation list)
    {
        SortedDictionary<string, object> files = new(StringComparer.Ordinal);
        foreach (Diagnostic line in list.Diagnostics.Items)
        {
            if (line.Line > 0)
            {
                files[line.File] = line;
            }
        }

        return files.Count == 0 || (files.Count == 1 && files.ContainsKey(list.File)) ? "" : $", in {string.Join(", ", files.Keys)}";
    }

    private static List<string> Describe(ListExplanation list, RowList rows)
    {
        List<string> areas = [];
        for (int i = 0; i < rows.Count && i < AreasShown; i++)
        {
            areas.Add(list.Describe(rows[i]));
        }

        return areas;
    }

    internal static string Count(long count, string one, string many) =>
        count == 1 ? $"1 {one}" : $"{Grouped((ulong)count)} {many}";

    internal static string Grouped(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A size in the largest unit that keeps it readable.</summary>
    internal static string Text(ulong bytes)
    {
        string[] units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        string format = value >= 100 || value == Math.Truncate(value) ? "0" : "0.#";
        return value.ToString(format, CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
