namespace VmScope.Kernels;

/// <summary>The processor architectures whose address space vmscope knows.</summary>
public enum Architecture
{
    /// <summary>Not known; evidence can still be read, nothing can be predicted.</summary>
    Unknown,

    /// <summary>32-bit x86.</summary>
    I386,

    /// <summary>64-bit x86.</summary>
    X64,

    /// <summary>32-bit arm with an MMU.</summary>
    Arm,

    /// <summary>64-bit arm.</summary>
    Arm64,

    /// <summary>64-bit riscv.</summary>
    Riscv64,
}

/// <summary>Names of architectures, as kernels, distributions and people write them.</summary>
public static class Architectures
{
    /// <summary>The name vmscope prints: i386, x86-64, arm, arm64, riscv64 or unknown.</summary>
    public static string Name(this Architecture architecture) => architecture switch
    {
        Architecture.I386 => "i386",
        Architecture.X64 => "x86-64",
        Architecture.Arm => "arm",
        Architecture.Arm64 => "arm64",
        Architecture.Riscv64 => "riscv64",
        Architecture.Unknown => "unknown",
    };

    /// <summary>Whether <c>unsigned long</c> has 64 bits there.</summary>
    public static bool Is64Bit(this Architecture architecture) =>
        architecture is Architecture.X64 or Architecture.Arm64 or Architecture.Riscv64;

    /// <summary>Finds an architecture by any of its usual names; case does not matter.</summary>
    /// <returns><see cref="Architecture.Unknown"/> for a name nobody uses.</returns>
    public static Architecture Parse(string name) => name.ToLowerInvariant() switch
    {
        "i386" or "i486" or "i586" or "i686" or "x86" or "x86_32" or "x86-32" or "ia32" => Architecture.I386,
        "x86-64" or "x86_64" or "amd64" or "x64" => Architecture.X64,
        "arm" or "armhf" or "armel" or "armv6l" or "armv7l" or "arm32" => Architecture.Arm,
        "arm64" or "aarch64" => Architecture.Arm64,
        "riscv64" or "riscv" or "rv64" => Architecture.Riscv64,
        _ => Architecture.Unknown,
    };
}
