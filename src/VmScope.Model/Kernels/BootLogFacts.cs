using VmScope.Kernels.Timelines;

namespace VmScope.Kernels;

/// <summary>What a boot log's silence means, which depends on what that kernel would have said.</summary>
public static class BootLogFacts
{
    /// <summary>
    /// Whether an arm64 kernel announces a processor with 52-bit virtual addresses, so that a log without the line tells
    /// of one without them.
    /// </summary>
    public static bool Announces52BitAddresses(KernelVersion version) => Arm64Timelines.Announces52Bits.At(version);
}
