using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace VmScope.Benchmarks.Placement;

/// <summary>Lets the peers run the same workloads in turn and prints what each of them took.</summary>
/// <remarks>
/// Time is the CPU time of this thread, so other work on the machine does not count as ours; it still takes cache and
/// memory bandwidth, which is why pieces of the peers alternate and the smallest and the middle time are both kept. The
/// peers' addresses are hashed all the way; a difference ends the race.
/// </remarks>
internal static partial class Race
{
    private const int PiecesMin = 9;
    private const double SecondsPerPeer = 0.8;
    private const double SlowPeerSeconds = 1.5;

    /// <summary>Runs every workload whose name contains the filter and writes a table in Markdown.</summary>
    /// <returns>0, or 1 if two peers disagreed about an address.</returns>
    internal static int Run(string[] arguments, TextWriter output)
    {
        string filter = arguments.Length > 0 ? arguments[0] : "";
        output.WriteLine("| workload | kernel's trees, ns | sorted set, ns | area index, ns | faster than kernel's trees: medians (minima) | faster than sorted set | bytes per area: trees / index | same addresses |");
        output.WriteLine("|---|---|---|---|---|---|---|---|");
        bool same = true;
        foreach (Func<Workload> make in Workload.All())
        {
            if (make().Name.Contains(filter, StringComparison.Ordinal))
            {
                same &= RunOne(make, output);
                output.Flush();
            }
        }

        return same ? 0 : 1;
    }

    private static bool RunOne(Func<Workload> make, TextWriter output)
    {
        Workload kernelWork = make();
        Workload indexWork = make();
        KernelPeer kernel = new(Workload.WindowStart, kernelWork.WindowEnd);
        IndexPeer index = new(Workload.WindowStart, indexWork.WindowEnd);
        kernelWork.Prepare(kernel);
        indexWork.Prepare(index);
        kernelWork.Run(kernel, kernelWork.WarmUnits);
        indexWork.Run(index, indexWork.WarmUnits);

        List<double> kernelTimes = [];
        List<double> indexTimes = [];
        double spent = 0;
        while (kernelTimes.Count < PiecesMin || spent < SecondsPerPeer)
        {
            double before = Now();
            kernelWork.Run(kernel, kernelWork.Units);
            double between = Now();
            indexWork.Run(index, indexWork.Units);
            double after = Now();
            kernelTimes.Add((between - before) * 1e9 / ((double)kernelWork.Units * kernelWork.PairsPerUnit));
            indexTimes.Add((after - between) * 1e9 / ((double)indexWork.Units * indexWork.PairsPerUnit));
            spent += between - before;
        }

        bool same = kernelWork.Checksum == indexWork.Checksum;
        long areas = index.AreaCount;
        (double trees, double wide) = ((double)kernel.UsedBytes / areas, (double)index.UsedBytes / areas);
        double? sortedSet = TimeSortedSet(make());
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {kernelWork.Name} | {Median(kernelTimes):F1} | {(sortedSet is { } slow ? $"{slow:F0}" : "-")} | {Median(indexTimes):F1} | {Median(kernelTimes) / Median(indexTimes):F2} ({kernelTimes.Min() / indexTimes.Min():F2}) | {(sortedSet is { } slower ? $"{slower / Median(indexTimes):F0}" : "-")} | {trees:F0} / {wide:F0} | {(same ? "yes" : "NO")}, {kernelWork.Checksum:x16} |"));
        return same;
    }

    /// <summary>Nanoseconds per pair of the sorted set; null where filling it alone would take minutes.</summary>
    private static double? TimeSortedSet(Workload work)
    {
        if (!work.SuitsSortedSet)
        {
            return null;
        }

        SortedSetPeer peer = new(Workload.WindowStart, work.WindowEnd);
        work.Prepare(peer);
        List<double> times = [];
        int units = Math.Max(1, 500 / work.PairsPerUnit);
        for (double began = Now(); times.Count < 5 || (Now() - began < SlowPeerSeconds && times.Count < 400);)
        {
            double before = Now();
            work.Run(peer, units);
            times.Add((Now() - before) * 1e9 / ((double)units * work.PairsPerUnit));
        }

        return Median(times);
    }

    private static double Median(List<double> values)
    {
        List<double> sorted = [.. values.Order()];
        return sorted[sorted.Count / 2];
    }

    /// <summary>CPU seconds of this thread; elsewhere than on Linux, seconds.</summary>
    private static double Now()
    {
        if (!OperatingSystem.IsLinux())
        {
            return (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency;
        }

        _ = ClockGetTime(ThreadCpuClock, out TimeSpec time);
        return time.Seconds + (time.Nanoseconds * 1e-9);
    }

    private const int ThreadCpuClock = 3;

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        internal long Seconds;
        internal long Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGetTime(int clock, out TimeSpec time);
}
