using System.Collections.Immutable;
using VmScope.Analysis;
using VmScope.Vmalloc;

namespace VmScope.Tests.Analysis;

public class SnapshotDiffTests
{
    private const string Bpf = "bpf_jit_alloc_exec+0xe/0x10 pages=1 vmalloc";
    private static readonly DateTimeOffset Noon = new(2024, 2, 29, 12, 0, 0, TimeSpan.Zero);

    private static AreaLists Base() => new AreaLists(is64Bit: true)
        .AddMany(40, 0xffffc90000000000, 0x5000, 0x8000, "dup_task_struct+0x50/0x1c0 pages=4 vmalloc N0=4")
        .AddMany(6, 0xffffc90000200000, 0x2000, 0x3000, "acpi_os_map_iomem+0x10/0x20 phys=0x00000000fed00000 ioremap")
        .AddMany(10, 0xffffc90000300000, 0x6000, 0x7000, "disksize_store+0x10/0x20 [zram] pages=5 vmalloc")
        .AddMany(5, 0xffffffffc0000000, 0x2000, 0x2000, Bpf);

    [Fact]
    public void The_same_list_twice_has_no_change_and_no_suspect()
    {
        DiffReport diff = Compare(Base().Report(), Base().Report());
        Assert.Empty(diff.Appeared);
        Assert.Empty(diff.Vanished);
        Assert.Empty(diff.Suspects);
        Assert.All(diff.ByOwner, group => Assert.Equal((0L, 0L, 0L), (group.AreasMore, group.Appeared, group.Vanished)));
    }

    [Fact]
    public void Bpf_programs_that_leak_between_two_snapshots_are_the_first_suspect_with_growth_per_hour()
    {
        AreaLists later = Base().AddMany(96, 0xffffffffc0100000, 0x2000, 0x2000, Bpf).AddMany(3, 0xffffc90000160000, 0x5000, 0x8000, "dup_task_struct+0x50/0x1c0 pages=4 vmalloc N0=4");
        DiffReport diff = SnapshotDiff.Compare(
            [new DiffSnapshot("a", Base().Report()) { Time = Noon }, new DiffSnapshot("b", later.Report()) { Time = Noon.AddMinutes(30) }]);
        LeakSuspect suspect = Assert.Single(diff.Suspects);
        Assert.Equal("bpf_jit_alloc_exec", suspect.Owner);
        Assert.Equal([LeakReason.Growth, LeakReason.EqualSizes, LeakReason.LargeShare], suspect.Kinds);
        Assert.Equal(96, suspect.Group.AreasMore);
        Assert.Equal(2 * 96 * 0x2000, suspect.Group.BytesPerHour);
        Assert.Equal(99, diff.Appeared.Length);
        Assert.Empty(diff.Vanished);
    }

    [Fact]
    public void An_ioremap_leak_is_told_by_the_physical_range_mapped_again()
    {
        AreaLists later = Base().AddMany(7, 0xffffc90001000000, 0x101000, 0x200000, "eeh_driver_probe+0x4/0x8 [nic] phys=0x00000000e0000000 ioremap");
        AreaLists first = Base().Add(0xffffc90001000000, 0x101000, "eeh_driver_probe+0x4/0x8 [nic] phys=0x00000000e0000000 ioremap");
        LeakSuspect suspect = Assert.Single(Compare(first.Report(), later.Report()).Suspects);
        Assert.Equal("eeh_driver_probe [nic]", suspect.Owner);
        Assert.Contains(LeakReason.SamePhysAgain, suspect.Kinds);
        Assert.Contains("0xe0000000", suspect.Reasons[0], StringComparison.Ordinal);
        Assert.Contains("7 times, before 1", suspect.Reasons[0], StringComparison.Ordinal);
    }

    /// <summary>Goal: a range that many drivers map is not called a leak as long as it is mapped as often as before.</summary>
    [Fact]
    public void The_same_physical_range_mapped_as_often_as_before_is_no_suspect() => Assert.Empty(Compare(Base().Report(), Base().Report()).Suspects);

    [Fact]
    public void A_module_that_left_areas_behind_is_named()
    {
        DiffReport diff = SnapshotDiff.Compare(
        [
            new DiffSnapshot("a", Base().Report()) { Modules = ["zram", "nic"] },
            new DiffSnapshot("b", Base().Report()) { Modules = ["nic"] },
        ]);
        LeakSuspect suspect = Assert.Single(diff.Suspects);
        Assert.Equal("disksize_store [zram]", suspect.Owner);
        Assert.Equal([LeakReason.ModuleGone], suspect.Kinds);
    }

