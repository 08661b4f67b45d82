using System.Globalization;
using System.Text;
using VmScope.Recording;
using VmScope.Sources;

namespace VmScope.Cli.Watching;

/// <summary>Where samples come from.</summary>
internal interface IWatchSource
{
    /// <summary>Machine and kernel, for the title.</summary>
    string Title { get; }

    /// <summary>What to say when a sample holds no list.</summary>
    string WhyMissing { get; }

    /// <summary>The next sample; null when there is none (the end of a recording).</summary>
    RecordedSnapshot? Next();
}

/// <summary>Samples a machine, or a directory that somebody keeps up to date.</summary>
internal sealed class MachineSource(EvidenceBundle bundle, TimeProvider clock) : IWatchSource
{
    /// <summary>Read anew for each sample.</summary>
    private static readonly string[] Changing = ["vmallocinfo", "meminfo", "modules", "buddyinfo", "uptime"];

    /// <summary>Read once: what a layout follows from, so that a recording explains itself.</summary>
    private static readonly string[] Constant = ["version", "cmdline", "cpuinfo", "iomem", "config"];

    private const int FileBytesMax = 200 * 1024 * 1024;
    private readonly List<RecordedFile> _constant = [];
    private bool _constantIsRead;

    public string Title => $"{bundle.Name}{(bundle.Kernel is { } kernel ? "  " + kernel.Release : "")}";

    public string WhyMissing => bundle.WhyMissing("vmallocinfo");

    public RecordedSnapshot? Next()
    {
        if (!_constantIsRead)
        {
            _constant.AddRange(Constant.Select(Read).OfType<RecordedFile>());
            _constantIsRead = true;
        }

        DateTimeOffset now = clock.GetUtcNow();
        RecordedFile[] files = [.. Changing.Select(Read).OfType<RecordedFile>(), .. _constant];
        return new RecordedSnapshot(now, Uptime(files), [.. files]);
    }

    private RecordedFile? Read(string name)
    {
        try
        {
            if (!bundle.TryOpen(name, out Stream stream))
            {
                return null;
            }

            using (stream)
            {
                return new RecordedFile(name, ReadAll(stream, name));
            }
        }
        catch (IOException)
        {
            // Gone between the look and the read, or a driver's read error: this sample lacks the file, the next may have it.
            return null;
        }
    }

    private static ReadOnlyMemory<byte> ReadAll(Stream stream, string name)
    {
        byte[] buffer = new byte[256 * 1024];
        int length = 0;
        while (true)
        {
            int got = stream.Read(buffer, length, buffer.Length - length);
            if (got == 0)
            {
                return buffer.AsMemory(0, length);
            }

            length += got;
            if (length == buffer.Length)
            {
                if (length >= FileBytesMax)
                {
                    throw new EvidenceException($"{name}: more than {FileBytesMax} bytes; a real one is far smaller");
                }

                Array.Resize(ref buffer, buffer.Length * 2);
            }
        }
    }

    private static long? Uptime(RecordedFile[] files)
    {
        if (Array.Find(files, file => file.Name == "uptime") is not { } uptime)
        {
            return null;
        }

        string first = Encoding.ASCII.GetString(uptime.Bytes.Span[..Math.Min(uptime.Bytes.Length, 64)]).Split([' ', '\n'], 2)[0];
        return decimal.TryParse(first, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds) && seconds < 1_000_000_000_000
            ? (long)(seconds * 1000)
            : null;
    }
}

/// <summary>Plays a recording.</summary>
internal sealed class ReplaySource(RecordingReader reader, string name) : IWatchSource
{
    private int _next;

    public string Title => $"{name}  sample {_next} of {reader.Count}";

    public string WhyMissing => "this sample holds no vmallocinfo";

    internal bool IsAtEnd => _next >= reader.Count;

    public RecordedSnapshot? Next() =>
        IsAtEnd ? null : reader.Snapshot(_next++) ?? new RecordedSnapshot(reader.TimeOf(_next - 1), null, []);

    /// <summary>Goes back so that the sample before the one shown comes next, after as many as a history keeps.</summary>
    /// <returns>How many samples to take until the wanted one is shown.</returns>
    internal int StepBack()
    {
        int wanted = Math.Max(_next - 2, 0);
        _next = Math.Max(wanted - WatchHistory.Kept + 1, 0);
        return wanted - _next + 1;
    }
}
