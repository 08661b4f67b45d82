using System.CommandLine;
using System.Globalization;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope explain</c>: what fills the vmalloc area.</summary>
internal static class ExplainCommand
{
    internal const string Name = "explain";

    internal static Command Create(Terminal terminal) => Create(settings => ExplainRun.Run(settings, terminal));

    /// <summary>The command with its options, and what to do with what they say.</summary>
    internal static Command Create(Func<ExplainSettings, int> run)
    {
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<string?> sample = new("--sample") { Description = $"Explain a built-in list instead: {Samples.Names}", HelpName = "name" };
        sample.CompletionSources.Add(Samples.All.Select(known => known.Name).ToArray());
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json.md)" };
        Option<bool> csv = new("--csv") { Description = "Print the table chosen by --by as CSV" };
        Option<bool> all = new("--all") { Description = "List every owner and every gap, not only the largest" };
        Option<string> by = new("--by") { Description = "Sum by caller, module, kind or node; gap lists the gaps", HelpName = "what", DefaultValueFactory = _ => "caller" };
        by.AcceptOnlyFromAmong("caller", "module", "kind", "node", "gap");
        Option<string> sort = new("--sort") { Description = "Order by bytes, areas, pages or name", HelpName = "key", DefaultValueFactory = _ => "bytes" };
        sort.AcceptOnlyFromAmong("bytes", "areas", "pages", "name");
        Option<string?> area = new("--area") { Description = "Explain one address: its area, page, guard page or hole, and the neighbours", HelpName = "address" };
        Option<bool> ascii = new("--ascii") { Description = "Draw with plain ASCII characters" };
        Option<string> color = ColorChoice.Option();
        Command command = new Command(Name, "Explain /proc/vmallocinfo: owners, gaps, the largest hole, and what looks wrong")
        {
            evidence, sample, json, csv, all, by, sort, area, ascii, color,
        }.WithExamples(
            new Example("sudo vmscope explain", "this machine"),
            new Example($"vmscope explain --sample {Samples.All[0].Name}", "a built-in list, without root"),
            new Example("vmscope explain bundle.tar.gz --all", "every owner and gap of a collected bundle"),
            new Example("vmscope explain list.txt --area 0xffffc9000072b000", "what is at this address"),
            new Example("ssh host sudo cat /proc/vmallocinfo | vmscope explain - --json", "another machine, for a script"));
        PictureOptions pictures = new(command);
        command.SetAction(parsed => run(new ExplainSettings
        {
            Evidence = parsed.GetValue(evidence),
            Sample = parsed.GetValue(sample),
            Json = parsed.GetValue(json),
            Csv = parsed.GetValue(csv),
            All = parsed.GetValue(all),
            Ascii = parsed.GetValue(ascii),
            By = TryGrouping(parsed.GetValue(by)!)!.Value,
            Sort = TryOrder(parsed.GetValue(sort)!)!.Value,
            Address = parsed.GetValue(area) is { } text ? ParseAddress(text) : null,
            Color = parsed.GetValue(color)!,
            Draw = pictures.AnyAsked(parsed) ? (terminal, make) => pictures.Write(parsed, terminal, make) : null,
        }));
        return command;
    }

    /// <summary>The grouping of a name; null for none.</summary>
    internal static Grouping? TryGrouping(string text) => text switch
    {
        "caller" => Grouping.Caller,
        "module" => Grouping.Module,
        "kind" => Grouping.Kind,
        "node" => Grouping.Node,
        "gap" => Grouping.Gap,
        _ => null,
    };

    /// <summary>The order of a name; null for none.</summary>
    internal static OwnerOrder? TryOrder(string text) => text switch
    {
        "bytes" => OwnerOrder.Bytes,
        "areas" => OwnerOrder.Areas,
        "pages" => OwnerOrder.Pages,
        "name" => OwnerOrder.Name,
        _ => null,
    };

    /// <summary>Reads an address: hexadecimal, with or without 0x.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    internal static ulong ParseAddress(string text)
    {
        string digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        return ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address)
            ? address
            : throw new UsageException($"'{text}' is no address; give up to 16 hexadecimal digits, with or without 0x");
    }
}
