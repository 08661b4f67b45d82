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

    /// <summary>Reads a file known by a name with a reader that collects odd lines; null when it is missing, or damaged.</summary>
    /// <exception cref="EvidenceException">It is damaged, and all there is.</exception>
    internal T? Read<T>(string name, Func<Stream, string, DiagnosticList, T> read) where T : class =>
        ReadFirst(files.Candidates(name), read);

    /// <summary>Reads a text known by a name as a whole; null when it is missing, damaged, or only the beginning of it is there.</summary>
    /// <exception cref="EvidenceException">It is damaged, and all there is.</exception>
    internal T? Read<T>(string name, Func<Stream, string, T> read) where T : class
    {
        T? whole = Read(name, (stream, file, _) => read(stream, file));
        return whole is null || IsDamaged(name) ? null : whole;
    }

    /// <summary>Reads a file by its path; null when it is missing, or damaged.</summary>
    internal T? ReadPath<T>(string path, Func<Stream, string, DiagnosticList, T> read) where T : class => ReadFirst([path], read);

    private T? ReadFirst<T>(IEnumerable<string> candidates, Func<Stream, string, DiagnosticList, T> read) where T : class
    {
        string path = "";
        try
        {
            if (TryOpenFirst(candidates, out Stream stream, out path) != MissingReason.None)
            {
                return null;
            }

            using (stream)
            {
                return read(stream, files.Describe(path), diagnostics);
            }
        }
        catch (Exception error) when (error is EvidenceException or IOException)
        {
            PassOver(path, error);
            return null;
        }
    }

    /// <summary>Whether a file known by a name was read and found damaged.</summary>
    internal bool IsDamaged(string name) => DamageTo(name) is not null;

    /// <summary>What is wrong with a file known by a name, as far as it was read; null when nothing is.</summary>
    internal Diagnostic? DamageTo(string name) => files.Candidates(name).Select(DamageAt).FirstOrDefault(met => met is not null);

    /// <summary>What is wrong with the file at a path, as far as it was read; null when nothing is.</summary>
    internal Diagnostic? DamageAt(string path) => diagnostics.DamageTo(files.Describe(path));

    /// <summary>Opens a file by its path.</summary>
    internal MissingReason TryOpenPath(string path, out Stream stream) => files.TryOpen(path, out stream);

    /// <summary>Opens the first of the places a file may lie at.</summary>
    internal MissingReason TryOpen(string name, out Stream stream, out string path) =>
        TryOpenFirst(files.Candidates(name), out stream, out path);

    private MissingReason TryOpenFirst(IEnumerable<string> candidates, out Stream stream, out string path)
    {
        MissingReason worst = MissingReason.Absent;
        foreach (string candidate in candidates)
        {
            // Said before it is tried: who goes on without a damaged file says which one it was.
            path = candidate;
            MissingReason reason = files.TryOpen(candidate, out stream);
            if (reason == MissingReason.None)
            {
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

    /// <summary>Opens the one file there is when a line of it is a row of a list, whatever the file is otherwise.</summary>
    internal bool TryOpenRows(out Stream stream)
    {
        stream = Stream.Null;
        // A list is opened by its name, and a trace holds none and may be readable only once.
        if (files is not SingleFile { Kind: not (EvidenceNames.VmallocInfo or EvidenceNames.Trace) } single || !HasRow(single))
        {
            return false;
        }

        return single.TryOpen(single.Kind, out stream) == MissingReason.None;
    }

    private static bool HasRow(SingleFile single)
    {
        _ = single.TryOpen(single.Kind, out Stream stream);
        using (stream)
        {
            TextLines text = new(stream, single.Name, long.MaxValue);
            while (text.TryRead(out string line))
            {
                if (ContentKind.IsVmallocInfo(line))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>The path of the first place that exists; null when none does.</summary>
    internal string? Find(string name) => files.Candidates(name).FirstOrDefault(files.Exists);

    internal string Describe(string path) => files.Describe(path);

    internal string? PlainPath(string name) => Find(name) is { } path ? files.PlainPath(path) : null;

    internal void Note(string name, string reason) => diagnostics.Add(Find(name) is { } path ? files.Describe(path) : name, 0, "", reason);

    /// <summary>Goes on without a file; a file that is all there is cannot be gone on without.</summary>
    private void PassOver(string path, Exception error)
    {
        string file = files.Describe(path);
        string problem = error is IOException ? FileProblem.Text(error) : error.Message;
        problem = problem.StartsWith(file + ": ", StringComparison.Ordinal) ? problem[(file.Length + 2)..] : problem;
        if (files is SingleFile)
        {
            throw new EvidenceException($"{file}: {problem}", error);
        }

        diagnostics.AddDamage(file, $"{problem}; the file is left out");
    }
}
