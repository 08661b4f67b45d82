using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Tests.Machine;

/// <summary>
/// Goal: what a modelled machine says of itself under /proc has a kernel's form and adds up. Method: our readers, which
/// recorded boots have proven, read it back; figures are added up against the machine's own state.
/// </summary>
public partial class MachineReportTests
{
    public static TheoryData<string> Every() => [.. Support.Machines.Names];

    [Theory, MemberData(nameof(Every))]
    public void Small_files_read_back_and_add_up(string name)
    {
        BootedMachine machine = Boot(name);
        DiagnosticList diagnostics = new();
        BuddyinfoReport buddy = MachineReports.Buddyinfo(machine);
        string text = Written(writer => BuddyinfoFile.Write(buddy, writer));
        BuddyinfoReport buddyBack = BuddyinfoFile.Read(Bytes(text), name, diagnostics);
        Assert.Equal(buddy.Zones.Select(zone => (zone.Zone, string.Join(' ', zone.FreeBlocks))), buddyBack.Zones.Select(zone => (zone.Zone, string.Join(' ', zone.FreeBlocks))));
        foreach (BuddyinfoZone zone in buddyBack.Zones)
        {
            Assert.Equal(machine.Pages.Zones.First(own => own.Kind.Name() == zone.Zone).FreePages, zone.FreePages);
        }

        string zoneText = Written(writer => ZoneinfoFile.Write(MachineReports.Zoneinfo(machine), writer));
        ZoneinfoReport zones = ZoneinfoFile.Read(Bytes(zoneText), name, diagnostics);
        Assert.Equal(zoneText, Written(writer => ZoneinfoFile.Write(zones, writer)));
        foreach ((ZoneinfoZone zone, MemoryZone own) in zones.Zones.Zip(machine.Pages.Zones.Where(own => zones.Zones.Any(zone => zone.Zone == own.Kind.Name()))))
        {
            Assert.Equal((own.FreePages, own.Watermarks.Min, own.Watermarks.Low, own.SpannedPages), (zone.Free, zone.Min, zone.Low, zone.Spanned));
        }

        MeminfoReport meminfo = MeminfoFile.Read(Bytes(Written(writer => MeminfoFile.Write(MachineReports.Meminfo(machine), writer))), name, diagnostics);
        Assert.Equal(machine.Pages.ManagedPages * 4, meminfo.MemTotalKiB);
        if (meminfo.VmallocTotalKiB is { } total)
        {
            Assert.Equal(machine.Layout.VmallocTotalKiB, total);
        }

        IomemReport iomem = IomemFile.Read(Bytes(Written(writer => IomemFile.Write(MachineReports.Iomem(machine), writer))), name, diagnostics);
        Assert.Contains(iomem.Entries, entry => entry is { Name: "System RAM", Depth: 0 });
        Assert.Equal(0, diagnostics.Count);
    }

    /// <summary>
    /// The counts of /proc/meminfo by era, with one vmalloc of 2 pages, one ioremap, and one area freed lazily: all areas
    /// with guards, later without the lazy one, then nothing, then only vmalloc's own pages.
    /// </summary>
    [Theory]
    [InlineData("i386 2.6.11", 12UL + 8, true)]
    [InlineData("i386 2.6.32", 12UL + 8, true)]
    [InlineData("i386 3.10", 12UL + 8, true)]
    [InlineData("i386 4.4", 0UL, false)]
    [InlineData("i386 5.4", 8UL, false)]
    [InlineData("x86-64 6.12", 8UL, false)]
    public void Vmalloc_lines_count_what_they_counted_then(string name, ulong usedKiB, bool hasChunk)
    {
        BootedMachine machine = Support.Machines.Boot(name, 1200 * Size.MiB);
        VirtualAddress freed = machine.Allocate(new VmallocCall(100, "x")).Address!.Value;
        machine.Allocate(new VmallocCall(8000, "x"));
        machine.Ioremap(new PhysicalAddress(0xfee00000), 4096, "d");
        machine.Vfree(freed);
        MeminfoReport meminfo = MachineReports.Meminfo(machine);
        Assert.Equal(usedKiB, meminfo.VmallocUsedKiB);
        Assert.Equal(hasChunk, meminfo.VmallocChunkKiB > 0);
    }

