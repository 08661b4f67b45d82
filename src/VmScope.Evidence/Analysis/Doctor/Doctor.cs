using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>Finds out why a request for kernel addresses failed, and what helps.</summary>
/// <remarks>
/// Works from whatever there is: one message; sharper with the boot log's layout or meminfo; exact with the list of
/// areas, the configuration and the command line.
/// </remarks>
public sealed partial class Doctor
{
    /// <summary>Bus numbers of a PCI domain.</summary>
    private const int PciBuses = 256;

    /// <summary>Messages of a kind that are shown beside the one that decided.</summary>
    private const int OthersMax = 20;

    /// <summary>Tries after which one that "tries again" is taken to hang.</summary>
    private const int RetriesMax = 3;

    /// <summary>No address space is larger.</summary>
    private const ulong LargestBytes = 1UL << 62;

    private readonly EvidenceBundle _bundle;
    private readonly DoctorOptions _options;
    private readonly DmesgReport? _dmesg;
    private readonly LogReading? _log;
    private readonly string _logName;
    private readonly string _architecture;
    private readonly KernelLayout? _layout;
    private readonly LayoutInputs? _inputs;
    private readonly List<DoctorStatement> _statements = [];
    private List<FailedRequest> _requests = [];
    private ListExplanation? _list;

    private Doctor(EvidenceBundle bundle, DoctorOptions options)
    {
        (_bundle, _options) = (bundle, options);
        _dmesg = bundle.Dmesg;
        _logName = bundle.Describe("dmesg");
        if (_dmesg is { } dmesg)
        {
            _log = bundle.ReadIfSound("dmesg", (stream, file) => LogReading.Read(stream, file, dmesg.Failures));
        }

        _architecture = ArchitectureName();
        (_inputs, _layout) = Predict();
    }

    /// <summary>Examines evidence.</summary>
    /// <exception cref="EvidenceException">There is nothing to examine, or it cannot be read.</exception>
    public static DoctorReport Examine(EvidenceBundle bundle, DoctorOptions options) => new Doctor(bundle, options).Run();

    private DoctorReport Run()
    {
        _requests = _log is null ? [] : new FailedRequests(_log, _architecture, _bundle.PageSize.Bytes, _layout, _bundle.Config).Collect(_dmesg!.Failures);
        FailedRequest? main = MainRequest();
        _list = ReadList(main);
        if (_dmesg is null && _list is null && _bundle.Meminfo is null)
        {
            throw new EvidenceException($"{_bundle.Name}: neither a kernel log nor a list of areas nor meminfo to examine");
        }

        if (_list is null && _bundle.Kind == EvidenceKind.LiveMachine)
        {
            _statements.Add(new DoctorStatement(_bundle.WhyMissing("vmallocinfo"), Sureness.Printed));
        }

        DoctorReport report = main is null ? WithoutFailure() : WithFailure(main);
        if (HasCorruption && report.Verdict is not DoctorVerdict.Corrupt && (main is null || HarmlessReason(main) is not null))
        {
            // What the list shows beside may come of it, and weighs less.
            string beside = report.Severity == DoctorSeverity.Serious && _list?.Findings.FirstOrDefault(finding => finding.HasWeight) is { } worst
                ? $" Also: {FirstSentence(worst.Text)}"
                : "";
            report = report with
            {
                Verdict = DoctorVerdict.Corrupt,
                Severity = DoctorSeverity.Serious,
                Summary = $"Something freed what was no area, or the kernel's own books disagree: a bug in a driver or in the kernel, not a lack of room.{beside}",
            };
        }

        foreach (Diagnostic damage in _bundle.Odd.Damage)
        {
            _statements.Add(new DoctorStatement($"{damage.File}: {damage.Reason}", Sureness.Printed, damage.File));
        }

        return report with
        {
            Requests = [.. _requests],
            Statements = [.. report.Statements, .. _statements],
            Findings = _list is null ? [] : [.. _list.Findings],
            List = _list,
        };
    }

    private bool HasCorruption => _dmesg?.Failures.Any(failure => failure.Kind is VmallocFailureKind.BadFree or VmallocFailureKind.Overlap) == true;

