namespace VmScope.Kernels;

/// <summary>A kernel and how it is started: everything about it that decides an address.</summary>
/// <param name="Identity">Release, upstream version and builder.</param>
/// <param name="Architecture">The architecture it was built for.</param>
public sealed record KernelDescription(KernelIdentity Identity, Architecture Architecture)
{
    /// <summary>The build's configuration; what it does not say is assumed, and the assumption stated.</summary>
    public KernelConfig Config { get; init; } = KernelConfig.Nothing;

    /// <summary>The boot options.</summary>
    public KernelCommandLine CommandLine { get; init; } = KernelCommandLine.Empty;

    /// <summary>What is known of the processors.</summary>
    public CpuFacts Cpu { get; init; } = CpuFacts.Unknown;

    /// <summary>The upstream version whose behaviour is expected.</summary>
    public KernelVersion Version => Identity.Version;
}
