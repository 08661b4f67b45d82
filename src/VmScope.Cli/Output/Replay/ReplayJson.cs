using System.Text.Json;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Replay;

/// <summary>Replay results as JSON; docs/json-replay.md describes them.</summary>
internal static class ReplayJson
{
    internal static void Write(ReplayResult result, TextWriter writer)
    {
        using JsonText text = new(writer);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("trace", result.Trace);
        json.WriteString("kernel", result.Kernel);
        json.WriteString("start", StartName(result.Start));
        json.WriteString("startReason", result.StartReason);
        json.WriteBoolean("replayable", result.Replayable);
        json.WriteString("whyNot", result.WhyNot);
        json.WriteNumber("events", result.Events);
        json.WriteNumber("allocations", result.Allocations);
        json.WriteNumber("sameAddress", result.SameAddress);
        json.WriteNumber("different", result.Different);
        json.WriteNumber("unknowable", result.Unknowable);
        json.WriteNumber("unexplained", result.Unexplained);
        json.WriteNumber("failedInBoth", result.FailedInBoth);
        json.WriteNumber("reordered", result.Reordered);
        json.WriteNumber("aligned", result.Aligned);
        json.WriteNumber("frees", result.Frees);
        json.WriteNumber("unknownFrees", result.UnknownFrees);
        json.WriteNumber("lazyOff", result.LazyOff);
        json.WriteNumber("purges", result.Purges);
        json.WriteNumber("purgesOff", result.PurgesOff);
        json.WriteNumber("chunks", result.Chunks);
        json.WriteNumber("chunksSame", result.ChunksSame);
        json.WriteNumber("chunksUnplaced", result.ChunksUnplaced);
        json.WriteNumber("lostEvents", result.LostEvents);
        json.WriteNumber("oddOperations", result.OddOperations);
        json.WriteBoolean("interrupted", result.Interrupted);
        WriteFirst(text, result.First);
        WriteFinal(text, result.Final);
        WriteNotes(json, result.Notes);
        json.WriteEndObject();
    }

    internal static void Write(WhatIfResult result, TextWriter writer)
    {
        using JsonText text = new(writer);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("source", result.Source);
        json.WriteString("whatIf", result.Description);
        text.Address("rangeStart", result.WindowStart);
        text.Address("rangeEnd", result.WindowEnd);
        json.WriteNumber("requests", result.Requests);
        json.WriteNumber("failures", result.Failures);
        json.WriteNumber("failedOnRecorder", result.FailedOnRecorder);
        json.WriteNumber("newlyPlaced", result.NewlyPlaced);
        json.WriteNumber("purges", result.Purges);
        json.WriteNumber("peakUsedBytes", result.PeakUsedBytes);
        json.WriteNumber("peakLazyBytes", result.PeakLazyBytes);
        text.Address("highestEnd", result.HighestEnd);
        text.Address("checksum", result.Checksum);
        json.WriteBoolean("interrupted", result.Interrupted);
        if (result.FirstFailure is { } failure)
        {
            json.WriteStartObject("firstFailure");
            json.WriteNumber("line", failure.Line);
            json.WriteNumber("timeNanoseconds", failure.Time);
            WriteRequest(text, failure.Request);
            json.WriteNumber("largestHoleBytes", failure.LargestHoleBytes);
            json.WriteNumber("usedBytes", failure.UsedBytes);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("firstFailure");
        }

        json.WriteStartArray("samples");
        foreach (SpaceSample sample in result.Samples)
        {
            json.WriteStartObject();
            json.WriteNumber("timeNanoseconds", sample.Time);
            json.WriteNumber("operations", sample.Operations);
            json.WriteNumber("usedBytes", sample.UsedBytes);
            json.WriteNumber("areas", sample.Areas);
            json.WriteNumber("lazyBytes", sample.LazyBytes);
            json.WriteNumber("pooledBytes", sample.PooledBytes);
            json.WriteNumber("largestHoleBytes", sample.LargestHoleBytes);
            json.WriteNumber("failures", sample.Failures);
            json.WriteEndObject();
            text.FlushSome();
        }

        json.WriteEndArray();
        WriteNotes(json, result.Notes);
        json.WriteEndObject();
    }

    internal static string StartName(ReplayStart start) => start switch
    {
        ReplayStart.Boot => "boot",
        ReplayStart.FreeTree => "free-tree",
        ReplayStart.Listing => "listing",
        ReplayStart.Unknown => "unknown",
    };

    private static void WriteFirst(JsonText text, ReplayDifference? first)
    {
        Utf8JsonWriter json = text.Json;
        if (first is null)
        {
            json.WriteNull("first");
            return;
        }

        json.WriteStartObject("first");
        json.WriteNumber("line", first.Line);
        json.WriteNumber("timeNanoseconds", first.Time);
        json.WriteNumber("cpu", first.Cpu);
        WriteRequest(text, first.Request);
        WriteAddress(text, "model", first.Model);
        WriteAddress(text, "kernel", first.Kernel);
        json.WriteString("kind", first.Kind == DifferenceKind.Unknowable ? "unknowable" : "unexplained");
        json.WriteStartArray("holes");
        foreach (FreeBlock hole in first.Holes)
        {
            json.WriteStartObject();
            text.Address("start", hole.Start);
            text.Address("end", hole.End);
            json.WriteNumber("bytes", hole.SizeBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("modelReason", first.ModelReason);
        json.WriteString("kernelReason", first.KernelReason);
        json.WriteEndObject();
    }

    private static void WriteFinal(JsonText text, FinalList? final)
    {
        Utf8JsonWriter json = text.Json;
        if (final is null)
        {
            json.WriteNull("final");
            return;
        }

        json.WriteStartObject("final");
        json.WriteString("file", final.File);
        json.WriteNumber("rows", final.Rows);
        json.WriteNumber("same", final.Same);
        json.WriteNumber("different", final.DifferenceCount);
        json.WriteStartArray("differences");
        foreach (ListDifference difference in final.Differences)
        {
            json.WriteStartObject();
            text.Address("start", difference.Start);
            text.Address("end", difference.End);
            json.WriteString("only", difference.InModel ? "model" : "kernel");
            json.WriteString("owner", difference.Owner);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRequest(JsonText text, in AreaRequest request)
    {
        text.Json.WriteStartObject("request");
        text.Json.WriteNumber("sizeBytes", request.SizeBytes);
        text.Json.WriteNumber("alignBytes", request.AlignBytes);
        text.Address("from", request.WindowStart);
        text.Address("to", request.WindowEnd);
        text.Json.WriteEndObject();
    }

    private static void WriteAddress(JsonText text, string name, ulong? address)
    {
        if (address is { } value)
        {
            text.Address(name, value);
        }
        else
        {
            text.Json.WriteNull(name);
        }
    }

    private static void WriteNotes(Utf8JsonWriter json, IEnumerable<string> notes)
    {
        json.WriteStartArray("notes");
        foreach (string note in notes)
        {
            json.WriteStringValue(note);
        }

        json.WriteEndArray();
    }
}