    private string ArchitectureName() =>
        _options.Architecture is { } told ? Normal(told)
        : _bundle.Architecture != Architecture.Unknown ? _bundle.Architecture.Name()
        : _log?.ArchitectureHint ?? OfPrintedRange() ?? "unknown";

    /// <summary>What a printed range tells of the architecture; null for nothing.</summary>
    /// <remarks>MODULES_END of x86-64 is the same in every configuration: arch/x86/include/asm/pgtable_64_types.h, 4.19 to 7.1.</remarks>
    private string? OfPrintedRange()
    {
        ImmutableArray<VmallocFailure> failures = _dmesg?.Failures ?? [];
        return failures.Any(failure => failure is { Kind: VmallocFailureKind.NoAddressRange, RangeEnd.Value: 0xffffffff_ff000000 }) ? "x86-64"
            : failures.Any(failure => failure.Kind == VmallocFailureKind.NoAddressRange && failure.RangeStart?.Value > uint.MaxValue) ? "64-bit"
            : null;
    }

    private static string Normal(string name) => ArchitectureNamed(name) ?? name;

    /// <summary>The name an architecture goes by here, of those too that no layout can be predicted for; null for none.</summary>
    public static string? ArchitectureNamed(string name) => Architectures.Parse(name) is var known && known != Architecture.Unknown
        ? known.Name()
        : name.ToLowerInvariant() switch
        {
            "powerpc" or "ppc32" or "ppc" => "ppc",
            "powerpc64" or "ppc64" or "ppc64le" => "ppc64",
            "hppa" or "parisc" => "parisc",
            "s390" or "s390x" => "s390",
            "loongarch" or "loongarch64" => "loongarch",
            "mipsel" or "mips" => "mips",
            "m68k" or "sparc" or "xtensa" or "csky" or "microblaze" or "alpha" or "arc" or "hexagon" or "nios2" or "openrisc" or "sh" => name.ToLowerInvariant(),
            _ => null,
        };

    private (LayoutInputs?, KernelLayout?) Predict()
    {
        if (_bundle.Kernel is null || Architectures.Parse(_architecture) == Architecture.Unknown)
        {
            return (null, null);
        }

        try
        {
            LayoutInputs inputs = _bundle.Architecture == Architecture.Unknown
                ? new LayoutInputs(new KernelDescription(_bundle.Kernel, Architectures.Parse(_architecture))
                {
                    Config = _bundle.Config,
                    CommandLine = _bundle.CommandLine ?? KernelCommandLine.Empty,
                })
                { Memory = _bundle.MemoryMap }
                : _bundle.Inputs.ToLayoutInputs(_bundle.Name);
            if (inputs.Memory is null && inputs.RamBytes is null)
            {
                return (null, null);
            }

            return LayoutPredictor.Predict(inputs) is LayoutAnswer.Predicted predicted ? (inputs, predicted.Layout) : (inputs, null);
        }
        catch (EvidenceException)
        {
            return (null, null);
        }
    }

    /// <summary>The request that decides: the last one that wanted addresses; of those without, the last that is not harmless.</summary>
    private FailedRequest? MainRequest() =>
        _requests.LastOrDefault(request => request.Window != FailedWindow.None && HarmlessReason(request) is null)
        ?? _requests.LastOrDefault(request => request.Window == FailedWindow.None && HarmlessReason(request) is null)
        ?? _requests.LastOrDefault();

    private ListExplanation? ReadList(FailedRequest? main)
    {
        if (!_bundle.Has("vmallocinfo"))
        {
            return null;
        }

        ExplainFacts facts = ExplainFacts.From(_bundle);
        if (facts.Architecture == Architecture.Unknown)
        {
            facts = facts with { Architecture = Architectures.Parse(_architecture) };
        }

        if (main?.Range is { } range)
        {
            // The kernel printed the bounds itself: nothing computed is better.
            (ulong, ulong) bounds = (range.Start.Value, unchecked(range.Start.Value + range.SizeBytes));
            facts = main.Window is FailedWindow.Modules or FailedWindow.Bpf ? facts with { BootLogModules = bounds }
                : main.Window == FailedWindow.Vmalloc ? facts with { BootLogVmalloc = bounds }
                : facts;
        }

        ListExplanation? list = _bundle.ReadIfSound("vmallocinfo", (stream, file) =>
            ListExplanation.Read(stream, file, facts, new ExplainOptions { KeepAllGaps = true }, _bundle.Name));
        bool isWide = list?.Totals.AddressDigits > 8;
        if (list is null || list.Live.Areas == 0 || Architectures.Parse(_architecture) == Architecture.Unknown || isWide == Is64Bit)
        {
            return list;
        }

        _statements.Add(new DoctorStatement($"The list has addresses of {(isWide ? 64 : 32)} bits and {_architecture} has {(isWide ? 32 : 64)}: it is of another machine, and left out.", Sureness.Printed, list.File));
        return null;
    }

