using System.Buffers.Binary;
using System.Numerics;

namespace VmScope.Recording;

/// <summary>The file format of recordings: a signature, then frames, each with its lengths and checksums.</summary>
/// <remarks>
/// <code>
/// file    "vmscope recording 1\n" frame…
/// frame    0  "VSF1"
///          4  kind: 0 complete, 1 needs the frame before it; three zero bytes
///          8  wall clock, Unix milliseconds
///         16  uptime in milliseconds, or -1
///         24  length of the payload in the file      28  its length once inflated
///         32  CRC-32C of the payload in the file     36  CRC-32C of bytes 0 to 35
///         40  payload: zlib stream of entries
/// entry    how (0 whole, 1 as before, 2 changed lines), name length (2 bytes), name in UTF-8, then
///          whole: length, bytes        changed lines: number of steps, steps
/// step     0, first line of the earlier content, count of lines   or   1, length, bytes
/// </code>
/// All numbers are little-endian, four bytes unless said. A frame is written by one call at the end of the file: who is
/// killed while writing leaves a short last frame, which a reader reports and leaves out.
/// </remarks>
public static class RecordingFormat
{
    internal const int HeaderBytes = 40;
    internal const byte CompleteFrame = 0;
    internal const byte ChangedFrame = 1;
    internal const byte Whole = 0;
    internal const byte AsBefore = 1;
    internal const byte ChangedLines = 2;

    /// <summary>Largest payload a reader accepts, as it is in the file.</summary>
    internal const int PayloadBytesMax = 64 * 1024 * 1024;

    /// <summary>Largest inflated payload a reader accepts; a list of a million areas is about 100 MB.</summary>
    internal const int InflatedBytesMax = 256 * 1024 * 1024;

    internal const int FilesMax = 64;

    /// <summary>The first bytes of every recording.</summary>
    public static ReadOnlySpan<byte> Signature => "vmscope recording 1\n"u8;

    internal static ReadOnlySpan<byte> FrameMark => "VSF1"u8;

    /// <summary>Whether a file that begins like this is a recording.</summary>
    public static bool IsRecording(ReadOnlySpan<byte> beginning) => beginning.StartsWith(Signature);

    /// <summary>CRC-32C, as iSCSI and ext4 use it.</summary>
    internal static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }
}

/// <summary>The fixed part of a frame.</summary>
internal readonly record struct FrameHeader(
    byte Kind, long UnixMilliseconds, long UptimeMilliseconds, int PayloadBytes, int InflatedBytes, uint PayloadChecksum)
{
    /// <summary>Reads a header.</summary>
    /// <returns>False when these bytes are no intact header.</returns>
    internal static bool TryRead(ReadOnlySpan<byte> bytes, out FrameHeader header)
    {
        header = default;
        if (bytes.Length < RecordingFormat.HeaderBytes || !bytes.StartsWith(RecordingFormat.FrameMark)
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]) != RecordingFormat.Checksum(bytes[..36]))
        {
            return false;
        }

        uint payload = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]);
        uint inflated = BinaryPrimitives.ReadUInt32LittleEndian(bytes[28..]);
        if (bytes[4] > RecordingFormat.ChangedFrame || payload > RecordingFormat.PayloadBytesMax || inflated > RecordingFormat.InflatedBytesMax)
        {
            return false;
        }

        header = new FrameHeader(bytes[4], BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), (int)payload, (int)inflated,
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]));
        return true;
    }

    /// <summary>Writes the header.</summary>
    internal void Write(Span<byte> to)
    {
        to[..RecordingFormat.HeaderBytes].Clear();
        RecordingFormat.FrameMark.CopyTo(to);
        to[4] = Kind;
        BinaryPrimitives.WriteInt64LittleEndian(to[8..], UnixMilliseconds);
        BinaryPrimitives.WriteInt64LittleEndian(to[16..], UptimeMilliseconds);
        BinaryPrimitives.WriteInt32LittleEndian(to[24..], PayloadBytes);
        BinaryPrimitives.WriteInt32LittleEndian(to[28..], InflatedBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(to[32..], PayloadChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(to[36..], RecordingFormat.Checksum(to[..36]));
    }
}
