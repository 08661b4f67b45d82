using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using VmScope.Analysis;
using VmScope.Cli.Commands;
using VmScope.Cli.Output.Explain;
using VmScope.Kernels;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: a long list says the same however it is read: in one piece or several, its areas kept or only passed on.
/// Method: seeded lists of every shape, plain ones and ones that break what a few rows make believe; the whole output compared.
/// </summary>
public class LongListTests
{
    private const string Name = "list.txt";

    public enum Shape
    {
        Plain,
        ModulesAbove,
        ModulesBelow,
        FiveLevels,
        ThirtyTwoBits,
        Percpu,
        MostlyEqual,
        PageSizeLate,
        LargePages,
        OddLines,
        Repeated,
        WindowsLineEnds,
        Overlapping,
        OutOfOrder,
        HashedInTheMiddle,
        ReachesBeyond,
        ReachesIntoModules,
        HoleInTheMiddle,
    }

    /// <summary>Shapes of which nothing is unexpected: these must be read without keeping areas.</summary>
    private static bool IsPlain(Shape shape) => shape is not (Shape.HashedInTheMiddle or Shape.OutOfOrder or Shape.Overlapping or Shape.ReachesBeyond or Shape.ReachesIntoModules);

    public static TheoryData<Shape, int> Shapes()
    {
        TheoryData<Shape, int> data = [];
        foreach (Shape shape in Enum.GetValues<Shape>())
        {
            for (int seed = 1; seed <= 6; seed++)
            {
                data.Add(shape, seed);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_way_of_reading_says_the_same(Shape shape, int seed)
    {
        using TemporaryFolder folder = new();
        string path = folder.Path(Name);
        File.WriteAllText(path, Text(shape, new Random(seed), 300 + (seed * 150)));
        using SafeFileHandle file = File.OpenHandle(path);
        foreach (ExplainFacts facts in Facts(shape))
        {
            ExplainOptions options = new() { KeepAreas = false, KeepAllGaps = seed % 2 == 0, BarCells = 96 };
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read);
            string whole = Say(ListReading.Of(stream, Name, facts, options), facts, options);
            int passed = 0;
            foreach (int parts in new[] { 1, 2, 4 })
            {
                if (LongList.ReadPassing(file, Name, facts, options, parts) is { } passing)
                {
                    Assert.NotNull(passing.Outline);
                    Assert.Equal(whole, Say(passing, facts, options));
                    passed++;
                }
            }

            if (IsPlain(shape) && !HasGapPages(facts))
            {
                Assert.Equal(3, passed);
            }

            if (LongList.ReadKeeping(file, Name, facts) is { } halves)
            {
                Assert.Equal(whole, Say(halves, facts, options));
            }
        }
    }

    [Fact]
    public void A_long_file_is_read_without_keeping_areas_unless_they_are_wanted()
    {
        using TemporaryFolder folder = new();
        string path = folder.Path(Name);
        File.WriteAllText(path, Text(Shape.Plain, new Random(7), 120_000));
        using SafeFileHandle file = File.OpenHandle(path);
        ExplainOptions keeping = new() { BarCells = 96 };
        ListExplanation kept = ListExplanation.ReadFile(file, path, keeping);
        ListExplanation passed = ListExplanation.ReadFile(file, path, keeping with { KeepAreas = false });

        Assert.Equal(120_000, kept.Areas.Count);
        Assert.Throws<InvalidOperationException>(() => passed.Areas);
        Assert.Equal(Say(kept), Say(passed));
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read);
        Assert.Equal(Say(kept), Say(ListExplanation.Read(stream, path, ExplainFacts.None, keeping with { KeepAreas = false })));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.7)]
    [InlineData(1)]
    public void A_log_pasted_into_a_long_list_is_kept_together(double place)
    {
        using TemporaryFolder folder = new();
        string path = folder.Path(Name);
        List<string> lines = [.. Text(Shape.Plain, new Random(7), 120_000).TrimEnd().Split('\n')];
        lines.InsertRange((int)(lines.Count * place), ["[    0.000000] Linux version 6.1.170 (a@b) (gcc) #1 SMP", "[    0.000000] Command line: quiet", "[    1.000000] done"]);
        File.WriteAllText(path, string.Join('\n', lines) + "\n");
        using SafeFileHandle file = File.OpenHandle(path);
        ListExplanation list = ListExplanation.ReadFile(file, path, new ExplainOptions { KeepAreas = false });
        Assert.Equal(3, list.Diagnostics.OtherText!.Lines);
        Assert.Equal("6.1.170", list.Facts.Kernel?.Version.ToString());
        Assert.Equal(120_000, list.Rows);
    }

    [Fact]
    public void Rows_beyond_those_compared_are_said_to_be_left_out()
    {
        StringBuilder text = new();
        for (int i = 0; i < 40_000; i++)
        {
            ulong at = 0xffffc900_00000000 + ((ulong)i * 0x3000);
            text.Append(CultureInfo.InvariantCulture, $"0x{at:x16}-0x{at + 0x2000:x16}    8192 probe_it+0x1/0x2 [drv] phys=0x{((i % 4) + 1) * 4096:x16} ioremap\n");
        }

        CliRun run = CliRun.With(text.ToString(), "explain", "-");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Only the first 32,768 of 40,000 mappings were compared", Unwrapped(run.OutText), StringComparison.Ordinal);
    }

