using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc;

/// <summary>
/// Goal: every era's placer answers as the rule it was read from, also where structures are skipped through.
/// Method: long seeded sequences of requests, frees and purges against a plain scan over a sorted list that follows the
/// rule word by word; fences tested apart.
/// </summary>
public class PlacementEraTests
{
    private const ulong Start = 0xf8000000;
    private const ulong End = 0xfa000000;
    private const ulong Page = 4096;

    public static TheoryData<string, int> Cases()
    {
        TheoryData<string, int> cases = [];
        foreach (string version in (string[])["2.4.22", "2.6.18", "2.6.32", "2.6.39.4", "3.0.1", "4.4", "5.0", "5.17"])
        {
            for (int seed = 1; seed <= 6; seed++)
            {
                cases.Add(version, seed);
            }
        }

        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_placer_agrees_with_the_rule_written_out(string version, int seed)
    {
        VmallocFacts facts = VmallocTimelines.At(KernelVersion.Parse(version));
        Random random = new(seed);
        VmallocSpace space = new(new VmallocSetup { Facts = facts, WindowStart = Start, WindowEnd = End, Is64Bit = false });
        RuleByScan rule = new(facts);
        List<ulong> live = [];
        for (int step = 0; step < 4000; step++)
        {
            int choice = random.Next(100);
            if (choice < 56 || live.Count == 0)
            {
                AreaRequest request = new(
                    SizeBytes: (ulong)random.Next(1, random.Next(12) == 0 ? 300 : 10) * Page,
                    AlignBytes: random.Next(4) == 0 ? 1UL << random.Next(12, 17) : 1,
                    WindowStart: random.Next(5) == 0 ? Start + ((ulong)random.Next(2000) * Page) : Start,
                    WindowEnd: random.Next(9) == 0 ? End - ((ulong)random.Next(2000) * Page) : End);
                bool expected = rule.TryPlace(request, out ulong wanted);
                bool placed = space.TryPlace(request, out ulong address);
                Assert.True((expected, expected ? wanted : 0) == (placed, placed ? address : 0),
                    $"step {step}: {request}: 0x{address:x} ({placed}), by the rule 0x{wanted:x} ({expected})");
                if (placed)
                {
                    live.Add(address);
                }
            }
            else if (choice < 98)
            {
                int at = random.Next(live.Count);
                Assert.True(space.TryFree(live[at], out _));
                rule.Free(live[at]);
                live[at] = live[^1];
                live.RemoveAt(live.Count - 1);
            }
            else if (facts.PurgeOrder != PurgeOrder.None)
            {
                space.Purge(PurgeKind.Normal);
                rule.Purge();
            }
        }

        Assert.True(live.Count > 100, $"{live.Count} areas at the end: too few to mean anything");
    }

    [Fact]
    public void An_empty_list_never_sees_the_end_of_its_window_in_2_6()
    {
        // Quirk: the end is compared only behind an area that was passed.
        VmallocSpace space = new(new VmallocSetup
        {
            Facts = VmallocTimelines.At(new KernelVersion(2, 6, 18)),
            WindowStart = Start,
            WindowEnd = Start + Page,
            Is64Bit = false,
        });
        Assert.True(space.TryPlace(new AreaRequest(16 * Page, 1, Start, Start + Page), out ulong address));
        Assert.Equal(Start, address);
    }

    [Fact]
    public void An_area_that_ends_at_the_top_is_refused_from_3_14_on()
    {
        foreach ((KernelVersion version, bool fits) in new[] { (new KernelVersion(3, 10), true), (new KernelVersion(3, 14), false) })
        {
            VmallocSpace space = new(new VmallocSetup
            {
                Facts = VmallocTimelines.At(version),
                WindowStart = 0xfffff000,
                WindowEnd = 0x100000000,
                Is64Bit = false,
            });
            Assert.Equal(fits, space.TryPlace(new AreaRequest(Page, 1, 0xfffff000, 0x100000000), out _));
        }
    }

    [Theory]
    [InlineData(1, 8192)]
    [InlineData(2, 16384)]
    [InlineData(3, 16384)]
    [InlineData(4, 24576)]
    [InlineData(8, 32768)]
    public void The_threshold_grows_with_the_logarithm_of_the_processors(int cpus, int pages)
    {
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(new KernelVersion(6, 1)),
            WindowStart = Start,
            WindowEnd = End,
            Is64Bit = false,
            OnlineCpus = cpus,
        };
        Assert.Equal((ulong)pages, setup.LazyPagesMax);
    }

