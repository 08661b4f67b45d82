using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

public class CliTests
{
    [Fact]
    public void Version_is_one_line_on_standard_output()
    {
        CliRun run = CliRun.Of("--version");
        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("vmscope ", run.OutText, StringComparison.Ordinal);
        Assert.Equal("", run.ErrorText);
    }

    [Fact]
    public void An_unknown_command_is_a_usage_error()
    {
        CliRun run = CliRun.Of("no-such-command");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("no-such-command", run.ErrorText, StringComparison.Ordinal);
    }
}
