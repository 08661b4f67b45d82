using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>The machine a trace was recorded on, as far as evidence and the trace itself tell.</summary>
/// <param name="KernelText">The kernel's release or version.</param>
/// <param name="Version">Its version.</param>
/// <param name="Setup">What its vmalloc space is made of.</param>
/// <param name="SeveralCpus">Whether more than one processor may have written events.</param>
internal sealed record RecordedMachine(string KernelText, KernelVersion Version, VmallocSetup Setup, bool SeveralCpus)
{
    /// <exception cref="EvidenceException">Nobody tells which kernel it was.</exception>
    internal static RecordedMachine Find(ReplayInput input, OperationSource source, IReadOnlyList<ReplayOperation> first)
    {
        KernelIdentity? kernel = input.Machine?.Kernel;
        SourceMachine told = source.Machine;
        KernelVersion version = input.RecordedOn ?? kernel?.Version ?? told.Kernel
            ?? throw new EvidenceException(
                $"{input.Trace.Name}: nothing tells which kernel recorded it; give --evidence with a dmesg or version of "
                + "that machine, or --recorded-on VERSION");
        int online = Math.Max(Math.Max(1, told.Cpus), (first.Count == 0 ? 0 : first.Max(operation => operation.Cpu)) + 1);
        int possible = input.PossibleCpus ?? input.Machine?.Cpus.PossibleCount ?? Math.Max(told.PossibleCpus, online);
        (ulong windowStart, ulong windowEnd) = told.WindowEnd > told.WindowStart
            ? (told.WindowStart, told.WindowEnd)
            : LargestWindow(first);
        Architecture architecture = input.Machine?.Architecture ?? Architecture.Unknown;
        ulong pageBytes = input.Machine?.PageSize.Bytes ?? (told.PageBytes != 0 ? told.PageBytes : PageSize.Size4K.Bytes);
        RefuseContradiction(input.Trace.Name, architecture, pageBytes, windowEnd, first);
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(version),
            PageBytes = pageBytes,
            WindowStart = windowStart,
            WindowEnd = windowEnd,
            Is64Bit = architecture == Architecture.Unknown ? windowEnd > uint.MaxValue : architecture.Is64Bit(),
            OnlineCpus = online,
            PossibleCpus = Math.Max(possible, online),
        };
        string text = input.RecordedOn is null && kernel is not null ? kernel.Release : version.ToString();
        return new RecordedMachine(text, version, setup, online > 1);
    }

    /// <summary>Stops where the evidence is of a machine that cannot have recorded the trace: everything in it would be left out as damage.</summary>
    private static void RefuseContradiction(
        string trace, Architecture architecture, ulong pageBytes, ulong windowEnd, IReadOnlyList<ReplayOperation> first)
    {
        if (architecture != Architecture.Unknown && windowEnd != 0 && architecture.Is64Bit() != windowEnd > uint.MaxValue)
        {
            throw new EvidenceException(
                $"{trace}: the evidence is of a {(architecture.Is64Bit() ? 64 : 32)}-bit machine and the trace is not: its requests end at "
                + $"0x{windowEnd:x}; give the evidence of the machine that recorded it");
        }

        int places = 0;
        int broken = 0;
        foreach (ReplayOperation operation in first)
        {
            places += operation.Kind == OperationKind.Place ? 1 : 0;
            broken += operation.Kind == OperationKind.Place && operation.SizeBytes % pageBytes != 0 ? 1 : 0;
        }

        if (broken > places / 2)
        {
            throw new EvidenceException(
                $"{trace}: {broken} of its first {places} requests are not made of pages of {pageBytes} bytes, which the machine is said to have; "
                + "give the evidence of the machine that recorded it");
        }
    }

    /// <summary>The size of a per-CPU chunk's area: from a listing that has one, else a unit for every processor; 0 when nothing tells.</summary>
    internal ulong ChunkBytes(ReplayInput input, Listing? before, Listing? after)
    {
        ulong listed = Math.Max(before?.ChunkBytes ?? 0, after?.ChunkBytes ?? 0);
        return listed != 0 || input.PercpuUnitBytes > Size.GiB ? listed : input.PercpuUnitBytes * (ulong)Setup.PossibleCpus;
    }

    /// <summary>Begins a file of operations with what is known of the machine and with the operations read ahead.</summary>
    internal OperationFileWriter Record(Stream stream, OperationSource source, IReadOnlyList<ReplayOperation> first)
    {
        SourceMachine machine = new(
            Version, Setup.OnlineCpus, Setup.PossibleCpus, Setup.PageBytes, Setup.WindowStart, Setup.WindowEnd);
        OperationFileWriter writer = new(stream, machine, Setup.Is64Bit, source.HasAddresses);
        if (source.OverwrittenEvents > 0)
        {
            writer.Write(new ReplayOperation { Kind = OperationKind.Lost, Line = 1, Count = source.OverwrittenEvents });
        }

        foreach (ReplayOperation operation in first)
        {
            writer.Write(operation);
        }

        return writer;
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
