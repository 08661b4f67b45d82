using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Tests.Layout;

/// <summary>Short forms for asking the predictor from a test.</summary>
internal static class Predict
{
    /// <summary>Inputs of one kernel; configuration as "SYMBOL=value" words.</summary>
    internal static LayoutInputs Inputs(Architecture architecture, string version, string config = "", string commandLine = "",
        int? virtualBits = null) =>
        new(new KernelDescription(new KernelIdentity(version, KernelVersion.Parse(version), KernelVendor.Mainline), architecture)
        {
            Config = Config(config),
            CommandLine = KernelCommandLine.Parse(commandLine),
            Cpu = new CpuFacts { VirtualAddressBits = virtualBits },
        });

    /// <summary>The same inputs on a machine with these banks of RAM.</summary>
    internal static LayoutInputs WithRam(this LayoutInputs inputs, params (ulong Start, ulong Bytes)[] banks) => inputs with
    {
        Memory = new MemoryMap(banks.Select(bank =>
            new MemoryMapEntry(new PhysicalRange(new PhysicalAddress(bank.Start), bank.Bytes), MemoryKind.Usable))),
    };

    /// <summary>The layout; fails the test when there is none.</summary>
    internal static KernelLayout Layout(this LayoutInputs inputs) => LayoutPredictor.Predict(inputs) switch
    {
        LayoutAnswer.Predicted predicted => predicted.Layout,
        LayoutAnswer.Impossible impossible => throw new Xunit.Sdk.XunitException("impossible: " + impossible.Reason),
        _ => throw new Xunit.Sdk.XunitException("no answer"),
    };

    /// <summary>Why there is no layout; fails the test when there is one.</summary>
    internal static string Refusal(this LayoutInputs inputs) =>
        Assert.IsType<LayoutAnswer.Impossible>(LayoutPredictor.Predict(inputs)).Reason;

    /// <summary>Predicts from a version, an amount of RAM and configuration symbols ("NR_CPUS=8 X86_PAE=y").</summary>
    internal static LayoutAnswer Ask(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        LayoutPredictor.Predict(Inputs(architecture, version, ramBytes, config, commandLine));

    /// <summary>The layout, where there is one.</summary>
    internal static KernelLayout Of(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        Assert.IsType<LayoutAnswer.Predicted>(Ask(architecture, version, ramBytes, config, commandLine)).Layout;

    /// <summary>The inputs of both.</summary>
    internal static LayoutInputs Inputs(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        Inputs(architecture, version, config, commandLine) with { RamBytes = ramBytes };

    /// <summary>An excerpt of a configuration.</summary>
    internal static KernelConfig Config(string symbols) => new(
        symbols.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair =>
        {
            string[] parts = pair.Split('=', 2);
            return new KeyValuePair<string, string>(parts[0], parts[1]);
        }), isComplete: false);
}
