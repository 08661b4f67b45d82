using System.Collections.Immutable;
using VmScope.Physical;

namespace VmScope.Proc;

public static partial class DmesgFile
{
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
        private BrokenMessage? _half;
        private long _failuresLeftOut;
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

            if (text.EndsWith("irtual kernel memory layout:", StringComparison.Ordinal)
                || text.EndsWith("Kernel virtual memory layout:", StringComparison.Ordinal))
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
            FailuresLeftOut = _failuresLeftOut,
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

            if (scan.Text("* "))
            {
                return TakeListedRegion(ref scan, message);
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

        // "  * 0xf1000000..0xf5110000  : vmalloc & ioremap": powerpc and microblaze, without a size.
        private bool TakeListedRegion(ref Scan scan, ReadOnlySpan<char> message)
        {
            if (!scan.Hex(out ulong start) || !scan.Text("..") || !scan.Hex(out ulong end) || end < start || !scan.Behind(": "))
            {
                return false;
            }

            string label = scan.Rest.Trim().ToString();
            if (label.Length is 0 or > 24)
            {
                return false;
            }

            AddTo(_layout, new LayoutLine(
                label, new VirtualAddress(start), new VirtualAddress(end), (end - start) / 1024, "kB", message.TrimEnd().ToString()));
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
            }

            TakeFailure(text.TrimEnd(), line, number);
        }

        // The last ones are kept: they are closest to the moment the other files were taken.
        private void AddFailure(VmallocFailure failure)
        {
            if (_failures.Count >= 2 * ListLimit)
            {
                _failures.RemoveRange(0, ListLimit);
                _failuresLeftOut += ListLimit;
            }

            _failures.Add(failure);
        }

        /// <summary>A line that may go on in the next one.</summary>
        private sealed record BrokenMessage(string Text, long First, long Last);

        private void TakeFailure(ReadOnlySpan<char> text, string line, long number)
        {
            (BrokenMessage? before, _half) = (_half, null);
            bool isNext = before?.Last == number - 1 && DmesgPrefix.Unquoted(line).Trim().SequenceEqual(text);
            if (isNext && VmallocFailureParser.TryJoin(before!.Text, text, before.First) is { } whole)
            {
                if (_failures.Count > 0 && _failures[^1].Line == before.First)
                {
                    _failures[^1] = whole;
                }
                else
                {
                    AddFailure(whole);
                }

                return;
            }

            // Three lines are the most a message takes in the narrowest mail.
            _half = VmallocFailureParser.MayBreak(text) ? new BrokenMessage(text.ToString(), number, number)
                : isNext && before!.First == number - 1 ? new BrokenMessage($"{before.Text} {text}", before.First, number)
                : null;
            if (VmallocFailureParser.TryParse(text, number) is { } failure)
            {
                AddFailure(failure);
            }
            else if (_failures.Count > 0 && _failures[^1].Line == number - 1
                && (VmallocFailureParser.TryComplete(_failures[^1], text) ?? VmallocFailureParser.TryRepeat(_failures[^1], text)) is { } completed)
            {
                _failures[^1] = completed;
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
