using System.Globalization;
using VmScope.Kernels;
using VmScope.Physical;
using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>The processors of a machine, as far as anybody said.</summary>
/// <param name="PossibleCount">Processors that may ever come online (nr_cpu_ids); null when nobody said.</param>
/// <param name="OnlineCount">Processors cpuinfo lists; null without cpuinfo. A copied cpuinfo may hold only the first.</param>
/// <param name="Info">What cpuinfo says of the first one; null without cpuinfo.</param>
public sealed record CpuFacts(int? PossibleCount, int? OnlineCount, CpuinfoReport? Info)
{
    /// <summary>Whether the processor has a feature (la57, pse, nx, pge …); null when nobody said.</summary>
    public bool? Has(string flag) => Info?.Has(flag);
}

/// <summary>
/// What a kernel's layout follows from: version, configuration, command line, memory map, processors. Nothing else of
/// the evidence can be reached from here, so what is predicted from it cannot have looked at the answers.
/// </summary>
/// <remarks>Every member is read when it is first asked for, and then kept.</remarks>
public sealed class EvidenceInputs
{
    private const int FirmwareEntriesLimit = 1024;
    private readonly BundleReader _reader;
    private readonly Lazy<CaseReport?> _case;
    private readonly Lazy<DmesgInputs?> _dmesg;
    private readonly Lazy<KernelIdentity?> _kernel;
    private readonly Lazy<Architecture> _architecture;
    private readonly Lazy<KernelCommandLine?> _commandLine;
    private readonly Lazy<KernelConfig> _config;
    private readonly Lazy<CpuFacts> _cpus;
    private readonly Lazy<PageSize> _pageSize;
    private readonly Lazy<(MemoryMap? Map, string Source)> _memoryMap;

    internal EvidenceInputs(BundleReader reader)
    {
        _reader = reader;
        _case = new(() => reader.Read(EvidenceNames.Case, CaseFile.Read));
        _dmesg = new(() => reader.Read(EvidenceNames.Dmesg, DmesgFile.ReadInputs));
        _kernel = new(FindKernel);
        _architecture = new(FindArchitecture);
        _commandLine = new(FindCommandLine);
        _config = new(FindConfig);
        _cpus = new(FindCpus);
        _pageSize = new(FindPageSize);
        _memoryMap = new(FindMemoryMap);
    }

    /// <summary>The kernel; null when nothing in the evidence names it.</summary>
    public KernelIdentity? Kernel => _kernel.Value;

    /// <summary>The architecture; unknown when nothing tells.</summary>
    public Architecture Architecture => _architecture.Value;

    /// <summary>The page size: from the configuration or the release's name, else the architecture's usual 4 KiB.</summary>
    public PageSize PageSize => _pageSize.Value;

    /// <summary>The kernel command line; null when it is not in the evidence.</summary>
    public KernelCommandLine? CommandLine => _commandLine.Value;

    /// <summary>The configuration: a whole one, an excerpt, or nothing.</summary>
    public KernelConfig Config => _config.Value;

    /// <summary>
    /// RAM and what firmware keeps: the firmware's own map from the boot log or /sys/firmware/memmap (x86), the boot log's
    /// node ranges (elsewhere), or /proc/iomem. Null when nothing tells.
    /// </summary>
    public MemoryMap? MemoryMap => _memoryMap.Value.Map;

    /// <summary>Where <see cref="MemoryMap"/> came from, in a few words; "" when there is none.</summary>
    public string MemoryMapSource => _memoryMap.Value.Source;

    /// <summary>The processors.</summary>
    public CpuFacts Cpus => _cpus.Value;

    /// <summary>What the boot log says beyond the members above; null without a boot log.</summary>
    public DmesgInputs? BootLog => _dmesg.Value;

    /// <summary>RAM of the machine in MiB as its description says (case.json); null without one.</summary>
    public int? DescribedRamMiB => _case.Value?.RamMiB;

