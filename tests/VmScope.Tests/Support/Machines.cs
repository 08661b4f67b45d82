using VmScope.Kernels;
using VmScope.Machine;

namespace VmScope.Tests.Support;

/// <summary>Machines for tests: a kernel of every era, in every paging mode it has.</summary>
internal static class Machines
{
    /// <summary>One kernel per era of placement, purge, kmap, direct map and messages.</summary>
    private static readonly string[] I386Versions =
    [
        "2.4.22", "2.6.11", "2.6.24", "2.6.29", "2.6.32", "2.6.39", "3.4", "3.10", "4.4", "4.15", "5.0", "5.4", "5.9", "5.10", "5.15", "5.17", "6.1", "6.12",
    ];

    private static readonly string[] X64Versions =
    [
        "2.6.18", "2.6.32", "3.10", "4.4", "4.9", "4.19", "5.4", "5.10", "5.15", "5.17", "6.1", "6.9", "6.12", "6.19",
    ];

    /// <summary>Names of all of them.</summary>
    internal static IEnumerable<string> Names =>
        I386Versions.Select(version => $"i386 {version}")
            .Concat(I386Versions.Where(version => version != "2.4.22").Select(version => $"pae {version}"))
            .Concat(X64Versions.Select(version => $"x86-64 {version}"))
            .Concat(["x86-64-5level 5.10", "x86-64-5level 6.12"]);

    /// <summary>A description by name: mode, blank, version.</summary>
    internal static MachineDescription Describe(string name, ulong ramBytes, int cpus = 1, string options = "")
    {
        string[] parts = name.Split(' ');
        KernelIdentity identity = KernelIdentity.Parse(parts[1])!;
        KernelDescription kernel = new(identity, parts[0].StartsWith("x86-64", StringComparison.Ordinal) ? Architecture.X64 : Architecture.I386)
        {
            Config = new KernelConfig(parts[0] switch
            {
                "i386" => [new("HIGHMEM4G", "y"), new("HIGHMEM", "y"), new("X86_PAE", "n"), new("NR_CPUS", "8")],
                "pae" => [new("HIGHMEM64G", "y"), new("HIGHMEM", "y"), new("X86_PAE", "y"), new("NR_CPUS", "8")],
                "x86-64-5level" => [new("X86_5LEVEL", "y"), new("NR_CPUS", "64")],
                _ => [new("X86_5LEVEL", "n"), new("NR_CPUS", "64")],
            }, isComplete: false),
            CommandLine = KernelCommandLine.Parse(parts[0].StartsWith("x86", StringComparison.Ordinal) ? options + " nokaslr" : options),
            Cpu = new CpuFacts
            {
                Flags = parts[0] switch
                {
                    "i386" => ["pse", "pge"],
                    "pae" => ["pse", "pge", "pae", "nx"],
                    "x86-64-5level" => ["pse", "pge", "pae", "nx", "la57"],
                    _ => ["pse", "pge", "pae", "nx"],
                },
                Count = cpus,
            },
        };
        return new MachineDescription(kernel) { RamBytes = ramBytes, Cpus = cpus };
    }

    /// <summary>Boots a machine that must boot.</summary>
    internal static BootedMachine Boot(string name, ulong ramBytes, int cpus = 1, string options = "") =>
        BootedMachine.Boot(Describe(name, ramBytes, cpus, options)) switch
        {
            BootOutcome.Booted booted => booted.Machine,
            BootOutcome.Impossible impossible => throw new InvalidOperationException($"{name}: {impossible.Reason}"),
            _ => throw new InvalidOperationException(),
        };
}
