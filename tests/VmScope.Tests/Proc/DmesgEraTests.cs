using VmScope.Kernels;
using VmScope.Physical;
using VmScope.Proc;
using VmScope.Tests.Support;

namespace VmScope.Tests.Proc;

/// <summary>Boot messages as each era and architecture printed them, in every wrapping logs put around them.</summary>
public class DmesgEraTests
{
    public static TheoryData<string> Prefixes() =>
    [
        "",
        "[    0.000000] ",
        "<6>[    0.000000] ",
        "<6>",
        "[    0.000000][    T0] ",
        "[    0.000000] [    T0] ",
        "[    0.000000@0] ",
        "<6>[    0.000000@3] ",
        "[    0.000000]  [0:      swapper:    0] ",
        "[Mon Jan  1 12:34:56 2024] ",
        "kern  :info  : [    0.000000] ",
        "kern  :notice: [Mon Jan  1 12:34:56 2024] ",
        "6,339,5140900,-;",
        "2024-01-01T12:34:56,123456+00:00 ",
        "Jan  1 12:34:56 myhost kernel: ",
        "Jan  1 12:34:56 myhost kernel: [    0.000000] ",
        "2024-01-01T12:34:56.123456+00:00 myhost kernel: [    0.000000] ",
        "Jan 01 12:34:56 my-host.example.org kernel: ",
        "[    0.000000] myhost kernel: ",
        "> ",
        ">> [    0.000000] ",
        "> > <6>[    0.000000] ",
    ];

    [Theory, MemberData(nameof(Prefixes))]
    public void A_boot_reads_the_same_behind_every_prefix(string prefix)
    {
        string[] lines =
        [
            "Linux version 3.2.0-4-686-pae (debian-kernel@lists.debian.org) (gcc version 4.6.3 (Debian 4.6.3-14) ) #1 SMP Debian 3.2.102-1",
            "BIOS-provided physical RAM map:",
            " BIOS-e820: 0000000000000000 - 000000000009fc00 (usable)",
            " BIOS-e820: 000000000009fc00 - 00000000000a0000 (reserved)",
            " BIOS-e820: 0000000000100000 - 000000003fff0000 (usable)",
            " BIOS-e820: 000000003fff0000 - 0000000040000000 (ACPI data)",
            "last_pfn = 0x3fff0 max_arch_pfn = 0x1000000",
            "135MB HIGHMEM available.",
            "887MB LOWMEM available.",
            "  mapped low ram: 0 - 377fe000",
            "  low ram: 0 - 377fe000",
            "Zone PFN ranges:",
            "  DMA      0x00000010 -> 0x00001000",
            "  Normal   0x00001000 -> 0x000377fe",
            "  HighMem  0x000377fe -> 0x0003fff0",
            "Movable zone start PFN for each node",
            "early_node_map[2] active PFN ranges",
            "    0: 0x00000010 -> 0x0000009f",
            "    0: 0x00000100 -> 0x0003fff0",
            "Kernel command line: root=/dev/sda1 ro quiet",
            "Memory: 1032468k/1048512k available (2820k kernel code, 15592k reserved, 1339k data, 408k init, 139208k highmem)",
            "virtual kernel memory layout:",
            "    fixmap  : 0xffd36000 - 0xfffff000   (2852 kB)",
            "    pkmap   : 0xffa00000 - 0xffc00000   (2048 kB)",
            "    vmalloc : 0xf7ffe000 - 0xff9fe000   ( 122 MB)",
            "    lowmem  : 0xc0000000 - 0xf77fe000   ( 887 MB)",
            "      .init : 0xc1411000 - 0xc1477000   ( 408 kB)",
            "      .data : 0xc12c1194 - 0xc1410140   (1339 kB)",
            "      .text : 0xc1000000 - 0xc12c1194   (2820 kB)",
            "Checking if this processor honours the WP bit even in supervisor mode...Ok.",
            "vmap allocation for size 4198400 failed: use vmalloc=<size> to increase size.",
        ];
        DmesgReport log = Read(string.Concat(lines.Select(line => prefix + line + "\n")));
        Assert.Equal("3.2.102", log.Inputs.Kernel!.Version.ToString());
        Assert.Equal("root=/dev/sda1 ro quiet", log.Inputs.CommandLine);
        Assert.Equal(Architecture.I386, log.Inputs.Architecture);
        Assert.Equal(
            [(0UL, 0x9fc00UL, MemoryKind.Usable), (0x9fc00UL, 0x400UL, MemoryKind.Reserved), (0x100000UL, 0x3fef0000UL, MemoryKind.Usable),
                (0x3fff0000UL, 0x10000UL, MemoryKind.AcpiData)],
            log.Inputs.FirmwareMap!.Entries.Select(entry => (entry.Range.Start.Value, entry.Range.SizeBytes, entry.Kind)));
        Assert.Equal([(0x10000UL, 0x8f000UL), (0x100000UL, 0x3fef0000UL)],
            log.Inputs.NodeRanges!.Usable.Select(range => (range.Start.Value, range.SizeBytes)));
        Assert.Equal([("DMA", 0x10000UL, 0xffffffUL), ("Normal", 0x1000000UL, 0x377fdfffUL), ("HighMem", 0x377fe000UL, 0x3ffeffffUL)],
            log.Zones.Select(zone => (zone.Name, zone.Range!.Value.Start.Value, zone.Range.Value.Last.Value)));
        Assert.Equal((135UL, 887UL), (log.HighmemMiB, log.LowmemMiB));
        Assert.Equal((0x377fe000UL, 0x377fe000UL), (log.LowRamEnd!.Value.Value, log.MappedLowRamEnd!.Value.Value));
        Assert.Equal([(0x3fff0UL, 0x1000000UL)], log.LastPfns);
        Assert.Equal((1032468UL, 1048512UL), (log.Memory[0].AvailableKiB, log.Memory[0].TotalKiB));
        Assert.Contains(("highmem", 139208UL), log.Memory[0].Parts);
        Assert.Equal("virtual kernel memory layout:", log.LayoutTitle);
        Assert.Equal(["fixmap", "pkmap", "vmalloc", "lowmem", ".init", ".data", ".text"], log.Layout.Select(line => line.Label));
        Assert.Equal((0xf7ffe000UL, 0xff9fe000UL, 122UL, "MB"),
            (log.LayoutOf("vmalloc")!.Start!.Value.Value, log.LayoutOf("vmalloc")!.End!.Value.Value, log.LayoutOf("vmalloc")!.Size, log.LayoutOf("vmalloc")!.Unit));
        Assert.Equal(lines[21..29].Skip(1), log.Layout.Select(line => line.Text));
        VmallocFailure failure = Assert.Single(log.Failures);
        Assert.Equal((VmallocFailureKind.NoAddressRange, 4198400UL, true), (failure.Kind, failure.SizeBytes!.Value, failure.SizeIncludesGuard));
        Assert.Equal(lines.Length, failure.Line);
    }

