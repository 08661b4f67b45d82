using System.Runtime.InteropServices;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Layout;

/// <summary>The RAM an x86 kernel sees: the firmware's map after the boot options and the kernel's own cuts.</summary>
/// <remarks>
/// Source: arch/x86/kernel/e820.c, parse_memopt(), parse_memmap_one(), e820__update_table(), e820_end_pfn(), and
/// arch/x86/kernel/setup.c, trim_bios_range(), 6.12. Where entries overlap the larger type number wins, so an option
/// that adds RAM never takes a reservation away.
/// </remarks>
internal sealed class X86Memory
{
    private const ulong BiosStart = 640 * Size.KiB;
    private const ulong BiosEnd = Size.MiB;
    private const int PageShift = 12;

    /// <summary>What is taken when neither a map nor an amount was given.</summary>
    internal const ulong AssumedRamBytes = 2 * Size.GiB;

    private readonly List<Span> _spans;

    private X86Memory(List<Span> spans) => _spans = spans;

    private enum Kind
    {
        // The numbers are the kernel's: the larger one wins. None is where no entry reaches.
        None = 0,
        Ram = 1,
        Reserved = 2,
        Acpi = 3,
        AcpiNvs = 4,
        Other = 5,
        Persistent = 12,
    }

    private readonly record struct Span(ulong Start, ulong End, Kind Kind);

    /// <summary>Works out the memory.</summary>
    /// <param name="inputs">The memory map, or the amount of RAM, and the boot options.</param>
    /// <param name="rule">What the kernel takes away at the bottom.</param>
    /// <param name="reserveLowBytes">How much of it for <see cref="FirstFrameRule.FirstRamWithoutLow64K"/>.</param>
    internal static X86Memory Read(LayoutInputs inputs, FirstFrameRule rule, ulong reserveLowBytes = 64 * Size.KiB)
    {
        List<Span> spans = new(16);
        if (inputs.Memory is { } map)
        {
            foreach (MemoryMapEntry entry in map.Entries)
            {
                ulong end = unchecked(entry.Range.Start.Value + entry.Range.SizeBytes);
                spans.Add(new Span(entry.Range.Start.Value, end == 0 ? ulong.MaxValue : end, entry.Kind switch
                {
                    MemoryKind.Usable => Kind.Ram,
                    MemoryKind.Reserved => Kind.Reserved,
                    MemoryKind.AcpiData => Kind.Acpi,
                    MemoryKind.AcpiNvs => Kind.AcpiNvs,
                    MemoryKind.Other => Kind.Other,
                }));
            }
        }
        else
        {
            ulong ram = inputs.RamBytes ?? AssumedRamBytes;
            AddRam(spans, 0, Math.Min(ram, BiosStart));
            AddRam(spans, BiosEnd, ram);
        }

        X86Memory memory = new(Sanitized(spans));
        foreach (BootOption option in inputs.Kernel.CommandLine.Options)
        {
            memory.Apply(option);
        }

        if (rule is FirstFrameRule.FirstRamWithoutPageZero or FirstFrameRule.FirstRamWithoutLow64K)
        {
            memory.Remove(0, rule == FirstFrameRule.FirstRamWithoutPageZero ? 1UL << PageShift : reserveLowBytes);
            memory.Remove(BiosStart, BiosEnd);
        }

        return memory;
    }

    /// <summary>The frame behind the last whole frame of RAM below a limit; 0 when there is none.</summary>
    internal ulong EndFrame(ulong limitFrame, bool persistentCounts)
    {
        ulong last = 0;
        foreach (Span span in _spans)
        {
            if (span.Kind != Kind.Ram && !(persistentCounts && span.Kind == Kind.Persistent))
            {
                continue;
            }

            if (span.Start >> PageShift >= limitFrame)
            {
                continue;
            }

            last = Math.Max(last, Math.Min(span.End >> PageShift, limitFrame));
        }

        return last;
    }

    /// <summary>The runs of whole RAM frames, lowest first.</summary>
    internal List<FrameRun> Ram()
    {
        List<FrameRun> runs = new(_spans.Count);
        foreach (Span span in _spans)
        {
            ulong start = (span.Start >> PageShift) + ((span.Start & ((1UL << PageShift) - 1)) == 0 ? 0UL : 1);
            ulong end = span.End >> PageShift;
            if (span.Kind == Kind.Ram && end > start)
            {
                runs.Add(new FrameRun(start, end));
            }
        }

        return runs;
    }

    private void Apply(BootOption option)
    {
        if (option.Value is not { } value)
        {
            return;
        }

        switch (option.Name)
        {
            case "mem":
                // mem=nopentium is about large pages. Kernels before 2.6 spelled memmap= as mem=.
                if (value.Contains('@', StringComparison.Ordinal) || value == "exactmap")
                {
                    ApplyMemmap(value);
                }
                else if (KernelCommandLine.MemoryParse(value, out _) is { } limit && limit != 0)
                {
                    Remove(limit, ulong.MaxValue);
                }

                break;
            case "memmap":
                foreach (string part in value.Split(','))
                {
                    ApplyMemmap(part);
                }

                break;
        }
    }

