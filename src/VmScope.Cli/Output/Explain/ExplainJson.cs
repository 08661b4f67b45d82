using System.Globalization;
using System.Text;
using System.Text.Json;
using VmScope.Analysis;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Explain;

/// <summary>An explained list as JSON; the fields are documented in docs/json.md.</summary>
internal static class ExplainJson
{
    /// <summary>More than the longest line of a gap: four numbers of at most 20 digits and the words around them.</summary>
    private const int GapLineMax = 256;

    internal static void Write(ListExplanation list, TextWriter writer)
    {
        using JsonText text = new(writer);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("source", list.Source);
        if (list.Facts.Kernel is { } kernel)
        {
            json.WriteString("kernel", kernel.Release);
            json.WriteString("kernelVersion", kernel.Version.ToString());
        }
        else
        {
            json.WriteNull("kernel");
            json.WriteNull("kernelVersion");
        }

        json.WriteString("arch", list.Architecture.Name());
        json.WriteNumber("pageBytes", list.PageBytes);
        WriteWindow(text, "window", list.Vmalloc?.Window);
        AreaTotals live = list.Live;
        json.WriteNumber("areas", live.Areas);
        json.WriteNumber("areaBytes", live.Bytes);
        json.WriteNumber("mappedBytes", live.Bytes - live.GuardBytes);
        json.WriteNumber("guardBytes", live.GuardBytes);
        json.WriteNumber("memoryBytes", live.Pages * list.PageBytes);
        json.WriteNumber("unpurgedAreas", list.Unpurged.Areas);
        json.WriteNumber("unpurgedBytes", list.Unpurged.Bytes);
        json.WriteNumber("rows", list.Rows);
        json.WriteBoolean("addressesHashed", list.Addresses == AddressState.Hashed);
        json.WriteString("addresses", list.Addresses switch
        {
            AddressState.Real => "real",
            AddressState.Hashed => "hashed",
            AddressState.Hidden => "hidden",
        });
        WriteUnparsed(json, list);
        WriteOtherText(json, list);
        WriteCallers(text, list);
        WriteGroups(json, list);
        WriteGaps(text, "gaps", list.Vmalloc);
        WriteRoom(text, list.Vmalloc);
        WriteWindows(text, list);
        WriteOutside(text, list);
        WriteChains(json, list);
        WriteFindings(json, list);
        WriteAddress(text, list);
        json.WriteEndObject();
    }

