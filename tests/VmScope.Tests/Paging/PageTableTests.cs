using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Tests.Paging;

/// <summary>
/// Goal: what the mapper writes, the walker reads, on every shape of page table. Method: a dictionary of pages is the
/// slow truth; entry values are compared bit for bit with figures worked out by hand.
/// </summary>
public class PageTableTests
{
    public static TheoryData<string, int> GeometriesAndSeeds()
    {
        TheoryData<string, int> data = [];
        foreach (PagingGeometry geometry in PagingGeometries.All)
        {
            for (int seed = 1; seed <= 5; seed++)
            {
                data.Add(geometry.Name, seed);
            }
        }

        return data;
    }

    public static TheoryData<string> Geometries() => [.. PagingGeometries.All.Select(geometry => geometry.Name)];

    [Theory, MemberData(nameof(GeometriesAndSeeds))]
    public void Walker_mapper_and_a_dictionary_of_pages_agree(string name, int seed)
    {
        Tables tables = new(name);
        Random random = new(seed);
        PagingGeometry geometry = tables.Geometry;
        Dictionary<ulong, (PhysicalAddress Page, bool Writable)> truth = [];
        // Addresses spread so that neighbours share tables at every level, and the last page of the space is among them.
        ulong[] bases = geometry.SignExtends
            ? [0xffff_ffff_ffe0_0000, geometry.Address(1UL << (geometry.VirtualBits - 1)).Value, 0x7f00_0000_0000]
            : [0xffe0_0000, 0xc000_0000, 0x0010_0000];
        for (int step = 0; step < 2000; step++)
        {
            ulong at = bases[random.Next(3)] + ((ulong)random.Next(512) << 12);
            VirtualAddress address = new(at);
            if (random.Next(3) == 0)
            {
                int cleared = tables.Mapper.Unmap(tables.Root, new VirtualRange(address, 4096));
                Assert.Equal(truth.Remove(at) ? 1 : 0, cleared);
            }
            else
            {
                PhysicalAddress page = new((ulong)random.Next(1 << 20) << 12);
                bool writable = random.Next(2) == 0;
                Assert.True(tables.Mapper.TryMap(tables.Root, address, page, geometry.Levels.Length - 1,
                    X86Entry.Present | (writable ? X86Entry.Writable : 0)));
                truth[at] = (page, writable);
            }

            ulong probe = bases[random.Next(3)] + (ulong)random.Next(512 << 12);
            WalkEnd end = tables.Walker.Translate(tables.Root, new VirtualAddress(probe), out Translation translation);
            PageWalk walk = tables.Walker.Walk(tables.Root, new VirtualAddress(probe));
            Assert.Equal(end, walk.End);
            if (truth.TryGetValue(probe & ~0xfffUL, out (PhysicalAddress Page, bool Writable) expected))
            {
                Assert.Equal(WalkEnd.Mapped, end);
                Assert.Equal(translation, walk.Translation);
                Assert.Equal(expected.Page.Value | (probe & 0xfff), translation.Of(new VirtualAddress(probe)).Value);
                Assert.Equal(expected.Writable, (translation.Rights & X86Entry.Writable) != 0);
            }
            else
            {
                Assert.Equal(WalkEnd.NotPresent, end);
            }
        }

        List<MappedRun> runs = [.. tables.Walker.Runs(tables.Root)];
        Assert.Equal(truth.Count, runs.Sum(run => (int)(run.Range.SizeBytes >> 12)));
        foreach (MappedRun run in runs)
        {
            for (ulong offset = 0; offset < run.Range.SizeBytes; offset += 4096)
            {
                Assert.Equal(truth[run.Range.Start.Value + offset].Writable, (run.Rights & X86Entry.Writable) != 0);
            }

            Assert.Equal(truth[run.Range.Start.Value].Page, run.First);
        }
    }

