using System.Collections.Immutable;
using VmScope.Analysis;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Cli.Output.Doctoring;

/// <summary>A doctor's report as a picture: the window, and the request beside the largest hole.</summary>
internal static class DoctorPicture
{
    internal static Picture Of(DoctorReport report)
    {
        ImmutableArray<PictureBar>.Builder bars = ImmutableArray.CreateBuilder<PictureBar>();
        if (report is { Account: { } account, List: { } list })
        {
            bars.Add(WindowPicture.Bar(list, account));
        }

        if (report is { Request.SearchedBytes: > 0 and ulong searched, ShortByBytes: > 0 and ulong missing })
        {
            bars.Add(WindowPicture.Missing(searched, missing));
        }

        PictureSeverity severity = report.Severity switch
        {
            DoctorSeverity.Serious => PictureSeverity.Problem,
            DoctorSeverity.None => PictureSeverity.Fine,
            _ => PictureSeverity.Note,
        };
        return new Picture($"vmscope doctor: {report.Source}{(report.Kernel is { } kernel ? $", {kernel}" : "")}, {report.Architecture}", severity,
            $"{DoctorWords.Word(report.Verdict)}: {report.Summary}")
        {
            Statements = [.. report.Statements.Select(statement => $"{statement.Text} [{AddressWindow.Word(statement.Certainty)}{Where(statement)}]")],
            Bars = bars.ToImmutable(),
            Tables = report.List is null ? [] : WindowPicture.Tables(report.List),
            Notes = [.. report.Findings.Select(finding => $"{finding.Id}: {finding.Text}"), "Sizes of areas contain their guard page."],
        };
    }

    private static string Where(DoctorStatement statement) => statement.File is null ? "" : statement.Line > 0 ? $", {statement.File}:{statement.Line}" : $", {statement.File}";
}
