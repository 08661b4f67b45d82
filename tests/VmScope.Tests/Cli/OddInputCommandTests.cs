using System.IO.Compression;
using System.Text;
using System.Text.Json;
using VmScope.Cli.Output;
using VmScope.Tests.Support;

namespace VmScope.Tests.Cli;

/// <summary>What users do by mistake gets a sentence and the right exit code, never a stack trace.</summary>
public class OddInputCommandTests
{
    private const string Rows =
        "0xffffc90000000000-0xffffc90000004000   16384 acpi_os_map_iomem+0xf6/0x154 phys=bfff0000 ioremap\n" +
        "0xffffc90000741000-0xffffc90000745000   16384 e1000_setup_all_tx_resources+0x97/0x550 [e1000] pages=3 vmalloc N0=3\n";

    [Fact]
    public void An_empty_path_is_no_file()
    {
        CliRun run = CliRun.Of("explain", "");
        Assert.Equal(3, run.ExitCode);
        Assert.Equal("vmscope: '': no such file or directory\n", run.ErrorText);
    }

    [Theory]
    [InlineData("explain", "--bogus")]
    [InlineData("explain", "-x")]
    [InlineData("doctor", "--bogus")]
    [InlineData("collect", "--bogus")]
    public void A_mistyped_option_is_not_taken_for_a_file(string command, string option)
    {
        CliRun run = CliRun.Of(command, option);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(option, run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_list_of_choices_is_readable()
    {
        CliRun run = CliRun.Of("explain", "--by", "color", "--sample", "tty");
        Assert.Equal(2, run.ExitCode);
        Assert.DoesNotContain("\\x09", run.ErrorText, StringComparison.Ordinal);
        Assert.Contains("  'module'", run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("4611686018427387905")]
    [InlineData("9999999999999999999999")]
    public void A_size_beyond_every_address_space_is_called_that(string size)
    {
        CliRun run = CliRun.Of("fit", size, "--sample", "tty");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("larger than any address space", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_list_cannot_be_fitted_into()
    {
        using TemporaryFolder folder = new();
        folder.Write("vmallocinfo", "");
        CliRun run = CliRun.Of("fit", "4K", folder.Root);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("holds no row", run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vmallocinfo.gz", 3)]
    [InlineData("dmesg.gz", 0)]
    public void A_damaged_file_in_a_folder_is_named(string damaged, int exitCode)
    {
        using TemporaryFolder folder = new();
        folder.Write("vmallocinfo", Rows);
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{i * 7919} {i}\n"))));
        }

        byte[] bytes = packed.ToArray();
        for (int i = bytes.Length / 2; i < bytes.Length; i++)
        {
            bytes[i] ^= 0x5a;
        }

        File.WriteAllBytes(folder.Path(damaged), bytes);
        File.Delete(folder.Path(damaged[..^3]));
        CliRun run = CliRun.Of("explain", folder.Root);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains($"{damaged}: the compressed data is damaged after ", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_odd_about_an_archive_is_said_on_standard_error()
    {
        using TemporaryFolder folder = new();
        folder.Write("pair/a/vmallocinfo", Rows);
        folder.Write("pair/b/vmallocinfo", Rows);
        string archive = folder.Path("pair.tar");
        System.Formats.Tar.TarFile.CreateFromDirectory(folder.Path("pair"), archive, includeBaseDirectory: false);
        CliRun run = CliRun.Of("explain", archive);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("holds several captures; the one in a/ is used", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Output_that_cannot_be_written_is_an_error()
    {
        FullDisk terminal = new();
        Assert.Equal(3, VmScope.Cli.Cli.Run(["--version"], terminal));
        Assert.Contains("No space left", terminal.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_named_in_words()
    {
        CliRun run = CliRun.Of("collect", "--output", "/nonexistent-folder/out.tar.gz", Captures.Archive("i386-6.1.176-686-1024-base"));
        Assert.Equal(3, run.ExitCode);
        Assert.DoesNotContain("IO_", run.ErrorText, StringComparison.Ordinal);
    }

    private sealed class FullDisk : Terminal
    {
        private readonly StringWriter _error = new();

        internal override TextWriter Out { get; } = new FailingWriter();

        internal override Stream OutBytes => Stream.Null;

        internal override TextWriter Error => _error;

        internal override Stream In => Stream.Null;

        internal override bool OutIsTerminal => false;

        internal override bool ErrorIsTerminal => false;

        internal override int Width => 100;

        internal override string? Variable(string name) => null;

        private sealed class FailingWriter : TextWriter
        {
            private bool _hasFailed;

            public override Encoding Encoding => Encoding.UTF8;

            public override void Write(char value)
            {
            }

            public override void Flush()
            {
                if (!_hasFailed)
                {
                    _hasFailed = true;
                    throw new IOException("No space left on device");
                }
            }
        }
    }

    /// <summary>Kernels 2.6.28 to 2.6.39 keep a page behind every area that no hole counts.</summary>
    [Theory]
    [InlineData("0xf8002fff", "gap-page", "0xf8002000", 4096)]
    [InlineData("0xf8005000", "gap-page", "0xf8005000", 4096)]
    [InlineData("0xf8006000", "hole", "0xf8006000", 0x3fa000)]
    public void The_page_behind_an_area_is_told_from_a_hole(string address, string place, string start, int bytes)
    {
        using TemporaryFolder folder = new();
        folder.Write("dmesg", "Linux version 2.6.32 (a@b) (gcc) #1 SMP\nvirtual kernel memory layout:\n" +
            "    vmalloc : 0xf8000000 - 0xf8400000   (   4 MB)\n    lowmem  : 0xc0000000 - 0xf7800000   ( 888 MB)\n");
        folder.Write("vmallocinfo", "0xf8000000-0xf8002000    8192 foo+0x1/0x2 pages=1 vmalloc\n0xf8003000-0xf8005000    8192 foo+0x1/0x2 pages=1 vmalloc\n");
        using JsonDocument json = JsonDocument.Parse(CliRun.Of("explain", folder.Root, "--json", "--area", address).OutText);
        JsonElement at = json.RootElement.GetProperty("at");
        Assert.Equal(place, at.GetProperty("place").GetString());
        Assert.Equal(start, at.GetProperty("hole").GetProperty("start").GetString());
        Assert.Equal(bytes, at.GetProperty("hole").GetProperty("bytes").GetInt32());
        Assert.Contains(json.RootElement.GetProperty("gaps").EnumerateArray(), gap =>
            gap.GetProperty("start").GetString() == start && gap.GetProperty("bytes").GetInt32() == bytes);
    }

    [Fact]
    public void Sentences_in_a_table_are_wrapped_and_not_cut()
    {
        string text = CliRun.With([], ["explain", "--sample", "server"], width: 80).OutText;
        string[] words = text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("freed, but blocked until the next purge; the kernel purges before it gives up", string.Join(' ', words), StringComparison.Ordinal);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void An_empty_list_is_called_empty()
    {
        using TemporaryFolder folder = new();
        folder.Write("vmallocinfo", "");
        CliRun run = CliRun.Of("explain", folder.Root);
        Assert.Contains("The list is empty.", run.OutText, StringComparison.Ordinal);
        Assert.DoesNotContain("Who owns it", run.OutText, StringComparison.Ordinal);
    }
}
