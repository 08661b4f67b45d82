using System.Text;
using VmScope.Kernels;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Proc;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc;

/// <summary>
/// Goal: each member of the vmalloc family does what its kernel does. Method: addresses and texts worked out from the
/// sources of the era; what the model prints is read back by our own readers.
/// </summary>
public class VmallocMemoryTests
{
    public static TheoryData<string> Every() => [.. Machines.Names];

    /// <summary>The lists of all eras parse with our reader and come out the same when written again.</summary>
    [Theory, MemberData(nameof(Every))]
    public void The_list_of_a_model_reads_as_a_kernels(string name)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB, cpus: 4);
        VirtualAddress freed = machine.Allocate(new VmallocCall(5000, "freed+0x1/0x2")).Address!.Value;
        machine.Allocate(new VmallocCall(9 << 20, "large+0x1/0x2"));
        machine.Ioremap(new PhysicalAddress(0xfed00000), 4096, "hpet_enable+0x1/0x2");
        machine.Vmap([Page(machine), Page(machine)], "mapper+0x1/0x2 [module]");
        machine.MapRam([Page(machine)], "ram+0x1/0x2");
        machine.Allocate(new VmallocCall(4096, "user+0x1/0x2") { Variant = VmallocVariant.User, Cpu = 2 });
        machine.Vfree(freed);
        if (MachineReports.Vmallocinfo(machine) is not { } report)
        {
            Assert.False(machine.Vmalloc.Environment.Uses.HasList);
            return;
        }

        using MemoryStream text = new();
        VmallocInfoWriter.Write(report, text);
        DiagnosticList diagnostics = new();
        VmallocReport back = VmallocInfoReader.ReadReport(new MemoryStream(text.ToArray()), name, diagnostics);
        Assert.True(report.SaysTheSameAs(back), Encoding.Latin1.GetString(text.ToArray()));
        using MemoryStream again = new();
        VmallocInfoWriter.Write(back, again);
        Assert.Equal(text.ToArray(), again.ToArray());
        string lines = Encoding.Latin1.GetString(text.ToArray());
        Assert.Contains("pages=1 vmalloc user", lines, StringComparison.Ordinal);
        Assert.Contains(" vpages", lines, StringComparison.Ordinal);
        Assert.Contains("mapper+0x1/0x2 [module] vmap", lines, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i386 2.6.32", "phys=fed00000 ioremap", false, false)]
    [InlineData("i386 4.4", "phys=fed00000 ioremap", false, false)]
    [InlineData("i386 5.0", "phys=0xfed00000 ioremap", true, true)]
    [InlineData("pae 6.1", "phys=0x00000000fed00000 ioremap", true, true)]
    [InlineData("x86-64 6.1", "phys=0x00000000fed00000 ioremap", true, true)]
    public void Lines_have_the_form_of_their_time(string name, string device, bool showsUnpurged, bool showsMapRam)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB);
        machine.Ioremap(new PhysicalAddress(0xfed00000), 4096, "hpet_enable+0x1/0x2");
        machine.MapRam([Page(machine)], "ram");
        VirtualAddress freed = machine.Allocate(new VmallocCall(5000, "freed+0x1/0x2")).Address!.Value;
        machine.Allocate(new VmallocCall(100, "kept+0x1/0x2"));
        machine.Vfree(freed);
        using MemoryStream stream = new();
        VmallocInfoWriter.Write(MachineReports.Vmallocinfo(machine)!, stream);
        string text = Encoding.Latin1.GetString(stream.ToArray());
        Assert.Contains(device, text, StringComparison.Ordinal);
        Assert.Equal(showsUnpurged, text.Contains("unpurged vm_area", StringComparison.Ordinal));
        Assert.Equal(showsMapRam, text.Contains("vm_map_ram", StringComparison.Ordinal));
    }

    /// <summary>From 6.9 on an unpurged area is listed with the node of the CPU that asked for it, whatever its address.</summary>
    [Fact]
    public void Unpurged_areas_are_listed_node_by_node()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.12", 600 * Size.MiB, cpus: 4);
        VirtualAddress byTwo = machine.Allocate(new VmallocCall(100, "x") { Cpu = 2 }).Address!.Value;
        VirtualAddress byOne = machine.Allocate(new VmallocCall(100, "x") { Cpu = 1 }).Address!.Value;
        Assert.True(byTwo < byOne);
        machine.Vfree(byTwo);
        machine.Vfree(byOne);
        Assert.Equal([byOne.Value, byTwo.Value], MachineReports.Vmallocinfo(machine)!.Rows.ToArray().Select(row => row.Start));
    }

    [Theory]
    [InlineData("i386 2.4.22", 0UL, null)]
    [InlineData("i386 3.4", 0UL, "vmalloc: allocation failure: 0 bytes\ninsmod: page allocation failure: order:0, mode:0xd2")]
    [InlineData("i386 6.1", 0UL, null)]
    [InlineData("i386 3.0", 8UL << 30, null)]
    [InlineData("i386 4.4", 8UL << 30, "vmalloc: allocation failure: 8589934592 bytes\ninsmod: page allocation failure: order:0, mode:0x24000c2")]
    [InlineData("x86-64 5.13", 8UL << 30, "insmod: vmalloc size 8589934592 allocation failure: exceeds total pages, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0")]
    [InlineData("x86-64 6.1", 8UL << 30, "insmod: vmalloc error: size 8589934592, exceeds total pages, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0")]
    public void Requests_that_cannot_be_are_refused_in_the_words_of_their_time(string name, ulong size, string? message)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB);
        OperationReport report = machine.Allocate(new VmallocCall(size, "x"));
        Assert.False(report.Succeeded);
        Assert.Equal(message ?? "", string.Join('\n', report.Log.Messages));
        Assert.Empty(machine.Vmalloc.Areas);
    }

    /// <summary>Every message of a full area is one that our reader of boot logs knows.</summary>
    [Theory, MemberData(nameof(Every))]
    public void Messages_of_a_full_area_are_known_to_the_reader(string name)
    {
        if (name.StartsWith("x86", StringComparison.Ordinal))
        {
            // 32 TiB do not run full with a few pages; the module window does.
            BootedMachine large = Machines.Boot(name, 600 * Size.MiB);
            OperationReport? module = null;
            for (int i = 0; i < 80 && module is not { Succeeded: false }; i++)
            {
                module = large.AllocateModule(30 << 20, "m");
            }

            Assert.False(module!.Succeeded);
            large.CheckInvariants();
            return;
        }

        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB);
        Assert.True(machine.Allocate(new VmallocCall(60 << 20, "x")).Succeeded);
        OperationReport report = machine.Allocate(new VmallocCall(80 << 20, "x"));
        Assert.Equal(("NULL: no place in the address range", false), (report.Summary, report.Succeeded));
        Assert.Equal(name.EndsWith("2.4.22", StringComparison.Ordinal) ? 0 : 1, Math.Min(1, report.Log.Messages.Count));
        foreach (string message in report.Log.Messages.Where(message => !message.Contains("page allocation failure", StringComparison.Ordinal)
            && !message.Contains(" mems_allowed=", StringComparison.Ordinal)))
        {
            Assert.NotNull(VmallocFailureParser.TryParse(message, 1));
        }

        machine.CheckInvariants();
    }

    /// <summary>A device of 2 GiB and a bit: 1 GiB pages where the processor has them, then 2 MiB, then 4 KiB.</summary>
    [Theory]
    [InlineData("x86-64 3.10", true, "4K")]
    [InlineData("x86-64 4.4", false, "2M 4K")]
    [InlineData("x86-64 6.1", true, "1G 2M 4K")]
    [InlineData("x86-64-5level 6.12", true, "1G 2M 4K")]
    [InlineData("pae 6.1", true, "4K")]
    public void A_large_device_is_mapped_with_the_largest_pages_there_are(string name, bool hasHugePages, string sizes)
    {
        MachineDescription description = Machines.Describe(name, 512 * Size.MiB);
        CpuFacts cpu = description.Kernel.Cpu;
        cpu = hasHugePages ? cpu with { Flags = cpu.Flags!.Add("pdpe1gb") } : cpu;
        BootedMachine machine = ((BootOutcome.Booted)BootedMachine.Boot(new MachineDescription(description.Kernel with { Cpu = cpu }) { RamBytes = 512 * Size.MiB })).Machine;
        bool is64Bit = machine.Is64Bit;
        ulong physical = is64Bit ? 4 * Size.GiB : 0xf000_0000;
        ulong size = sizes.StartsWith("4K", StringComparison.Ordinal) ? 10 * 4096UL : (2 * Size.GiB) + (4 * Size.MiB) + 8192;
        VirtualAddress at = machine.Ioremap(new PhysicalAddress(physical), size, "fb").Address!.Value;
        List<string> found = [];
        for (ulong offset = 0; offset < size;)
        {
            Assert.Equal(WalkEnd.Mapped, machine.Tables.Walker.Translate(machine.Tables.Root, new VirtualAddress(at.Value + offset), out Translation translation));
            Assert.Equal(physical + offset, translation.Of(new VirtualAddress(at.Value + offset)).Value);
            found.Add(translation.PageShift switch { 30 => "1G", 21 => "2M", _ => "4K" });
            offset += 1UL << translation.PageShift;
        }

        Assert.Equal(sizes, string.Join(' ', found.Distinct()));
        machine.CheckInvariants();
        int tables = machine.Tables.Walker.Tables(machine.Tables.Root).Count();
        Assert.True(machine.Iounmap(at).Succeeded);
        Assert.Equal(tables, machine.Tables.Walker.Tables(machine.Tables.Root).Count());
    }

    /// <summary>A large page where ordinary ones were: their empty table is lost, freed, or in the way.</summary>
    [Theory]
    [InlineData("x86-64 4.4", 21, -1, 0)]
    [InlineData("x86-64 6.1", 21, -1, 1)]
    [InlineData("pae 4.4", 21, -1, 0)]
    [InlineData("pae 6.1", 12, 0, 0)]
    public void A_table_in_the_way_of_a_large_page_ends_as_in_its_time(string name, int pageShift, int tables, int freed)
    {
        BootedMachine machine = Machines.Boot(name, 512 * Size.MiB);
        PhysicalAddress device = new(0xf000_0000);
        VirtualAddress at = machine.Ioremap(device, 2 * Size.MiB, "fb").Address!.Value;
        Assert.Equal(21, machine.Walk(at).Translation!.Value.PageShift);
        machine.Iounmap(at);
        machine.UnmapAliases();

        // The same device a page further: ordinary pages, which need a table; then again in one piece.
        VirtualAddress shifted = machine.Ioremap(new PhysicalAddress(device.Value + 4096), 2 * Size.MiB, "fb").Address!.Value;
        Assert.Equal((at, 12), (shifted, machine.Walk(shifted).Translation!.Value.PageShift));
        machine.Iounmap(shifted);
        machine.UnmapAliases();
        int before = machine.Tables.Walker.Tables(machine.Tables.Root).Count();
        OperationReport again = machine.Ioremap(device, 2 * Size.MiB, "fb");
        Assert.Equal(at, again.Address);
        Assert.Equal(pageShift, machine.Walk(at).Translation!.Value.PageShift);
        Assert.Equal(tables, machine.Tables.Walker.Tables(machine.Tables.Root).Count() - before);
        Assert.Equal(freed, again.Log.Frames.Count(move => !move.IsTaken && move.What == "page table"));
        machine.CheckInvariants();
    }

    /// <summary>
    /// The lines of two recorded boots with a small vmalloc area, where vmalloc found no place, with the task's name and the
    /// flags; and of another whose caller wanted cleared pages.
    /// </summary>
    [Theory]
    [InlineData("i386 5.10", VmallocVariant.Plain, "vmap allocation for size 83890176 failed: use vmalloc=<size> to increase size|work: vmalloc: allocation failure: 83886080 bytes, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0")]
    [InlineData("i386 6.1", VmallocVariant.Plain, "vmap allocation for size 83890176 failed: use vmalloc=<size> to increase size|work: vmalloc error: size 83886080, vm_struct allocation failed, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0")]
    [InlineData("i386 6.5", VmallocVariant.Zeroed, "vmap allocation for size 83890176 failed: use vmalloc=<size> to increase size|work: vmalloc error: size 83886080, vm_struct allocation failed, mode:0xdc0(GFP_KERNEL|__GFP_ZERO), nodemask=(null),cpuset=/,mems_allowed=0")]
    [InlineData("i386 3.10", VmallocVariant.Zeroed, "vmap allocation for size 83890176 failed: use vmalloc=<size> to increase size.|vmalloc: allocation failure: 83886080 bytes|work: page allocation failure: order:0, mode:0x80d2")]
    public void A_full_area_is_told_with_task_and_flags(string name, VmallocVariant variant, string lines)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB);
        Assert.True(machine.Allocate(new VmallocCall(60 << 20, "x")).Succeeded);
        machine.SwitchTask("work");
        Assert.Equal(lines, string.Join('|', machine.Allocate(new VmallocCall(80 << 20, "x") { Variant = variant }).Log.Messages));
    }

    [Theory]
    [InlineData("i386 2.4.22", "^__alloc_pages: 0-order allocation failed \\(gfp=0x1f2/0\\)$")]
    [InlineData("i386 2.6.32", "^insmod: page allocation failure. order:0, mode:0xd2$")]
    [InlineData("i386 3.0", "^vmalloc: allocation failure, allocated [0-9]+ of 94375936 bytes\ninsmod: page allocation failure: order:0, mode:0xd2$")]
    [InlineData("i386 4.4", "^vmalloc: allocation failure, allocated [0-9]+ of 94375936 bytes\ninsmod: page allocation failure: order:0, mode:0x24000c2$")]
    [InlineData("i386 4.9", "^insmod: vmalloc: allocation failure, allocated [0-9]+ of 94375936 bytes, mode:0x24000c2\\(GFP_KERNEL\\|__GFP_HIGHMEM\\)$")]
    [InlineData("i386 4.15", "^insmod: vmalloc: allocation failure, allocated [0-9]+ of 94375936 bytes, mode:0x14000c0\\(GFP_KERNEL\\), nodemask=\\(null\\)\ninsmod cpuset=/ mems_allowed=0$")]
    [InlineData("i386 5.4", "^insmod: vmalloc: allocation failure, allocated [0-9]+ of 94375936 bytes, mode:0xcc0\\(GFP_KERNEL\\), nodemask=\\(null\\),cpuset=/,mems_allowed=0$")]
    [InlineData("i386 5.10", "^$")]
    [InlineData("x86-64 5.17", "^insmod: vmalloc error: size [0-9]+, page order 0, failed to allocate pages, mode:0xcc0\\(GFP_KERNEL\\), nodemask=\\(null\\),cpuset=/,mems_allowed=0$")]
    [InlineData("x86-64 6.1", "^$")]
    [InlineData("x86-64 6.12", "^insmod: vmalloc error: size [0-9]+, failed to allocate pages, mode:0xcc2\\(GFP_KERNEL\\|__GFP_HIGHMEM\\), nodemask=\\(null\\),cpuset=/,mems_allowed=0$")]
    [InlineData("x86-64 7.2", "^insmod: vmalloc error: size 94371840, failed to allocate pages, mode:0xcc2\\(GFP_KERNEL\\|__GFP_HIGHMEM\\), nodemask=\\(null\\),cpuset=/,mems_allowed=0$")]
    public void When_pages_run_out_everything_is_given_back(string name, string message)
    {
        BootedMachine machine = Machines.Boot(name, 128 * Size.MiB);
        ulong free = machine.Pages.FreePages;
        machine.Allocate(new VmallocCall(40 << 20, "kept"));
        OperationReport report = machine.Allocate(new VmallocCall(90 << 20, "x"));
        Assert.Equal("NULL: the pages ran out", report.Summary);
        Assert.Matches(message, string.Join('\n', report.Log.Messages));
        if (report.Log.Messages.FirstOrDefault(line => line.Contains("vmalloc", StringComparison.Ordinal)) is { } line)
        {
            VmallocFailure read = VmallocFailureParser.TryParse(line, 1)!;
            Assert.Equal(VmallocFailureKind.NoPages, read.Kind);
            Assert.Equal(line.StartsWith("insmod: ", StringComparison.Ordinal) ? "insmod" : null, read.Process);
            Assert.Equal(line.Contains("mode:", StringComparison.Ordinal), read.Mode is not null);
        }

        Assert.Single(machine.Vmalloc.Areas, area => area.Caller == "kept" && area.SizeBytes > 40 << 20);
        machine.CheckInvariants();
        Assert.True(machine.Pages.FreePages > free - (41 << 8) - 100);
    }

    [Fact]
    public void A_request_without_place_purges_and_tries_again()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 2 * Size.GiB, options: "vmalloc=24M");
        VirtualAddress first = machine.Allocate(new VmallocCall(12 << 20, "x")).Address!.Value;
        machine.Vfree(first);
        OperationReport second = machine.Allocate(new VmallocCall(16 << 20, "y"));
        Assert.True(second.Succeeded);
        Assert.Contains(second.Log.Steps, step => step.Contains("everything freed lazily is purged", StringComparison.Ordinal));
        Assert.Equal(first, second.Address);
    }

    [Theory]
    [InlineData("i386 2.4.22", 4096UL, 1UL)]
    [InlineData("i386 2.6.32", 4096UL, 8192UL)]
    [InlineData("i386 4.4", 65536UL, 131072UL)]
    [InlineData("i386 4.15", 4096UL, 4096UL)]
    [InlineData("x86-64 6.1", 12288UL, 16384UL)]
    [InlineData("x86-64 6.1", 16UL << 20, 16UL << 20)]
    public void Ioremap_aligns_by_the_rule_of_its_time(string name, ulong size, ulong align)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB);
        machine.Allocate(new VmallocCall(100, "odd"));
        ulong at = machine.Ioremap(new PhysicalAddress(0xd0000000), size, "d").Address!.Value.Value;
        Assert.Equal(0UL, at & (align - 1));
        ulong free = machine.Layout.Vmalloc.Start.Value + 8192;
        // The gap of the busy-area eras is one page more.
        Assert.Contains(at, new[] { Align.Up(free, align), Align.Up(free + 4096, align) });
    }

    [Fact]
    public void Ioremap_refuses_RAM_and_what_the_processor_cannot_reach()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 1 * Size.GiB);
        OperationReport ram = machine.Ioremap(new PhysicalAddress(0x1000000), 4096, "d");
        Assert.False(ram.Succeeded);
        Assert.Equal("ioremap on RAM at 0x0000000001000000 - 0x0000000001000fff", ram.Log.Messages[^1]);
        Assert.False(machine.Ioremap(new PhysicalAddress(0x1_0000_0000), 4096, "d").Succeeded);
        Assert.False(machine.Ioremap(new PhysicalAddress(0xfee00000), 0, "d").Succeeded);
        OperationReport offset = machine.Ioremap(new PhysicalAddress(0xfee00123), 4096, "d");
        Assert.Equal(0x123UL, offset.Address!.Value.Value & 0xfff);
        Assert.Equal(3 * 4096UL, machine.Vmalloc.AreaAt(offset.Address.Value)!.SizeBytes);

        BootedMachine old = Machines.Boot("i386 2.6.24", 1 * Size.GiB);
        Assert.Equal(0xc00a0000UL, old.Ioremap(new PhysicalAddress(0xa0000), 0x10000, "vga").Address!.Value.Value);
        Assert.True(old.Iounmap(new VirtualAddress(0xc00a0000)).Succeeded);
        Assert.Empty(old.Vmalloc.Areas);
    }

    [Fact]
    public void Freeing_what_is_no_area_is_reported()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 1 * Size.GiB);
        VirtualAddress area = machine.Allocate(new VmallocCall(8192, "x")).Address!.Value;
        Assert.Equal("Trying to vfree() bad address (" + (area.Value + 4).ToString("x8") + ")", machine.Vfree(new VirtualAddress(area.Value + 4)).Log.Messages[^1]);
        Assert.Equal("Trying to vfree() nonexistent vm area (" + (area.Value + 4096).ToString("x8") + ")", machine.Vfree(new VirtualAddress(area.Value + 4096)).Log.Messages[^1]);
        Assert.StartsWith("iounmap: bad address", machine.Iounmap(new VirtualAddress(area.Value + 4096)).Log.Messages[^1], StringComparison.Ordinal);
        Assert.True(machine.Vfree(area).Succeeded);
        Assert.False(machine.Vfree(area).Succeeded);
    }

    [Fact]
    public void Nothing_is_freed_by_freeing_NULL()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 1 * Size.GiB);
        foreach (OperationReport report in new[] { machine.Vfree(default), machine.Vunmap(default), machine.Iounmap(default) })
        {
            Assert.True(report.Succeeded);
            Assert.Empty(report.Log.Messages);
        }

        // iounmap leaves everything up to high_memory alone, that address included.
        Assert.Empty(machine.Iounmap(machine.Layout.HighMemory).Log.Messages);
        Assert.NotEmpty(machine.Iounmap(new VirtualAddress(machine.Layout.HighMemory.Value + 1)).Log.Messages);
    }

    /// <summary>The kernel does not look at what kind of area it frees; the model says so and keeps the area.</summary>
    [Fact]
    public void An_area_of_another_function_is_kept_without_a_word_of_the_kernel()
    {
        BootedMachine machine = Machines.Boot("i386 4.4", 1 * Size.GiB);
        VirtualAddress pages = machine.Allocate(new VmallocCall(8192, "x")).Address!.Value;
        VirtualAddress device = machine.Ioremap(new PhysicalAddress(0xfee00ffc), 8, "d").Address!.Value;
        foreach (OperationReport report in new[] { machine.Vunmap(pages), machine.Iounmap(pages), machine.Vfree(new VirtualAddress(device.Value & ~0xfffUL)) })
        {
            Assert.False(report.Succeeded);
            Assert.Contains("refused", report.Summary, StringComparison.Ordinal);
            Assert.Empty(report.Log.Messages);
        }

        // An address inside a page is looked at first.
        Assert.Equal($"Trying to vfree() bad address ({device.Value:x8})", Assert.Single(machine.Vfree(device).Log.Messages));
        Assert.Equal(2, machine.Vmalloc.Areas.Count());
        Assert.True(machine.Iounmap(device).Succeeded);
    }

    [Theory]
    [InlineData("i386 2.4.22", "Trying to vfree() nonexistent vm area (f9000000)")]
    [InlineData("i386 2.6.11", "__iounmap: bad address f9000004")]
    [InlineData("i386 2.6.24", "iounmap: bad address f9000000")]
    public void Iounmap_complains_in_the_words_of_its_time(string name, string message)
    {
        BootedMachine machine = Machines.Boot(name, 2 * Size.GiB);
        Assert.Equal(message, Assert.Single(machine.Iounmap(new VirtualAddress(0xf9000004)).Log.Messages));
    }

    /// <summary>Before 2.6.25 ioremap listed the bits of its entries: neither global (on i386) nor no-execute. A software bit marked devices from 2.6.28 to 3.17.</summary>
    [Theory]
    [InlineData("i386 2.4.22", 0xfee00063)]
    [InlineData("pae 2.6.24", 0xfee00063)]
    [InlineData("x86-64 2.6.18", 0xfee00163)]
    [InlineData("pae 2.6.32", 0x80000000fee00573)]
    [InlineData("x86-64 3.10", 0x80000000fee00573)]
    [InlineData("x86-64 6.1", 0x80000000fee00173)]
    public void Ioremap_writes_the_entries_of_its_time(string name, ulong entry)
    {
        BootedMachine machine = Machines.Boot(name, 1 * Size.GiB);
        VirtualAddress at = machine.Ioremap(new PhysicalAddress(0xfee00000), 4096, "apic").Address!.Value;
        Assert.Equal(entry, machine.Walk(at).Steps[^1].Entry);
    }

    [Theory]
    [InlineData("i386 2.4.22", 0xfffff000, 8192, 0)]
    [InlineData("i386 4.4", 0xfffff000, 8192, 0)]
    [InlineData("x86-64 2.6.18", 1UL << 60, 4096, 0)]
    [InlineData("x86-64 6.1", 1UL << 60, 4096, 1)]
    [InlineData("x86-64 6.1", ulong.MaxValue - 4095, 8192, 0)]
    public void A_device_past_the_last_physical_address_is_refused_as_that_kernel_does(string name, ulong physical, ulong size, int messages)
    {
        OperationReport report = Machines.Boot(name, 1 * Size.GiB).Ioremap(new PhysicalAddress(physical), size, "d");
        Assert.False(report.Succeeded);
        Assert.Equal(messages, report.Log.Messages.Count);
    }

    /// <summary>64-bit: the first chunk of 2 MiB lies at 0xffffe8ffffc00000, as every recorded boot shows.</summary>
    [Fact]
    public void Per_CPU_chunks_come_from_the_top()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 1 * Size.GiB);
        VirtualAddress first = machine.PercpuChunk().Address!.Value;
        Assert.Equal(0xffffe8ffffc00000, first.Value);
        Assert.Equal(0xffffe8ffffa00000, machine.PercpuChunk().Address!.Value.Value);
        Assert.True(machine.FreePercpuChunk(first).Succeeded);
        machine.UnmapAliases();
        Assert.Equal(first, machine.PercpuChunk().Address);
        BootedMachine small = Machines.Boot("i386 6.1", 1 * Size.GiB);
        VirtualAddress chunk = small.PercpuChunk().Address!.Value;
        Assert.Equal(small.Layout.Vmalloc.EndExclusive.Value - (33 * 4096), chunk.Value);
    }

    [Fact]
    public void Stacks_are_aligned_to_their_size_and_cached_by_CPU()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.12", 1 * Size.GiB, cpus: 2);
        List<VirtualAddress> stacks = [.. Enumerable.Range(0, 4).Select(_ => machine.AllocateStack("fork").Address!.Value)];
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(0xffffc90000000000 + ((ulong)i * 32 * Size.KiB), stacks[i].Value);
        }

        machine.FreeStack(stacks[2]);
        machine.FreeStack(stacks[0]);
        Assert.Equal(4, machine.Vmalloc.Areas.Count());
        Assert.True(machine.FreeStack(stacks[1]).Succeeded);
        Assert.Equal(3, machine.Vmalloc.Areas.Count());
        Assert.False(machine.FreeStack(stacks[0]).Succeeded);
        Assert.Equal(stacks[2], machine.AllocateStack("fork").Address);
        Assert.Equal(stacks[0], machine.AllocateStack("fork").Address);
        Assert.NotEqual(stacks[1], machine.AllocateStack("fork").Address);
        Assert.False(Machines.Boot("i386 6.1", 1 * Size.GiB).AllocateStack("fork").Succeeded);
        Assert.False(Machines.Boot("x86-64 4.4", 1 * Size.GiB).AllocateStack("fork").Succeeded);
    }

    [Fact]
    public void Huge_requests_map_large_pages_and_fall_back()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 256 * Size.MiB);
        OperationReport huge = machine.Allocate(new VmallocCall(5 << 20, "hash") { Variant = VmallocVariant.Huge });
        VmallocArea area = machine.Vmalloc.AreaAt(huge.Address!.Value)!;
        Assert.Equal((21, (6UL << 20) + 4096), (area.PageShift, area.SizeBytes));
        Assert.Equal(21, machine.Walk(huge.Address.Value).Translation!.Value.PageShift);
        machine.Write(new VirtualAddress(huge.Address.Value.Value + (2 << 20) - 2), "four"u8);
        Assert.Equal("four"u8.ToArray(), machine.Read(new VirtualAddress(huge.Address.Value.Value + (2 << 20) - 2), 4).Bytes);
        machine.CheckInvariants();
        Assert.True(machine.Vfree(huge.Address.Value).Succeeded);

        // Break every large block: the request is answered with ordinary pages elsewhere, and the first place waits for a purge.
        List<PageFrameNumber> taken = [];
        while (machine.AllocatePages(new PageRequest(0, ZoneKind.Normal)).Frame is { } frame)
        {
            taken.Add(frame);
        }

        foreach (PageFrameNumber frame in taken.Where(frame => frame.Value % 2 == 0))
        {
            machine.FreePages(frame, 0);
        }

        machine.UnmapAliases();
        OperationReport small = machine.Allocate(new VmallocCall(6 << 20, "hash") { Variant = VmallocVariant.Huge });
        Assert.True(small.Succeeded);
        Assert.Equal(12, machine.Vmalloc.AreaAt(small.Address!.Value)!.PageShift);
        Assert.True(machine.Vmalloc.Space.LazyPages > 0);
        machine.CheckInvariants();

        BootedMachine older = Machines.Boot("x86-64 5.15", 256 * Size.MiB);
        OperationReport plain = older.Allocate(new VmallocCall(5 << 20, "hash") { Variant = VmallocVariant.Huge });
        Assert.Equal(12, older.Vmalloc.AreaAt(plain.Address!.Value)!.PageShift);
    }

    [Fact]
    public void A_large_area_has_another_area_for_its_page_pointers()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 1 * Size.GiB);
        VirtualAddress at = machine.Allocate(new VmallocCall(4 << 20, "big")).Address!.Value;
        VmallocArea[] areas = [.. machine.Vmalloc.Areas];
        // As recorded: 4198400 bytes = 1024 pages + guard, followed by 12288 = 2 pages + guard.
        Assert.Equal([4198400UL, 12288UL], areas.Select(area => area.SizeBytes));
        Assert.Equal(areas[0].Caller, areas[1].Caller);
        machine.Vfree(at);
        Assert.Empty(machine.Vmalloc.Areas);
        Assert.Single(Machines.Boot("i386 6.1", 1 * Size.GiB) is var small && small.Allocate(new VmallocCall(4 << 20, "big")).Succeeded ? small.Vmalloc.Areas : []);
    }

    /// <summary>NR_CPUS=64 on 64 bit: blocks of 1024 pages; NR_CPUS=8 on 32 bit: 256.</summary>
    [Theory]
    [InlineData("x86-64 6.1", 1024, false)]
    [InlineData("i386 6.1", 256, false)]
    [InlineData("i386 2.6.32", 256, true)]
    public void Small_pieces_come_from_a_block_of_the_CPU(string name, int blockPages, bool reusesHoles)
    {
        BootedMachine machine = Machines.Boot(name, 1200 * Size.MiB, cpus: 2);
        PageFrameNumber page = Page(machine);
        VirtualAddress one = machine.MapRam([page, page, page], "x").Address!.Value;
        Assert.Equal(0UL, one.Value % ((ulong)blockPages * 4096));
        VirtualAddress two = machine.MapRam([page], "x").Address!.Value;
        Assert.Equal(one.Value + (4 * 4096), two.Value);
        VirtualAddress other = machine.MapRam([page], "x", cpu: 1).Address!.Value;
        // With a page to spare between areas the next multiple of the size is one further away.
        Assert.Equal((ulong)blockPages * 4096 * (reusesHoles ? 2UL : 1), other.Value - one.Value);
        VmallocArea block = machine.Vmalloc.AreaAt(one)!;
        Assert.Equal(((ulong)blockPages * 4096, 0UL), (block.SizeBytes, block.GuardBytes));
        Assert.False(machine.UnmapRam(one, 2).Succeeded);
        Assert.True(machine.UnmapRam(one, 3).Succeeded);
        Assert.Equal(WalkEnd.NotPresent, machine.Walk(one).End);
        VirtualAddress three = machine.MapRam([page, page], "x").Address!.Value;
        // A freed piece only counts as dirty; the oldest rule still looks for the lowest aligned piece never used.
        Assert.Equal(one.Value + ((reusesHoles ? 6UL : 5UL) * 4096), three.Value);
        machine.UnmapRam(two, 1);
        machine.UnmapRam(three, 2);
        machine.UnmapAliases();
        Assert.Equal(reusesHoles, machine.Vmalloc.AreaAt(one) is not null);
        machine.CheckInvariants();
        OperationReport large = machine.MapRam([.. Enumerable.Repeat(page, 65)], "x");
        Assert.Equal(65 * 4096UL, machine.Vmalloc.AreaAt(large.Address!.Value)!.SizeBytes);
        Assert.True(machine.UnmapRam(large.Address.Value, 65).Succeeded);
        Assert.False(Machines.Boot("i386 2.6.24", 1200 * Size.MiB) is var none && none.MapRam([Page(none)], "x").Succeeded);
    }

    [Fact]
    public void Module_room_is_executable_and_purged_at_once()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 1 * Size.GiB);
        VirtualAddress module = machine.AllocateModule(12000, "load_module").Address!.Value;
        Assert.Equal(machine.Layout.FindRegion("modules")!.Value.Range.Start, module);
        Assert.True(machine.Execute(module).Succeeded);
        VirtualAddress data = machine.Allocate(new VmallocCall(100, "x")).Address!.Value;
        Assert.Equal(FaultKind.Protection, machine.Execute(data).Fault!.Kind);
        machine.Vfree(data);
        Assert.Equal(2UL, machine.Vmalloc.Space.LazyPages);
        machine.Vfree(module);
        Assert.Equal(0UL, machine.Vmalloc.Space.LazyPages);
    }

    [Fact]
    public void Pages_come_from_the_zones_their_flags_allow()
    {
        BootedMachine machine = Machines.Boot("i386 6.1", 1200 * Size.MiB);
        ZoneKind? Zone(VmallocVariant variant)
        {
            OperationReport report = machine.Allocate(new VmallocCall(100, "x") { Variant = variant });
            return machine.Pages.Entry(new PageFrameNumber((ulong)machine.Vmalloc.AreaAt(report.Address!.Value)!.Frames[0])).Zone;
        }

        Assert.Equal(ZoneKind.HighMem, Zone(VmallocVariant.Plain));
        Assert.Equal(ZoneKind.Normal, Zone(VmallocVariant.Below4G));

        // vzalloc clears what vmalloc leaves as it was.
        OperationReport dirty = machine.Allocate(new VmallocCall(4096, "x"));
        machine.Write(dirty.Address!.Value, "secret"u8);
        machine.Vfree(dirty.Address.Value);
        Assert.Equal("secret"u8.ToArray(), machine.Read(machine.Allocate(new VmallocCall(4096, "x")).Address!.Value, 6).Bytes);
        machine.Vfree(machine.Vmalloc.Areas.Last().Start);
        Assert.Equal(new byte[6], machine.Read(machine.Allocate(new VmallocCall(4096, "x") { Variant = VmallocVariant.Zeroed }).Address!.Value, 6).Bytes);
    }

    [Theory]
    [InlineData("i386 2.6.24", true)]
    [InlineData("i386 6.1", false)]
    public void A_process_learns_of_new_kernel_tables(string name, bool byFault)
    {
        BootedMachine machine = Machines.Boot(name, 1 * Size.GiB);
        machine.CreateProcess("old");
        machine.RunProcess("old");
        OperationReport area = machine.Allocate(new VmallocCall(100, "x"));
        Assert.Equal(!byFault, area.Log.Steps.Any(step => step.Contains("copied to old", StringComparison.Ordinal)));
        OperationReport read = machine.Read(area.Address!.Value, 1);
        Assert.True(read.Succeeded);
        Assert.Equal(byFault, read.Log.Steps.Any(step => step.Contains("vmalloc fault", StringComparison.Ordinal)));
        // A guard page is a fault for a process too, not something to copy.
        Assert.False(machine.Read(new VirtualAddress(area.Address.Value.Value + 4096), 1).Succeeded);
        Assert.False(machine.CreateProcess("old").Succeeded);
        machine.CheckInvariants();
    }

    private static PageFrameNumber Page(BootedMachine machine) =>
        machine.AllocatePages(new PageRequest(0, ZoneKind.HighMem)).Frame!.Value;
}
