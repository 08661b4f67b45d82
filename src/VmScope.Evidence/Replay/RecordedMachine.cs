using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>The machine a trace was recorded on, as far as evidence and the trace itself tell.</summary>
/// <param name="KernelText">The kernel's release or version.</param>
/// <param name="Setup">What its vmalloc space is made of.</param>
/// <param name="SeveralCpus">Whether more than one processor may have written events.</param>
internal sealed record RecordedMachine(string KernelText, VmallocSetup Setup, bool SeveralCpus)
{
    /// <exception cref="EvidenceException">Nobody tells which kernel it was.</exception>
    internal static RecordedMachine Find(ReplayInput input, OperationReader reader, IReadOnlyList<ReplayOperation> first)
    {
        KernelIdentity? kernel = input.Machine?.Kernel;
        KernelVersion version = input.RecordedOn ?? kernel?.Version
            ?? throw new EvidenceException(
                $"{input.Trace.Name}: nothing tells which kernel recorded it; give --evidence with a dmesg or version of "
                + "that machine, or --recorded-on VERSION");
        int online = Math.Max(Math.Max(1, reader.Trace.HeaderCpus), first.Max(operation => operation.Cpu) + 1);
        int possible = input.PossibleCpus ?? input.Machine?.Cpus.PossibleCount ?? online;
        (ulong windowStart, ulong windowEnd) = LargestWindow(first);
        Architecture architecture = input.Machine?.Architecture ?? Architecture.Unknown;
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(version),
            PageBytes = input.Machine?.PageSize.Bytes ?? PageSize.Size4K.Bytes,
            WindowStart = windowStart,
            WindowEnd = windowEnd,
            Is64Bit = architecture == Architecture.Unknown ? windowEnd > uint.MaxValue : architecture.Is64Bit(),
            OnlineCpus = online,
            PossibleCpus = Math.Max(possible, online),
        };
        string text = input.RecordedOn is null && kernel is not null ? kernel.Release : version.ToString();
        return new RecordedMachine(text, setup, online > 1);
    }

    /// <summary>The vmalloc range is the largest one requests name; modules and others ask for less.</summary>
    private static (ulong Start, ulong End) LargestWindow(IReadOnlyList<ReplayOperation> first)
    {
        (ulong Start, ulong End) largest = (0, 0);
        foreach (ReplayOperation operation in first)
        {
            if (operation.Kind == OperationKind.Place && operation.WindowEnd > operation.WindowStart
                && operation.WindowEnd - operation.WindowStart > largest.End - largest.Start)
            {
                largest = (operation.WindowStart, operation.WindowEnd);
            }
        }

        return largest;
    }
}
