using System.Text;
using System.Text.Json;
using VmScope.Recording;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

public sealed class DiffCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-diff");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Two_bare_lists_compare_and_a_leak_ends_with_exit_code_1()
    {
        string before = File_("before.txt", List(bpf: 5));
        string after = File_("after.txt", List(bpf: 60));
        CliRun same = CliRun.Of("diff", before, before);
        Assert.Equal(0, same.ExitCode);
        Assert.Contains("Nothing looks like a leak.", same.OutText, StringComparison.Ordinal);
        CliRun run = CliRun.Of("diff", before, after);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("1. bpf_jit_alloc_exec: +55 areas, +450,560 bytes", run.OutText, StringComparison.Ordinal);
        Assert.Contains("when they were taken is not known", string.Join(' ', run.OutText.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(CliRun.Of("diff", before, after, "--json").OutText).RootElement;
        Assert.Equal("bpf_jit_alloc_exec", json.GetProperty("suspects")[0].GetProperty("owner").GetString());
        Assert.Equal(JsonValueKind.Null, json.GetProperty("hours").ValueKind);
        Assert.Equal(55, json.GetProperty("appeared").GetArrayLength());
    }

    [Fact]
    public void File_times_are_used_only_when_they_may_be_trusted()
    {
        string before = File_("before.txt", List(bpf: 5));
        string after = File_("after.txt", List(bpf: 65));
        File.SetLastWriteTimeUtc(before, new DateTime(2024, 2, 29, 12, 0, 0, DateTimeKind.Utc));
        File.SetLastWriteTimeUtc(after, new DateTime(2024, 2, 29, 15, 0, 0, DateTimeKind.Utc));
        Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(CliRun.Of("diff", before, after, "--json").OutText).RootElement.GetProperty("hours").ValueKind);
        JsonElement json = JsonDocument.Parse(CliRun.Of("diff", before, after, "--json", "--file-times").OutText).RootElement;
        Assert.Equal(3, json.GetProperty("hours").GetDouble());
        Assert.Equal(60 * 8192 / 3.0, json.GetProperty("suspects")[0].GetProperty("bytesPerHour").GetDouble(), 0.01);
    }

    [Fact]
    public void A_recording_compares_its_own_samples_with_their_times()
    {
        string path = Path.Combine(_folder.FullName, "day.rec");
        using (RecordingWriter writer = RecordingWriter.Append(path))
        {
            for (int i = 0; i < 5; i++)
            {
                writer.Write(new RecordedSnapshot(DateTimeOffset.UnixEpoch.AddMinutes(30 * i), 1000 * 60 * 30 * i,
                    [new RecordedFile("vmallocinfo", Encoding.UTF8.GetBytes(List(bpf: 10 * i)))]));
            }
        }

        string words = string.Join(' ', CliRun.Of("diff", path).OutText.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(", 2 hours apart by the recorder's clock.", words, StringComparison.Ordinal);
        CliRun run = CliRun.Of("diff", path, "--json");
        Assert.Equal(1, run.ExitCode);
        JsonElement json = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal(5, json.GetProperty("snapshots").GetArrayLength());
        Assert.Equal(2, json.GetProperty("hours").GetDouble());
        Assert.Equal("monotonic-growth", json.GetProperty("suspects")[0].GetProperty("reasons")[0].GetProperty("kind").GetString());
        Assert.Equal(20 * 8192, json.GetProperty("suspects")[0].GetProperty("bytesPerHour").GetDouble());
    }

    /// <summary>Goal: recorded boots of one machine compare, whatever their loads; fragmentation is measured in both.</summary>
    [Fact]
    public void Two_captures_compare_by_window()
    {
        string[] names = [.. Captures.Names.Where(name => name.StartsWith("i386-6.1.176-686-1024-", StringComparison.Ordinal) && (name.EndsWith("vmalloc-64M", StringComparison.Ordinal) || name.EndsWith("fail-vmalloc-16M", StringComparison.Ordinal)))];
        Assert.Equal(2, names.Length);
        CliRun run = CliRun.Of("diff", Captures.Archive(names[1]), Captures.Archive(names[0]), "--json");
        Assert.Equal(1, run.ExitCode);
        Assert.Equal("netlink_sendmsg", JsonDocument.Parse(run.OutText).RootElement.GetProperty("suspects")[0].GetProperty("owner").GetString());
        JsonElement window = JsonDocument.Parse(run.OutText).RootElement.GetProperty("windows")[0];
        Assert.Equal("vmalloc", window.GetProperty("name").GetString());
        Assert.True(window.GetProperty("then").GetProperty("largestHoleBytes").GetUInt64() > window.GetProperty("now").GetProperty("largestHoleBytes").GetUInt64());
    }

    [Theory]
    [InlineData(2, "diff", "-", "-")]
    [InlineData(2, "diff")]
    [InlineData(3, "diff", "/nonexistent", "/nonexistent")]
    public void Errors_have_their_exit_codes(int exitCode, params string[] arguments) => Assert.Equal(exitCode, CliRun.Of(arguments).ExitCode);

    /// <summary>Goal: a list from a pipe compares like one from a file. Method: the second list on standard input.</summary>
    [Fact]
    public void Standard_input_is_a_snapshot_too()
    {
        string first = File_("first.txt", List(bpf: 5));
        CliRun files = CliRun.Of("diff", first, File_("second.txt", List(bpf: 65)));
        CliRun piped = CliRun.With(List(bpf: 65), "diff", first, "-");
        Assert.Equal((1, 1), (files.ExitCode, piped.ExitCode));
        Assert.Equal(files.OutText.Split('\n')[^10..], piped.OutText.Split('\n')[^10..]);
        Assert.Contains("vmalloc now", piped.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void One_snapshot_is_none_to_compare() => Assert.Equal(2, CliRun.Of("diff", File_("one.txt", List(bpf: 3))).ExitCode);

    private string File_(string name, string content)
    {
        string path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, content);
        return path;
    }

    private static string List(int bpf) => new AreaLists(is64Bit: true)
        .AddMany(20, 0xffffc90000000000, 0x5000, 0x8000, "dup_task_struct+0x50/0x1c0 pages=4 vmalloc N0=4")
        .AddMany(bpf, 0xffffffffc0000000, 0x2000, 0x2000, "bpf_jit_alloc_exec+0xe/0x10 pages=1 vmalloc N0=1").Text();
}
