using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>Reads known files out of a set of files, and remembers what was odd and what was missing.</summary>
internal sealed class BundleReader(EvidenceFiles files, DiagnosticList diagnostics)
{
    internal DiagnosticList Diagnostics => diagnostics;

    internal string Name => files.Name;

    internal bool IsLive => files is LiveFiles;

    internal bool Exists(string path) => files.Exists(path);

    internal IEnumerable<string> Under(string folder) => files.Under(folder);

    /// <summary>Reads a file known by a name with a reader that collects odd lines; null when it is missing.</summary>
    internal T? Read<T>(string name, Func<Stream, string, DiagnosticList, T> read) where T : class
    {
        if (TryOpen(name, out Stream stream, out string path) != MissingReason.None)
        {
            return null;
        }

        using (stream)
        {
            return Guarded(path, () => read(stream, files.Describe(path), diagnostics));
        }
    }

    /// <summary>Reads a file known by a name with a reader that has no odd lines; null when it is missing.</summary>
    internal T? Read<T>(string name, Func<Stream, string, T> read) where T : class =>
        Read(name, (stream, file, _) => read(stream, file));

    /// <summary>Reads a file by its path; null when it is missing.</summary>
    internal T? ReadPath<T>(string path, Func<Stream, string, DiagnosticList, T> read) where T : class
    {
        if (files.TryOpen(path, out Stream stream) != MissingReason.None)
        {
            return null;
        }

        using (stream)
        {
            return Guarded(path, () => read(stream, files.Describe(path), diagnostics));
        }
    }

    /// <summary>Opens a file by its path.</summary>
    internal MissingReason TryOpenPath(string path, out Stream stream) => files.TryOpen(path, out stream);

    /// <summary>Opens the first of the places a file may lie at.</summary>
    internal MissingReason TryOpen(string name, out Stream stream, out string path)
    {
        MissingReason worst = MissingReason.Absent;
        foreach (string candidate in files.Candidates(name))
        {
            MissingReason reason = files.TryOpen(candidate, out stream);
            if (reason == MissingReason.None)
            {
                path = candidate;
                return reason;
            }

            if (reason == MissingReason.NoPermission)
            {
                worst = reason;
            }
        }

        (stream, path) = (Stream.Null, "");
        return worst;
    }

    /// <summary>The path of the first place that exists; null when none does.</summary>
    internal string? Find(string name) => files.Candidates(name).FirstOrDefault(files.Exists);

    internal string Describe(string path) => files.Describe(path);

    internal string? PlainPath(string name) => Find(name) is { } path ? files.PlainPath(path) : null;

    internal void Note(string name, string reason) => diagnostics.Add(Find(name) is { } path ? files.Describe(path) : name, 0, "", reason);

    private T Guarded<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (IOException error)
        {
            throw new EvidenceException($"{files.Describe(path)}: {FileProblem.Text(error)}", error);
        }
    }
}