    private DoctorReport Base(DoctorVerdict verdict, DoctorSeverity severity, string summary) => new()
    {
        Source = _bundle.Name,
        Kernel = _bundle.Kernel?.Release,
        Architecture = _architecture == "unknown" && _list is { ArchitectureWasTold: false, Architecture: not Architecture.Unknown } ? _list.Architecture.Name() : _architecture,
        Verdict = verdict,
        Severity = severity,
        Summary = summary,
    };

    private DoctorReport WithoutFailure()
    {
        OtherMessages();
        Finding? worst = _list?.Findings.FirstOrDefault(finding => finding.HasWeight);
        AddListStatements(_list?.Vmalloc);
        bool hasEvents = _log is { Events.Count: > 0 };
        bool isRefused = hasEvents && _log!.Events.Any(found => found.Kind is LogEventKind.EarlyMapping or LogEventKind.PercpuIllegalSize);
        string list = worst is null ? "" : $" Also: {FirstSentence(worst.Text)}";
        DoctorReport report =
            isRefused ? Base(DoctorVerdict.ImpossibleSize, DoctorSeverity.Serious, $"A request was refused before any address was looked for; the messages below say which.{list}")
            : worst is not null ? Base(VerdictOf(worst), DoctorSeverity.Serious, $"{(hasEvents || HasCorruption ? "No request for kernel addresses failed" : "Nothing has failed")}, but: {FirstSentence(worst.Text)}")
            : hasEvents ? Base(DoctorVerdict.OutOfPages, DoctorSeverity.Notice, "No request for kernel addresses failed; the log tells of failures of another kind.")
            : Base(DoctorVerdict.Healthy, DoctorSeverity.None, Healthy());
        return WithNumbers(report, _list?.Vmalloc, null);
    }

    private string Healthy() => (_dmesg, _list) switch
    {
        (not null, not null) => "Healthy: the log holds no failed request for addresses, and the list of areas shows nothing wrong.",
        (not null, null) => "Healthy as far as the log tells: it holds no failed request for addresses. A list of areas would show what is coming.",
        (null, not null) => "Healthy as far as the list tells: nothing in it is wrong. A kernel log would show whether a request failed.",
        _ => "Nothing wrong in the little there is.",
    };

    private static DoctorVerdict VerdictOf(Finding finding) => finding.Id switch
    {
        "overlap" or "wrong-size" => DoctorVerdict.Corrupt,
        "no-room" or "fragmented" => DoctorVerdict.NearlyFull,
        _ => DoctorVerdict.LeakSuspect,
    };

