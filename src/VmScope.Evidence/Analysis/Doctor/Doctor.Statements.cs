using System.Globalization;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <content>What the report states, each with where it comes from.</content>
public sealed partial class Doctor
{
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
}
