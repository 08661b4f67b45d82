using System.CommandLine;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Cli.Output;

/// <summary>The argument every command that reads evidence takes, and how it is opened.</summary>
internal static class EvidenceArgument
{
    /// <summary>The argument: nothing means this machine.</summary>
    internal static Argument<string?> Create()
    {
        Argument<string?> argument = new("evidence")
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = "A directory, a .tar.gz, a file or - for standard input; this machine when left out",
        };
        argument.Validators.Add(result =>
        {
            // Otherwise a mistyped option is looked for as a file.
            if (result.Tokens is [{ Value: ['-', _, ..] option }])
            {
                result.AddError($"Unrecognized option '{option}'; a file of that name is ./{option}");
            }
        });
        return argument;
    }

    /// <summary>Opens what the argument names.</summary>
    /// <exception cref="EvidenceException">Not there, not readable, or nothing vmscope knows.</exception>
    internal static EvidenceBundle Open(string? path, Terminal terminal)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(path, path == "-" ? terminal.In : Stream.Null);
        foreach (Diagnostic note in bundle.Diagnostics)
        {
            // An archive that ends early, one of several captures: what is said below is about what was found.
            Tell(note, terminal);
        }

        bundle.TellOfDamage(note => Tell(note, terminal));
        return bundle;
    }

    /// <summary>Says on standard error what is wrong with a file.</summary>
    internal static void Tell(Diagnostic note, Terminal terminal) =>
        terminal.Error.WriteLine($"vmscope: {SafeText.Line(note.File)}: {SafeText.Line(note.Reason)}");
}
