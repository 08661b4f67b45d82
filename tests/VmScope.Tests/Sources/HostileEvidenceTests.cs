using System.IO.Compression;
using System.Text;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Sources;

/// <summary>Evidence that lies about itself: never a crash, never a hang, never a file written; a clear error instead.</summary>
public class HostileEvidenceTests
{
    private static readonly ArchiveLimits Small = new(Entries: 50, UnpackedBytes: 1 << 20, KeptEntryBytes: 1024, KeptBytes: 4096);

    [Fact]
    public void An_endless_gzip_is_stopped_at_the_bound()
    {
        byte[] bomb = Gzip(stream =>
        {
            WriteHeader(stream, "vmallocinfo", 1L << 32, (byte)'0');
            byte[] zeros = new byte[64 * 1024];
            for (int i = 0; i < 64; i++)
            {
                stream.Write(zeros);
            }
        });
        Assert.True(bomb.Length < 8192);
        Refused(bomb, "an entry claims 4294967296 bytes; the bound is 1048576");
        Refused(Gzip(stream =>
        {
            for (int i = 0; i < 40; i++)
            {
                WriteHeader(stream, $"junk{i}", 64 * 1024, (byte)'0');
                stream.Write(new byte[64 * 1024]);
            }
        }), "more than 1048576 bytes when unpacked");
    }

    [Fact]
    public void Too_many_entries_are_refused() =>
        Refused(Gzip(stream =>
        {
            for (int i = 0; i < 60; i++)
            {
                WriteHeader(stream, $"f{i}", 0, (byte)'0');
            }
        }), "more than 50 entries");

    [Fact]
    public void Sizes_that_cannot_be_are_refused()
    {
        byte[] negative = new byte[512];
        using (MemoryStream stream = new(negative))
        {
            WriteHeader(stream, "vmallocinfo", 0, (byte)'0');
        }

        // GNU's base 256 with the sign bit, and with more bits than a file can have.
        foreach (byte first in (byte[])[0xff, 0x80])
        {
            byte[] header = [.. negative];
            header.AsSpan(124, 12).Fill(0xff);
            header[124] = first;
            Sum(header);
            Refused(Gzip(stream => stream.Write(header)), "impossible size");
        }
    }

    [Fact]
    public void A_huge_name_or_attribute_block_is_refused()
    {
        Refused(Gzip(stream => WriteHeader(stream, "././@LongLink", 1L << 30, (byte)'L')), "a name or attribute block of 1073741824 bytes");
        Refused(Gzip(stream => WriteHeader(stream, "PaxHeader", 1L << 30, (byte)'x')), "a name or attribute block of 1073741824 bytes");
    }

