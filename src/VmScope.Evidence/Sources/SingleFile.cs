namespace VmScope.Sources;

/// <summary>One file that stands for one of the known ones; what it is was found by looking at it.</summary>
/// <param name="name">What to call it in messages.</param>
/// <param name="kind">The known name it answers to.</param>
/// <param name="open">Opens its unpacked bytes from the start; null when they were handed out and cannot be had again.</param>
/// <param name="plainPath">The uncompressed file itself; null for a pipe or compressed data.</param>
internal sealed class SingleFile(string name, string kind, Func<Stream?> open, string? plainPath) : EvidenceFiles
{
    internal override string Name => name;

    /// <summary>The known name it answers to.</summary>
    internal string Kind => kind;

    internal override bool Exists(string path) => path == kind;

    internal override string Describe(string path) => name;

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        if (path != kind)
        {
            stream = Stream.Null;
            return MissingReason.Absent;
        }

        stream = open() ?? throw new EvidenceException($"{name}: can be read only once; save it to a file and pass that");
        return MissingReason.None;
    }

    internal override string? PlainPath(string path) => path == kind ? plainPath : null;

    internal override IEnumerable<string> Under(string folder) => [];

    internal override IEnumerable<string> Candidates(string name) => [name];
}
