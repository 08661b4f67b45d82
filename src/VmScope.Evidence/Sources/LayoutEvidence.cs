using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Sources;

/// <summary>Turns what evidence says of a boot's inputs into what a prediction starts from.</summary>
/// <remarks>It sees <see cref="EvidenceInputs"/> only, so no answer of the kernel can leak into a prediction.</remarks>
public static class LayoutEvidence
{
    /// <summary>The inputs of a prediction; what the evidence does not say stays unsaid.</summary>
    /// <param name="evidence">The inputs among the evidence.</param>
    /// <param name="name">What to call the evidence in a message.</param>
    /// <param name="givenKernel">A kernel that stands in for the evidence's; null for that one.</param>
    /// <param name="givenArchitecture">An architecture that stands in for the evidence's; null for that one.</param>
    /// <exception cref="EvidenceException">
    /// The evidence names no kernel, or no architecture, and none was given; or a file is damaged that an input stood in.
    /// </exception>
    public static LayoutInputs ToLayoutInputs(this EvidenceInputs evidence, string name, KernelIdentity? givenKernel = null,
        Architecture? givenArchitecture = null)
    {
        if (evidence.MissedInput(givenKernel is not null, givenArchitecture is not null) is { } damage)
        {
            throw new EvidenceException($"{damage.File}: {damage.Reason.Replace("; the file is left out", "", StringComparison.Ordinal)}");
        }

        KernelIdentity kernel = givenKernel ?? evidence.Kernel
            ?? throw new EvidenceException($"{name} does not say which kernel ran: it has neither a version file nor a boot log that goes back to the start");
        Architecture architecture = givenArchitecture ?? evidence.Architecture;
        if (architecture == Architecture.Unknown)
        {
            throw new EvidenceException($"{name} does not say for which architecture {kernel.Release} was built");
        }

        KernelCommandLine commandLine = evidence.CommandLine ?? KernelCommandLine.Empty;
        KernelConfig config = evidence.Config;
        if (config.Value("NR_CPUS") is null && evidence.BootLog?.CpusMax is { } cpusMax)
        {
            config = config.With("NR_CPUS", cpusMax.ToString(CultureInfo.InvariantCulture));
        }

        return new LayoutInputs(new KernelDescription(kernel, architecture)
        {
            Config = config,
            CommandLine = commandLine,
            Cpu = Processors(evidence),
        })
        {
            Memory = evidence.MemoryMap,
            RamBytes = evidence.MemoryMap is null && evidence.DescribedRamMiB is { } ramMiB ? (ulong)ramMiB * Size.MiB : null,
            NumaRanges = evidence.BootLog is { } log && commandLine.Last("numa") != "off" ? log.NumaRanges : [],
        };
    }

    private static Kernels.CpuFacts Processors(EvidenceInputs evidence)
    {
        CpuFacts cpus = evidence.Cpus;
        return new Kernels.CpuFacts
        {
            Flags = cpus.Info is { Flags.Count: > 0 } info ? info.Flags.ToImmutableHashSet(StringComparer.Ordinal) : null,
            Count = cpus.PossibleCount ?? cpus.OnlineCount,
            PhysicalAddressBits = cpus.Info?.PhysicalBits,
            VirtualAddressBits = evidence.Architecture switch
            {
                Architecture.X64 => cpus.Info?.VirtualBits,
                Architecture.Arm64 => Arm64Bits(evidence),
                Architecture.Riscv64 => cpus.Info?.Mmu switch
                {
                    "sv39" => 39,
                    "sv48" => 48,
                    "sv57" => 57,
                    _ => null,
                },
                _ => null,
            },
        };
    }

    // A log without the line tells something only if it goes back to the boot and its kernel would have printed the line.
    private static int? Arm64Bits(EvidenceInputs evidence) =>
        evidence.BootLog is not { } log ? null
        : log.Has52BitVirtualAddresses ? 52
        : log.Banner is not null && BootLogFacts.Announces52BitAddresses(evidence.Kernel!.Version) ? 48
        : null;
}
