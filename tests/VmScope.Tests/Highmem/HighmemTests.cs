using VmScope.Highmem;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Tests.Support;

namespace VmScope.Tests.Highmem;

/// <summary>
/// Goal: kmap, kmap_atomic, kmap_local, fixmap and early_ioremap give the addresses and keep the counts of their era.
/// Method: addresses are worked out by hand from the layout; page tables are read by the walker; CheckInvariants compares
/// counts with entries after each step.
/// </summary>
public class HighmemTests
{
    private static BootedMachine BootWith(string name, string symbol)
    {
        MachineDescription description = Machines.Describe(name, 2 * Size.GiB, cpus: 2);
        return Assert.IsType<BootOutcome.Booted>(BootedMachine.Boot(description with
        {
            Kernel = description.Kernel with { Config = description.Kernel.Config.With(symbol, "y") },
        })).Machine;
    }

    [Theory]
    [InlineData("i386 2.6.27", 1024)]
    [InlineData("pae 2.6.32", 512)]
    [InlineData("i386 6.1", 1024)]
    [InlineData("pae 6.1", 512)]
    public void Slots_are_used_round_robin_and_freed_at_the_wrap(string name, int slots)
    {
        BootedMachine machine = Machines.Boot(name, 2 * Size.GiB, cpus: 2);
        PermanentKmap pkmap = machine.Pkmap!;
        Assert.Equal(slots, pkmap.SlotCount);
        PageFrameNumber first = Page(machine);
        VirtualAddress at = machine.Kmap(first).Address!.Value;
        Assert.Equal(machine.Layout.FindRegion("pkmap")!.Value.Range.Start.Value + 4096, at.Value);
        Assert.True(machine.Kunmap(first).Succeeded);
        Assert.Equal(1, Assert.Single(pkmap.Slots).Count);

        // Revived without a flush, at the same address.
        ulong flushes = Flushes(machine);
        Assert.Equal(at, machine.Kmap(first).Address);
        Assert.Equal(flushes, Flushes(machine));
        machine.Kunmap(first);

        // The window is gone through once; only then does the first page lose its slot.
        for (int i = 2; i < slots; i++)
        {
            PageFrameNumber page = Page(machine);
            Assert.Equal(at.Value + ((ulong)(i - 1) * 4096), machine.Kmap(page).Address!.Value.Value);
            machine.Kunmap(page);
        }

        Assert.Equal(slots - 1, pkmap.Slots.Count());
        PageFrameNumber last = Page(machine);
        Assert.Equal(at.Value - 4096, machine.Kmap(last).Address!.Value.Value);
        Assert.True(Flushes(machine) > flushes);
        Assert.Equal(0, Assert.Single(pkmap.Slots).Slot);
        machine.CheckInvariants();
        Assert.False(machine.Kunmap(first).Succeeded);
    }

    /// <summary>With DEBUG_HIGHMEM there are 41 slots instead of 20, but a CPU's stack still counts its mappings one by one.</summary>
    [Fact]
    public void Fences_between_types_leave_no_holes_in_a_stack()
    {
        BootedMachine machine = BootWith("i386 4.4", "DEBUG_HIGHMEM");
        VirtualAddress[] at = [.. Enumerable.Range(0, 3).Select(_ => machine.KmapNext(Page(machine), cpu: 1).Address!.Value)];
        ulong first = machine.Layout.Fixmap.First(entry => entry.Name == "FIX_KMAP_BEGIN").Address.Value - (41 * 4096);
        Assert.Equal([first, first - 4096, first - 8192], at.Select(address => address.Value));
    }

    /// <summary>With DEBUG_HIGHMEM a type may be used again once it was given back, in every era.</summary>
    [Theory]
    [InlineData("i386 2.6.11")]
    [InlineData("i386 2.6.24")]
    public void A_checked_slot_is_empty_once_it_was_given_back(string name)
    {
        BootedMachine machine = BootWith(name, "DEBUG_HIGHMEM");
        PageFrameNumber page = Page(machine);
        VirtualAddress at = machine.KmapAtomic(page, "user0").Address!.Value;
        Assert.False(machine.KmapAtomic(page, "user0").Succeeded);
        Assert.True(machine.KunmapAtomic("user0").Succeeded);
        Assert.False(machine.Read(at, 1).Succeeded);
        Assert.Equal(at, machine.KmapAtomic(page, "user0").Address);
    }

