using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>Options that ask for two different answers at once are refused, before anything is printed.</summary>
public class ExclusiveOptionTests
{
    [Theory]
    [InlineData("--json and --csv", "explain", "--sample", "tty", "--json", "--csv")]
    [InlineData("--json and --csv", "explain", "--sample", "tty", "--csv", "--json", "--by=node")]
    [InlineData("--area", "explain", "--sample", "tty", "--csv", "--area", "0xffffc90000000000")]
    [InlineData("--sample and evidence", "explain", "--sample", "tty", "list.txt")]
    [InlineData("--sample and evidence", "fit", "1M", "list.txt", "--sample", "tty")]
    [InlineData("--svg: standard output", "explain", "--sample", "tty", "--svg", "-")]
    [InlineData("--html: standard output", "fit", "1M", "--sample", "tty", "--json", "--html", "/dev/stdout")]
    [InlineData("--svg and --html", "explain", "--sample", "tty", "--svg", "a", "--html", "a")]
    [InlineData("different outputs", "layout", "--arch", "i386", "--kernel", "6.1", "--ram", "1G", "--json", "--dmesg")]
    [InlineData("--system-map goes with --dmesg", "layout", "--arch", "i386", "--kernel", "6.1", "--ram", "1G", "--system-map", "a")]
    [InlineData("--observed goes with", "layout", "--arch", "i386", "--kernel", "6.1", "--ram", "1G", "--observed", "--meminfo")]
    [InlineData("--csv goes with --sweep", "layout", "--arch", "i386", "--kernel", "6.1", "--ram", "1G", "--csv")]
    [InlineData("--json and --csv", "replay", "--workload", "full-fit", "--loops", "1", "--json", "--csv")]
    [InlineData("--loops goes with --workload", "replay", "trace.txt", "--loops", "1")]
    [InlineData("--snapshot goes with a trace", "replay", "--workload", "full-fit", "--snapshot", "a")]
    [InlineData("--replay shows a recording", "watch", "--replay", "a", "--record", "b")]
    public void Two_answers_at_once_are_a_usage_error(string message, params string[] args)
    {
        CliRun run = CliRun.Of(args);
        Assert.Equal(2, run.ExitCode);
        Assert.Equal("", run.OutText);
        Assert.Contains(message, run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_asked_for_before_the_second_word_is_not_lost() =>
        Assert.StartsWith("{", CliRun.Of("kernels", "--json", "diff", "4.14", "4.19", "--arch", "i386").OutText, StringComparison.Ordinal);
}