    [Theory]
    [InlineData("../../etc/vmallocinfo")]
    [InlineData("/etc/vmallocinfo")]
    [InlineData("case/../vmallocinfo")]
    [InlineData("a//vmallocinfo")]
    public void Unsafe_paths_are_passed_over(string path)
    {
        byte[] archive = Gzip(stream =>
        {
            WriteFile(stream, path, "0xf0000000-0xf0002000    8192 evil+0x1/0x2\n");
            WriteFile(stream, "dmesg", "[    0.000000] Linux version 6.1.0\n");
        });
        EvidenceBundle bundle = Open(archive);
        Assert.False(bundle.Has("vmallocinfo"));
        Assert.Equal("6.1", bundle.Kernel!.Version.ToString());
        Assert.Contains("unsafe", Assert.Single(bundle.Diagnostics).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_paths_links_and_devices_are_passed_over()
    {
        byte[] archive = Gzip(stream =>
        {
            WriteHeader(stream, "vmallocinfo", 0, (byte)'2');
            WriteHeader(stream, "meminfo", 1L << 40, (byte)'1');
            WriteHeader(stream, "iomem", 0, (byte)'3');
            WriteFile(stream, string.Concat(Enumerable.Repeat("d/", 40)) + "zoneinfo", "Node 0, zone DMA\n");
            WriteFile(stream, "dmesg", "[    0.000000] Linux version 6.1.0\n");
        });
        EvidenceBundle bundle = Open(archive);
        Assert.Equal("6.1", bundle.Kernel!.Version.ToString());
        Assert.False(bundle.Has("vmallocinfo"));
        Assert.Null(bundle.Meminfo);
        Assert.Null(bundle.Zoneinfo);
    }

    [Fact]
    public void Long_names_of_both_kinds_are_read()
    {
        string folder = string.Concat(Enumerable.Repeat("folder-with-a-long-name/", 8));
        byte[] archive = Gzip(stream =>
        {
            WriteExtension(stream, (byte)'L', folder + "dmesg\0");
            WriteFile(stream, "cut", "[    0.000000] Linux version 6.1.0\n");
            string record = $" path={folder}meminfo\n";
            WriteExtension(stream, (byte)'x', $"{record.Length + 3}{record}");
            WriteFile(stream, "cut", "MemTotal:        1021548 kB\n");
        });
        EvidenceBundle bundle = Open(archive, new ArchiveLimits());
        Assert.Equal("6.1", bundle.Kernel!.Version.ToString());
        Assert.Equal(1021548UL, bundle.Meminfo!.MemTotalKiB);
    }

    [Fact]
    public void A_large_entry_is_read_again_when_it_is_asked_for()
    {
        string rows = string.Concat(Enumerable.Repeat("0xf0000000-0xf0002000    8192 f+0x1/0x2 pages=1 vmalloc\n", 100));
        byte[] archive = Gzip(stream =>
        {
            WriteFile(stream, "x/vmallocinfo", rows);
            WriteFile(stream, "x/dmesg", "[    0.000000] Linux version 6.1.0\n");
        });
        EvidenceBundle bundle = Open(archive);
        for (int i = 0; i < 2; i++)
        {
            using StreamReader reader = new(bundle.OpenRequired("vmallocinfo"));
            Assert.Equal(rows, reader.ReadToEnd());
        }
    }

    [Fact]
    public void A_cut_archive_gives_what_came_before_the_cut()
    {
        byte[] plain = Tar(stream =>
        {
            WriteFile(stream, "dmesg", "[    0.000000] Linux version 6.1.0\n");
            WriteFile(stream, "meminfo", new string('x', 3000));
        });
        EvidenceBundle bundle = Open(plain[..2000]);
        Assert.Equal("6.1", bundle.Kernel!.Version.ToString());
        Assert.Contains("ends early", Assert.Single(bundle.Diagnostics).Reason, StringComparison.Ordinal);
        Assert.Null(bundle.Meminfo);
    }

    [Fact]
    public void Other_compressions_are_named()
    {
        foreach ((byte[] start, string name) in ((byte[], string)[])
            [([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, 1, 2], "xz"), ([(byte)'B', (byte)'Z', (byte)'h', (byte)'9', 1, 2], "bzip2"),
                ([0x28, 0xb5, 0x2f, 0xfd, 1, 2], "zstd"), ([(byte)'P', (byte)'K', 3, 4, 0, 0], "zip")])
        {
            Refused(start, name + "-compressed");
        }
    }

    [Fact]
    public void Mutated_archives_never_do_worse_than_an_error()
    {
        byte[] packed = File.ReadAllBytes(Captures.Archive("i386-6.1.176-686-1024-base"));
        byte[] plain = Unpacked(packed);
        Random random = new(20261120);
        int errors = 0;
        for (int i = 0; i < 400; i++)
        {
            byte[] mutated = [.. (i % 2 == 0 ? packed : plain)];
            int changes = 1 + random.Next(8);
            for (int c = 0; c < changes; c++)
            {
                // Half of the changes hit the headers, where the lies matter.
                int at = i % 4 == 1 ? random.Next(mutated.Length / 512) * 512 + random.Next(345) : random.Next(mutated.Length);
                mutated[at] = (byte)random.Next(256);
            }

            errors += Survives(mutated[..random.Next(mutated.Length / 2, mutated.Length + 1)]) ? 0 : 1;
        }

        Assert.InRange(errors, 1, 399);
    }

    [Fact]
    public void Mutated_files_never_do_worse_than_an_error()
    {
        EvidenceBundle source = EvidenceBundle.Open(Captures.Archive("i386-6.1.176-686-1024-fail-vmalloc-16M"), Stream.Null);
        Random random = new(2611);
        foreach (string name in (string[])["dmesg", "meminfo", "zoneinfo", "buddyinfo", "iomem", "modules", "cpuinfo", "case.json"])
        {
            if (!source.TryOpen(name, out Stream stream))
            {
                continue;
            }

            byte[] content = SmallFile.ReadAll(stream, name, 1 << 20);
            for (int i = 0; i < 60; i++)
            {
                byte[] mutated = Mutate(content, random);
                DiagnosticList diagnostics = new();
                foreach (Action<Stream> read in (Action<Stream>[])
                    [s => DmesgFile.Read(s, name, diagnostics), s => MeminfoFile.Read(s, name, diagnostics), s => ZoneinfoFile.Read(s, name, diagnostics),
                        s => BuddyinfoFile.Read(s, name, diagnostics), s => IomemFile.Read(s, name, diagnostics).ToMemoryMap(),
                        s => ModulesFile.Read(s, name, diagnostics), s => CpuinfoFile.Read(s, name, diagnostics),
                        s => ConfigFile.Read(s, name, diagnostics), s => CaseFile.Read(s, name)])
                {
                    try
                    {
                        read(new MemoryStream(mutated));
                    }
                    catch (EvidenceException)
                    {
                        // Refusing is allowed; anything else is not.
                    }
                }

                Assert.True(diagnostics.Items.Length <= DiagnosticList.Limit);
            }
        }
    }

    [Fact]
    public void One_endless_line_costs_no_memory_and_is_a_diagnostic()
    {
        DiagnosticList diagnostics = new();
        byte[] line = new byte[10 << 20];
        line.AsSpan().Fill((byte)'x');
        TextLines lines = new(new MemoryStream(line), "line", 64 << 20);
        Assert.True(lines.TryRead(out string text));
        Assert.Equal(TextLines.LineLimit, text.Length);
        Assert.False(lines.TryRead(out _));
        IomemFile.Read(new MemoryStream(line), "iomem", diagnostics);
        Assert.Equal(DiagnosticList.TextLimit, Assert.Single(diagnostics.Items).Text.Length);
        Assert.Throws<EvidenceException>(() => MeminfoFile.Read(new MemoryStream(line), "meminfo", new DiagnosticList()));
    }

    private static byte[] Mutate(byte[] content, Random random)
    {
        List<byte> mutated = [.. content];
        for (int c = 0; c < 1 + random.Next(20) && mutated.Count > 1; c++)
        {
            int at = random.Next(mutated.Count);
            switch (random.Next(4))
            {
                case 0:
                    mutated[at] = (byte)random.Next(256);
                    break;
                case 1:
                    mutated.RemoveRange(at, Math.Min(random.Next(100), mutated.Count - at));
                    break;
                case 2:
                    mutated.InsertRange(at, "18446744073709551615"u8.ToArray());
                    break;
                default:
                    mutated.InsertRange(at, mutated.GetRange(at, Math.Min(random.Next(200), mutated.Count - at)));
                    break;
            }
        }

        return [.. mutated];
    }

    private static bool Survives(byte[] content)
    {
        try
        {
            EvidenceBundle bundle = Open(content, new ArchiveLimits(UnpackedBytes: 8 << 20));
            _ = bundle.Kernel;
            _ = bundle.Architecture;
            _ = bundle.MemoryMap;
            _ = bundle.Config;
            _ = bundle.Meminfo;
            _ = bundle.Dmesg;
            _ = bundle.Zoneinfo;
            _ = bundle.Buddyinfo;
            _ = bundle.Iomem;
            _ = bundle.Modules;
            return true;
        }
        catch (EvidenceException)
        {
            return false;
        }
    }

    private static void Refused(byte[] content, string message) =>
        Assert.Contains(message, Assert.Throws<EvidenceException>(() => Open(content)).Message, StringComparison.Ordinal);

    private static EvidenceBundle Open(byte[] content, ArchiveLimits? limits = null) =>
        EvidenceOpener.FromStream(new MemoryStream(content), "hostile", fileName: null, EvidenceKind.StandardInput, limits ?? Small, new DiagnosticList());

    private static byte[] Gzip(Action<Stream> write)
    {
        using MemoryStream memory = new();
        using (GZipStream gzip = new(memory, CompressionLevel.Optimal, leaveOpen: true))
        {
            write(gzip);
            gzip.Write(new byte[1024]);
        }

        return memory.ToArray();
    }

    private static byte[] Tar(Action<Stream> write)
    {
        using MemoryStream memory = new();
        write(memory);
        return memory.ToArray();
    }

    private static byte[] Unpacked(byte[] packed)
    {
        using MemoryStream memory = new();
        using GZipStream gzip = new(new MemoryStream(packed), CompressionMode.Decompress);
        gzip.CopyTo(memory);
        return memory.ToArray();
    }

    private static void WriteFile(Stream stream, string path, string text) => WriteContent(stream, path, text, (byte)'0');

    private static void WriteExtension(Stream stream, byte type, string text) => WriteContent(stream, "extension", text, type);

    private static void WriteContent(Stream stream, string path, string text, byte type)
    {
        byte[] content = Encoding.UTF8.GetBytes(text);
        WriteHeader(stream, path, content.Length, type);
        stream.Write(content);
        stream.Write(new byte[(512 - (content.Length % 512)) % 512]);
    }

    private static void WriteHeader(Stream stream, string path, long size, byte type)
    {
        byte[] header = new byte[512];
        Encoding.UTF8.GetBytes(path).AsSpan(0, Math.Min(100, path.Length)).CopyTo(header);
        Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0')).AsSpan(0, 11).CopyTo(header.AsSpan(124));
        header[156] = type;
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        Sum(header);
        stream.Write(header);
    }

    private static void Sum(byte[] header)
    {
        header.AsSpan(148, 8).Fill((byte)' ');
        Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(b => (long)b), 8).PadLeft(6, '0') + "\0").CopyTo(header, 148);
    }
}
