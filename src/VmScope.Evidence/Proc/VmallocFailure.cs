namespace VmScope.Proc;

/// <summary>What went wrong in a failure message.</summary>
public enum VmallocFailureKind
{
    /// <summary>No place in the address range ("vmap allocation for size …").</summary>
    NoAddressRange,

    /// <summary>Refused or without a place; the message before it, if any, says which ("vmalloc: allocation failure: N bytes").</summary>
    Refused,

    /// <summary>More pages asked for than the machine has.</summary>
    ExceedsTotalPages,

    /// <summary>The area itself could not be had: no place, or no memory for its description.</summary>
    NoArea,

    /// <summary>No memory for the array of pages.</summary>
    NoPageArray,

    /// <summary>The pages ran out.</summary>
    NoPages,

    /// <summary>No memory for page tables.</summary>
    NotMapped,

    /// <summary>No place for executable memory (modules, BPF).</summary>
    NoExecutableMemory,

    /// <summary>No new per-CPU chunk.</summary>
    NoPercpuChunk,

    /// <summary>The small area set aside at boot for per-CPU variables of modules has no room.</summary>
    PercpuReservedFull,

    /// <summary>No room in the present per-CPU chunks for a caller that may not wait for a new one.</summary>
    PercpuAtomic,

    /// <summary>Memory for a per-CPU chunk, or for its books, ran out.</summary>
    NoPercpuPages,

    /// <summary>An address was freed that is no area: a bug of the caller.</summary>
    BadFree,

    /// <summary>A freed range overlaps a free one: corruption.</summary>
    Overlap,
}

/// <summary>One failure message of vmalloc, vmap or their relatives.</summary>
/// <param name="Line">Line number in the log, from 1.</param>
/// <param name="Kind">What went wrong.</param>
/// <param name="SizeBytes">The size named; null when the message has none.</param>
/// <param name="SizeIncludesGuard">Whether that size contains the guard page.</param>
/// <param name="RangeStart">The start of the range searched (6.10 and later), or of the first range of an overlap; otherwise null.</param>
/// <param name="RangeEnd">The end printed for that range; otherwise null.</param>
/// <param name="AllocatedBytes">How much had been allocated ("allocated A of B bytes"); otherwise null.</param>
/// <param name="Process">The process named before the message; null when there is none.</param>
/// <param name="Mode">The gfp mode as printed behind "mode:"; null when there is none.</param>
/// <param name="Retrying">Whether the kernel says that it tries again.</param>
/// <param name="Text">The message without its log prefix.</param>
public sealed record VmallocFailure(
    long Line,
    VmallocFailureKind Kind,
    ulong? SizeBytes,
    bool SizeIncludesGuard,
    VirtualAddress? RangeStart,
    VirtualAddress? RangeEnd,
    ulong? AllocatedBytes,
    string? Process,
    string? Mode,
    bool Retrying,
    string Text)
{
    /// <summary>How many times a log that leaves repeated lines out says this one came; 1 otherwise.</summary>
    public ulong Times { get; init; } = 1;
}

/// <summary>"NAME: N callbacks suppressed": messages that were rate limited away.</summary>
/// <param name="Line">Line number in the log, from 1.</param>
/// <param name="Function">The function that counted.</param>
/// <param name="Count">How many messages did not appear.</param>
public sealed record SuppressedMessages(long Line, string Function, ulong Count);

/// <summary>Recognises the failure messages of every era.</summary>
/// <remarks>Source: mm/vmalloc.c, alloc_vmap_area() and __vmalloc_node_range(), 2.6.9 to 7.1; mm/page_alloc.c, warn_alloc().</remarks>
internal static class VmallocFailureParser
{
    internal static VmallocFailure? TryParse(ReadOnlySpan<char> text, long line)
    {
        if (!text.Contains("vm", StringComparison.Ordinal) && !text.Contains("fail", StringComparison.Ordinal)
            && !text.Contains("execmem", StringComparison.Ordinal) && !text.Contains("vfree", StringComparison.Ordinal)
            && !text.Contains("iounmap", StringComparison.Ordinal) && !text.Contains("percpu", StringComparison.Ordinal))
        {
            return null;
        }

        // rsyslog: "message repeated 17 times: [ the message]".
        Scan scan = new(text);
        if (scan.Text("message repeated ") && scan.Decimal(out ulong times) && scan.Text(" times: ["))
        {
            ReadOnlySpan<char> inside = scan.Rest.TrimEnd().TrimStart(' ');
            return inside.StartsWith("message repeated ", StringComparison.Ordinal) ? null
                : TryParse(inside.EndsWith("]") ? inside[..^1] : inside, line) is { } repeated ? repeated with { Times = times }
                : null;
        }

        return Placement(text, line) ?? SecondStage(text, line) ?? Frees(text, line);
    }

    /// <summary>Adds what the next line says of a failure: "last message repeated 17 times", as older syslogs write it; null when the line is something else.</summary>
    internal static VmallocFailure? TryRepeat(VmallocFailure failure, ReadOnlySpan<char> next)
    {
        Scan scan = new(next);
        return scan.Behind("last message repeated ") && scan.Decimal(out ulong times) && scan.Text(" times") && scan.AtEnd
            ? failure with { Times = times > ulong.MaxValue - failure.Times ? ulong.MaxValue : failure.Times + times }
            : null;
    }

