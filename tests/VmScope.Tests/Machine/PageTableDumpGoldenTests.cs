using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Tests.Support;

namespace VmScope.Tests.Machine;

/// <summary>
/// Goal: what the model prints of page tables is what a kernel prints of the same tables. Method: kernels built with
/// PTDUMP_DEBUGFS were booted in QEMU; Golden/pagetables has what each printed, byte for byte, and the page tables it
/// printed it of, taken out of the stopped machine's memory. Our printer reads those tables, with the headings where our
/// layout puts them.
/// </summary>
public class PageTableDumpGoldenTests
{
    private static readonly string Folder = Path.Combine(Captures.RepositoryFolder, "tests", "VmScope.Tests", "Golden", "pagetables");

    [Theory]
    [InlineData("x86-64-6.1", "6.1.192", 256UL)]
    [InlineData("x86-64-5level-6.1", "6.1.192", 256UL)]
    [InlineData("x86-64-6.12", "6.12.117", 256UL)]
    [InlineData("pae-6.1", "6.1.192", 1200UL)]
    [InlineData("i386-6.1", "6.1.192", 600UL)]
    public void A_kernels_own_tables_print_as_it_printed_them(string name, string version, ulong mebibytes)
    {
        (TableMemory memory, PhysicalAddress root) = Tables(name);
        bool is64Bit = name.StartsWith("x86-64", StringComparison.Ordinal);
        bool hasFiveLevels = name.Contains("5level", StringComparison.Ordinal);
        KernelDescription kernel = new(KernelIdentity.Parse(version)!, is64Bit ? Architecture.X64 : Architecture.I386)
        {
            Config = new KernelConfig(Encoding.ASCII.GetString(Unpacked(name + ".config.gz")).TrimEnd('\n').Split('\n')
                .Select(line => line.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], pair[1])), isComplete: true),
            CommandLine = KernelCommandLine.Parse("nokaslr"),
            Cpu = new CpuFacts { Flags = ["pse", "pge", "pae", "nx", .. hasFiveLevels ? (string[])["la57"] : []], Count = 1 },
        };
        // QEMU's map: the video and BIOS hole below 1 MiB, and ACPI tables in the last 128 KiB.
        MemoryMap map = new(
        [
            new(PhysicalRange.FromBounds(new PhysicalAddress(0), new PhysicalAddress(0x9fc00)), MemoryKind.Usable),
            new(PhysicalRange.FromBounds(new PhysicalAddress(Size.MiB), new PhysicalAddress((mebibytes * Size.MiB) - (128 * Size.KiB))), MemoryKind.Usable),
        ]);
        KernelLayout layout = ((LayoutAnswer.Predicted)LayoutPredictor.Predict(new LayoutInputs(kernel) { Memory = map })).Layout;
        PageTableDumpFacts facts = PageTableDumpTimelines.At(kernel);
        PagingGeometry geometry = !is64Bit ? (name.StartsWith("pae", StringComparison.Ordinal) ? PagingGeometries.I386Pae : PagingGeometries.I386)
            : hasFiveLevels ? PagingGeometries.X64FiveLevel : PagingGeometries.X64;

        string printed = PageTableDump.Of(memory, geometry, facts, PageTableDump.MarkersOf(layout, facts, is64Bit), root);

        Assert.Equal(File.ReadAllText(Path.Combine(Folder, name + ".txt")), printed);
        Assert.Equal("page_tables/kernel", facts.File);
    }

    /// <summary>
    /// Two neighbouring tables with equal entries, of which only the second may be written through: one run where only an
    /// entry's own flags count, two where inherited rights do. From 5.6 to 5.7 the rights were those of the last leaf or
    /// hole above, so there it is one run again.
    /// </summary>
    [Theory]
    [InlineData("4.12", 1)]
    [InlineData("4.19", 2)]
    [InlineData("5.4", 2)]
    [InlineData("5.6", 1)]
    [InlineData("5.8", 2)]
    [InlineData("6.12", 2)]
    public void Inherited_rights_end_a_run_where_the_kernel_looks_at_them(string version, int runs)
    {
        const ulong Table = X86Entry.Present | X86Entry.Accessed;
        Dictionary<ulong, byte[]> pages = new() { [0x1000] = new byte[4096], [0x2000] = new byte[4096], [0x3000] = new byte[4096], [0x4000] = new byte[4096], [0x5000] = new byte[4096] };
        Put(0x1000, 511, 0x2000 | Table | X86Entry.Writable);
        Put(0x2000, 0, 0x3000 | Table | X86Entry.Writable);
        Put(0x3000, 0, 0x4000 | Table);
        Put(0x3000, 1, 0x5000 | Table | X86Entry.Writable);
        for (int i = 0; i < 512; i++)
        {
            Put(0x4000, i, 0x100000 | Table | X86Entry.Writable);
            Put(0x5000, i, 0x100000 | Table | X86Entry.Writable);
        }

        PageTableDumpFacts facts = PageTableDumpTimelines.At(new KernelDescription(KernelIdentity.Parse(version)!, Architecture.X64));
        string printed = PageTableDump.Of(new TableMemory(pages), PagingGeometries.X64, facts, [(0, "User Space", 0)], new PhysicalAddress(0x1000));
        Assert.Equal(runs, printed.Split('\n').Count(line => line.EndsWith("pte", StringComparison.Ordinal)));

        void Put(ulong page, int index, ulong entry) => BinaryPrimitives.WriteUInt64LittleEndian(pages[page].AsSpan(index * 8), entry);
    }

    private static (TableMemory Memory, PhysicalAddress Root) Tables(string name)
    {
        ReadOnlySpan<byte> rest = Unpacked(name + ".tables.gz");
        PhysicalAddress root = new(BinaryPrimitives.ReadUInt64LittleEndian(rest));
        Dictionary<ulong, byte[]> pages = [];
        for (rest = rest[8..]; !rest.IsEmpty; rest = rest[4104..])
        {
            pages.Add(BinaryPrimitives.ReadUInt64LittleEndian(rest), rest[8..4104].ToArray());
        }

        return (new TableMemory(pages), root);
    }

    private static byte[] Unpacked(string file)
    {
        using GZipStream stream = new(File.OpenRead(Path.Combine(Folder, file)), CompressionMode.Decompress);
        using MemoryStream bytes = new();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>Memory of which only the page tables were kept.</summary>
    private sealed class TableMemory(Dictionary<ulong, byte[]> pages) : IPhysicalMemory
    {
        public bool TryRead(PhysicalAddress start, Span<byte> destination)
        {
            if (!pages.TryGetValue(start.Value & ~0xfffUL, out byte[]? page))
            {
                return false;
            }

            page.AsSpan((int)(start.Value & 0xfff), destination.Length).CopyTo(destination);
            return true;
        }
    }
}
