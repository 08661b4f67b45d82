using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Proc;

public static partial class DmesgFile
{
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
}