    [Fact]
    public void Steady_growth_over_several_snapshots_counts_more_than_one_step()
    {
        VmallocReport[] lists = [.. Enumerable.Range(0, 6).Select(i => Base().AddMany(i * 2, 0xffffc90004000000, 0x3000, 0x4000, "nf_tables_newset+0x1/0x2 [nf_tables] pages=2 vmalloc").Report())];
        LeakSuspect suspect = Assert.Single(SnapshotDiff.Compare([.. lists.Select((list, i) => new DiffSnapshot($"{i}", list))]).Suspects);
        Assert.Equal(LeakReason.MonotonicGrowth, suspect.Kinds[0]);
        Assert.Equal([0, 2, 4, 6, 8, 10], suspect.Group.Areas);
    }

    [Fact]
    public void Areas_that_come_and_go_are_no_suspect()
    {
        VmallocReport first = Base().AddMany(5, 0xffffc90005000000, 0x9000, 0xa000, "netlink_sendmsg+0x1/0x2 pages=8 vmalloc").Report();
        VmallocReport second = Base().AddMany(9, 0xffffc90006000000, 0x9000, 0xa000, "netlink_sendmsg+0x1/0x2 pages=8 vmalloc").Report();
        DiffReport diff = Compare(first, second);
        Assert.Empty(diff.Suspects);
        Assert.Equal((9, 5), (diff.Appeared.Length, diff.Vanished.Length));
    }

    /// <summary>Goal: a hashed pair tells the same as the real pair. Method: the same lists, hashed with one key as within one boot.</summary>
    [Fact]
    public void Hashed_lists_of_one_boot_compare_like_real_ones()
    {
        AreaLists later = Base().RemoveWhere(rest => rest.StartsWith("acpi", StringComparison.Ordinal)).AddMany(12, 0xffffffffc0100000, 0x2000, 0x2000, Bpf);
        DiffReport real = Compare(Base().Report(), later.Report());
        DiffReport hashed = Compare(Base().Report(hashKey: 77), later.Report(hashKey: 77));
        Assert.Equal(DiffMatching.ByAddress, hashed.Matching);
        Assert.False(hashed.Snapshots[0].AddressesAreReal);
        Assert.Equal(real.Appeared.Select(row => row.Line).Order(), hashed.Appeared.Select(row => row.Line).Order());
        Assert.Equal(real.Vanished.Select(row => row.Line).Order(), hashed.Vanished.Select(row => row.Line).Order());
        Assert.Equal(real.Suspects.Select(suspect => suspect.Owner), hashed.Suspects.Select(suspect => suspect.Owner));
    }

    [Fact]
    public void Lists_hashed_in_different_boots_are_matched_by_size_and_owner()
    {
        AreaLists later = Base().AddMany(12, 0xffffffffc0100000, 0x2000, 0x2000, Bpf);
        DiffReport diff = Compare(Base().Report(hashKey: 77), later.Report(hashKey: 78));
        Assert.Equal(DiffMatching.BySizeAndOwner, diff.Matching);
        Assert.NotNull(diff.MatchingReason);
        Assert.Equal(12, diff.Appeared.Length);
        Assert.Empty(diff.Vanished);
        Assert.Equal("bpf_jit_alloc_exec", Assert.Single(diff.Suspects).Owner);
    }

    [Fact]
    public void A_smaller_uptime_means_another_boot()
    {
        DiffReport diff = SnapshotDiff.Compare(
        [
            new DiffSnapshot("a", Base().Report()) { Uptime = TimeSpan.FromHours(5) },
            new DiffSnapshot("b", Base().Report()) { Uptime = TimeSpan.FromHours(1) },
        ]);
        Assert.Equal(DiffMatching.BySizeAndOwner, diff.Matching);
        Assert.Null(diff.Hours);
        Assert.True(diff.AreOfDifferentBoots);
        Assert.Contains("wrong order", diff.MatchingReason, StringComparison.Ordinal);
    }

