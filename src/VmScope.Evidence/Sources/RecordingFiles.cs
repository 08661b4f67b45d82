using VmScope.Proc;
using VmScope.Recording;

namespace VmScope.Sources;

/// <summary>The files of one sample of a recording.</summary>
internal sealed class RecordingFiles(RecordedSnapshot sample, string name) : EvidenceFiles
{
    internal override string Name => name;

    /// <summary>The last sample of a recording that can be read.</summary>
    /// <exception cref="EvidenceException">None can.</exception>
    internal static RecordingFiles LastOf(RecordingReader reader, string name, DiagnosticList diagnostics)
    {
        foreach (string damage in reader.Damage)
        {
            // Printed behind the name, which the reader puts before it as well.
            diagnostics.Add(name, 0, "", damage.StartsWith(name + ": ", StringComparison.Ordinal) ? damage[(name.Length + 2)..] : damage);
        }

        for (int i = reader.Count - 1; i >= 0; i--)
        {
            if (reader.Snapshot(i) is { } snapshot)
            {
                if (reader.Count > 1)
                {
                    diagnostics.Add(name, 0, "", $"a recording of {reader.Count} samples; the one of {snapshot.Time:yyyy-MM-dd HH:mm:ss}Z is used");
                }

                return new RecordingFiles(snapshot, name);
            }
        }

        throw new EvidenceException($"{name}: a recording without a readable sample");
    }

    internal override bool Exists(string path) => sample.File(path) is not null;

    internal override string Describe(string path) => $"{name}, {path}";

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        ReadOnlyMemory<byte>? content = sample.File(path);
        stream = content is { } bytes ? Compression.Unpacked(new MemoryStream(bytes.ToArray(), writable: false), path) : Stream.Null;
        return content is null ? MissingReason.Absent : MissingReason.None;
    }

    internal override IEnumerable<string> Under(string folder) => [];
}
