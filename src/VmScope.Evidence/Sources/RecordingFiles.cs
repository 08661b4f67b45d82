using VmScope.Proc;
using VmScope.Recording;

namespace VmScope.Sources;

/// <summary>The files of a recording's last readable sample.</summary>
internal sealed class RecordingFiles : EvidenceFiles
{
    private readonly RecordedSnapshot _last;

    /// <summary>Takes the last sample.</summary>
    /// <exception cref="EvidenceException">No sample can be read.</exception>
    internal RecordingFiles(RecordingReader reader, string name, DiagnosticList diagnostics)
    {
        Name = name;
        foreach (string damage in reader.Damage)
        {
            diagnostics.Add(name, 0, "", damage);
        }

        for (int i = reader.Count - 1; i >= 0; i--)
        {
            if (reader.Snapshot(i) is { } snapshot)
            {
                _last = snapshot;
                if (reader.Count > 1)
                {
                    diagnostics.Add(name, 0, "", $"a recording of {reader.Count} samples; the one of {snapshot.Time:yyyy-MM-dd HH:mm:ss}Z is used");
                }

                return;
            }
        }

        throw new EvidenceException($"{name}: a recording without a readable sample");
    }

    internal override string Name { get; }

    internal override bool Exists(string path) => _last.File(path) is not null;

    internal override string Describe(string path) => $"{Name}, {path}";

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        ReadOnlyMemory<byte>? content = _last.File(path);
        stream = content is { } bytes ? Compression.Unpacked(new MemoryStream(bytes.ToArray(), writable: false), path) : Stream.Null;
        return content is null ? MissingReason.Absent : MissingReason.None;
    }

    internal override IEnumerable<string> Under(string folder) => [];
}
