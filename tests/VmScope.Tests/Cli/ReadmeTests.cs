using System.Text;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>
/// The README's examples are run, and what stands below each is what it prints. A test that finds a difference writes the
/// real output there and fails: look at the change, and commit it if it is meant.
/// </summary>
public class ReadmeTests
{
    private const string Fence = "```";
    private const string Prompt = "$ vmscope ";

    private static string ReadmePath => Path.Combine(Captures.RepositoryFolder, "README.md");

    [Fact]
    public void Opens_with_the_two_commands()
    {
        string[] lines = File.ReadAllLines(ReadmePath);
        Assert.Equal(["# vmscope", "", "```sh"], lines[..3]);
        Assert.StartsWith("sudo ./vmscope explain", lines[3], StringComparison.Ordinal);
        Assert.StartsWith("./test", lines[4], StringComparison.Ordinal);
    }

    [Fact]
    public void Examples_print_what_the_readme_shows()
    {
        string text = File.ReadAllText(ReadmePath);
        string rewritten = Rewrite(text, out int examples);
        Assert.True(examples >= 5, $"the README has {examples} examples");
        if (text != rewritten)
        {
            File.WriteAllText(ReadmePath, rewritten);
        }

        Assert.Equal(rewritten, text);
    }

    [Fact]
    public void Exit_codes_are_the_documented_ones()
    {
        Assert.Equal(0, CliRun.Of("fit", "4096", "--sample", "tty").ExitCode);
        Assert.Equal(1, CliRun.Of("fit", "64T", "--sample", "tty").ExitCode);
        Assert.Equal(2, CliRun.Of("fit").ExitCode);
        Assert.Equal(3, CliRun.Of("explain", "/no/such/file").ExitCode);
    }

    [Fact]
    public void Files_and_folders_it_names_exist()
    {
        string text = File.ReadAllText(ReadmePath);
        foreach (string path in (string[])
            ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions/start-up.md", "docs/man/vmscope.1", "completions"])
        {
            Assert.Contains(path, text, StringComparison.Ordinal);
            Assert.True(Path.Exists(Path.Combine(Captures.RepositoryFolder, path)), $"README.md names {path}, which is not there");
        }
    }

    private static string Rewrite(string text, out int examples)
    {
        examples = 0;
        StringBuilder result = new();
        bool inside = false;
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith(Fence, StringComparison.Ordinal))
            {
                inside = line == Fence + "console";
                result.Append(line).Append('\n');
            }
            else if (!inside)
            {
                result.Append(line).Append('\n');
            }
            else if (line.StartsWith(Prompt, StringComparison.Ordinal))
            {
                examples++;
                CliRun run = CliRun.Of(line[Prompt.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries));
                Assert.True(run.ExitCode is 0 or 1, $"{line}: {run.ErrorText}");
                result.Append(line).Append('\n').Append(run.OutText);
            }
        }

        return result.ToString();
    }
}
