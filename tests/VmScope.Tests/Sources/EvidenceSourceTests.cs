using System.Formats.Tar;
using System.IO.Compression;
using VmScope.Kernels;
using VmScope.Physical;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Sources;

/// <summary>What a path or a stream holds is found by looking at it, and reads the same from everywhere.</summary>
public class EvidenceSourceTests
{
    private const string Case = "i386-6.1.176-686-1024-base";

    /// <summary>Ways to lay a capture's files out; each must give the same bundle.</summary>
    public static TheoryData<string> Layouts() =>
        ["names with .txt", "names without .txt", "gzipped", "one folder further in", "three folders further in", "a copy of the root", "a copy of /proc", "an sosreport"];

    [Theory, MemberData(nameof(Layouts))]
    public void A_directory_is_understood_however_it_is_laid_out(string layout)
    {
        using TemporaryFolder folder = new();
        foreach ((string name, byte[] content) in FilesOf(Case))
        {
            (string path, byte[] bytes) = layout switch
            {
                "names with .txt" => (name + ".txt", content),
                "names without .txt" => (name, content),
                "gzipped" => (name + ".gz", Gzip(content)),
                "one folder further in" => ("some/" + name + ".txt", content),
                "three folders further in" => ("some/more/folders/" + name + ".txt", content),
                "a copy of the root" => (name == "dmesg" ? "var/log/dmesg" : "proc/" + name, content),
                "a copy of /proc" => (name, content),
                _ => (name == "dmesg" ? "sos_commands/kernel/dmesg" : "proc/" + name, content),
            };
            folder.Write(path, bytes);
        }

        Same(EvidenceBundle.Open(folder.Root, Stream.Null), EvidenceKind.Directory);
        // The same files, packed by somebody else's tar.
        string archive = folder.Path("../" + Path.GetFileName(folder.Root) + ".tgz");
        try
        {
            using (FileStream stream = File.Create(archive))
            using (GZipStream gzip = new(stream, CompressionLevel.Fastest))
            {
                TarFile.CreateFromDirectory(folder.Root, gzip, includeBaseDirectory: layout != "gzipped");
            }

            Same(EvidenceBundle.Open(archive, Stream.Null), EvidenceKind.Archive);
            byte[] packed = File.ReadAllBytes(archive);
            Same(EvidenceBundle.Open("-", new MemoryStream(packed)), EvidenceKind.Archive);
            Same(EvidenceBundle.Open("-", new MemoryStream(Unpacked(packed))), EvidenceKind.Archive);
        }
        finally
        {
            File.Delete(archive);
        }
    }

    [Theory]
    [InlineData("vmallocinfo")]
    [InlineData("meminfo")]
    [InlineData("dmesg")]
    [InlineData("iomem")]
    [InlineData("zoneinfo")]
    [InlineData("buddyinfo")]
    [InlineData("cpuinfo")]
    [InlineData("case.json")]
    public void A_single_file_is_known_by_its_content(string name)
    {
        byte[] content = FilesOf(Case, all: true).Single(file => file.Name == name).Content;
        using TemporaryFolder folder = new();
        folder.Write("nameless", content);
        folder.Write("packed", Gzip(content));
        foreach (EvidenceBundle bundle in (EvidenceBundle[])
            [EvidenceBundle.Open(folder.Path("nameless"), Stream.Null), EvidenceBundle.Open(folder.Path("packed"), Stream.Null),
                EvidenceBundle.Open("-", new MemoryStream(content)), EvidenceBundle.Open("-", new MemoryStream(Gzip(content)))])
        {
            Assert.True(bundle.Has(name), $"{bundle.Name} is not taken for {name}");
            using Stream stream = bundle.OpenRequired(name);
            Assert.Equal(content, SmallBytes(stream));
            Assert.Empty(bundle.Diagnostics);
        }

        Assert.Equal(folder.Path("nameless"), EvidenceBundle.Open(folder.Path("nameless"), Stream.Null).PlainPath(name));
        Assert.Null(EvidenceBundle.Open(folder.Path("packed"), Stream.Null).PlainPath(name));
    }

    [Theory]
    [InlineData("amd64-6.12.107-cloud-1024-trace", "trace")]
    [InlineData("i386-5.10.223-686-1024-trace-smp2", "trace")]
    [InlineData("amd64-6.12.107-cloud-1024-trace", "modules")]
    public void Traces_and_modules_are_known_by_their_content(string capture, string name)
    {
        byte[] content = FilesOf(capture, all: true).Single(file => file.Name == name).Content;
        Assert.True(EvidenceBundle.Open("-", new MemoryStream(content)).Has(name));
    }

    [Fact]
    public void Every_list_of_every_capture_is_known_by_its_content()
    {
        foreach (string capture in Captures.Names)
        {
            foreach ((string name, byte[] content) in FilesOf(capture, all: true))
            {
                if (name is "vmallocinfo" or "meminfo" or "dmesg" or "iomem" or "zoneinfo" or "buddyinfo" or "cpuinfo" or "modules" or "trace" or "case.json")
                {
                    ReadOnlySpan<byte> sample = content.AsSpan(0, Math.Min(content.Length, ContentKind.SampleBytes));
                    Assert.Equal((capture, name), (capture, ContentKind.Of(sample, fileName: null)));
                }
            }
        }
    }