    private static string Unwrapped(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static bool HasGapPages(ExplainFacts facts) => facts.Kernel is { } kernel && VmallocTimelines.Era.At(kernel.Version) is PlacementEra.BusyAreas;

    private static IEnumerable<ExplainFacts> Facts(Shape shape)
    {
        yield return ExplainFacts.None;
        if (shape is Shape.Plain or Shape.ModulesAbove or Shape.HoleInTheMiddle)
        {
            yield return new ExplainFacts { Kernel = KernelIdentity.Parse("2.6.32"), Architecture = Architecture.X64, PageBytes = 4096 };
            yield return new ExplainFacts { Kernel = KernelIdentity.Parse("6.1.170"), Architecture = Architecture.X64, PageBytes = 4096, PossibleCpus = 4 };
        }
    }

    private static string Say(ListReading reading, ExplainFacts facts, ExplainOptions options) =>
        Say(new ListExplanation(reading, facts, options, Name), options.KeepAllGaps);

    private static string Say(ListExplanation list, bool allGaps = false)
    {
        CliRun terminal = CliRun.Of("--version");
        foreach (Grouping by in new[] { Grouping.Caller, Grouping.Kind, Grouping.Node })
        {
            new ExplainText(list, new ExplainSettings { By = by, All = allGaps }, terminal).Write();
        }

        ExplainJson.Write(list, terminal.Out);
        return terminal.OutText;
    }

    private static string Text(Shape shape, Random random, int rows)
    {
        bool isShort = shape == Shape.ThirtyTwoBits;
        ulong page = shape == Shape.LargePages ? 65536UL : 4096UL;
        ulong at = shape switch
        {
            Shape.ThirtyTwoBits => 0xd0800000UL,
            Shape.FiveLevels => 0xffa00000_00000000UL,
            Shape.ModulesBelow or Shape.LargePages => 0xffff8000_08000000UL,
            _ => 0xffffc900_00000000UL,
        };
        string end = shape == Shape.WindowsLineEnds ? "\r\n" : "\n";
        List<string> lines = [];
        void Add(ulong start, ulong bytes, string rest) => lines.Add(isShort
            ? string.Create(CultureInfo.InvariantCulture, $"0x{start:x8}-0x{start + bytes:x8} {bytes,7} {rest}")
            : string.Create(CultureInfo.InvariantCulture, $"0x{start:x16}-0x{start + bytes:x16} {bytes,7} {rest}"));
        if (shape == Shape.ModulesBelow)
        {
            Add(0xffff8000_00010000, 0x5000, "load_module+0x1/0x2 pages=4 vmalloc N0=4");
            Add(0xffff8000_07ff0000, 0x10000, "load_module+0x1/0x2 pages=15 vmalloc N0=15");
        }

        for (int i = 0; i < rows; i++)
        {
            ulong bytes = (ulong)(shape == Shape.MostlyEqual && random.Next(10) < 8 ? 5 : random.Next(2, 20)) * page;
            int owners = i < rows / 2 ? random.Next(50) : random.Next(25, 90);
            string owner = string.Create(CultureInfo.InvariantCulture, $"{(shape == Shape.MostlyEqual ? $"same{i % 2}" : $"owner_{owners}")}_probe+0x1/0x2{(owners % 7 == 0 ? " [mod]" : "")}");
            int kind = shape == Shape.PageSizeLate && i < 200 ? 1 : random.Next(7);
            string rest = kind switch
            {
                0 => "unpurged vm_area",
                1 => string.Create(CultureInfo.InvariantCulture, $"{owner} phys=0x{(shape == Shape.MostlyEqual ? i % 90 : i) * 4096:x16} ioremap"),
                2 => "vm_map_ram",
                3 => owner + " vmap",
                _ => string.Create(CultureInfo.InvariantCulture, $"{owner} pages={(bytes / page) - 1} vmalloc N{random.Next(3)}={(bytes / page) - 1}"),
            };
            if (shape == Shape.HashedInTheMiddle && i == rows / 3)
            {
                lines.Add("0x00000000a1b2c3d4-0x0000000011112222    8192 hidden_one+0x1/0x2 pages=1 vmalloc");
            }

            ulong size = shape == Shape.ReachesBeyond && i == rows / 4 ? bytes + (1UL << 36) : bytes;
            Add(at, size, rest);
            if (shape == Shape.OddLines && random.Next(40) == 0)
            {
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"odd line {i}"));
            }

            if (shape == Shape.Repeated && random.Next(30) == 0)
            {
                lines.Add(lines[^1]);
            }

            bool overlaps = shape == Shape.Overlapping && random.Next(20) == 0 && bytes > 2 * page;
            at += overlaps ? bytes - page : bytes + ((ulong)random.Next(3) * page);
            at = random.Next(10) == 0 ? (at + 0xffff) & ~0xffffUL : at;
            at += shape == Shape.HoleInTheMiddle && i == rows / 2 ? 20UL << 40 : 0;
        }

        if (shape == Shape.Percpu)
        {
            for (ulong chunk = 0; chunk < 12; chunk++)
            {
                Add(0xffffe8ff_fe000000 + (chunk * 0x200000), 0x200000, "pcpu_get_vm_areas+0x0/0x570 vmalloc");
            }
        }

        if (shape == Shape.ReachesIntoModules)
        {
            Add(0xffffffff_bfff0000, 0x20000, "reaching+0x1/0x2 pages=31 vmalloc N0=31");
        }

        if (shape is Shape.ModulesAbove or Shape.ReachesIntoModules or Shape.HashedInTheMiddle)
        {
            for (ulong i = 0; i < 60; i++)
            {
                Add(0xffffffff_c0000000 + (i * 0x9000) + (shape == Shape.ReachesIntoModules ? 0x10000UL : 0), 0x5000 + (i % 3 * 0x1000), "load_module+0x1/0x2 pages=4 vmalloc N0=4");
            }
        }

        if (shape == Shape.OutOfOrder)
        {
            int cut = random.Next(lines.Count / 4, lines.Count / 2);
            lines = [.. lines[cut..], .. lines[..cut]];
        }

        return string.Join(end, lines) + end;
    }
}