    [Theory, MemberData(nameof(Geometries))]
    public void Every_page_size_of_a_geometry_maps_and_splits_no_neighbour(string name)
    {
        Tables tables = new(name);
        PagingGeometry geometry = tables.Geometry;
        for (int level = 0; level < geometry.Levels.Length; level++)
        {
            PagingLevel of = geometry.Levels[level];
            if (!of.Entry.CanBeLeaf)
            {
                continue;
            }

            Assert.Equal(level, geometry.LevelOfPage(of.SpanBytes));
            VirtualAddress at = new(0x4000_0000);
            PhysicalAddress page = new(0x8000_0000);
            Tables fresh = new(name);
            List<EntryWrite> log = [];
            Assert.True(fresh.Mapper.TryMap(fresh.Root, at, page, level, X86Entry.Present | X86Entry.Writable, log));
            Assert.Equal(level + 1, log.Count);
            Assert.Equal(of.Name, log[^1].LevelName);
            VirtualAddress last = new(at.Value + of.SpanBytes - 1);
            Assert.Equal(WalkEnd.Mapped, fresh.Walker.Translate(fresh.Root, last, out Translation translation));
            Assert.Equal(page.Value + of.SpanBytes - 1, translation.Of(last).Value);
            Assert.Equal(WalkEnd.NotPresent, fresh.Walker.Translate(fresh.Root, new VirtualAddress(last.Value + 1), out _));
            Assert.Equal(WalkEnd.NotPresent, fresh.Walker.Translate(fresh.Root, new VirtualAddress(at.Value - 1), out _));
            MappedRun run = Assert.Single(fresh.Walker.Runs(fresh.Root));
            Assert.Equal((of.SpanBytes, of.Name), (run.Range.SizeBytes, run.LevelName));
        }
    }

    /// <summary>2.4's first directory entry for the kernel (768) with PSE: 0x0e3, and _KERNPG_TABLE 0x063.</summary>
    [Fact]
    public void Entries_stand_in_memory_as_the_hardware_wants_them()
    {
        Tables two = new(PagingGeometries.I386.Name);
        two.Mapper.TryMap(two.Root, new(0xc0000000), new(0), 0, 0x063);
        two.Mapper.TryMap(two.Root, new(0xf8800000), new(0x2345000), 1, 0x063);
        Assert.Equal(0x000000e3UL, two.Word(two.Root.Value + (768 * 4), 4));
        ulong directory = two.Word(two.Root.Value + (0x3e2 * 4), 4);
        Assert.Equal(0x063UL, directory & 0xfff);
        Assert.Equal(0x02345063UL, two.Word(directory & ~0xfffUL, 4));

        Tables pae = new(PagingGeometries.I386Pae.Name);
        pae.Mapper.TryMap(pae.Root, new(0xc0000000), new(0x1_2340_0000), 1, 0x8000_0000_0000_0163);
        ulong root = pae.Word(pae.Root.Value + (3 * 8), 8);
        Assert.Equal(1UL, root & 0xfff);
        Assert.Equal(0x8000_0001_2340_01e3UL, pae.Word(root & ~0xfffUL, 8));

        Tables four = new(PagingGeometries.X64.Name);
        four.Mapper.TryMap(four.Root, new(0xffff_8880_4000_0000), new(0x4000_0000), 1, 0x8000_0000_0000_0163);
        ulong pgd = four.Word(four.Root.Value + (273 * 8), 8);
        Assert.Equal(0x063UL, pgd & 0xfff);
        Assert.Equal(0x8000_0000_4000_01e3UL, four.Word((pgd & ~0xfffUL) + 8, 8));
    }

    [Fact]
    public void A_4_MiB_page_holds_forty_address_bits()
    {
        EntryFormat format = EntryFormats.I386Directory;
        ulong entry = format.Leaf(new(0xab_1240_0000), 0x063);
        Assert.Equal(0x12400000UL | (0xabUL << 13) | 0x0e3, entry);
        Assert.Equal(0xab_1240_0000UL, format.PageAddress(entry).Value);
        Assert.Throws<ArgumentException>(() => format.Leaf(new(0x1ab_1240_0000), 0x063));
        Assert.Throws<ArgumentException>(() => EntryFormats.I386Page.Leaf(new(0x1_0000_0000), 0x063));
    }