    private static void WriteWindow(JsonText text, string name, AddressWindow? window)
    {
        Utf8JsonWriter json = text.Json;
        if (window is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        text.Window(window);
        json.WriteEndObject();
    }

    private static void WriteUnparsed(Utf8JsonWriter json, ListExplanation list)
    {
        json.WriteNumber("unparsedLineCount", list.Diagnostics.Count);
        json.WriteStartArray("unparsedLines");
        foreach (Diagnostic line in list.Diagnostics.Items)
        {
            json.WriteStartObject();
            json.WriteString("file", line.File);
            json.WriteNumber("line", line.Line);
            json.WriteString("text", line.Text);
            json.WriteString("reason", line.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteOtherText(Utf8JsonWriter json, ListExplanation list)
    {
        if (list.Diagnostics.OtherText is not { } text)
        {
            json.WriteNull("otherText");
            return;
        }

        json.WriteStartObject("otherText");
        json.WriteNumber("lines", text.Lines);
        json.WriteNumber("firstLine", text.FirstLine);
        json.WriteString("text", text.First);
        json.WriteEndObject();
    }

    private static void WriteCallers(JsonText text, ListExplanation list)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray("callers");
        foreach (OwnerRow owner in list.Owners)
        {
            json.WriteStartObject();
            json.WriteString("caller", owner.Caller?.Text);
            json.WriteString("function", owner.Caller is { IsRawAddress: false } caller ? caller.Function : null);
            json.WriteString("module", owner.Caller?.Module);
            WriteTotals(json, owner.Totals);
            KnownCaller? known = owner.Known;
            json.WriteString("subject", known?.Subject);
            json.WriteString("meaning", known?.Meaning);
            json.WriteEndObject();
            text.FlushSome();
        }

        json.WriteEndArray();
    }

    private static void WriteTotals(Utf8JsonWriter json, AreaTotals totals)
    {
        json.WriteNumber("areas", totals.Areas);
        json.WriteNumber("bytes", totals.Bytes);
        json.WriteNumber("pages", totals.Pages);
        json.WriteNumber("guardBytes", totals.GuardBytes);
    }

    private static void WriteGroups(Utf8JsonWriter json, ListExplanation list)
    {
        json.WriteStartArray("kinds");
        for (int kind = 0; kind < ListedKinds.Count; kind++)
        {
            if (list.Kinds[kind].Areas > 0)
            {
                json.WriteStartObject();
                json.WriteString("kind", ListedKinds.Name((ListedKind)kind));
                WriteTotals(json, list.Kinds[kind]);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        json.WriteStartArray("nodes");
        for (int node = 0; node < list.Nodes.Length; node++)
        {
            if (list.Nodes[node].Areas > 0)
            {
                json.WriteStartObject();
                json.WriteNumber("node", node);
                json.WriteNumber("areas", list.Nodes[node].Areas);
                json.WriteNumber("bytes", list.Nodes[node].Bytes);
                json.WriteNumber("pages", list.Nodes[node].Pages);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteGaps(JsonText text, string name, WindowAccount? account)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray(name);
        if (account is not null)
        {
            // One line each, and put together by hand: a fragmented list has several hundred thousand.
            Span<byte> line = stackalloc byte[GapLineMax];
            foreach (ref readonly Gap gap in account.All)
            {
                text.Line(line[..Format(gap, json.CurrentDepth, line)]);
            }
        }

        json.WriteEndArray();
    }

    private static int Format(in Gap gap, int depth, Span<byte> line)
    {
        // The writer puts nothing but a comma in front of what is given to it as text.
        line[0] = (byte)'\n';
        int at = 1 + (2 * depth);
        line[1..at].Fill((byte)' ');
        Put("{ \"start\": \"0x"u8, line, ref at);
        Put(gap.Start, "x", line, ref at);
        Put("\", \"end\": \"0x"u8, line, ref at);
        if (gap.EndExclusive == 0)
        {
            Put("10000000000000000"u8, line, ref at);
        }
        else
        {
            Put(gap.EndExclusive, "x", line, ref at);
        }

        Put("\", \"bytes\": "u8, line, ref at);
        Put(gap.Bytes, default, line, ref at);
        Put(", \"kind\": \""u8, line, ref at);
        at += Encoding.UTF8.GetBytes(GapKinds.Name(gap.Kind), line[at..]);
        Put("\""u8, line, ref at);
        if (gap.NextAlignBytes > 0)
        {
            Put(", \"alignBytes\": "u8, line, ref at);
            Put(gap.NextAlignBytes, default, line, ref at);
        }

        Put(" }"u8, line, ref at);
        return at;
    }

    private static void Put(ReadOnlySpan<byte> text, Span<byte> line, ref int at)
    {
        text.CopyTo(line[at..]);
        at += text.Length;
    }

    private static void Put(ulong value, ReadOnlySpan<char> format, Span<byte> line, ref int at)
    {
        value.TryFormat(line[at..], out int length, format, CultureInfo.InvariantCulture);
        at += length;
    }

    private static void WriteRoom(JsonText text, WindowAccount? account)
    {
        Utf8JsonWriter json = text.Json;
        if (account is null)
        {
            json.WriteNull("freeBytes");
            json.WriteNull("holes");
            json.WriteNull("largestHole");
            return;
        }

        json.WriteNumber("freeBytes", account.FreeBytes);
        json.WriteNumber("holes", account.Holes);
        if (account.LargestHole.Bytes == 0)
        {
            json.WriteNull("largestHole");
        }
        else
        {
            json.WriteStartObject("largestHole");
            text.Address("start", account.LargestHole.Start);
            json.WriteNumber("bytes", account.LargestHole.Bytes);
            json.WriteEndObject();
        }

        json.WriteNumber("largestHoleAfterPurgeBytes", account.LargestHoleAfterPurge.Bytes);
        if (account.FreeBytes > 0)
        {
            json.WriteNumber("fragmentation", Math.Round(1 - ((double)account.LargestHole.Bytes / account.FreeBytes), 6));
        }
        else
        {
            json.WriteNull("fragmentation");
        }

        json.WriteStartArray("holeHistogram");
        for (int log2 = 0; log2 < 64; log2++)
        {
            (long count, ulong bytes) = account.HistogramAt(log2);
            if (count > 0)
            {
                json.WriteStartObject();
                json.WriteNumber("fromBytes", 1UL << log2);
                json.WriteNumber("holes", count);
                json.WriteNumber("bytes", bytes);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static void WriteWindows(JsonText text, ListExplanation list)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray("windows");
        foreach (WindowAccount account in list.Windows)
        {
            json.WriteStartObject();
            json.WriteString("name", account.Window.Name);
            text.Window(account.Window);
            json.WriteNumber("areas", account.Areas);
            json.WriteNumber("coveredBytes", account.CoveredBytes);
            json.WriteNumber("unpurgedBytes", account.BytesByGapKind[(int)GapKind.Unpurged]);
            json.WriteNumber("freeBytes", account.FreeBytes);
            json.WriteNumber("holes", account.Holes);
            json.WriteNumber("overlapBytes", account.OverlapBytes);
            json.WriteStartObject("bytesByGapKind");
            for (int kind = 0; kind < GapKinds.Count; kind++)
            {
                json.WriteNumber(GapKinds.Name((GapKind)kind), account.BytesByGapKind[kind]);
            }

            json.WriteEndObject();
            if (account != list.Vmalloc)
            {
                WriteGaps(text, "gaps", account);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteOutside(JsonText text, ListExplanation list)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject("outsideWindows");
        json.WriteNumber("areas", list.Outside.Count);
        json.WriteNumber("bytes", list.Outside.Bytes);
        json.WriteEndObject();
        WriteOtherWindows(text, list);
    }

    private static void WriteOtherWindows(JsonText text, ListExplanation list)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray("otherWindows");
        foreach (OtherWindow other in OtherWindows.Of(list))
        {
            json.WriteStartObject();
            json.WriteString("name", other.Window.Name);
            text.Window(other.Window);
            json.WriteString("meaning", other.Meaning);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteChains(Utf8JsonWriter json, ListExplanation list)
    {
        if (list.Chains is not { } chains)
        {
            return;
        }

        json.WriteStartObject("chains");
        json.WriteNumber("rows", chains.Rows);
        json.WriteNumber("touchingRows", chains.TouchingRows);
        json.WriteNumber("chains", chains.Chains);
        json.WriteNumber("longestAreas", chains.LongestAreas);
        json.WriteNumber("longestBytes", chains.LongestBytes);
        json.WriteEndObject();
    }

    private static void WriteFindings(Utf8JsonWriter json, ListExplanation list)
    {
        json.WriteStartArray("findings");
        foreach (Finding finding in list.Findings)
        {
            json.WriteStartObject();
            json.WriteString("id", finding.Id);
            json.WriteString("severity", finding.Severity switch
            {
                Severity.Info => "info",
                Severity.Notice => "notice",
                Severity.Warning => "warning",
                Severity.Error => "error",
            });
            json.WriteString("text", finding.Text);
            json.WriteStartArray("areas");
            foreach (string area in finding.Areas)
            {
                json.WriteStringValue(area);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteAddress(JsonText text, ListExplanation list)
    {
        if (list.AtAddress is not { } answer)
        {
            return;
        }

        Utf8JsonWriter json = text.Json;
        json.WriteStartObject("at");
        text.Address("address", answer.Address);
        json.WriteString("place", answer.Place switch
        {
            AddressPlace.Area => "area",
            AddressPlace.Guard => "guard",
            AddressPlace.Unpurged => "unpurged",
            AddressPlace.Hole => "hole",
            AddressPlace.GapPage => "gap-page",
            AddressPlace.Outside => "outside",
        });
        json.WriteString("window", answer.Window?.Name);
        WriteRow(text, "area", answer.Area, list);
        if (answer.Area is not null)
        {
            json.WriteNumber("page", answer.Page);
            json.WriteNumber("offsetInPage", answer.OffsetInPage);
            json.WriteNumber("guardBytes", answer.GuardBytes);
        }

        if (answer.Place is AddressPlace.Hole or AddressPlace.GapPage)
        {
            json.WriteStartObject("hole");
            text.Address("start", answer.HoleStart);
            text.End("end", unchecked(answer.HoleStart + answer.HoleBytes));
            json.WriteNumber("bytes", answer.HoleBytes);
            json.WriteEndObject();
        }

        WriteRow(text, "below", answer.Below, list);
        WriteRow(text, "above", answer.Above, list);
        json.WriteEndObject();
    }

    private static void WriteRow(JsonText text, string name, VmallocRow? some, ListExplanation list)
    {
        Utf8JsonWriter json = text.Json;
        if (some is not { } row)
        {
            json.WriteNull(name);
            return;
        }

        VmallocCaller? caller = row.Caller == 0 ? null : VmallocCaller.Parse(list.Texts.Text(row.Caller));
        json.WriteStartObject(name);
        text.Address("start", row.Start);
        text.End("end", row.End);
        json.WriteNumber("bytes", row.SizeBytes);
        json.WriteString("caller", caller?.Text);
        json.WriteString("module", caller?.Module);
        json.WriteString("kind", ListedKinds.Name(ListedKinds.Of(row.Flags)));
        json.WriteNumber("pages", row.Pages);
        if (row.Has(AreaFlags.HasPhys))
        {
            text.Address("phys", row.Phys);
        }

        json.WriteEndObject();
    }
}
