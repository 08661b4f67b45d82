using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>The text around a list's rows as files: read as a log and, for the lines that are its, as /proc/meminfo.</summary>
internal sealed class TextFiles(OtherText text, string file) : EvidenceFiles
{
    internal override string Name => file;

    internal override bool Exists(string path) => path is EvidenceNames.Dmesg or EvidenceNames.Meminfo;

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        stream = Exists(path) ? text.Open() : Stream.Null;
        return Exists(path) ? MissingReason.None : MissingReason.Absent;
    }

    internal override IEnumerable<string> Under(string folder) => [];

    internal override IEnumerable<string> Candidates(string name) => [name];
}
