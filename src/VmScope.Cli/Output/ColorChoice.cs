using System.CommandLine;

namespace VmScope.Cli.Output;

/// <summary>When to colour: the <c>--color</c> option, the NO_COLOR variable, and whether a terminal reads us.</summary>
internal static class ColorChoice
{
    /// <summary>The option every command with coloured output carries.</summary>
    internal static Option<string> Option()
    {
        Option<string> option = new("--color")
        {
            Description = "Colour the output: auto (only to a terminal), always or never",
            DefaultValueFactory = _ => "auto",
            HelpName = "when",
        };
        option.AcceptOnlyFromAmong("auto", "always", "never");
        return option;
    }

    /// <summary>Whether to write colour codes.</summary>
    internal static bool Resolve(string choice, Terminal terminal) => choice switch
    {
        "always" => true,
        "never" => false,
        _ => terminal.OutIsTerminal && string.IsNullOrEmpty(terminal.Variable("NO_COLOR"))
            && !string.Equals(terminal.Variable("TERM"), "dumb", StringComparison.Ordinal),
    };
}

/// <summary>Writes text in a colour of the 256-colour palette, or plainly when colour is off.</summary>
/// <param name="Enabled">Whether codes are written at all.</param>
internal readonly record struct Paint(bool Enabled)
{
    /// <summary>The text in a foreground colour (0 to 255).</summary>
    internal string Foreground(int color, string text) => Enabled ? $"\x1b[38;5;{color}m{text}\x1b[0m" : text;

    /// <summary>The text in bold.</summary>
    internal string Bold(string text) => Enabled ? $"\x1b[1m{text}\x1b[0m" : text;

    /// <summary>The text dimmed.</summary>
    internal string Dim(string text) => Enabled ? $"\x1b[2m{text}\x1b[0m" : text;
}
