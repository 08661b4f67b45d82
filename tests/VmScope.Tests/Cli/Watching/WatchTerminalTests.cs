using VmScope.Tests.Analysis;

namespace VmScope.Tests.Cli.Watching;

/// <summary>Goal: a person at a real terminal can work with it. Method: tmux types and reads the screen back.</summary>
public sealed class WatchTerminalTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-watch");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Keys_resize_a_vanished_file_and_the_way_out_work()
    {
        Write(Areas(netlink: 10));
        using TmuxSession session = new($"watch '{_folder.FullName}' --every 100ms", width: 120, height: 30);
        string screen = session.Until("netlink_sendmsg");
        Assert.Contains("vmscope watch", screen, StringComparison.Ordinal);
        Assert.Contains("50 areas", screen, StringComparison.Ordinal);
        Assert.Contains("sort:bytes", screen, StringComparison.Ordinal);
        Assert.Contains("ms CPU", screen, StringComparison.Ordinal);

        session.Type("s");
        session.Until("sort:areas");
        session.Type("s");
        session.Until("sort:growth");

        session.Type("f");
        session.Until("filter: _");
        session.Type("netl", "Enter");
        session.Until(text => text.Contains("filter:netl", StringComparison.Ordinal) && !text.Contains("dup_task_struct", StringComparison.Ordinal), "only the filtered owner");
        session.Type("f");
        session.Type("Escape");
        session.Until("dup_task_struct");

        session.Type("m");
        session.Until(text => !text.Contains("since #1 ", StringComparison.Ordinal), "the mark");
        Write(Areas(netlink: 25));
        session.Until(text => text.Contains("65 areas", StringComparison.Ordinal) && text.Contains("+15", StringComparison.Ordinal), "growth since the mark");
        session.Type("m");
        session.Until(text => !text.Contains("+15", StringComparison.Ordinal), "deltas begin again");

        session.Type("p");
        session.Until("PAUSED");
        Write(Areas(netlink: 3));
        session.Type("?");
        session.Until("any key closes this");
        Assert.Contains("65 areas", session.Screen(), StringComparison.Ordinal);
        session.Type("?", "p");
        session.Until("43 areas");

        File.Delete(Path.Combine(_folder.FullName, "vmallocinfo"));
        session.Until("holds no vmallocinfo");
        Assert.Contains("netlink_sendmsg", session.Screen(), StringComparison.Ordinal);
        Write(Areas(netlink: 4));
        session.Until(text => text.Contains("44 areas", StringComparison.Ordinal) && !text.Contains("holds no", StringComparison.Ordinal), "back again");

        foreach ((int width, int height) in new[] { (50, 14), (30, 8), (10, 3), (200, 50), (100, 24) })
        {
            session.Resize(width, height);
            if (width >= 24 && height >= 5)
            {
                session.Until(text => text.Contains("q:quit", StringComparison.Ordinal) && text.Contains("44 areas", StringComparison.Ordinal)
                    && text.Split('\n').All(line => line.Length <= width), $"drawn at {width} x {height}");
            }
            else
            {
                session.Until("terminal t");
            }
        }

        session.Type("q");
        screen = session.Until("ended with 0");
        Assert.DoesNotContain("vmscope watch", screen, StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminal_that_goes_away_ends_it()
    {
        Write(Areas(netlink: 10));
        using (TmuxSession session = new($"watch '{_folder.FullName}' --every 100ms", width: 120, height: 30))
        {
            session.Until("netlink_sendmsg");
            Assert.True(IsRunning());
        }

        Assert.True(SpinWait.SpinUntil(() => !IsRunning(), TimeSpan.FromSeconds(60)), "vmscope outlives its terminal");

        bool IsRunning() => Directory.EnumerateDirectories("/proc")
            .Where(process => char.IsAsciiDigit(Path.GetFileName(process)[0]))
            .Any(process => CommandLine(process) is { } line && line.Contains("vmscope.dll\0watch\0" + _folder.FullName, StringComparison.Ordinal));

        static string? CommandLine(string process)
        {
            try
            {
                return File.ReadAllText(Path.Combine(process, "cmdline"));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Ended meanwhile.
                return null;
            }
        }
    }

    [Theory]
    [InlineData("--color never", "LANG=C.UTF-8", true)]
    [InlineData("", "NO_COLOR=1 LANG=C", false)]
    public void Without_colour_no_code_reaches_the_terminal_and_signs_say_it_all(string option, string environment, bool unicode)
    {
        Write(Areas(netlink: 10));
        using TmuxSession session = new($"watch '{_folder.FullName}' --every 100ms {option}", width: 100, height: 24, environment);
        session.Until("50 areas");
        Write(Areas(netlink: 12));
        string screen = session.Until(text => text.Contains("52 areas", StringComparison.Ordinal), "the change");
        Assert.Contains("+2", screen, StringComparison.Ordinal);
        Assert.Equal(unicode, screen.Contains('█', StringComparison.Ordinal));
        Assert.DoesNotContain("\x1b[3", session.Screen(withEscapes: true), StringComparison.Ordinal);
        session.Type("q");
        session.Until("ended with 0");
    }

    [Fact]
    public void Hostile_names_draw_as_plain_text()
    {
        Write(Areas(netlink: 1) + "0xe0000000-0xe0010000   65536 \x1b]0;owned\a\x1b[2J\x1b[31mevil\x9b1m+0x1/0x2 pages=15 vmalloc\n");
        using TmuxSession session = new($"watch '{_folder.FullName}' --every 100ms --color never", width: 100, height: 24);
        string screen = session.Until("evil");
        Assert.Contains("\\x1b]0;owned\\x07\\x1b[2J", screen, StringComparison.Ordinal);
        Assert.Contains("vmscope watch", screen, StringComparison.Ordinal);
    }

    [Fact]
    public void A_terminated_watch_gives_the_terminal_back()
    {
        Write(Areas(netlink: 10));
        using TmuxSession session = new($"watch '{_folder.FullName}' --every 100ms", width: 100, height: 24);
        session.Until("50 areas");
        session.Type("C-c");
        Assert.DoesNotContain("vmscope watch", session.Until("ended with"), StringComparison.Ordinal);
    }

    private void Write(string list)
    {
        // Moved into place: a sampler must never meet a half-written file, which a kernel never shows.
        string whole = Path.Combine(_folder.FullName, "next.tmp");
        File.WriteAllText(whole, list, System.Text.Encoding.Latin1);
        File.Move(whole, Path.Combine(_folder.FullName, "vmallocinfo"), overwrite: true);
    }

    private static string Areas(int netlink) => new AreaLists()
        .AddMany(40, 0xf8000000, 0x5000, 0x8000, "dup_task_struct+0x50/0x1c0 pages=4 vmalloc")
        .AddMany(netlink, 0xf8200000, 0x11000, 0x12000, "netlink_sendmsg+0x1af/0x450 pages=16 vmalloc").Text();
}
