namespace VmScope.Sources;

/// <summary>Why a file of the evidence cannot be had.</summary>
public enum MissingReason
{
    /// <summary>It is there.</summary>
    None,

    /// <summary>There is no such file.</summary>
    Absent,

    /// <summary>It exists and this user may not read it.</summary>
    NoPermission,
}

/// <summary>A set of named files, wherever they lie: a machine, a directory, an archive, one file.</summary>
internal abstract class EvidenceFiles
{
    /// <summary>What to call the whole set in messages.</summary>
    internal abstract string Name { get; }

    /// <summary>Whether a file of that path is there (it may still refuse to be read).</summary>
    internal abstract bool Exists(string path);

    /// <summary>Opens a file by its path inside the set; the caller closes the stream.</summary>
    /// <exception cref="EvidenceException">It is there and cannot be read.</exception>
    internal abstract MissingReason TryOpen(string path, out Stream stream);

    /// <summary>What to call one of the files in messages and diagnostics.</summary>
    internal virtual string Describe(string path) => path;

    /// <summary>The plain uncompressed file behind a path, for readers that map it; null when there is none.</summary>
    internal virtual string? PlainPath(string path) => null;

    /// <summary>Paths below a folder ("boot/"), as far as they can be listed.</summary>
    internal abstract IEnumerable<string> Under(string folder);

    /// <summary>The paths to try for a file known by a name, most telling first.</summary>
    internal virtual IEnumerable<string> Candidates(string name) => EvidenceNames.Candidates(name);
}
