using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using VmScope.Analysis;
using VmScope.Cli.Output;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope check</c>: predicts from the inputs in some evidence, then compares with every answer in there.</summary>
internal static class CheckCommand
{
    internal const string Name = "check";

    private const int Green = 2;
    private const int Red = 1;

    internal static Command Create(Terminal terminal)
    {
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json-check.md)" };
        Option<string> color = ColorChoice.Option();
        Command command = new Command(Name, "Predict this layout from version, configuration, options and memory, and compare with what the kernel says")
        {
            evidence, json, color,
        }.WithExamples(
            new Example("sudo vmscope check", "whether this machine is laid out as its kernel should be"),
            new Example("vmscope check bundle.tar.gz", "a collected bundle: a line for each answer it holds"),
            new Example("vmscope check dmesg.txt", "one boot log"),
            new Example("vmscope check bundle.tar.gz --json", "for a script"));
        command.SetAction(parsed =>
        {
            EvidenceBundle bundle = EvidenceArgument.Open(parsed.GetValue(evidence), terminal);
            LayoutCheckReport report = LayoutCheck.Run(bundle);
            // What is wrong with a whole file was told while it was opened; lines are counted here.
            Diagnostic[] odd = [.. bundle.Diagnostics.Where(note => note.Line > 0)];
            if (parsed.GetValue(json))
            {
                WriteJson(report, odd.Length, terminal.Out);
            }
            else
            {
                WriteText(report, terminal, new Paint(ColorChoice.Resolve(parsed.GetValue(color)!, terminal)));
            }

            if (odd.Length > 0)
            {
                string count = $"{odd.Length.ToString(CultureInfo.InvariantCulture)}{(odd.Length == DiagnosticList.Limit ? " or more" : "")}";
                terminal.Error.WriteLine(SafeText.Line($"vmscope: {(odd.Length == 1 ? "1 line was" : $"{count} lines were")} not understood and not compared; the first: "
                    + $"{odd[0].File}, line {odd[0].Line.ToString(CultureInfo.InvariantCulture)}: {odd[0].Text} ({odd[0].Reason})"));
            }

            return report.Agrees ? ExitCode.Fine : ExitCode.Finding;
        });
        return command;
    }

    private static void WriteText(LayoutCheckReport report, Terminal terminal, Paint paint)
    {
        KernelDescription kernel = report.Inputs.Kernel;
        terminal.Out.WriteLine(SafeText.Line($"{kernel.Architecture.Name()} {kernel.Version} ({kernel.Identity.Release})"));
        ColumnTable table = new(("", Side.Left), ("Answer", Side.Left), ("Predicted", Side.Left), ("Observed", Side.Left), ("In", Side.Left));
        int differing = 0;
        foreach (LayoutComparison comparison in report.Comparisons)
        {
            differing += comparison.Agrees ? 0 : 1;
            table.Add(comparison.Agrees ? "ok" : "DIFFERS", comparison.Name, comparison.Predicted, comparison.Observed, comparison.Source);
        }

        // The table makes its cells safe, so colour can only be put on the finished lines.
        using StringWriter lines = new(CultureInfo.InvariantCulture) { NewLine = "\n" };
        table.Write(lines, int.MaxValue);
        foreach (string line in lines.ToString().TrimEnd('\n').Split('\n'))
        {
            terminal.Out.WriteLine(
                line.StartsWith("ok ", StringComparison.Ordinal) ? paint.Foreground(Green, "ok") + line[2..]
                : line.StartsWith("DIFFERS ", StringComparison.Ordinal) ? paint.Foreground(Red, "DIFFERS") + line["DIFFERS".Length..]
                : paint.Bold(line));
        }

        foreach (string reason in report.NotCompared)
        {
            terminal.Out.WriteLine(SafeText.Line("not compared: " + reason));
        }

        foreach (Assumption assumption in report.Assumed)
        {
            terminal.Out.WriteLine(SafeText.Line("assumed: " + assumption));
        }

        foreach (string note in report.Layout?.Notes ?? [])
        {
            terminal.Out.WriteLine(SafeText.Line("note: " + note));
        }

        terminal.Out.WriteLine(differing == 0
            ? $"{report.Comparisons.Length} answers, all as predicted"
            : $"{differing} of {report.Comparisons.Length} answers differ from the prediction");
    }

    private static void WriteJson(LayoutCheckReport report, int unparsedLines, TextWriter output)
    {
        using JsonText text = new(output);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("arch", report.Inputs.Kernel.Architecture.Name());
        json.WriteString("kernel", report.Inputs.Kernel.Version.ToString());
        json.WriteString("release", report.Inputs.Kernel.Identity.Release);
        json.WriteBoolean("agrees", report.Agrees);
        json.WriteStartArray("checks");
        foreach (LayoutComparison comparison in report.Comparisons)
        {
            json.WriteStartObject();
            json.WriteString("name", comparison.Name);
            json.WriteString("predicted", comparison.Predicted);
            json.WriteString("observed", comparison.Observed);
            json.WriteBoolean("agrees", comparison.Agrees);
            json.WriteString("source", comparison.Source);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNumber("unparsedLineCount", unparsedLines);
        text.Texts("notCompared", report.NotCompared);
        text.Texts("assumed", report.Assumed.Select(assumption => assumption.ToString()));
        text.Texts("notes", report.Layout?.Notes ?? []);
        json.WriteEndObject();
    }
}
