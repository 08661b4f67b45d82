using System.Runtime.InteropServices;

namespace VmScope.Sources;

/// <summary>The running machine's own files: /proc, the kernel log, the boot folder.</summary>
internal sealed partial class LiveFiles : EvidenceFiles
{
    private const int SyslogReadAll = 3;
    private const int SyslogSizeBuffer = 10;
    private const int LogBufferLimit = 64 << 20;
    private const int PermissionError = 1;

    internal override string Name => "this machine";

    internal override bool Exists(string path) => path == EvidenceNames.Dmesg || File.Exists("/" + path);

    internal override string Describe(string path) => path == EvidenceNames.Dmesg ? "the kernel log" : "/" + path;

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        if (path == EvidenceNames.Dmesg)
        {
            return TryKernelLog(out stream);
        }

        string full = "/" + path;
        MissingReason reason = PlainFile.TryOpen(full, out FileStream? file);
        stream = file is null ? Stream.Null
            // A /proc file is never compressed and must not be read twice for a look at its first bytes.
            : path.StartsWith("boot/", StringComparison.Ordinal) || path.EndsWith(".gz", StringComparison.Ordinal)
                ? Compression.Unpacked(file, full)
                : file;
        return reason;
    }

    internal override IEnumerable<string> Under(string folder) => [];

    internal override IEnumerable<string> Candidates(string name) => name switch
    {
        EvidenceNames.Dmesg => [EvidenceNames.Dmesg],
        EvidenceNames.PossibleCpus => ["sys/devices/system/cpu/possible"],
        EvidenceNames.PresentCpus => ["sys/devices/system/cpu/present"],
        EvidenceNames.Trace => ["sys/kernel/tracing/trace", "sys/kernel/debug/tracing/trace"],
        EvidenceNames.Config => ["proc/config.gz"],
        EvidenceNames.Case or EvidenceNames.Uname => [],
        _ => ["proc/" + name],
    };

    // syslog(2) gives the whole buffer at once, with levels and times, without following it.
    private static unsafe MissingReason TryKernelLog(out Stream stream)
    {
        stream = Stream.Null;
        int size;
        try
        {
            size = KernelLog(SyslogSizeBuffer, null, 0);
        }
        catch (EntryPointNotFoundException)
        {
            return MissingReason.Absent;
        }

        if (size is <= 0 or > LogBufferLimit)
        {
            return size < 0 && Marshal.GetLastSystemError() == PermissionError ? MissingReason.NoPermission : MissingReason.Absent;
        }

        // Some room more than the buffer has: times and levels are added when it is read.
        byte[] text = new byte[size * 2];
        fixed (byte* first = text)
        {
            int length = KernelLog(SyslogReadAll, first, text.Length);
            if (length < 0)
            {
                return MissingReason.NoPermission;
            }

            stream = new MemoryStream(text, 0, length, writable: false);
            return MissingReason.None;
        }
    }

    [LibraryImport("libc", EntryPoint = "klogctl", SetLastError = false)]
    private static unsafe partial int KernelLog(int type, byte* buffer, int length);
}
