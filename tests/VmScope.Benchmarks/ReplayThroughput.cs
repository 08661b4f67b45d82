using System.Diagnostics;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Benchmarks;

/// <summary>Parse and exact placement of a 1-million-event trace, end to end, in steady state on one core.</summary>
/// <remarks>Run with <c>replay [FILE]</c>; FILE keeps the trace text, for timing another tool on the same bytes.</remarks>
internal static class ReplayThroughput
{
    private const int Events = 1_000_000;
    private const int Rounds = 9;

    internal static void Run(string[] args)
    {
        foreach (string name in new[] { "fix-size", "random-size", "churn" })
        {
            MemoryStream text = new();
            VmallocSetup setup = new()
            {
                Facts = VmallocTimelines.At(new KernelVersion(6, 6)),
                WindowStart = 0xffffc90000000000,
                WindowEnd = 0xffffe8ffffffffff,
                Is64Bit = true,
            };
            WorkloadSettings settings = new() { Loops = Events };
            SyntheticTrace.Write(text, setup, Workloads.Find(name)!.AllSteps(settings), Events);
            if (args.Length > 0)
            {
                File.WriteAllBytes(args[0] + "." + name, text.ToArray());
            }

            double best = double.MaxValue;
            double[] times = new double[Rounds];
            long allocated = 0;
            ReplayResult? result = null;
            for (int round = 0; round < Rounds; round++)
            {
                text.Position = 0;
                long before = GC.GetAllocatedBytesForCurrentThread();
                TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
                result = ReplayRun.Run(new ReplayInput
                {
                    Trace = new ReplayFile(text, name),
                    RecordedOn = new KernelVersion(6, 6),
                });
                times[round] = (Process.GetCurrentProcess().TotalProcessorTime - cpu).TotalSeconds;
                best = Math.Min(best, times[round]);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            }

            Array.Sort(times);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name}: {result!.Events} events, {text.Length / 1e6:0.0} MB, same {result.SameAddress}, different {result.Different}; median {result.Events / times[Rounds / 2] / 1e6:0.00} M events/s, best {result.Events / best / 1e6:0.00}; {allocated / 1024} KiB on the heap; {Environment.WorkingSet / 1048576} MB resident"));
        }
    }
}