    [Fact]
    public void Reads_the_layout_block_of_arm()
    {
        DmesgReport log = Read(
            """
            Booting Linux on physical CPU 0x0
            Linux version 3.10.0 (me@box) (gcc) #1 SMP
            Ignoring RAM at 2f800000-3fffffff (vmalloc region overlap).
            Memory: 752MB = 752MB total
            Memory: 760688k/760688k available, 9360k reserved, 0K highmem
            Virtual kernel memory layout:
                vector  : 0xffff0000 - 0xffff1000   (   4 kB)
                fixmap  : 0xfff00000 - 0xfffe0000   ( 896 kB)
                vmalloc : 0xf0000000 - 0xff000000   ( 240 MB)
                lowmem  : 0xc0000000 - 0xef000000   ( 752 MB)
                pkmap   : 0xbfe00000 - 0xc0000000   (   2 MB)
                modules : 0xbf000000 - 0xbfe00000   (  14 MB)
                  .text : 0xc0008000 - 0xc05a1b38   (5735 kB)
                   .bss : 0xc060fa4c - 0xc065ebbc   ( 317 kB)
            SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=1, Nodes=1
            """);
        Assert.Equal(Architecture.Arm, log.Inputs.Architecture);
        Assert.Equal(["vector", "fixmap", "vmalloc", "lowmem", "pkmap", "modules", ".text", ".bss"], log.Layout.Select(line => line.Label));
        Assert.Equal((0x2f800000UL, 0x3fffffffUL), (log.Inputs.IgnoredRam[0].Start.Value, log.Inputs.IgnoredRam[0].Last.Value));
        Assert.Equal(1, log.Inputs.PossibleCpus);
        Assert.Equal(760688UL, log.Memory[1].AvailableKiB);
    }

