using System.Collections.Immutable;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>A message beside those of vmalloc that a diagnosis needs.</summary>
internal enum LogEventKind
{
    /// <summary>"COMM: page allocation failure: order:N": physical pages.</summary>
    PageAllocation,

    /// <summary>"illegal size (N) or align (M) for percpu allocation".</summary>
    PercpuIllegalSize,

    /// <summary>early_ioremap() without a slot.</summary>
    EarlyMapping,

    /// <summary>A PCI configuration window that could not be mapped.</summary>
    PciWindow,
}

/// <summary>Such a message.</summary>
internal sealed record LogEvent(long Line, LogEventKind Kind, ulong Number, string Text);

/// <summary>The functions of the call trace behind a message, innermost first.</summary>
internal sealed record CallTrace(ImmutableArray<string> Functions)
{
    internal static CallTrace None { get; } = new([]);

    internal bool HasAny(params ReadOnlySpan<string> functions)
    {
        foreach (string wanted in functions)
        {
            foreach (string function in Functions)
            {
                if (wanted.EndsWith('*') ? function.StartsWith(wanted[..^1], StringComparison.Ordinal) : function == wanted)
                {
                    return true;
                }
            }
        }

        return false;
    }
}

/// <summary>What a second look at the log finds: call traces behind failures, other failures, hints at the architecture.</summary>
internal sealed class LogReading
{
    /// <summary>Lines a call trace may follow in: the longest recorded ones have about seventy.</summary>
    internal const int TraceLines = 90;

    private const int FunctionsMax = 256;
    private const int EventsMax = 1000;
    private const long LogBytesMax = 256 * 1024 * 1024;

    /// <summary>What only one architecture's messages hold.</summary>
    private static readonly (string Text, string Architecture)[] Hints =
    [
        ("el0_svc", "arm64"), ("el1_", "arm64"), ("ret_fast_syscall", "arm"), ("unwind_backtrace", "arm"),
        ("entry_SYSCALL_64", "x86-64"), ("RIP: 0010:", "x86-64"), ("x86_64", "x86-64"), ("amzn2.x86_64", "x86-64"),
        ("sysenter_past_esp", "i386"), ("entry_INT80_32", "i386"), ("syscall_call+0x", "i386"), ("EIP: 0060:", "i386"),
        ("PowerMac", "ppc"), ("ppc32", "ppc"), ("powerpc", "ppc"), ("ret_from_syscall+0x", "ppc"), ("NIP [", "ppc"), ("BESTCOMM", "ppc"),
        ("hppa", "parisc"), ("parisc", "parisc"), ("m68k", "m68k"), ("mips", "mips"), ("sparc", "sparc"), ("s390", "s390"),
        ("loongarch", "loongarch"), ("xtensa", "xtensa"), ("csky", "csky"), ("microblaze", "microblaze"),
        ("handle_sys+0x", "mips"), ("riscv", "riscv64"), ("Marvell Armada 380/385", "arm"), ("BCM2711", ""),
    ];

    private readonly Dictionary<long, List<string>> _traces = [];
    private readonly List<LogEvent> _events = [];

    /// <summary>Messages beside those of vmalloc.</summary>
    internal IReadOnlyList<LogEvent> Events => _events;

    /// <summary>An architecture's name that the log betrays; null when nothing does.</summary>
    internal string? ArchitectureHint { get; private set; }

    /// <summary>The line that betrays it.</summary>
    internal long ArchitectureHintLine { get; private set; }

    /// <summary>The call trace behind a failure.</summary>
    internal CallTrace TraceOf(long line) => _traces.TryGetValue(line, out List<string>? functions) ? new CallTrace([.. functions]) : CallTrace.None;

