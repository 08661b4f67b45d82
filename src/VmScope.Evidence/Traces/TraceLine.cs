using System.Buffers.Binary;
using VmScope.Proc;

namespace VmScope.Traces;

/// <summary>Takes one line of a trace apart.</summary>
/// <remarks>
/// Understood are the lines of <c>trace</c> and <c>trace_pipe</c>
/// (<c>COMM-PID [CPU] FLAGS SECONDS.MICROS: EVENT: TEXT</c>, with or without a thread-group column),
/// <c>trace-cmd report</c> (no flags, padded event names) and <c>perf script</c> (<c>COMM PID [CPU] TIME: SYSTEM:EVENT:
/// TEXT</c>), and the latency format (<c>COMM-PID CPU FLAGS MICROSus: EVENT: TEXT</c>). Source: kernel/trace/trace_output.c, trace_print_context(), 2.6.39 to 7.1; include/trace/events/vmalloc.h.
/// </remarks>
internal static class TraceLine
{
    /// <summary>A task's name fills this many columns, so the process number starts right behind.</summary>
    private const int CommColumns = 16;

    /// <summary>The same in the latency format.</summary>
    private const int ShortCommColumns = 8;

    /// <summary>Reads who, where and when; the cursor then stands at the event's name.</summary>
    internal static bool TryPrefix(ref LineCursor line, ReadOnlySpan<byte> bytes, ref TraceEvent read)
    {
        if (TryUsualPrefix(ref line, bytes, ref read))
        {
            return true;
        }

        // The column is fixed for names up to 15 characters, so a name cannot pretend to be a prefix.
        if (bytes.Length > CommColumns && bytes[CommColumns] is (byte)'-' or (byte)' ')
        {
            line.At = CommColumns + 1;
            line.SkipSpaces();
            if (TryFromProcess(ref line, ref read))
            {
                return true;
            }
        }

        for (int bracket = bytes.IndexOf((byte)'['); bracket > 0; bracket = NextBracket(bytes, bracket))
        {
            int process = StartOfProcess(bytes, bracket);
            if (process < 0)
            {
                continue;
            }

            line.At = process;
            if (TryFromProcess(ref line, ref read))
            {
                return true;
            }
        }

        return TryLatency(ref line, bytes, ref read);
    }

    /// <summary>Reads the event's name and fields. An event that is of no concern becomes <see cref="TraceEventKind.Other"/>.</summary>
    /// <returns>False for an event of ours whose fields cannot be read.</returns>
    internal static bool TryEvent(ref LineCursor line, PlacedTail tail, ref TraceEvent read)
    {
        // The two that a trace of the allocator is full of, as they are printed without a system before them.
        if (line.Take("alloc_vmap_area: "u8))
        {
            line.SkipSpaces();
            read.Kind = TraceEventKind.Placed;
            return TryPlaced(ref line, tail, ref read);
        }

        if (line.Take("free_vmap_area_noflush: "u8))
        {
            line.SkipSpaces();
            read.Kind = TraceEventKind.Freed;
            return TryFreed(ref line, ref read);
        }

        int start = line.At;
        ReadOnlySpan<byte> rest = line.Rest;
        int length = EndOfName(rest);
        if (length < 0)
        {
            return false;
        }

        ReadOnlySpan<byte> name = rest[..length];
        line.At = Math.Min(start + length + 1, start + rest.Length);
        int system = name.LastIndexOf((byte)':');
        name = name[(system + 1)..];
        line.SkipSpaces();
        read.Kind = KindOf(name);
        return read.Kind switch
        {
            TraceEventKind.Placed => TryPlaced(ref line, tail, ref read),
            TraceEventKind.Freed => TryFreed(ref line, ref read),
            TraceEventKind.Purged => TryPurged(ref line, ref read),
            TraceEventKind.Marker => TryMarker(ref line, ref read),
            TraceEventKind.Other or TraceEventKind.ChunkCreated or TraceEventKind.ProbePurged => true,
            _ => TryProbe(ref line, ref read),
        };
    }

