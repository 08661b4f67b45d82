using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace VmScope.Cli.Output;

/// <summary>A command line worth copying.</summary>
/// <param name="CommandLine">What to type, from <c>vmscope</c> on.</param>
/// <param name="What">What it answers, in a few words.</param>
internal sealed record Example(string CommandLine, string What);

/// <summary>The examples of each command: what its help opens with, and what the man page shows.</summary>
internal static class Examples
{
    private static readonly ConditionalWeakTable<Command, Example[]> ByCommand = [];

    /// <summary>Gives a command its examples, the most usual first.</summary>
    internal static TCommand WithExamples<TCommand>(this TCommand command, params Example[] examples) where TCommand : Command
    {
        ByCommand.AddOrUpdate(command, examples);
        return command;
    }

    /// <summary>The examples of a command; the whole program's are the first of each of its commands.</summary>
    internal static Example[] Of(Command command) =>
        ByCommand.TryGetValue(command, out Example[]? examples) ? examples
        : command is RootCommand ? [.. command.Subcommands.Where(sub => !sub.Hidden).SelectMany(sub => Of(sub).Take(1))]
        : [];

    /// <summary>Makes <c>--help</c> of a command and of everything below it open with the examples.</summary>
    internal static void OpenHelpWithExamples(RootCommand root)
    {
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction standard })
            {
                option.Action = new ExamplesFirst(standard);
            }
        }
    }

    private sealed class ExamplesFirst(HelpAction standard) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            Example[] examples = Of(parseResult.CommandResult.Command);
            if (examples.Length > 0)
            {
                TextWriter output = parseResult.InvocationConfiguration.Output;
                output.WriteLine("Examples:");
                int width = examples.Max(example => example.CommandLine.Length);
                foreach (Example example in examples)
                {
                    output.WriteLine($"  {example.CommandLine.PadRight(width)}  {example.What}".TrimEnd());
                }

                output.WriteLine();
            }

            return standard.Invoke(parseResult);
        }
    }
}
