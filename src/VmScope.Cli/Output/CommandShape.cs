using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;

namespace VmScope.Cli.Output;

/// <summary>An option or argument as manuals and completions need it.</summary>
/// <param name="Names">All spellings of an option, the long one first; for an argument its name.</param>
/// <param name="Description">One line.</param>
/// <param name="ValueName">What stands for its value; null for a switch.</param>
/// <param name="Values">The only values it takes; empty when any will do.</param>
/// <param name="IsRequired">Whether it must be given.</param>
internal sealed record ParameterShape(
    string[] Names, string Description, string? ValueName, string[] Values, bool IsRequired);

/// <summary>A command as manuals and completions need it, taken from the definitions the parser uses.</summary>
/// <param name="Path">The words after <c>vmscope</c>; empty for the program itself.</param>
/// <param name="Description">What it does.</param>
/// <param name="Options">Its own options; --help is the program's.</param>
/// <param name="Arguments">Its arguments in order.</param>
/// <param name="Subcommands">Its visible subcommands.</param>
/// <param name="Examples">Lines worth copying.</param>
internal sealed record CommandShape(
    string[] Path,
    string Description,
    ParameterShape[] Options,
    ParameterShape[] Arguments,
    CommandShape[] Subcommands,
    Example[] Examples)
{
    /// <summary>Describes a command and everything visible below it.</summary>
    internal static CommandShape Of(Command command, params string[] path) => new(
        path,
        command.Description ?? "",
        [.. command.Options.Where(option => !option.Hidden).Select(Describe)],
        [.. command.Arguments.Where(argument => !argument.Hidden).Select(Describe)],
        [.. command.Subcommands.Where(sub => !sub.Hidden).Select(sub => Of(sub, [.. path, sub.Name]))],
        Output.Examples.Of(command));

    /// <summary>This command and all below it, in order.</summary>
    internal IEnumerable<CommandShape> All() => Subcommands.SelectMany(sub => sub.All()).Prepend(this);

    private static ParameterShape Describe(Option option)
    {
        bool isSwitch = option.ValueType == typeof(bool) || option is HelpOption or VersionOption || option.Arity.MaximumNumberOfValues == 0;
        string[] names = [option.Name, .. option.Aliases.Where(alias => alias != option.Name && !alias.StartsWith('/'))];
        return new ParameterShape(
            [.. names.OrderByDescending(name => name.StartsWith("--", StringComparison.Ordinal)).ThenBy(name => name, StringComparer.Ordinal)],
            option.Description ?? "",
            isSwitch ? null : option.HelpName ?? option.Name.TrimStart('-'),
            isSwitch ? [] : Values(option.GetCompletions(CompletionContext.Empty)),
            option.Required);
    }

    private static ParameterShape Describe(Argument argument) => new(
        [argument.Name], argument.Description ?? "", argument.HelpName ?? argument.Name,
        Values(argument.GetCompletions(CompletionContext.Empty)), argument.Arity.MinimumNumberOfValues > 0);

    private static string[] Values(IEnumerable<CompletionItem> items) => [.. items.Select(item => item.Label).Where(label => label.Length > 0)];
}
