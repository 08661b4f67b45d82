using System.Text.Json;
using VmScope.Analysis;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>Lists too long for a catalogue file, built from the figures of public reports.</summary>
public sealed class DoctorListTests : IDisposable
{
    private const ulong WindowStart = 0xf1000000;
    private const ulong WindowEnd = 0xf5110000;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-doctor");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>
    /// A PowerMac with KASAN (linuxppc-dev, February 2025; numbers only): a window of 65 MiB, 7.1 MB of it free in 217
    /// holes, the largest 831,488 bytes; 839,680 are refused; 35.9 MB are ioremap, three PCI windows of 8 MiB among it.
    /// </summary>
    [Fact]
    public void A_fragmented_powerpc_window_misses_8192_bytes_and_has_no_vmalloc_option()
    {
        const ulong free = 7_102_464;
        const ulong ioremap = 35_900_416;
        AreaLists list = new();
        ulong at = WindowStart;
        ulong left = WindowEnd - WindowStart - free - ioremap;
        ulong otherHoles = free - 831_488;
        for (int hole = 0; hole < 217; hole++)
        {
            // Between the holes: ordinary areas, and the mappings of devices in the first 36 places.
            ulong area = hole < 216 ? left / 216 & ~0xfffUL : left - (216 * (left / 216 & ~0xfffUL));
            ulong device = hole < 3 ? (8 * Size.MiB) + 4096 : hole == 3 ? ioremap - (3 * ((8 * Size.MiB) + 4096)) - (30 * 65536) : hole < 34 ? 65536UL : 0UL;
            if (device > 0)
            {
                list.Add(at, device, $"pci_iomap_range+0x50/0x90 phys=0x{0x80000000 + (hole * 0x1000000):x8} ioremap");
                at += device;
            }

            list.Add(at, area, $"owner_{hole % 9}+0x10/0x20 pages={(area / 4096) - 1} vmalloc");
            at += area;
            at += hole == 100 ? 831_488 : hole < 216 ? otherHoles / 216 & ~0xfffUL : otherHoles - (215 * (otherHoles / 216 & ~0xfffUL));
        }

        Assert.Equal(WindowEnd, at);
        Write("vmallocinfo", list.Text());
        Write("dmesg", """
            [    0.000000] Linux version 6.14.0-rc4-PMacG4 (builder@host) #1
            [    0.000000] Hardware name: PowerMac3,6 7455 0x80010303 PowerMac
            [  100.000000] vmalloc_node_range for size 4198400 failed: Address range restricted to 0xf1000000 - 0xf5110000
            [  110.000000] vmalloc_node_range for size 1196032 failed: Address range restricted to 0xf1000000 - 0xf5110000
            [  120.000000] vmalloc_node_range for size 839680 failed: Address range restricted to 0xf1000000 - 0xf5110000
            """);
        DoctorReport report = Examine();
        Assert.Equal((DoctorVerdict.Fragmentation, DoctorSeverity.Serious), (report.Verdict, report.Severity));
        Assert.Equal((WindowStart, WindowEnd), (report.Window!.Start, report.Window.EndExclusive));
        Assert.Equal("ppc", report.Architecture);
        Assert.Equal(free, report.FreeBytes);
        Assert.Equal(217, report.Holes);
        Assert.Equal(831_488u, report.LargestHoleBytes);
        Assert.Equal(8_192u, report.ShortByBytes);
        Assert.Null(report.Cure);
        Assert.Contains("vmalloc= is not available on ppc", report.Summary, StringComparison.Ordinal);
        Assert.Contains(report.Statements, statement => statement.Text.Contains("35,900,416 bytes (35.9 MB) of it are ioremap", StringComparison.Ordinal) && statement.Text.Contains("VmallocUsed", StringComparison.Ordinal));
        Assert.Equal(3, report.Requests.Length);
    }

