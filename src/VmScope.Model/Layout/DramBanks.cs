using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Layout;

/// <summary>One run of RAM, as byte addresses.</summary>
/// <param name="Start">First byte.</param>
/// <param name="EndExclusive">First byte behind it.</param>
internal readonly record struct DramBank(ulong Start, ulong EndExclusive)
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
        if (inputs.Memory is { } map && map.Usable.Any())
        {
            return Normal(map.Entries
                .Where(entry => entry.Kind == MemoryKind.Usable || (unmappedIsRam && entry.Kind == MemoryKind.Reserved))
                .Select(entry => Bank(entry.Range)));
        }

        if (!inputs.NumaRanges.IsDefaultOrEmpty)
        {
            return Normal(inputs.NumaRanges.Select(range => Bank(range.Range)));
        }

        ulong ramBytes = inputs.RamBytes ?? UsualRamBytes;
        if (inputs.RamBytes is null)
        {
            builder.Assume(new Assumption("ram", DerivationText.BytesText(UsualRamBytes), "nobody gave a memory map or an amount"));
        }

        builder.Assume(new Assumption("memory map", $"one bank at 0x{usualStart:x}", "where many boards and the emulated ones put RAM"));
        return Normal([new DramBank(usualStart, usualStart + ramBytes)]);
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
                kept.Add(new DramBank(start, end));
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

    /// <summary>The same runs as whole page frames.</summary>
    internal List<FrameRun> Frames(int pageShift)
    {
        List<FrameRun> runs = new(Banks.Length);
        foreach (DramBank bank in Banks)
        {
            ulong start = FirstFrame(bank, pageShift);
            ulong end = bank.EndExclusive >> pageShift;
            if (end > start)
            {
                runs.Add(new FrameRun(start, end));
            }
        }

        return runs;
    }

    private static ulong FirstFrame(DramBank bank, int pageShift) =>
        (bank.Start >> pageShift) + (Align.IsAligned(bank.Start, 1UL << pageShift) ? 0UL : 1UL);

    private static DramBank Bank(PhysicalRange range) =>
        new(range.Start.Value, range.Last.Value == ulong.MaxValue ? ulong.MaxValue : range.Last.Value + 1);

    private static DramBanks Normal(IEnumerable<DramBank> banks)
    {
        ImmutableArray<DramBank>.Builder merged = ImmutableArray.CreateBuilder<DramBank>();
        foreach (DramBank bank in banks.Where(bank => bank.SizeBytes > 0).OrderBy(bank => bank.Start).Take(LargestCount))
        {
            if (merged.Count > 0 && bank.Start <= merged[^1].EndExclusive)
            {
                merged[^1] = merged[^1] with { EndExclusive = Math.Max(bank.EndExclusive, merged[^1].EndExclusive) };
            }
            else
            {
                merged.Add(bank);
            }
        }

        return new DramBanks(merged.ToImmutable());
    }
}
