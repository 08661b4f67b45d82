using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Recording;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>A list to compare together with the evidence it came with.</summary>
/// <param name="Snapshot">What is compared.</param>
/// <param name="Bundle">The evidence.</param>
/// <param name="TimeSource">Where the time came from; null without one.</param>
public sealed record DiffInput(DiffSnapshot Snapshot, EvidenceBundle Bundle, string? TimeSource)
{
    /// <summary>The list's bytes, kept where they can be read only once: standard input, a pipe; null where they can be read again.</summary>
    internal byte[]? List { get; init; }

    /// <summary>The list explained: windows, holes.</summary>
    /// <exception cref="EvidenceException">It cannot be read again.</exception>
    public ListExplanation Explain()
    {
        using Stream stream = List is { } kept ? new MemoryStream(kept, writable: false) : Bundle.OpenRequired("vmallocinfo");
        return ListExplanation.Read(stream, Bundle.Describe("vmallocinfo"), ExplainFacts.From(Bundle), ExplainOptions.Default, Snapshot.Name);
    }
}

/// <summary>Reads what is to be compared.</summary>
public static class DiffInputs
{
    /// <summary>Samples of one recording that are compared; a longer one is thinned evenly, first and last kept.</summary>
    public const int SamplesMax = 200;

    private const int KeptListBytes = 1 << 30;

    /// <summary>Every sample of a recording.</summary>
    /// <param name="reader">The recording.</param>
    /// <param name="name">What to call it.</param>
    /// <exception cref="EvidenceException">Fewer than two of its samples hold a list.</exception>
    public static ImmutableArray<DiffInput> FromRecording(RecordingReader reader, string name)
    {
        int[] usable = [.. Enumerable.Range(0, reader.Count)];
        int wanted = Math.Min(usable.Length, SamplesMax);
        ImmutableArray<DiffInput>.Builder inputs = ImmutableArray.CreateBuilder<DiffInput>();
        int last = -1;
        for (int i = 0; i < wanted; i++)
        {
            int index = wanted == 1 ? 0 : (int)((long)i * (usable.Length - 1) / (wanted - 1));
            if (index == last || reader.Snapshot(index) is not { } sample || sample.File("vmallocinfo") is null)
            {
                continue;
            }

            last = index;
            string called = string.Create(CultureInfo.InvariantCulture, $"{name} #{index + 1}");
            DiffInput input = From(EvidenceBundle.FromSnapshot(sample, called), called, null);
            inputs.Add(input with
            {
                Snapshot = input.Snapshot with { Time = sample.Time, Uptime = sample.UptimeMilliseconds is { } uptime ? TimeSpan.FromMilliseconds(uptime) : input.Snapshot.Uptime },
                TimeSource = "recorded",
            });
        }

        return inputs.Count >= 2
            ? inputs.ToImmutable()
            : throw new EvidenceException($"{name}: {inputs.Count} of its samples hold a list; two are needed to compare");
    }

    /// <summary>One bundle or list.</summary>
    /// <param name="bundle">The evidence.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="fileTime">When its file was last written, where the caller may trust that; null otherwise.</param>
    /// <exception cref="EvidenceException">It holds no list.</exception>
    public static DiffInput From(EvidenceBundle bundle, string name, DateTimeOffset? fileTime)
    {
        DiagnosticList diagnostics = new();
        bool isAlone = bundle.Kind is EvidenceKind.SingleFile or EvidenceKind.StandardInput;
        using Stream opened = bundle.OpenRequired("vmallocinfo");
        byte[]? kept = isAlone && bundle.PlainPath("vmallocinfo") is null ? SmallFile.ReadAll(opened, bundle.Describe("vmallocinfo"), KeptListBytes) : null;
        using Stream stream = kept is null ? opened : new MemoryStream(kept, writable: false);
        DiffSnapshot snapshot = new(name, VmallocInfoReader.ReadReport(stream, bundle.Describe("vmallocinfo"), diagnostics));
        if (snapshot.Areas.Rows.Length == 0 && diagnostics.Count > 0)
        {
            throw new EvidenceException($"{bundle.Describe("vmallocinfo")}: none of its lines is a row of /proc/vmallocinfo");
        }

        TimeSpan? uptime = isAlone ? null : Uptime(bundle);
        return new DiffInput(
            snapshot with
            {
                Time = fileTime,
                Uptime = uptime,
                Kernel = bundle.Kernel?.Release,
                Architecture = bundle.Architecture == Architecture.Unknown ? null : bundle.Architecture.Name(),
                Modules = !isAlone && bundle.Modules is { } modules ? [.. modules.Select(module => module.Name)] : null,
            }, bundle, fileTime is not null ? "file time" : uptime is not null ? "uptime" : null)
        {
            List = kept,
        };
    }

    private static TimeSpan? Uptime(EvidenceBundle bundle)
    {
        string? first = bundle.ReadIfSound("uptime", (stream, _) =>
        {
            byte[] start = new byte[64];
            int length = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            return System.Text.Encoding.ASCII.GetString(start, 0, length).Split([' ', '\n'], 2)[0];
        });
        return decimal.TryParse(first, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds) && seconds < 1_000_000_000
            ? TimeSpan.FromSeconds((double)seconds)
            : null;
    }
}