    /// <summary>Goal: sizes that no kernel prints never end in a stack trace. Method: sizes beside page borders and at the top of 64 bits.</summary>
    [Theory]
    [InlineData("vmap allocation for size 500000001 failed: use vmalloc=<size> to increase size", "500002816")]
    [InlineData("vmap allocation for size 1 failed: use vmalloc=<size> to increase size", "4096")]
    [InlineData("vmap allocation for size 18446744073709551615 failed: use vmalloc=<size> to increase size", "18446744073709551615")]
    [InlineData("insmod: vmalloc error: size 18446744073709551615, vm_struct allocation failed, mode:0x1", "18446744073709551615")]
    [InlineData("percpu: allocation failed, size=18446744073709551615 align=1 atomic=0, failed to allocate new chunk", "")]
    public void Odd_sizes_are_rounded_or_called_impossible(string message, string searched)
    {
        Write("dmesg", BootLog.I386(message));
        Write("vmallocinfo", "0xf8800000-0xf8803000   12288 n_tty_open+0x16/0x90 pages=2 vmalloc\n");
        DoctorReport report = Examine();
        Assert.Equal(searched, report.Request!.SearchedBytes?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "");
        Assert.Equal(DoctorSeverity.Serious, report.Severity);
    }

    /// <summary>Goal: a per-CPU chunk is looked for with its own size. Method: a list that shows how large one is.</summary>
    [Fact]
    public void A_percpu_chunk_is_as_large_as_those_in_the_list()
    {
        Write("dmesg", BootLog.I386("percpu: allocation failed, size=2048 align=8 atomic=0, failed to allocate new chunk"));
        Write("vmallocinfo", """
            0xf7ffe000-0xff300000 120594432 owner+0x1/0x2 pages=9 vmalloc
            0xff4f0000-0xff5fe000 1105920 pcpu_get_vm_areas+0x0/0x7b0 vmalloc

            """);
        DoctorReport report = Examine();
        Assert.Equal((2048UL, 1105920UL), (report.Request!.Bytes, report.Request.SearchedBytes));
        Assert.Contains(report.Statements, statement => statement.Text.Contains("a new chunk to take them from: 1,105,920 bytes", StringComparison.Ordinal));
        Assert.DoesNotContain("guard page included", report.Summary, StringComparison.Ordinal);
    }

    /// <summary>Goal: of a log full of failures the last one decides, and nothing is left out unsaid. Method: 25,000 sizes.</summary>
    [Fact]
    public void The_last_of_very_many_failures_decides()
    {
        Write("dmesg", BootLog.I386(string.Join('\n', Enumerable.Range(2, 25_000).Select(i => $"[  100.000000] vmap allocation for size {4096L * i} failed: use vmalloc=<size> to increase size"))));
        DoctorReport report = Examine();
        Assert.Equal(4096UL * 25_001, report.Request!.Bytes);
        Assert.InRange(report.Statements.Length, 20, 60);
        Assert.Contains(report.Statements, statement => statement.Text.Contains("more requests failed before these", StringComparison.Ordinal));
        Assert.Contains(report.Statements, statement => statement.Text.Contains("first 10,000 messages of failures", StringComparison.Ordinal));
    }

    /// <summary>Goal: a hashed list still tells that a window is full. Method: sizes that leave less than was asked for.</summary>
    [Fact]
    public void The_sizes_of_a_hashed_list_bound_what_is_free()
    {
        Write("dmesg", BootLog.I386("vmap allocation for size 65536 failed: use vmalloc=<size> to increase size"));
        Write("vmallocinfo", """
            0x1234abcd-0x88776655 119996416 owner+0x1/0x2 pages=9 vmalloc
            0x99887766-0x00ab5544 3694592 other+0x1/0x2 pages=9 vmalloc

            """);
        DoctorReport report = Examine();
        Assert.Equal(DoctorVerdict.Exhausted, report.Verdict);
        Assert.Contains("at most 40,960 of 123,731,968 bytes free, and 65,536 were asked for (guard page included): short by at least 24,576", report.Summary, StringComparison.Ordinal);
        Assert.Null(report.ShortByBytes);
    }