    [Fact]
    public void Reads_the_layout_block_of_arm64_with_its_continuation_line()
    {
        DmesgReport log = Read(
            """
            [    0.000000] Booting Linux on physical CPU 0x0
            [    0.000000] Virtual kernel memory layout:
            [    0.000000]     modules : 0xffffff8000000000 - 0xffffff8008000000   (   128 MB)
            [    0.000000]     vmalloc : 0xffffff8008000000 - 0xffffffbebfff0000   (   250 GB)
            [    0.000000]       .text : 0x(____ptrval____) - 0x(____ptrval____)   ( 10240 KB)
            [    0.000000]     fixed   : 0xffffffbefe7fd000 - 0xffffffbefec00000   (  4108 KB)
            [    0.000000]     PCI I/O : 0xffffffbefee00000 - 0xffffffbeffe00000   (    16 MB)
            [    0.000000]     vmemmap : 0xffffffbf00000000 - 0xffffffc000000000   (     4 GB maximum)
            [    0.000000]               0xffffffbf00000000 - 0xffffffbf02000000   (    32 MB actual)
            [    0.000000]     memory  : 0xffffffc000000000 - 0xffffffc080000000   (  2048 MB)
            [    0.000000] SLUB: HWalign=64
            """);
        Assert.Equal(["modules", "vmalloc", ".text", "fixed", "PCI I/O", "vmemmap", "vmemmap", "memory"], log.Layout.Select(line => line.Label));
        Assert.Equal(0xffffffbebfff0000UL, log.LayoutOf("vmalloc")!.End!.Value.Value);
        Assert.Null(log.LayoutOf(".text")!.Start);
        Assert.Equal((2048UL, "MB"), (log.LayoutOf("memory")!.Size, log.LayoutOf("memory")!.Unit));
    }

    [Fact]
    public void Reads_the_layout_block_of_riscv()
    {
        DmesgReport log = Read(
            """
            Virtual kernel memory layout:
                  fixmap : 0xffffffcefee00000 - 0xffffffceff000000   (2048 kB)
                  pci io : 0xffffffceff000000 - 0xffffffcf00000000   (  16 MB)
                 vmemmap : 0xffffffcf00000000 - 0xffffffcfffffffff   (4095 MB)
                 vmalloc : 0xffffffd000000000 - 0xffffffdfffffffff   (65535 MB)
                  lowmem : 0xffffffe000000000 - 0xffffffe080000000   (2048 MB)
            Memory: 2044680K/2097152K available
            """);
        Assert.Equal(["fixmap", "pci io", "vmemmap", "vmalloc", "lowmem"], log.Layout.Select(line => line.Label));
        Assert.Equal(2097152UL, Assert.Single(log.Memory).TotalKiB);
    }

    [Fact]
    public void Reads_the_layout_block_of_powerpc_and_microblaze()
    {
        DmesgReport report = Read(
            "[    0.000000] Kernel virtual memory layout:\n" +
            "[    0.000000]   * 0xffbcf000..0xfffff000  : fixmap\n" +
            "[    0.000000]   * 0xff800000..0xffbcf000  : highmem PTEs\n" +
            "[    0.000000]   * 0xf1000000..0xf5110000  : vmalloc & ioremap\n" +
            "[    0.000000] SLUB: HWalign=32\n");
        Assert.Equal(["fixmap", "highmem PTEs", "vmalloc & ioremap"], report.Layout.Select(line => line.Label));
        LayoutLine vmalloc = report.LayoutOf("vmalloc")!;
        Assert.Equal(0xf1000000UL, vmalloc.Start!.Value.Value);
        Assert.Equal(0xf5110000UL, vmalloc.End!.Value.Value);
        Assert.Equal((66_624UL, "kB"), (vmalloc.Size, vmalloc.Unit));
    }

    [Fact]
    public void Reads_user_defined_maps_and_newest_type_names()
    {
        DmesgReport log = Read(
            """
            BIOS-provided physical RAM map:
            BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff]  System RAM
            BIOS-e820: [gap 0x00000000000a0000-0x00000000000effff]
            BIOS-e820: [mem 0x00000000000f0000-0x00000000000fffff]  device reserved
            BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable
            BIOS-e820: [mem 0x0000001000000000-0x0000001fffffffff] usable
            BIOS-e820: [mem 0x00000000feda0000-0x00000000fedbffff] type 20
            user-defined physical RAM map:
            user: [mem 0x0000000000000000-0x000000000009fbff] usable
            user: [mem 0x0000000000100000-0x000000001fffffff] usable
            """);
        Assert.Equal([MemoryKind.Usable, MemoryKind.Reserved, MemoryKind.Usable, MemoryKind.Other, MemoryKind.Usable],
            log.Inputs.FirmwareMap!.Entries.Select(entry => entry.Kind));
        Assert.Equal(0x1fffffffUL, log.UserMap!.Usable.Last().Last.Value);
    }

