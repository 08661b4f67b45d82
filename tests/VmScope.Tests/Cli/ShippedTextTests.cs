using System.Diagnostics;
using VmScope.Cli.Output;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>
/// Keeps the shipped manual page and completions equal to the definitions: the tests write them, and a tree that this
/// changed is not clean (.ci/run refuses it).
/// </summary>
public class ShippedTextTests
{
    [Theory]
    [InlineData("bash", "completions/vmscope.bash")]
    [InlineData("zsh", "completions/_vmscope")]
    [InlineData("fish", "completions/vmscope.fish")]
    public void Completions_name_every_command_and_option(string shell, string path)
    {
        CliRun run = CliRun.Of("completion", shell);
        Assert.Equal(0, run.ExitCode);
        foreach (CommandShape command in Shape().All())
        {
            Assert.All(command.Path, word => Assert.Contains(word, run.OutText, StringComparison.Ordinal));
            foreach (ParameterShape option in command.Options)
            {
                Assert.Contains(shell == "fish" ? "-l " + option.Names[0].TrimStart('-') : option.Names[0], run.OutText, StringComparison.Ordinal);
            }
        }

        Keep(path, run.OutText);
    }

    [Fact]
    public void The_manual_describes_every_command_and_option()
    {
        CliRun run = CliRun.Of("man");
        Assert.Equal(0, run.ExitCode);
        foreach (CommandShape command in Shape().All().Where(command => command.Path.Length > 0))
        {
            Assert.Contains(".SS vmscope " + string.Join(' ', command.Path).Replace("-", "\\-", StringComparison.Ordinal), run.OutText, StringComparison.Ordinal);
            Assert.All(command.Options, option =>
                Assert.Contains(option.Names[0].Replace("-", "\\-", StringComparison.Ordinal), run.OutText, StringComparison.Ordinal));
            Assert.All(command.Examples, example => Assert.Contains("vmscope", example.CommandLine, StringComparison.Ordinal));
        }

        Keep("docs/man/vmscope.1", run.OutText);
    }

    [Fact]
    public void Every_command_has_examples_and_its_help_opens_with_them()
    {
        foreach (CommandShape command in Shape().All().Where(command => command.Path.Length > 0))
        {
            if (command.Subcommands.Length == 0)
            {
                Assert.True(command.Examples.Length > 0, $"vmscope {string.Join(' ', command.Path)} has no examples");
            }

            CliRun run = CliRun.Of([.. command.Path, "--help"]);
            Assert.Equal(0, run.ExitCode);
            Assert.StartsWith(command.Examples.Length > 0 ? "Examples:\n" : "Description:", run.OutText, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Bash_accepts_its_script_and_completes_with_it()
    {
        const string Bash = "/bin/bash";
        Assert.True(File.Exists(Bash), "the script can only be tried with bash installed");
        string script = CliRun.Of("completion", "bash").OutText +
            "COMP_WORDS=(vmscope col); COMP_CWORD=1; _vmscope; echo \"${COMPREPLY[@]}\"\n" +
            "COMP_WORDS=(vmscope collect --red); COMP_CWORD=2; _vmscope; echo \"${COMPREPLY[@]}\"\n" +
            "COMP_WORDS=(vmscope completion z); COMP_CWORD=2; _vmscope; echo \"${COMPREPLY[@]}\"\n";
        using Process bash = Process.Start(new ProcessStartInfo(Bash, "--norc") { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        bash.StandardInput.Write(script);
        bash.StandardInput.Close();
        Assert.Equal("collect\n--redact\nzsh\n", bash.StandardOutput.ReadToEnd());
        bash.WaitForExit();
        Assert.Equal(0, bash.ExitCode);
    }

    private static CommandShape Shape() => CommandShape.Of(VmScope.Cli.Cli.EveryCommand(CliRun.Of("--version")));

    private static void Keep(string path, string text)
    {
        string full = Path.Combine(Captures.RepositoryFolder, path);
        if (!File.Exists(full) || File.ReadAllText(full) != text)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, text);
        }

        Assert.Equal(text, File.ReadAllText(full));
    }
}