    [Theory, MemberData(nameof(Every))]
    public void The_page_table_dump_has_a_line_for_every_mapping(string name)
    {
        BootedMachine machine = Boot(name);
        string dump = PageTableDump.Of(machine, machine.Tables.Root);
        ulong mapped = 0;
        ulong expected = 0;
        ulong last = 0;
        foreach (string line in dump.TrimEnd('\n').Split('\n'))
        {
            if (line.StartsWith("---[", StringComparison.Ordinal))
            {
                continue;
            }

            Match match = DumpLine().Match(line);
            Assert.True(match.Success, line);
            ulong start = Convert.ToUInt64(match.Groups["start"].Value, 16);
            ulong end = Convert.ToUInt64(match.Groups["end"].Value, 16);
            Assert.Equal(last, start);
            last = end;
            string flags = match.Groups["flags"].Value;
            if (string.IsNullOrWhiteSpace(flags))
            {
                continue;
            }

            ulong size = unchecked(end - start) & (machine.Is64Bit ? ulong.MaxValue : uint.MaxValue);
            mapped += size;
            Translation translation = machine.Tables.Walker.Walk(machine.Tables.Root, new VirtualAddress(start)).Translation!.Value;
            Assert.Equal((translation.Entry & X86Entry.Writable) != 0, flags.Contains("RW", StringComparison.Ordinal));
            Assert.Equal((translation.Entry & X86Entry.NoExecute) != 0, flags.Contains("NX", StringComparison.Ordinal));
            Assert.Equal(translation.PageShift > 12, flags.Contains("PSE", StringComparison.Ordinal));
            Assert.Equal((translation.Entry & X86Entry.CacheDisable) != 0, flags.Contains("PCD", StringComparison.Ordinal));
        }

        expected = machine.Tables.Walker.Runs(machine.Tables.Root).Aggregate(0UL, (sum, run) => sum + run.Range.SizeBytes);
        Assert.Equal(expected, mapped);
        Assert.Contains("---[ vmalloc() Area ]---\n", dump, StringComparison.Ordinal);
    }

    /// <summary>The form of a line is the kernel's: 0xSTART-0xEND, three blanks, nine columns and a unit, flags, level.</summary>
    [Fact]
    public void A_line_of_the_page_table_dump_is_byte_for_byte_the_kernels()
    {
        BootedMachine machine = Support.Machines.Boot("x86-64 5.4", 256 * Size.MiB);
        machine.Allocate(new VmallocCall(100, "x"));
        string dump = PageTableDump.Of(machine, machine.Tables.Root);
        Assert.Contains("0xffffc90000000000-0xffffc90000001000           4K     RW                 GLB NX pte\n", dump, StringComparison.Ordinal);
        Assert.Contains("0xffff888000200000-0xffff888010000000         254M     RW         PSE     GLB NX pmd\n", dump, StringComparison.Ordinal);
        Assert.StartsWith("---[ User Space ]---\n0x0000000000000000-0xffff800000000000    16777088T                               pgd\n---[ Kernel Space ]---\n", dump, StringComparison.Ordinal);
    }

