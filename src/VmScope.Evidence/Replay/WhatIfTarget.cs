using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Sources;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>What a what-if changes; null leaves a thing as it was recorded.</summary>
public sealed record WhatIfChange
{
    /// <summary>Another kernel version.</summary>
    public KernelVersion? Kernel { get; init; }

    /// <summary>The placement rules of an era, whatever the version; one of <see cref="WhatIfTarget.Eras"/>.</summary>
    public string? Era { get; init; }

    /// <summary>Another amount of RAM in bytes.</summary>
    public ulong? RamBytes { get; init; }

    /// <summary>Boot options put behind the recorded ones.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Another page size.</summary>
    public ulong? PageBytes { get; init; }

    /// <summary>Freed areas are reusable at once.</summary>
    public bool WithoutLazyFreeing { get; init; }

    /// <summary>Whether anything changes.</summary>
    public bool IsAny => this != new WhatIfChange();
}

/// <summary>Makes the kernel and layout of a what-if.</summary>
public static class WhatIfTarget
{
    private static readonly ImmutableArray<(string Name, KernelVersion Version)> EraVersions =
    [
        ("A1", new KernelVersion(2, 4, 22)),
        ("A", new KernelVersion(2, 6, 24)),
        ("B1", new KernelVersion(2, 6, 37)),
        ("B2", new KernelVersion(2, 6, 39)),
        ("B3", new KernelVersion(4, 19)),
        ("C1", new KernelVersion(5, 10)),
        ("C2", new KernelVersion(5, 17)),
        ("C3", new KernelVersion(6, 6)),
        ("D", new KernelVersion(6, 12)),
    ];

    /// <summary>The names of eras, oldest first; docs/replay.md says what each is.</summary>
    public static IEnumerable<string> Eras => EraVersions.Select(era => era.Name);

    /// <summary>Changes a recorded kernel and machine.</summary>
    /// <param name="recorded">What was recorded.</param>
    /// <param name="machine">Its evidence, which a changed layout is predicted from; null without.</param>
    /// <param name="change">What changes.</param>
    /// <exception cref="EvidenceException">A layout that was asked for cannot be predicted; the message says why.</exception>
    public static WhatIf Make(VmallocSetup recorded, EvidenceInputs? machine, WhatIfChange change)
    {
        List<string> words = [];
        List<string> notes = [];
        VmallocSetup target = recorded;
        if (change.Kernel is { } version)
        {
            target = target with { Facts = VmallocTimelines.At(version) };
            words.Add($"kernel {version}");
        }

        if (change.Era is { } era)
        {
            target = target with { Facts = VmallocTimelines.At(EraVersions.First(row => row.Name == era).Version) };
            words.Add($"the rules of era {era}");
        }

        if (change.PageBytes is { } pageBytes)
        {
            target = target with
            {
                PageBytes = pageBytes,
                WindowStart = Align.Up(target.WindowStart, pageBytes),
            };
            words.Add($"pages of {pageBytes / Size.KiB} KiB");
            if (pageBytes != recorded.PageBytes && machine?.Architecture is Architecture.I386 or Architecture.X64)
            {
                notes.Add($"x86 has no pages of {pageBytes / Size.KiB} KiB: this tells what such pages would cost, not what a kernel can do");
            }
        }

        if (change.RamBytes is not null || change.CommandLine is not null || (change.Kernel is not null && machine is not null))
        {
            target = WithLayout(target, machine, change, words, notes);
        }

        if (change.WithoutLazyFreeing)
        {
            target = target with { WithoutLazyFreeing = true };
            words.Add("no lazy freeing");
        }

        return new WhatIf(target, words.Count == 0 ? "as recorded" : string.Join(", ", words))
        {
            Notes = [.. notes],
        };
    }

    private static VmallocSetup WithLayout(VmallocSetup target, EvidenceInputs? machine, WhatIfChange change, List<string> words, List<string> notes)
    {
        bool wasAskedFor = change.RamBytes is not null || change.CommandLine is not null;
        if (machine is null)
        {
            throw new EvidenceException("--ram and --cmdline change a layout, and nothing tells whose: give --evidence");
        }

        if (change.RamBytes is { } ram)
        {
            words.Add($"{ram / Size.MiB} MiB RAM");
        }

        if (change.CommandLine is { } line)
        {
            words.Add($"booted with {line}");
        }

        LayoutAnswer answer = LayoutPredictor.Predict(Inputs(machine, change));
        if (answer is LayoutAnswer.Predicted { Layout: { } layout } && !IsRandom(layout))
        {
            // On x86-64 the kernel passes the last byte as the end; elsewhere the first one behind.
            ulong end = layout.Inputs.Kernel.Architecture == Architecture.X64 ? layout.Vmalloc.Last.Value : layout.Vmalloc.EndExclusive.Value;
            return target with { WindowStart = layout.Vmalloc.Start.Value, WindowEnd = end };
        }

        string why = answer is LayoutAnswer.Impossible impossible ? impossible.Reason : "the vmalloc range is random; add nokaslr to --cmdline";
        if (wasAskedFor)
        {
            throw new EvidenceException($"the layout asked for cannot be predicted: {why}");
        }

        notes.Add($"the range is the recorded one; where kernel {change.Kernel} has it cannot be predicted: {why}");
        return target;
    }

    private static bool IsRandom(KernelLayout layout) =>
        layout.Regions.Any(region => region.Kind == RegionKind.Vmalloc && region.IsBounds);

    private static LayoutInputs Inputs(EvidenceInputs machine, WhatIfChange change)
    {
        LayoutInputs inputs = machine.ToLayoutInputs("the evidence");
        KernelDescription kernel = inputs.Kernel;
        if (change.Kernel is { } version)
        {
            kernel = kernel with { Identity = new KernelIdentity(version.ToString(), version, KernelVendor.Mainline) };
        }

        if (change.CommandLine is { } line)
        {
            kernel = kernel with { CommandLine = KernelCommandLine.Parse($"{kernel.CommandLine.Text} {line}".Trim()) };
        }

        inputs = inputs with { Kernel = kernel };
        return change.RamBytes is { } ram ? inputs with { Memory = null, RamBytes = ram } : inputs;
    }
}