    /// <summary>Goal: no verdict and no proof from a window that is only guessed. Method: meminfo contradicts every bound there is.</summary>
    [Fact]
    public void A_guessed_window_is_neither_full_nor_proved()
    {
        Write("dmesg", "[    1.000000] vmap allocation for size 65536 failed: use vmalloc=<size> to increase size\n[    1.000001]  sysenter_past_esp+0x1/0x2\n");
        Write("version", "Linux version 5.10.0-32-686 (x@y) #1\n");
        Write("iomem", "00000000-0009fbff : System RAM\n00100000-3ffdffff : System RAM\n");
        Write("meminfo", "MemTotal:        1000000 kB\nVmallocTotal:     524288 kB\n");
        Write("vmallocinfo", "0xf7ffe000-0xf8800000 8396800 owner+0x1/0x2 pages=9 vmalloc\n0xf8804000-0xf8900000 1032192 owner+0x1/0x2 pages=9 vmalloc\n");
        DoctorReport report = Examine();
        Assert.Equal((DoctorVerdict.NoRoom, Sureness.Guessed), (report.Verdict, report.Window!.Sureness));
        Assert.Null(report.ShortByBytes);
        Assert.True(report.Cure is not { IsProved: true });
        Assert.DoesNotContain("is full", report.Summary, StringComparison.Ordinal);
    }

    /// <summary>Goal: a list of another machine is no evidence. Method: addresses of 64 bits beside a log of a 32-bit kernel.</summary>
    [Fact]
    public void A_list_with_addresses_of_another_width_is_left_out()
    {
        Write("dmesg", BootLog.I386("vmap allocation for size 65536 failed: use vmalloc=<size> to increase size"));
        Write("vmallocinfo", "0xffffc90000000000-0xffffc90000003000   12288 owner+0x1/0x2 pages=2 vmalloc\n");
        DoctorReport report = Examine();
        Assert.Null(report.LargestHoleBytes);
        Assert.Contains(report.Statements, statement => statement.Text.Contains("of another machine, and left out", StringComparison.Ordinal));
    }

    /// <summary>Goal: rows no kernel prints never end in a stack trace. Method: areas at fixed addresses that are not made of pages.</summary>
    [Theory]
    [InlineData("0xf9000c89-0xf903fb67  257758 iotable_init+0x1/0x2 phys=0x10000000 ioremap")]
    [InlineData("0xf9000000-0xf9000001       1 iotable_init+0x1/0x2 phys=0x10000000 ioremap")]
    [InlineData("0xf9000000-0xf9000000       0 iotable_init+0x1/0x2 phys=0x10000000 ioremap")]
    [InlineData("0xf7ffe000-0xf9001000 16789504 iotable_init+0x1/0x2 phys=0x10000000 ioremap")]
    public void Fixed_areas_that_are_not_made_of_pages_are_placed_like_others(string row)
    {
        Write("dmesg", BootLog.I386("vmap allocation for size 123728000 failed: use vmalloc=<size> to increase size"));
        Write("vmallocinfo", "0xf7ffe000-0xf8800000 8396800 owner+0x1/0x2 pages=9 vmalloc\n" + row + "\n");
        Assert.True(Examine().Cure is { IsProved: true });
    }

    /// <summary>Goal: free bytes and holes are of one moment. Method: a freed area between two live ones, so that the purge opens a hole.</summary>
    [Fact]
    public void Holes_that_a_purge_opens_are_counted_with_their_bytes()
    {
        Write("dmesg", BootLog.I386("vmap allocation for size 16384 failed: use vmalloc=<size> to increase size"));
        Write("vmallocinfo", """
            0xf7ffe000-0xf8800000 8396800 owner+0x1/0x2 pages=9 vmalloc
            0xf8802000-0xff5fe000 115326976 owner+0x1/0x2 pages=9 vmalloc
            0xf8800000-0xf8802000    8192 unpurged vm_area

            """);
        DoctorReport report = Examine();
        Assert.Equal((8192UL, 1L, 8192UL, 8192UL), (report.FreeBytes, report.Holes, report.LargestHoleBytes, report.ShortByBytes));
        Assert.Contains("8,192 bytes are free in 1 hole;", report.Summary, StringComparison.Ordinal);
    }