    /// <summary>Every form the lines have had, each by the source of its time; the last field is the line of an ioremap of 4 KiB.</summary>
    [Theory]
    [InlineData("i386 2.6.32", "0x00000000-0xc0000000           3G                           pgd", "880M     RW         PSE GLB x  pgd", "4K     RW     PCD     GLB x  pte")]
    [InlineData("i386 3.10", "0x00000000-0xc0000000           3G                           pgd", "880M     RW         PSE GLB x  pgd", "4K     RW     PCD     GLB x  pte")]
    [InlineData("i386 4.4", "0x00000000-0xc0000000           3G                               pgd", "880M     RW         PSE     GLB x  pgd", "4K     RW     PCD         GLB x  pte")]
    [InlineData("i386 5.4", "0x00000000-0xc0000000           3G                               pgd", "872M     RW         PSE     GLB x  pgd", "4K     RW     PCD         GLB x  pte")]
    [InlineData("i386 5.9", "0x00000000-0xc0000000           3G                               pgd", "872M     RW         PSE     GLB x  pmd", "4K     RW     PCD         GLB x  pte")]
    [InlineData("pae 2.6.32", "0x00000000-0xc0000000           3G                           pgd", "886M     RW         PSE GLB NX pmd", "4K     RW     PCD     GLB NX pte")]
    [InlineData("pae 5.9", "0x00000000-0xc0000000           3G                               pgd", "882M     RW         PSE     GLB NX pmd", "4K     RW     PCD         GLB NX pte")]
    [InlineData("x86-64 2.6.32", "0x0000000000000000-0xffff800000000000    16777088T                           pgd", "RW         PSE GLB NX pmd", "4K     RW     PCD     GLB NX pte")]
    [InlineData("x86-64 3.18", "0x0000000000000000-0xffff800000000000    16777088T                           pgd", "RW         PSE GLB NX pmd", "4K     RW     PCD     GLB NX pte")]
    [InlineData("x86-64 5.4", "0x0000000000000000-0xffff800000000000    16777088T                               pgd", "RW         PSE     GLB NX pmd", "4K     RW     PCD         GLB NX pte")]
    [InlineData("x86-64 5.6", "0x0000000000000000-0xffff880000000000    16777096T                               pgd", "RW         PSE     GLB NX pmd", "4K     RW     PCD         GLB NX pte")]
    [InlineData("x86-64-5level 6.12", "0x0000000000000000-0xff10000000000000       16324P                               pgd", "RW         PSE     GLB NX pmd", "4K     RW     PCD         GLB NX pte")]
    public void Lines_have_the_columns_of_their_time(string name, string user, string direct, string device)
    {
        BootedMachine machine = Support.Machines.Boot(name, 1200 * Size.MiB);
        machine.Ioremap(new PhysicalAddress(0xfee00000), 4096, "d");
        string[] lines = PageTableDump.Of(machine, machine.Tables.Root).Split('\n');
        Assert.Equal(user, lines[1]);
        Assert.Contains(lines, line => line.EndsWith(direct, StringComparison.Ordinal));
        Assert.Contains(lines, line => line.EndsWith(device, StringComparison.Ordinal));
    }

