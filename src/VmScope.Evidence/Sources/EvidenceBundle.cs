using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;
using VmScope.Proc;
using VmScope.Recording;

namespace VmScope.Sources;

/// <summary>What kind of place evidence came from.</summary>
public enum EvidenceKind
{
    /// <summary>The running machine.</summary>
    LiveMachine,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>A tar archive, gzipped or not.</summary>
    Archive,

    /// <summary>One file, or a pipe with a name.</summary>
    SingleFile,

    /// <summary>Standard input.</summary>
    StandardInput,

    /// <summary>The last sample of a recording.</summary>
    Recording,
}

/// <summary>What a machine left behind, or the machine itself: the one thing every command reads from.</summary>
/// <remarks>
/// Opening looks at names only; each file is read when it is first asked for. <see cref="Inputs"/> is the part a layout
/// follows from; the other members are what the kernel answered.
/// </remarks>
public sealed class EvidenceBundle
{
    private readonly BundleReader _reader;
    private readonly Lazy<MeminfoReport?> _meminfo;
    private readonly Lazy<DmesgReport?> _dmesg;
    private readonly Lazy<IomemReport?> _iomem;
    private readonly Lazy<ZoneinfoReport?> _zoneinfo;
    private readonly Lazy<BuddyinfoReport?> _buddyinfo;
    private readonly Lazy<ModuleList?> _modules;

    internal EvidenceBundle(EvidenceFiles files, EvidenceKind kind, DiagnosticList diagnostics)
    {
        _reader = new BundleReader(files, diagnostics);
        Kind = kind;
        Inputs = new EvidenceInputs(_reader);
        _meminfo = new(() => _reader.Read(EvidenceNames.Meminfo, MeminfoFile.Read));
        _dmesg = new(() => _reader.Read(EvidenceNames.Dmesg, DmesgFile.Read));
        _iomem = new(() => _reader.Read(EvidenceNames.Iomem, IomemFile.Read));
        _zoneinfo = new(() => _reader.Read(EvidenceNames.Zoneinfo, ZoneinfoFile.Read));
        _buddyinfo = new(() => _reader.Read(EvidenceNames.Buddyinfo, BuddyinfoFile.Read));
        _modules = new(() => _reader.Read(EvidenceNames.Modules,
            (stream, file, found) => new ModuleList(ModulesFile.Read(stream, file, found))));
    }

    /// <summary>What to call it: "this machine", a path, "standard input".</summary>
    public string Name => _reader.Name;

    /// <summary>Where it came from.</summary>
    public EvidenceKind Kind { get; }

    /// <summary>What a layout follows from, and nothing else.</summary>
    public EvidenceInputs Inputs { get; }

    /// <summary>See <see cref="EvidenceInputs.Kernel"/>.</summary>
    public KernelIdentity? Kernel => Inputs.Kernel;

    /// <summary>See <see cref="EvidenceInputs.Architecture"/>.</summary>
    public Architecture Architecture => Inputs.Architecture;

    /// <summary>See <see cref="EvidenceInputs.PageSize"/>.</summary>
    public PageSize PageSize => Inputs.PageSize;

    /// <summary>See <see cref="EvidenceInputs.CommandLine"/>.</summary>
    public KernelCommandLine? CommandLine => Inputs.CommandLine;

    /// <summary>See <see cref="EvidenceInputs.Config"/>.</summary>
    public KernelConfig Config => Inputs.Config;

    /// <summary>See <see cref="EvidenceInputs.MemoryMap"/>.</summary>
    public MemoryMap? MemoryMap => Inputs.MemoryMap;

    /// <summary>See <see cref="EvidenceInputs.Cpus"/>.</summary>
    public CpuFacts Cpus => Inputs.Cpus;

    /// <summary>/proc/meminfo; null when missing.</summary>
    public MeminfoReport? Meminfo => _meminfo.Value;

    /// <summary>The kernel log; null when missing.</summary>
    public DmesgReport? Dmesg => _dmesg.Value;

    /// <summary>/proc/iomem; null when missing.</summary>
    public IomemReport? Iomem => _iomem.Value;

    /// <summary>/proc/zoneinfo; null when missing.</summary>
    public ZoneinfoReport? Zoneinfo => _zoneinfo.Value;

    /// <summary>/proc/buddyinfo; null when missing.</summary>
    public BuddyinfoReport? Buddyinfo => _buddyinfo.Value;

    /// <summary>/proc/modules; null when missing.</summary>
    public ImmutableArray<LoadedModule>? Modules => _modules.Value?.Items;

    /// <summary>What was odd in the files read so far.</summary>
    public ImmutableArray<Diagnostic> Diagnostics => _reader.Diagnostics.Items;

    /// <summary>What was odd in the files read so far, to be merged with what a list's reader found odd.</summary>
    internal DiagnosticList Odd => _reader.Diagnostics;

    /// <summary>Reads every file that was not read yet, for what is odd or damaged in it.</summary>
    internal void ReadAll()
    {
        _ = Kernel;
        _ = Config;
        _ = CommandLine;
        _ = Cpus;
        _ = Meminfo;
        _ = Dmesg;
        _ = Iomem;
        _ = Zoneinfo;
        _ = Buddyinfo;
        _ = Modules;
    }