    [Fact]
    public void Zones_of_the_oldest_kernels_are_plain_numbers()
    {
        DmesgReport log = Read(
            """
            Linux version 2.6.24 (me@box) (gcc version 4.1.2) #1 SMP
            Zone PFN ranges:
              DMA             0 ->     4096
              Normal       4096 ->   225280
              HighMem    225280 ->   262128
            Movable zone start PFN for each node
            early_node_map[1] active PFN ranges
                0:        0 ->   262128
            Built 1 zonelists in Zone order.
            """);
        Assert.Equal([("DMA", 16UL << 20), ("Normal", 864UL << 20), ("HighMem", 36848UL << 12)],
            log.Zones.Select(zone => (zone.Name, zone.Range!.Value.SizeBytes)));
        Assert.Equal(262128UL << 12, log.Inputs.NodeRanges!.Usable.Single().SizeBytes);
    }

    public static TheoryData<string, VmallocFailureKind, ulong?, bool> Failures() => new()
    {
        { "allocation failed: out of vmalloc space - use vmalloc=<size> to increase size.", VmallocFailureKind.NoAddressRange, null, false },
        { "vmap allocation failed: use vmalloc=<size> to increase size.", VmallocFailureKind.NoAddressRange, null, false },
        { "vmap allocation for size 839680 failed: use vmalloc=<size> to increase size.", VmallocFailureKind.NoAddressRange, 839680, true },
        { "vmap allocation for size 839680 failed: use vmalloc=<size> to increase size", VmallocFailureKind.NoAddressRange, 839680, true },
        { "modprobe: vmalloc: allocation failure: 831488 bytes", VmallocFailureKind.Refused, 831488, false },
        { "modprobe: vmalloc: allocation failure, allocated 4096 of 835584 bytes, mode:0xd2(GFP_KERNEL)", VmallocFailureKind.NoPages, 835584, true },
        { "work: vmalloc error: size 8192, exceeds total pages, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.ExceedsTotalPages, 8192, false },
        { "work: vmalloc error: size 8192, vm_struct allocation failed, mode:0xcc0(GFP_KERNEL),nodemask=(null)", VmallocFailureKind.NoArea, 8192, false },
        { "work: vmalloc error: size 8192, vm_struct allocation failed. Retrying., mode:0xcc0", VmallocFailureKind.NoArea, 8192, false },
        { "work: vmalloc error: size 8192, failed to allocated page array size 4096, mode:0xcc0", VmallocFailureKind.NoPageArray, 8192, false },
        { "work: vmalloc error: size 8192, page order 0, failed to allocate pages, mode:0xcc0", VmallocFailureKind.NoPages, 8192, false },
        { "work: vmalloc error: size 8192, failed to allocate pages, mode:0xcc0", VmallocFailureKind.NoPages, 8192, false },
        { "work: vmalloc error: size 8192, failed to map pages, mode:0xcc0", VmallocFailureKind.NotMapped, 8192, false },
        { "work: vmalloc size 8192 allocation failure: exceeds total pages, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.ExceedsTotalPages, 8192, false },
        { "work: vmalloc size 8192 allocation failure: vm_struct allocation failed, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.NoArea, 8192, false },
        { "work: vmalloc size 8192 allocation failure: page array size 8200 allocation failed, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.NoPageArray, 8192, false },
        { "work: vmalloc size 8192 allocation failure: page order 0 allocation failed, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.NoPages, 8192, false },
        { "work: vmalloc size 8192 allocation failure: failed to map pages, mode:0xcc0(GFP_KERNEL)", VmallocFailureKind.NotMapped, 8192, false },
        { "execmem: unable to allocate memory", VmallocFailureKind.NoExecutableMemory, null, false },
        { "percpu: allocation failed, size=64 align=8 atomic=0, failed to allocate new chunk", VmallocFailureKind.NoPercpuChunk, 64, false },
        { "Trying to vfree() nonexistent vm area (00000000a1b2c3d4)", VmallocFailureKind.BadFree, null, false },
        { "Trying to vfree() bad address (f8a01234)", VmallocFailureKind.BadFree, null, false },
        { "__iounmap: bad address f8a01000", VmallocFailureKind.BadFree, null, false },
    };

    /// <summary>A user's log of 3.10: who failed, and with which flags, stands on a line of its own.</summary>
    [Fact]
    public void The_line_behind_a_failure_of_the_old_form_says_whose_it_is()
    {
        DmesgReport report = Read("""
            [195207.149213] vmap allocation for size 37806080 failed: use vmalloc=<size> to increase size.
            [195207.149216] vmalloc: allocation failure: 37798136 bytes
            [195207.149217] insmod: page allocation failure: order:0, mode:0xd2
            [195208.149217] other: page allocation failure: order:1, mode:0xd0

            """);
        Assert.Equal([(null, null), ("insmod", "0xd2")], report.Failures.Select(failure => (failure.Process, failure.Mode)));
    }

    [Theory, MemberData(nameof(Failures))]
    public void Finds_failures_of_every_era(string text, VmallocFailureKind kind, ulong? size, bool guard)
    {
        VmallocFailure failure = Assert.Single(Read("[   12.345678] " + text + "\n").Failures);
        Assert.Equal((kind, size, guard, text), (failure.Kind, failure.SizeBytes, failure.SizeIncludesGuard, failure.Text));
        Assert.Equal(text.Contains("Retrying", StringComparison.Ordinal), failure.Retrying);
        Assert.Equal(text.StartsWith("work: ", StringComparison.Ordinal) ? "work" : text.StartsWith("modprobe: ", StringComparison.Ordinal) ? "modprobe" : null, failure.Process);
        Assert.Equal(text.Contains("mode:", StringComparison.Ordinal), failure.Mode is not null);
    }

    [Fact]
    public void New_kernels_name_the_range_they_searched_and_what_was_overlapped()
    {
        DmesgReport log = Read(
            """
            [   12.0] vmalloc_node_range for size 69632 failed: Address range restricted to 0xffffffffc0000000 - 0xffffffffff000000
            [   12.1] my proc: x: vmalloc error: size 65536, vm_struct allocation failed, mode:0xdc0(GFP_KERNEL|__GFP_ZERO), nodemask=(null)
            [   12.2] vmalloc bug: 0xffffc90000000000-0xffffc90000004000 overlaps with 0xffffc90000003000-0xffffc90000005000
            [   13.0] warn_alloc: 12 callbacks suppressed
            [   14.0] printk: 7 messages suppressed.
            """);
        Assert.Equal((0xffffffffc0000000UL, 0xffffffffff000000UL),
            (log.Failures[0].RangeStart!.Value.Value, log.Failures[0].RangeEnd!.Value.Value));
        Assert.Equal(("my proc: x", "0xdc0(GFP_KERNEL|__GFP_ZERO)"), (log.Failures[1].Process, log.Failures[1].Mode));
        Assert.Equal((VmallocFailureKind.Overlap, 0xffffc90000004000UL), (log.Failures[2].Kind, log.Failures[2].RangeEnd!.Value.Value));
        Assert.Equal([("warn_alloc", 12UL), ("printk", 7UL)], log.Suppressed.Select(item => (item.Function, item.Count)));
    }

    [Fact]
    public void A_wrapped_command_line_is_put_together()
    {
        DmesgReport log = Read(
            """
            Kernel command line: console=ttyS0 root=/dev/sda1 \
            Kernel command line: vmalloc=256M quiet
            """);
        Assert.Equal("console=ttyS0 root=/dev/sda1 vmalloc=256M quiet", log.Inputs.CommandLine);
    }

    [Fact]
    public void A_damaged_map_line_is_a_diagnostic_and_the_rest_is_used()
    {
        DiagnosticList diagnostics = new();
        DmesgReport log = DmesgFile.Read(Bytes.Of(
            """
            BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
            BIOS-e820: [mem 0x00000000000f0000-
            BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable
            """), "dmesg", diagnostics);
        Assert.Equal(2, log.Inputs.FirmwareMap!.Entries.Length);
        Diagnostic diagnostic = Assert.Single(diagnostics.Items);
        Assert.Equal(("dmesg", 2L), (diagnostic.File, diagnostic.Line));
    }

    [Theory]
    [InlineData("percpu: Embedded 33 pages/cpu s103316 r0 d31852 u135168", true, 33, 103316, 31852, 135168)]
    [InlineData("PERCPU: Embedded 13 pages/cpu @f7800000 s30272 r0 d22976 u53248", true, 13, 30272, 22976, 53248)]
    [InlineData("percpu: 13 4K pages/cpu @f8802000 s30272 r0 d22976", false, 13, 30272, 22976, 0)]
    public void Reads_the_first_per_cpu_chunk(string text, bool embedded, ulong pages, ulong fixedBytes, ulong dynamicBytes, ulong unitBytes) =>
        Assert.Equal(new PercpuLine(embedded, pages, fixedBytes, 0, dynamicBytes, unitBytes), Read(text + "\n").Percpu);

    private static DmesgReport Read(string text)
    {
        DiagnosticList diagnostics = new();
        DmesgReport report = DmesgFile.Read(Bytes.Of(text), "dmesg", diagnostics);
        Assert.Empty(diagnostics.Items);
        return report;
    }
}
