using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.Compression;
using System.Text;

namespace VmScope.Recording;

/// <summary>Reads a recording: every intact sample in order, and what is damaged.</summary>
public sealed class RecordingReader : IDisposable
{
    private readonly Stream _stream;
    private readonly string _name;
    private readonly RecordingIndex _index;
    private int _lastIndex = -1;
    private RecordedSnapshot? _last;

    private RecordingReader(Stream stream, string name) =>
        (_stream, _name, _index) = (stream, name, RecordingIndex.Read(stream, name));

    /// <summary>Opens a recording.</summary>
    /// <exception cref="EvidenceException">It is no recording.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static RecordingReader Open(string path)
    {
        FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        try
        {
            return new RecordingReader(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads a recording that is in memory.</summary>
    /// <exception cref="EvidenceException">It is no recording.</exception>
    public static RecordingReader Of(byte[] bytes, string name) => new(new MemoryStream(bytes, writable: false), name);

    /// <summary>How many samples there are.</summary>
    public int Count => _index.Frames.Length;

    /// <summary>What could not be read, one sentence each.</summary>
    public ImmutableArray<string> Damage => _index.Damage;

    /// <summary>When a sample was taken.</summary>
    public DateTimeOffset TimeOf(int index) => Time(_index.Frames[index].Header.UnixMilliseconds);

    /// <summary>A sample.</summary>
    /// <returns>Null when it, or one it builds on, is damaged.</returns>
    public RecordedSnapshot? Snapshot(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        int first = index;
        while (first > 0 && _index.Frames[first].Header.Kind == RecordingFormat.ChangedFrame && first != _lastIndex)
        {
            first--;
        }

        for (int i = first; i <= index; i++)
        {
            if (i == _lastIndex)
            {
                continue;
            }

            bool followsItsBase = i > 0 && _lastIndex == i - 1 && FollowsDirectly(i);
            _last = Decode(_index.Frames[i], followsItsBase ? _last : null);
            _lastIndex = i;
        }

        return _last;
    }

    /// <summary>Every readable sample, in order.</summary>
    public IEnumerable<RecordedSnapshot> Snapshots()
    {
        for (int i = 0; i < Count; i++)
        {
            if (Snapshot(i) is { } snapshot)
            {
                yield return snapshot;
            }
        }
    }

    /// <inheritdoc />
    public void Dispose() => _stream.Dispose();

    /// <summary>A damaged stretch before a frame means that the frame it builds on may be gone.</summary>
    private bool FollowsDirectly(int index) =>
        _index.Frames[index - 1].Offset + RecordingFormat.HeaderBytes + _index.Frames[index - 1].Header.PayloadBytes == _index.Frames[index].Offset;

    private RecordedSnapshot? Decode(FramePlace place, RecordedSnapshot? before)
    {
        if (place.Header.Kind == RecordingFormat.ChangedFrame && before is null)
        {
            return null;
        }

        byte[]? entries = Inflate(place);
        if (entries is null)
        {
            return null;
        }

        ImmutableArray<RecordedFile>.Builder files = ImmutableArray.CreateBuilder<RecordedFile>();
        ReadOnlySpan<byte> rest = entries;
        long total = 0;
        while (!rest.IsEmpty)
        {
            RecordedFile? file = files.Count < RecordingFormat.FilesMax ? Entry(ref rest, before, RecordingFormat.InflatedBytesMax - (int)total) : null;
            if (file is null)
            {
                return null;
            }

            total += file.Bytes.Length;
            files.Add(file);
        }

        return new RecordedSnapshot(Time(place.Header.UnixMilliseconds),
            place.Header.UptimeMilliseconds < 0 ? null : place.Header.UptimeMilliseconds, files.ToImmutable());
    }

    private byte[]? Inflate(FramePlace place)
    {
        byte[] payload = new byte[place.Header.PayloadBytes];
        _stream.Seek(place.Offset + RecordingFormat.HeaderBytes, SeekOrigin.Begin);
        _stream.ReadExactly(payload);
        try
        {
            using ZLibStream inflate = new(new MemoryStream(payload), CompressionMode.Decompress);
            // Grows as the stream proves itself: a false length in the header alone must not take memory.
            using MemoryStream entries = new();
            byte[] piece = new byte[64 * 1024];
            for (int read = inflate.Read(piece); read > 0; read = inflate.Read(piece))
            {
                entries.Write(piece, 0, read);
                if (entries.Length > place.Header.InflatedBytes)
                {
                    return null;
                }
            }

            return entries.Length == place.Header.InflatedBytes ? entries.ToArray() : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static RecordedFile? Entry(ref ReadOnlySpan<byte> rest, RecordedSnapshot? before, int bytesMax)
    {
        if (rest.Length < 3)
        {
            return null;
        }

        byte how = rest[0];
        int nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(rest[1..]);
        rest = rest[3..];
        if (nameBytes > rest.Length)
        {
            return null;
        }

        string name = Encoding.UTF8.GetString(rest[..nameBytes]);
        rest = rest[nameBytes..];
        switch (how)
        {
            case RecordingFormat.Whole when LineChanges.TakeNumber(ref rest, out int length) && length <= rest.Length && length <= bytesMax:
                byte[] bytes = rest[..length].ToArray();
                rest = rest[length..];
                return new RecordedFile(name, bytes);
            case RecordingFormat.AsBefore when before?.File(name) is { } same && same.Length <= bytesMax:
                return new RecordedFile(name, same);
            case RecordingFormat.ChangedLines when before?.File(name) is { } old && LineChanges.Apply(old.Span, ref rest, bytesMax) is { } changed:
                return new RecordedFile(name, changed);
            default:
                return null;
        }
    }

    private static DateTimeOffset Time(long unixMilliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(
        Math.Clamp(unixMilliseconds, DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));
}