    [Fact]
    public void Bits_are_named_by_what_they_mean_at_their_level()
    {
        Assert.Equal(["P", "RW", "A", "D", "PSE"], EntryFormats.I386Directory.Names(0x000000e3));
        Assert.Equal(["P", "RW", "A"], EntryFormats.I386Directory.Names(0x00345063));
        Assert.Equal(["P", "RW", "A", "D", "G", "PAT"], EntryFormats.I386Page.Names(0x1e3));
        Assert.Equal(["P", "PWT", "PCD"], EntryFormats.PaeRoot.Names(0x19 | 2));
        Assert.Equal(["P", "A", "D", "G", "NX"], EntryFormats.Page.Names(0x8000000000000161));
    }

    [Fact]
    public void Addresses_between_the_halves_are_refused_without_a_walk()
    {
        Tables four = new(PagingGeometries.X64.Name);
        PageWalk walk = four.Walker.Walk(four.Root, new(0x0000_8000_0000_0000));
        Assert.Equal((WalkEnd.NotCanonical, 0), (walk.End, walk.Steps.Length));
        Assert.Equal(WalkEnd.NotPresent, four.Walker.Walk(four.Root, new(0x0000_7fff_ffff_f000)).End);
        Tables five = new(PagingGeometries.X64FiveLevel.Name);
        Assert.Equal(WalkEnd.NotPresent, five.Walker.Walk(five.Root, new(0x0000_8000_0000_0000)).End);
        Assert.Equal(WalkEnd.NotCanonical, five.Walker.Walk(five.Root, new(0x0100_0000_0000_0000)).End);
        Tables two = new(PagingGeometries.I386.Name);
        Assert.Equal(WalkEnd.NotCanonical, two.Walker.Walk(two.Root, new(0x1_0000_0000)).End);
    }

    [Fact]
    public void The_cache_keeps_what_memory_no_longer_says_until_it_is_flushed()
    {
        Tables tables = new(PagingGeometries.X64.Name);
        Mmu mmu = new(tables.Geometry, tables.Memory, tables.Root, hasNoExecute: true);
        VirtualAddress at = new(0xffffc90000000000);
        tables.Mapper.TryMap(tables.Root, at, new(0x5000), 3, 0x163);
        Assert.Null(mmu.Translate(at, AccessKind.Read, out PhysicalAddress physical, out bool fromTlb));
        Assert.Equal((0x5000UL, false), (physical.Value, fromTlb));
        tables.Mapper.Unmap(tables.Root, new VirtualRange(at, 4096));
        Assert.Null(mmu.Translate(at, AccessKind.Read, out _, out fromTlb));
        Assert.True(fromTlb);
        mmu.Load(new PhysicalAddress(0x7000));
        mmu.Load(tables.Root);
        Assert.Null(mmu.Translate(at, AccessKind.Read, out _));
        mmu.Tlb.FlushPage(at);
        PageFault fault = mmu.Translate(at, AccessKind.Write, out _)!;
        Assert.Equal((FaultKind.NotPresent, 2U), (fault.Kind, fault.ErrorCode));
        Assert.Equal((1UL, 2UL), (mmu.Tlb.Counts.PageFlushes, mmu.Tlb.Counts.SwitchFlushes));
    }

