using System.CommandLine;
using System.Reflection;
using VmScope.Cli.Commands;
using VmScope.Cli.Output;
using VmScope.Sources;

namespace VmScope.Cli;

/// <summary>The command line: picks the one command asked for, runs it, turns failures into exit codes.</summary>
/// <remarks>
/// Only the command that was named is constructed, and nothing of the command-line library is touched for
/// <c>--version</c>: start-up is felt on every call.
/// </remarks>
internal static class Cli
{
    internal static int Run(string[] args, Terminal terminal)
    {
        try
        {
            int exitCode = Execute(args, terminal);
            // Here and not at the end of the process, so that a full disk is an error.
            terminal.Out.Flush();
            return exitCode;
        }
        catch (UsageException error)
        {
            return Fail(terminal, error.Message, ExitCode.Usage);
        }
        catch (EvidenceException error)
        {
            return Fail(terminal, error.Message, ExitCode.Unreadable);
        }
        catch (UnauthorizedAccessException error)
        {
            return Fail(terminal, FileProblem.TextWithFile(error), ExitCode.Unreadable);
        }
        catch (IOException error) when (terminal.OutputIsGone)
        {
            // The reader of our output left (vmscope … | head): nobody is there to be told.
            _ = error;
            return ExitCode.Fine;
        }
        catch (IOException error)
        {
            return Fail(terminal, FileProblem.TextWithFile(error), ExitCode.Unreadable);
        }
    }

    private static int Execute(string[] args, Terminal terminal)
    {
        if (args is ["--version"] or ["-V"])
        {
            terminal.Out.WriteLine(VersionText);
            return ExitCode.Fine;
        }

        return args is [ExplainCommand.Name, ..] && ExplainArguments.TryParse(args.AsSpan(1)) is { } settings
            ? ExplainRun.Run(settings, terminal)
            : Invoke(args, terminal);
    }

    internal static string VersionText =>
        "vmscope " + typeof(Cli).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The whole tree of commands, for help, the man page and completions.</summary>
    internal static RootCommand EveryCommand(Terminal terminal)
    {
        RootCommand root = Root();
        foreach (CommandEntry entry in CommandTable.Entries)
        {
            root.Subcommands.Add(entry.Create(terminal));
        }

        return root;
    }

    private static int Invoke(string[] args, Terminal terminal)
    {
        CommandEntry? named = args.Length == 0
            ? null
            : CommandTable.Entries.FirstOrDefault(entry => string.Equals(entry.Name, args[0], StringComparison.Ordinal));
        RootCommand root;
        if (named is null)
        {
            root = EveryCommand(terminal);
            args = args.Length == 0 ? ["--help"] : args;
        }
        else
        {
            root = Root();
            root.Subcommands.Add(named.Create(terminal));
        }

        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            string messages = string.Join(Environment.NewLine, parsed.Errors.Select(error => error.Message.Replace("\t", "  ", StringComparison.Ordinal)));
            throw new UsageException($"{messages}{Environment.NewLine}Try: vmscope {(named is null ? "" : named.Name + " ")}--help");
        }

        return parsed.Invoke(new InvocationConfiguration
        {
            Output = terminal.Out,
            Error = terminal.Error,
            EnableDefaultExceptionHandler = false,
        });
    }

    private static RootCommand Root()
    {
        RootCommand root = new("Predicts, runs and explains the Linux kernel's virtual address space.");
        Examples.OpenHelpWithExamples(root);
        return root;
    }

    private static int Fail(Terminal terminal, string message, int exitCode)
    {
        try
        {
            terminal.Out.Flush();
        }
        catch (IOException)
        {
            // What went wrong first is the thing to say.
        }

        terminal.Error.WriteLine($"vmscope: {SafeText.Lines(message)}");
        return exitCode;
    }
}