    [Theory]
    [InlineData("Linux version 6.1.0-50-686 (x@y) (gcc) #1 SMP Debian 6.1.176-1\n", "version")]
    [InlineData("Linux box 5.14.0-70.el9.x86_64 #1 SMP PREEMPT Thu Feb 24 x86_64 GNU/Linux\n", "uname")]
    [InlineData("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet vmalloc=256M\n", "cmdline")]
    [InlineData("#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.0 Kernel Configuration\n#\nCONFIG_X86_32=y\n# CONFIG_SMP is not set\n", "config")]
    [InlineData("Jun  3 10:00:00 box kernel: vmap allocation for size 839680 failed: use vmalloc=<size> to increase size\n", "dmesg")]
    [InlineData("work: vmalloc error: size 8192, exceeds total pages, mode:0xcc0(GFP_KERNEL)\n", "dmesg")]
    [InlineData("> my list:\r\n[ 12.3] 0xf8800000-0xf8802000    8192 a+0x1/0x2 pages=1 vmalloc\r\n[ 12.3] 0xf8802000-0xf8804000    8192 b+0x1/0x2 pages=1 vmalloc\r\n", "vmallocinfo")]
    [InlineData("0x(ptrval)-0x(ptrval) 8192 a\n(ptrval)-(ptrval)    8192 a+0x1/0x2 vmalloc\n", "vmallocinfo")]
    public void Pasted_texts_are_known(string text, string name) =>
        Assert.True(EvidenceBundle.Open("-", Bytes.Of(text)).Has(name));

    [Fact]
    public void An_installed_configuration_is_found_by_the_running_release()
    {
        using TemporaryFolder folder = new();
        folder.Write("proc/version", "Linux version 6.1.0-50-686 (x@y) (gcc) #1 SMP Debian 6.1.176-1\n");
        folder.Write("boot/config-6.1.0-49-686", "CONFIG_X86_64=y\n");
        folder.Write("boot/config-6.1.0-50-686", "# Automatically generated file; DO NOT EDIT.\nCONFIG_X86_32=y\nCONFIG_HIGHMEM4G=y\n");
        EvidenceBundle bundle = EvidenceBundle.Open(folder.Root, Stream.Null);
        Assert.Equal(Architecture.I386, bundle.Architecture);
        Assert.True(bundle.Config.IsComplete);
        Assert.False(bundle.Config.IsSet("SMP"));
        Assert.True(bundle.Config.IsSet("HIGHMEM4G"));
    }

    [Fact]
    public void Without_a_boot_log_the_firmwares_map_comes_from_sys()
    {
        using TemporaryFolder folder = new();
        folder.Write("proc/version", "Linux version 6.1.0-50-amd64 (x@y) (gcc) #1 SMP Debian 6.1.176-1\n");
        (string Start, string End, string Type)[] entries =
            [("0x100000", "0x7ffdffff", "System RAM"), ("0x0", "0x9fbff", "System RAM"), ("0x9fc00", "0x9ffff", "Reserved")];
        for (int i = 0; i < entries.Length; i++)
        {
            folder.Write($"sys/firmware/memmap/{i}/start", entries[i].Start + "\n");
            folder.Write($"sys/firmware/memmap/{i}/end", entries[i].End + "\n");
            folder.Write($"sys/firmware/memmap/{i}/type", entries[i].Type + "\n");
        }

        EvidenceInputs inputs = EvidenceBundle.Open(folder.Root, Stream.Null).Inputs;
        Assert.Equal([(0UL, MemoryKind.Usable), (0x9fc00UL, MemoryKind.Reserved), (0x100000UL, MemoryKind.Usable)],
            inputs.MemoryMap!.Entries.Select(entry => (entry.Range.Start.Value, entry.Kind)));
        Assert.Contains("/sys/firmware/memmap", inputs.MemoryMapSource, StringComparison.Ordinal);
    }

