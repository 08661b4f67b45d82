using Microsoft.Win32.SafeHandles;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>A list that lies in a file of its own, opened without asking what else the file might be.</summary>
public static class ListFile
{
    private const int SampleBytes = 512;

    /// <summary>Opens a file when it plainly is a list: its first line is a row, beginning at the first byte.</summary>
    /// <returns>Null for anything else, a file that cannot be opened among it: the general way finds out and says why.</returns>
    public static SafeFileHandle? TryOpen(string path)
    {
        SafeFileHandle? file = null;
        try
        {
            // Asked without opening: a pipe that was opened and closed again has lost its writer.
            if (!File.Exists(path) || new FileInfo(path).Length == 0)
            {
                return null;
            }

            // A handle, not a stream: a stream costs more to set up than reading sixty rows.
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (RandomAccess.GetLength(file) == 0)
            {
                file.Dispose();
                return null;
            }

            Span<byte> sample = stackalloc byte[SampleBytes];
            ReadOnlySpan<byte> start = sample[..RandomAccess.Read(file, sample, fileOffset: 0)];
            int feed = start.IndexOf((byte)'\n');
            if (start.StartsWith("0x"u8) && VmallocLineParser.HasRange(feed < 0 ? start : start[..feed]))
            {
                return file;
            }

            file.Dispose();
            return null;
        }
        catch (IOException)
        {
            file?.Dispose();
            return null;
        }
        catch (NotSupportedException)
        {
            // A pipe or a device: it cannot be read from two places.
            file?.Dispose();
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }
}
