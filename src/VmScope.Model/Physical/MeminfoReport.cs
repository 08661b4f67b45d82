using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>One line of /proc/meminfo.</summary>
/// <param name="Name">The label without its colon, as printed (<c>VmallocTotal</c>, <c>Active(anon)</c>).</param>
/// <param name="Value">The number as printed: KiB when <paramref name="InKiB"/>, otherwise a plain count.</param>
/// <param name="InKiB">Whether <c>kB</c> follows the number.</param>
public sealed record MeminfoLine(string Name, ulong Value, bool InKiB);

/// <summary>What /proc/meminfo says, in its order.</summary>
/// <remarks>Source: fs/proc/meminfo.c, meminfo_proc_show(), 2.6.28 and later; the same lines without seq_file before.</remarks>
public sealed class MeminfoReport
{
    private readonly Dictionary<string, MeminfoLine> _byName;

    /// <summary>Makes a report; of two lines with one name the first counts.</summary>
    public MeminfoReport(IEnumerable<MeminfoLine> lines)
    {
        Lines = [.. lines];
        _byName = new Dictionary<string, MeminfoLine>(Lines.Length, StringComparer.Ordinal);
        foreach (MeminfoLine line in Lines)
        {
            _byName.TryAdd(line.Name, line);
        }
    }

    /// <summary>The lines in order.</summary>
    public ImmutableArray<MeminfoLine> Lines { get; }

    /// <summary>The number behind a label as printed (KiB for most); null when the kernel has no such line.</summary>
    public ulong? Value(string name) => _byName.TryGetValue(name, out MeminfoLine? line) ? line.Value : null;

    /// <summary>Size of the vmalloc window in KiB, rounded down.</summary>
    public ulong? VmallocTotalKiB => Value("VmallocTotal");

    /// <summary>See <see cref="Kernels.VmallocUsedMeaning"/> for what this counts in which kernel.</summary>
    public ulong? VmallocUsedKiB => Value("VmallocUsed");

    /// <summary>See <see cref="Kernels.VmallocChunkMeaning"/> for what this counts in which kernel.</summary>
    public ulong? VmallocChunkKiB => Value("VmallocChunk");

    /// <summary>Pages in the buddy allocator's hands at boot, in KiB.</summary>
    public ulong? MemTotalKiB => Value("MemTotal");

    /// <summary>Free pages in KiB.</summary>
    public ulong? MemFreeKiB => Value("MemFree");

    /// <summary>Highmem in KiB; null on kernels without highmem.</summary>
    public ulong? HighTotalKiB => Value("HighTotal");

    /// <summary>Everything but highmem in KiB; null on kernels without highmem.</summary>
    public ulong? LowTotalKiB => Value("LowTotal");

    /// <summary>Memory of all per-CPU chunks in KiB (4.20 and later).</summary>
    public ulong? PercpuKiB => Value("Percpu");
}
