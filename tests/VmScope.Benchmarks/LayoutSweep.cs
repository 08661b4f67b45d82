using System.Diagnostics;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Benchmarks;

/// <summary>Predicts 100,000 different configurations on one core and reports the time of each.</summary>
/// <remarks>
/// A plain loop rather than a BenchmarkDotNet run: the promise is about a whole sweep with every input new, garbage
/// collection included, not about one hot call. Run it with <c>dotnet run -c Release -- layout-sweep</c>.
/// </remarks>
internal static class LayoutSweep
{
    private const int Configurations = 100_000;

    private static readonly string[] I386Versions = ["2.4.20", "2.6.9", "2.6.18", "2.6.24", "2.6.28", "2.6.32", "3.4", "4.4", "4.15", "4.19", "5.10", "6.1"];

    internal static void Run()
    {
        foreach (Architecture architecture in (Architecture[])[Architecture.I386, Architecture.X64, Architecture.Arm, Architecture.Arm64, Architecture.Riscv64])
        {
            Sweep(architecture, count: 2_000);   // compile
            Stopwatch clock = Stopwatch.StartNew();
            long before = GC.GetAllocatedBytesForCurrentThread();
            ulong sum = Sweep(architecture, Configurations);
            TimeSpan time = clock.Elapsed;
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{architecture.Name(),-8} {Configurations} configurations in {time.TotalSeconds:0.000} s, {time.TotalMicroseconds / Configurations:0.00} us and {bytes / Configurations} bytes each (checksum {sum:x})"));
        }
    }

    private static ulong Sweep(Architecture architecture, int count)
    {
        string[] versions = architecture switch
        {
            Architecture.I386 => I386Versions,
            Architecture.X64 => ["2.6.32", "4.4", "5.10", "6.12"],
            Architecture.Arm => ["3.4", "4.4", "5.10", "6.12"],
            Architecture.Arm64 => ["4.4", "5.4", "6.1", "6.12"],
            _ => ["5.4", "5.17", "6.1", "6.12"],
        };
        KernelIdentity[] kernels = [.. versions.Select(version => new KernelIdentity(version, KernelVersion.Parse(version), KernelVendor.Mainline))];
        KernelConfig config = new([new("SMP", "y")], isComplete: false);
        ulong sum = 0;
        for (int i = 0; i < count; i++)
        {
            LayoutInputs inputs = new(new KernelDescription(kernels[i % kernels.Length], architecture)
            {
                Config = config.With("NR_CPUS", (1 + (i % 32)).ToString(CultureInfo.InvariantCulture)),
                CommandLine = KernelCommandLine.Parse($"quiet vmalloc={64 + (i % 256)}M"),
            })
            { RamBytes = (64 + (ulong)(i % 4096)) * Size.MiB };
            if (LayoutPredictor.Predict(inputs) is LayoutAnswer.Predicted predicted)
            {
                sum += predicted.Layout.VmallocTotalKiB;
            }
        }

        return sum;
    }
}
