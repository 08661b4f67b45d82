using System.CommandLine;
using VmScope.Cli.Output;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope man</c>: prints the manual page.</summary>
internal static class ManCommand
{
    internal const string Name = "man";

    internal static Command Create(Terminal terminal)
    {
        Command command = new(Name, "Print the manual page");
        command.SetAction(_ =>
        {
            terminal.Out.Write(ManPage.Write(CommandShape.Of(Cli.EveryCommand(terminal)), Cli.VersionText));
            return ExitCode.Fine;
        });
        return command.WithExamples(
            new Example("vmscope man | man -l -", "read it"),
            new Example("vmscope man > /usr/local/share/man/man1/vmscope.1", "install it"));
    }
}
