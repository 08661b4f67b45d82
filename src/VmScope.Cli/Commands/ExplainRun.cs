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
        EvidenceBundle bundle = Open(settings.Evidence, settings.Sample, terminal);
        ListExplanation list = Read(bundle, new ExplainOptions
        {
            KeepAllGaps = settings.Json || settings.Draw is not null || settings.By == Grouping.Gap || settings.All,
            Address = settings.Address,
        });
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
        if (!bundle.TryOpen("vmallocinfo", out Stream stream))
        {
            throw new EvidenceException(bundle.Kind == EvidenceKind.LiveMachine
                ? $"{bundle.WhyMissing("vmallocinfo")}{Environment.NewLine}Without root, try one of the built-in lists: vmscope explain --sample {Samples.All[0].Name} (there are: {Samples.Names})"
                : bundle.WhyMissing("vmallocinfo"));
        }

        using (stream)
        {
            return ListExplanation.Read(stream, bundle.Describe("vmallocinfo"), ExplainFacts.From(bundle), options, bundle.Name);
        }
    }
}