    [Theory]
    [InlineData("4.4", 4096, 8192)]
    [InlineData("4.9", 4096, 4096)]
    [InlineData("4.4", 16777216, 524288)]
    [InlineData("2.4.22", 4096, 1)]
    [InlineData("6.1", 12288, 16384)]
    public void Ioremap_aligns_by_its_era(string version, int bytes, int align) =>
        Assert.Equal((ulong)align, AreaSizing.IoremapAlignBytes(
            VmallocTimelines.At(KernelVersion.Parse(version)), (ulong)bytes, Page, maxOrder: 19));

    [Theory]
    [InlineData("6.1", true, 64, 1024)]
    [InlineData("6.1", true, 8192, 256)]
    [InlineData("6.1", false, 32, 64)]
    [InlineData("6.1", false, 8, 256)]
    [InlineData("3.0", false, 24, 85)]
    [InlineData("3.2", false, 24, 64)]
    public void Blocks_of_vm_map_ram_have_the_kernels_size(string version, bool is64Bit, int cpus, int pages) =>
        Assert.Equal(pages, AreaSizing.VmapBlockPages(VmallocTimelines.At(KernelVersion.Parse(version)), is64Bit, Page, cpus));

    [Theory]
    [InlineData("5.10", 4194304, false)]
    [InlineData("6.1", 4194304, true)]
    [InlineData("6.1", 2097151, false)]
    [InlineData("6.13", 2097152, true)]
    public void Large_requests_become_huge_where_the_kernel_makes_them_so(string version, int bytes, bool isHuge)
    {
        ulong size = (ulong)bytes;
        ulong align = 1;
        Assert.Equal(isHuge, AreaSizing.TryMakeHuge(
            VmallocTimelines.At(KernelVersion.Parse(version)), ref size, ref align, 2 * Size.MiB, callerAllows: true, onlineNodes: 1));
        Assert.Equal(isHuge ? 2 * Size.MiB : 1, align);
    }

    [Fact]
    public void Groups_of_a_chunk_keep_their_distances_and_the_highest_base_is_taken()
    {
        VmallocSpace space = new(new VmallocSetup
        {
            Facts = VmallocTimelines.At(new KernelVersion(6, 6)),
            WindowStart = Start,
            WindowEnd = End,
            Is64Bit = false,
        });
        Assert.True(space.TryAddKnown(End - (6 * Page), End - (5 * Page)));
        PercpuGroup[] groups = [new(0, 2 * Page), new(8 * Page, 2 * Page)];
        Assert.True(space.TryPlacePercpu(groups, Page, out ulong first));
        ulong highest = 0;
        for (ulong candidate = End - (10 * Page); highest == 0; candidate -= Page)
        {
            bool free = Array.TrueForAll(groups, group =>
                candidate + group.OffsetBytes + group.SizeBytes <= End - (6 * Page) || candidate + group.OffsetBytes >= End - (5 * Page));
            highest = free ? candidate : 0;
        }

        Assert.Equal(highest, first);
        Assert.True(space.TryPlacePercpu(groups, Page, out ulong second));
        Assert.NotEqual(first, second);
        Assert.True(space.TryGetBusy(second + (8 * Page), out _));
    }

    /// <summary>The rules of the eras without a shape, each written out over a plain sorted list.</summary>
    private sealed class RuleByScan(VmallocFacts facts)
    {
        private readonly List<(ulong Start, ulong End)> _areas = [];
        private readonly List<ulong> _waiting = [];
        private (ulong Start, ulong End)? _remembered;
        private ulong _hole;
        private ulong _lastWindow;
        private ulong _lastAlign;

