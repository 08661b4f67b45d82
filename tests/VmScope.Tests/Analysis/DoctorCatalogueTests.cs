using System.Globalization;
using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: reports of real people get the verdict an expert would give. Method: a catalogue of cases, each a few log lines
/// and files rebuilt from the numbers of a public report, with the verdict expected.
/// </summary>
public sealed class DoctorCatalogueTests
{
    private static readonly string Folder = Path.Combine(Captures.ProjectFolder(), "Golden", "doctor");

    public static TheoryData<string> Cases() => [.. Directory.EnumerateFiles(Folder, "*.case").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [InlineData("--arch", "foo")]
    [InlineData("--arch", "")]
    [InlineData("--margin", "16E")]
    [InlineData("--margin", "17179869184G")]
    [InlineData("--margin", "-1")]
    public void Odd_options_are_refused(string option, string value) => Assert.Equal(2, CliRun.With("[ 1.0] vmap allocation for size 8192 failed: use vmalloc=<size> to increase size\n", "doctor", "-", option, value).ExitCode);

    [Fact]
    public void The_catalogue_holds_at_least_thirty_cases() => Assert.True(Cases().Count >= 30);

    [Theory, MemberData(nameof(Cases))]
    public void Gets_the_expected_verdict(string name)
    {
        DoctorCase expected = DoctorCase.Read(Path.Combine(Folder, name + ".case"));
        DirectoryInfo folder = Directory.CreateTempSubdirectory("vmscope-doctor");
        try
        {
            foreach ((string file, string content) in expected.Files)
            {
                File.WriteAllText(Path.Combine(folder.FullName, file), content);
            }

            CliRun run = CliRun.Of("doctor", folder.FullName, "--json");
            Check(expected, run);
            CliRun text = CliRun.Of("doctor", folder.FullName);
            Assert.Equal(run.ExitCode, text.ExitCode);
            Assert.StartsWith(JsonDocument.Parse(run.OutText).RootElement.GetProperty("verdict").GetString() + ": ", text.OutText, StringComparison.Ordinal);
            if (expected.Files.Count == 1 && expected.Files.TryGetValue("dmesg", out string? log))
            {
                // A log alone may as well be pasted.
                CliRun pasted = CliRun.With(log, "doctor", "-", "--json");
                Check(expected, pasted);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Check(DoctorCase expected, CliRun run)
    {
        Assert.True(run.OutText.Length > 0, run.ErrorText);
        JsonElement report = JsonDocument.Parse(run.OutText).RootElement;
        string all = report.GetProperty("summary").GetString() + "\n"
            + string.Join('\n', report.GetProperty("statements").EnumerateArray().Select(statement => statement.GetProperty("text").GetString()));
        foreach ((string key, string value) in expected.Expectations)
        {
            switch (key)
            {
                case "source":
                    break;
                case "says" or "also":
                    Assert.True(value.Split('|').Any(part => all.Contains(part, StringComparison.Ordinal)), $"'{value}' is not said in\n{all}");
                    break;
                case "silent":
                    Assert.DoesNotContain(value, all, StringComparison.Ordinal);
                    break;
                case "excess":
                    Assert.True(value.Split('|').Any(part => all.Contains(ulong.Parse(part, CultureInfo.InvariantCulture).ToString("N0", CultureInfo.InvariantCulture), StringComparison.Ordinal)), $"{value} is not said in\n{all}");
                    break;
                case "finding":
                    Assert.Contains(report.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("id").GetString() == value);
                    break;
                case "exit":
                    Assert.Equal(value, run.ExitCode.ToString(CultureInfo.InvariantCulture));
                    break;
                default:
                    Assert.True(value.Split('|').Contains(Actual(report, key), StringComparer.Ordinal), $"{key}: {Actual(report, key)}, expected {value}\n{all}");
                    break;
            }
        }

        if (!expected.Expectations.Any(pair => pair.Key == "exit"))
        {
            Assert.Equal(1, run.ExitCode);
        }

        Assert.All(report.GetProperty("statements").EnumerateArray(), statement => Assert.NotEqual("", statement.GetProperty("certainty").GetString()));
    }

    private static string Actual(JsonElement report, string key)
    {
        static string Text(JsonElement element) => element.ValueKind == JsonValueKind.Null ? "none" : element.ToString().ToLowerInvariant();
        static JsonElement Inside(JsonElement report, string outer, string inner) =>
            report.GetProperty(outer) is { ValueKind: JsonValueKind.Object } found ? found.GetProperty(inner) : JsonDocument.Parse("null").RootElement;
        return key switch
        {
            "verdict" or "severity" or "arch" => Text(report.GetProperty(key)),
            "window" => Text(Inside(report, "request", "window")),
            "start" => Text(Inside(report, "window", "start")),
            "bytes" => Text(Inside(report, "request", "bytes")),
            "guard" => Text(Inside(report, "request", "guardIncluded")),
            "searched" => Text(Inside(report, "request", "searchedBytes")),
            "process" => Inside(report, "request", "process").ToString(),
            "repeats" => Text(Inside(report, "request", "repeats")),
            "short" => Text(report.GetProperty("shortByBytes")),
            "largest" => Text(report.GetProperty("largestHoleBytes")),
            "cure" => Inside(report, "cure", "value") is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "none",
            "proved" => Text(Inside(report, "cure", "proved")),
            _ => throw new InvalidOperationException($"nobody knows the expectation '{key}'"),
        };
    }

    /// <summary>A case: what is expected, then the files of the evidence, each after a line "=== name".</summary>
    private sealed record DoctorCase(List<KeyValuePair<string, string>> Expectations, Dictionary<string, string> Files)
    {
        internal static DoctorCase Read(string path)
        {
            DoctorCase result = new([], []);
            string? file = null;
            foreach (string line in File.ReadLines(path))
            {
                if (line.StartsWith("=== ", StringComparison.Ordinal))
                {
                    file = line[4..];
                    result.Files[file] = "";
                }
                else if (file is not null)
                {
                    result.Files[file] += line + "\n";
                }
                else
                {
                    string[] parts = line.Split(": ", 2);
                    result.Expectations.Add(new(parts[0], parts[1]));
                }
            }

            return result;
        }
    }
}
