using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using VmScope.Cli.Output;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope collect</c>: one archive to attach to a bug report, which every command reads.</summary>
internal static class CollectCommand
{
    internal const string Name = "collect";

    internal static Command Create(Terminal terminal)
    {
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<string?> output = new("--output", "-o")
        {
            Description = "The archive to write (- for standard output); vmscope-RELEASE-DATE.tar.gz when left out",
            HelpName = "file",
        };
        Option<bool> redact = new("--redact")
        {
            Description = "Replace module and host names, the same name by the same word everywhere",
        };
        Command command = new(Name, "Write this machine's evidence into one archive that every command reads")
        {
            evidence, output, redact,
        };
        command.SetAction(parsed => Run(
            terminal, parsed.GetValue(evidence), parsed.GetValue(output), parsed.GetValue(redact), TimeProvider.System.GetUtcNow()));
        return command.WithExamples(
            new Example("sudo vmscope collect", "everything about this machine, in one archive"),
            new Example("sudo vmscope collect --redact -o report.tar.gz", "the same without module and host names"),
            new Example("vmscope collect -o - | ssh desk vmscope explain -", "look at it somewhere else"));
    }

    private static int Run(Terminal terminal, string? evidence, string? output, bool redact, DateTimeOffset now)
    {
        EvidenceBundle bundle = EvidenceArgument.Open(evidence, terminal);
        string folder = FolderName(bundle, now);
        string path = output ?? folder + ".tar.gz";
        ImmutableArray<CollectedFile> files;
        if (path == "-")
        {
            if (terminal.OutIsTerminal)
            {
                throw new UsageException("the archive is binary and would go to your terminal; give a file with -o, or a pipe");
            }

            files = Write(bundle, terminal.OutBytes, folder, redact, now);
            terminal.OutBytes.Flush();
        }
        else if (File.Exists(path) && new FileInfo(path).Length == 0)
        {
            // A device, a named pipe, or a file somebody made for this: there is nothing to lose in it, and moving another
            // file over it would take its place.
            using (FileStream file = new(path, FileMode.Open, FileAccess.Write))
            {
                files = Write(bundle, file, folder, redact, now);
            }

            terminal.Out.WriteLine(SafeText.Line(path));
        }
        else
        {
            // Written aside and moved into place, so that a failure leaves no half archive behind.
            path = File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
            string aside = path + ".part";
            try
            {
                using (FileStream file = new(aside, FileMode.Create, FileAccess.Write))
                {
                    files = Write(bundle, file, folder, redact, now);
                }

                File.Move(aside, path, overwrite: output is not null);
            }
            finally
            {
                File.Delete(aside);
            }

            terminal.Out.WriteLine(SafeText.Line(path));
        }

        foreach (CollectedFile file in files.Where(file => file.Problem is not null))
        {
            terminal.Error.WriteLine($"vmscope: not in the archive: {file.Name}: {SafeText.Line(file.Problem!)}");
        }

        return ExitCode.Fine;
    }

    private static ImmutableArray<CollectedFile> Write(
        EvidenceBundle bundle, Stream stream, string folder, bool redact, DateTimeOffset now) =>
        EvidenceCollector.Write(bundle, stream, folder, redact, now, Cli.VersionText);

    // The release with everything but plain characters replaced: it becomes a file name.
    private static string FolderName(EvidenceBundle bundle, DateTimeOffset now)
    {
        string release = string.Concat((bundle.Kernel?.Release ?? "unknown").Take(40)
            .Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '+' or '_' ? c : '_'));
        return $"vmscope-{release}-{now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}";
    }
}
