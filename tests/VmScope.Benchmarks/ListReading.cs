using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using VmScope.Analysis;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Benchmarks;

/// <summary>Reading and explaining a list of a million rows, in steady state and inside one process.</summary>
/// <remarks>The processes that do the same are compared by <c>explain.sh</c>, which calls this.</remarks>
internal static class ListReading
{
    private const int Rows = 1_000_000;

    /// <summary>Writes the list to a file (<c>list make FILE</c>), or measures one (<c>list speed FILE</c>).</summary>
    internal static void Run(string[] args)
    {
        if (args is ["make", var path])
        {
            Make(path);
        }
        else if (args is ["speed", var file])
        {
            Speed(file);
        }
        else
        {
            Console.Error.WriteLine("usage: list make FILE | list speed FILE");
        }
    }

    private static void Speed(string path)
    {
        long bytes = new FileInfo(path).Length;
        double read = Best(() =>
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            Checksum sink = new();
            DiagnosticList odd = new();
            VmallocInfoReader.Read(file, path, new TextTable(), odd, sink);
            return odd.Count == 0 && sink.Count == Rows ? sink.Sum : throw new InvalidOperationException("a row was not understood");
        }, out ulong checksum);
        double explain = Best(() =>
        {
            using SafeFileHandle file = File.OpenHandle(path);
            return (ulong)ListExplanation.ReadFile(file, path, new ExplainOptions { KeepAreas = false, BarCells = 96 }).Rows;
        }, out _);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"read, all fields checked, steady state: {read:F1} ms, {bytes / read / 1e6:F2} GB/s (checksum {checksum:x})"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"explain in the library, steady state: {explain:F1} ms"));
    }

    private static double Best(Func<ulong> work, out ulong result)
    {
        double best = double.MaxValue;
        result = 0;
        for (int i = 0; i < 12; i++)
        {
            long start = Stopwatch.GetTimestamp();
            result = work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return best;
    }

    /// <summary>About 200 owners, a quarter of them in modules; every kind of row a kernel of today prints, in address order.</summary>
    private static void Make(string path)
    {
        Random random = new(7);
        string[] owners = [.. Enumerable.Range(0, 197).Select(i =>
            string.Create(CultureInfo.InvariantCulture, $"{Pick("alloc setup map init bpf net fs dev")}_{Pick("large queue ring table object buffer system prog")}_{Pick("hash resources area pages alloc_node init_one")}{i}+0x{random.Next(16, 2000):x}/0x{random.Next(2000, 5000):x}{(i % 4 == 0 ? $" [mod{i % 17}]" : "")}"))];
        using StreamWriter writer = new(path, append: false, new UTF8Encoding(false), 1 << 20) { NewLine = "\n" };
        ulong at = 0xffffc900_00000000;
        for (int i = 0; i < Rows; i++)
        {
            double kind = random.NextDouble();
            int pages;
            string rest;
            string owner = " " + owners[random.Next(owners.Length)];
            if (kind < 0.02)
            {
                pages = random.Next(2) == 0 ? 7 : 15;
                rest = " vm_map_ram";
            }
            else if (kind < 0.06)
            {
                pages = random.Next(1, 8);
                rest = " unpurged vm_area";
            }
            else if (kind < 0.2)
            {
                pages = 1 << random.Next(0, 5);
                rest = string.Create(CultureInfo.InvariantCulture, $"{owner} phys=0x{0x1_0000_0000UL + ((ulong)i << 16):x16} ioremap");
            }
            else
            {
                int[] sizes = [1, 1, 2, 3, 4, 4, 4, 8, 17, 33, 600];
                pages = sizes[random.Next(sizes.Length)];
                int first = random.Next(10) < 3 ? random.Next(1, pages + 1) : pages;
                string nodes = first == pages ? $" N0={pages}" : $" N0={first} N1={pages - first}";
                rest = string.Create(CultureInfo.InvariantCulture, $"{owner} pages={pages} vmalloc{(pages > 512 ? " vpages" : "")}{nodes}");
            }

            at += random.Next(10) < 3 ? 4096UL * (ulong)random.Next(1, 5) : 0;
            ulong bytes = (ulong)(pages + 1) * 4096;
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"0x{at:x16}-0x{at + bytes:x16} {bytes,7}{rest}"));
            at += bytes;
        }

        string Pick(string words) => words.Split(' ')[random.Next(words.Split(' ').Length)];
    }

    private sealed class Checksum : VmallocRowSink
    {
        internal ulong Sum { get; private set; }

        internal long Count { get; private set; }

        public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
        {
            foreach (ref readonly VmallocRow row in rows)
            {
                Sum = unchecked((Sum * 31) + row.Start + row.SizeBytes + row.Pages + row.Phys + (ulong)row.Caller + (row.AddressesMatchSize ? 1UL : 0));
            }

            Count += rows.Length;
        }
    }
}