    /// <summary>Goal: uptimes are subtracted only within one boot. Method: a later boot that ran longer, told by its hashes.</summary>
    [Fact]
    public void Uptimes_of_two_boots_give_no_growth_per_hour()
    {
        DiffReport diff = SnapshotDiff.Compare(
        [
            new DiffSnapshot("a", Base().Report(hashKey: 77)) { Uptime = TimeSpan.FromHours(1) },
            new DiffSnapshot("b", Base().Report(hashKey: 78)) { Uptime = TimeSpan.FromHours(5) },
        ]);
        Assert.True(diff.AreOfDifferentBoots);
        Assert.Null(diff.Hours);
        Assert.Contains("none of the", diff.MatchingReason, StringComparison.Ordinal);
    }

    /// <summary>Goal: another kernel's list is no leak. Method: the same growth with one kernel, with two kernels, and with two word sizes.</summary>
    [Fact]
    public void Growth_between_two_kernels_is_no_suspect()
    {
        VmallocReport later = Base().AddMany(12, 0xffffffffc0100000, 0x2000, 0x2000, Bpf).Report();
        Assert.Single(SnapshotDiff.Compare([new DiffSnapshot("a", Base().Report()) { Kernel = "6.1.0" }, new DiffSnapshot("b", later) { Kernel = "6.1.0" }]).Suspects);
        DiffReport other = SnapshotDiff.Compare([new DiffSnapshot("a", Base().Report()) { Kernel = "6.1.0" }, new DiffSnapshot("b", later) { Kernel = "6.12.0" }]);
        Assert.Empty(other.Suspects);
        Assert.Equal("a is of kernel 6.1.0 and b of 6.12.0: different boots", other.MatchingReason);
        DiffReport machines = Compare(Read("0xf8800000-0xf8803000   12288 a+0x1/0x2 pages=2 vmalloc\n"), later);
        Assert.Empty(machines.Suspects);
        Assert.True(machines.AreOfDifferentBoots);
    }

    [Fact]
    public void Hidden_addresses_are_matched_by_size_and_owner()
    {
        string list = "0x00000000-0x00000000    8192 a+0x1/0x2 pages=1 vmalloc\n0x00000000-0x00000000   12288 b+0x1/0x2 pages=2 vmalloc\n";
        DiffReport diff = Compare(Read(list), Read(list + "0x00000000-0x00000000   12288 b+0x1/0x2 pages=2 vmalloc\n"));
        Assert.Equal(DiffMatching.BySizeAndOwner, diff.Matching);
        Assert.Equal(12288u, Assert.Single(diff.Appeared).SizeBytes);
    }

    /// <summary>Goal: what is summed agrees with what is listed. Method: seeded random lists, sums over both.</summary>
    [Theory, InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5)]
    public void Groups_add_up_to_the_lists(int seed)
    {
        Random random = new(seed);
        AreaLists Random(int count)
        {
            AreaLists list = new(is64Bit: seed % 2 == 0);
            for (int i = 0; i < count; i++)
            {
                list.Add(0xf0000000 + ((ulong)random.Next(500) * 0x10000), (ulong)random.Next(2, 16) * 4096, $"f{random.Next(5)}+0x1/0x2 pages=1 vmalloc");
            }

            return list;
        }

        DiffReport diff = Compare(Random(120).Report(), Random(100).Report());
        long appeared = diff.Appeared.Length;
        long vanished = diff.Vanished.Length;
        Assert.Equal(-20, appeared - vanished);
        foreach (ImmutableArray<DiffGroup> groups in new[] { diff.ByOwner, diff.ByKind, diff.ByModule })
        {
            Assert.Equal(120, groups.Sum(group => group.Areas[0]));
            Assert.Equal(100, groups.Sum(group => group.Areas[1]));
            Assert.Equal(appeared, groups.Sum(group => group.Appeared));
            Assert.Equal(vanished, groups.Sum(group => group.Vanished));
            Assert.Equal(diff.Snapshots[1].Bytes, groups.Aggregate(0UL, (sum, group) => sum + group.Bytes[1]));
        }
    }

    private static DiffReport Compare(VmallocReport first, VmallocReport second) =>
        SnapshotDiff.Compare([new DiffSnapshot("a", first), new DiffSnapshot("b", second)]);

    private static VmallocReport Read(string text) =>
        VmScope.Proc.VmallocInfoReader.ReadReport(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)), "list", new VmScope.Proc.DiagnosticList());
}
