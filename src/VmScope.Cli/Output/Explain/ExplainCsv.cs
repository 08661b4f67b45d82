using System.Globalization;
using VmScope.Analysis;
using VmScope.Cli.Commands;

namespace VmScope.Cli.Output.Explain;

/// <summary>The chosen table as CSV (RFC 4180): exact bytes, one header line.</summary>
internal static class ExplainCsv
{
    internal static void Write(ListExplanation list, ExplainSettings settings, TextWriter writer)
    {
        if (settings.By == Grouping.Gap)
        {
            Line(writer, "window", "start", "end", "bytes", "kind");
            foreach (WindowAccount account in list.Windows)
            {
                foreach (Gap gap in account.All)
                {
                    Line(writer, account.Window.Name, list.Hex(gap.Start), list.Hex(gap.EndExclusive), Number(gap.Bytes), GapKinds.Name(gap.Kind));
                }
            }

            return;
        }

        string first = settings.By switch
        {
            Grouping.Module => "module",
            Grouping.Kind => "kind",
            Grouping.Node => "node",
            Grouping.Caller or Grouping.Gap => "caller",
        };
        bool byCaller = settings.By == Grouping.Caller;
        string[] header = byCaller
            ? [first, "module", "areas", "bytes", "pages", "guardBytes"]
            : [first, "areas", "bytes", "pages", "guardBytes"];
        Line(writer, header);
        foreach (OwnerLine line in OwnerLines.Of(list, settings.By, settings.Sort))
        {
            string areas = line.Totals.Areas.ToString(CultureInfo.InvariantCulture);
            string name = settings.By == Grouping.Node ? line.Name["node ".Length..] : line.Name;
            if (byCaller)
            {
                string caller = line.Module is { } module ? name[..^(module.Length + 3)] : name;
                Line(writer, caller, line.Module ?? "", areas, Number(line.Totals.Bytes), Number(line.Totals.Pages), Number(line.Totals.GuardBytes));
            }
            else
            {
                Line(writer, name, areas, Number(line.Totals.Bytes), Number(line.Totals.Pages), Number(line.Totals.GuardBytes));
            }
        }
    }

    private static string Number(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    private static void Line(TextWriter writer, params string[] fields)
    {
        for (int i = 0; i < fields.Length; i++)
        {
            if (i > 0)
            {
                writer.Write(',');
            }

            string field = SafeText.Line(fields[i]);
            bool quote = field.AsSpan().IndexOfAny(",\" ") >= 0;
            writer.Write(quote ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field);
        }

        writer.Write('\n');
    }
}