    private DoctorReport WithFailure(FailedRequest main)
    {
        if (HarmlessReason(main) is { } harmless)
        {
            _statements.Add(new DoctorStatement($"{Quoted(main)}: {harmless}", Sureness.Derived, _logName, main.Line));
            OtherMessages();
            Finding? worst = _list?.Findings.FirstOrDefault(finding => finding.HasWeight);
            AddListStatements(_list?.Vmalloc);
            DoctorReport calm = worst is null
                ? Base(DoctorVerdict.Harmless, DoctorSeverity.Harmless, $"Harmless: {harmless}")
                : Base(VerdictOf(worst), DoctorSeverity.Serious, $"The message is harmless ({harmless.TrimEnd('.')}), but: {FirstSentence(worst.Text)}");
            return WithNumbers(calm with { Request = main }, _list?.Vmalloc, null);
        }

        if (main.Window == FailedWindow.None)
        {
            return WithoutAddresses(main);
        }

        if (main.Percpu is PercpuShortage.Reserved or PercpuShortage.Atomic)
        {
            return WithoutChunk(main);
        }

        if (main.Percpu == PercpuShortage.Chunk)
        {
            main = main with { SearchedBytes = ChunkBytes() };
        }

        WindowAccount? account = AccountOf(main);
        AddressWindow? window = account?.Window ?? WindowBounds(main);
        LogEvent? pci = PciWindow(main);
        FitRequest? fit = main.SearchedBytes is { } searched and <= LargestBytes ? Fit(searched, main.IsIoremap || pci is not null) : null;
        FitAnswer? answer = fit is not null && account is not null && _list is not null ? FitCheck.Ask(_list, account, fit) : null;
        (DoctorVerdict verdict, string why) = Judge(main, window, account, answer);
        StateRequest(main);
        StateWindow(window, account, answer);
        // Nothing can be proved of a window whose bounds nobody knows, nor of a list with room.
        bool isThenAndNow = answer is { Fits: true } || account?.Window.Sureness == Sureness.Guessed;
        VmallocCure? cure = FindCure(main, fit, isThenAndNow && pci is null ? null : account, pci is null ? 1 : PciBuses);
        StateCure(main, cure, answer);
        StateSplit(main, fit, isThenAndNow && pci is null ? null : account, pci is null ? 1 : PciBuses, cure);
        StatePci(pci, fit);
        StateLargest(main, isThenAndNow ? null : account);
        AddListStatements(account);
        OtherMessages();
        string head = $"{Phrase(main)} {why}";
        string summary = $"{char.ToUpperInvariant(head[0])}{head[1..]}.{CureSummary(main, cure)}";
        DoctorReport report = Base(verdict, DoctorSeverity.Serious, summary) with { Request = main, Cure = cure, Window = window };
        return WithNumbers(report, account, answer);
    }

    /// <summary>A per-CPU allocation that wanted no new chunk.</summary>
    private DoctorReport WithoutChunk(FailedRequest main)
    {
        StateRequest(main);
        string summary;
        if (main.Percpu == PercpuShortage.Reserved)
        {
            string area = _dmesg?.Percpu?.ReservedBytes is > 0 and ulong reserved ? $"The {Grouped(reserved)} bytes" : "The few KiB";
            summary = $"{area} set aside at boot for per-CPU variables of modules had no room for {Grouped(main.Bytes ?? 0)} more{(main.Process is { } module ? $" (module {module})" : "")}. vmalloc= does nothing for it.";
            _statements.Add(new DoctorStatement("Every module that declares per-CPU variables takes its share of that area while it is loaded. What helps: unload modules that are not needed, build the ones with large per-CPU variables into the kernel or let them allocate at run time, or build with a larger PERCPU_MODULE_RESERVE.", Sureness.Derived));
        }
        else
        {
            summary = $"The present per-CPU chunks had no room for {Grouped(main.Bytes ?? 0)} bytes, and the caller could not wait for another chunk. vmalloc= does nothing for it.";
            _statements.Add(new DoctorStatement("The kernel adds a chunk in the background after such a failure, so the next try mostly succeeds. When this goes on, something allocates per-CPU memory without end: compare Percpu in meminfo and the chunks of pcpu_get_vm_areas over time (vmscope diff).", Sureness.Derived));
        }

        AddListStatements(_list?.Vmalloc);
        OtherMessages();
        return WithNumbers(Base(DoctorVerdict.NoRoom, DoctorSeverity.Serious, summary) with { Request = main }, _list?.Vmalloc, null);
    }

    /// <summary>The size of a per-CPU chunk: that of the ones in the list, where they agree (on one memory node they do).</summary>
    private ulong? ChunkBytes()
    {
        ulong? bytes = null;
        for (int i = 0; i < (_list?.Areas.Count ?? 0); i++)
        {
            ref readonly AreaSlot area = ref _list!.Areas[i];
            if (area.Caller == 0 || !_list!.IsPercpu(area.Caller))
            {
                continue;
            }

            if (bytes is { } other && other != area.SizeBytes)
            {
                return null;
            }

            bytes = area.SizeBytes;
        }

        return bytes;
    }

