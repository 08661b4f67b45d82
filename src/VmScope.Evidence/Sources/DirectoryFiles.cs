using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>The files of a directory: a capture, a copy of /proc or of a whole root, an unpacked sosreport.</summary>
internal sealed class DirectoryFiles : EvidenceFiles
{
    private const int FoldersLookedAt = 256;
    private const int DepthLookedAt = 4;
    private const string LiveLog = "kmsg";
    private readonly string _root;
    private readonly DiagnosticList _diagnostics;

    /// <summary>Opens a directory, or the one folder inside it that holds evidence, behind a few folders that hold nothing else.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="diagnostics">Receives what is wrong with files that are read.</param>
    /// <exception cref="EvidenceException">Nothing in it is known, or it holds several captures.</exception>
    internal DirectoryFiles(string path, DiagnosticList diagnostics)
    {
        (Name, _diagnostics) = (path, diagnostics);
        if (IsEvidence(path))
        {
            _root = path;
            return;
        }

        string[] inside;
        try
        {
            string[] folders = FoldersOf(path);
            inside = [.. folders.Where(IsEvidence)];
            for (int depth = 1; inside.Length == 0 && folders.Length == 1 && depth < DepthLookedAt; depth++)
            {
                folders = FoldersOf(folders[0]);
                inside = [.. folders.Where(IsEvidence)];
            }
        }
        catch (UnauthorizedAccessException error)
        {
            throw new EvidenceException($"{path}: permission denied", error);
        }

        _root = inside.Length switch
        {
            1 => inside[0],
            0 => throw new EvidenceException(
                $"{path}: no evidence in this directory; vmscope looks for vmallocinfo, dmesg, meminfo … (with or without .txt), " +
                "proc/…, or an sosreport's folders"),
            _ => throw new EvidenceException(
                $"{path}: holds {inside.Length} captures; pass one of them, for example {inside[0]}"),
        };
    }

    internal override string Name { get; }

    internal override bool Exists(string path) => !IsLiveLog(path) && File.Exists(Path.Join(_root, path));

    internal override string Describe(string path) => Path.Join(_root, path);

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        if (IsLiveLog(path))
        {
            stream = Stream.Null;
            return MissingReason.Absent;
        }

        string full = Path.Join(_root, path);
        MissingReason reason = PlainFile.TryOpen(full, out FileStream? file);
        stream = file is null ? Stream.Null : Compression.Unpacked(file, full, _diagnostics);
        return reason;
    }

    internal override string? PlainPath(string path)
    {
        string full = Path.Join(_root, path);
        return PlainFile.IsPlain(full) ? full : null;
    }

    internal override IEnumerable<string> Under(string folder)
    {
        string full = Path.Join(_root, folder);
        try
        {
            return Directory.Exists(full)
                ? [.. Directory.EnumerateFiles(full).Select(path => Path.Join(folder, Path.GetFileName(path)))]
                : [];
        }
        catch (UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>
    /// Whether it is the kernel's log in /proc itself rather than in a copy: reading that waits for the next message and
    /// takes it from whoever should have it.
    /// </summary>
    private bool IsLiveLog(string path) => path == LiveLog && Directory.Exists(Path.Join(_root, "self"));

    private static string[] FoldersOf(string directory) =>
        [.. Directory.EnumerateDirectories(directory).Take(FoldersLookedAt).Order(StringComparer.Ordinal)];

    private static bool IsEvidence(string directory) =>
        EvidenceTop.TellingPaths().Any(path => File.Exists(Path.Join(directory, path)));
}