    [Fact]
    public void Hidden_addresses_of_iomem_are_said_and_no_map_is_made_of_them()
    {
        using TemporaryFolder folder = new();
        folder.Write("iomem", "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n");
        EvidenceBundle bundle = EvidenceBundle.Open(folder.Root, Stream.Null);
        Assert.Null(bundle.MemoryMap);
        Assert.True(bundle.Iomem!.AddressesHidden);
        Assert.Contains("as root", Assert.Single(bundle.Diagnostics).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_missing_is_said_with_a_way_out()
    {
        using TemporaryFolder folder = new();
        folder.Write("a/dmesg", "x");
        folder.Write("b/dmesg", "x");
        folder.Write("empty/nothing", "");
        folder.Write("words", "Some words that are no evidence of anything.\n");
        folder.Write("void", "");
        Fails(folder.Path("none"), "no such file or directory");
        Fails(folder.Root, "holds 2 captures; pass one of them, for example " + folder.Path("a"));
        Fails(folder.Path("empty"), "no evidence in this directory");
        Fails(folder.Path("words"), "not recognised; vmscope reads vmallocinfo");
        Fails(folder.Path("void"), "void: empty");
        EvidenceBundle bundle = EvidenceBundle.Open(folder.Path("a"), Stream.Null);
        Assert.Equal(MissingReason.Absent, bundle.Missing("vmallocinfo"));
        Assert.Contains("looked for vmallocinfo, vmallocinfo.txt, proc/vmallocinfo",
            Assert.Throws<EvidenceException>(() => bundle.OpenRequired("vmallocinfo")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Standard_input_that_is_a_long_list_is_read_once_and_a_second_time_is_refused()
    {
        EvidenceBundle bundle = EvidenceBundle.Open("-", Bytes.Of("0xf8800000-0xf8802000    8192 a+0x1/0x2 pages=1 vmalloc\n"));
        using (bundle.OpenRequired("vmallocinfo"))
        {
            Assert.Contains("only once", Assert.Throws<EvidenceException>(() => bundle.OpenRequired("vmallocinfo")).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void This_machine_is_evidence_too()
    {
        EvidenceBundle bundle = EvidenceBundle.Open(null, Stream.Null);
        Assert.Equal(EvidenceKind.LiveMachine, bundle.Kind);
        Assert.NotNull(bundle.Kernel);
        Assert.NotEqual(Architecture.Unknown, bundle.Architecture);
        Assert.Equal((ulong)Environment.SystemPageSize, bundle.PageSize.Bytes);
        Assert.NotNull(bundle.Meminfo!.MemTotalKiB);
        Assert.NotEmpty(bundle.Zoneinfo!.Zones);
        Assert.NotNull(bundle.CommandLine);
        // An ordinary user gets a reason and a way out instead of the list.
        if (!bundle.TryOpen("vmallocinfo", out Stream stream))
        {
            Assert.Contains(bundle.Missing("vmallocinfo") == MissingReason.NoPermission ? "sudo" : "/proc", bundle.WhyMissing("vmallocinfo"), StringComparison.Ordinal);
        }

        stream.Dispose();
    }

    private static void Fails(string path, string message) =>
        Assert.Contains(message, Assert.Throws<EvidenceException>(() => EvidenceBundle.Open(path, Stream.Null)).Message, StringComparison.Ordinal);

    private static void Same(EvidenceBundle bundle, EvidenceKind kind)
    {
        EvidenceBundle source = EvidenceBundle.Open(Captures.Archive(Case), Stream.Null);
        Assert.Equal(kind, bundle.Kind);
        Assert.Equal(source.Kernel, bundle.Kernel);
        Assert.Equal(Architecture.I386, bundle.Architecture);
        Assert.Equal(source.CommandLine!.Text.Trim(), bundle.CommandLine!.Text);
        Assert.Equal(source.MemoryMap!.Entries.AsEnumerable(), bundle.MemoryMap!.Entries.AsEnumerable());
        Assert.Equal(source.Meminfo!.Lines.AsEnumerable(), bundle.Meminfo!.Lines.AsEnumerable());
        Assert.Equal(source.Iomem!.Entries.AsEnumerable(), bundle.Iomem!.Entries.AsEnumerable());
        Assert.True(bundle.Has("vmallocinfo"));
        Assert.Empty(bundle.Diagnostics);
    }

    private static IEnumerable<(string Name, byte[] Content)> FilesOf(string capture, bool all = false)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(capture), Stream.Null);
        foreach (string name in (string[])
            ["vmallocinfo", "meminfo", "dmesg", "iomem", "zoneinfo", "buddyinfo", "cpuinfo", .. all ? (string[])["case.json", "modules", "trace"] : []])
        {
            if (bundle.TryOpen(name, out Stream stream))
            {
                using (stream)
                {
                    yield return (name, SmallBytes(stream));
                }
            }
        }
    }

    private static byte[] SmallBytes(Stream stream)
    {
        using MemoryStream memory = new();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream memory = new();
        using (GZipStream gzip = new(memory, CompressionLevel.Fastest))
        {
            gzip.Write(content);
        }

        return memory.ToArray();
    }

    private static byte[] Unpacked(byte[] packed)
    {
        using GZipStream gzip = new(new MemoryStream(packed), CompressionMode.Decompress);
        return SmallBytes(gzip);
    }

    /// <summary>/proc/kmsg waits for the next message; in a copy the file is a log like any other.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_running_kernels_log_is_not_waited_for(bool isLive)
    {
        using TemporaryFolder folder = new();
        folder.Write("kmsg", "<5>[    0.000000] Linux version 6.1.0 (a@b) (gcc) #1 SMP\n");
        if (isLive)
        {
            Directory.CreateDirectory(folder.Path("self"));
        }

        folder.Write("vmallocinfo", "0xffffc90000000000-0xffffc90000004000   16384 n_tty_open+0x19/0xe0 pages=3 vmalloc\n");
        EvidenceBundle bundle = EvidenceBundle.Open(folder.Root, Stream.Null);
        Assert.Equal(isLive, bundle.Dmesg is null);
        Assert.Equal(!isLive, bundle.Has("dmesg"));
    }
}
