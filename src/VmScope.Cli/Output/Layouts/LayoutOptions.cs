using System.CommandLine;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;
using VmScope.Sources;

namespace VmScope.Cli.Output.Layouts;

/// <summary>The options that describe a boot, and how they and evidence become the inputs of a prediction.</summary>
/// <remarks>Options win over evidence, so that "what if" is one option away from a real machine.</remarks>
internal sealed class LayoutOptions
{
    private static readonly string[] NumericSymbols =
        ["NR_CPUS", "PAGE_OFFSET", "ARM64_VA_BITS", "ARM64_PA_BITS", "ARM64_PAGE_SHIFT", "KASAN_SHADOW_OFFSET", "RANDOMIZE_MEMORY_PHYSICAL_PADDING"];

    private readonly Argument<string?> _evidence = EvidenceArgument.Create();
    private readonly Option<string?> _architecture = new("--arch") { Description = "i386, x86-64, arm, arm64 or riscv64", HelpName = "name" };
    private readonly Option<string?> _kernel = new("--kernel")
    {
        Description = "Kernel version: 2.6.32, 6.1.176, or a whole release or banner",
        HelpName = "version",
    };

    private readonly Option<string?> _config = new("--config") { Description = "The build's .config, gzipped or not", HelpName = "file" };
    private readonly Option<string[]> _set = new("--set")
    {
        Description = "Set one configuration symbol; may be repeated",
        HelpName = "CONFIG_X=y",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string?> _ram = new("--ram") { Description = "Amount of RAM: 512M, 2G", HelpName = "size" };
    private readonly Option<string?> _map = new("--memory-map")
    {
        Description = "The memory map: BIOS-e820 lines of a boot log, or /proc/iomem",
        HelpName = "file",
    };

    private readonly Option<string?> _commandLine = new("--cmdline") { Description = "The kernel's boot options", HelpName = "text" };
    private readonly Option<int?> _cpus = new("--cpus") { Description = "Processors of the machine", HelpName = "count" };

    /// <summary>Adds them to a command.</summary>
    internal void AddTo(Command command)
    {
        command.Arguments.Add(_evidence);
        foreach (Option option in (Option[])[_architecture, _kernel, _config, _set, _ram, _map, _commandLine, _cpus])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The inputs the command line describes.</summary>
    /// <exception cref="UsageException">An option contradicts itself or lacks its companion.</exception>
    internal LayoutInputs Read(ParseResult parsed, Terminal terminal, out EvidenceBundle? evidence)
    {
        string? path = parsed.GetValue(_evidence);
        KernelConfig? config = parsed.GetValue(_config) is { } file ? ConfigOf(file) : null;
        KernelIdentity? kernel = parsed.GetValue(_kernel) is { } version ? Kernel(version) : null;
        Architecture? architecture = parsed.GetValue(_architecture) is { } name ? ArchitectureOf(name) : null;
        evidence = path is not null || (kernel is null && architecture is null) ? EvidenceArgument.Open(path, terminal) : null;

        LayoutInputs inputs;
        if (evidence is not null && (kernel is null || architecture is null || path is not null))
        {
            inputs = evidence.Inputs.ToLayoutInputs(evidence.Name, kernel, architecture);
        }
        else
        {
            if (kernel is null)
            {
                throw new UsageException("--arch needs --kernel as well: which version?");
            }

            architecture ??= FromConfig(config) ?? throw new UsageException("--kernel needs --arch as well: i386, x86-64, arm, arm64 or riscv64");
            inputs = new LayoutInputs(new KernelDescription(kernel, architecture.Value));
        }

        KernelDescription description = inputs.Kernel with
        {
            Config = config ?? inputs.Kernel.Config,
            CommandLine = parsed.GetValue(_commandLine) is { } text ? KernelCommandLine.Parse(text) : inputs.Kernel.CommandLine,
        };
        foreach (string pair in parsed.GetValue(_set) ?? [])
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new UsageException($"--set {pair}: one looks like CONFIG_HIGHMEM64G=y");
            }

            string symbol = pair[..equals].StartsWith("CONFIG_", StringComparison.Ordinal) ? pair["CONFIG_".Length..equals] : pair[..equals];
            if (NumericSymbols.Contains(symbol) && KernelConfig.Nothing.With(symbol, pair[(equals + 1)..]).Number(symbol) is null)
            {
                throw new UsageException($"--set {pair}: {symbol} is a number");
            }

            description = description with { Config = description.Config.With(pair[..equals], pair[(equals + 1)..]) };
        }

        inputs = inputs with { Kernel = description };
        if (parsed.GetValue(_cpus) is { } cpus)
        {
            inputs = WithCpus(inputs, cpus);
        }

        if (parsed.GetValue(_ram) is { } ram)
        {
            if (parsed.GetValue(_map) is not null)
            {
                throw new UsageException("--ram and --memory-map say the same thing: give one of them");
            }

            inputs = inputs with { RamBytes = SizeOf(ram, "--ram"), Memory = null, NumaRanges = [] };
        }
        else if (parsed.GetValue(_map) is { } map)
        {
            inputs = inputs with { Memory = MapOf(map), RamBytes = null, NumaRanges = [] };
        }

        return inputs;
    }

