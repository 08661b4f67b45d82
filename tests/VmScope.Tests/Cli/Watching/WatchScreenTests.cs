using System.Text;
using VmScope.Cli.Output;
using VmScope.Cli.Watching;
using VmScope.Recording;
using VmScope.Tests.Analysis;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli.Watching;

public class WatchScreenTests
{
    /// <summary>Goal: no size, key or list breaks the screen. Method: seeded sizes and keys over growing and shrinking lists.</summary>
    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4)]
    public void Every_line_fits_whatever_the_size_and_the_keys(int seed)
    {
        Random random = new(seed);
        WatchHistory history = new();
        WatchView view = new();
        WatchScreen screen = new(usesUnicode: seed % 2 == 0, new Paint(Enabled: false));
        ConsoleKey[] special = [ConsoleKey.Enter, ConsoleKey.Escape, ConsoleKey.Backspace, ConsoleKey.UpArrow, ConsoleKey.DownArrow, ConsoleKey.PageDown, ConsoleKey.PageUp, ConsoleKey.Home];
        for (int step = 0; step < 200; step++)
        {
            if (step % 3 == 0)
            {
                history.Add(Sample(random.Next(10) == 0 ? null : Random(random), step));
            }

            for (int keys = random.Next(3); keys > 0; keys--)
            {
                ConsoleKey key = special[random.Next(special.Length)];
                ConsoleKeyInfo pressed = random.Next(2) == 0 ? new ConsoleKeyInfo((char)random.Next(1, 300), ConsoleKey.None, false, false, false) : new ConsoleKeyInfo('\0', key, false, false, false);
                _ = view.Press(pressed, random.Next(0, 40));
            }

            (int width, int height) = (random.Next(1, 220), random.Next(1, 70));
            string[] lines = screen.Draw(history, view, new WatchStatus("t\x1b[31m", "state", "cost"), width, height);
            Assert.Equal(height, lines.Length);
            Assert.All(lines, line => Assert.True(line.Length <= width && !line.Any(char.IsControl), $"{line.Length} of {width}: {line}"));
        }
    }

    /// <summary>Goal: a narrow screen shows fewer figures, never half of one. Method: every width, against the whole line.</summary>
    [Fact]
    public void The_summary_is_cut_between_its_clauses()
    {
        WatchHistory history = new();
        history.Add(Sample(new AreaLists().Add(0xf8000000, 0x3000, "a+0x1/0x2 vmap"), 0));
        WatchScreen screen = new(usesUnicode: false, new Paint(Enabled: false));
        string whole = screen.Draw(history, new WatchView(), new WatchStatus("t", "state", "cost"), 200, 20)[1];
        Assert.StartsWith("1 area, 12 KiB", whole, StringComparison.Ordinal);
        for (int width = 24; width < whole.Length; width++)
        {
            string cut = screen.Draw(history, new WatchView(), new WatchStatus("t", "state", "cost"), width, 20)[1];
            Assert.StartsWith(cut, whole, StringComparison.Ordinal);
            Assert.Contains(whole[cut.Length..][0], ", ");
        }
    }

    [Fact]
    public void The_bar_is_to_scale_and_marks_what_changed()
    {
        WatchSample before = Sample(new AreaLists().Add(0x1000, 0x4000, "a+0x1/0x2 pages=3 vmalloc").Add(0xd000, 0x1000, "b+0x1/0x2 vmap"), 0);
        WatchSample now = Sample(new AreaLists().Add(0x1000, 0x4000, "a+0x1/0x2 pages=3 vmalloc").Add(0x9000, 0x2000, "c+0x1/0x2 vmap"), 1);
        WatchBar bar = WatchBar.Of(new WatchArea(0x1000, 0x11000), now, before, width: 16, usesUnicode: false);
        Assert.Equal("####    ##      ", bar.Filled);
        Assert.Equal("        ++  -", bar.Changes);
    }

    [Theory]
    [InlineData(new ulong[] { 0, 1, 2, 3, 4, 5, 6, 7 }, "▁▂▃▄▅▆▇█")]
    [InlineData(new ulong[] { 5, 5, 5 }, "     ▄▄▄")]
    [InlineData(new ulong[] { 0, ulong.MaxValue }, "      ▁█")]
    public void A_sparkline_goes_from_lowest_to_highest(ulong[] values, string expected) =>
        Assert.Equal(expected, new Sparkline(UsesUnicode: true).Of(values.Select(value => (ulong?)value), 8));

    [Fact]
    public void The_largest_hole_is_measured_inside_the_window()
    {
        WatchSample sample = Sample(new AreaLists().Add(0xf8000000, 0x3000, "a+0x1/0x2 vmap").Add(0xf8007000, 0x1000, "a+0x1/0x2 vmap"), 0);
        Assert.Equal(0x4000u, sample.LargestHole(new WatchArea(0xf8000000, 0xf8009000)));
        Assert.Equal(0x8000u, sample.LargestHole(new WatchArea(0xf8000000, 0xf8010000)));
        Assert.Equal(0x10000u, sample.LargestHole(new WatchArea(0xf9000000, 0xf9010000)));
    }

    /// <summary>Goal: a 32-bit bar shows the whole window. Method: a recorded boot's inputs as a sample, against its /proc/kcore.</summary>
    [Fact]
    public void The_bar_of_a_known_window_has_its_bounds()
    {
        VmScope.Sources.EvidenceBundle bundle = VmScope.Sources.EvidenceBundle.Open(
            Captures.Archive(Captures.Names.First(name => name.Contains("i386-6.1.176-686-1024-vmalloc-64M", StringComparison.Ordinal))), Stream.Null);
        RecordedFile[] files = [.. new[] { "vmallocinfo", "meminfo", "dmesg", "case.json" }.Select(name => new RecordedFile(name, Encoding.UTF8.GetBytes(new StreamReader(bundle.OpenRequired(name)).ReadToEnd())))];
        Assert.Equal(new WatchArea(0xfabfe000, 0xfebfe000), WatchWindow.Find(new RecordedSnapshot(DateTimeOffset.UnixEpoch, null, [.. files])));
        Assert.Null(WatchWindow.Find(new RecordedSnapshot(DateTimeOffset.UnixEpoch, null, [files[0]])));
        Assert.Null(WatchWindow.Find(new RecordedSnapshot(DateTimeOffset.UnixEpoch, null, [])));
    }

    [Theory]
    [InlineData("5s", 5000), InlineData("500ms", 500), InlineData("1.5m", 90000), InlineData("2", 2000), InlineData("1h", 3600000)]
    public void Durations_are_read_as_people_type_them(string text, double milliseconds) =>
        Assert.Equal(milliseconds, DurationText.Parse(text, "--every", TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1)).TotalMilliseconds);

    [Theory, InlineData(""), InlineData("x"), InlineData("-5s"), InlineData("5 parsecs"), InlineData("1ms"), InlineData("99999d"), InlineData("NaN"), InlineData("1e400")]
    public void Anything_else_is_a_usage_error(string text) =>
        Assert.Throws<VmScope.Cli.UsageException>(() => DurationText.Parse(text, "--every", TimeSpan.FromMilliseconds(100), TimeSpan.FromDays(1)));

    private static AreaLists Random(Random random)
    {
        AreaLists list = new(is64Bit: random.Next(2) == 0);
        ulong at = 0xf8000000;
        for (int i = random.Next(0, 80); i > 0; i--)
        {
            at += (ulong)random.Next(1, 9) * 0x1000;
            list.Add(at, 0x3000, $"owner_{random.Next(30)}_{new string('x', random.Next(60))}+0x1/0x2 pages=2 vmalloc");
            at += 0x3000;
        }

        return list;
    }

    private static WatchSample Sample(AreaLists? list, int second) => WatchSample.Of(
        new RecordedSnapshot(DateTimeOffset.UnixEpoch.AddSeconds(second), null,
            list is null ? [] : [new RecordedFile("vmallocinfo", Encoding.UTF8.GetBytes(list.Text()))]), "gone\x1b[0m");
}
