using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Layout;

/// <summary>One run of RAM of one NUMA node, as byte addresses.</summary>
/// <param name="Node">NUMA node.</param>
/// <param name="Start">First byte.</param>
/// <param name="EndExclusive">First byte behind it.</param>
internal readonly record struct DramBank(int Node, ulong Start, ulong EndExclusive)
{
    internal ulong SizeBytes => EndExclusive - Start;
}

/// <summary>The RAM a device-tree architecture finds (memblock.memory), before and after its options.</summary>
/// <remarks>
/// Memory that must not be mapped is RAM here: it counts for the first and last address and for what a zone spans.
/// Source: mm/memblock.c; arch/{arm,arm64,riscv}/mm/init.c.
/// </remarks>
internal sealed class DramBanks
{
    /// <summary>More pieces than any real memory map has.</summary>
    private const int LargestCount = 4096;

    private DramBanks(ImmutableArray<DramBank> banks) => Banks = banks;

    /// <summary>The runs, lowest first, without overlaps.</summary>
    internal ImmutableArray<DramBank> Banks { get; }

    /// <summary>The first byte of RAM (memblock_start_of_DRAM).</summary>
    internal ulong Start => Banks[0].Start;

    /// <summary>The first byte behind the last RAM (memblock_end_of_DRAM).</summary>
    internal ulong EndExclusive => Banks[^1].EndExclusive;

    /// <summary>The banks the inputs describe; a bank of the usual size at the usual place where they describe none.</summary>
    internal static DramBanks From(LayoutInputs inputs, LayoutBuilder builder, ulong usualStart, bool unmappedIsRam)
    {
        if (!inputs.NumaRanges.IsEmpty)
        {
            return Normal(inputs.NumaRanges.Select(range => Bank(range.Node, range.Range)));
        }

        if (inputs.Memory is { } map && map.Usable.Any())
        {
            return Normal(map.Entries
                .Where(entry => entry.Kind == MemoryKind.Usable || (unmappedIsRam && entry.Kind == MemoryKind.Reserved))
                .Select(entry => Bank(node: 0, entry.Range)));
        }

        ulong ramBytes = inputs.RamBytes ?? UsualRamBytes;
        if (inputs.RamBytes is null)
        {
            builder.Assume(new Assumption("ram", DerivationText.BytesText(UsualRamBytes), "nobody gave a memory map or an amount"));
        }

        builder.Assume(new Assumption("memory map", $"one bank at 0x{usualStart:x}", "where many boards and the emulated ones put RAM"));
        return Normal([new DramBank(Node: 0, usualStart, usualStart + ramBytes)]);
    }

    private const ulong UsualRamBytes = Size.GiB;

    /// <summary>What lies below an address.</summary>
    internal DramBanks? Below(ulong limit) => Clipped(0, limit);

    /// <summary>What lies from an address on, up to another; null when nothing is left.</summary>
    internal DramBanks? Clipped(ulong from, ulong limit)
    {
        ImmutableArray<DramBank>.Builder kept = ImmutableArray.CreateBuilder<DramBank>(Banks.Length);
        foreach (DramBank bank in Banks)
        {
            ulong start = Math.Max(bank.Start, from);
            ulong end = Math.Min(bank.EndExclusive, limit);
            if (start < end)
            {
                kept.Add(new DramBank(bank.Node, start, end));
            }
        }

        return kept.Count == 0 ? null : new DramBanks(kept.ToImmutable());
    }

    /// <summary>The lowest so many bytes of RAM, as memblock_enforce_memory_limit() leaves them; null for none.</summary>
    internal DramBanks? Lowest(ulong bytes)
    {
        ulong left = bytes;
        foreach (DramBank bank in Banks)
        {
            if (bank.SizeBytes >= left)
            {
                return left == 0 ? Below(bank.Start) : Below(bank.Start + left);
            }

            left -= bank.SizeBytes;
        }

        return this;
    }

    /// <summary>Other banks in place of these.</summary>
    internal static DramBanks Of(IEnumerable<DramBank> banks) => Normal(banks);