    /// <summary>Goal: a broken kernel is not called merely full. Method: a bad free in the log of a machine whose list has no room.</summary>
    [Theory]
    [InlineData("Trying to vfree() nonexistent vm area (f8800000)", DoctorVerdict.Corrupt)]
    [InlineData("illegal size (32792) or align (8) for percpu allocation", DoctorVerdict.ImpossibleSize)]
    public void What_the_log_says_weighs_more_than_a_full_window(string message, DoctorVerdict verdict)
    {
        Write("dmesg", BootLog.I386(message));
        Write("vmallocinfo", "0xf7ffe000-0xfff00000 133177344 owner+0x1/0x2 pages=9 vmalloc\n");
        DoctorReport report = Examine();
        Assert.Equal(verdict, report.Verdict);
        Assert.DoesNotContain("Nothing has failed", report.Summary, StringComparison.Ordinal);
        Assert.Contains("The vmalloc window is full", report.Summary, StringComparison.Ordinal);
    }

    /// <summary>Goal: the module windows are measured like the vmalloc one. Method: lists that fill the range the message prints.</summary>
    [Theory]
    [InlineData("x86-64", 0xffffffffc0000000, 0x3f000000, 0xffffc90000000000, "bpf_prog_pack_alloc", 0x201000, 0x201000, 503, 2_101_248, "exhausted", 36_864)]
    [InlineData("arm", 0xbf000000, 0xe00000, 0xf0800000, "load_module", 0x100000, 0x200000, 7, 2_097_152, "fragmentation", 1_048_576)]
    [InlineData("arm64", 0xffff800000000000, 0x80000000, 0xffff800080000000, "load_module", 0x4000000, 0x4200000, 31, 8_388_608, "fragmentation", 2_097_152 + 2_097_152)]
    public void A_full_module_window_is_measured_on_its_own(
        string architecture, ulong start, ulong bytes, ulong vmalloc, string caller, ulong size, ulong step, int count, ulong request, string verdict, ulong largest)
    {
        bool is64Bit = architecture != "arm";
        Write("vmallocinfo", new AreaLists(is64Bit).AddMany(count, start, size, step, "execmem_vmalloc+0x10/0x20 pages=1 vmalloc")
            .AddMany(10, vmalloc, 0x5000, 0x8000, "dup_task_struct+0x50/0x1c0 pages=4 vmalloc").Text());
        string digits = is64Bit ? "x16" : "x8";
        string end = (start + bytes).ToString(digits, System.Globalization.CultureInfo.InvariantCulture);
        string trace = caller == "load_module" ? "" : $"[  100.0]  {caller}+0x60/0x80\n";
        Write("dmesg", $"[  100.0] vmalloc_node_range for size {request} failed: Address range restricted to 0x{start.ToString(digits, System.Globalization.CultureInfo.InvariantCulture)} - 0x{end}\n"
            + $"[  100.0]  execmem_vmalloc+0x60/0x80\n{trace}[  100.0]  load_module+0x60/0x80\n");
        DoctorReport report = VmScope.Analysis.Doctor.Examine(EvidenceBundle.Open(_folder.FullName, Stream.Null), new DoctorOptions { Architecture = architecture });
        Assert.Equal(caller == "load_module" ? FailedWindow.Modules : FailedWindow.Bpf, report.Request!.Window);
        Assert.Equal((start, bytes), (report.Window!.Start, report.Window.Bytes));
        Assert.Equal(verdict, DoctorWords.Word(report.Verdict));
        Assert.Equal(bytes - ((ulong)count * size), report.FreeBytes);
        Assert.Equal(largest, report.LargestHoleBytes);
        Assert.Equal(request - largest, report.ShortByBytes);
        Assert.Null(report.Cure);
        Assert.Contains(report.Statements, statement => statement.Text.Contains("vmalloc= does nothing", StringComparison.Ordinal));
    }

