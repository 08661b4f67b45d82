using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>A line of the boot log's layout block.</summary>
/// <param name="Label">What the kernel calls it.</param>
/// <param name="Start">The first address.</param>
/// <param name="EndExclusive">The exclusive end; 0 for the top of the 64-bit space.</param>
public sealed record PrintedRegion(string Label, ulong Start, ulong EndExclusive);

/// <summary>What is known beside the list itself; everything may be missing.</summary>
public sealed record ExplainFacts
{
    /// <summary>Nothing but the list.</summary>
    public static ExplainFacts None { get; } = new();

    /// <summary>The kernel.</summary>
    public KernelIdentity? Kernel { get; init; }

    /// <summary>The architecture.</summary>
    public Architecture Architecture { get; init; }

    /// <summary>Bytes of a page; null when nobody said.</summary>
    public ulong? PageBytes { get; init; }

    /// <summary>The build's configuration.</summary>
    public KernelConfig Config { get; init; } = KernelConfig.Nothing;

    /// <summary>The boot options; null when nobody said.</summary>
    public KernelCommandLine? CommandLine { get; init; }

    /// <summary>VmallocTotal of /proc/meminfo in KiB.</summary>
    public ulong? VmallocTotalKiB { get; init; }

    /// <summary>VmallocUsed of /proc/meminfo in KiB.</summary>
    public ulong? VmallocUsedKiB { get; init; }

    /// <summary>VmallocChunk of /proc/meminfo in KiB.</summary>
    public ulong? VmallocChunkKiB { get; init; }

    /// <summary>MemTotal of /proc/meminfo in KiB.</summary>
    public ulong? MemTotalKiB { get; init; }

    /// <summary>The vmalloc line of the boot log's layout block, its end exclusive; null when not printed.</summary>
    public (ulong Start, ulong EndExclusive)? BootLogVmalloc { get; init; }

    /// <summary>The modules line of the boot log's layout block, its end exclusive; null when not printed.</summary>
    public (ulong Start, ulong EndExclusive)? BootLogModules { get; init; }

    /// <summary>The other lines of that block that name a window, their ends exclusive; empty when not printed.</summary>
    public List<PrintedRegion> BootLogRegions { get; init; } = [];

    /// <summary>Processors the kernel can ever have; null when nobody said.</summary>
    public int? PossibleCpus { get; init; }

    /// <summary>Bytes between two processors' units of a per-CPU chunk; null when nobody said.</summary>
    public ulong? PercpuUnitBytes { get; init; }

    /// <summary>The layout computed from everything above; null when that is not possible.</summary>
    public KernelLayout? Predicted { get; init; }

    /// <summary>What a bundle says beside its list.</summary>
    public static ExplainFacts From(EvidenceBundle bundle)
    {
        if (bundle.Kind is EvidenceKind.SingleFile or EvidenceKind.StandardInput)
        {
            // A list that comes alone: looking for the other files would only cost start-up.
            return None;
        }

        return Collect(bundle);
    }

    /// <summary>What the text around a list's rows says.</summary>
    internal static ExplainFacts From(OtherText text, string file) =>
        Collect(new EvidenceBundle(new TextFiles(text, file), EvidenceKind.SingleFile, new DiagnosticList()));

    private static ExplainFacts Collect(EvidenceBundle bundle)
    {
        ExplainFacts facts = new()
        {
            Kernel = bundle.Kernel,
            Architecture = bundle.Architecture,
            Config = bundle.Config,
            CommandLine = bundle.CommandLine,
            VmallocTotalKiB = bundle.Meminfo?.VmallocTotalKiB,
            VmallocUsedKiB = bundle.Meminfo?.VmallocUsedKiB,
            VmallocChunkKiB = bundle.Meminfo?.VmallocChunkKiB,
            MemTotalKiB = bundle.Meminfo?.MemTotalKiB,
            PageBytes = bundle.Kernel is null && bundle.Config == KernelConfig.Nothing ? null : bundle.PageSize.Bytes,
            PossibleCpus = bundle.Cpus.PossibleCount,
            BootLogVmalloc = Printed(bundle, "vmalloc"),
            BootLogModules = Printed(bundle, "modules"),
            BootLogRegions = PrintedRegions(bundle),
            PercpuUnitBytes = bundle.Dmesg?.Percpu?.UnitBytes,
        };
        return facts with { Predicted = facts.BootLogVmalloc is null ? Predict(bundle) : null };
    }

    private static (ulong Start, ulong EndExclusive)? Printed(EvidenceBundle bundle, string label) =>
        Range(bundle.Dmesg?.LayoutOf(label));

    private static List<PrintedRegion> PrintedRegions(EvidenceBundle bundle)
    {
        List<PrintedRegion> regions = [];
        foreach (LayoutLine line in bundle.Dmesg?.Layout ?? [])
        {
            if (OtherWindows.Known(line.Label) is not null && Range(line) is { } range)
            {
                regions.Add(new PrintedRegion(line.Label, range.Start, range.EndExclusive));
            }
        }

        return regions;
    }

    private static (ulong Start, ulong EndExclusive)? Range(LayoutLine? line) =>
        line is { Start: { } start, End: { } end } && end > start
            // An odd address is a last byte, as x86-64 gives it.
            ? (start.Value, (end.Value & 1) != 0 ? unchecked(end.Value + 1) : end.Value)
            : null;

    private static KernelLayout? Predict(EvidenceBundle bundle)
    {
        // x86-64 needs none: its window has one place, or a random one that only the rows show.
        if (bundle.Kernel is null || bundle.Architecture is Architecture.Unknown or Architecture.X64)
        {
            return null;
        }

        try
        {
            return LayoutPredictor.Predict(bundle.Inputs.ToLayoutInputs(bundle.Name)) is LayoutAnswer.Predicted predicted
                ? predicted.Layout
                : null;
        }
        catch (EvidenceException)
        {
            return null;
        }
    }
}
