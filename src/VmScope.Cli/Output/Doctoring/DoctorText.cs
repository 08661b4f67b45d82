using VmScope.Analysis;

namespace VmScope.Cli.Output.Doctoring;

/// <summary>Prints a doctor's report for people.</summary>
internal static class DoctorText
{
    internal static void Write(DoctorReport report, Terminal terminal)
    {
        TextWriter output = terminal.Out;
        int width = Math.Clamp(terminal.Width, 40, 160);
        TextBlock.Write(output, "", 0, SafeText.Line($"{DoctorWords.Word(report.Verdict)}: {report.Summary}"), width, 2);
        output.WriteLine();
        foreach (DoctorStatement statement in report.Statements)
        {
            string where = statement.File is null ? "" : statement.Line > 0 ? $", {statement.File}:{statement.Line}" : $", {statement.File}";
            TextBlock.Write(output, "- ", 2, SafeText.Line($"{statement.Text} [{AddressWindow.Word(statement.Certainty)}{where}]"), width, 2);
        }

        Finding[] findings = [.. report.Findings.Where(finding => finding.Severity >= Severity.Notice)];
        if (findings.Length == 0)
        {
            return;
        }

        output.WriteLine();
        output.WriteLine("Beside, the list shows:");
        foreach (Finding finding in findings)
        {
            TextBlock.Write(output, "- ", 2, SafeText.Line($"{finding.Text} [{finding.Id}]"), width, 2);
        }
    }
}
