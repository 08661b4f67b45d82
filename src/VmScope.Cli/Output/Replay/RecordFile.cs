namespace VmScope.Cli.Output.Replay;

/// <summary>The file that <c>--record</c> names, created when the first byte is written: a run that fails before leaves what was there.</summary>
internal sealed class RecordFile : WriteOnlyStream
{
    private readonly string _path;
    private FileStream? _file;

    /// <param name="path">Where it goes.</param>
    /// <param name="inputs">Files that are read in the same run; null for those that were not named.</param>
    /// <exception cref="UsageException">It is one of the files that are read.</exception>
    /// <exception cref="EvidenceException">No file can be there.</exception>
    internal RecordFile(string path, params ReadOnlySpan<string?> inputs)
    {
        _path = path;
        foreach (string? input in inputs)
        {
            if (input is not null && File.Exists(path) && File.Exists(input)
                && string.Equals(Resolved(input), Resolved(path), StringComparison.Ordinal))
            {
                throw new UsageException($"--record: {path} is read in this run; give another file");
            }
        }

        if (Directory.Exists(path))
        {
            throw new EvidenceException($"{path}: is a directory; --record takes a file");
        }

        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
        {
            throw new EvidenceException($"{path}: no such directory: {folder}");
        }
    }

    public override void Flush() => _file?.Flush();

    public override void Write(ReadOnlySpan<byte> buffer) =>
        (_file ??= new FileStream(_path, FileMode.Create, FileAccess.Write)).Write(buffer);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file?.Dispose();
        }

        base.Dispose(disposing);
    }

    private static string Resolved(string path) =>
        File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
}
