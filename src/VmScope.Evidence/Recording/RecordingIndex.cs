using System.Collections.Immutable;

namespace VmScope.Recording;

/// <summary>Where an intact frame stands.</summary>
internal readonly record struct FramePlace(long Offset, FrameHeader Header);

/// <summary>Where every intact frame of a recording stands, and what is damaged.</summary>
internal sealed record RecordingIndex(ImmutableArray<FramePlace> Frames, long EndOfLastFrame, ImmutableArray<string> Damage)
{
    /// <summary>Bytes read at once while looking for the next frame behind a damaged one.</summary>
    private const int SearchBytes = 64 * 1024;

    private const int DamageReportsMax = 100;

    /// <summary>Reads all frames' headers and checks their checksums.</summary>
    /// <exception cref="EvidenceException">The stream does not begin as a recording does.</exception>
    internal static RecordingIndex Read(Stream stream, string name)
    {
        byte[] buffer = new byte[SearchBytes];
        stream.Seek(0, SeekOrigin.Begin);
        int read = stream.ReadAtLeast(buffer.AsSpan(0, RecordingFormat.Signature.Length), RecordingFormat.Signature.Length, throwOnEndOfStream: false);
        if (!RecordingFormat.IsRecording(buffer.AsSpan(0, read)))
        {
            throw new EvidenceException($"{name} is not a vmscope recording: it does not begin with 'vmscope recording 1'");
        }

        ImmutableArray<FramePlace>.Builder frames = ImmutableArray.CreateBuilder<FramePlace>();
        ImmutableArray<string>.Builder damage = ImmutableArray.CreateBuilder<string>();
        long at = RecordingFormat.Signature.Length;
        long end = at;
        long length = stream.Length;
        while (at < length)
        {
            string? fault = Check(stream, at, length, buffer, out FrameHeader header);
            if (fault is null)
            {
                frames.Add(new FramePlace(at, header));
                at += RecordingFormat.HeaderBytes + header.PayloadBytes;
                end = at;
                continue;
            }

            long next = NextMark(stream, at + 1, length, buffer);
            if (damage.Count < DamageReportsMax)
            {
                damage.Add(next < 0
                    ? $"{name}: {length - at} bytes at the end are an unfinished sample ({fault})"
                    : $"{name}: bytes {at} to {next - 1} are damaged ({fault})");
            }

            at = next < 0 ? length : next;
        }

        return new RecordingIndex(frames.ToImmutable(), end, damage.ToImmutable());
    }

    private static string? Check(Stream stream, long at, long length, byte[] buffer, out FrameHeader header)
    {
        header = default;
        if (length - at < RecordingFormat.HeaderBytes)
        {
            return "shorter than a frame's header";
        }

        stream.Seek(at, SeekOrigin.Begin);
        stream.ReadExactly(buffer.AsSpan(0, RecordingFormat.HeaderBytes));
        if (!FrameHeader.TryRead(buffer.AsSpan(0, RecordingFormat.HeaderBytes), out header))
        {
            return "no intact frame header";
        }

        if (length - at - RecordingFormat.HeaderBytes < header.PayloadBytes)
        {
            return $"{length - at - RecordingFormat.HeaderBytes} of {header.PayloadBytes} bytes";
        }

        byte[] payload = header.PayloadBytes <= buffer.Length ? buffer : new byte[header.PayloadBytes];
        Span<byte> bytes = payload.AsSpan(0, header.PayloadBytes);
        stream.ReadExactly(bytes);
        return RecordingFormat.Checksum(bytes) == header.PayloadChecksum ? null : "checksum differs";
    }

    private static long NextMark(Stream stream, long from, long length, byte[] buffer)
    {
        while (from < length)
        {
            stream.Seek(from, SeekOrigin.Begin);
            int read = stream.ReadAtLeast(buffer, (int)Math.Min(buffer.Length, length - from), throwOnEndOfStream: false);
            int found = buffer.AsSpan(0, read).IndexOf(RecordingFormat.FrameMark);
            if (found >= 0)
            {
                return from + found;
            }

            if (read < RecordingFormat.FrameMark.Length)
            {
                return -1;
            }

            from += read - (RecordingFormat.FrameMark.Length - 1);
        }

        return -1;
    }
}