    /// <summary>Has someone told of damaged files that are gone on without, as they are met; earlier damage is not told again.</summary>
    public void TellOfDamage(Action<Diagnostic> tell) => _reader.Diagnostics.DamageMet = tell;

    /// <summary>Opens evidence; what it is, is detected.</summary>
    /// <param name="path">
    /// Null for the running machine, "-" for standard input, otherwise the path of a directory, an archive or a file.
    /// </param>
    /// <param name="standardInput">Read only for "-".</param>
    /// <exception cref="EvidenceException">Not there, not readable, or nothing vmscope knows.</exception>
    public static EvidenceBundle Open(string? path, Stream standardInput) => EvidenceOpener.Open(path, standardInput, new ArchiveLimits());

    /// <summary>Opens evidence that is already a stream: an archive or one file, gzipped or not.</summary>
    /// <param name="content">Its bytes; read from front to back, and not closed.</param>
    /// <param name="name">What to call it.</param>
    /// <exception cref="EvidenceException">Damaged, or nothing vmscope knows.</exception>
    public static EvidenceBundle OpenStream(Stream content, string name) =>
        EvidenceOpener.FromStream(content, name, fileName: null, EvidenceKind.StandardInput, new ArchiveLimits(), new DiagnosticList());

    /// <summary>One sample of a recording as evidence.</summary>
    public static EvidenceBundle FromSnapshot(RecordedSnapshot snapshot, string name) =>
        new(new RecordingFiles(snapshot, name), EvidenceKind.Recording, new DiagnosticList());

    /// <summary>Whether a file is there; it may still refuse to be read.</summary>
    public bool Has(string name) => _reader.Find(name) is not null;

    /// <summary>Opens a file for one pass from front to back, unpacked; the caller closes it.</summary>
    /// <param name="name">
    /// The file's name as in a capture, without .txt: vmallocinfo, dmesg, trace, vmallocinfo-before, free-tree-at-start …
    /// </param>
    /// <param name="stream">The bytes; empty when there are none.</param>
    /// <returns>False when it is missing; <see cref="WhyMissing"/> says why.</returns>
    public bool TryOpen(string name, out Stream stream) => _reader.TryOpen(name, out stream, out _) == MissingReason.None;

    /// <summary>Reads a file that can be gone on without; null when it is missing, or damaged, which is noted.</summary>
    /// <exception cref="EvidenceException">It is damaged, and all there is.</exception>
    internal T? ReadIfSound<T>(string name, Func<Stream, string, T> read) where T : class =>
        _reader.Read(name, (stream, file, _) => read(stream, file));

    /// <summary>Opens a file, or explains why not.</summary>
    /// <exception cref="EvidenceException">It is missing; the message says what to do about it.</exception>
    public Stream OpenRequired(string name) =>
        _reader.TryOpen(name, out Stream stream, out _) == MissingReason.None ? stream : throw new EvidenceException(WhyMissing(name));

    /// <summary>The path of the uncompressed file behind a name, for readers that map it; null when there is none.</summary>
    public string? PlainPath(string name) => Kind == EvidenceKind.LiveMachine ? null : _reader.PlainPath(name);

    /// <summary>Opens the list of areas; in a single file that is something else by the most of its lines, the rows among them.</summary>
    /// <exception cref="EvidenceException">There is none; the message says what to do about it.</exception>
    internal Stream OpenList() =>
        _reader.TryOpen(EvidenceNames.VmallocInfo, out Stream stream, out _) == MissingReason.None || _reader.TryOpenRows(out stream)
            ? stream
            : throw new EvidenceException(WhyMissing(EvidenceNames.VmallocInfo));

    /// <summary>Why a file cannot be had: <see cref="MissingReason.None"/> when it can.</summary>
    public MissingReason Missing(string name)
    {
        MissingReason reason = _reader.TryOpen(name, out Stream stream, out _);
        stream.Dispose();
        return reason;
    }

    /// <summary>What to call a file in messages and diagnostics.</summary>
    public string Describe(string name) => _reader.Find(name) is { } path ? _reader.Describe(path) : name;

    /// <summary>A sentence or two that say why a file is missing and what to do.</summary>
    public string WhyMissing(string name)
    {
        if (Missing(name) == MissingReason.NoPermission)
        {
            return Kind == EvidenceKind.LiveMachine
                ? $"{Describe(name)}: permission denied; only root may read it, so run the command with sudo"
                : $"{Describe(name)}: permission denied";
        }

        return Kind switch
        {
            EvidenceKind.LiveMachine when name == EvidenceNames.VmallocInfo =>
                "/proc/vmallocinfo does not exist here: the kernel is older than 2.6.26, has no MMU, or /proc is not mounted",
            EvidenceKind.LiveMachine => $"this machine offers no {name}",
            EvidenceKind.SingleFile or EvidenceKind.StandardInput => LooksLike() is { } kind
                ? $"{Name} is no {name}: it reads like {kind}"
                : $"{Name} is no {name}",
            _ => $"{Name} holds no {name} (looked for {name}, {name}.txt, proc/{name}, with and without .gz)",
        };
    }

    private string? LooksLike() =>
        EvidenceNames.ProcFiles.Concat([EvidenceNames.Dmesg, EvidenceNames.Config, EvidenceNames.Trace, EvidenceNames.Uname]).FirstOrDefault(Has);

    private sealed record ModuleList(ImmutableArray<LoadedModule> Items);
}