    /// <summary>Reads a log a second time.</summary>
    /// <param name="stream">The log.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="failures">The failures the first reading found, in order.</param>
    internal static LogReading Read(Stream stream, string file, ImmutableArray<VmallocFailure> failures)
    {
        LogReading reading = new();
        Queue<VmallocFailure> next = new(failures);
        List<(long Line, List<string> Functions)> open = [];
        VmallocFailure? last = null;
        TextLines lines = new(stream, file, LogBytesMax);
        while (lines.TryRead(out string line))
        {
            reading.TakeHint(line, lines.Number);
            if (next.TryPeek(out VmallocFailure? failure) && failure.Line == lines.Number)
            {
                next.Dequeue();
                last = failure;
                if (failure.Kind is VmallocFailureKind.NoAddressRange or VmallocFailureKind.NoPercpuChunk or VmallocFailureKind.NoExecutableMemory
                    || open.Count > 8)
                {
                    // A new failure ends the trace of the one before; a second message of the same shares it.
                    open.Clear();
                }

                List<string> functions = [];
                reading._traces[failure.Line] = functions;
                open.Add((failure.Line, functions));
                continue;
            }

            ReadOnlySpan<char> message = DmesgPrefix.Strip(line);
            if (last is not { Kind: VmallocFailureKind.Refused } || last.Line != lines.Number - 1 || !message.Contains("page allocation failure", StringComparison.Ordinal))
            {
                // Kernels 3.0 to 4.8 begin the report on every refusal with that line, whether pages ran out or not.
                reading.TakeEvent(message, lines.Number);
            }

            open.RemoveAll(trace => lines.Number - trace.Line > TraceLines);
            if (open.Count == 0)
            {
                continue;
            }

            if (message.StartsWith("Mem-", StringComparison.OrdinalIgnoreCase) || message.StartsWith("---[ end", StringComparison.Ordinal))
            {
                open.Clear();
                continue;
            }

            foreach (string function in Functions(line))
            {
                foreach ((long _, List<string> functions) in open)
                {
                    if (functions.Count < FunctionsMax)
                    {
                        functions.Add(function);
                    }
                }
            }
        }

        return reading;
    }

    /// <summary>The names before "+0x": <c>name+0x1/0x2</c>, whatever stands around them.</summary>
    private static List<string> Functions(ReadOnlySpan<char> line)
    {
        List<string> functions = [];
        int at = 0;
        while (at < line.Length)
        {
            int found = line[at..].IndexOf("+0x", StringComparison.Ordinal);
            if (found < 0)
            {
                break;
            }

            int end = at + found;
            int start = end;
            while (start > 0 && (char.IsAsciiLetterOrDigit(line[start - 1]) || line[start - 1] is '_' or '.' or '$'))
            {
                start--;
            }

            if (end > start)
            {
                ReadOnlySpan<char> name = line[start..end];
                int dot = name[1..].IndexOf('.');
                functions.Add((dot < 0 ? name : name[..(dot + 1)]).ToString());
            }

            at = end + "+0x".Length;
        }

        return functions;
    }

    private void TakeHint(string line, long number)
    {
        if (ArchitectureHint is not null)
        {
            return;
        }

        foreach ((string text, string architecture) in Hints)
        {
            if (architecture.Length > 0 && line.Contains(text, StringComparison.Ordinal))
            {
                (ArchitectureHint, ArchitectureHintLine) = (architecture, number);
                return;
            }
        }
    }

    private void TakeEvent(ReadOnlySpan<char> message, long line)
    {
        if (_events.Count >= EventsMax)
        {
            return;
        }

        Scan scan = new(message);
        if (scan.Behind("page allocation failure: order:") && scan.Decimal(out ulong order))
        {
            Add(LogEventKind.PageAllocation, order, message);
            return;
        }

        scan = new Scan(message);
        if (scan.Behind("page allocation failure. order:") && scan.Decimal(out order))
        {
            Add(LogEventKind.PageAllocation, order, message);
            return;
        }

        scan = new Scan(message);
        if (scan.Behind("illegal size (") && scan.Decimal(out ulong size) && message.Contains("percpu", StringComparison.Ordinal))
        {
            Add(LogEventKind.PercpuIllegalSize, size, message);
        }
        else if (message.Contains("early_ioremap", StringComparison.Ordinal) && message.Contains("not found slot", StringComparison.Ordinal))
        {
            Add(LogEventKind.EarlyMapping, 0, message);
        }
        else if (message.Contains("ECAM", StringComparison.Ordinal) && message.Contains("failed", StringComparison.Ordinal))
        {
            Add(LogEventKind.PciWindow, 0, message);
        }

        void Add(LogEventKind kind, ulong number, ReadOnlySpan<char> text) =>
            _events.Add(new LogEvent(line, kind, number, text.Length > 300 ? text[..300].ToString() : text.ToString()));
    }
}
