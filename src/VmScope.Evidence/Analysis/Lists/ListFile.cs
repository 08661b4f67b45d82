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
            file = OperatingSystem.IsLinux() ? LinuxFile.TryOpen(path) : null;
            if (file is null)
            {
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
        catch (EntryPointNotFoundException)
        {
            // A C library from before 2018.
            return null;
        }
    }
}
