using System.Reflection;
using System.Text.Json;
using VmScope.Kernels;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>Goal: the list of kernels and the differences between two are what the dated rows say. Method: known changes.</summary>
public class KernelsCommandTests
{
    [Fact]
    public void The_list_names_every_architecture()
    {
        CliRun run = CliRun.Of("kernels");
        Assert.Equal(0, run.ExitCode);
        Assert.All(KnownKernels.All, known => Assert.Contains(known.Architecture.Name(), run.OutText, StringComparison.Ordinal));
        using JsonDocument json = JsonDocument.Parse(CliRun.Of("kernels", "--json").OutText);
        Assert.Equal(KnownKernels.All.Length, json.RootElement.GetProperty("kernels").GetArrayLength());
    }

    [Fact]
    public void The_formula_of_114680_kB_ends_with_2_6_28()
    {
        CliRun run = CliRun.Of("kernels", "diff", "2.6.27", "2.6.28", "--arch", "i386");
        Assert.Equal(0, run.ExitCode);
        string[] expected =
        [
            "VMALLOC_START", "+ high_memory + 8M", "MAXMEM", "- 2^32 - PAGE_OFFSET - reserve (896M)", "+ N + 8M", "commit e621bd18958e",
        ];
        Assert.All(expected, text => Assert.Contains(text, run.OutText, StringComparison.Ordinal));
        Assert.DoesNotContain("PKMAP_BASE\n", run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void Fixmap_changes_are_listed_entry_by_entry()
    {
        CliRun run = CliRun.Of("kernels", "diff", "2.6.24", "2.6.23", "--arch", "i386");
        Assert.Contains("nothing changed", run.OutText, StringComparison.Ordinal);
        run = CliRun.Of("kernels", "diff", "5.0", "5.2", "--arch", "i386", "--json");
        using JsonDocument json = JsonDocument.Parse(run.OutText);
        JsonElement change = Assert.Single(json.RootElement.GetProperty("changes").EnumerateArray());
        Assert.Equal("FIX_TEXT_POKE1, FIX_TEXT_POKE0", change.GetProperty("before").GetString());
        Assert.StartsWith("UNVERIFIED", change.GetProperty("source").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x86-64", "4.19", "5.0", "0xffff888000000000")]
    [InlineData("arm", "5.12", "5.14", "vmalloc=N + 8M")]
    [InlineData("arm64", "5.3", "5.4", "flipped")]
    [InlineData("riscv64", "6.9", "6.12", "0xffffffd600000000")]
    public void Known_changes_of_other_architectures(string architecture, string from, string to, string expected) =>
        Assert.Contains(expected, CliRun.Of("kernels", "diff", from, to, "--arch", architecture).OutText, StringComparison.Ordinal);

    [Theory]
    [InlineData("kernels diff 2.6.27")]
    [InlineData("kernels diff a b")]
    [InlineData("kernels diff 6.1 6.2 --arch vax")]
    public void Nonsense_is_a_usage_error(string line) => Assert.Equal(2, CliRun.Of(line.Split(' ')).ExitCode);

    [Fact]
    public void Counts_bounds_and_arguments_are_worded()
    {
        Assert.Contains("arm64: 1 change from 5.3 to 5.4", CliRun.Of("kernels", "diff", "5.3", "5.4").OutText, StringComparison.Ordinal);
        string old = CliRun.Of("kernels", "diff", "2.2.0", "2.4.22", "--arch", "i386").OutText;
        Assert.Contains("(not known before 2.4.16: what changed until then is missing)", old, StringComparison.Ordinal);
        Assert.Contains("vmscope: to zzz: one looks like", CliRun.Of("kernels", "diff", "6.1", "zzz").ErrorText, StringComparison.Ordinal);
    }

    /// <summary>A timeline nobody named would make "nothing changed" a lie.</summary>
    [Fact]
    public void Every_timeline_of_the_layout_is_compared()
    {
        HashSet<string> named = [.. new[] { Architecture.I386, Architecture.X64, Architecture.Arm, Architecture.Arm64, Architecture.Riscv64 }
            .SelectMany(architecture => NamedTimelines.Of(architecture).AsEnumerable()).Select(timeline => Sources(timeline.Rows.Select(row => (row.Since, row.Source))))];
        foreach (Type type in typeof(NamedTimelines).Assembly.GetTypes().Where(type => type.Namespace == "VmScope.Kernels.Timelines"))
        {
            foreach (FieldInfo field in type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)
                .Where(field => field.FieldType.IsGenericType && field.FieldType.GetGenericTypeDefinition() == typeof(Timeline<>)))
            {
                List<(KernelVersion, string)> rows = [];
                foreach (object row in (System.Collections.IEnumerable)field.FieldType.GetProperty("Rows")!.GetValue(field.GetValue(null))!)
                {
                    rows.Add(((KernelVersion)row.GetType().GetProperty("Since")!.GetValue(row)!, (string)row.GetType().GetProperty("Source")!.GetValue(row)!));
                }

                Assert.True(named.Contains(Sources(rows)), $"{type.Name}.{field.Name} is not compared by kernels diff");
            }
        }

        static string Sources(IEnumerable<(KernelVersion Since, string Source)> rows) => string.Join('|', rows.Select(row => $"{row.Since} {row.Source}"));
    }

    [Theory]
    [InlineData(Architecture.I386)]
    [InlineData(Architecture.X64)]
    [InlineData(Architecture.Arm)]
    [InlineData(Architecture.Arm64)]
    [InlineData(Architecture.Riscv64)]
    public void Every_row_carries_its_source(Architecture architecture)
    {
        foreach (NamedTimeline timeline in NamedTimelines.Of(architecture))
        {
            Assert.All(timeline.Rows, row => Assert.True(row.Source.Length > 8, $"{timeline.Subject} {row.Since}: '{row.Source}'"));
            Assert.All(timeline.Rows, row => Assert.NotEqual("", row.Text));
        }
    }
}