    /// <summary>
    /// Reads a prefix exactly as <c>trace</c> prints it for a process of at most seven digits, a processor below 1000
    /// and a clock in seconds: by its columns. Nothing has changed when it is not of that form.
    /// </summary>
    private static bool TryUsualPrefix(ref LineCursor line, ReadOnlySpan<byte> bytes, ref TraceEvent read)
    {
        const int processAt = CommColumns + 1, bracketAt = processAt + 8, cpuAt = bracketAt + 1, flagsAt = cpuAt + 5, flagsMax = 6;
        if (bytes.Length < 64 || bytes[CommColumns] != '-' || bytes[bracketAt] != '[' || bytes[cpuAt + 3] != ']' || bytes[cpuAt + 4] != ' ')
        {
            return false;
        }

        ulong process = BinaryPrimitives.ReadUInt64LittleEndian(bytes[processAt..]);
        int digits = ByteScan.CountDigits(process);
        int hundreds = bytes[cpuAt] - '0', tens = bytes[cpuAt + 1] - '0', ones = bytes[cpuAt + 2] - '0';
        bool isCpu = hundreds is >= 0 and <= 9 && tens is >= 0 and <= 9 && ones is >= 0 and <= 9;
        if (digits is 0 or 8 || process >> (8 * digits) != Blanks >> (8 * digits) || !isCpu)
        {
            return false;
        }

        int at = flagsAt;
        while (bytes[at] > ' ' && at < flagsAt + flagsMax)
        {
            at++;
        }

        while (bytes[at] == ' ' && at < 48)
        {
            at++;
        }

        ulong seconds = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
        int secondsDigits = ByteScan.CountDigits(seconds);
        if (secondsDigits is 0 or 8 || bytes[at + secondsDigits] != '.')
        {
            return false;
        }

        // Six digits, a colon and a blank: eight bytes.
        int fractionAt = at + secondsDigits + 1;
        ulong fraction = fractionAt + 8 <= bytes.Length ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[fractionAt..]) : 0;
        if (ByteScan.CountDigits(fraction) != 6 || fraction >> 48 != (':' | (' ' << 8)))
        {
            return false;
        }

