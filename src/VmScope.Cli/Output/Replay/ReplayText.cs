using System.Globalization;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Cli.Output.Replay;

/// <summary>Replay results for people.</summary>
internal sealed class ReplayText(Terminal terminal)
{
    internal void Write(ReplayResult result)
    {
        Line("trace", $"{result.Trace}, recorded on {result.Kernel}");
        Line("start", $"{ReplayJson.StartName(result.Start)}: {result.StartReason}");
        if (!result.Replayable)
        {
            Line("cannot be", $"replayed: {result.WhyNot}");
            Notes(result.Notes);
            return;
        }

        Line("read", $"{Count(result.Events, "event")}: {Count(result.Allocations, "allocation")} ({Count(result.Aligned)} aligned above a page), "
            + $"{Count(result.Frees, "free")}, {Count(result.Purges, "purge")}{(result.Interrupted ? "; stopped before the end" : "")}");
        Line("same", $"{Count(result.SameAddress)} of {Count(result.Allocations)} addresses");
        Line("different", $"{Count(result.Different)}, of them {Count(result.Unknowable)} unknowable and {Count(result.Unexplained)} unexplained");
        Line("reordered", Count(result.Reordered, "event"));
        if (result.FailedInBoth > 0)
        {
            Line("no room", result.FailedInBoth == 1
                ? "1 request that failed in the kernel fails in the model too"
                : $"{Count(result.FailedInBoth)} requests that failed in the kernel fail in the model too");
        }

        if (result.Chunks > 0)
        {
            Line("per-CPU", $"{Count(result.ChunksSame)} of {Count(result.Chunks)} chunks at the same address");
        }

        if (result.Final is { } final)
        {
            WriteFinal(final);
        }

        if (result.First is { } first)
        {
            WriteFirst(first);
        }

        Notes(result.Notes);
    }

    internal void Write(WhatIfResult result, bool ascii)
    {
        Line("requests", $"{Count(result.Requests)} of {result.Source}{(result.Interrupted ? "; stopped before the end" : "")}");
        Line("on", result.Description);
        ulong range = result.WindowEnd - result.WindowStart;
        Line("range", $"{AddressText.Hex(result.WindowStart)}-{AddressText.Hex(result.WindowEnd)}, {SizeText.Short(range)}");
        SpaceSample? last = result.Samples.IsEmpty ? null : result.Samples[^1];
        Line("used", $"{SizeText.Short(last?.UsedBytes ?? 0)} in {Count(last?.Areas ?? 0, "area")} at the end, "
            + $"at most {SizeText.Short(result.PeakUsedBytes)}");
        Line("waiting", $"at most {SizeText.Short(result.PeakLazyBytes)} freed and not purged; {Count(result.Purges, "purge")}");
        if (last is not null)
        {
            Line("largest hole", $"{SizeText.Short(last.LargestHoleBytes)} at the end, "
                + $"{SizeText.Short(result.Samples.Min(sample => sample.LargestHoleBytes))} in the tightest of {Count(result.Samples.Length, "sample")}");
        }

        Line("no room", Count(result.Failures, "request")
            + (result.FailedOnRecorder > 0 ? $", {Count(result.FailedOnRecorder)} of them had none when recorded either" : "")
            + (result.NewlyPlaced > 0 ? $"; {Count(result.NewlyPlaced)} that had none when recorded have room here" : ""));
        if (result.FirstFailure is { } failure)
        {
            Line("first", $"{Place(result, failure)}: {Request(failure.Request)}; used {SizeText.Short(failure.UsedBytes)}, "
                + $"largest hole {SizeText.Short(failure.LargestHoleBytes)}");
        }

        new SpacePicture(terminal, ascii).Write(result);
        Notes(result.Notes);
    }

    internal static void WriteCsv(WhatIfResult result, Terminal terminal)
    {
        TextWriter writer = terminal.Out;
        writer.WriteLine("time_ns,operations,used_bytes,areas,lazy_bytes,pooled_bytes,largest_hole_bytes,failures");
        foreach (SpaceSample sample in result.Samples)
        {
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{sample.Time},{sample.Operations},{sample.UsedBytes},{sample.Areas},{sample.LazyBytes},{sample.PooledBytes},{sample.LargestHoleBytes},{sample.Failures}"));
        }

        new ReplayText(terminal).Notes(result.Notes);
    }

    private void WriteFinal(FinalList final)
    {
        Line("final list", $"{Count(final.Same)} of {Count(final.Rows)} rows of {final.File} the same"
            + (final.DifferenceCount > 0 ? $", {Count(final.DifferenceCount)} differences" : ""));
        foreach (ListDifference difference in final.Differences)
        {
            Line("", $"only in the {(difference.InModel ? "model" : "kernel")}: {AddressText.Hex(difference.Start)}-{AddressText.Hex(difference.End)} "
                + $"{SizeText.Short(difference.End - difference.Start)} {difference.Owner}");
        }

        if (final.DifferenceCount > final.Differences.Length)
        {
            Line("", $"and {Count(final.DifferenceCount - final.Differences.Length)} more");
        }
    }

    private void WriteFirst(ReplayDifference first)
    {
        terminal.Out.WriteLine();
        terminal.Out.WriteLine(SafeText.Line(
            $"First difference ({(first.Kind == DifferenceKind.Unknowable ? "unknowable" : "unexplained")}): line {first.Line}, "
            + $"{Seconds(first.Time)} s, processor {first.Cpu}"));
        Line("  request", Request(first.Request));
        Line("  model", $"{Address(first.Model)}: {first.ModelReason}");
        Line("  kernel", $"{Address(first.Kernel)}: {first.KernelReason}");
        foreach (FreeBlock hole in first.Holes)
        {
            string marks = (first.Model is { } model && model >= hole.Start && model < hole.End ? " <- model" : "")
                + (first.Kernel is { } kernel && kernel >= hole.Start && kernel < hole.End ? " <- kernel" : "");
            Line("  hole", $"{AddressText.Hex(hole.Start)}-{AddressText.Hex(hole.End)} {SizeText.Short(hole.SizeBytes)}{marks}");
        }
    }

    private void Notes(IEnumerable<string> notes)
    {
        foreach (string note in notes)
        {
            terminal.Error.WriteLine($"note: {SafeText.Line(note)}");
        }
    }

    private static string Request(in AreaRequest request) =>
        $"{SizeText.Grouped(request.SizeBytes)} bytes with guard, aligned to {SizeText.Grouped(request.AlignBytes)}, "
        + $"between {AddressText.Hex(request.WindowStart)} and {AddressText.Hex(request.WindowEnd)}";

    private static string Address(ulong? address) => address is { } value ? AddressText.Hex(value) : "no room";

    /// <summary>The areas that were there at the start have no line.</summary>
    private static string Place(WhatIfResult result, WhatIfFailure failure) => failure.Line == 0
        ? "an area that was there at the start"
        : string.Create(CultureInfo.InvariantCulture, $"{(result.IsGenerated ? "step" : "line")} {failure.Line}");

    private static string Count(long value, string what) => $"{Count(value)} {what}{(value == 1 ? "" : "s")}";

    private static string Count(long value) => SizeText.Grouped((ulong)value);

    private static string Seconds(ulong nanoseconds) => (nanoseconds / 1e9).ToString("0.000000", CultureInfo.InvariantCulture);

    private void Line(string name, string value) => terminal.Out.WriteLine(SafeText.Line($"{name,-13}{value}").TrimEnd());
}