    /// <summary>The headings of every era, in the order they come out.</summary>
    [Theory]
    [InlineData("i386 2.6.32", "", "User Space|Kernel Mapping|vmalloc() Area|vmalloc() End|Persisent kmap() Area|Fixmap Area")]
    [InlineData("i386 4.4", "", "User Space|Kernel Mapping|vmalloc() Area|vmalloc() End|Persistent kmap() Area|Fixmap Area")]
    [InlineData("i386 4.15", "", "User Space|Kernel Mapping|vmalloc() Area|vmalloc() End|Persistent kmap() Area|CPU entry area|Fixmap area")]
    [InlineData("i386 5.4", "", "User Space|Kernel Mapping|vmalloc() Area|vmalloc() End|Persistent kmap() Area|LDT remap|CPU entry area|Fixmap area")]
    [InlineData("x86-64 2.6.32", "", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|High Kernel Mapping|Modules|End Modules")]
    [InlineData("x86-64 3.18", "", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|ESPfix Area|High Kernel Mapping|Modules|End Modules")]
    [InlineData("x86-64 4.4", "", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|ESPfix Area|EFI Runtime Services|High Kernel Mapping|Modules|End Modules")]
    [InlineData("x86-64 4.4", "EFI=n,X86_ESPFIX64=n", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|High Kernel Mapping|Modules|End Modules")]
    [InlineData("x86-64 4.19", "", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|CPU entry Area|LDT remap|ESPfix Area|EFI Runtime Services|High Kernel Mapping|Modules|End Modules|Fixmap Area")]
    [InlineData("x86-64 5.4", "", "User Space|Kernel Space|LDT remap|Low Kernel Mapping|vmalloc() Area|Vmemmap|CPU entry Area|ESPfix Area|EFI Runtime Services|High Kernel Mapping|Modules|End Modules|Fixmap Area")]
    [InlineData("x86-64 5.4", "MODIFY_LDT_SYSCALL=n", "User Space|Kernel Space|Low Kernel Mapping|vmalloc() Area|Vmemmap|CPU entry Area|ESPfix Area|EFI Runtime Services|High Kernel Mapping|Modules|End Modules|Fixmap Area")]
    public void Headings_are_those_of_their_time(string name, string config, string headings)
    {
        MachineDescription description = Support.Machines.Describe(name, 1200 * Size.MiB);
        foreach (string[] pair in config.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=')))
        {
            description = new MachineDescription(description.Kernel with { Config = description.Kernel.Config.With(pair[0], pair[1]) }) { RamBytes = description.RamBytes };
        }

        BootedMachine machine = ((BootOutcome.Booted)BootedMachine.Boot(description)).Machine;
        IEnumerable<string> found = PageTableDump.Of(machine, machine.Tables.Root).Split('\n')
            .Where(line => line.StartsWith("---[ ", StringComparison.Ordinal)).Select(line => line[5..^5]);
        Assert.Equal(headings, string.Join('|', found));
    }

    [Theory, MemberData(nameof(Every))]
    public void The_core_file_holds_every_written_frame_and_says_where_the_tables_are(string name)
    {
        BootedMachine machine = Boot(name);
        using MemoryStream stream = new();
        ulong length = ElfCoreWriter.Write(machine, stream);
        byte[] core = stream.ToArray();
        Assert.Equal((ulong)core.Length, length);
        Assert.Equal(new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }, core[..7]);
        Assert.Equal(4, BinaryPrimitives.ReadUInt16LittleEndian(core.AsSpan(16)));
        int count = BinaryPrimitives.ReadUInt16LittleEndian(core.AsSpan(56));
        CoreMemory memory = new(core);
        Assert.Equal(count - 1, memory.Segments.Count);
        byte[] own = new byte[4096];
        byte[] stored = new byte[4096];
        foreach (PageFrameNumber frame in machine.Memory.WrittenFrames.Where(frame => frame.Value < (machine.Is64Bit ? 65536UL : 307200)))
        {
            Assert.True(machine.Memory.TryRead(frame.StartAddress(PageSize.Size4K), own));
            Assert.True(memory.TryRead(frame.StartAddress(PageSize.Size4K), stored));
            Assert.Equal(own, stored);
        }

        string note = Encoding.Latin1.GetString(core.AsSpan((int)memory.Note.Offset, (int)memory.Note.Bytes));
        Assert.Contains("VMCOREINFO\0", note, StringComparison.Ordinal);
        Assert.Contains($"VMSCOPE_CR3={machine.Tables.Root.Value:x}\n", note, StringComparison.Ordinal);

        // The walker that reads the machine reads the dump: every mapping is the same.
        PageTableWalker walker = new(machine.Tables.Geometry, memory);
        Assert.Equal(machine.Tables.Walker.Runs(machine.Tables.Root), walker.Runs(machine.Tables.Root));
    }

    private static BootedMachine Boot(string name)
    {
        BootedMachine machine = Support.Machines.Boot(name, name.StartsWith("x86", StringComparison.Ordinal) ? 256 * Size.MiB : 1200 * Size.MiB, cpus: 2);
        machine.Allocate(new VmallocCall(20000, "x+0x1/0x2"));
        machine.Ioremap(new PhysicalAddress(0xfee00000), 4096, "d+0x1/0x2");
        OperationReport page = machine.AllocatePages(new PageRequest(0, ZoneKind.HighMem));
        machine.Kmap(page.Frame!.Value);
        return machine;
    }

    private static MemoryStream Bytes(string text) => new(Encoding.UTF8.GetBytes(text));

    private static string Written(Action<TextWriter> write)
    {
        using StringWriter writer = new() { NewLine = "\n" };
        write(writer);
        return writer.ToString();
    }

    [GeneratedRegex("^0x(?<start>[0-9a-f]+)-0x(?<end>[0-9a-f]+)   +(?<size>[0-9]+)[BKMGTPE] (?<flags>.{26}|.{30})(?<level>cr3|pgd|p4d|pud|pmd|pte)$")]
    private static partial Regex DumpLine();

    private sealed class CoreMemory : IPhysicalMemory
    {
        private readonly byte[] _core;

        internal CoreMemory(byte[] core)
        {
            _core = core;
            int count = BinaryPrimitives.ReadUInt16LittleEndian(core.AsSpan(56));
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> header = core.AsSpan(64 + (i * 56), 56);
                ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
                ulong physical = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
                ulong bytes = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
                if (BinaryPrimitives.ReadUInt32LittleEndian(header) == 1)
                {
                    Segments.Add((physical, offset, bytes));
                }
                else
                {
                    Note = (offset, bytes);
                }
            }
        }

        internal List<(ulong Physical, ulong Offset, ulong Bytes)> Segments { get; } = [];

        internal (ulong Offset, ulong Bytes) Note { get; }

        public bool TryRead(PhysicalAddress start, Span<byte> destination)
        {
            foreach ((ulong physical, ulong offset, ulong bytes) in Segments)
            {
                if (start.Value >= physical && start.Value + (ulong)destination.Length <= physical + bytes)
                {
                    _core.AsSpan((int)(offset + (start.Value - physical)), destination.Length).CopyTo(destination);
                    return true;
                }
            }

            return false;
        }
    }
}