    private void ApplyMemmap(string text)
    {
        if (text.StartsWith("exactmap", StringComparison.Ordinal))
        {
            _spans.Clear();
            return;
        }

        if (KernelCommandLine.MemoryParse(text, out string rest) is not { } size)
        {
            return;
        }

        if (rest.StartsWith('%'))
        {
            Retype(size, rest[1..]);
            return;
        }

        Kind? kind = rest.Length == 0 ? null : rest[0] switch
        {
            '@' => Kind.Ram,
            '#' => Kind.Acpi,
            '$' => Kind.Reserved,
            '!' => Kind.Persistent,
            _ => null,
        };
        if (kind is { } added && KernelCommandLine.MemoryParse(rest[1..], out _) is { } start)
        {
            ulong end = unchecked(start + size);
            if (size != 0 && end > start)
            {
                _spans.Add(new Span(start, end, added));
                Replace(Sanitized(_spans));
            }
        }
        else if (rest.Length == 0 || rest[0] is not ('@' or '#' or '$' or '!'))
        {
            Remove(size, ulong.MaxValue);
        }
    }

    /// <summary>Applies what follows the sign of <c>memmap=size%start-from+to</c>: another type for what has one.</summary>
    /// <remarks>
    /// Only <c>+to</c> adds, only <c>-from</c> removes, neither removes whatever is there. Source:
    /// arch/x86/kernel/e820.c, parse_memmap_one(), 4.18; before that the text was taken for a size alone.
    /// </remarks>
    private void Retype(ulong size, string text)
    {
        if (KernelCommandLine.MemoryParse(text, out string rest) is not { } start)
        {
            return;
        }

        ulong from = 0;
        ulong to = 0;
        if (rest.StartsWith('-'))
        {
            from = KernelCommandLine.MemoryParse(rest[1..], out rest) ?? 0;
        }

        if (rest.StartsWith('+'))
        {
            to = KernelCommandLine.MemoryParse(rest[1..], out rest) ?? 0;
        }

        ulong end = unchecked(start + size);
        if (rest.Length != 0 || from > int.MaxValue || to > int.MaxValue || end <= start)
        {
            return;
        }

        if (from == 0 && to != 0)
        {
            _spans.Add(new Span(start, end, (Kind)to));
        }
        else
        {
            Change(start, end, from == 0 ? null : (Kind)from, to == 0 ? null : (Kind)to);
        }

        Replace(Sanitized(_spans));
    }

    /// <summary>Takes RAM away from [start, end).</summary>
    private void Remove(ulong start, ulong end) => Change(start, end, Kind.Ram, to: null);

    /// <summary>Gives what is in [start, end) and of one kind (null: of any) another kind, or (null) takes it away.</summary>
    private void Change(ulong start, ulong end, Kind? from, Kind? to)
    {
        List<Span> kept = new(_spans.Count + 2);
        foreach (Span span in _spans)
        {
            if ((from is { } kind && span.Kind != kind) || span.End <= start || span.Start >= end)
            {
                kept.Add(span);
                continue;
            }

            if (span.Start < start)
            {
                kept.Add(span with { End = start });
            }

            if (to is { } other)
            {
                kept.Add(new Span(Math.Max(span.Start, start), Math.Min(span.End, end), other));
            }

            if (span.End > end)
            {
                kept.Add(span with { Start = end });
            }
        }

        Replace(kept);
    }

    private void Replace(List<Span> spans)
    {
        // The argument may be built from the list itself, so it is complete before the list is cleared.
        _spans.Clear();
        _spans.AddRange(spans);
    }

    private static void AddRam(List<Span> spans, ulong start, ulong end)
    {
        if (end > start)
        {
            spans.Add(new Span(start, end, Kind.Ram));
        }
    }

    /// <summary>Sorted, disjoint, neighbours of one kind joined; where entries overlap the larger kind wins.</summary>
    private static List<Span> Sanitized(List<Span> spans)
    {
        if (IsTidy(spans))
        {
            return [.. spans];
        }

        ulong[] edges = new ulong[spans.Count * 2];
        for (int i = 0; i < spans.Count; i++)
        {
            (edges[2 * i], edges[(2 * i) + 1]) = (spans[i].Start, spans[i].End);
        }

        Array.Sort(edges);
        List<Span> tidy = new(spans.Count);
        for (int i = 0; i + 1 < edges.Length; i++)
        {
            (ulong start, ulong end) = (edges[i], edges[i + 1]);
            if (start == end)
            {
                continue;
            }

            Kind winner = Kind.None;
            foreach (Span span in spans)
            {
                if (span.Start <= start && span.End >= end && span.Kind > winner)
                {
                    winner = span.Kind;
                }
            }

            if (winner == Kind.None)
            {
                continue;
            }

            if (tidy.Count > 0 && tidy[^1].End == start && tidy[^1].Kind == winner)
            {
                tidy[^1] = tidy[^1] with { End = end };
            }
            else
            {
                tidy.Add(new Span(start, end, winner));
            }
        }

        return tidy;
    }

    private static bool IsTidy(List<Span> spans)
    {
        ReadOnlySpan<Span> all = CollectionsMarshal.AsSpan(spans);
        for (int i = 1; i < all.Length; i++)
        {
            if (all[i].Start < all[i - 1].End || (all[i].Start == all[i - 1].End && all[i].Kind == all[i - 1].Kind))
            {
                return false;
            }
        }

        return true;
    }
}
