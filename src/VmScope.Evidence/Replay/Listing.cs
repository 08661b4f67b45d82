using System.Collections.Immutable;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>What a replay needs of a listing: the busy areas, and those that wait for a purge.</summary>
/// <param name="File">Its name.</param>
/// <param name="Busy">Busy rows by address.</param>
/// <param name="Lazy">Waiting rows in the order they were printed.</param>
/// <param name="ChunkBytes">The size of the areas of per-CPU chunks; 0 without one.</param>
/// <param name="ChunkStarts">Where they start.</param>
/// <param name="OddLines">Lines that could not be understood.</param>
/// <param name="FirstOddLine">The first of them.</param>
internal sealed record Listing(
    string File, IReadOnlyList<Listing.ListedArea> Busy, IReadOnlyList<FreeBlock> Lazy, ulong ChunkBytes, IReadOnlyList<ulong> ChunkStarts,
    long OddLines, long FirstOddLine)
{
    /// <summary>The owner of per-CPU chunks.</summary>
    internal const string ChunkOwner = "pcpu_get_vm_areas";

    /// <summary>A busy row.</summary>
    internal readonly record struct ListedArea(ulong Start, ulong End, string Owner);

    /// <summary>Finds how the groups of a chunk lie to each other, when every node has one.</summary>
    /// <param name="nodes">Nodes of the machine.</param>
    /// <returns>A group for every node; nothing with one node, or when the areas of the list do not fit together so.</returns>
    /// <remarks>All areas of a node lie near each other, one per chunk, and those of the nodes as far apart as their memories.</remarks>
    internal ImmutableArray<PercpuGroup> ChunkGroups(int nodes)
    {
        ulong[] starts = [.. ChunkStarts.Order()];
        if (nodes < 2 || starts.Length == 0 || starts.Length % nodes != 0)
        {
            return [];
        }

        int chunks = starts.Length / nodes;
        List<PercpuGroup> groups = [];
        for (int node = 0; node < nodes; node++)
        {
            ulong offset = starts[node * chunks] - starts[0];
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                if (starts[(node * chunks) + chunk] - starts[chunk] != offset)
                {
                    return [];
                }
            }

            groups.Add(new PercpuGroup(offset, ChunkBytes));
        }

        return [.. groups];
    }

    private static long FirstOdd(DiagnosticList diagnostics)
    {
        long first = diagnostics.Items.IsEmpty ? long.MaxValue : diagnostics.Items.Min(static item => item.Line);
        return Math.Min(first, diagnostics.OtherText?.FirstLine ?? long.MaxValue);
    }

    /// <summary>Reads a vmallocinfo.</summary>
    /// <exception cref="EvidenceException">No rows, or the addresses are hidden.</exception>
    internal static Listing Read(Stream stream, string file)
    {
        DiagnosticList diagnostics = new();
        VmallocReport report = VmallocInfoReader.ReadReport(stream, file, diagnostics);
        bool anyReal = false;
        foreach (ref readonly VmallocRow row in report.Rows)
        {
            anyReal |= row.AddressesMatchSize;
        }

        List<ListedArea> busy = [];
        List<FreeBlock> lazy = [];
        List<ulong> chunks = [];
        ulong chunkBytes = 0;
        foreach (ref readonly VmallocRow row in report.Rows)
        {
            if (!row.AddressesMatchSize)
            {
                throw new EvidenceException(anyReal
                    ? $"{file}: line {row.Line}: the area from 0x{row.Start:x} to 0x{row.End:x} does not have the {row.SizeBytes} bytes the line says; the line is damaged or cut"
                    : $"{file}: line {row.Line}: the addresses are hidden; read the list as root with kernel.kptr_restrict=1");
            }

            if (row.Has(AreaFlags.Unpurged))
            {
                lazy.Add(new FreeBlock(row.Start, row.End));
                continue;
            }

            string owner = report.CallerText(row);
            busy.Add(new ListedArea(row.Start, row.End, owner));
            if (owner.StartsWith(ChunkOwner, StringComparison.Ordinal))
            {
                chunkBytes = row.SizeBytes;
                chunks.Add(row.Start);
            }
        }

        if (busy.Count == 0)
        {
            throw new EvidenceException($"{file}: no areas in it");
        }

        busy.Sort(static (left, right) => left.Start.CompareTo(right.Start));

        // A list is read in pieces while areas come and go, so the last row of one piece can be the first of the next.
        for (int i = busy.Count - 1; i > 0; i--)
        {
            if ((busy[i].Start, busy[i].End) == (busy[i - 1].Start, busy[i - 1].End))
            {
                busy.RemoveAt(i);
            }
        }

        return new Listing(
            file, busy, lazy, chunkBytes, chunks, diagnostics.Count + (diagnostics.OtherText?.Lines ?? 0), FirstOdd(diagnostics));
    }
}