        line.At = fractionAt + 8;
        line.SkipSpaces();
        read.Task = (int)ByteScan.Decimal8(process << (64 - (8 * digits)));
        read.Cpu = (100 * hundreds) + (10 * tens) + ones;
        read.Time = (ByteScan.Decimal8(seconds << (64 - (8 * secondsDigits))) * 1_000_000_000) + (ByteScan.Decimal8(fraction << 16) * 1000);
        return true;
    }

    private const ulong Blanks = 0x2020202020202020;

    private static bool TryFromProcess(ref LineCursor line, ref TraceEvent read)
    {
        if (!line.TakeDecimal(out ulong process) || process > int.MaxValue)
        {
            return false;
        }

        if (line.Take("/"u8) && (!line.TakeDecimal(out process) || process > int.MaxValue))
        {
            return false;
        }

        line.SkipSpaces();
        if (line.Current == '(')
        {
            int close = line.Rest.IndexOf((byte)')');
            if (close is < 0 or > 16)
            {
                return false;
            }

            line.At += close + 1;
            line.SkipSpaces();
        }

        if (!line.Take("["u8) || !line.TakeDecimal(out ulong cpu) || cpu > 0xffff || !line.Take("]"u8))
        {
            return false;
        }

        line.SkipSpaces();
        int token = line.At;
        if (!TryTime(ref line, out ulong time))
        {
            line.At = token;
            line.SkipToSpace();
            line.SkipSpaces();
            if (!TryTime(ref line, out time))
            {
                return false;
            }
        }

        line.SkipSpaces();
        (read.Task, read.Cpu, read.Time) = ((int)process, (int)cpu, time);
        return true;
    }

    /// <summary>The latency format: a name of eight columns, the process, the processor with its flags, microseconds since the trace began.</summary>
    private static bool TryLatency(ref LineCursor line, ReadOnlySpan<byte> bytes, ref TraceEvent read)
    {
        if (bytes.Length <= ShortCommColumns || bytes[ShortCommColumns] != '-')
        {
            return false;
        }

        line.At = ShortCommColumns + 1;
        if (!line.TakeDecimal(out ulong process) || process > int.MaxValue)
        {
            return false;
        }

        line.SkipSpaces();
        if (!line.TakeDecimal(out ulong cpu) || cpu > 0xffff)
        {
            return false;
        }

        line.SkipToSpace();
        line.SkipSpaces();
        if (!line.TakeDecimal(out ulong micros) || micros > ulong.MaxValue / 1000 || !line.Take("us"u8))
        {
            return false;
        }

        // A mark tells how long it took until the next line.
        line.At += line.Current is (byte)' ' or (byte)'+' or (byte)'!' or (byte)'#' or (byte)'*' or (byte)'@' or (byte)'$' ? 1 : 0;
        if (!line.Take(":"u8))
        {
            return false;
        }

        line.SkipSpaces();
        (read.Task, read.Cpu, read.Time) = ((int)process, (int)cpu, micros * 1000);
        return true;
    }

    /// <summary>A time stamp with its colon: seconds with a fraction, or the plain count of another clock.</summary>
    private static bool TryTime(ref LineCursor line, out ulong time)
    {
        if (!line.TakeDecimal(out time))
        {
            return false;
        }

        if (line.Take("."u8))
        {
            int digits = line.At;
            if (!line.TakeDecimal(out ulong fraction) || line.At - digits > 9 || time > ulong.MaxValue / 2_000_000_000)
            {
                return false;
            }

            for (digits = line.At - digits; digits < 9; digits++)
            {
                fraction *= 10;
            }

            time = (time * 1_000_000_000) + fraction;
        }

        return line.Take(":"u8);
    }

    private static int NextBracket(ReadOnlySpan<byte> bytes, int bracket)
    {
        int next = bytes[(bracket + 1)..].IndexOf((byte)'[');
        return next < 0 ? -1 : bracket + 1 + next;
    }

    /// <summary>Where the number stands that precedes the bracket of the processor, or -1.</summary>
    private static int StartOfProcess(ReadOnlySpan<byte> bytes, int bracket)
    {
        int at = bracket - 1;
        while (at >= 0 && bytes[at] == ' ')
        {
            at--;
        }

        if (at >= 0 && bytes[at] == ')')
        {
            at = bytes[..at].LastIndexOf((byte)'(') - 1;
            while (at >= 0 && bytes[at] == ' ')
            {
                at--;
            }
        }

        int end = at;
        while (at >= 0 && bytes[at] is >= (byte)'0' and <= (byte)'9' or (byte)'/')
        {
            at--;
        }

        return at < end && at >= 0 && bytes[at] is (byte)'-' or (byte)' ' ? at + 1 : -1;
    }

    /// <summary>The name ends at the first colon that a space or the end of the line follows.</summary>
    private static int EndOfName(ReadOnlySpan<byte> rest)
    {
        int at = rest.IndexOfAny((byte)':', (byte)' ', (byte)'(');
        while (at >= 0 && rest[at] == ':')
        {
            if (at + 1 == rest.Length || rest[at + 1] is (byte)' ' or (byte)'\t')
            {
                return at;
            }

            int next = rest[(at + 1)..].IndexOfAny((byte)':', (byte)' ', (byte)'(');
            at = next < 0 ? -1 : at + 1 + next;
        }

        return -1;
    }

    private static TraceEventKind KindOf(ReadOnlySpan<byte> name) => name.Length switch
    {
        5 when name.SequenceEqual("alloc"u8) => TraceEventKind.ProbePlace,
        5 when name.SequenceEqual("purge"u8) => TraceEventKind.ProbePurge,
        5 when name.SequenceEqual("print"u8) => TraceEventKind.Marker,
        8 when name.SequenceEqual("pcpu_get"u8) => TraceEventKind.ProbePercpu,
        9 when name.SequenceEqual("alloc_ret"u8) => TraceEventKind.ProbePlaced,
        9 when name.SequenceEqual("purge_ret"u8) => TraceEventKind.ProbePurged,
        12 when name.SequenceEqual("free_noflush"u8) => TraceEventKind.ProbeFree,
        12 when name.SequenceEqual("pcpu_get_ret"u8) => TraceEventKind.ProbePercpuPlaced,
        15 when name.SequenceEqual("alloc_vmap_area"u8) => TraceEventKind.Placed,
        18 when name.SequenceEqual("tracing_mark_write"u8) => TraceEventKind.Marker,
        19 when name.SequenceEqual("percpu_create_chunk"u8) => TraceEventKind.ChunkCreated,
        20 when name.SequenceEqual("purge_vmap_area_lazy"u8) => TraceEventKind.Purged,
        22 when name.SequenceEqual("free_vmap_area_noflush"u8) => TraceEventKind.Freed,
        _ => TraceEventKind.Other,
    };

    /// <summary>The address is decimal although everything around it is hexadecimal; so the kernel prints it.</summary>
    private static bool TryPlaced(ref LineCursor line, PlacedTail tail, ref TraceEvent read)
    {
        if (!line.Take("va_start: "u8) || !line.TakeDecimal(out read.Start)
            || !line.Take(" size="u8) || !line.TakeDecimal(out read.SizeBytes)
            || !line.Take(" align="u8) || !line.TakeDecimal(out read.AlignBytes))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = line.Rest;
        if (tail.IsSame(rest))
        {
            (read.WindowStart, read.WindowEnd, read.Failed) = (tail.WindowStart, tail.WindowEnd, tail.Failed);
        }
        else
        {
            if (!line.Take(" vstart=0x"u8) || !line.TakeHex(out read.WindowStart)
                || !line.Take(" vend=0x"u8) || !line.TakeHex(out read.WindowEnd)
                || !line.Take(" failed="u8) || !line.TakeDecimal(out ulong failed))
            {
                return false;
            }

            read.Failed = failed != 0;
            tail.Remember(rest, read);
        }

        read.End = read.Failed ? 0 : unchecked(read.Start + read.SizeBytes);
        return true;
    }

    private static bool TryFreed(ref LineCursor line, ref TraceEvent read) =>
        line.Take("va_start=0x"u8) && line.TakeHex(out read.Start)
        && line.Take(" nr_lazy="u8) && line.TakeDecimal(out read.Count)
        && line.Take(" nr_lazy_max="u8) && line.TakeDecimal(out read.Limit);

    private static bool TryPurged(ref LineCursor line, ref TraceEvent read) =>
        line.Take("start=0x"u8) && line.TakeHex(out read.Start)
        && line.Take(" end=0x"u8) && line.TakeHex(out read.End)
        && line.Take(" num_purged="u8) && line.TakeDecimal(out read.Count);

    private static bool TryMarker(ref LineCursor line, ref TraceEvent read)
    {
        if (!(line.Take("cap: "u8) || line.Take("cap "u8) || line.Take("vmscope: "u8) || line.Take("tracing_mark_write: "u8)))
        {
            return true;
        }

        _ = line.Take("cap: "u8) || line.Take("vmscope: "u8);
        bool before = line.Take("before"u8);
        if (before || line.Take("after"u8))
        {
            line.SkipSpaces();
            bool ends = line.Take("end"u8);
            read.Marker = before
                ? ends ? TraceMarker.BeforeEnds : TraceMarker.BeforeBegins
                : ends ? TraceMarker.AfterEnds : TraceMarker.AfterBegins;
        }

        return true;
    }

    /// <summary>The fields of a probe stand in the order in which it was defined, so they are found by name.</summary>
    private static bool TryProbe(ref LineCursor line, ref TraceEvent read)
    {
        int found = 0;
        ulong area = 0;
        while (!line.IsEnd)
        {
            line.SkipSpaces();
            int token = line.At;
            int equals = line.Rest.IndexOf((byte)'=');
            int space = line.Rest.IndexOf((byte)' ');
            if (equals < 0 || (space >= 0 && space < equals))
            {
                line.SkipToSpace();
                continue;
            }

            line.At = token + equals;
            ReadOnlySpan<byte> name = line.From(token);
            line.At++;
            if (!line.TakeNumber(out ulong value))
            {
                // "(fault)": the kernel returned an error instead of an area.
                read.Failed |= read.Kind is TraceEventKind.ProbePlaced or TraceEventKind.ProbePercpuPlaced;
            }
            else if (name.SequenceEqual("va"u8) || name.SequenceEqual("vms"u8))
            {
                area = value;
            }
            else
            {
                found |= Store(name, value, ref read);
            }

            line.SkipToSpace();
        }

        read.Failed |= IsError(area);
        return read.Failed || (found & Needed(read.Kind)) == Needed(read.Kind);
    }

    private const int HasStart = 1, HasEnd = 2, HasSize = 4, HasAlign = 8, HasWindow = 48;

    private static int Needed(TraceEventKind kind) => kind switch
    {
        TraceEventKind.ProbePlace => HasSize | HasAlign | HasWindow,
        TraceEventKind.ProbePlaced or TraceEventKind.ProbeFree => HasStart | HasEnd,
        TraceEventKind.ProbePercpuPlaced => HasStart | HasSize,
        _ => 0,
    };

    private static int Store(ReadOnlySpan<byte> name, ulong value, ref TraceEvent read)
    {
        switch (name)
        {
            case [(byte)'s', (byte)'i', (byte)'z', (byte)'e', ..] when name.Length is 4 || name is [.., (byte)'0']:
                read.SizeBytes = value;
                return HasSize;
            case [(byte)'a', (byte)'l', (byte)'i', (byte)'g', (byte)'n']:
                read.AlignBytes = value;
                return HasAlign;
            case [(byte)'v', (byte)'s', (byte)'t', (byte)'a', (byte)'r', (byte)'t']:
                read.WindowStart = value;
                return 16;
            case [(byte)'v', (byte)'e', (byte)'n', (byte)'d']:
                read.WindowEnd = value;
                return 32;
            case [(byte)'s', (byte)'t', (byte)'a', (byte)'r', (byte)'t']:
            case [(byte)'a', (byte)'d', (byte)'d', (byte)'r', (byte)'0']:
                read.Start = value;
                return HasStart;
            case [(byte)'e', (byte)'n', (byte)'d']:
                read.End = value;
                return HasEnd;
            case [(byte)'n', (byte)'r']:
                read.Count = value;
                return 0;
            default:
                return 0;
        }
    }

    /// <summary>Whether a pointer is an error number: one of the last 4095 values of its width, or null.</summary>
    private static bool IsError(ulong pointer) =>
        pointer >= unchecked((ulong)-4095) || (pointer <= uint.MaxValue && pointer > uint.MaxValue - 4095);
}