    /// <summary>The damage to a file that leaves a prediction without something it follows from; null when there is none.</summary>
    /// <remarks>A damaged file whose content another file gives is none. Reads every input.</remarks>
    internal Diagnostic? MissedInput(bool kernelIsGiven, bool architectureIsGiven)
    {
        bool kernelIsKnown = kernelIsGiven || Kernel is not null;
        bool architectureIsKnown = architectureIsGiven || Architecture != Architecture.Unknown;
        bool optionsAreKnown = CommandLine is not null;
        bool memoryIsWhole = MemoryMap is not null && !MemoryMapSource.StartsWith("/proc/iomem", StringComparison.Ordinal);
        bool isDescribed = kernelIsKnown && architectureIsKnown && optionsAreKnown && Config.Values.Count > 0;
        return (kernelIsKnown ? null : _reader.DamageTo(EvidenceNames.Version) ?? _reader.DamageTo(EvidenceNames.Uname))
            ?? (optionsAreKnown ? null : _reader.DamageTo(EvidenceNames.CommandLine))
            ?? (Config.IsComplete ? null : _reader.DamageTo(EvidenceNames.Config) ?? (BootConfig() is { } path ? _reader.DamageAt(path) : null))
            ?? (_dmesg.Value is null ? _reader.DamageTo(EvidenceNames.Dmesg) : null)
            ?? (memoryIsWhole ? null : _reader.DamageTo(EvidenceNames.Iomem))
            ?? (Cpus.Info is null ? _reader.DamageTo(EvidenceNames.Cpuinfo) : null)
            ?? (isDescribed ? null : _reader.DamageTo(EvidenceNames.Case));
    }

    private KernelIdentity? FindKernel()
    {
        if (_reader.Read(EvidenceNames.Version, SmallFile.ReadText) is { } version && KernelIdentity.Parse(version) is { } identity)
        {
            return identity;
        }

        if (_case.Value?.Banner is { } banner && KernelIdentity.Parse(banner) is { } described)
        {
            return described;
        }

        return _dmesg.Value?.Kernel ?? FromUname();
    }

    // "Linux HOST RELEASE #1 SMP Debian 6.1.176-1 (date) x86_64 GNU/Linux"
    private KernelIdentity? FromUname()
    {
        if (_reader.Read(EvidenceNames.Uname, SmallFile.ReadText) is not { } uname)
        {
            return null;
        }

        string[] words = uname.Trim().Split([' ', '\n'], 4, StringSplitOptions.RemoveEmptyEntries);
        return words is ["Linux", _, var release, ..]
            ? KernelIdentity.Parse($"Linux version {release} {(words.Length > 3 ? words[3] : "")}")
            : KernelIdentity.Parse(uname);
    }

    private Architecture FindArchitecture()
    {
        if (_reader.IsLive)
        {
            return Architectures.Parse(System.Runtime.InteropServices.RuntimeInformation.OSArchitecture.ToString());
        }

        if (_case.Value is { Architecture: not Architecture.Unknown } described)
        {
            return described.Architecture;
        }

        Architecture found = FromConfig(Config);
        if (found == Architecture.Unknown)
        {
            found = FromRelease(Kernel?.Release);
        }

        if (found == Architecture.Unknown && _reader.Read(EvidenceNames.Uname, SmallFile.ReadText) is { } uname)
        {
            found = uname.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => Architectures.Parse(word.Trim()))
                .FirstOrDefault(architecture => architecture != Architecture.Unknown);
        }

        if (found == Architecture.Unknown)
        {
            found = FromCpuinfo(Cpus.Info);
        }