    private DoctorReport WithoutAddresses(FailedRequest main)
    {
        bool tooLarge = _dmesg!.Failures.Any(failure => failure.Line == main.Line && failure.Kind == VmallocFailureKind.ExceedsTotalPages);
        StateRequest(main);
        string summary;
        if (tooLarge)
        {
            summary = $"The request ({Size0(main.Bytes)}) is larger than the machine's memory; the kernel refuses it before it looks for addresses. No vmalloc= changes that: the size is a bug or an overflow of whoever asked{(main.Process is { } process ? $" ({process})" : "")}.";
        }
        else
        {
            summary = $"Addresses were there, pages of memory were not: the request ({Size0(main.Bytes)}) ran out of physical memory. vmalloc= does nothing for this.";
        }

        AddListStatements(_list?.Vmalloc);
        OtherMessages();
        DoctorReport report = Base(tooLarge ? DoctorVerdict.ImpossibleSize : DoctorVerdict.OutOfPages, DoctorSeverity.Serious, summary) with { Request = main };
        return WithNumbers(report, _list?.Vmalloc, null);
    }

    /// <summary>Why a message does no harm; null when it may.</summary>
    private string? HarmlessReason(FailedRequest request)
    {
        if (request.Window == FailedWindow.None && PageOrder(request.Text) is > 0 and int order)
        {
            return string.Create(CultureInfo.InvariantCulture, $"the first of two tries, with pages of order {order}; the kernel repeats it with single pages at once, and says so again if that fails too.");
        }

        if (request.Bytes == 0)
        {
            return "a request of 0 bytes. Empty sections of modules ask like this, and get nothing because they need nothing.";
        }

        if (request.Text.Contains("Retrying", StringComparison.Ordinal) && request.Repeats <= RetriesMax)
        {
            return "the kernel says that it tries again.";
        }

        return request.Window switch
        {
            FailedWindow.Modules when _architecture == "ppc" =>
                "the first of two tries. 32-bit powerpc looks for a module's memory near the kernel's text first, then anywhere; if the module loaded, nothing is wrong.",
            FailedWindow.Modules when _architecture == "arm" && _bundle.Config.IsSet("ARM_MODULE_PLTS") == true =>
                "the first of two tries. With ARM_MODULE_PLTS a module that finds no room in the module window goes to the vmalloc window; if it loaded, nothing is wrong.",
            _ => null,
        };
    }

    private static int? PageOrder(string text)
    {
        const string mark = "page order ";
        int at = text.IndexOf(mark, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        int end = at + mark.Length;
        while (end < text.Length && char.IsAsciiDigit(text[end]))
        {
            end++;
        }

        return int.TryParse(text.AsSpan(at + mark.Length, end - at - mark.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int order) ? order : null;
    }

    private DoctorReport WithNumbers(DoctorReport report, WindowAccount? account, FitAnswer? answer) => account is null ? report : report with
    {
        Account = account,
        Window = account.Window,
        UsedBytes = account.CoveredBytes,
        FreeBytes = Free(account),
        Holes = HolesAfterPurge(account),
        LargestHoleBytes = answer?.LargestHoleBytes ?? Math.Max(account.LargestHole.Bytes, account.LargestHoleAfterPurge.Bytes),
        ShortByBytes = account.Window.Sureness == Sureness.Guessed ? null : answer?.ShortByBytes,
    };

    private static string Quoted(FailedRequest request) => $"\"{request.Text}\"";

    private static string FirstSentence(string text)
    {
        int end = text.IndexOf(". ", StringComparison.Ordinal);
        return end < 0 ? text : text[..(end + 1)];
    }

    private string Hex(ulong address) => Is64Bit || address > uint.MaxValue ? $"0x{address:x16}" : $"0x{address:x8}";

    private static string Grouped(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Grouped(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size0(ulong? bytes) => bytes is { } known ? $"{Grouped(known)} bytes" : "no size given";

    private static string SizeText(ulong bytes) => bytes % Size.MiB == 0 ? $"{Grouped(bytes / Size.MiB)} MiB" : $"{Grouped(bytes / 1024)} KiB";
}
