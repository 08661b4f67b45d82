using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace VmScope.Recording;

/// <summary>Appends snapshots to a recording.</summary>
/// <remarks>A sample either is in the file completely or is left out by every reader; see <see cref="RecordingFormat"/>.</remarks>
public sealed class RecordingWriter : IDisposable
{
    /// <summary>A complete frame after so many changed ones: bounds how much one damaged frame costs.</summary>
    private const int FramesPerCompleteFrame = 64;

    private readonly FileStream _file;
    private RecordedSnapshot? _before;
    private int _sinceComplete;

    private RecordingWriter(FileStream file) => _file = file;

    /// <summary>Bytes in the file.</summary>
    public long LengthBytes => _file.Length;

    /// <summary>Opens a recording to append to it; makes it when it does not exist.</summary>
    /// <remarks>A short frame at the end, left by a recorder that was killed, is cut off.</remarks>
    /// <exception cref="EvidenceException">The file exists and is no recording.</exception>
    /// <exception cref="IOException">The file cannot be opened, or another recorder has it open.</exception>
    public static RecordingWriter Append(string path)
    {
        FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        try
        {
            if (file.Length < RecordingFormat.Signature.Length && IsBeginningOfSignature(file))
            {
                file.SetLength(0);
                file.Write(RecordingFormat.Signature);
            }
            else
            {
                RecordingIndex index = RecordingIndex.Read(file, path);
                file.SetLength(index.EndOfLastFrame);
            }

            file.Seek(0, SeekOrigin.End);
            return new RecordingWriter(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Appends one sample.</summary>
    /// <exception cref="ArgumentException">More files, or more bytes, than a reader accepts.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(RecordedSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        bool isComplete = _before is null || _sinceComplete >= FramesPerCompleteFrame;
        byte[] frame = Frame(snapshot, isComplete ? null : _before);
        long before = _file.Position;
        try
        {
            _file.Write(frame);
        }
        catch (IOException)
        {
            // A full disk took part of the frame: without it the file stays whole, and the next sample may fit again.
            _file.SetLength(before);
            _file.Seek(before, SeekOrigin.Begin);
            throw;
        }

        _before = snapshot;
        _sinceComplete = isComplete ? 0 : _sinceComplete + 1;
    }

    /// <inheritdoc />
    public void Dispose() => _file.Dispose();

    /// <summary>The bytes of a frame.</summary>
    internal static byte[] Frame(RecordedSnapshot snapshot, RecordedSnapshot? before)
    {
        if (snapshot.Files.Length > RecordingFormat.FilesMax)
        {
            throw new ArgumentException($"{snapshot.Files.Length} files in a sample; at most {RecordingFormat.FilesMax} are kept", nameof(snapshot));
        }

        using MemoryStream entries = new();
        foreach (RecordedFile file in snapshot.Files)
        {
            Entry(entries, file, before?.File(file.Name));
        }

        if (entries.Length > RecordingFormat.InflatedBytesMax)
        {
            throw new ArgumentException($"a sample of {entries.Length} bytes; at most {RecordingFormat.InflatedBytesMax} are kept", nameof(snapshot));
        }

        using MemoryStream frame = new();
        frame.Write(new byte[RecordingFormat.HeaderBytes]);
        using (ZLibStream deflate = new(frame, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(entries.GetBuffer().AsSpan(0, (int)entries.Length));
        }

        byte[] bytes = frame.ToArray();
        ReadOnlySpan<byte> payload = bytes.AsSpan(RecordingFormat.HeaderBytes);
        if (payload.Length > RecordingFormat.PayloadBytesMax)
        {
            throw new ArgumentException($"a sample of {payload.Length} compressed bytes; at most {RecordingFormat.PayloadBytesMax} are kept", nameof(snapshot));
        }

        new FrameHeader(before is null ? RecordingFormat.CompleteFrame : RecordingFormat.ChangedFrame,
            snapshot.Time.ToUnixTimeMilliseconds(), snapshot.UptimeMilliseconds ?? -1, payload.Length, (int)entries.Length,
            RecordingFormat.Checksum(payload)).Write(bytes);
        return bytes;
    }

    private static void Entry(MemoryStream to, RecordedFile file, ReadOnlyMemory<byte>? before)
    {
        byte[] name = Encoding.UTF8.GetBytes(file.Name);
        if (name.Length > ushort.MaxValue)
        {
            throw new ArgumentException($"a file name of {name.Length} bytes; at most {ushort.MaxValue} are kept", nameof(file));
        }

        bool isSame = before is { } earlier && earlier.Span.SequenceEqual(file.Bytes.Span);
        to.WriteByte(isSame ? RecordingFormat.AsBefore : before is null ? RecordingFormat.Whole : RecordingFormat.ChangedLines);
        Span<byte> length = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)name.Length);
        to.Write(length);
        to.Write(name);
        if (isSame)
        {
            return;
        }

        if (before is { } old)
        {
            LineChanges.Write(old.Span, file.Bytes.Span, to);
            return;
        }

        LineChanges.WriteNumber(to, file.Bytes.Length);
        to.Write(file.Bytes.Span);
    }

    private static bool IsBeginningOfSignature(FileStream file)
    {
        Span<byte> bytes = stackalloc byte[RecordingFormat.Signature.Length];
        file.Seek(0, SeekOrigin.Begin);
        int read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return RecordingFormat.Signature.StartsWith(bytes[..read]);
    }
}
