using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Tests.Physical;

/// <summary>
/// Goal: the page allocator never hands a frame out twice, loses none, and serves zones in the kernel's order.
/// Method: seeded sequences against a plain set of owned frames, and hand-made machines for each rule.
/// </summary>
public class PageAllocatorTests
{
    private static readonly PhysicalFacts Modern = PhysicalTimelines.At(new KernelVersion(6, 1));

    public static TheoryData<string, int> ErasAndSeeds()
    {
        TheoryData<string, int> data = [];
        foreach (string version in new[] { "2.4.22", "2.6.11", "2.6.32", "4.4", "5.9", "5.10", "6.1" })
        {
            for (int seed = 1; seed <= 4; seed++)
            {
                data.Add(version, seed);
            }
        }

        return data;
    }

    [Theory, MemberData(nameof(ErasAndSeeds))]
    public void Frames_are_owned_once_and_all_come_back(string version, int seed)
    {
        Random random = new(seed);
        // A border between zones inside a largest block, as every i386 kernel from 2.6.28 on has it.
        (PageAllocator pages, _) = Boot(PhysicalTimelines.At(KernelVersion.Parse(version)), ramMiB: 64, lowFrames: 0x2bfe, cpus: 2);
        ulong atStart = pages.FreePages;
        Dictionary<ulong, (int Order, ZoneKind Zone)> owned = [];
        HashSet<ulong> frames = [];
        for (int step = 0; step < 3000; step++)
        {
            if (owned.Count > 0 && random.Next(100) < 45)
            {
                ulong first = owned.Keys.ElementAt(random.Next(Math.Min(owned.Count, 8)));
                int order = owned[first].Order;
                owned.Remove(first);
                for (ulong i = 0; i < 1UL << order; i++)
                {
                    Assert.True(frames.Remove(first + i));
                }

                pages.Free(new PageFrameNumber(first), order, random.Next(2));
            }
            else
            {
                int order = random.Next(10) < 6 ? 0 : random.Next(pages.LargestOrder + 1);
                ZoneKind highest = (ZoneKind)new[] { 0, 2, 3 }[random.Next(3)];
                PageAllocation got = pages.Allocate(new PageRequest(order, highest, Cpu: random.Next(2)));
                if (got.First is not { } first)
                {
                    Assert.All(got.Attempts, attempt => Assert.False(attempt.Served));
                    continue;
                }

                Assert.True(got.Zone <= highest);
                Assert.Equal(0UL, first.Value & ((1UL << order) - 1));
                for (ulong i = 0; i < 1UL << order; i++)
                {
                    Assert.True(frames.Add(first.Value + i), $"frame {first.Value + i:x} handed out twice");
                    Assert.Equal(got.Zone, pages.Entry(new PageFrameNumber(first.Value + i)).Zone);
                }

                owned.Add(first.Value, (order, got.Zone!.Value));
            }

            if (step % 100 == 0)
            {
                pages.CheckInvariants();
                Assert.Equal(atStart, pages.FreePages + (ulong)frames.Count);
            }
        }

        foreach ((ulong first, (int order, _)) in owned)
        {
            pages.Free(new PageFrameNumber(first), order);
        }

        pages.DrainCpus();
        pages.CheckInvariants();
        Assert.Equal(atStart, pages.FreePages);
        // Merging is complete: what boot handed over as largest blocks is largest blocks again.
        (PageAllocator fresh, _) = Boot(PhysicalTimelines.At(KernelVersion.Parse(version)), ramMiB: 64, lowFrames: 0x2bfe, cpus: 2);
        for (int order = 0; order <= pages.LargestOrder; order++)
        {
            Assert.Equal(fresh.Zones.Select(zone => zone.FreeBlocks(order)), pages.Zones.Select(zone => zone.FreeBlocks(order)));
        }
    }