        return found == Architecture.Unknown ? FromBootLog(_dmesg.Value) : found;
    }

    private static Architecture FromConfig(KernelConfig config) =>
        config.Values.GetValueOrDefault("X86_64") == "y" ? Architecture.X64
        : config.Values.GetValueOrDefault("X86_32") == "y" || config.Values.GetValueOrDefault("X86") == "y" ? Architecture.I386
        : config.Values.GetValueOrDefault("ARM64") == "y" ? Architecture.Arm64
        : config.Values.GetValueOrDefault("ARM") == "y" ? Architecture.Arm
        : config.Values.GetValueOrDefault("RISCV") == "y" && config.Values.GetValueOrDefault("64BIT") == "y" ? Architecture.Riscv64
        : Architecture.Unknown;

    // Distributions end a release with the architecture or a flavour of it: 6.1.0-50-686-pae, 5.14.0-70.el9.x86_64.
    private static Architecture FromRelease(string? release)
    {
        if (release is null)
        {
            return Architecture.Unknown;
        }

        foreach (string word in release.Split(['.', '-', '+', '_']).AsEnumerable().Reverse())
        {
            Architecture architecture = word switch
            {
                "64" when release.EndsWith("x86_64", StringComparison.Ordinal) => Architecture.X64,
                "686" or "586" or "486" => Architecture.I386,
                "armmp" or "lpae" or "armv7" or "rpi" or "marvell" => Architecture.Arm,
                "x86" or "pae" or "arm" => Architecture.Unknown,
                _ => Architectures.Parse(word),
            };
            if (architecture != Architecture.Unknown)
            {
                return architecture;
            }
        }

        return Architecture.Unknown;
    }

    private static Architecture FromCpuinfo(CpuinfoReport? info) =>
        info is null ? Architecture.Unknown
        : info.Mmu?.StartsWith("sv", StringComparison.Ordinal) == true && info.Mmu != "sv32" ? Architecture.Riscv64
        : info.Has("lm") ? Architecture.X64
        : info.Has("tsc") || info.Has("fpu") && !info.Has("lm") ? Architecture.I386
        : info.Has("asimd") ? Architecture.Arm64
        : info.Has("half") || info.Has("thumb") || info.Has("swp") ? Architecture.Arm
        : Architecture.Unknown;

    private static Architecture FromBootLog(DmesgInputs? log)
    {
        if (log is null || log.Architecture != Architecture.I386)
        {
            return log?.Architecture ?? Architecture.Unknown;
        }

        // A firmware map says x86 only. RAM above 64 GiB, or a map entry above it, is beyond i386 with PAE.
        bool beyond32 = log.FirmwareMap?.Entries.Any(entry => entry.Range.Last.Value >= 1UL << 36) == true;
        return beyond32 ? Architecture.X64 : Architecture.Unknown;
    }

    private KernelCommandLine? FindCommandLine() =>
        (_reader.Read(EvidenceNames.CommandLine, SmallFile.ReadText)?.Trim() ?? _case.Value?.CommandLine ?? _dmesg.Value?.CommandLine)
            is { } text
                ? KernelCommandLine.Parse(text)
                : null;

    /// <summary>Opens the whole configuration, wherever it lies, unpacked; an excerpt in a description does not count.</summary>
    internal bool TryOpenConfig(out Stream stream) =>
        _reader.TryOpen(EvidenceNames.Config, out stream, out _) == MissingReason.None
        || (BootConfig() is { } path && _reader.TryOpenPath(path, out stream) == MissingReason.None);

    private KernelConfig FindConfig()
    {
        if (_reader.Read(EvidenceNames.Config, ConfigFile.Read) is { Values.Count: > 0 } whole)
        {
            return AsFarAsRead(whole, _reader.DamageTo(EvidenceNames.Config));
        }

        if (BootConfig() is { } path && _reader.ReadPath(path, ConfigFile.Read) is { Values.Count: > 0 } installed)
        {
            return AsFarAsRead(installed, _reader.DamageAt(path));
        }

        return _case.Value?.Config ?? KernelConfig.Nothing;
    }

    // What a cut configuration does not list may have stood behind the cut.
    private static KernelConfig AsFarAsRead(KernelConfig config, Diagnostic? damage) =>
        damage is null ? config : new KernelConfig(config.Values, isComplete: false);

    // /boot may hold the configurations of several kernels: only the running one's counts, or the only one.
    private string? BootConfig()
    {
        string? release = Kernel?.Release;
        if (release is not null && release.IndexOf('/', StringComparison.Ordinal) < 0)
        {
            foreach (string path in (string[])[$"boot/config-{release}", $"config-{release}", $"lib/modules/{release}/config",
                $"usr/lib/modules/{release}/config"])
            {
                if (_reader.Exists(path))
                {
                    return path;
                }
            }
        }

        string[] any = [.. _reader.Under("boot/").Where(path => path.StartsWith("boot/config-", StringComparison.Ordinal)).Take(2)];
        return any.Length == 1 && release is null ? any[0] : null;
    }

    private CpuFacts FindCpus()
    {
        CpuinfoReport? info = _reader.Read(EvidenceNames.Cpuinfo, CpuinfoFile.Read);
        int? possible = _reader.Read(EvidenceNames.PossibleCpus, SmallFile.ReadText) is { } list ? CountOf(list) : null;
        possible ??= _reader.IsLive ? null : _dmesg.Value?.PossibleCpus ?? _case.Value?.CpuCount;
        return new CpuFacts(possible, info is { OnlineCount: > 0 } ? info.OnlineCount : null, info);
    }

    // "0-3" or "0,2-5": nr_cpu_ids is the highest number plus one.
    private static int? CountOf(string list)
    {
        string last = list.Trim().Split(',', '-')[^1];
        return int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < 1 << 20 ? number + 1 : null;
    }

    private PageSize FindPageSize()
    {
        if (_reader.IsLive)
        {
            return new PageSize(System.Numerics.BitOperations.Log2((uint)Environment.SystemPageSize));
        }

        if (Architecture is not (Architecture.Arm64 or Architecture.Unknown))
        {
            return PageSize.Size4K;
        }

        if (Config.Number("PAGE_SHIFT") is >= 12 and <= 16 and ulong shift)
        {
            return new PageSize((int)shift);
        }

        string release = Kernel?.Release ?? "";
        return Config.IsSet("ARM64_64K_PAGES") == true || Config.IsSet("PAGE_SIZE_64KB") == true ? PageSize.Size64K
            : Config.IsSet("ARM64_16K_PAGES") == true || Config.IsSet("PAGE_SIZE_16KB") == true ? PageSize.Size16K
            : Config.IsSet("ARM64_4K_PAGES") == true ? PageSize.Size4K
            : release.Contains("64k", StringComparison.OrdinalIgnoreCase) ? PageSize.Size64K
            : release.Contains("16k", StringComparison.OrdinalIgnoreCase) ? PageSize.Size16K
            : PageSize.Size4K;
    }

    // drivers/firmware/memmap.c: one folder for each entry of the firmware's map (x86), readable by everybody.
    private MemoryMap? FirmwareEntries()
    {
        List<MemoryMapEntry> entries = [];
        for (int i = 0; i < FirmwareEntriesLimit; i++)
        {
            string folder = string.Create(CultureInfo.InvariantCulture, $"sys/firmware/memmap/{i}/");
            if (FirmwareNumber(folder + "start") is not { } start || FirmwareNumber(folder + "end") is not { } end
                || end < start || end - start == ulong.MaxValue)
            {
                break;
            }

            string type = _reader.ReadPath(folder + "type", (stream, file, _) => SmallFile.ReadText(stream, file))?.Trim() ?? "";
            entries.Add(new MemoryMapEntry(new PhysicalRange(new PhysicalAddress(start), end - start + 1), DmesgFile.KindOf(type)));
        }

        return entries.Exists(entry => entry.Kind == MemoryKind.Usable) ? new MemoryMap(entries) : null;
    }

    private ulong? FirmwareNumber(string path)
    {
        string? text = _reader.ReadPath(path, (stream, file, _) => SmallFile.ReadText(stream, file))?.Trim();
        return text is ['0', 'x', ..]
            && ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
                ? value
                : null;
    }

    private (MemoryMap?, string) FindMemoryMap()
    {
        DmesgInputs? log = _dmesg.Value;
        if (log?.FirmwareMap is { } firmware)
        {
            return (firmware, "the firmware's map in the boot log");
        }

        if (FirmwareEntries() is { } kept)
        {
            return (kept, "/sys/firmware/memmap, the firmware's map");
        }

        if (log?.NodeRanges is { } nodes && Architecture is not (Architecture.X64 or Architecture.I386))
        {
            IEnumerable<MemoryMapEntry> ignored = log.IgnoredRam
                .Where(range => !nodes.Usable.Any(known => known.Overlaps(range)))
                .Select(range => new MemoryMapEntry(range, MemoryKind.Usable));
            return (new MemoryMap(nodes.Entries.Concat(ignored)), "the node ranges in the boot log");
        }

        if (_reader.Read(EvidenceNames.Iomem, IomemFile.Read) is { } iomem)
        {
            if (iomem.ToMemoryMap() is { } map)
            {
                return (map, "/proc/iomem, after the kernel's options");
            }

            if (iomem.AddressesHidden)
            {
                _reader.Note(EvidenceNames.Iomem, "every address is zero: read /proc/iomem as root to see the memory map");
            }
        }

        return log?.NodeRanges is { } ranges ? (ranges, "the node ranges in the boot log") : (null, "");
    }
}
