using System.Collections.Immutable;
using System.Text.Json;
using VmScope.Analysis;

namespace VmScope.Cli.Output.Diffing;

/// <summary>Writes a comparison as JSON; docs/json-diff.md describes it.</summary>
internal static class DiffJson
{
    internal static void Write(DiffReport report, DiffWindows windows, ImmutableArray<DiffInput> inputs, TextWriter output)
    {
        using JsonText text = new(output);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteStartArray("snapshots");
        for (int i = 0; i < report.Snapshots.Length; i++)
        {
            DiffSummary snapshot = report.Snapshots[i];
            json.WriteStartObject();
            json.WriteString("name", snapshot.Name);
            json.WriteString("time", snapshot.Time?.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", System.Globalization.CultureInfo.InvariantCulture));
            json.WriteString("timeSource", inputs[i].TimeSource);
            Number(json, "uptimeSeconds", inputs[i].Snapshot.Uptime?.TotalSeconds);
            json.WriteNumber("areas", snapshot.Areas);
            json.WriteNumber("bytes", snapshot.Bytes);
            json.WriteNumber("unpurgedAreas", snapshot.UnpurgedAreas);
            json.WriteNumber("unpurgedBytes", snapshot.UnpurgedBytes);
            json.WriteBoolean("addressesAreReal", snapshot.AddressesAreReal);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("matching", report.Matching == DiffMatching.ByAddress ? "address" : "size-and-owner");
        json.WriteString("matchingReason", report.MatchingReason);
        json.WriteBoolean("differentBoots", report.AreOfDifferentBoots);
        Number(json, "hours", report.Hours);
        Suspects(json, report);
        Windows(text, windows);
        Groups(text, "owners", report.ByOwner);
        Groups(text, "modules", report.ByModule);
        Groups(text, "kinds", report.ByKind);
        Groups(text, "physicalRanges", report.ByPhys);
        Rows(text, "appeared", report.Appeared);
        Rows(text, "vanished", report.Vanished);
        json.WriteEndObject();
    }

    private static void Suspects(Utf8JsonWriter json, DiffReport report)
    {
        json.WriteStartArray("suspects");
        foreach (LeakSuspect suspect in report.Suspects)
        {
            json.WriteStartObject();
            json.WriteString("owner", suspect.Owner);
            json.WriteNumber("score", suspect.Score);
            json.WriteStartArray("reasons");
            for (int i = 0; i < suspect.Reasons.Length; i++)
            {
                json.WriteStartObject();
                json.WriteString("kind", Word(suspect.Kinds[i]));
                json.WriteString("text", suspect.Reasons[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("areasMore", suspect.Group.AreasMore);
            json.WriteNumber("bytesMore", (double)suspect.Group.BytesMore);
            Number(json, "bytesPerHour", suspect.Group.BytesPerHour);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Windows(JsonText text, DiffWindows windows)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray("windows");
        foreach (DiffWindow window in windows.Items)
        {
            json.WriteStartObject();
            json.WriteString("name", window.Name);
            text.Address("start", window.Now.Window.Start);
            text.End("end", window.Now.Window.EndExclusive);
            Account(json, "then", window.Then);
            Account(json, "now", window.Now);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Account(Utf8JsonWriter json, string name, WindowAccount? account)
    {
        if (account is null)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteNumber("usedBytes", account.CoveredBytes);
        json.WriteNumber("freeBytes", account.FreeBytes);
        json.WriteNumber("holes", account.Holes);
        json.WriteNumber("largestHoleBytes", DiffWindows.LargestHole(account));
        json.WriteNumber("fragmentation", Math.Round(DiffWindows.Fragmentation(account), 4));
        json.WriteEndObject();
    }

    private static void Groups(JsonText text, string name, ImmutableArray<DiffGroup> groups)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray(name);
        foreach (DiffGroup group in groups)
        {
            json.WriteStartObject();
            json.WriteString("name", group.Name);
            json.WriteStartArray("areas");
            foreach (long areas in group.Areas)
            {
                json.WriteNumberValue(areas);
            }

            json.WriteEndArray();
            json.WriteStartArray("bytes");
            foreach (ulong bytes in group.Bytes)
            {
                json.WriteNumberValue(bytes);
            }

            json.WriteEndArray();
            json.WriteNumber("appeared", group.Appeared);
            json.WriteNumber("vanished", group.Vanished);
            Number(json, "bytesPerHour", group.BytesPerHour);
            json.WriteEndObject();
            text.FlushSome();
        }

        json.WriteEndArray();
    }

    private static void Rows(JsonText text, string name, ImmutableArray<DiffRow> rows)
    {
        Utf8JsonWriter json = text.Json;
        json.WriteStartArray(name);
        foreach (DiffRow row in rows)
        {
            json.WriteStartObject();
            text.Address("start", row.Start);
            json.WriteNumber("bytes", row.SizeBytes);
            json.WriteString("owner", row.Owner);
            json.WriteString("kind", row.Kind);
            if (row.Phys is { } phys)
            {
                text.Address("phys", phys);
            }
            else
            {
                json.WriteNull("phys");
            }

            json.WriteNumber("line", row.Line);
            json.WriteEndObject();
            text.FlushSome();
        }

        json.WriteEndArray();
    }

    private static string Word(LeakReason reason) => reason switch
    {
        LeakReason.Growth => "growth",
        LeakReason.MonotonicGrowth => "monotonic-growth",
        LeakReason.EqualSizes => "equal-sizes",
        LeakReason.LargeShare => "large-share",
        LeakReason.SamePhysAgain => "same-phys-again",
        LeakReason.ModuleGone => "module-gone",
        LeakReason.GrowsWithLoad => "grows-with-load",
        LeakReason.OtherKernel => "other-kernel",
    };

    private static void Number(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, Math.Round(number, 4));
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