    [Fact]
    public void A_highmem_request_falls_back_to_normal_and_then_to_dma()
    {
        (PageAllocator pages, _) = Boot(Modern, ramMiB: 64, lowFrames: 0x2c00, cpus: 1);
        List<ZoneKind> order = [];
        while (pages.Allocate(new PageRequest(4, ZoneKind.HighMem)) is { Zone: { } zone })
        {
            if (order.Count == 0 || order[^1] != zone)
            {
                order.Add(zone);
            }
        }

        Assert.Equal([ZoneKind.HighMem, ZoneKind.Normal, ZoneKind.Dma], order.Distinct());
        PageAllocation refused = pages.Allocate(new PageRequest(4, ZoneKind.HighMem));
        Assert.Null(refused.First);
        Assert.Equal([ZoneKind.HighMem, ZoneKind.Normal, ZoneKind.Dma], refused.Attempts.Select(attempt => attempt.Zone));
    }

    [Fact]
    public void Lowmem_reserve_keeps_dma_from_requests_that_could_live_higher()
    {
        (PageAllocator pages, _) = Boot(Modern, ramMiB: 64, lowFrames: 0x4000, cpus: 1);
        MemoryZone dma = pages.Zones[0];
        MemoryZone normal = pages.Zones[1];
        Assert.Equal([0UL, normal.ManagedPages / 256, normal.ManagedPages / 256], dma.Protection.Take(3));
        while (pages.Allocate(new PageRequest(0, ZoneKind.Normal)).First is not null)
        {
        }

        // A GFP_KERNEL request is refused while one that asked for DMA itself is still served.
        Assert.Equal(dma.Watermarks.Min + dma.Protection[1], dma.FreePages);
        Assert.NotNull(pages.Allocate(new PageRequest(0, ZoneKind.Dma)).First);
        Assert.Null(pages.Allocate(new PageRequest(0, ZoneKind.Normal)).First);
    }

    [Fact]
    public void Fragmented_memory_refuses_a_block_and_says_why()
    {
        (PageAllocator pages, _) = Boot(Modern, ramMiB: 32, lowFrames: 0x2000, cpus: 1);
        List<PageFrameNumber> taken = [];
        while (pages.Allocate(new PageRequest(0, ZoneKind.Normal)).First is { } frame)
        {
            taken.Add(frame);
        }

        foreach (PageFrameNumber frame in taken.Where(frame => frame.Value % 2 == 0))
        {
            pages.Free(frame, 0);
        }

        pages.DrainCpus();
        Assert.True(pages.FreePages > 3000);
        PageAllocation refused = pages.Allocate(new PageRequest(9, ZoneKind.Normal));
        Assert.Null(refused.First);
        Assert.Contains("no block of order 9", refused.Attempts[0].Text(9), StringComparison.Ordinal);
        pages.CheckInvariants();
    }

    /// <summary>The figures are those of a recorded 6.1 boot with 128 MiB: Normal 287/358/429, DMA 45/56/67, HighMem 32/32/32.</summary>
    [Theory]
    [InlineData("2.6.11", 287, 358, 430)]
    [InlineData("4.4", 287, 358, 430)]
    [InlineData("6.1", 287, 358, 429)]
    public void Watermarks_follow_the_rule_of_their_time(string version, ulong min, ulong low, ulong high)
    {
        PhysicalFacts facts = PhysicalTimelines.At(KernelVersion.Parse(version));
        SparseMemory memory = new(PageSize.Size4K, new(128 * Size.MiB));
        BootMemory boot = new(facts, PageSize.Size4K, Ram(128 * Size.MiB), 0x8000);
        PageAllocator pages = boot.Release(memory, [new(ZoneKind.Normal, 0, 24660), new(ZoneKind.HighMem, 24660, 24660)], cpus: 1, minFreeKiB: 287 * 4);
        Assert.Equal(24660UL, pages.Zones[0].ManagedPages);
        Assert.Equal(new Watermarks(min, low, high, Promo: null), pages.Zones[0].Watermarks with { Promo = null });
        Assert.Equal(version == "6.1" ? 287UL + (3 * 71) : null, pages.Zones[0].Watermarks.Promo);
        Assert.Equal(32UL, pages.Zones[1].Watermarks.Min);
    }

