using System.Globalization;
using System.Text;
using VmScope.Analysis;
using VmScope.Kernels;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: the prediction is exact for every recorded kernel, and nothing it answered is passed over. Method: predict from
/// the inputs of each capture and compare with all its answers; count by other means what a capture could be asked; list
/// every capture with every answer compared in docs/layout-check.md.
/// </summary>
public class LayoutCheckCaptureTests
{
    private static readonly Lazy<Dictionary<string, LayoutCheckReport>> Reports = new(() =>
        Captures.Names.AsParallel().AsOrdered().ToDictionary(name => name, Check, StringComparer.Ordinal));

    public static TheoryData<string> Cases() => Captures.Theory();

    [Theory, MemberData(nameof(Cases))]
    public void Every_answer_is_as_predicted(string name)
    {
        LayoutCheckReport report = Reports.Value[name];

        Assert.NotNull(report.Layout);
        Assert.Empty(report.Comparisons.Where(comparison => !comparison.Agrees)
            .Select(comparison => $"{comparison.Source} {comparison.Name}: predicted {comparison.Predicted}, observed {comparison.Observed}"));
    }

    [Theory, MemberData(nameof(Cases))]
    public void No_answer_is_passed_over(string name)
    {
        LayoutCheckReport report = Reports.Value[name];
        EvidenceBundle evidence = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        int Count(string source) => report.Comparisons.Count(comparison => comparison.Source == source);

        Assert.Equal(evidence.Meminfo is { } meminfo ? 1 + (meminfo.HighTotalKiB is null ? 0 : 1) : 0, Count("meminfo"));
        Assert.Equal(evidence.Zoneinfo is { } zones ? zones.Zones.Sum(zone => zone.Spanned is > 0 ? 3 : 2) : 0, Count("zoneinfo"));
        Assert.Equal(evidence.Modules is { } modules && modules.Any(module => module.Address is { Value: > 0 }) ? 1 : 0, Count("modules"));
        Assert.Equal(evidence.Has("vmallocinfo") ? 3 : 0, Count("vmallocinfo"));
        if (evidence.Dmesg is { } log)
        {
            int lines = log.Zones.Length + (log.LowmemMiB is null ? 0 : 1) + (log.HighmemMiB is null ? 0 : 1)
                + (log.LowRamEnd is null ? 0 : 1) + (log.MappedLowRamEnd is null ? 0 : 1)
                + log.LastPfns.Select(pair => pair.LastPfn).Distinct().Count();
            Assert.Equal(lines, Count("dmesg"));
        }

        int segments = evidence.TryOpen("kcore", out Stream kcore) ? DataLines(kcore) : 0;
        int variables = evidence.TryOpen("kvars", out Stream kvars) ? DataLines(kvars) : 0;
        Assert.Equal(segments > 0, Count("kcore") >= 2);
        Assert.Equal(variables > 0, Count("kvars") >= 4);
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_boot_log_alone_is_enough(string name)
    {
        EvidenceBundle whole = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        if (!whole.TryOpen("dmesg", out Stream log))
        {
            Assert.Contains("-trace-", name, StringComparison.Ordinal);
            return;
        }

        LayoutCheckReport report = LayoutCheck.Run(EvidenceBundle.Open("-", log));

        Assert.Empty(report.Comparisons.Where(comparison => !comparison.Agrees)
            .Select(comparison => $"{comparison.Name}: predicted {comparison.Predicted}, observed {comparison.Observed}"));
        Assert.Equal(Reports.Value[name].Comparisons.Count(comparison => comparison.Source == "dmesg"), report.Comparisons.Length);
    }

    [Fact]
    public void The_list_of_captures_and_answers_is_the_one_in_the_documents()
    {
        string path = Path.Combine(Captures.RepositoryFolder, "docs", "layout-check.md");
        string expected = File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : "";
        string actual = Describe();
        if (expected != actual)
        {
            string copy = Path.Combine(Captures.RepositoryFolder, "artifacts", "layout-check.md");
            File.WriteAllText(copy, actual);
            Assert.Fail($"docs/layout-check.md is not what the captures give; after a look at the difference, copy {copy} over it");
        }
    }

    private static LayoutCheckReport Check(string name) => LayoutCheck.Run(EvidenceBundle.Open(Captures.Archive(name), Stream.Null));

    private static int DataLines(Stream stream)
    {
        using StreamReader reader = new(stream);
        return reader.ReadToEnd().Split('\n').Count(line => line.Length > 0 && line[0] != '#');
    }

    /// <summary>The captures, those with the same answers together.</summary>
    private static string Describe()
    {
        StringBuilder text = new();
        int answers = Reports.Value.Values.Sum(report => report.Comparisons.Length);
        text.Append("# What `vmscope check` compares\n\n")
            .Append("Written by tests/VmScope.Tests/Analysis/LayoutCheckCaptureTests.cs from the recorded boots in\n")
            .Append("tests/VmScope.Tests/Golden/captures: every capture, with every answer of its kernel that was compared with the\n")
            .Append("prediction. Captures whose answers have the same names stand together.\n\n")
            .Append(CultureInfo.InvariantCulture, $"{Reports.Value.Count} captures, {answers} answers, ")
            .Append(CultureInfo.InvariantCulture, $"{Reports.Value.Values.Sum(report => report.Comparisons.Count(c => !c.Agrees))} of them not as predicted.\n");
        foreach (IGrouping<string, string> group in Captures.Names
            .GroupBy(name => $"{Reports.Value[name].Inputs.Kernel.Architecture.Name()}\n{AnswersOf(Reports.Value[name])}", StringComparer.Ordinal)
            .OrderBy(group => group.First(), StringComparer.Ordinal))
        {
            LayoutCheckReport first = Reports.Value[group.First()];
            text.Append(CultureInfo.InvariantCulture, $"\n## {first.Inputs.Kernel.Architecture.Name()}: {group.Count()} captures, {first.Comparisons.Length} answers each\n\n");
            text.Append(AnswersOf(first)).Append('\n');
            foreach (string name in group)
            {
                text.Append("- ").Append(name).Append('\n');
            }
        }

        return text.ToString();
    }

    private static string AnswersOf(LayoutCheckReport report) => string.Concat(report.Comparisons
        .GroupBy(comparison => comparison.Source, StringComparer.Ordinal)
        .Select(source => $"{source.Key}: {string.Join(", ", source.Select(comparison => comparison.Name))}  \n"));
}
