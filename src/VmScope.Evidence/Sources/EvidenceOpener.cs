using VmScope.Proc;
using VmScope.Recording;

namespace VmScope.Sources;

/// <summary>Finds out what a path or a stream holds.</summary>
internal static class EvidenceOpener
{
    /// <summary>Standard input that is an archive, or a small file that may be read twice, is kept up to this size.</summary>
    private const int KeptInputBytes = 256 << 20;

    private const string StandardInputName = "standard input";

    internal static EvidenceBundle Open(string? path, Stream standardInput, ArchiveLimits limits)
    {
        DiagnosticList diagnostics = new();
        if (path is null)
        {
            return new EvidenceBundle(new LiveFiles(), EvidenceKind.LiveMachine, diagnostics);
        }

        if (path.Length == 0)
        {
            throw new EvidenceException("'': no such file or directory");
        }

        if (path == "-")
        {
            return FromStream(standardInput, StandardInputName, fileName: null, EvidenceKind.StandardInput, limits, diagnostics);
        }

        if (Directory.Exists(path))
        {
            return new EvidenceBundle(new DirectoryFiles(path, diagnostics), EvidenceKind.Directory, diagnostics);
        }

        switch (PlainFile.TryOpen(path, out FileStream? file))
        {
            case MissingReason.Absent:
                throw new EvidenceException($"{path}: no such file or directory");
            case MissingReason.NoPermission:
                throw new EvidenceException($"{path}: permission denied");
            case MissingReason.None:
            default:
                break;
        }

        if (!file!.CanSeek)
        {
            return FromStream(file, path, path, EvidenceKind.SingleFile, limits, diagnostics);
        }

        using (file)
        {
            byte[] sample = new byte[ContentKind.SampleBytes];
            // What is wrong with the data is said when it is read, not when it is looked at.
            DiagnosticList look = new();
            using Stream unpacked = Compression.Unpacked(file, path, look);
            int length = Sample(unpacked, sample, path);
            if (RecordingFormat.IsRecording(sample.AsSpan(0, length)) && unpacked == file)
            {
                using RecordingReader recording = RecordingReader.Open(path);
                return new EvidenceBundle(RecordingFiles.LastOf(recording, path, diagnostics), EvidenceKind.Recording, diagnostics);
            }

            if (TarArchive.IsHeader(sample.AsSpan(0, length)))
            {
                return new EvidenceBundle(new ArchiveFiles(path, () => Reopen(path), limits, diagnostics), EvidenceKind.Archive, diagnostics);
            }

            if (length == 0 && look.Damage is [var cut, ..])
            {
                throw new EvidenceException($"{path}: {cut.Reason}");
            }

            string kind = Kind(sample.AsSpan(0, length), path, path);
            string? plain = unpacked == file && file.Length > 0 ? path : null;
            return new EvidenceBundle(
                new SingleFile(path, kind, () => Compression.Unpacked(Reopen(path), path, diagnostics), plain), EvidenceKind.SingleFile, diagnostics);
        }
    }

    internal static EvidenceBundle FromStream(
        Stream stream, string name, string? fileName, EvidenceKind kind, ArchiveLimits limits, DiagnosticList diagnostics)
    {
        byte[] start = new byte[ContentKind.SampleBytes];
        int started = Compression.ReadFully(stream, start);
        Compression.RefuseUnsupported(start.AsSpan(0, started), name);
        Stream whole = new PrefixedStream(start.AsMemory(0, started), stream, leaveOpen: true);
        byte[] sample = start;
        int length = started;
        if (Compression.IsGzip(start.AsSpan(0, started)))
        {
            sample = new byte[ContentKind.SampleBytes];
            // What was read so far unpacks to the sample; the unpacking proper begins again from the first byte.
            using Stream begin = Compression.Unpacked(new MemoryStream(start, 0, started, writable: false), name);
            length = SampleOfCut(begin, sample);
        }

        if (RecordingFormat.IsRecording(sample.AsSpan(0, length)))
        {
            using RecordingReader recording = RecordingReader.Of(
                SmallFile.ReadAll(Compression.Unpacked(whole, name, diagnostics), name, KeptInputBytes), name);
            return new EvidenceBundle(RecordingFiles.LastOf(recording, name, diagnostics), EvidenceKind.Recording, diagnostics);
        }

        if (TarArchive.IsHeader(sample.AsSpan(0, length)))
        {
            byte[] packed = SmallFile.ReadAll(whole, name, KeptInputBytes);
            return new EvidenceBundle(
                new ArchiveFiles(name, () => new MemoryStream(packed, writable: false), limits, diagnostics), EvidenceKind.Archive, diagnostics);
        }

        string content = Kind(sample.AsSpan(0, length), name, fileName);
        Stream unpacked = Compression.Unpacked(whole, name, diagnostics);
        // A listing or a trace may be long and is read once; anything else is short and may be asked twice.
        Func<Stream?> open = content is EvidenceNames.VmallocInfo or EvidenceNames.Trace ? Once(unpacked) : Kept(unpacked, name);
        return new EvidenceBundle(new SingleFile(name, content, open, plainPath: null), kind, diagnostics);
    }

    private static Func<Stream?> Once(Stream stream)
    {
        Stream? left = stream;
        return () =>
        {
            Stream? now = left;
            left = null;
            return now;
        };
    }

    private static Func<Stream?> Kept(Stream stream, string name)
    {
        byte[]? content = null;
        return () => new MemoryStream(content ??= SmallFile.ReadAll(stream, name, KeptInputBytes), writable: false);
    }

    private static FileStream Reopen(string path) =>
        PlainFile.TryOpen(path, out FileStream? file) == MissingReason.None
            ? file!
            : throw new EvidenceException($"{path}: cannot be opened again");

    private static int Sample(Stream stream, byte[] sample, string name)
    {
        try
        {
            return Compression.ReadFully(stream, sample);
        }
        catch (IOException error)
        {
            throw new EvidenceException($"{name}: {FileProblem.Text(error)}", error);
        }
    }

    // Compressed data cut off in the middle is expected here: everything up to the cut counts.
    private static int SampleOfCut(Stream stream, byte[] sample)
    {
        int length = 0;
        try
        {
            while (length < sample.Length && stream.Read(sample, length, Math.Min(512, sample.Length - length)) is > 0 and int got)
            {
                length += got;
            }
        }
        catch (EvidenceException)
        {
            return length;
        }

        return length;
    }

    private static string Kind(ReadOnlySpan<byte> sample, string name, string? fileName)
    {
        if (ContentKind.Of(sample, fileName) is { } kind)
        {
            return kind;
        }

        throw new EvidenceException(sample.IsEmpty
            ? $"{name}: empty"
            : $"{name}: not recognised; vmscope reads vmallocinfo, meminfo, dmesg, iomem, zoneinfo, buddyinfo, modules, " +
              "cpuinfo, cmdline, version, a kernel configuration or an ftrace text, alone, in a directory or in a .tar.gz");
    }
}