    /// <summary>High memory's minimum is clamped; since June 2006 its steps are not: share 287 * 32768 / 24660 = 381.</summary>
    [Theory]
    [InlineData("2.6.11", 32, 40, 48)]
    [InlineData("2.6.24", 32, 32 + (381 / 4), 32 + (381 / 2))]
    public void Steps_of_high_memory_follow_its_share(string version, ulong min, ulong low, ulong high)
    {
        SparseMemory memory = new(PageSize.Size4K, new((24660 + 32768) * 4096UL));
        BootMemory boot = new(PhysicalTimelines.At(KernelVersion.Parse(version)), PageSize.Size4K, Ram((24660 + 32768) * 4096UL), 24660 + 32768);
        PageAllocator pages = boot.Release(memory, [new(ZoneKind.Normal, 0, 24660), new(ZoneKind.HighMem, 24660, 24660 + 32768)], cpus: 1, minFreeKiB: 287 * 4);
        Assert.Equal((24660UL, 32768UL), (pages.Zones[0].ManagedPages, pages.Zones[1].ManagedPages));
        Assert.Equal(new Watermarks(min, low, high, Promo: null), pages.Zones[1].Watermarks);
    }

    [Theory]
    [InlineData("5.9", true)]
    [InlineData("5.10", false)]
    public void Boot_hands_out_the_highest_block_first_until_5_9(string version, bool highest)
    {
        (PageAllocator pages, _) = Boot(PhysicalTimelines.At(KernelVersion.Parse(version)), ramMiB: 64, lowFrames: 0x4000, cpus: 1);
        ulong first = pages.Allocate(new PageRequest(10, ZoneKind.Normal)).First!.Value.Value;
        Assert.Equal(highest ? 0x3c00UL : 0x1000UL, first);
    }

    [Fact]
    public void A_machine_of_64_GiB_costs_only_what_it_touches()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        (PageAllocator pages, SparseMemory memory) = Boot(Modern, ramMiB: 65536, lowFrames: 65536UL * 256, cpus: 4);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 4_000_000);
        memory.Write(new PhysicalAddress((64 * Size.GiB) - 2), [1, 2]);
        Assert.Equal(1, memory.MaterializedFrames);
        Assert.Equal(65536UL * 256, pages.FreePages);
        pages.CheckInvariants();
    }

    [Fact]
    public void Memory_reads_zero_until_written_and_crosses_frames()
    {
        SparseMemory memory = new(PageSize.Size4K, new(1 * Size.MiB));
        byte[] bytes = new byte[8];
        Assert.True(memory.TryRead(new PhysicalAddress(0xffc), bytes));
        Assert.Equal(new byte[8], bytes);
        memory.Write(new PhysicalAddress(0xffc), [1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.True(memory.TryReadWord(new PhysicalAddress(0xffe), 4, out ulong word));
        Assert.Equal(0x06050403UL, word);
        memory.Clear(new PageFrameNumber(0));
        Assert.True(memory.TryReadWord(new PhysicalAddress(0xffc), 8, out word));
        Assert.Equal(0x0807060500000000UL, word);
        // A device beyond RAM remembers; past the processor's addresses there is nothing.
        memory.WriteWord(new PhysicalAddress(0xfee00000), 4, 0xdeadbeef);
        Assert.True(memory.TryReadWord(new PhysicalAddress(0xfee00000), 4, out word));
        Assert.Equal(0xdeadbeefUL, word);
        Assert.False(memory.TryRead(new PhysicalAddress(1UL << 52), bytes));
    }

    private static (PageAllocator Pages, SparseMemory Memory) Boot(PhysicalFacts facts, ulong ramMiB, ulong lowFrames, int cpus)
    {
        ulong end = ramMiB * Size.MiB;
        SparseMemory memory = new(PageSize.Size4K, new(end));
        BootMemory boot = new(facts, PageSize.Size4K, Ram(end), end >> 12);
        ImmutableArray<ZoneSpan> spans =
        [
            new(ZoneKind.Dma, 0, 0x1000),
            new(ZoneKind.Normal, 0x1000, lowFrames),
            new(ZoneKind.HighMem, lowFrames, end >> 12),
        ];
        return (boot.Release(memory, spans, cpus), memory);
    }

    private static MemoryMap Ram(ulong bytes) => new([new MemoryMapEntry(new PhysicalRange(new(0), bytes), MemoryKind.Usable)]);
}
