using System.Text;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>What <c>collect</c> writes is evidence again, with the same content, and redaction is consistent.</summary>
public class CollectCommandTests
{
    private const string Traced = "amd64-6.12.107-cloud-1024-trace";

    [Theory]
    [InlineData(Traced)]
    [InlineData("i386-6.1.176-686-1024-base")]
    [InlineData("arm64-7.2.13-16k-4096-max-kaslr")]
    public void A_collected_archive_reads_like_its_source(string name)
    {
        EvidenceBundle source = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        EvidenceBundle copy = Collected(name);
        // The description of the recording is not collected: version, command line and the like come from the files.
        Assert.Equal(source.Meminfo!.Lines.AsEnumerable(), copy.Meminfo!.Lines.AsEnumerable());
        Assert.Equal(source.Dmesg!.Inputs.Kernel, copy.Kernel);
        Assert.Equal(source.Architecture, copy.Architecture);
        Assert.Equal(source.PageSize, copy.PageSize);
        Assert.Equal(source.MemoryMap!.Entries.AsEnumerable(), copy.MemoryMap!.Entries.AsEnumerable());
        Assert.Equal(Text(source, "vmallocinfo"), Text(copy, "vmallocinfo"));
        Assert.Equal(Text(source, "dmesg"), Text(copy, "dmesg"));
        Assert.Contains("cmdline: NOT READ: ", Text(copy, "collected"), StringComparison.Ordinal);
        Assert.Empty(copy.Diagnostics);
    }

    [Fact]
    public void Redaction_replaces_modules_everywhere_and_keeps_the_figures()
    {
        EvidenceBundle source = EvidenceBundle.Open(Captures.Archive(Traced), Stream.Null);
        EvidenceBundle copy = Collected(Traced, "--redact");
        string[] names = [.. source.Modules!.Value.Select(module => module.Name)];
        Assert.NotEmpty(names);
        Assert.Equal(source.Modules.Value.Select(module => module.SizeBytes), copy.Modules!.Value.Select(module => module.SizeBytes));
        Assert.All(copy.Modules.Value, module => Assert.Matches("^module[0-9]+$", module.Name));
        foreach (string file in (string[])["vmallocinfo", "modules", "dmesg"])
        {
            string text = Text(copy, file);
            Assert.All(names, name => Assert.DoesNotMatch($"(?<![A-Za-z0-9_-]){name}(?![A-Za-z0-9_-])", text));
        }

        Assert.Equal(Text(source, "vmallocinfo").Split('\n').Length, Text(copy, "vmallocinfo").Split('\n').Length);
        Assert.Equal(source.Dmesg!.Inputs.FirmwareMap!.Entries.AsEnumerable(), copy.Dmesg!.Inputs.FirmwareMap!.Entries.AsEnumerable());
        Assert.Equal(source.Dmesg.Inputs.Kernel, copy.Kernel);
    }

    [Fact]
    public void A_caller_inside_a_module_loses_its_name_consistently()
    {
        const string Rows =
            "0xffffc90000741000-0xffffc90000745000   16384 e1000_setup_all_tx_resources+0x97/0x550 [e1000] pages=3 vmalloc N0=3\n" +
            "0xffffc90000745000-0xffffc90000747000    8192 e1000_setup_all_rx_resources+0xa6/0x560 [e1000] pages=1 vmalloc N0=1\n" +
            "0xffffc90000751000-0xffffc90000755000   16384 e1000_setup_all_tx_resources+0x97/0x550 [e1000] pages=3 vmalloc N0=3\n";
        CliRun run = CliRun.With(Rows, "collect", "-", "--redact", "-o", "-");
        Assert.Equal(0, run.ExitCode);
        EvidenceBundle copy = EvidenceBundle.OpenStream(new MemoryStream(run.OutBytesWritten), "copy");
        Assert.Equal(
            Rows.Replace("e1000_setup_all_tx_resources", "module1_symbol1", StringComparison.Ordinal)
                .Replace("e1000_setup_all_rx_resources", "module1_symbol2", StringComparison.Ordinal)
                .Replace("[e1000]", "[module1]", StringComparison.Ordinal),
            Text(copy, "vmallocinfo"));
    }

    [Fact]
    public void Host_names_go_with_their_domain_and_the_builder_too()
    {
        using TemporaryFolder folder = new();
        folder.Write("uname", "Linux build7 6.1.0 #1 SMP x86_64 GNU/Linux\n");
        folder.Write("version", "Linux version 6.1.0 (me@build7.example.org) (gcc) #1 SMP\n");
        folder.Write("dmesg", "Jan  1 00:00:01 build7 kernel: [    0.000000] Linux version 6.1.0 (me@build7.example.org) (gcc) #1 SMP\n" +
            "Jan  1 00:00:02 build7 kernel: [    1.000000] systemd[1]: Hostname set to <build7.example.org>.\n");
        string archive = folder.Path("out.tar.gz");
        Assert.Equal(0, CliRun.Of("collect", folder.Root, "--redact", "-o", archive).ExitCode);
        EvidenceBundle copy = EvidenceBundle.Open(archive, Stream.Null);
        Assert.Equal("Linux host 6.1.0 #1 SMP x86_64 GNU/Linux\n", Text(copy, "uname"));
        Assert.Equal("Linux version 6.1.0 (user@host) (gcc) #1 SMP\n", Text(copy, "version"));
        Assert.DoesNotContain("build7", Text(copy, "dmesg"), StringComparison.Ordinal);
        Assert.DoesNotContain("example", Text(copy, "dmesg"), StringComparison.Ordinal);
        Assert.Equal("6.1", copy.Kernel!.Version.ToString());
    }

