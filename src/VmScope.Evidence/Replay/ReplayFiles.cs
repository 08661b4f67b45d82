using System.Collections.Immutable;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Replay;

/// <summary>The files a command line names for a replay.</summary>
/// <param name="Trace">The trace: a file, "-", or evidence (a directory or archive) that holds one.</param>
/// <param name="Evidence">Evidence of the machine that recorded it; null to look where the trace is.</param>
/// <param name="Snapshot">The listing at the start; null to look in the evidence.</param>
/// <param name="FreeTree">The free tree at the start; null to look in the evidence.</param>
/// <param name="After">The listing at the end; null to look in the evidence.</param>
public sealed record ReplayPaths(string Trace, string? Evidence, string? Snapshot, string? FreeTree, string? After);

/// <summary>Opens what a replay works on; what a file is, is found out from its bytes.</summary>
public sealed class ReplayFiles : IDisposable
{
    private const int SampleBytes = 512;
    private readonly List<Stream> _streams = [];
    private DiagnosticList _diagnostics = new();
    private Stream? _raw;
    private bool _holdsOperations;

    /// <summary>Trace and evidence.</summary>
    public ReplayInput Input { get; private init; } = null!;

    /// <summary>Evidence that was found beside the trace without being named; null without any.</summary>
    public string? FoundEvidence { get; private set; }

    /// <summary>What is wrong with whole files, as far as they have been read: one that ends in the middle, one that was left out.</summary>
    public ImmutableArray<Diagnostic> Damage => _diagnostics.Damage;

    /// <summary>The part of the trace that has been read, from 0 to 1; null when its length is not known.</summary>
    public double? FractionRead => _raw is { CanSeek: true, Length: > 0 } raw ? Math.Min(1, (double)raw.Position / raw.Length) : null;

    /// <summary>Opens the files.</summary>
    /// <param name="paths">What the command line names.</param>
    /// <param name="standardInput">Read only for "-".</param>
    /// <exception cref="EvidenceException">A file is missing or is not what it should be.</exception>
    public static ReplayFiles Open(ReplayPaths paths, Stream standardInput)
    {
        ReplayFiles files = new();
        try
        {
            return files.OpenAll(paths, standardInput);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _streams.ForEach(stream => stream.Dispose());

    private ReplayFiles OpenAll(ReplayPaths paths, Stream standardInput)
    {
        EvidenceBundle? bundle = paths.Evidence is { } evidence ? Told(EvidenceBundle.Open(evidence, Stream.Null)) : null;
        ReplayFile trace = OpenTrace(paths.Trace, standardInput, out EvidenceBundle? around);
        if (bundle is null && around is null && Path.GetDirectoryName(Path.GetFullPath(paths.Trace)) is { } folder
            && paths.Trace != "-" && File.Exists(Path.Combine(folder, "dmesg.txt")))
        {
            around = Told(EvidenceBundle.Open(folder, Stream.Null));
            FoundEvidence = folder;
        }

        EvidenceBundle? about = bundle ?? around;
        return new ReplayFiles
        {
            Input = new ReplayInput
            {
                Trace = trace,
                HoldsOperations = _holdsOperations,
                Damage = () => [.. _diagnostics.Damage.Select(met => $"{met.File}: {met.Reason}")],
                Machine = about?.Inputs,
                PercpuUnitBytes = about?.Dmesg?.Percpu?.UnitBytes ?? 0,
                NumaNodes = Math.Max(1, about?.Inputs.BootLog?.NumaRanges.Select(range => range.Node).Distinct().Count() ?? 1),
                Before = Named(paths.Snapshot) ?? FromBundle(bundle, "vmallocinfo-before") ?? FromBundle(around, "vmallocinfo-before"),
                FreeTree = Named(paths.FreeTree) ?? FromBundle(bundle, "free-tree-at-start") ?? FromBundle(around, "free-tree-at-start"),
                After = Named(paths.After) ?? FromBundle(bundle, "vmallocinfo-after") ?? FromBundle(around, "vmallocinfo-after"),
            },
            FoundEvidence = FoundEvidence,
            _raw = _raw,
            _diagnostics = _diagnostics,
        }.Owning(_streams);
    }

    private ReplayFiles Owning(List<Stream> streams)
    {
        _streams.AddRange(streams);
        return this;
    }

    private ReplayFile OpenTrace(string path, Stream standardInput, out EvidenceBundle? bundle)
    {
        bundle = null;
        if (Directory.Exists(path))
        {
            bundle = Told(EvidenceBundle.Open(path, Stream.Null));
            return InBundle(bundle);
        }

        string name = path == "-" ? "standard input" : path;
        Stream raw = path == "-" ? standardInput : OpenFile(path);
        Stream content = Compression.Unpacked(raw, name, _diagnostics);
        byte[] sample = new byte[SampleBytes];
        int length;
        try
        {
            length = Compression.ReadFully(content, sample);
        }
        catch (InvalidDataException error)
        {
            throw new EvidenceException($"{name}: the compressed data is damaged", error);
        }

        if (TarArchive.IsHeader(sample.AsSpan(0, length)))
        {
            bundle = Told(path == "-"
                ? EvidenceBundle.OpenStream(new PrefixedStream(sample.AsMemory(0, length), content), name)
                : EvidenceBundle.Open(path, Stream.Null));
            return InBundle(bundle);
        }

        _raw = path == "-" ? null : raw;
        _holdsOperations = sample.AsSpan(0, length).TrimStart((byte)' ') is [(byte)'{', ..];
        return new ReplayFile(new PrefixedStream(sample.AsMemory(0, length), content), name);
    }

    private EvidenceBundle Told(EvidenceBundle bundle)
    {
        bundle.TellOfDamage(met => _diagnostics.AddDamage(met.File, met.Reason));
        _diagnostics.TakeDamageFrom(bundle.Odd);
        return bundle;
    }

    private static ReplayFile InBundle(EvidenceBundle bundle) => new(bundle.OpenRequired("trace"), bundle.Describe("trace"));

    private static ReplayFile? FromBundle(EvidenceBundle? bundle, string name) =>
        bundle is not null && bundle.TryOpen(name, out Stream stream) ? new ReplayFile(stream, bundle.Describe(name)) : null;

    private ReplayFile? Named(string? path)
    {
        if (path is null)
        {
            return null;
        }

        return new ReplayFile(Compression.Unpacked(OpenFile(path), path, _diagnostics), path);
    }

    private Stream OpenFile(string path)
    {
        try
        {
            FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 1);
            _streams.Add(stream);
            return stream;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new EvidenceException($"{path}: no such file or directory", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new EvidenceException($"{path}: permission denied", error);
        }
    }
}