        internal bool TryPlace(AreaRequest request, out ulong address)
        {
            bool found = facts.Era switch
            {
                PlacementEra.SortedList => ByOldList(request, out address),
                PlacementEra.AlignedSortedList => ByList(request, out address),
                PlacementEra.FreeTree => LowestHole(request, out address),
                _ => ByBusyAreas(request, out address),
            };
            if (found)
            {
                _areas.Add((address, address + request.SizeBytes));
                _areas.Sort();
                _remembered = (address, address + request.SizeBytes);
            }

            return found;
        }

        internal void Free(ulong start)
        {
            if (facts.PurgeOrder == PurgeOrder.None)
            {
                _areas.RemoveAll(area => area.Start == start);
            }
            else
            {
                _waiting.Add(start);
            }
        }

        internal void Purge()
        {
            foreach (ulong start in facts.PurgeOrder == PurgeOrder.Ascending ? _waiting.Order() : Enumerable.Reverse(_waiting))
            {
                int at = _areas.FindIndex(area => area.Start == start);
                if (_remembered is { } remembered)
                {
                    if (_areas[at].End < _lastWindow)
                    {
                        _remembered = null;
                    }
                    else if (start <= remembered.Start)
                    {
                        _remembered = at == 0 ? null : _areas[at - 1];
                    }
                }

                _areas.RemoveAt(at);
            }

            _waiting.Clear();
        }

        private bool ByOldList(AreaRequest request, out ulong address)
        {
            address = request.WindowStart;
            foreach ((ulong start, ulong end) in _areas)
            {
                if (address + request.SizeBytes <= start)
                {
                    break;
                }

                address = Math.Max(address, end);
                if (address > request.WindowEnd - request.SizeBytes)
                {
                    return false;
                }
            }

            return true;
        }

        private bool ByList(AreaRequest request, out ulong address)
        {
            address = Align.Up(request.WindowStart, request.AlignBytes);
            foreach ((ulong start, ulong end) in _areas)
            {
                if (start < address)
                {
                    address = end >= address ? Align.Up(end, request.AlignBytes) : address;
                    continue;
                }

                if (address + request.SizeBytes <= start)
                {
                    break;
                }

                address = Align.Up(end, request.AlignBytes);
                if (address > request.WindowEnd - request.SizeBytes)
                {
                    return false;
                }
            }

            return true;
        }

        private bool LowestHole(AreaRequest request, out ulong address)
        {
            address = Align.Up(request.WindowStart, request.AlignBytes);
            foreach ((ulong start, ulong end) in _areas)
            {
                if (end > address && address + request.SizeBytes > start)
                {
                    address = Align.Up(end, request.AlignBytes);
                }
            }

            return address + request.SizeBytes <= request.WindowEnd;
        }

        private bool ByBusyAreas(AreaRequest request, out ulong address)
        {
            bool hinted = facts.Era != PlacementEra.BusyAreas;
            ulong gap = facts.Era == PlacementEra.HintedBusyAreas ? 0 : Page;
            if (_remembered is null || request.SizeBytes < _hole || request.WindowStart < _lastWindow || request.AlignBytes < _lastAlign)
            {
                (_hole, _remembered) = (0, null);
            }

            (_lastWindow, _lastAlign) = (request.WindowStart, request.AlignBytes);
            _remembered = hinted ? _remembered : null;
            int at = -1;
            address = 0;
            if (_remembered is { } remembered)
            {
                address = Align.Up(remembered.End + gap, request.AlignBytes);
                at = _areas.IndexOf(remembered);
                if (address < request.WindowStart)
                {
                    (_hole, _remembered, at) = (0, null, -1);
                }
            }

            if (at < 0)
            {
                address = Align.Up(request.WindowStart, request.AlignBytes);
                ulong from = address;
                at = _areas.FindIndex(area => area.End >= from);
                at = at < 0 ? _areas.Count : at;
            }

            for (; at < _areas.Count && address + request.SizeBytes <= request.WindowEnd; at++)
            {
                ulong start = _areas[at].Start;
                ulong end = address + request.SizeBytes;
                if (facts.Era == PlacementEra.HintedBusyAreasWithGap ? end < start : end <= start)
                {
                    break;
                }

                _hole = hinted && address + _hole < start ? start - address : _hole;
                address = Align.Up(_areas[at].End + gap, request.AlignBytes);
            }

            return address + request.SizeBytes <= request.WindowEnd;
        }
    }
}
