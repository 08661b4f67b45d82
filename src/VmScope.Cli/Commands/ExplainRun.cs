using VmScope.Analysis;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Explain;
using VmScope.Cli.Output.Pictures;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary>Reads evidence and prints what explains it.</summary>
internal static class ExplainRun
{
    internal static int Run(ExplainSettings settings, Terminal terminal)
    {
        if (settings.Json && settings.Csv)
        {
            throw new UsageException("--json and --csv are different outputs: give one of them");
        }

        if (settings.Csv && settings.Address is not null)
        {
            throw new UsageException("--area explains one address, --csv prints a table: give one of them");
        }

        ExplainOptions options = new()
        {
            KeepAllGaps = settings.Json || settings.Draw is not null || settings.By == Grouping.Gap || settings.All,
            KeepAreas = settings.Draw is not null,
            BarCells = settings.Json || settings.Csv ? 0 : ExplainText.BarCells(terminal),
            Address = settings.Address,
        };
        ListExplanation list = ReadPlainFile(settings, options) ?? Read(Open(settings.Evidence, settings.Sample, terminal), options);
        if (settings.Json)
        {
            ExplainJson.Write(list, terminal.Out);
        }
        else if (settings.Csv)
        {
            ExplainCsv.Write(list, settings, terminal.Out);
        }
        else
        {
            new ExplainText(list, settings, terminal).Write();
        }

        settings.Draw?.Invoke(terminal, () => WindowPicture.Explained(list));
        foreach (Finding finding in list.Findings)
        {
            if (finding.HasWeight)
            {
                return ExitCode.Finding;
            }
        }

        return ExitCode.Fine;
    }

    /// <summary>Reads a list in a file of its own the short way; null when the evidence is anything else.</summary>
    private static ListExplanation? ReadPlainFile(ExplainSettings settings, ExplainOptions options)
    {
        if (settings.Sample is not null || settings.Evidence is null or "-" || ListFile.TryOpen(settings.Evidence) is not { } file)
        {
            return null;
        }

        using (file)
        {
            return ListExplanation.ReadFile(file, settings.Evidence, options);
        }
    }

    /// <summary>Opens what the command line names.</summary>
    /// <exception cref="UsageException">Both a sample and evidence are named, or no such sample.</exception>
    internal static EvidenceBundle Open(string? evidence, string? sample, Terminal terminal)
    {
        if (sample is null)
        {
            return EvidenceArgument.Open(evidence, terminal);
        }

        return evidence is null ? Samples.Open(sample) : throw new UsageException("--sample and evidence exclude each other");
    }

    /// <summary>Reads the list of a bundle.</summary>
    /// <exception cref="EvidenceException">It is missing or unreadable; the message says what to do.</exception>
    internal static ListExplanation Read(EvidenceBundle bundle, ExplainOptions options)
    {
        if (bundle.Kind == EvidenceKind.LiveMachine && bundle.Missing("vmallocinfo") != MissingReason.None)
        {
            throw new EvidenceException($"{bundle.WhyMissing("vmallocinfo")}{Environment.NewLine}Without root, try one of the built-in lists: "
                + $"vmscope explain --sample {Samples.All[0].Name} (there are: {Samples.Names})");
        }

        return ListExplanation.Read(bundle, options);
    }
}
