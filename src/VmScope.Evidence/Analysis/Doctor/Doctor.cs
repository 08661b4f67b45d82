using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Finds out why a request for kernel addresses failed, and what helps.</summary>
/// <remarks>
/// Works from whatever there is: one message; sharper with the boot log's layout or meminfo; exact with the list of
/// areas, the configuration and the command line.
/// </remarks>
public sealed class Doctor
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

    /// <summary>The account of the window that failed: of the printed bounds where there are any.</summary>
    private WindowAccount? AccountOf(FailedRequest main)
    {
        if (_list is null || _list.Addresses != AddressState.Real)
        {
            return null;
        }

        if (main.Range is not null)
        {
            return WindowBounds(main) is { } printed ? Measured(_list, printed) : null;
        }

        return main.Window switch
        {
            FailedWindow.Modules or FailedWindow.Bpf => _list.Windows.Find(account => account.Window.Name == WindowName(main))
                ?? (WindowBounds(main) is { } bounds ? Measured(_list, bounds) : null),
            FailedWindow.Vmalloc or FailedWindow.Percpu => _list.Vmalloc,
            FailedWindow.Unknown => _list.Windows.Count == 1 ? _list.Vmalloc : null,
            _ => null,
        };
    }

    private static WindowAccount Measured(ListExplanation list, AddressWindow window) =>
        list.Windows.Find(account => account.Window.Start == window.Start && account.Window.Bytes == window.Bytes)
        ?? list.AccountOf(window);

    /// <summary>Whether compiled BPF programs have a window of their own: arm64 up to 5.11.</summary>
    private bool HasBpfWindow => _layout?.FindRegion("bpf") is { IsBounds: false, Inside: null };

    private string WindowName(FailedRequest main) => main.Window switch
    {
        FailedWindow.Bpf when HasBpfWindow => "bpf",
        FailedWindow.Modules or FailedWindow.Bpf => "modules",
        _ => "vmalloc",
    };

    private string Phrase(FailedRequest main) => main.Window == FailedWindow.Bpf && HasBpfWindow ? "the window of compiled BPF programs" : DoctorWords.Phrase(main.Window);

    private string Purpose(FailedRequest main) => main.Window == FailedWindow.Bpf && HasBpfWindow ? Phrase(main) : DoctorWords.Purpose(main);

    private AddressWindow? WindowBounds(FailedRequest main)
    {
        string name = WindowName(main);
        if (main.Range is { } range)
        {
            return new AddressWindow(main.Window == FailedWindow.FixedRange ? "fixed-range" : name, range.Start.Value, range.SizeBytes, "printed in the failure message", Sureness.Printed);
        }

        if (_dmesg?.LayoutOf(name) is { Start: { } start, End: { } end } && end.Value > start.Value)
        {
            return new AddressWindow(name, start.Value, end.Value - start.Value + (end.Value & 1), "printed in the boot log's memory layout", Sureness.Printed);
        }

        if (main.Window is FailedWindow.Modules or FailedWindow.Bpf)
        {
            return _layout?.FindRegion(name) is { IsBounds: false } modules
                ? new AddressWindow(name, modules.Range.Start.Value, modules.Range.SizeBytes, "computed from this kernel's version, configuration and memory", Sureness.Derived)
                : null;
        }

        return main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu && _layout is not null
            && (_bundle.Meminfo?.VmallocTotalKiB is not { } total || total == _layout.VmallocTotalKiB)
            ? new AddressWindow(name, _layout.Vmalloc.Start.Value, _layout.Vmalloc.SizeBytes, "computed from this kernel's version, configuration and memory", Sureness.Derived)
            : null;
    }

    /// <summary>The window's size, also where its place is not known.</summary>
    private ulong? WindowBytes(FailedRequest main, AddressWindow? window) => window?.Bytes
        ?? (main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu or FailedWindow.Unknown && !Is64Bit ? _bundle.Meminfo?.VmallocTotalKiB * 1024 : null);

    private bool Is64Bit => Architectures.Parse(_architecture).Is64Bit();

    private (DoctorVerdict, string) Judge(FailedRequest main, AddressWindow? window, WindowAccount? account, FitAnswer? answer)
    {
        if (main.SearchedBytes is not { } searched)
        {
            return (DoctorVerdict.NoRoom, main.Percpu == PercpuShortage.Chunk
                ? "had no room for another per-CPU chunk"
                : "had no room for a request whose size the message does not give");
        }

        if (searched > LargestBytes)
        {
            return (DoctorVerdict.ImpossibleSize, $"cannot take {Grouped(searched)} bytes: no address space is that large. The size is a bug or an overflow of whoever asked");
        }

        string chunk = main.Percpu == PercpuShortage.Chunk ? " for another per-CPU chunk" : "";
        string guard = main.Percpu == PercpuShortage.Chunk ? "" : " (guard page included)";

        if (WindowBytes(main, window) is { } whole && searched > whole)
        {
            return (DoctorVerdict.LargerThanWindow, $"has {Grouped(whole)} bytes in all, and {Grouped(searched)} were asked for{guard}: {Grouped(searched - whole)} more than the whole window");
        }

        if (account is null && MostFree(main) is { } most && most < searched)
        {
            return (DoctorVerdict.Exhausted, $"is full: the sizes in its list leave at most {Grouped(most)} of {Grouped(WindowBytes(main, window) ?? 0)} bytes free, and {Grouped(searched)} were asked for{guard}: short by at least {Grouped(searched - most)}");
        }

        if (account is null || answer is null)
        {
            string size = WindowBytes(main, window) is { } bytes ? $" of {Grouped(bytes)} bytes" : "";
            string missing = _list is { Addresses: not AddressState.Real } ? "its list has no real addresses, so holes cannot be measured" : "how full it was, only /proc/vmallocinfo shows";
            return (DoctorVerdict.NoRoom, $"{(size.Length > 0 ? $"({size[4..]}) " : "")}had no hole of {Grouped(searched)} bytes{guard}{chunk}; {missing}");
        }

        if (answer.Fits)
        {
            return (DoctorVerdict.NoRoom, $"had no hole of {Grouped(searched)} bytes{chunk} when the request failed; in the list, taken at another moment, the largest has {Grouped(answer.LargestHoleBytes)}");
        }

        if (account.Window.Sureness == Sureness.Guessed)
        {
            return (DoctorVerdict.NoRoom, $"had no hole of {Grouped(searched)} bytes{guard}{chunk}; between the areas of the list the largest has {Grouped(answer.LargestHoleBytes)}, and where the window begins and ends is not known");
        }

        ulong free = Free(account);
        string holes = $"the largest hole has {Grouped(answer.LargestHoleBytes)} bytes and {Grouped(searched)} were asked for{guard}: short by {Grouped(answer.ShortByBytes)}";
        return free >= searched
            ? (DoctorVerdict.Fragmentation, $"is fragmented: {Grouped(free)} bytes are free in {HolesText(account)}, but {holes}")
            : (DoctorVerdict.Exhausted, $"is full: {Grouped(free)} bytes are free in {HolesText(account)}; {holes}");
    }

    private string HolesText(WindowAccount account) =>
        HolesAfterPurge(account) is var holes && holes == 1 ? "1 hole" : $"{Grouped(holes)} holes";

    /// <summary>The holes that the free bytes lie in, those counted that a purge opens.</summary>
    private long HolesAfterPurge(WindowAccount account)
    {
        if (_list is null || account.UnpurgedAreas == 0)
        {
            return account.Holes;
        }

        ulong origin = account.Window.Start;
        ulong cursor = 0;
        if (account.FirstIndex > 0 && _list.Areas[account.FirstIndex - 1].End > origin)
        {
            cursor = Math.Min(_list.Areas[account.FirstIndex - 1].End - origin, account.Window.Bytes);
        }

        long holes = 0;
        for (int i = account.FirstIndex; i < account.EndIndex; i++)
        {
            ref readonly AreaSlot area = ref _list.Areas[i];
            if ((area.Flags & AreaFlags.Unpurged) != AreaFlags.None)
            {
                continue;
            }

            holes += area.Start - origin > cursor ? 1 : 0;
            cursor = Math.Max(cursor, unchecked(area.End - origin - 1) + 1);
        }

        return holes + (cursor < account.Window.Bytes ? 1 : 0);
    }

    /// <summary>
    /// The most that can be free in a window whose list has sizes but no addresses: on i386 every row lies in the vmalloc
    /// window. Null where that is not so, or the window's size is not known.
    /// </summary>
    private ulong? MostFree(FailedRequest main) =>
        _list is { Addresses: not AddressState.Real } && _architecture == "i386" && WindowBytes(main, WindowBounds(main)) is { } whole
            ? whole - Math.Min(whole, _list.Live.Bytes)
            : null;

    private static ulong Free(WindowAccount account) => account.FreeBytes + account.BytesByGapKind[(int)GapKind.Unpurged];

    private void StateRequest(FailedRequest main)
    {
        string times = main.Repeats > 1 ? string.Create(CultureInfo.InvariantCulture, $" ({main.Repeats} times)") : "";
        _statements.Add(new DoctorStatement($"{Quoted(main)}{times}{(times.Length == 0 && main.Text.EndsWith('.') ? "" : ".")}", Sureness.Printed, _logName, main.Line));
        if (main.Window != FailedWindow.None)
        {
            _statements.Add(new DoctorStatement($"It was {Purpose(main)}: {main.WindowReason}.", main.WindowCertainty, _logName, main.Line));
        }

        if (main.Percpu == PercpuShortage.Chunk)
        {
            _statements.Add(new DoctorStatement(main.SearchedBytes is { } chunk
                ? $"What found no room was not the {Grouped(main.Bytes ?? 0)} bytes asked for but a new chunk to take them from: {Grouped(chunk)} bytes, like the chunks in the list, without a guard page."
                : $"What found no room was not the {Grouped(main.Bytes ?? 0)} bytes asked for but a new chunk to take them from, whose size the message does not give.", Sureness.Derived, _logName, main.Line));
        }
        else if (main.Bytes is { } bytes && main.Percpu == PercpuShortage.None && main.Window != FailedWindow.None)
        {
            _statements.Add(new DoctorStatement(main.GuardIncluded
                ? $"This message gives the size that was looked for, guard page included: {Grouped(bytes)} bytes, so {Grouped(bytes - Math.Min(bytes, _bundle.PageSize.Bytes))} of use."
                : $"This message gives the size that was asked for, {Grouped(bytes)} bytes; looked for were {Grouped(main.SearchedBytes ?? bytes)}, rounded to pages and with the guard page.", Sureness.Derived, _logName, main.Line));
        }

        if (main.Text.Contains("use vmalloc=", StringComparison.Ordinal) && (main.Window is not (FailedWindow.Vmalloc or FailedWindow.Percpu or FailedWindow.Unknown) || Advice.HasVmallocOption(_architecture) == false))
        {
            _statements.Add(new DoctorStatement("The message ends in advice to use vmalloc=; the kernel prints that for every window and on every architecture, and here it is wrong.", Sureness.Derived, _logName, main.Line));
        }
    }

    private void StateWindow(AddressWindow? window, WindowAccount? account, FitAnswer? answer)
    {
        if (window is not null)
        {
            _statements.Add(new DoctorStatement($"The {(window.Name == "modules" ? "module window" : window.Name == "fixed-range" ? "range searched" : $"{window.Name} window")} is {Hex(window.Start)} - {Hex(window.EndExclusive)}, {Grouped(window.Bytes)} bytes ({window.Source}).", window.Sureness));
        }
        else if (_bundle.Meminfo?.VmallocTotalKiB is { } total && !Is64Bit)
        {
            _statements.Add(new DoctorStatement($"The vmalloc window has {Grouped(total)} kB.", Sureness.Printed, _bundle.Describe("meminfo")));
        }

        if (account is not null && answer is not null)
        {
            _statements.Add(new DoctorStatement($"Areas hold {Grouped(account.CoveredBytes)} bytes; {Grouped(Free(account))} are free in {HolesText(account)}, the largest {Grouped(answer.LargestHoleBytes)}.", account.Window.Sureness, _list!.File));
            foreach (string note in answer.Notes)
            {
                _statements.Add(new DoctorStatement(note, Sureness.Derived, _list.File));
            }
        }
    }

    /// <summary>What was searched for, with the alignment an ioremap of that size has on this kernel.</summary>
    private FitRequest Fit(ulong searchedBytes, bool isIoremap)
    {
        ulong page = _bundle.PageSize.Bytes;
        if (!isIoremap || searchedBytes <= page || _bundle.Kernel is not { } kernel)
        {
            return new FitRequest(searchedBytes, IncludesGuard: true);
        }

        int order = VmallocListTimelines.IoremapMaxOrder(kernel.Version, Architectures.Parse(_architecture),
            System.Numerics.BitOperations.Log2(page), _bundle.Config.IsSet("X86_PAE") == true,
            hasSupersections: _bundle.Config.IsSet("SMP") == false && _bundle.Config.IsSet("ARM_LPAE") != true);
        return new FitRequest(searchedBytes, AreaSizing.IoremapAlignBytes(VmallocTimelines.At(kernel.Version), searchedBytes - page, page, order), IsIoremap: true, IncludesGuard: true);
    }

    /// <summary>A PCI host bridge that could not map its configuration window, in the lines behind a failure.</summary>
    private LogEvent? PciWindow(FailedRequest main) =>
        _log?.Events.FirstOrDefault(found => found.Kind == LogEventKind.PciWindow && found.Line > main.Line && found.Line - main.Line <= 4);

    private void StatePci(LogEvent? pci, FitRequest? asked)
    {
        if (pci is null || asked is null)
        {
            return;
        }

        ulong stride = Align.Up(asked.SizeBytes, asked.AlignBytes);
        _statements.Add(new DoctorStatement(
            $"On 32 bits the driver maps the configuration space of each bus number by itself: up to {PciBuses} mappings of {Grouped(asked.SizeBytes)} bytes, {(asked.AlignBytes > _bundle.PageSize.Bytes ? $"each aligned to {Grouped(asked.AlignBytes)} and so {Grouped(stride)} bytes from the next, " : "")}{Grouped(stride * PciBuses)} in all. It gives back what it has mapped when one is refused{(_list is null ? "" : ", which is why the list has room again")}.",
            Sureness.Derived, _logName, pci.Line));
    }

    /// <summary>The largest request that was refused may need more than the one that decided.</summary>
    private void StateLargest(FailedRequest main, WindowAccount? account)
    {
        FailedRequest? largest = _requests.Where(request => request.Window == main.Window && request.SearchedBytes > main.SearchedBytes).MaxBy(request => request.SearchedBytes);
        if (largest?.SearchedBytes is not { } bytes || FindCure(largest, Fit(bytes, largest.IsIoremap), account, 1) is not { } cure)
        {
            return;
        }

        _statements.Add(new DoctorStatement($"The largest of the requests refused, {Grouped(bytes)} bytes, needs vmalloc={cure.Value}.", cure.IsProved ? Sureness.Derived : Sureness.Assumed, _logName, largest.Line));
    }

    private VmallocCure? FindCure(FailedRequest main, FitRequest? fit, WindowAccount? account, int count)
    {
        return Search(main, fit, account)?.Find(fit!, _options.MarginBytes, UsedWithoutList(account), count);
    }

    /// <summary>The search for a value of vmalloc=; null where the option does not apply or nothing can be predicted.</summary>
    private CureSearch? Search(FailedRequest main, FitRequest? fit, WindowAccount? account)
    {
        bool applies = main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu && Advice.HasVmallocOption(_architecture) == true;
        return applies && fit is not null && _inputs is not null && _layout is not null
            ? new CureSearch(_inputs, _layout, account is null ? null : _list, account)
            : null;
    }

    private ulong UsedWithoutList(WindowAccount? account) => account is null && _bundle.Kernel is { } kernel
        && VmallocMeminfoTimelines.Used.At(kernel.Version) is not (VmallocUsedMeaning.AlwaysZero or VmallocUsedMeaning.NotPrinted)
        ? (_bundle.Meminfo?.VmallocUsedKiB ?? 0) * 1024
        : 0;

    /// <summary>Another split is worth a rebuild only where the option fails, or takes a quarter of directly mapped memory.</summary>
    private void StateSplit(FailedRequest main, FitRequest? fit, WindowAccount? account, int count, VmallocCure? cure)
    {
        if (Search(main, fit, account) is not { } search || (cure is not null && cure.LowmemLostBytes < CureSearch.Lowmem(_layout!) / 4))
        {
            return;
        }

        if (search.FindWithSplit(fit!, _options.MarginBytes, UsedWithoutList(account), count) is { } other)
        {
            _statements.Add(new DoctorStatement(
                $"A kernel built with {other.Symbol} takes it with vmalloc={other.Cure.Value} and maps {Grouped(CureSearch.Lowmem(other.Cure.After))} bytes of memory directly (now {Grouped(CureSearch.Lowmem(_layout!))}); programs have less address space then.",
                Sureness.Derived));
        }
    }

    private void StateCure(FailedRequest main, VmallocCure? cure, FitAnswer? answer)
    {
        _statements.AddRange(Advice.For(main.Window, _architecture, _bundle.Config, main, HasBpfWindow));
        bool applies = main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu && Advice.HasVmallocOption(_architecture) == true;
        if (!applies)
        {
            return;
        }

        if (cure is null)
        {
            _statements.Add(_layout is null
                ? new DoctorStatement("Which value of vmalloc= is enough cannot be computed: the kernel's version and the machine's memory are not both in the evidence (dmesg from the boot on, or version and iomem).", Sureness.Derived)
                : main.SearchedBytes is null
                    ? new DoctorStatement(main.Percpu == PercpuShortage.Chunk
                        ? "Which value of vmalloc= is enough cannot be computed: /proc/vmallocinfo would show how large a chunk is."
                        : "Which value of vmalloc= is enough cannot be computed: the message gives no size.", Sureness.Derived)
                    : new DoctorStatement("No value of vmalloc= makes the window large enough for this request on this machine. What is left: fewer mappings, another split between user and kernel (VMSPLIT_2G, VMSPLIT_1G), or a 64-bit kernel.", Sureness.Derived));
            return;
        }

        string margin = cure.MarginBytes > 0 ? $", with {Grouped(cure.MarginBytes)} bytes to spare in one piece" : "";
        _statements.Add(new DoctorStatement(cure.IsProved
            ? $"vmalloc={cure.Value} is the smallest value in whole MiB that takes the request{margin} (to the page: {Grouped(cure.ExactBytes / 1024)}K). Proof: in the layout predicted for it, all areas of the list and the request were placed by the rule of this kernel, and again with every hole of now kept."
            : main.SearchedBytes > cure.Before?.Vmalloc.SizeBytes
                ? $"vmalloc={cure.Value} is the least in whole MiB that can hold the request at all{margin}; what else lies in the window adds to it, and /proc/vmallocinfo would say how much."
                : $"vmalloc={cure.Value} is enough whatever lies in the window now: it adds as much as was asked for{margin}. A smaller value may do; /proc/vmallocinfo{(_list is { Addresses: not AddressState.Real } ? " with real addresses (read after kernel.kptr_restrict=1 was set)" : _list is null ? "" : " of that moment, with the window's bounds,")} would make this exact.", cure.IsProved ? Sureness.Derived : Sureness.Assumed));
        ulong? lowFree = _bundle.Meminfo?.Value("LowFree") ?? (_bundle.Meminfo is { } meminfo && meminfo.HighTotalKiB is null ? meminfo.MemFreeKiB : null);
        _statements.AddRange(Advice.Costs(cure, lowFree));
        if (answer is not null && cure.MarginBytes == 0)
        {
            _statements.Add(new DoctorStatement("The next request fails again soon when the window stays as full: --margin finds the value that leaves room in one piece.", Sureness.Derived));
        }
    }

    private string CureSummary(FailedRequest main, VmallocCure? cure)
    {
        if (cure is not null)
        {
            string how = cure.IsProved ? "is the smallest value that works"
                : main.SearchedBytes > cure.Before?.Vmalloc.SizeBytes ? "is the smallest value that could work"
                : "is enough, and perhaps more than is needed";
            return $" vmalloc={cure.Value} {how}; it costs {SizeText(cure.LowmemLostBytes)} of lowmem.";
        }

        return main.Window switch
        {
            FailedWindow.Vmalloc or FailedWindow.Percpu when Advice.HasVmallocOption(_architecture) == true =>
                _layout is null ? " vmalloc= applies here; which value is enough needs the kernel's version and memory."
                : main.SearchedBytes is null ? " vmalloc= applies here; which value is enough cannot be told without the size."
                : " No value of vmalloc= is enough.",
            FailedWindow.Unknown => " Whether vmalloc= helps is open until the architecture is known.",
            FailedWindow.Vmalloc or FailedWindow.Percpu or FailedWindow.FixedRange => $" vmalloc= is not available on {(_architecture == "64-bit" ? "64-bit kernels" : _architecture)}.",
            _ => " vmalloc= does nothing for it.",
        };
    }

    /// <summary>What the list shows of holders, laziness and ioremap.</summary>
    private void AddListStatements(WindowAccount? account)
    {
        if (_list is null)
        {
            return;
        }

        foreach (OwnerRow owner in _list.Owners.Take(3))
        {
            _statements.Add(new DoctorStatement(string.Create(CultureInfo.InvariantCulture, $"{owner.FullName} holds {owner.Totals.Bytes:N0} bytes in {owner.Totals.Areas} {(owner.Totals.Areas == 1 ? "area" : "areas")}{(owner.Known is { } known ? $" ({known.Meaning})" : "")}."), Sureness.Printed, _list.File));
        }

        ulong ioremap = account is null ? _list.Kinds[(int)ListedKind.Ioremap].Bytes : account.BytesByKind[(int)ListedKind.Ioremap];
        if (ioremap > 0)
        {
            _statements.Add(new DoctorStatement($"{Grouped(ioremap)} bytes{(ioremap >= 1_000_000 ? $" ({ioremap / 1_000_000.0:0.0} MB)" : "")} of it are ioremap: device registers and tables that VmallocUsed in meminfo does not count from 5.3 on, and that no purge returns.", Sureness.Printed, _list.File));
        }

        if (_list.Unpurged.Areas > 0)
        {
            _statements.Add(new DoctorStatement($"{Grouped(_list.Unpurged.Bytes)} bytes in {_list.Unpurged.Areas} rows are freed and wait for a purge; the kernel purges before it refuses, so they are counted as free here.", Sureness.Printed, _list.File));
        }
    }

    /// <summary>Messages that did not decide: other requests, other failures, suppressed counts.</summary>
    private void OtherMessages()
    {
        FailedRequest[] others = [.. _requests.Where(other => !_statements.Exists(statement => statement.Line == other.Line && statement.File == _logName))];
        foreach (FailedRequest other in others.TakeLast(OthersMax))
        {
            string verdict = HarmlessReason(other) is { } harmless ? $": {harmless}" : $" ({Purpose(other)})";
            string times = other.Repeats > 1 ? $" ({Grouped(other.Repeats)} times)" : "";
            _statements.Add(new DoctorStatement($"Also: {Quoted(other)}{times}{verdict}", other.WindowCertainty, _logName, other.Line));
        }

        if (others.Length > OthersMax)
        {
            _statements.Add(new DoctorStatement($"{Grouped(others.Length - OthersMax)} more requests failed before these; --json lists them.", Sureness.Printed, _logName));
        }

        if (_dmesg?.FailuresLeftOut is > 0 and long leftOut)
        {
            _statements.Add(new DoctorStatement($"The log is long: its first {Grouped(leftOut)} messages of failures are not counted here.", Sureness.Printed, _logName));
        }

        VmallocFailure[] frees = [.. (_dmesg?.Failures ?? []).Where(failure => failure.Kind is VmallocFailureKind.BadFree or VmallocFailureKind.Overlap)];
        foreach (VmallocFailure failure in frees.Take(OthersMax))
        {
            _statements.Add(new DoctorStatement(failure.Kind == VmallocFailureKind.BadFree
                ? $"\"{failure.Text}\": something freed an address that is no area, a bug of the caller it names."
                : $"\"{failure.Text}\": a freed range overlaps a free one. The kernel's own books are wrong.", Sureness.Printed, _logName, failure.Line));
        }

        if (frees.Length > OthersMax)
        {
            _statements.Add(new DoctorStatement($"{Grouped(frees.Length - OthersMax)} more such messages follow.", Sureness.Printed, _logName));
        }

        foreach (LogEvent found in (_log?.Events ?? []).Take(20))
        {
            _statements.Add(new DoctorStatement(found.Kind switch
            {
                LogEventKind.PageAllocation => string.Create(CultureInfo.InvariantCulture, $"\"{found.Text}\": {(found.Number == 0 ? "not one page of physical memory" : $"no physical memory in {1L << (int)Math.Min(found.Number, 40):N0} contiguous pages")} was to be had; address windows and vmalloc= have no part in it."),
                LogEventKind.PercpuIllegalSize => $"\"{found.Text}\": a per-CPU allocation has at most 32,768 bytes (PCPU_MIN_UNIT_SIZE); the caller asks for too much, whatever is free.",
                LogEventKind.EarlyMapping => $"\"{found.Text}\": the few slots of early_ioremap were all taken, before there was a vmalloc area; vmalloc= does nothing for it.",
                _ => $"\"{found.Text}\": a PCI configuration window could not be mapped; each bus number takes 1 MiB of the vmalloc window, a domain with all its numbers 256 MiB.",
            }, Sureness.Printed, _logName, found.Line));
        }

        foreach (SuppressedMessages suppressed in _dmesg?.Suppressed ?? [])
        {
            _statements.Add(new DoctorStatement($"{Grouped(suppressed.Count)} more messages of {suppressed.Function} were not printed: failures are counted, not listed, once they come fast.", Sureness.Printed, _logName, suppressed.Line));
        }
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