    /// <summary>Adds the zones of every node: the part of each node's span that lies in each zone.</summary>
    /// <param name="builder">Where they go.</param>
    /// <param name="zones">Name and exclusive upper frame of each zone, lowest first.</param>
    /// <param name="pageShift">log2 of the page size.</param>
    /// <remarks>
    /// A zone's highest frame is never below its lowest, so an upper end under the zone before it makes it empty.
    /// Source: mm/page_alloc.c (mm/mm_init.c from 6.4), free_area_init() and zone_spanned_pages_in_node().
    /// </remarks>
    internal void AddZones(LayoutBuilder builder, ReadOnlySpan<(string Name, ulong EndPfn)> zones, int pageShift)
    {
        int node = -1;
        foreach (DramBank bank in Banks.OrderBy(bank => bank.Node))
        {
            if (bank.Node != node)
            {
                node = bank.Node;
                AddNode(builder, zones, pageShift, node);
            }
        }
    }

    private void AddNode(LayoutBuilder builder, ReadOnlySpan<(string Name, ulong EndPfn)> zones, int pageShift, int node)
    {
        ulong nodeStart = ulong.MaxValue;
        ulong nodeEnd = 0;
        foreach (DramBank bank in Banks)
        {
            if (bank.Node == node)
            {
                nodeStart = Math.Min(nodeStart, FirstFrame(bank, pageShift));
                nodeEnd = Math.Max(nodeEnd, bank.EndExclusive >> pageShift);
            }
        }

        ulong zoneStart = FirstFrame(Banks[0], pageShift);
        foreach ((string name, ulong endPfn) in zones)
        {
            ulong zoneEnd = Math.Max(endPfn, zoneStart);
            ulong start = Math.Clamp(nodeStart, zoneStart, zoneEnd);
            ulong end = Math.Clamp(nodeEnd, zoneStart, zoneEnd);
            builder.Zone(end > start
                ? new Zone(name, node, start, end - start, Present(node, start, end, pageShift))
                : new Zone(name, node, StartPfn: 0, SpannedPages: 0, PresentPages: 0));
            zoneStart = zoneEnd;
        }
    }

    private ulong Present(int node, ulong start, ulong end, int pageShift)
    {
        ulong pages = 0;
        foreach (DramBank bank in Banks)
        {
            ulong first = Math.Max(FirstFrame(bank, pageShift), start);
            ulong last = Math.Min(bank.EndExclusive >> pageShift, end);
            pages += bank.Node == node && last > first ? last - first : 0;
        }

        return pages;
    }

    private static ulong FirstFrame(DramBank bank, int pageShift) =>
        (bank.Start >> pageShift) + (Align.IsAligned(bank.Start, 1UL << pageShift) ? 0UL : 1UL);

    private static DramBank Bank(int node, PhysicalRange range) =>
        new(node, range.Start.Value, range.Last.Value == ulong.MaxValue ? ulong.MaxValue : range.Last.Value + 1);

    private static DramBanks Normal(IEnumerable<DramBank> banks)
    {
        ImmutableArray<DramBank>.Builder merged = ImmutableArray.CreateBuilder<DramBank>();
        foreach (DramBank bank in banks.Where(bank => bank.SizeBytes > 0).OrderBy(bank => bank.Start).Take(LargestCount))
        {
            if (merged.Count > 0 && bank.Start <= merged[^1].EndExclusive && bank.Node == merged[^1].Node)
            {
                merged[^1] = merged[^1] with { EndExclusive = Math.Max(bank.EndExclusive, merged[^1].EndExclusive) };
            }
            else if (merged.Count == 0 || bank.EndExclusive > merged[^1].EndExclusive)
            {
                ulong start = merged.Count == 0 ? bank.Start : Math.Max(bank.Start, merged[^1].EndExclusive);
                merged.Add(bank with { Start = start });
            }
        }

        return new DramBanks(merged.ToImmutable());
    }
}
