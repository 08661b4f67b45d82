using System.Globalization;
using System.Text;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Cli.Output.Layouts;

/// <summary>Predicts one layout per value of one input: the picture of lowmem against the vmalloc area.</summary>
internal static class LayoutSweep
{
    private const int MostValues = 1_000_000;

    /// <summary>Rows in a person's table; a CSV has no such limit.</summary>
    private const int MostRows = 10_000;

    private const int BarColumns = 40;

    /// <summary>One value of the input and what came of it.</summary>
    private readonly record struct Row(string Value, KernelLayout? Layout, string? Problem);

    /// <summary>Runs a sweep and writes it.</summary>
    /// <exception cref="UsageException">The sweep is not one.</exception>
    internal static void Run(LayoutInputs inputs, string text, bool asCsv, Terminal terminal, Paint paint)
    {
        (string key, List<string> values) = Parse(text, asCsv ? MostValues : MostRows);
        Func<string, LayoutInputs> with = Variation(inputs, key);
        if (asCsv)
        {
            WriteCsv(terminal.Out, key, values, with);
            return;
        }

        List<Row> rows = [.. values.Select(value => Predict(value, with))];
        WriteTable(terminal, paint, key, rows);
    }

    /// <summary>Reads "ram=64M..4G:8M" or "kernel=2.6.27,2.6.28".</summary>
    internal static (string Key, List<string> Values) Parse(string text, int most)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            throw new UsageException($"--sweep {text}: one looks like ram=64M..4G:8M");
        }

        string key = text[..equals].ToLowerInvariant();
        string range = text[(equals + 1)..];
        int dots = range.IndexOf("..", StringComparison.Ordinal);
        if (dots < 0)
        {
            return (key, [.. range.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)]);
        }

        if (key == "kernel")
        {
            throw new UsageException("--sweep kernel= takes a list: kernel=2.6.27,2.6.28,4.19,6.1");
        }

        int colon = range.IndexOf(':', dots);
        ulong first = LayoutOptions.SizeOf(range[..dots], "--sweep");
        ulong last = LayoutOptions.SizeOf(colon < 0 ? range[(dots + 2)..] : range[(dots + 2)..colon], "--sweep");
        ulong step = colon < 0 ? 1 : LayoutOptions.SizeOf(range[(colon + 1)..], "--sweep");
        if (step == 0 || last < first)
        {
            throw new UsageException($"--sweep {text}: it must rise, by steps of more than 0");
        }

        if ((last - first) / step >= (ulong)most)
        {
            throw new UsageException($"--sweep {text}: {((last - first) / step) + 1} values; at most {most} are computed");
        }

        List<string> values = [];
        for (ulong value = first; value <= last; value += step)
        {
            values.Add(IsSize(key) ? SizeValue(value) : value.ToString(CultureInfo.InvariantCulture));
            if (last - value < step)
            {
                break;
            }
        }

        return (key, values);
    }

    private static bool IsSize(string key) => key is "ram" or "vmalloc" or "highmem" or "reservetop" or "mem";

    private static string SizeValue(ulong bytes) => bytes switch
    {
        _ when bytes % Size.MiB == 0 => (bytes / Size.MiB).ToString(CultureInfo.InvariantCulture) + "M",
        _ when bytes % Size.KiB == 0 => (bytes / Size.KiB).ToString(CultureInfo.InvariantCulture) + "K",
        _ => bytes.ToString(CultureInfo.InvariantCulture),
    };

    private static Func<string, LayoutInputs> Variation(LayoutInputs inputs, string key)
    {
        KernelDescription kernel = inputs.Kernel;
        switch (key)
        {
            case "ram":
                return value => inputs with { RamBytes = LayoutOptions.SizeOf(value, "--sweep ram="), Memory = null, NumaRanges = [] };
            case "vmalloc" or "highmem" or "reservetop" or "mem":
                string before = kernel.CommandLine.Text.Length == 0 ? "" : kernel.CommandLine.Text + " ";
                return value => inputs with { Kernel = kernel with { CommandLine = KernelCommandLine.Parse($"{before}{key}={value}") } };
            case "nr_cpus" or "nr-cpus" or "cpus":
                return value => inputs with { Kernel = kernel with { Config = kernel.Config.With("NR_CPUS", value) } };
            case "kernel":
                return value => inputs with { Kernel = kernel with { Identity = LayoutOptions.Kernel(value) } };
            default:
                return key.StartsWith("config_", StringComparison.Ordinal)
                    ? value => inputs with { Kernel = kernel with { Config = kernel.Config.With(key.ToUpperInvariant(), value) } }
                    : throw new UsageException(
                        $"--sweep {key}=: one of ram, vmalloc, highmem, reservetop, mem, nr_cpus, kernel and any CONFIG_ symbol");
        }
    }

    private static Row Predict(string value, Func<string, LayoutInputs> with) => LayoutPredictor.Predict(with(value)) switch
    {
        LayoutAnswer.Predicted predicted => new Row(value, predicted.Layout, null),
        LayoutAnswer.Impossible impossible => new Row(value, null, impossible.Reason),
        _ => throw new InvalidOperationException("an answer of a third kind"),
    };

    private static void WriteCsv(TextWriter output, string key, List<string> values, Func<string, LayoutInputs> with)
    {
        output.WriteLine($"{Csv(key)},lowmemBytes,highMemory,vmallocStart,vmallocEnd,vmallocTotalKiB,problem");
        StringBuilder line = new(128);
        foreach (string value in values)
        {
            Row row = Predict(value, with);
            line.Clear().Append(Csv(value)).Append(',');
            if (row.Layout is { } layout)
            {
                line.Append(CultureInfo.InvariantCulture,
                    $"{layout.HighMemory.Value - layout.PageOffset.Value},0x{layout.HighMemory.Value:x},0x{layout.Vmalloc.Start.Value:x},0x{layout.Vmalloc.EndExclusive.Value:x},{layout.VmallocTotalKiB},");
            }
            else
            {
                line.Append(",,,,,").Append(Csv(row.Problem!));
            }

            output.WriteLine(line);
        }
    }

    private static string Csv(string text) => text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static void WriteTable(Terminal terminal, Paint paint, string key, List<Row> rows)
    {
        ulong largest = 1;
        foreach (Row row in rows)
        {
            if (row.Layout is { } layout)
            {
                largest = Math.Max(largest, Lowmem(layout) + (layout.VmallocTotalKiB * Size.KiB));
            }
        }

        int valueWidth = Math.Max(key.Length, rows.Count == 0 ? 0 : rows.Max(row => row.Value.Length));
        int digits = rows.Exists(row => row.Layout?.Inputs.Kernel.Architecture.Is64Bit() == true) ? 18 : 10;
        terminal.Out.WriteLine(
            $"{key.PadLeft(valueWidth)}  {"lowmem".PadLeft(10)}  {"high_memory".PadLeft(digits + 1)}  {"vmalloc from".PadLeft(digits + 2)}  {"to".PadLeft(digits)}  {"VmallocTotal kB",16}  lowmem # vmalloc =");
        foreach (Row row in rows)
        {
            if (row.Layout is not { } layout)
            {
                terminal.Out.WriteLine(SafeText.Line($"{row.Value.PadLeft(valueWidth)}  {row.Problem}"));
                continue;
            }

            ulong low = Lowmem(layout);
            int lowColumns = Columns(low, largest);
            int areaColumns = Math.Min(BarColumns - lowColumns, Columns(layout.VmallocTotalKiB * Size.KiB, largest));
            string bar = paint.Foreground(33, new string('#', lowColumns)) + paint.Foreground(208, new string('=', areaColumns));
            terminal.Out.WriteLine(
                $"{SafeText.Line(row.Value).PadLeft(valueWidth)}  {SizeText.Short(low),10}  {AddressText.Hex(layout.HighMemory.Value).PadLeft(digits + 1)}  {AddressText.Hex(layout.Vmalloc.Start.Value).PadLeft(digits + 2)}  {AddressText.Hex(layout.Vmalloc.EndExclusive.Value).PadLeft(digits)}  {layout.VmallocTotalKiB,16}  {bar}");
        }

        terminal.Out.WriteLine(paint.Dim($"One column of the plot is {SizeText.Short(Math.Max(1, largest / BarColumns))}."));
    }

    private static ulong Lowmem(KernelLayout layout) => layout.HighMemory.Value - layout.PageOffset.Value;

    private static int Columns(ulong bytes, ulong largest) => (int)Math.Round((double)bytes / largest * BarColumns);
}
