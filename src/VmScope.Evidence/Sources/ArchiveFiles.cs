using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>The files of a tar archive, gzipped or not, found by reading it once.</summary>
/// <remarks>Small files stay in memory; a large one is found again by reading the archive a second time.</remarks>
internal sealed class ArchiveFiles : EvidenceFiles
{
    private readonly Func<Stream> _open;
    private readonly ArchiveLimits _limits;
    private readonly Dictionary<string, byte[]?> _content = new(StringComparer.Ordinal);
    private readonly string _top;
    private readonly DiagnosticList _diagnostics;

    /// <summary>Reads the archive.</summary>
    /// <param name="name">What to call it.</param>
    /// <param name="open">Opens its bytes from the start; called once now and once for each large file.</param>
    /// <param name="limits">Bounds.</param>
    /// <param name="diagnostics">Receives what was passed over.</param>
    /// <exception cref="EvidenceException">Not an archive, damaged, or beyond a bound.</exception>
    internal ArchiveFiles(string name, Func<Stream> open, ArchiveLimits limits, DiagnosticList diagnostics)
    {
        (Name, _open, _limits, _diagnostics) = (name, open, limits, diagnostics);
        // A cut of the whole is a cut of the archive, and said below in its words.
        using Stream stream = Compression.Unpacked(open(), name);
        TarArchive archive = new(stream, name, limits);
        long kept = 0;
        string last = "";
        while (archive.Next())
        {
            byte[]? content = null;
            if (archive.Size <= limits.KeptEntryBytes && kept + archive.Size <= limits.KeptBytes)
            {
                if (ReadAll(archive) is not { } read)
                {
                    break;
                }

                content = read;
                kept += content.Length;
            }

            _content[archive.Path] = content;
            last = archive.Path;
        }

        if (archive.Truncated)
        {
            // A large file is passed over unread: when the end comes inside it, it is not whole.
            if (_content.TryGetValue(last, out byte[]? whole) && whole is null)
            {
                _content.Remove(last);
            }

            diagnostics.AddDamage(name, "the archive ends early; what came before the end is used");
        }

        if (archive.Refused > 0)
        {
            diagnostics.Add(name, 0, "", $"{archive.Refused} entries with unsafe or overlong paths were passed over");
        }

        if (_content.Count == 0)
        {
            throw new EvidenceException($"{name}: the archive holds no file");
        }

        _top = EvidenceTop.Find(_content.Keys, out bool several);
        if (several)
        {
            diagnostics.Add(name, 0, "", $"holds several captures; the one in {_top} is used");
        }
    }

    internal override string Name { get; }

    internal override bool Exists(string path) => _content.ContainsKey(_top + path);

    internal override string Describe(string path) => _top + path;

    internal override MissingReason TryOpen(string path, out Stream stream)
    {
        string full = _top + path;
        if (!_content.TryGetValue(full, out byte[]? content))
        {
            stream = Stream.Null;
            return MissingReason.Absent;
        }

        Stream inner = content is not null ? new MemoryStream(content, writable: false) : Again(full);
        stream = Compression.Unpacked(inner, full, _diagnostics);
        return MissingReason.None;
    }

    internal override IEnumerable<string> Under(string folder) =>
        _content.Keys.Where(path => path.StartsWith(_top + folder, StringComparison.Ordinal)).Select(path => path[_top.Length..]);

    // Null when the archive ends inside the entry.
    private static byte[]? ReadAll(TarArchive archive)
    {
        byte[] content = new byte[archive.Size];
        int length = 0;
        while (length < content.Length && archive.Read(content.AsSpan(length)) is > 0 and int got)
        {
            length += got;
        }

        return length == content.Length ? content : null;
    }

    private EntryStream Again(string path)
    {
        Stream stream = Compression.Unpacked(_open(), Name);
        TarArchive archive = new(stream, Name, _limits);
        while (archive.Next())
        {
            if (string.Equals(archive.Path, path, StringComparison.Ordinal))
            {
                return new EntryStream(archive, stream);
            }
        }

        stream.Dispose();
        throw new EvidenceException($"{Name}: changed while it was read; {path} is gone");
    }

    private sealed class EntryStream(TarArchive archive, Stream owner) : ForwardStream
    {
        public override int Read(Span<byte> buffer)
        {
            int got = archive.Read(buffer);
            return archive.Truncated ? throw new EvidenceException($"{archive.Path}: the archive ends inside it") : got;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                owner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
