using VmScope.Physical;

namespace VmScope.Proc;

/// <summary>Reads a kernel log, with or without prefixes, of every era and architecture vmscope knows.</summary>
public static partial class DmesgFile
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

    private static bool Arrow(ref Scan scan)
    {
        scan.Blanks();
        bool arrow = scan.Text("->");
        scan.Blanks();
        return arrow;
    }
}