    /// <summary>
    /// Adds what the next line says of a failure, in the form of 3.0 to 4.8: "NAME: page allocation failure: order:0,
    /// mode:0xd2"; null when the line is something else.
    /// </summary>
    internal static VmallocFailure? TryComplete(VmallocFailure failure, ReadOnlySpan<char> next)
    {
        int at = next.IndexOf(": page allocation failure: order:", StringComparison.Ordinal);
        int mode = next.IndexOf(", mode:", StringComparison.Ordinal);
        return at is > 0 and <= 64 && mode > at && failure is { Kind: VmallocFailureKind.Refused or VmallocFailureKind.NoPages, Process: null, Mode: null }
            ? failure with { Process = next[..at].ToString(), Mode = next[(mode + ", mode:".Length)..].ToString() }
            : null;
    }

    /// <summary>
    /// Puts a message together that a mailer or a terminal broke in two; null when the two lines are no such thing, or the
    /// second adds nothing.
    /// </summary>
    /// <param name="first">The line before, without prefix.</param>
    /// <param name="second">The line, which has no prefix of a log of its own.</param>
    /// <param name="line">Number of the first.</param>
    internal static VmallocFailure? TryJoin(ReadOnlySpan<char> first, ReadOnlySpan<char> second, long line)
    {
        if (!MayBreak(first) || TryParse($"{first.TrimEnd()} {second.Trim()}", line) is not { } whole)
        {
            return null;
        }

        VmallocFailure? half = TryParse(first, line);
        bool isMore = half is null || (half.RangeStart is null && whole.RangeStart is not null)
            || (!half.Text.Contains(Advised, StringComparison.Ordinal) && whole.Text.Contains(Advised, StringComparison.Ordinal));
        return isMore && TryParse(second, line) is null ? whole : null;
    }

    /// <summary>Whether a line may be the first half of a broken message.</summary>
    internal static bool MayBreak(ReadOnlySpan<char> text) =>
        (text.Contains("vmalloc", StringComparison.Ordinal) || text.Contains("vmap allocation", StringComparison.Ordinal)
            || text.Contains("allocation failed", StringComparison.Ordinal) || text.Contains("Could not allocate", StringComparison.Ordinal)
            || text.Contains("execmem", StringComparison.Ordinal))
        && text.Length <= 200;

    private const string Advised = "vmalloc=<size>";

    private static VmallocFailure? Placement(ReadOnlySpan<char> text, long line)
    {
        Scan scan = new(text);
        if (scan.Behind("vmap allocation for size ") && scan.Decimal(out ulong size) && scan.Text(" failed"))
        {
            return Make(line, VmallocFailureKind.NoAddressRange, text, size, includesGuard: true);
        }

        scan = new Scan(text);
        if (scan.Behind("vmalloc_node_range for size ") && scan.Decimal(out size) && scan.Text(" failed"))
        {
            VmallocFailure failure = Make(line, VmallocFailureKind.NoAddressRange, text, size, includesGuard: true);
            return scan.Behind("restricted to ") && scan.Hex(out ulong start) && scan.Text(" - ") && scan.Hex(out ulong end)
                ? failure with { RangeStart = new VirtualAddress(start), RangeEnd = new VirtualAddress(end) }
                : failure;
        }

        if (text.StartsWith("allocation failed: out of vmalloc space", StringComparison.Ordinal)
            || text.StartsWith("vmap allocation failed", StringComparison.Ordinal))
        {
            return Make(line, VmallocFailureKind.NoAddressRange, text, null, includesGuard: false);
        }

        if (text.Contains("execmem: unable to allocate memory", StringComparison.Ordinal))
        {
            return Make(line, VmallocFailureKind.NoExecutableMemory, text, null, includesGuard: false);
        }

        return Percpu(text, line);
    }

    // Source: mm/percpu.c, pcpu_alloc(), 2.6.30 to 7.1; kernel/module.c, percpu_modalloc(), 2.6.9 to 7.1.
    private static VmallocFailure? Percpu(ReadOnlySpan<char> text, long line)
    {
        Scan scan = new(text);
        if ((scan.Text("percpu: allocation failed, size=") || scan.Text("PERCPU: allocation failed, size=")) && scan.Decimal(out ulong size))
        {
            ReadOnlySpan<char> why = scan.Rest;
            return Make(line,
                why.Contains("failed to populate", StringComparison.Ordinal) || why.Contains("area map", StringComparison.Ordinal) ? VmallocFailureKind.NoPercpuPages
                : why.Contains("reserved chunk failed", StringComparison.Ordinal) ? VmallocFailureKind.PercpuReservedFull
                : why.Contains("no space left", StringComparison.Ordinal) ? VmallocFailureKind.PercpuAtomic
                : VmallocFailureKind.NoPercpuChunk, text, size, includesGuard: false);
        }

        scan = new Scan(text);
        return scan.Behind("Could not allocate ") && scan.Decimal(out size) && scan.Text(" bytes percpu data")
            ? Make(line, VmallocFailureKind.PercpuReservedFull, text, size, includesGuard: false) with { Process = ProcessBefore(text, "Could not allocate ") }
            : null;
    }

