using System.CommandLine;
using VmScope.Cli.Output;

namespace VmScope.Cli.Commands;

/// <summary>A command's name and how to construct it when it is asked for.</summary>
/// <param name="Name">The verb on the command line.</param>
/// <param name="Create">Builds the command with its options.</param>
internal sealed record CommandEntry(string Name, Func<Terminal, Command> Create);

/// <summary>Every command, in the order help lists them.</summary>
internal static class CommandTable
{
    internal static readonly CommandEntry[] Entries =
    [
        new(ExplainCommand.Name, ExplainCommand.Create),
        new(FitCommand.Name, FitCommand.Create),
        new("layout", LayoutCommand.Create),
        new(CheckCommand.Name, CheckCommand.Create),
        new("kernels", KernelsCommand.Create),
        new("replay", ReplayCommand.Create),
        new(DoctorCommand.Name, DoctorCommand.Create),
        new(DiffCommand.Name, DiffCommand.Create),
        new("watch", WatchCommand.Create),
        new(CollectCommand.Name, CollectCommand.Create),
        new(LabCommandLine.Name, LabCommandLine.Create),
        new(CompletionCommand.Name, CompletionCommand.Create),
        new(ManCommand.Name, ManCommand.Create),
    ];
}
