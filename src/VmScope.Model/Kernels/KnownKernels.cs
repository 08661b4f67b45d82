using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>What of one architecture is supported.</summary>
/// <param name="Architecture">The architecture.</param>
/// <param name="First">The oldest version.</param>
/// <param name="LastRead">The newest version whose source was read.</param>
/// <param name="LastBooted">The newest version that was booted and agreed; <paramref name="LastRead"/> or older where none is newer.</param>
/// <param name="Gaps">Ranges inside that nobody read or booted, in words.</param>
public sealed record KnownKernel(
    Architecture Architecture, KernelVersion First, KernelVersion LastRead, KernelVersion LastBooted, string Gaps);

/// <summary>Lists the kernels whose layout is known.</summary>
/// <remarks>
/// To add a version: rows in Timelines/ for what changed, the numbers here, a golden capture. To add an architecture: a
/// timeline file, a facts class, a layout class, one line in LayoutPredictor, and a row here.
/// </remarks>
public static class KnownKernels
{
    /// <summary>One row per architecture.</summary>
    public static ImmutableArray<KnownKernel> All { get; } =
    [
        new(Architecture.I386, new(2, 4, 16), new(6, 19), new(6, 5, 10),
            "2.4.17-2.4.19, 2.4.21, 2.4.23 and later 2.4, 2.5.x, 2.6.0-2.6.8, 2.6.10, 3.17-3.18, 4.13-4.14, 4.16-4.17, 5.5-5.6"),
        new(Architecture.X64, new(2, 6, 9), new(6, 19), new(7, 3, Candidate: 7), "2.6.10-2.6.11, 4.20"),
        new(Architecture.Arm, new(2, 6, 28), new(6, 18), new(7, 2, 13), "3.1-3.3"),
        new(Architecture.Arm64, new(3, 10), new(6, 18), new(7, 2, 13), "3.15-3.18, 4.5-4.9, 5.16, 6.5"),
        new(Architecture.Riscv64, new(4, 15), new(6, 18), new(7, 2, 13), "5.16, 6.10-6.11"),
    ];

    /// <summary>The row of an architecture, or null.</summary>
    public static KnownKernel? Of(Architecture architecture)
    {
        foreach (KnownKernel known in All)
        {
            if (known.Architecture == architecture)
            {
                return known;
            }
        }

        return null;
    }

    /// <summary>Whether a kernel is of a known architecture and not older than the oldest known.</summary>
    public static bool IsKnown(KernelDescription kernel) => Of(kernel.Architecture) is not null && Refusal(kernel) is null;

    /// <summary>Why a kernel is too old to say anything; null when it is not.</summary>
    internal static string? Refusal(KernelDescription kernel) =>
        Of(kernel.Architecture) is { } known && kernel.Version < known.First
            ? $"{kernel.Architecture.Name()} {kernel.Version} is not known: the oldest is {known.First}"
            : null;

    /// <summary>States what is taken for granted about a kernel nobody read, or one a vendor changed.</summary>
    internal static void StateAssumptions(KernelDescription kernel, ConfigReader config)
    {
        if (Of(kernel.Architecture) is { } known && kernel.Version > known.LastRead && kernel.Version > known.LastBooted)
        {
            config.Assume("kernel version", kernel.Version.ToString(),
                $"newer than any {kernel.Architecture.Name()} kernel read ({known.LastRead}) or booted ({known.LastBooted}): taken to be like them");
        }

        if (kernel.Identity.Vendor != KernelVendor.Mainline)
        {
            config.Assume("vendor kernel", kernel.Identity.Vendor.ToString(),
                $"taken as the unmodified release {kernel.Version}; a vendor's changes to the layout are not known");
        }
    }
}