    [Theory]
    [InlineData("i386 4.4")]
    [InlineData("i386 6.1")]
    public void Giving_back_what_is_no_slot_leaves_the_newest_alone(string name)
    {
        BootedMachine machine = Machines.Boot(name, 2 * Size.GiB);
        VirtualAddress at = machine.KmapNext(Page(machine)).Address!.Value;
        Assert.True(machine.KunmapNext(machine.Layout.Vmalloc.Start).Succeeded);
        Assert.True(machine.Read(at, 1).Succeeded);
        Assert.Equal(name.EndsWith("4.4", StringComparison.Ordinal) ? $"kunmap_atomic({at})" : $"kunmap_local({at})", machine.KunmapNext(at).Operation);
        Assert.False(machine.Read(at, 1).Succeeded);
    }

    [Fact]
    public void Kmap_local_is_a_function_of_its_era()
    {
        BootedMachine old = Machines.Boot("i386 4.4", 2 * Size.GiB);
        Assert.False(old.KmapLocal(Page(old)).Succeeded);
        Assert.False(old.KunmapLocal(default).Succeeded);
        BootedMachine machine = Machines.Boot("i386 6.1", 2 * Size.GiB);
        VirtualAddress at = machine.KmapLocal(Page(machine)).Address!.Value;
        Assert.True(machine.KunmapLocal(at).Succeeded);
    }

    /// <summary>Tables of the firmware are read through early_ioremap: its pages are cached.</summary>
    [Theory]
    [InlineData("i386 2.6.24", 0x163)]
    [InlineData("i386 2.6.32", 0x563)]
    [InlineData("i386 6.1", 0x163)]
    public void Early_ioremap_maps_cached(string name, ulong flags)
    {
        BootedMachine machine = Machines.Boot(name, 1 * Size.GiB);
        VirtualAddress at = machine.EarlyMap(new PhysicalAddress(0x3ff00000), 4096).Address!.Value;
        Assert.Equal(0x3ff00000 | flags, machine.Walk(at).Steps[^1].Entry);
    }

