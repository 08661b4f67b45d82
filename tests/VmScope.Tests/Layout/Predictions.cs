using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Short ways to ask for a layout in tests.</summary>
internal static class Predictions
{
    /// <summary>Predicts from a version, an amount of RAM and configuration symbols ("NR_CPUS=8 X86_PAE=y").</summary>
    internal static LayoutAnswer Ask(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        LayoutPredictor.Predict(Inputs(architecture, version, ramBytes, config, commandLine));

    /// <summary>The layout, where there is one.</summary>
    internal static KernelLayout Of(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        Assert.IsType<LayoutAnswer.Predicted>(Ask(architecture, version, ramBytes, config, commandLine)).Layout;

    /// <summary>The inputs of both.</summary>
    internal static LayoutInputs Inputs(Architecture architecture, string version, ulong ramBytes, string config = "", string commandLine = "") =>
        new(new KernelDescription(new KernelIdentity(version, KernelVersion.Parse(version), KernelVendor.Mainline), architecture)
        {
            Config = Config(config),
            CommandLine = KernelCommandLine.Parse(commandLine),
        })
        { RamBytes = ramBytes };

    /// <summary>An excerpt of a configuration.</summary>
    internal static KernelConfig Config(string symbols) => new(
        symbols.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair =>
        {
            string[] parts = pair.Split('=', 2);
            return new KeyValuePair<string, string>(parts[0], parts[1]);
        }), isComplete: false);
}