    /// <summary>A size as the kernel reads one, nothing behind it.</summary>
    /// <exception cref="UsageException">It is not one, or does not fit into 64 bits.</exception>
    internal static ulong SizeOf(string text, string option)
    {
        if (KernelCommandLine.MemoryParse(text.Trim().Replace("iB", "", StringComparison.Ordinal), out string rest, out bool wrapped) is not { } bytes
            || rest.Length != 0)
        {
            throw new UsageException($"{option} {text}: one looks like 512M or 2G");
        }

        // The kernel would wrap around without a word; somebody who types a size here wants to hear of it.
        return wrapped ? throw new UsageException($"{option} {text}: more than 64 bits hold; the most is below 16E") : bytes;
    }

    /// <summary>A kernel from a version, a release or a banner.</summary>
    /// <exception cref="UsageException">It holds no version.</exception>
    internal static KernelIdentity Kernel(string text) =>
        KernelIdentity.Parse(text) ?? throw new UsageException($"--kernel {text}: one looks like 2.6.32, 6.1.176 or 7.3-rc7");

    /// <summary>The same inputs with so many processors, which stand in for NR_CPUS where nobody gave it.</summary>
    internal static LayoutInputs WithCpus(LayoutInputs inputs, int cpus)
    {
        if (cpus < 1)
        {
            throw new UsageException($"--cpus {cpus.ToString(CultureInfo.InvariantCulture)}: at least 1");
        }

        KernelDescription kernel = inputs.Kernel with { Cpu = inputs.Kernel.Cpu with { Count = cpus } };
        if (kernel.Config.Number("NR_CPUS") is not null)
        {
            return inputs with { Kernel = kernel };
        }

        string count = cpus.ToString(CultureInfo.InvariantCulture);
        return inputs with
        {
            Kernel = kernel with { Config = kernel.Config.With("NR_CPUS", count) },
            Assumed = [.. inputs.Assumed, new Assumption("NR_CPUS", count, "as many as --cpus says; the layout follows NR_CPUS only")],
        };
    }

    private static Architecture ArchitectureOf(string name)
    {
        Architecture architecture = Architectures.Parse(name);
        return architecture != Architecture.Unknown
            ? architecture
            : throw new UsageException($"--arch {name}: one of i386, x86-64, arm, arm64 and riscv64");
    }

    private static Architecture? FromConfig(KernelConfig? config) =>
        config is null ? null
        : config.Values.GetValueOrDefault("X86_64") == "y" ? Architecture.X64
        : config.Values.GetValueOrDefault("X86_32") == "y" || config.Values.GetValueOrDefault("X86") == "y" ? Architecture.I386
        : config.Values.GetValueOrDefault("ARM64") == "y" ? Architecture.Arm64
        : config.Values.GetValueOrDefault("ARM") == "y" ? Architecture.Arm
        : config.Values.GetValueOrDefault("RISCV") == "y" ? Architecture.Riscv64
        : null;

    private static KernelConfig ConfigOf(string path)
    {
        KernelConfig config = EvidenceBundle.Open(path, Stream.Null).Inputs.Config;
        return config.Values.Count > 0 ? config : throw new EvidenceException($"{path}: no configuration symbols in it");
    }

    private static MemoryMap MapOf(string path) =>
        EvidenceBundle.Open(path, Stream.Null).Inputs.MemoryMap
        ?? throw new EvidenceException($"{path}: no memory map in it (BIOS-e820 lines, or the lines of /proc/iomem as root sees them)");
}
