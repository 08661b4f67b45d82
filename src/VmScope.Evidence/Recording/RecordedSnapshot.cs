using System.Collections.Immutable;

namespace VmScope.Recording;

/// <summary>A file as it was read at one moment.</summary>
/// <param name="Name">The file's name inside the recording: <c>vmallocinfo</c>, <c>meminfo</c>, …</param>
/// <param name="Bytes">Its content.</param>
public sealed record RecordedFile(string Name, ReadOnlyMemory<byte> Bytes);

/// <summary>What one sample holds: the files, and when they were read.</summary>
/// <param name="Time">Wall-clock time of the sample, in milliseconds.</param>
/// <param name="UptimeMilliseconds">Time since boot, or null when it was not known. A smaller one than before means a reboot.</param>
/// <param name="Files">The files, in the order they were given.</param>
public sealed record RecordedSnapshot(DateTimeOffset Time, long? UptimeMilliseconds, ImmutableArray<RecordedFile> Files)
{
    /// <summary>A file's content, or null when this sample lacks it.</summary>
    public ReadOnlyMemory<byte>? File(string name) =>
        Files.FirstOrDefault(file => string.Equals(file.Name, name, StringComparison.Ordinal))?.Bytes;
}
