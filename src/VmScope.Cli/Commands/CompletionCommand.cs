using System.CommandLine;
using VmScope.Cli.Output;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope completion</c>: prints a shell's completion script.</summary>
internal static class CompletionCommand
{
    internal const string Name = "completion";

    internal static Command Create(Terminal terminal)
    {
        Argument<string> shell = new("shell") { Description = "The shell" };
        shell.AcceptOnlyFromAmong(CompletionScripts.Shells);
        Command command = new(Name, "Print the completion script of a shell") { shell };
        command.SetAction(parsed =>
        {
            terminal.Out.Write(CompletionScripts.For(parsed.GetValue(shell)!, CommandShape.Of(Cli.EveryCommand(terminal))));
            return ExitCode.Fine;
        });
        return command.WithExamples(
            new Example("vmscope completion bash > /etc/bash_completion.d/vmscope", "complete in bash"),
            new Example("vmscope completion zsh > \"${fpath[1]}/_vmscope\"", "complete in zsh"),
            new Example("vmscope completion fish > ~/.config/fish/completions/vmscope.fish", "complete in fish"));
    }
}
