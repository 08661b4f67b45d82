using System.Text;
using VmScope.Recording;

namespace VmScope.Tests.Recording;

public class RecordingTests
{
    private static readonly DateTimeOffset Noon = new(2024, 2, 29, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Goal: what was written is read back, byte for byte, over many samples. Method: seeded edits of a list, as a machine makes them.</summary>
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Samples_come_back_as_they_were_written(int seed)
    {
        List<RecordedSnapshot> written = Samples(seed, 150);
        byte[] file = FileOf(written);
        using RecordingReader reader = RecordingReader.Of(file, "test");
        Assert.Empty(reader.Damage);
        Same(written, [.. reader.Snapshots()]);

        // And in any order: a replay jumps back and forth.
        Random random = new(seed);
        for (int i = 0; i < 40; i++)
        {
            int index = random.Next(reader.Count);
            Same([written[index]], [reader.Snapshot(index)!]);
            Assert.Equal(written[index].Time, reader.TimeOf(index));
        }
    }

    [Fact]
    public void A_quiet_machine_costs_a_few_bytes_per_sample()
    {
        string list = string.Concat(Enumerable.Range(0, 1000).Select(i => $"0x{0xf0000000L + (i * 8192):x8}-0x{0xf0000000L + (i * 8192) + 8192:x8}    8192 caller_{i % 30}+0x1/0x2 pages=1 vmalloc\n"));
        List<RecordedSnapshot> samples = [.. Enumerable.Range(0, 60).Select(i => Snapshot(i, ("vmallocinfo", list), ("meminfo", $"VmallocUsed: {i} kB\n")))];
        int one = FileOf(samples[..1]).Length;
        Assert.InRange(FileOf(samples).Length, one, one + (60 * 120));
    }

    /// <summary>Goal: a recorder killed at any moment leaves every finished sample. Method: the file cut at every length.</summary>
    [Fact]
    public void A_file_cut_anywhere_keeps_every_complete_sample_and_can_be_continued()
    {
        List<RecordedSnapshot> written = Samples(seed: 9, count: 6);
        byte[] file = FileOf(written);
        long[] ends = [.. Enumerable.Range(0, written.Count + 1).Select(count => (long)FileOf(written[..count]).Length)];
        string path = Path.Combine(Directory.CreateTempSubdirectory("vmscope-test").FullName, "cut.rec");
        for (int length = 0; length <= file.Length; length += length < 200 ? 1 : 37)
        {
            int complete = Math.Max(ends.Count(end => end <= length) - 1, 0);
            byte[] cut = file[..length];
            if (length >= RecordingFormat.Signature.Length)
            {
                using RecordingReader reader = RecordingReader.Of(cut, "cut");
                Same(written[..complete], [.. reader.Snapshots()]);
                Assert.Equal(ends.Contains(length) ? 0 : 1, reader.Damage.Length);
            }

            File.WriteAllBytes(path, cut);
            using (RecordingWriter writer = RecordingWriter.Append(path))
            {
                writer.Write(written[^1]);
            }

            using RecordingReader again = RecordingReader.Open(path);
            Assert.Empty(again.Damage);
            Same([.. written[..complete], written[^1]], [.. again.Snapshots()]);
        }

        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    /// <summary>Goal: damage never crashes a reader, never passes for a sample, and costs only what depends on it.</summary>
    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4)]
    public void Damaged_bytes_are_reported_and_the_rest_is_read(int seed)
    {
        Random random = new(seed);
        List<RecordedSnapshot> written = Samples(seed, 80);
        byte[] clean = FileOf(written);
        HashSet<string> genuine = [.. written.Select(Text)];
        for (int round = 0; round < 60; round++)
        {
            byte[] file = [.. clean];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                int at = random.Next(RecordingFormat.Signature.Length, file.Length);
                if (random.Next(3) == 0)
                {
                    int length = Math.Min(random.Next(1, 5000), file.Length - at);
                    file = [.. file[..at], .. file[(at + length)..]];
                }
                else
                {
                    file[at] ^= (byte)random.Next(1, 256);
                }

                if (file.Length <= RecordingFormat.Signature.Length)
                {
                    break;
                }
            }

            using RecordingReader reader = RecordingReader.Of(file, "damaged");
            List<RecordedSnapshot> read = [.. reader.Snapshots()];
            Assert.All(read, snapshot => Assert.Contains(Text(snapshot), genuine));
            Assert.True(reader.Damage.Length > 0 || read.Count <= written.Count);
        }
    }

    /// <summary>Goal: headers that promise much cost little. Method: valid checksums around false lengths and steps.</summary>
    [Theory]
    [InlineData(new byte[] { 0, 1, 0, (byte)'a', 0xff, 0xff, 0xff, 0x7f })]
    [InlineData(new byte[] { 1, 1, 0, (byte)'a' })]
    [InlineData(new byte[] { 2, 1, 0, (byte)'a', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f })]
    [InlineData(new byte[] { 9 })]
    [InlineData(new byte[] { 0, 0xff, 0xff })]
    public void False_entries_are_no_sample(byte[] entries)
    {
        using MemoryStream frame = new();
        frame.Write(new byte[RecordingFormat.HeaderBytes]);
        using (System.IO.Compression.ZLibStream deflate = new(frame, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(entries);
        }

        byte[] bytes = frame.ToArray();
        ReadOnlySpan<byte> payload = bytes.AsSpan(RecordingFormat.HeaderBytes);
        new FrameHeader(RecordingFormat.ChangedFrame, long.MaxValue, -1, payload.Length, entries.Length, RecordingFormat.Checksum(payload)).Write(bytes);
        byte[] first = RecordingWriter.Frame(Snapshot(0, ("a", "x\ny\n")), null);
        using RecordingReader reader = RecordingReader.Of([.. RecordingFormat.Signature, .. first, .. bytes], "false");
        Assert.Equal(2, reader.Count);
        Assert.Equal(entries[0] == 1, reader.Snapshot(1) is not null);
    }

    [Fact]
    public void Another_file_is_no_recording() =>
        Assert.Contains("not a vmscope recording", Assert.Throws<EvidenceException>(() => RecordingReader.Of("0xf0000000-0xf0002000"u8.ToArray(), "x")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_foreign_file_is_never_appended_to()
    {
        string path = Path.GetTempFileName();
        File.WriteAllText(path, "my thesis");
        Assert.Throws<EvidenceException>(() => RecordingWriter.Append(path));
        Assert.Equal("my thesis", File.ReadAllText(path));
        File.Delete(path);
    }

    [Fact]
    public void The_checksum_is_crc32c() => Assert.Equal(0xe3069283, RecordingFormat.Checksum("123456789"u8));

    internal static List<RecordedSnapshot> Samples(int seed, int count)
    {
        Random random = new(seed);
        List<string> lines = [.. Enumerable.Range(0, random.Next(0, 60)).Select(i => $"line {i}")];
        List<RecordedSnapshot> samples = [];
        for (int i = 0; i < count; i++)
        {
            for (int edit = random.Next(0, 4); edit > 0; edit--)
            {
                int at = random.Next(lines.Count + 1);
                if (random.Next(2) == 0 || at == lines.Count)
                {
                    lines.Insert(at, $"line {random.Next(100)}");
                }
                else
                {
                    lines.RemoveAt(at);
                }
            }

            if (random.Next(20) == 0)
            {
                lines = [.. lines.OrderBy(_ => random.Next())];
            }

            string text = string.Join('\n', lines) + (random.Next(2) == 0 ? "\n" : "");
            samples.Add(random.Next(10) == 0 ? Snapshot(i, ("vmallocinfo", text)) : Snapshot(i, ("vmallocinfo", text), ("meminfo", $"{random.Next()}"), ("empty", "")));
        }

        return samples;
    }

    private static RecordedSnapshot Snapshot(int second, params (string Name, string Text)[] files) =>
        new(Noon.AddSeconds(second), second % 3 == 0 ? null : second * 1000L, [.. files.Select(file => new RecordedFile(file.Name, Encoding.UTF8.GetBytes(file.Text)))]);

    private static byte[] FileOf(List<RecordedSnapshot> samples)
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("vmscope-test").FullName, "r.rec");
        using (RecordingWriter writer = RecordingWriter.Append(path))
        {
            samples.ForEach(writer.Write);
        }

        byte[] bytes = File.ReadAllBytes(path);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        return bytes;
    }

    private static string Text(RecordedSnapshot snapshot) =>
        $"{snapshot.Time:O} {snapshot.UptimeMilliseconds} " + string.Concat(snapshot.Files.Select(file => $"[{file.Name}:{Encoding.UTF8.GetString(file.Bytes.Span)}]"));

    private static void Same(List<RecordedSnapshot> expected, List<RecordedSnapshot> actual) => Assert.Equal(expected.Select(Text), actual.Select(Text));
}
