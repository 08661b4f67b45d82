using System.Text.Json;
using VmScope.Analysis;
using VmScope.Layout;

namespace VmScope.Cli.Output.Doctoring;

/// <summary>Writes a doctor's report as JSON; docs/json-doctor.md describes it.</summary>
internal static class DoctorJson
{
    internal static void Write(DoctorReport report, TextWriter output)
    {
        using JsonText text = new(output);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("source", report.Source);
        json.WriteString("kernel", report.Kernel);
        json.WriteString("arch", report.Architecture);
        json.WriteString("verdict", DoctorWords.Word(report.Verdict));
        json.WriteString("severity", DoctorWords.Word(report.Severity));
        json.WriteString("summary", report.Summary);
        Window(text, report);
        Request(text, report.Request);
        Number(json, "usedBytes", report.UsedBytes);
        Number(json, "freeBytes", report.FreeBytes);
        Number(json, "holes", (ulong?)report.Holes);
        Number(json, "largestHoleBytes", report.LargestHoleBytes);
        Number(json, "shortByBytes", report.ShortByBytes);
        Cure(json, report.Cure);
        json.WriteStartArray("statements");
        foreach (DoctorStatement statement in report.Statements)
        {
            json.WriteStartObject();
            json.WriteString("text", statement.Text);
            json.WriteString("certainty", AddressWindow.Word(statement.Certainty));
            json.WriteString("file", statement.File);
            Number(json, "line", statement.Line > 0 ? (ulong)statement.Line : null);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("requests");
        foreach (FailedRequest request in report.Requests)
        {
            json.WriteStartObject();
            RequestMembers(text, request);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("findings");
        foreach (Finding finding in report.Findings)
        {
            json.WriteStartObject();
            json.WriteString("id", finding.Id);
            json.WriteString("severity", finding.Severity.ToString().ToLowerInvariant());
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
        json.WriteEndObject();
    }

    private static void Window(JsonText text, DoctorReport report)
    {
        Utf8JsonWriter json = text.Json;
        string? name = report.Request is { } request && request.Window != FailedWindow.None ? DoctorWords.Word(request.Window) : report.Window?.Name;
        if (name is null)
        {
            json.WriteNull("window");
            return;
        }

        json.WriteStartObject("window");
        json.WriteString("name", name);
        if (report.Window is { } window)
        {
            text.Address("start", window.Start);
            text.End("end", window.EndExclusive);
            json.WriteNumber("bytes", window.Bytes);
            json.WriteString("source", window.Source);
            json.WriteString("certainty", AddressWindow.Word(window.Sureness));
        }
        else
        {
            json.WriteNull("start");
            json.WriteNull("end");
            json.WriteNull("bytes");
            json.WriteNull("source");
            json.WriteNull("certainty");
        }

        json.WriteEndObject();
    }

    private static void Request(JsonText text, FailedRequest? request)
    {
        if (request is null)
        {
            text.Json.WriteNull("request");
            return;
        }

        text.Json.WriteStartObject("request");
        RequestMembers(text, request);
        text.Json.WriteEndObject();
    }

    private static void RequestMembers(JsonText text, FailedRequest request)
    {
        Utf8JsonWriter json = text.Json;
        Number(json, "bytes", request.Bytes);
        json.WriteBoolean("guardIncluded", request.GuardIncluded);
        Number(json, "searchedBytes", request.SearchedBytes);
        json.WriteString("window", DoctorWords.Word(request.Window));
        json.WriteString("windowReason", request.WindowReason);
        json.WriteString("windowCertainty", AddressWindow.Word(request.WindowCertainty));
        if (request.Range is { } range)
        {
            json.WriteStartObject("range");
            text.Address("start", range.Start.Value);
            text.End("end", unchecked(range.Start.Value + range.SizeBytes));
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("range");
        }

        json.WriteString("process", request.Process);
        json.WriteNumber("repeats", request.Repeats);
        json.WriteNumber("line", request.Line);
        json.WriteString("message", request.Text);
    }

    private static void Cure(Utf8JsonWriter json, VmallocCure? cure)
    {
        if (cure is null)
        {
            json.WriteNull("cure");
            return;
        }

        json.WriteStartObject("cure");
        json.WriteString("option", "vmalloc");
        json.WriteString("value", cure.Value);
        json.WriteNumber("bytes", cure.Bytes);
        json.WriteNumber("exactBytes", cure.ExactBytes);
        json.WriteBoolean("proved", cure.IsProved);
        json.WriteNumber("marginBytes", cure.MarginBytes);
        json.WriteNumber("lowmemLostBytes", cure.LowmemLostBytes);
        json.WriteNumber("vmallocTotalKiB", cure.After.VmallocTotalKiB);
        Zones(json, "zonesBefore", cure.Before);
        Zones(json, "zonesAfter", cure.After);
        json.WriteEndObject();
    }

    private static void Zones(Utf8JsonWriter json, string name, KernelLayout? layout)
    {
        json.WriteStartArray(name);
        foreach (Zone zone in layout?.Zones ?? [])
        {
            json.WriteStartObject();
            json.WriteString("name", zone.Name);
            json.WriteNumber("node", zone.Node);
            json.WriteNumber("presentPages", zone.PresentPages);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter json, string name, ulong? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