    [Fact]
    public void Low_pages_never_touch_the_window()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 1 * Size.GiB);
        OperationReport page = machine.AllocatePages(new PageRequest(0, ZoneKind.Normal));
        Assert.Equal(page.Address, machine.Kmap(page.Frame!.Value).Address);
        Assert.Equal(page.Address, machine.KmapNext(page.Frame.Value).Address);
        Assert.Empty(machine.Pkmap!.Slots);
        Assert.True(machine.Kunmap(page.Frame.Value).Succeeded);
    }

    [Fact]
    public void All_sleepers_get_their_turn()
    {
        BootedMachine machine = Machines.Boot("pae 2.6.32", 2 * Size.GiB);
        List<PageFrameNumber> pages = [.. Enumerable.Range(0, 515).Select(_ => Page(machine))];
        for (int i = 0; i < 512; i++)
        {
            Assert.True(machine.Kmap(pages[i]).Succeeded);
        }

        Assert.False(machine.Kmap(pages[512]).Succeeded);
        Assert.False(machine.Kmap(pages[513]).Succeeded);
        Assert.Contains("must not sleep", machine.Kmap(pages[514], maySleep: false).Summary, StringComparison.Ordinal);
        Assert.Equal(2, machine.Pkmap!.SleeperCount);
        machine.Kunmap(pages[7]);
        Assert.Equal(1, machine.Pkmap.SleeperCount);
        Assert.Contains("waiter 2 wakes", machine.Kunmap(pages[9]).Summary, StringComparison.Ordinal);
        Assert.Equal(0, machine.Pkmap.SleeperCount);
        Assert.NotNull(machine.Pkmap.AddressOf(pages[513]));
        machine.CheckInvariants();
    }

    /// <summary>KM_USER0 is type 3 of 13: its address is FIX_KMAP_BEGIN's minus 3 pages, and 13 pages more for each CPU.</summary>
    [Fact]
    public void Typed_slots_lie_where_the_enum_puts_them()
    {
        BootedMachine machine = Machines.Boot("i386 2.6.11", 2 * Size.GiB, cpus: 2);
        ulong begin = machine.Layout.Fixmap.First(entry => entry.Name == "FIX_KMAP_BEGIN").Address.Value;
        Assert.Equal(begin - (3 * 4096), machine.KmapAtomic(Page(machine), "user0").Address!.Value.Value);
        Assert.Equal(begin - ((12 + 13) * 4096), machine.KmapAtomic(Page(machine), "KM_SOFTIRQ1", cpu: 1).Address!.Value.Value);
        Assert.False(machine.KmapAtomic(Page(machine), "nmi").Succeeded);
        Assert.False(machine.KmapNext(Page(machine)).Succeeded);
    }

    [Theory]
    [InlineData("2.4.22", 8)]
    [InlineData("2.6.24", 13)]
    [InlineData("2.6.32", 19)]
    [InlineData("3.10", 20)]
    [InlineData("6.1", 16)]
    public void The_fixmap_holds_all_slots_of_all_CPUs(string version, int perCpu)
    {
        BootedMachine machine = Machines.Boot($"i386 {version}", 2 * Size.GiB, cpus: 2);
        VmScope.Layout.FixmapEntry slots = machine.Layout.Fixmap.First(entry => entry.Name == "FIX_KMAP_BEGIN");
        Assert.Equal(perCpu, machine.AtomicKmaps!.Facts.SlotsPerCpu);
        Assert.Equal(perCpu * (int)machine.Layout.ValueOf("nr-cpus"), slots.Pages);
    }

    [Theory]
    [InlineData("3.10", 20)]
    [InlineData("6.1", 15)]
    public void A_stack_of_slots_grows_downward_and_ends(string version, int depth)
    {
        BootedMachine machine = Machines.Boot($"i386 {version}", 2 * Size.GiB, cpus: 2);
        PageFrameNumber page = Page(machine);
        List<VirtualAddress> held = [];
        for (int i = 0; i < depth; i++)
        {
            held.Add(machine.KmapNext(page, cpu: 1).Address!.Value);
            Assert.Equal(held[0].Value - ((ulong)i * 4096), held[i].Value);
        }

        Assert.Contains("BUG", machine.KmapNext(page, cpu: 1).Summary, StringComparison.Ordinal);
        for (int i = depth - 1; i >= 0; i--)
        {
            Assert.True(machine.KunmapNext(held[i], cpu: 1).Succeeded);
            Assert.Equal(WalkEnd.NotPresent, machine.Walk(held[i]).End);
        }

        Assert.Contains("BUG", machine.KunmapNext(held[0], cpu: 1).Summary, StringComparison.Ordinal);
        VirtualAddress one = machine.KmapNext(page).Address!.Value;
        VirtualAddress two = machine.KmapNext(page).Address!.Value;
        Assert.Contains("out of order", machine.KunmapNext(one).Summary, StringComparison.Ordinal);
        Assert.Equal(WalkEnd.NotPresent, machine.Walk(two).End);
    }

    [Fact]
    public void Local_mappings_leave_and_return_with_their_task()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 2 * Size.GiB, cpus: 2);
        PageFrameNumber one = Page(machine);
        PageFrameNumber two = Page(machine);
        Assert.True(machine.SwitchTask("reader").Succeeded);
        VirtualAddress at = machine.KmapNext(one).Address!.Value;
        machine.Write(at, "reader"u8);
        Assert.True(machine.SwitchTask("writer").Succeeded);
        Assert.NotNull(machine.Read(at, 6).Fault);
        VirtualAddress other = machine.KmapNext(two).Address!.Value;
        Assert.Equal(at, other);
        machine.Write(other, "writer"u8);
        Assert.False(machine.SwitchTask("reader", cpu: 1).Succeeded);
        Assert.True(machine.SwitchTask("reader").Succeeded);
        Assert.Equal("reader"u8.ToArray(), machine.Read(at, 6).Bytes);
        Assert.True(machine.KunmapNext(at).Succeeded);
        Assert.True(machine.SwitchTask("writer").Succeeded);
        Assert.Equal("writer"u8.ToArray(), machine.Read(at, 6).Bytes);

        // The older stack belongs to the CPU: a switch changes nothing.
        BootedMachine older = Machines.Boot("i386 3.10", 2 * Size.GiB);
        VirtualAddress kept = older.KmapNext(Page(older)).Address!.Value;
        older.SwitchTask("other");
        Assert.Equal(WalkEnd.Mapped, older.Walk(kept).End);
    }

    [Fact]
    public void Fixmap_entries_point_where_they_are_set()
    {
        BootedMachine machine = Machines.Boot("i386 2.6.27", 1 * Size.GiB);
        VmScope.Layout.FixmapEntry apic = machine.Layout.Fixmap.First(entry => entry.Name == "FIX_APIC_BASE");
        OperationReport set = machine.SetFixmap(apic.Index, new PhysicalAddress(0xfee00000), isDevice: true);
        Assert.Equal(apic.Address, set.Address);
        Translation translation = machine.Walk(apic.Address).Translation!.Value;
        Assert.Equal((0xfee00000UL, X86Entry.CacheDisable), (translation.Page.Value, translation.Entry & X86Entry.CacheDisable));
        Assert.True(machine.ClearFixmap(apic.Index).Succeeded);
        Assert.Equal(WalkEnd.NotPresent, machine.Walk(apic.Address).End);
        Assert.False(machine.SetFixmap(machine.Fixmap!.Count, new PhysicalAddress(0), isDevice: false).Succeeded);
        Assert.False(machine.SetFixmap(-1, new PhysicalAddress(0), isDevice: false).Succeeded);
        Assert.Equal(apic.Index, machine.Fixmap.IndexOf(apic.Address));
    }

    [Theory]
    [InlineData("i386 2.6.11", 1, 16)]
    [InlineData("i386 2.6.32", 4, 64)]
    [InlineData("i386 6.1", 8, 64)]
    public void Early_mappings_take_the_lowest_slot_and_nest(string name, int slots, int pages)
    {
        BootedMachine machine = Machines.Boot(name, 1 * Size.GiB);
        Assert.Equal(slots, machine.EarlyIoremap!.SlotCount);
        VirtualAddress? before = null;
        List<VirtualAddress> taken = [];
        for (int i = 0; i < slots; i++)
        {
            OperationReport report = machine.EarlyMap(new PhysicalAddress(0xfed00010), 5000);
            VirtualAddress at = report.Address!.Value;
            Assert.Equal(0x10UL, at.Value & 0xfff);
            Assert.Equal(0xfed01000UL, machine.Walk(new VirtualAddress(at.Value + 4096)).Translation!.Value.Page.Value);
            if (before is { } previous)
            {
                // Each slot lies above the one before it: its indices are lower.
                Assert.Equal(previous.Value + ((ulong)pages * 4096), at.Value);
            }

            before = at;
            taken.Add(at);
        }

        Assert.Contains("not found slot", machine.EarlyMap(new PhysicalAddress(0xfed00000), 4096).Summary, StringComparison.Ordinal);
        Assert.Contains("size not consistent", machine.EarlyUnmap(taken[0], 4096).Summary, StringComparison.Ordinal);
        Assert.True(machine.EarlyUnmap(taken[0], 5000).Succeeded);
        Assert.False(machine.EarlyMap(new PhysicalAddress(0xfed00000), ((ulong)pages * 4096) + 1).Succeeded);
        Assert.Equal(taken[0].Value & ~0xfffUL, machine.EarlyMap(new PhysicalAddress(0xfed00000), (ulong)pages * 4096).Address!.Value.Value);
        Assert.False(machine.EarlyUnmap(new VirtualAddress(0x1000), 10).Succeeded);
    }

    private static PageFrameNumber Page(BootedMachine machine) =>
        machine.AllocatePages(new PageRequest(0, ZoneKind.HighMem)).Frame!.Value;

    private static ulong Flushes(BootedMachine machine) => machine.Tables.Cpus.Aggregate(0UL, (sum, cpu) =>
        sum + cpu.Tlb.Counts.FullFlushes + cpu.Tlb.Counts.RangeFlushes + cpu.Tlb.Counts.PageFlushes);
}
