using System.CommandLine;
using VmScope.Sources;

namespace VmScope.Cli.Output;

/// <summary>The argument every command that reads evidence takes, and how it is opened.</summary>
internal static class EvidenceArgument
{
    /// <summary>The argument: nothing means this machine.</summary>
    internal static Argument<string?> Create() => new("evidence")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "A directory, a .tar.gz, a file or - for standard input; this machine when left out",
    };

    /// <summary>Opens what the argument names.</summary>
    /// <exception cref="EvidenceException">Not there, not readable, or nothing vmscope knows.</exception>
    internal static EvidenceBundle Open(string? path, Terminal terminal) =>
        EvidenceBundle.Open(path, path == "-" ? terminal.In : Stream.Null);
}
