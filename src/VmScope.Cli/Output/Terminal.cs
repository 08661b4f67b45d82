namespace VmScope.Cli.Output;

/// <summary>Where a command writes and what can be shown there.</summary>
/// <remarks>Data goes to <see cref="Out"/>, notes and progress to <see cref="Error"/>.</remarks>
internal abstract class Terminal
{
    /// <summary>Data: what a pipe should see.</summary>
    internal abstract TextWriter Out { get; }

    /// <summary>Data as bytes, for archives and long JSON; whatever <see cref="Out"/> holds is written first.</summary>
    internal abstract Stream OutBytes { get; }

    /// <summary>Notes, progress, errors.</summary>
    internal abstract TextWriter Error { get; }

    /// <summary>Standard input as bytes.</summary>
    internal abstract Stream In { get; }

    /// <summary>Whether <see cref="Out"/> is a person's terminal.</summary>
    internal abstract bool OutIsTerminal { get; }

    /// <summary>Whether <see cref="Error"/> is a person's terminal.</summary>
    internal abstract bool ErrorIsTerminal { get; }

    /// <summary>Whether a person types into <see cref="In"/>.</summary>
    internal virtual bool InIsTerminal => false;

    /// <summary>The next key a person presses; only where <see cref="InIsTerminal"/>.</summary>
    internal virtual ConsoleKeyInfo ReadKey() => throw new InvalidOperationException("nobody types here");

    /// <summary>Columns to lay out for; 80 when nobody says.</summary>
    internal abstract int Width { get; }

    /// <summary>Whether a write failed because the reader went away.</summary>
    internal virtual bool OutputIsGone => false;

    /// <summary>An environment variable, or null.</summary>
    internal abstract string? Variable(string name);
}
