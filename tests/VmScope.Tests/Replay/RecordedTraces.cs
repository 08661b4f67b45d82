using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Replay;

/// <summary>The recorded boots that hold a trace, and how they are replayed.</summary>
internal static class RecordedTraces
{
    internal static bool HoldsTrace(string name) =>
        name.Contains("-trace", StringComparison.Ordinal) || name.Contains("-fail-", StringComparison.Ordinal);

    /// <summary>Recorded from the first allocation on, by the tracepoints (6.2 and later).</summary>
    internal static bool BeginsAtBoot(string name) =>
        name.Contains("-trace-boot", StringComparison.Ordinal)
        || (name.Contains("-trace-early", StringComparison.Ordinal) && Version(name) >= new KernelVersion(6, 2));

    internal static bool HasPools(string name) =>
        name.StartsWith("amd64-", StringComparison.Ordinal) && Version(name) >= new KernelVersion(6, 9);

    internal static int Cpus(string name)
    {
        int at = name.IndexOf("smp", StringComparison.Ordinal);
        return at < 0 ? 1 : name[at + "smp".Length] - '0';
    }

    internal static KernelVersion Version(string name) => KernelVersion.Parse(name.Split('-')[1]);

    internal static ReplayResult Replay(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        return ReplayRun.Run(new ReplayInput
        {
            Trace = new ReplayFile(bundle.OpenRequired("trace"), "trace.txt"),
            Machine = bundle.Inputs,
            NumaNodes = Math.Max(1, bundle.Inputs.BootLog?.NumaRanges.Select(range => range.Node).Distinct().Count() ?? 1),
            Before = File(bundle, "vmallocinfo-before"),
            FreeTree = File(bundle, "free-tree-at-start"),
            After = File(bundle, "vmallocinfo-after"),
        });
    }

    private static ReplayFile? File(EvidenceBundle bundle, string name) =>
        bundle.TryOpen(name, out Stream stream) ? new ReplayFile(stream, name + ".txt") : null;
}
