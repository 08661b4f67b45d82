using System.Diagnostics;
using System.Text;
using VmScope.Recording;
using VmScope.Tests.Analysis;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli.Watching;

public sealed class RecorderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-record");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>
    /// Goal: a recorder killed at any moment loses at most the sample it was writing, and the next one continues its file.
    /// Method: SIGKILL after random times while the list changes; what it had announced must be in the file, as it was.
    /// </summary>
    [Fact]
    public void A_killed_recorder_loses_at_most_the_sample_being_written()
    {
        string list = Path.Combine(_folder.FullName, "vmallocinfo");
        string file = Path.Combine(_folder.FullName, "r.rec");
        Random random = new(11);
        HashSet<string> written = [];
        int announced = 0;
        for (int round = 0; round < 4; round++)
        {
            void Change()
            {
                string text = new AreaLists().AddMany(random.Next(1, 3000), 0xf0000000, 0x2000, 0x3000, $"owner_{random.Next(100)}+0x1/0x2 pages=1 vmalloc").Text();
                written.Add(text);
                File.WriteAllText(list + ".tmp", text);
                File.Move(list + ".tmp", list, overwrite: true);
            }

            Change();
            using Process recorder = Start("watch", _folder.FullName, "--every", "100ms", "--record", file);
            int lines = 0;
            int wanted = random.Next(1, 6);
            while (lines < wanted && recorder.StandardOutput.ReadLine() is not null)
            {
                lines++;
                Change();
            }

            Thread.Sleep(random.Next(0, 110));
            recorder.Kill();
            while (recorder.StandardOutput.ReadLine() is not null)
            {
                lines++;
            }

            recorder.WaitForExit();
            announced += lines;
            Assert.True(lines >= wanted, recorder.StandardError.ReadToEnd());
            using RecordingReader reader = RecordingReader.Open(file);
            Assert.InRange(reader.Damage.Length, 0, 1);
            List<RecordedSnapshot> samples = [.. reader.Snapshots()];
            Assert.InRange(samples.Count, announced, announced + round + 1);
            Assert.All(samples, sample => Assert.Contains(Encoding.UTF8.GetString(sample.File("vmallocinfo")!.Value.Span), written));
            announced = samples.Count;
        }

        CliRun replay = CliRun.Of("watch", "--replay", file);
        Assert.Equal(0, replay.ExitCode);
        Assert.Equal(announced, replay.OutText.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [Fact]
    public void A_recording_is_evidence_its_last_sample()
    {
        string file = Path.Combine(_folder.FullName, "r.rec");
        using (RecordingWriter writer = RecordingWriter.Append(file))
        {
            foreach (string text in new[] { "first", "second" })
            {
                writer.Write(new RecordedSnapshot(DateTimeOffset.UnixEpoch, null,
                    [new RecordedFile("vmallocinfo", Encoding.UTF8.GetBytes(text)), new RecordedFile("version", "Linux version 6.1.176 (a@b) #1\n"u8.ToArray())]));
            }
        }

        VmScope.Sources.EvidenceBundle fromPath = VmScope.Sources.EvidenceBundle.Open(file, Stream.Null);
        VmScope.Sources.EvidenceBundle fromStream = VmScope.Sources.EvidenceBundle.OpenStream(new MemoryStream(File.ReadAllBytes(file)), "stream");
        foreach (VmScope.Sources.EvidenceBundle bundle in new[] { fromPath, fromStream })
        {
            Assert.Equal("6.1.176", bundle.Kernel!.Release);
            Assert.True(bundle.TryOpen("vmallocinfo", out Stream stream));
            Assert.Equal("second", new StreamReader(stream).ReadToEnd());
            Assert.False(bundle.TryOpen("dmesg", out _));
            Assert.Contains("2 samples", bundle.Diagnostics[0].Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_empty_recording_cannot_be_read_as_evidence()
    {
        string file = Path.Combine(_folder.FullName, "r.rec");
        File.WriteAllBytes(file, RecordingFormat.Signature.ToArray());
        Assert.Throws<EvidenceException>(() => VmScope.Sources.EvidenceBundle.Open(file, Stream.Null));
        Assert.Equal(3, CliRun.Of("watch", "--replay", file).ExitCode);
        Assert.Equal(3, CliRun.Of("diff", file).ExitCode);
    }

    /// <summary>Goal: a note on damage names the file once. Method: a recording that ends within its second sample.</summary>
    [Fact]
    public void Damage_is_noted_with_the_name_of_the_file_once()
    {
        string file = Path.Combine(_folder.FullName, "r.rec");
        using (RecordingWriter writer = RecordingWriter.Append(file))
        {
            for (int i = 0; i < 2; i++)
            {
                writer.Write(new RecordedSnapshot(DateTimeOffset.UnixEpoch, null, [new RecordedFile("vmallocinfo", Encoding.UTF8.GetBytes(new AreaLists().AddMany(3, 0xf8800000, 0x2000, 0x3000, $"owner_{i}+0x1/0x2 pages=1 vmalloc").Text()))]));
            }
        }

        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^3]);
        CliRun run = CliRun.Of("explain", file);
        Assert.Contains("r.rec: ", run.ErrorText, StringComparison.Ordinal);
        Assert.Contains("unfinished sample", run.ErrorText, StringComparison.Ordinal);
        Assert.DoesNotContain($"r.rec: {file}", run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "watch", "-")]
    [InlineData(2, "watch", "--replay", "x", "--record", "y")]
    [InlineData(2, "watch", "--every", "soon")]
    [InlineData(3, "watch", "--replay", "/nonexistent")]
    [InlineData(3, "watch", "/nonexistent")]
    public void Errors_have_their_exit_codes(int exitCode, params string[] arguments) => Assert.Equal(exitCode, CliRun.Of(arguments).ExitCode);

    internal static Process Start(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "vmscope.dll"));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start) ?? throw new InvalidOperationException("dotnet does not start");
    }
}
