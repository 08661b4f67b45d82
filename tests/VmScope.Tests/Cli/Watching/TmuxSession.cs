using System.Diagnostics;
using System.Globalization;

namespace VmScope.Tests.Cli.Watching;

/// <summary>vmscope in a real terminal: a tmux session of its own, typed into and read back.</summary>
internal sealed class TmuxSession : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly string _socket = "vmscope-test-" + Guid.NewGuid().ToString("N");

    internal TmuxSession(string arguments, int width, int height, string environment = "LANG=C.UTF-8")
    {
        string program = Path.Combine(AppContext.BaseDirectory, "vmscope.dll");
        Run("-f", "/dev/null", "new-session", "-d", "-x", Number(width), "-y", Number(height),
            $"trap : INT; env -u NO_COLOR -u COLUMNS {environment} dotnet exec '{program}' {arguments}; echo ended with $?; sleep 1000");
    }

    internal void Type(params string[] keys) => Run(["send-keys", .. keys]);

    internal void Resize(int width, int height) => Run("resize-window", "-x", Number(width), "-y", Number(height));

    internal string Screen(bool withEscapes = false) => withEscapes ? Run("capture-pane", "-e", "-p") : Run("capture-pane", "-p");

    /// <summary>Waits until the screen is as wanted; how long that takes does not matter.</summary>
    internal string Until(Func<string, bool> isWanted, string what)
    {
        Stopwatch waited = Stopwatch.StartNew();
        string screen = Screen();
        while (!isWanted(screen))
        {
            Assert.True(waited.Elapsed < Patience, $"{what}: never seen; the screen is\n{screen}");
            Thread.Sleep(40);
            screen = Screen();
        }

        return screen;
    }

    internal string Until(string text) => Until(screen => screen.Contains(text, StringComparison.Ordinal), text);

    public void Dispose()
    {
        try
        {
            Run("kill-server");
        }
        catch (InvalidOperationException)
        {
            // Ended by itself.
            return;
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private string Run(params string[] arguments)
    {
        ProcessStartInfo start = new("tmux") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add("-L");
        start.ArgumentList.Add(_socket);
        start.Environment["TERM"] = "xterm-256color";
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new InvalidOperationException("tmux does not start");
        string output = process.StandardOutput.ReadToEnd();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"tmux {string.Join(' ', arguments)}: {error}");
    }
}
