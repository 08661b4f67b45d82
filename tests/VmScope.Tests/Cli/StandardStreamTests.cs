using System.Diagnostics;

namespace VmScope.Tests.Cli;

/// <summary>
/// Goal: output that cannot be written is an error that is told; a reader that leaves is none; a pipe that is read is read
/// once; nothing ends in a stack trace.
/// Method: the program itself, its streams turned to a full device, closed, a reader that stops after a line, a named pipe.
/// </summary>
public class StandardStreamTests
{
    [Theory]
    [InlineData("\"$@\" --help >/dev/full", 3, "vmscope: standard output: No space left on device")]
    [InlineData("\"$@\" --version >&-", 3, "vmscope: standard output: Bad file descriptor")]
    [InlineData("\"$@\" kernels --json >/dev/full", 3, "vmscope: standard output: No space left on device")]
    [InlineData("\"$@\" kernels --json | head -1 >/dev/null", 0, "")]
    [InlineData("\"$@\" explain /no/such/list 2>/dev/full", 3, "")]
    [InlineData("\"$@\" explain /no/such/list 2>&-", 3, "")]
    [InlineData("\"$@\" explain /no/such/list >&-", 3, "vmscope: /no/such/list: no such file or directory")]
    public void Output_that_goes_nowhere_is_told_once(string script, int exitCode, string message) => Run(script, exitCode, message);

    [Fact]
    public void A_named_pipe_is_opened_once() => Run(
        "d=$(mktemp -d); mkfifo $d/p; (echo '0xffffc90000000000-0xffffc90000002000 8192 f+0x1/0x2 pages=1 vmalloc' >$d/p) & "
        + "timeout 20 \"$@\" explain $d/p >/dev/null; code=$?; rm -r $d; exit $code", exitCode: 0, message: "");

    private static void Run(string script, int exitCode, string message)
    {
        ProcessStartInfo start = new("/bin/bash") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("set -o pipefail; " + script);
        start.ArgumentList.Add("bash");
        start.ArgumentList.Add("dotnet");
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(typeof(VmScope.Cli.Cli).Assembly.Location);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("bash does not start");
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();

        Assert.Equal(message, error.TrimEnd());
        Assert.Equal(exitCode, process.ExitCode);
    }
}