    private static VmallocFailure? SecondStage(ReadOnlySpan<char> text, long line)
    {
        Scan scan = new(text);
        if (scan.Behind("vmalloc error: size ") && scan.Decimal(out ulong size))
        {
            ReadOnlySpan<char> rest = scan.Rest;
            VmallocFailureKind? kind =
                rest.Contains("exceeds total pages", StringComparison.Ordinal) ? VmallocFailureKind.ExceedsTotalPages
                : rest.Contains("vm_struct allocation failed", StringComparison.Ordinal) ? VmallocFailureKind.NoArea
                : rest.Contains("page array size", StringComparison.Ordinal) ? VmallocFailureKind.NoPageArray
                : rest.Contains("failed to allocate pages", StringComparison.Ordinal) ? VmallocFailureKind.NoPages
                : rest.Contains("failed to map pages", StringComparison.Ordinal) ? VmallocFailureKind.NotMapped
                : null;
            return kind is null
                ? null
                : Make(line, kind.Value, text, size, includesGuard: false) with
                {
                    Process = ProcessBefore(text, "vmalloc error: "),
                    Retrying = rest.Contains("Retrying", StringComparison.Ordinal),
                };
        }

        scan = new Scan(text);
        if (scan.Behind("vmalloc size ") && scan.Decimal(out size) && scan.Text(" allocation failure: "))
        {
            ReadOnlySpan<char> rest = scan.Rest;
            VmallocFailureKind? kind =
                rest.StartsWith("exceeds total pages", StringComparison.Ordinal) ? VmallocFailureKind.ExceedsTotalPages
                : rest.StartsWith("vm_struct allocation failed", StringComparison.Ordinal) ? VmallocFailureKind.NoArea
                : rest.StartsWith("page array size", StringComparison.Ordinal) ? VmallocFailureKind.NoPageArray
                : rest.StartsWith("page order", StringComparison.Ordinal) ? VmallocFailureKind.NoPages
                : rest.StartsWith("failed to map pages", StringComparison.Ordinal) ? VmallocFailureKind.NotMapped
                : null;
            return kind is null ? null : Make(line, kind.Value, text, size, includesGuard: false) with { Process = ProcessBefore(text, "vmalloc size ") };
        }

        scan = new Scan(text);
        if (scan.Behind("vmalloc: allocation failure: ") && scan.Decimal(out size))
        {
            return Make(line, VmallocFailureKind.Refused, text, size, includesGuard: false) with
            {
                Process = ProcessBefore(text, "vmalloc: allocation failure"),
            };
        }

        scan = new Scan(text);
        return scan.Behind("vmalloc: allocation failure, allocated ") && scan.Decimal(out ulong allocated)
            && scan.Text(" of ") && scan.Decimal(out size)
                ? Make(line, VmallocFailureKind.NoPages, text, size, includesGuard: true) with
                {
                    AllocatedBytes = allocated,
                    Process = ProcessBefore(text, "vmalloc: allocation failure"),
                }
                : null;
    }

    private static VmallocFailure? Frees(ReadOnlySpan<char> text, long line)
    {
        if (text.Contains("Trying to vfree() ", StringComparison.Ordinal)
            || text.Contains("Trying to vunmap() ", StringComparison.Ordinal)
            || text.Contains("iounmap: bad address", StringComparison.Ordinal))
        {
            return Make(line, VmallocFailureKind.BadFree, text, null, includesGuard: false);
        }

        Scan scan = new(text);
        return scan.Behind("vmalloc bug: ") && scan.Hex(out ulong start) && scan.Text("-") && scan.Hex(out ulong end)
            && scan.Rest.Contains("overlaps", StringComparison.Ordinal)
                ? Make(line, VmallocFailureKind.Overlap, text, null, includesGuard: false) with
                {
                    RangeStart = new VirtualAddress(start),
                    RangeEnd = new VirtualAddress(end),
                }
                : null;
    }

    private static VmallocFailure Make(
        long line, VmallocFailureKind kind, ReadOnlySpan<char> text, ulong? size, bool includesGuard)
    {
        string? mode = null;
        int at = text.IndexOf(", mode:", StringComparison.Ordinal);
        if (at >= 0)
        {
            ReadOnlySpan<char> rest = text[(at + ", mode:".Length)..];
            int end = rest.IndexOf(',');
            mode = (end < 0 ? rest : rest[..end]).ToString();
        }

        return new VmallocFailure(line, kind, size, includesGuard, null, null, null, null, mode, Retrying: false,
            text.Length > 400 ? text[..400].ToString() : text.ToString());
    }

    // "COMM: message": a process name may itself hold colons and blanks.
    private static string? ProcessBefore(ReadOnlySpan<char> text, string message)
    {
        int at = text.IndexOf(message, StringComparison.Ordinal);
        return at > 2 && text[..at].EndsWith(": ", StringComparison.Ordinal) ? text[..(at - 2)].ToString() : null;
    }
}
