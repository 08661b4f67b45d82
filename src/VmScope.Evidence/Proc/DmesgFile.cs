using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads a kernel log, with or without prefixes, of every era and architecture vmscope knows.</summary>
public static class DmesgFile
{
    private const long LimitBytes = 256 << 20;

    /// <summary>Most entries kept of any list; a hostile log cannot make it longer.</summary>
    private const int ListLimit = 10_000;

    /// <summary>A message this long was probably cut: LOG_LINE_MAX of kernel/printk/printk.c is 1024 less a prefix of 32 or 48.</summary>
    private const int MessageLimit = 976;

    /// <summary>
    /// Reads only what a layout follows from: version, command line, firmware's memory map, processors. The lines that
    /// report a layout are not looked at, so a prediction made from the answer cannot depend on them.
    /// </summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static DmesgInputs ReadInputs(Stream stream, string file, DiagnosticList diagnostics)
    {
        InputsReader inputs = new(file, diagnostics);
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            inputs.Take(DmesgPrefix.Strip(line), line, text.Number);
        }

        return inputs.Finish();
    }

    /// <summary>Reads everything.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static DmesgReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        InputsReader inputs = new(file, diagnostics);
        AnswersReader answers = new(file, diagnostics);
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            ReadOnlySpan<char> message = DmesgPrefix.Strip(line);
            if (!inputs.Take(message, line, text.Number))
            {
                answers.Take(message, line, text.Number);
            }
        }

        return answers.Finish(inputs.Finish());
    }

    /// <summary>Takes one line of a memory map behind its "BIOS-e820:" and the like.</summary>
    private static MemoryMapEntry? MapLine(ReadOnlySpan<char> text, out bool isGap)
    {
        Scan scan = new(text);
        scan.Blanks();
        isGap = scan.InclusiveRange("gap", out _);
        if (isGap)
        {
            return null;
        }

        if (scan.InclusiveRange("mem", out PhysicalRange range))
        {
            scan.Blanks();
            return new MemoryMapEntry(range, KindOf(scan.Rest.TrimEnd()));
        }

        // Up to 3.4: exclusive end, kind in parentheses.
        if (scan.Hex(out ulong start) && scan.Text(" - ") && scan.Hex(out ulong end) && end > start)
        {
            scan.Blanks();
            return new MemoryMapEntry(
                new PhysicalRange(new PhysicalAddress(start), end - start), KindOf(scan.Rest.TrimEnd().TrimStart('(').TrimEnd(')')));
        }

        return null;
    }

    // arch/x86/kernel/e820.c, e820_print_type(); "System RAM" and "device reserved" since 7.3.
    internal static MemoryKind KindOf(ReadOnlySpan<char> name) => name switch
    {
        "usable" or "System RAM" => MemoryKind.Usable,
        "reserved" or "Reserved" or "device reserved" => MemoryKind.Reserved,
        "ACPI data" or "ACPI tables" or "ACPI Tables" => MemoryKind.AcpiData,
        "ACPI NVS" or "ACPI Non-volatile Storage" => MemoryKind.AcpiNvs,
        _ => MemoryKind.Other,
    };

    private static void AddTo<T>(List<T> list, T item)
    {
        if (list.Count < ListLimit)
        {
            list.Add(item);
        }
    }

    private sealed class InputsReader(string file, DiagnosticList diagnostics)
    {
        private readonly List<MemoryMapEntry> _firmware = [];
        private readonly List<PhysicalRange> _nodes = [];
        private readonly List<PhysicalRange> _ignored = [];
        private readonly List<NumaRange> _numa = [];
        private string? _banner;
        private KernelIdentity? _kernel;
        private string? _commandLine;
        private bool _commandLineContinues;
        private bool _commandLineIsCut;
        private string? _model;
        private Architecture _architecture;
        private int? _possible;
        private int? _cpusMax;
        private bool? _nx;
        private bool? _isolation;
        private bool _has52Bit;
        private bool _inNodes;

        /// <summary>Takes a line if it is one of these; the memory map is nobody else's.</summary>
        internal bool Take(ReadOnlySpan<char> message, string line, long number)
        {
            if (_inNodes)
            {
                _inNodes = TakeNodeRange(message);
                if (_inNodes)
                {
                    return true;
                }
            }

            ReadOnlySpan<char> text = message.TrimStart(' ');
            if (text.IsEmpty)
            {
                return false;
            }

            switch (text[0])
            {
                case 'L' when text.StartsWith("Linux version ", StringComparison.Ordinal) && _banner is null:
                    _banner = text.TrimEnd().ToString();
                    _kernel = KernelIdentity.Parse(_banner);
                    return true;
                case 'C' or 'K' when text.StartsWith("Command line:", StringComparison.Ordinal)
                    || text.StartsWith("Kernel command line:", StringComparison.Ordinal):
                    TakeCommandLine(text);
                    return true;
                case 'B' or 'X' when FirmwareEntry(text) is { IsEmpty: false } entry:
                    Mark(Architecture.I386);
                    if (MapLine(entry, out bool isGap) is { } mapped)
                    {
                        AddTo(_firmware, mapped);
                    }
                    else if (!isGap)
                    {
                        diagnostics.Add(file, number, line, "not a memory map line");
                    }

                    return true;
                case 'E' or 'e' when text.StartsWith("Early memory node ranges", StringComparison.Ordinal)
                    || text.StartsWith("Early memory PFN ranges", StringComparison.Ordinal)
                    || text.StartsWith("early_node_map[", StringComparison.Ordinal):
                    _inNodes = true;
                    return true;
                default:
                    TakeFacts(text);
                    return false;
            }
        }

        internal DmesgInputs Finish() => new()
        {
            Banner = _banner,
            Kernel = _kernel,
            Architecture = _architecture,
            CommandLine = _commandLine,
            CommandLineIsCut = _commandLineIsCut,
            FirmwareMap = _firmware.Count == 0 ? null : new MemoryMap(_firmware),
            NodeRanges = _nodes.Count == 0
                ? null
                : new MemoryMap(Joined(_nodes).Select(range => new MemoryMapEntry(range, MemoryKind.Usable))),
            IgnoredRam = [.. _ignored],
            NumaRanges = [.. _numa],
            PossibleCpus = _possible,
            CpusMax = _cpusMax,
            NxActive = _nx,
            PageTableIsolation = _isolation,
            Has52BitVirtualAddresses = _has52Bit,
            MachineModel = _model,
        };

        private static IEnumerable<PhysicalRange> Joined(List<PhysicalRange> ranges)
        {
            PhysicalRange? open = null;
            foreach (PhysicalRange range in ranges.OrderBy(range => range.Start.Value))
            {
                if (open is { } before && before.Last.Value != ulong.MaxValue && range.Start.Value <= before.Last.Value + 1)
                {
                    ulong last = Math.Max(before.Last.Value, range.Last.Value);
                    open = last - before.Start.Value == ulong.MaxValue
                        ? before
                        : new PhysicalRange(before.Start, last - before.Start.Value + 1);
                    continue;
                }

                if (open is { } done)
                {
                    yield return done;
                }

                open = range;
            }

            if (open is { } final)
            {
                yield return final;
            }
        }

        private static ReadOnlySpan<char> FirmwareEntry(ReadOnlySpan<char> text)
        {
            int colon = text.IndexOf(':');
            return colon is > 2 and < 12 && text[..colon] is "BIOS-e820" or "BIOS-e801" or "BIOS-88" or "Xen"
                && text[(colon + 1)..].TrimStart() is ['[' or (>= '0' and <= '9'), ..]
                    ? text[(colon + 1)..]
                    : default;
        }

        // x86 prints it twice under two names; the first is whole or the second is no longer. Newer kernels go on in
        // a further line of the same name where one ends with a backslash.
        private void TakeCommandLine(ReadOnlySpan<char> text)
        {
            string value = text[(text.IndexOf(':') + 1)..].Trim().ToString();
            bool continues = value.EndsWith(" \\", StringComparison.Ordinal);
            if (_commandLine is null || _commandLineContinues)
            {
                string piece = continues ? value[..^2] : value;
                _commandLine = _commandLine is null ? piece : _commandLine + " " + piece;
                _commandLineContinues = continues && _commandLine.Length < TextLines.LineLimit;
                _commandLineIsCut = text.Length >= MessageLimit;
            }
        }

        // "  node   0: [mem 0x…-0x…]", "    0: 0x00000010 -> 0x0000009f" (frames, exclusive end).
        private bool TakeNodeRange(ReadOnlySpan<char> message)
        {
            Scan scan = new(message);
            if (scan.Blanks() == 0)
            {
                return false;
            }

            if (scan.Text("node"))
            {
                scan.Blanks();
            }

            if (!scan.Decimal(out _) || !scan.Text(":"))
            {
                return false;
            }

            scan.Blanks();
            if (scan.InclusiveRange("mem", out PhysicalRange range))
            {
                AddTo(_nodes, range);
                return true;
            }

            bool hex = scan.Rest.StartsWith("0x", StringComparison.Ordinal);
            if ((hex ? scan.Hex(out ulong first) : scan.Decimal(out first)) && Arrow(ref scan)
                && (hex ? scan.Hex(out ulong end) : scan.Decimal(out end)) && end > first && end <= ulong.MaxValue >> 12)
            {
                AddTo(_nodes, new PhysicalRange(new PhysicalAddress(first << 12), (end - first) << 12));
                return true;
            }

            return false;
        }

        private void TakeFacts(ReadOnlySpan<char> text)
        {
            Scan scan = new(text);
            if (scan.Text("Ignoring RAM at ") && scan.Hex(out ulong start) && scan.Text("-") && scan.Hex(out ulong end) && end > start)
            {
                // arch/arm/mm/mmu.c prints the end exclusive up to 3.x and inclusive where it says so with an odd number.
                AddTo(_ignored, new PhysicalRange(new PhysicalAddress(start), end - start + (end & 1)));
                return;
            }

            if (scan.Text("ACPI: SRAT: Node ") || scan.Text("SRAT: Node "))
            {
                TakeNumaRange(ref scan);
                return;
            }

            if (scan.Text("NX (Execute Disable) protection"))
            {
                _nx = scan.Rest.Contains("active", StringComparison.Ordinal) && !scan.Rest.Contains("missing", StringComparison.Ordinal);
                return;
            }

            if (text.StartsWith("Notice: NX (Execute Disable) protection", StringComparison.Ordinal))
            {
                _nx = false;
                return;
            }

            if (scan.Text("Kernel/User page tables isolation:"))
            {
                _isolation = scan.Rest.Contains("enabled", StringComparison.Ordinal);
                return;
            }

            if (scan.Text("Booting Linux on physical CPU "))
            {
                // arm64 names the CPU's identity register behind the number since 4.17; ten digits before that.
                Mark(scan.Hex(out _) && (scan.Text(" [") || scan.Position >= "Booting Linux on physical CPU 0x".Length + 10)
                    ? Architecture.Arm64
                    : Architecture.Arm);
                return;
            }

            if (text.StartsWith("CPU: ARMv", StringComparison.Ordinal))
            {
                _architecture = Architecture.Arm;
                return;
            }

            if (text.StartsWith("SBI specification ", StringComparison.Ordinal) || text.StartsWith("riscv: ", StringComparison.Ordinal)
                || text.StartsWith("Booting Linux on hartid ", StringComparison.Ordinal))
            {
                Mark(Architecture.Riscv64);
                return;
            }

            if (scan.Text("CPU features: detected: 52-bit Virtual Addressing"))
            {
                _has52Bit = true;
                return;
            }

            if (scan.Text("Machine model: ") || scan.Text("OF: fdt: Machine model: ") || scan.Text("OF: fdt:Machine model: "))
            {
                _model ??= scan.Rest.TrimEnd().ToString();
                return;
            }

            TakeProcessors(text);
        }

        // "Node 0 PXM 0 [mem 0x00100000-0x3fffffff]"; before 3.5 "Node 0 PXM 0 100000-40000000", its end exclusive.
        private void TakeNumaRange(ref Scan scan)
        {
            if (!scan.Decimal(out ulong node) || node > 1023 || !scan.Text(" PXM ") || !scan.Decimal(out _))
            {
                return;
            }

            scan.Blanks();
            if (scan.InclusiveRange("mem", out PhysicalRange range))
            {
                AddTo(_numa, new NumaRange((int)node, range));
            }
            else if (scan.Hex(out ulong start) && scan.Text("-") && scan.Hex(out ulong end) && end > start)
            {
                AddTo(_numa, new NumaRange((int)node, new PhysicalRange(new PhysicalAddress(start), end - start)));
            }
        }

        private void TakeProcessors(ReadOnlySpan<char> text)
        {
            Scan scan = new(text);
            if (scan.Text("setup_percpu: NR_CPUS:") || scan.Text("PERCPU: NR_CPUS:"))
            {
                Number(ref scan, ref _cpusMax);
                if (scan.Behind("nr_cpu_ids:"))
                {
                    Number(ref scan, ref _possible);
                }
            }
            else if (scan.Text("NR_CPUS:"))
            {
                Number(ref scan, ref _cpusMax);
                if (scan.Behind("nr_cpu_ids:"))
                {
                    Number(ref scan, ref _possible);
                }
            }
            else if (scan.Behind("RCU restricting CPUs from NR_CPUS="))
            {
                Number(ref scan, ref _cpusMax);
                if (scan.Text(" to nr_cpu_ids="))
                {
                    Number(ref scan, ref _possible);
                }
            }
            else if (_possible is null && text.StartsWith("SL", StringComparison.Ordinal) && scan.Behind("CPUs="))
            {
                Number(ref scan, ref _possible);
            }
        }

        private static void Number(ref Scan scan, ref int? target)
        {
            if (scan.Decimal(out ulong number) && number is > 0 and <= 1 << 20)
            {
                target ??= (int)number;
            }
        }

        private void Mark(Architecture architecture)
        {
            if (_architecture == Architecture.Unknown)
            {
                _architecture = architecture;
            }
        }
    }

    private static bool Arrow(ref Scan scan)
    {
        scan.Blanks();
        bool arrow = scan.Text("->");
        scan.Blanks();
        return arrow;
    }

    private sealed class AnswersReader(string file, DiagnosticList diagnostics)
    {
        private readonly List<MemoryMapEntry> _user = [];
        private readonly List<DmesgZone> _zones = [];
        private readonly List<(ulong, ulong)> _lastPfns = [];
        private readonly List<LayoutLine> _layout = [];
        private readonly List<MemoryLine> _memory = [];
        private readonly List<VmallocFailure> _failures = [];
        private readonly List<SuppressedMessages> _suppressed = [];
        private ulong? _lowmem;
        private ulong? _highmem;
        private PhysicalAddress? _lowRam;
        private PhysicalAddress? _mappedLowRam;
        private string? _layoutTitle;
        private PercpuLine? _percpu;
        private bool _inZones;
        private bool _inLayout;

        internal void Take(ReadOnlySpan<char> message, string line, long number)
        {
            if (_inZones)
            {
                _inZones = TakeZone(message);
                if (_inZones)
                {
                    return;
                }
            }

            if (_inLayout)
            {
                _inLayout = TakeLayoutLine(message);
                if (_inLayout)
                {
                    return;
                }
            }

            ReadOnlySpan<char> text = message.TrimStart(' ');
            if (text.IsEmpty)
            {
                return;
            }

            if (text.StartsWith("Zone ranges:", StringComparison.Ordinal) || text.StartsWith("Zone PFN ranges:", StringComparison.Ordinal))
            {
                _inZones = true;
                return;
            }

            if (text.EndsWith("irtual kernel memory layout:", StringComparison.Ordinal))
            {
                _inLayout = true;
                _layoutTitle = text.ToString();
                _layout.Clear();
                return;
            }

            TakeOther(text, line, number);
        }

        internal DmesgReport Finish(DmesgInputs inputs) => new()
        {
            Inputs = inputs,
            UserMap = _user.Count == 0 ? null : new MemoryMap(_user),
            Zones = [.. _zones],
            LowmemMiB = _lowmem,
            HighmemMiB = _highmem,
            LowRamEnd = _lowRam,
            MappedLowRamEnd = _mappedLowRam,
            LastPfns = [.. _lastPfns],
            LayoutTitle = _layoutTitle,
            Layout = [.. _layout],
            Memory = [.. _memory],
            Percpu = _percpu,
            Failures = [.. _failures],
            Suppressed = [.. _suppressed],
        };

        // "  DMA      [mem 0x…-0x…]", "  Normal   empty", "  DMA      0x00000010 -> 0x00001000" (frames, exclusive end).
        private bool TakeZone(ReadOnlySpan<char> message)
        {
            Scan scan = new(message);
            if (scan.Blanks() is 0 or > 8)
            {
                return false;
            }

            string name = scan.Word().ToString();
            scan.Blanks();
            if (name.Length is 0 or > 16)
            {
                return false;
            }

            if (scan.Text("empty") && scan.AtEnd)
            {
                AddTo(_zones, new DmesgZone(name, null));
                return true;
            }

            if (scan.InclusiveRange("mem", out PhysicalRange range))
            {
                AddTo(_zones, new DmesgZone(name, range));
                return true;
            }

            bool hex = scan.Rest.StartsWith("0x", StringComparison.Ordinal);
            if ((hex ? scan.Hex(out ulong first) : scan.Decimal(out first)) && Arrow(ref scan)
                && (hex ? scan.Hex(out ulong end) : scan.Decimal(out end)) && end >= first && end <= ulong.MaxValue >> 12)
            {
                AddTo(_zones, new DmesgZone(name,
                    end == first ? null : new PhysicalRange(new PhysicalAddress(first << 12), (end - first) << 12)));
                return true;
            }

            return false;
        }

        // "    vmalloc : 0xf8800000 - 0xff7fe000   ( 111 MB)"; a continuation line has no label of its own.
        private bool TakeLayoutLine(ReadOnlySpan<char> message)
        {
            Scan scan = new(message);
            if (scan.Blanks() == 0)
            {
                return false;
            }

            int colon = scan.Rest.IndexOf(':');
            int firstAddress = scan.Rest.IndexOf("0x", StringComparison.Ordinal);
            string label;
            if (colon > 0 && (firstAddress < 0 || colon < firstAddress))
            {
                label = scan.Rest[..colon].TrimEnd().ToString();
                scan.Behind(":");
            }
            else if (firstAddress == 0 && _layout.Count > 0)
            {
                label = _layout[^1].Label;
            }
            else
            {
                return false;
            }

            scan.Blanks();
            VirtualAddress? start = Address(ref scan);
            scan.Blanks();
            if (label.Length > 24 || !scan.Text("-"))
            {
                return false;
            }

            scan.Blanks();
            VirtualAddress? end = Address(ref scan);
            if (!scan.Behind("("))
            {
                return false;
            }

            scan.Blanks();
            if (!scan.Decimal(out ulong size))
            {
                return false;
            }

            scan.Blanks();
            ReadOnlySpan<char> unit = scan.Word();
            AddTo(_layout, new LayoutLine(label, start, end, size, unit.TrimEnd(')').ToString(), message.TrimEnd().ToString()));
            return true;
        }

        // A hidden address is printed as "(____ptrval____)" or "(ptrval)", behind 0x or not.
        private static VirtualAddress? Address(ref Scan scan)
        {
            if (scan.Hex(out ulong value))
            {
                return new VirtualAddress(value);
            }

            scan.Word();
            return null;
        }

        private void TakeOther(ReadOnlySpan<char> text, string line, long number)
        {
            Scan scan = new(text);
            if (scan.Text("user: ") || scan.Text("modified: "))
            {
                MemoryMapEntry? mapped = MapLine(scan.Rest, out _);
                if (text[0] == 'u' && mapped is not null)
                {
                    AddTo(_user, mapped);
                }
                else if (text[0] == 'u' && scan.Rest.TrimStart().StartsWith("[mem", StringComparison.Ordinal))
                {
                    diagnostics.Add(file, number, line, "not a memory map line");
                }

                return;
            }

            if (scan.Text("last_pfn = "))
            {
                if (scan.Hex(out ulong last) && scan.Behind("max_arch_pfn = ") && scan.Hex(out ulong max))
                {
                    AddTo(_lastPfns, (last, max));
                }
                else
                {
                    diagnostics.Add(file, number, line, "not a last_pfn line");
                }

                return;
            }

            if (scan.Text("Memory: "))
            {
                AddTo(_memory, Memory(text));
                return;
            }

            if (scan.Text("percpu: ") || scan.Text("PERCPU: "))
            {
                _percpu ??= Percpu(scan.Rest);
            }
            else if (scan.Text("low ram: ") && LowRam(ref scan) is { } low)
            {
                _lowRam ??= low;
                return;
            }
            else if (scan.Text("mapped low ram: ") && LowRam(ref scan) is { } mappedLow)
            {
                _mappedLowRam ??= mappedLow;
                return;
            }
            else if (char.IsAsciiDigit(text[0]) && scan.Decimal(out ulong amount))
            {
                if (scan.Text("MB LOWMEM available"))
                {
                    _lowmem ??= amount;
                }
                else if (scan.Text("MB HIGHMEM available"))
                {
                    _highmem ??= amount;
                }

                return;
            }

            if (VmallocFailureParser.TryParse(text.TrimEnd(), number) is { } failure)
            {
                AddTo(_failures, failure);
            }
            else if (text.EndsWith(" callbacks suppressed", StringComparison.Ordinal)
                || text.EndsWith(" messages suppressed.", StringComparison.Ordinal))
            {
                TakeSuppressed(text, number);
            }
        }

        private void TakeSuppressed(ReadOnlySpan<char> text, long number)
        {
            int colon = text.IndexOf(':');
            if (colon is <= 0 or > 64)
            {
                return;
            }

            Scan scan = new(text[(colon + 1)..]);
            scan.Blanks();
            if (scan.Decimal(out ulong count))
            {
                AddTo(_suppressed, new SuppressedMessages(number, text[..colon].ToString(), count));
            }
        }

        private static PhysicalAddress? LowRam(ref Scan scan) =>
            scan.Hex(out _) && scan.Text(" - ") && scan.Hex(out ulong end) ? new PhysicalAddress(end) : null;

        // "Embedded 33 pages/cpu @(ptrval) s103316 r0 d31852 u135168", "4 4K pages/cpu @… s… r… d…" for the page allocator.
        private static PercpuLine? Percpu(ReadOnlySpan<char> text)
        {
            Scan scan = new(text);
            bool embedded = scan.Text("Embedded ") || scan.Text("Remapped ");
            if (!scan.Decimal(out ulong pages) || !scan.Behind("pages/cpu") || !scan.Behind(" s")
                || !scan.Decimal(out ulong fixedBytes) || !scan.Text(" r") || !scan.Decimal(out ulong reserved)
                || !scan.Text(" d") || !scan.Decimal(out ulong dynamic))
            {
                return null;
            }

            ulong unit = scan.Text(" u") && scan.Decimal(out ulong bytes) ? bytes : 0;
            return new PercpuLine(embedded, pages, fixedBytes, reserved, dynamic, unit);
        }

        private static MemoryLine Memory(ReadOnlySpan<char> text)
        {
            Scan scan = new(text);
            scan.Text("Memory: ");
            ulong? available = null;
            ulong? total = null;
            if (Amount(ref scan, out ulong first))
            {
                available = first;
                if (scan.Text("/") && Amount(ref scan, out ulong second))
                {
                    total = second;
                }
            }

            List<(string, ulong)> parts = [];
            int open = text.IndexOf('(');
            if (open >= 0)
            {
                foreach (Range part in text[(open + 1)..].TrimEnd().TrimEnd(')').Split(','))
                {
                    Scan piece = new(text[(open + 1)..].TrimEnd().TrimEnd(')')[part]);
                    piece.Blanks();
                    if (Amount(ref piece, out ulong amount) && piece.Blanks() > 0 && parts.Count < 32)
                    {
                        parts.Add((piece.Rest.ToString(), amount));
                    }
                }
            }

            return new MemoryLine(available, total, [.. parts], text.TrimEnd().ToString());
        }

        // "1019060K", "515816k", "250000KB".
        private static bool Amount(ref Scan scan, out ulong kib)
        {
            if (!scan.Decimal(out kib))
            {
                return false;
            }

            if (!scan.Text("KB") && !scan.Text("K") && !scan.Text("k"))
            {
                return false;
            }

            return true;
        }
    }
}