    [Fact]
    public void Access_sets_accessed_and_dirty_and_respects_rights()
    {
        Tables tables = new(PagingGeometries.I386Pae.Name);
        Mmu mmu = new(tables.Geometry, tables.Memory, tables.Root, hasNoExecute: true);
        VirtualAddress at = new(0xc0000000);
        tables.Mapper.TryMap(tables.Root, at, new(0x9000), 2, X86Entry.Present | X86Entry.Writable | X86Entry.NoExecute);
        ulong Leaf() => tables.Walker.Walk(tables.Root, at).Steps[^1].Entry & 0xfff;
        Assert.Equal(0x3UL, Leaf());
        Assert.Null(mmu.Translate(at, AccessKind.Read, out _));
        Assert.Equal(0x23UL, Leaf());
        Assert.Null(mmu.Translate(at, AccessKind.Write, out _));
        Assert.Equal(0x63UL, Leaf());
        PageFault fetch = mmu.Translate(at, AccessKind.Fetch, out _)!;
        Assert.Equal((FaultKind.Protection, 0x11U), (fetch.Kind, fetch.ErrorCode));

        tables.Mapper.TryMap(tables.Root, new(0xc0001000), new(0xa000), 2, X86Entry.Present);
        PageFault write = mmu.Translate(new(0xc0001004), AccessKind.Write, out _)!;
        Assert.Equal((FaultKind.Protection, 3U, 0xc0001004UL), (write.Kind, write.ErrorCode, write.Address.Value));
    }

    /// <summary>The processor tells fetches from reads only where it may forbid them (Intel SDM volume 3, "Page-Fault Exceptions").</summary>
    [Theory]
    [InlineData(false, 0x00)]
    [InlineData(true, 0x10)]
    public void The_error_code_tells_a_fetch_only_with_the_no_execute_bit(bool hasNoExecute, uint code)
    {
        Tables tables = new(PagingGeometries.I386.Name);
        Mmu mmu = new(tables.Geometry, tables.Memory, tables.Root, hasNoExecute);
        Assert.Equal(code, mmu.Translate(new(0xf8800000), AccessKind.Fetch, out _)!.ErrorCode);
    }

    [Theory, MemberData(nameof(GeometriesAndSeeds))]
    public void With_flushes_the_cached_view_equals_the_walked_one(string name, int seed)
    {
        Tables tables = new(name);
        Random random = new(seed);
        Mmu mmu = new(tables.Geometry, tables.Memory, tables.Root, hasNoExecute: true);
        for (int step = 0; step < 3000; step++)
        {
            VirtualAddress at = new(0xc0000000 + ((ulong)random.Next(200) << 12));
            switch (random.Next(4))
            {
                case 0:
                    tables.Mapper.TryMap(tables.Root, at, new((ulong)random.Next(1 << 18) << 12), tables.Geometry.Levels.Length - 1, 0x063);
                    mmu.Tlb.FlushPage(at);
                    break;
                case 1:
                    VirtualRange range = new(at, 4096UL << random.Next(4));
                    tables.Mapper.Unmap(tables.Root, range);
                    mmu.Tlb.FlushRange(range);
                    break;
                default:
                    WalkEnd end = tables.Walker.Translate(tables.Root, at, out Translation translation);
                    PageFault? fault = mmu.Translate(at, AccessKind.Read, out PhysicalAddress physical);
                    Assert.Equal(end == WalkEnd.Mapped, fault is null);
                    Assert.Equal(end == WalkEnd.Mapped ? translation.Of(at) : default, physical);
                    break;
            }
        }

        Assert.True(mmu.Tlb.Counts.Hits > 50);
    }

    private sealed class Tables
    {
        private ulong _next = 0x100;

        internal Tables(string name)
        {
            Geometry = PagingGeometries.All.Single(geometry => geometry.Name == name);
            Memory = new SparseMemory(PageSize.Size4K, new(8 * Size.MiB));
            Mapper = new PageTableMapper(Geometry, Memory, _ => new PageFrameNumber(_next++));
            Walker = new PageTableWalker(Geometry, Memory);
        }

        internal PagingGeometry Geometry { get; }

        internal SparseMemory Memory { get; }

        internal PageTableMapper Mapper { get; }

        internal PageTableWalker Walker { get; }

        internal PhysicalAddress Root { get; } = new(0x1000);

        internal ulong Word(ulong at, int bytes) =>
            Memory.TryReadWord(new(at), bytes, out ulong word) ? word : throw new InvalidOperationException();
    }
}
