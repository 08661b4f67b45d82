namespace VmScope.Kernels;

/// <summary>How much memory x86 gives up at physical 0 because firmware writes there.</summary>
/// <remarks>Source: arch/x86/kernel/setup.c, parse_reservelow(), 3.4.</remarks>
internal static class X86LowMemory
{
    private const ulong Least = 4 * Size.KiB;
    private const ulong Most = 640 * Size.KiB;

    /// <summary>X86_RESERVE_LOW, or what <c>reservelow=</c> asks for within its limits; whole pages.</summary>
    internal static ulong ReservedBytes(KernelCommandLine commandLine, ConfigReader config)
    {
        ulong bytes = Math.Min(config.AskNumber("X86_RESERVE_LOW") ?? 64, Most / Size.KiB) * Size.KiB;
        foreach (string? value in commandLine.All("reservelow"))
        {
            if (value is not null)
            {
                bytes = Math.Clamp(KernelCommandLine.MemoryParse(value, out _) ?? 0, Least, Most);
            }
        }

        return Align.Up(bytes, Least);
    }
}