    /// <summary>Goal: another split is named where vmalloc= costs too much. Method: 700 MiB asked of an i386 machine with 2 GiB.</summary>
    [Fact]
    public void A_request_that_costs_most_of_lowmem_names_another_split()
    {
        Write("config", "CONFIG_X86_32=y\nCONFIG_HIGHMEM=y\nCONFIG_HIGHMEM4G=y\nCONFIG_NR_CPUS=8\nCONFIG_SMP=y\nCONFIG_VMSPLIT_3G=y\n");
        Write("dmesg", """
            [    0.000000] Linux version 5.10.0 (builder@host) #1 SMP
            [    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
            [    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable
            [    0.000000] Kernel command line: ro
            [  100.000000] vmap allocation for size 734007296 failed: use vmalloc=<size> to increase size
            [  100.000000]  vmalloc+0x10/0x20
            """);
        DoctorReport report = Examine();
        Assert.Equal("701M", report.Cure!.Value);
        Assert.True(report.Cure.LowmemLostBytes > 500 * Size.MiB);
        Assert.Contains(report.Statements, statement => statement.Text.StartsWith("A kernel built with VMSPLIT_2G takes it with vmalloc=", StringComparison.Ordinal));
    }

    /// <summary>311 rows that wait for a purge (linux-mm, 2017; the count only): freed areas are no leak.</summary>
    [Fact]
    public void Hundreds_of_unpurged_rows_are_healthy()
    {
        Write("vmallocinfo", new AreaLists().AddMany(40, 0xf0800000, 0x5000, 0x8000, "n_tty_open+0x16/0x90 pages=3 vmalloc")
            .AddMany(311, 0xf1000000, 0x3000, 0x3000, "unpurged vm_area").Text());
        DoctorReport report = Examine();
        Assert.Equal((DoctorVerdict.Healthy, DoctorSeverity.None), (report.Verdict, report.Severity));
        Assert.Contains(report.Statements, statement => statement.Text.Contains("311 rows are freed", StringComparison.Ordinal));
    }

    [Fact]
    public void A_physical_range_mapped_again_and_again_is_found_without_any_failure()
    {
        Write("vmallocinfo", new AreaLists(is64Bit: true).AddMany(9, 0xffffc90000000000, 0x401000, 0x800000, "nic_open+0x4/0x8 [nic] phys=0x00000000e0000000 ioremap").Text());
        CliRun run = CliRun.Of("doctor", _folder.FullName, "--json");
        Assert.Equal(1, run.ExitCode);
        JsonElement report = JsonDocument.Parse(run.OutText).RootElement;
        Assert.Equal("leak-suspect", report.GetProperty("verdict").GetString());
        Assert.Equal("duplicate-mapping", report.GetProperty("findings")[0].GetProperty("id").GetString());
    }

    [Fact]
    public void Nothing_to_examine_is_refused()
    {
        Write("cmdline", "ro quiet");
        Assert.Equal(3, CliRun.Of("doctor", _folder.FullName).ExitCode);
    }

    [Theory, InlineData("x"), InlineData("-1"), InlineData("99999999999999999999999"), InlineData("5T"), InlineData("")]
    public void A_margin_that_is_none_is_a_usage_error(string text) => Assert.Equal(2, CliRun.Of("doctor", _folder.FullName, "--margin", text).ExitCode);

    private void Write(string name, string content) => File.WriteAllText(Path.Combine(_folder.FullName, name), content);

    private DoctorReport Examine() => VmScope.Analysis.Doctor.Examine(EvidenceBundle.Open(_folder.FullName, Stream.Null), DoctorOptions.Default);
}

file static class BootLog
{
    /// <summary>The first lines of an i386 boot with 1 GiB, and a message.</summary>
    internal static string I386(string message) => $"""
        [    0.000000] Linux version 5.10.0-32-686 (builder@host) #1
        [    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
        [    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000003ffdffff] usable
        [    0.000000] Kernel command line: quiet
        [    0.000000] virtual kernel memory layout:
        [    0.000000]     vmalloc : 0xf7ffe000 - 0xff5fe000   ( 118 MB)
        [  100.000000] {message}
        """;
}
