using VmScope.Tests.Support;

namespace VmScope.Tests.Lab;

/// <summary>
/// Goal: what docs/walkthroughs tells is what the machine does. Method: every script runs as a reader would run it, and
/// its expectations must hold; with the expectations turned round none of them may.
/// </summary>
public class WalkthroughTests
{
    private static string Folder => Path.Combine(Captures.RepositoryFolder, "docs", "walkthroughs");

    public static TheoryData<string> Scripts() =>
        [.. Directory.EnumerateFiles(Folder, "*.lab").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Scripts))]
    public void A_walkthrough_does_what_it_says(string name)
    {
        string script = Path.Combine(Folder, name + ".lab");
        CliRun run = CliRun.Of("lab", script);
        Assert.True(run.ExitCode == 0, run.ErrorText + string.Join('\n', run.OutText.Split('\n').Where(line => line.StartsWith("expectation", StringComparison.Ordinal))));
        Assert.True(File.ReadLines(script).Count(line => line.StartsWith("expect ", StringComparison.Ordinal)) >= 3);
        string text = File.ReadAllText(Path.Combine(Folder, name + ".md"));
        Assert.Contains($"vmscope lab docs/walkthroughs/{name}.lab", text, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Scripts))]
    public void Turned_round_every_expectation_of_a_walkthrough_fails(string name)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Folder, name + ".lab"));
        int turned = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            // x == y becomes (x == y) == 0; commands that must fail are left alone: they may change the machine.
            if (lines[i].StartsWith("expect ", StringComparison.Ordinal) && !lines[i].StartsWith("expect fa", StringComparison.Ordinal))
            {
                lines[i] = $"expect ({lines[i]["expect ".Length..]}) == 0";
                turned++;
            }
        }

        CliRun run = CliRun.With(string.Join('\n', lines), "lab", "-q");
        Assert.Equal(turned == 0 ? 0 : 1, run.ExitCode);
        Assert.Equal(turned, run.OutText.Split('\n').Count(line => line.StartsWith("expectation failed", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_walkthrough_is_listed_in_the_overview()
    {
        string overview = File.ReadAllText(Path.Combine(Folder, "README.md"));
        foreach (string path in Directory.EnumerateFiles(Folder, "*.lab"))
        {
            Assert.Contains($"({Path.GetFileNameWithoutExtension(path)}.md)", overview, StringComparison.Ordinal);
        }
    }
}