    [Fact]
    public void Redaction_leaves_words_that_only_look_like_names()
    {
        const string Cpuinfo = "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu msr pae\n\n";
        const string Buddyinfo = "Node 0, zone   Normal  1 2 3\n";
        using TemporaryFolder folder = new();
        folder.Write("uname", "Linux zone 6.1.0 #1 SMP x86_64 GNU/Linux\n");
        folder.Write("modules", "processor 4096 0 - Live 0xffffffffc0010000\nmsr 16384 0 - Live 0xffffffffc0020000\n");
        folder.Write("cpuinfo", Cpuinfo);
        folder.Write("buddyinfo", Buddyinfo);
        EvidenceBundle copy = Redacted(folder);
        Assert.Equal(Cpuinfo, Text(copy, "cpuinfo"));
        Assert.Equal(Buddyinfo, Text(copy, "buddyinfo"));
        Assert.Equal("Linux host 6.1.0 #1 SMP x86_64 GNU/Linux\n", Text(copy, "uname"));
        Assert.All(copy.Modules!.Value, module => Assert.Matches("^module[0-9]+$", module.Name));
    }

    [Fact]
    public void Redaction_finds_the_names_that_only_the_log_holds()
    {
        using TemporaryFolder folder = new();
        folder.Write("modules", "secretmod 16384 0 - Live 0xffffffffc0000000\n");
        folder.Write("dmesg",
            "Nov 20 15:42:01 acmehost kernel: [    0.000000] Linux version 6.1.0 (gcc) #1 SMP\n" +
            "Nov 20 15:42:01 acmehost kernel: [    2.100000] secretmod 0000:00:03.0: secretmod_thread/0 says hello to acmehost\n" +
            "Nov 20 15:42:01 acmehost kernel: [    2.300000] Modules linked in: gonemod(OE) secretmod(OE) [last unloaded: oldmod]\n" +
            "Nov 20 15:42:01 acmehost kernel: [    2.500000] RIP: 0010:secretmod_probe+0x1/0x2\n" +
            "<6>[    3.000000] systemd[1]: Hostname set to <otherhost.example.org>.\n");
        folder.Write("cmdline", "ip=10.0.0.1::acmehost.example.org oldmod.debug=1\n");
        EvidenceBundle copy = Redacted(folder);
        string texts = Text(copy, "dmesg") + Text(copy, "cmdline") + Text(copy, "modules") + Text(copy, "collected");
        foreach (string name in (string[])["acmehost", "otherhost", "example", "secretmod", "gonemod", "oldmod", Path.GetFileName(folder.Root)])
        {
            Assert.DoesNotContain(name, texts, StringComparison.Ordinal);
        }

        Assert.Contains("[last unloaded: module", texts, StringComparison.Ordinal);
        Assert.Contains("ip=10.0.0.1::host ", texts, StringComparison.Ordinal);
        Assert.Equal("6.1", copy.Kernel!.Version.ToString());
    }

    [Fact]
    public void What_only_the_description_of_a_recording_says_is_collected_too()
    {
        using TemporaryFolder folder = new();
        folder.Write("case.json", "{\"arch\": \"amd64\", \"kernel_version\": \"Linux version 6.1.0 (gcc) #1 SMP\"}");
        folder.Write("vmallocinfo", "0xffffc90000000000-0xffffc90000004000   16384 n_tty_open+0x19/0xe0 pages=3 vmalloc\n");
        string archive = folder.Path("out.tar.gz");
        Assert.Equal(0, CliRun.Of("collect", folder.Root, "-o", archive).ExitCode);
        Assert.Equal("6.1", EvidenceBundle.Open(archive, Stream.Null).Kernel?.Version.ToString());
    }

    [Fact]
    public void A_file_with_nothing_in_it_is_written_in_place()
    {
        // As /dev/null and a pipe are: another file moved over them would take their place.
        using TemporaryFolder folder = new();
        folder.Write("target", "");
        File.CreateSymbolicLink(folder.Path("link"), folder.Path("target"));
        CliRun run = CliRun.Of("collect", Captures.Archive(Traced), "-o", folder.Path("link"));
        Assert.Equal(0, run.ExitCode);
        Assert.NotNull(new FileInfo(folder.Path("link")).LinkTarget);
        Assert.True(new FileInfo(folder.Path("target")).Length > 0);
        Assert.Equal(0, CliRun.Of("collect", Captures.Archive(Traced), "-o", folder.Path("link")).ExitCode);
        Assert.NotNull(new FileInfo(folder.Path("link")).LinkTarget);
    }

    [Fact]
    public void An_archive_that_exists_is_not_lost_to_a_failure()
    {
        using TemporaryFolder folder = new();
        string archive = folder.Path("out.tar.gz");
        File.WriteAllText(archive, "precious");
        CliRun run = CliRun.Of("collect", folder.Path("missing"), "-o", archive);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("no such file", run.ErrorText, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(archive));
    }

    private static EvidenceBundle Collected(string name, params string[] more)
    {
        CliRun run = CliRun.Of(["collect", Captures.Archive(name), "-o", "-", .. more]);
        Assert.Equal(0, run.ExitCode);
        return EvidenceBundle.OpenStream(new MemoryStream(run.OutBytesWritten), name);
    }

    private static string Text(EvidenceBundle bundle, string name)
    {
        using StreamReader reader = new(bundle.OpenRequired(name), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static EvidenceBundle Redacted(TemporaryFolder folder)
    {
        string archive = folder.Path("out.tar.gz");
        CliRun run = CliRun.Of("collect", folder.Root, "--redact", "-o", archive);
        Assert.True(run.ExitCode == 0, run.ErrorText);
        return EvidenceBundle.Open(archive, Stream.Null);
    }
}
