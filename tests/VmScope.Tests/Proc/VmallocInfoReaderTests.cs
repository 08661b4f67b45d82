using System.Text;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Tests.Proc;

/// <summary>
/// Goal: every form a list was ever seen in is read, and what is no row is kept as a diagnostic while reading goes on.
/// Method: one form at a time, with the values worked out by hand.
/// </summary>
public class VmallocInfoReaderTests
{
    private const string Row = "0xffffc9000072b000-0xffffc9000072f000   16384 n_tty_open+0x19/0xe0 pages=3 vmalloc N0=3";

    [Theory]
    [InlineData("")]
    [InlineData("[  123.456789] ")]
    [InlineData("<4>")]
    [InlineData("<4>[  123.456789] ")]
    [InlineData("Nov 20 10:00:00 host kernel: ")]
    [InlineData("Nov 20 10:00:00 host kernel: [   12.000001] ")]
    [InlineData("2026-11-20T10:00:00.123456+00:00 host kernel: ")]
    [InlineData("[1234567890@3] ")]
    [InlineData("> ")]
    [InlineData("\t")]
    public void A_log_prefix_is_passed_over(string prefix)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"{prefix}{Row}\r\n{prefix}{Row.Replace("72b000", "73b000", StringComparison.Ordinal)}");
        Assert.Equal(0, odd.Count);
        Assert.Equal(2, report.Rows.Length);
        AssertTty(report, report.Rows[0]);
        Assert.Equal((1L, 2L), (report.Rows[0].Line, report.Rows[1].Line));
    }

    [Fact]
    public void What_a_mail_did_is_undone()
    {
        (VmallocReport report, DiagnosticList odd) = Read(
            Row.Replace("=", "=3D", StringComparison.Ordinal) + "\n"
            + "0xffffc9000072b000-0xffffc9000072f000   16384 n_tty_o=\npen+0x19/0xe0 pages=3D3 vmallo=\nc N0=3D3\n" + Row + "=20\n");
        Assert.Equal(0, odd.Count);
        Assert.Equal(3, report.Rows.Length);
        foreach (VmallocRow row in report.Rows)
        {
            AssertTty(report, row);
        }
    }

    [Theory]
    [InlineData("0xffffc9000072b000-0xffffc9000072f000   16384\nn_tty_open+0x19/0xe0 pages=3 vmalloc N0=3\n")]
    [InlineData("0xffffc9000072b000-0xffffc9000072f000   16384 n_tty_open+0x19/0xe0\n  pages=3 vmalloc\nN0=3\n")]
    [InlineData("[ 1.0] 0xffffc9000072b000-0xffffc9000072f000   16384 n_tty_open+0x19/0xe0 pages=3\nvmalloc N0=3")]
    public void A_row_that_was_wrapped_is_put_together(string text)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"{Row}\n{text}");
        Assert.Equal(0, odd.Count);
        Assert.Equal(2, report.Rows.Length);
        AssertTty(report, report.Rows[0]);
        AssertTty(report, report.Rows[1]);
    }

    [Theory]
    [InlineData("n_tty_open+0x19/0xe0", "n_tty_open", 0x19UL, 0xe0UL, null)]
    [InlineData("e1000_probe+0x97/0x550 [e1000]", "e1000_probe", 0x97UL, 0x550UL, "e1000")]
    [InlineData("f+0x1/0x2 [mod 0123456789abcdef0123456789abcdef01234567]", "f", 1UL, 2UL, "mod")]
    [InlineData("0xffffffffa0123456", "", 0UL, 0UL, null)]
    [InlineData("<load_module+3560>", "load_module", 3560UL, 0UL, null)]
    [InlineData("vmalloc+0x16", "vmalloc", 0x16UL, 0UL, null)]
    [InlineData("a.isra.0.cold+0x1/0x2", "a.isra.0.cold", 1UL, 2UL, null)]
    [InlineData("x+0x1/0x2", "x", 1UL, 2UL, null)]
    public void Every_form_of_owner_is_taken_apart(string text, string function, ulong offset, ulong size, string? module)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"0xf8000000-0xf8003000   12288 {text} pages=2 vmalloc\n");
        Assert.Equal(0, odd.Count);
        VmallocCaller caller = report.Caller(report.Rows[0])!;
        Assert.Equal((function, offset, size, module), (caller.Function, caller.Offset, caller.FunctionBytes, caller.Module));
        Assert.Equal(2U, report.Rows[0].Pages);
    }

    [Theory]
    [InlineData("vm_map_ram", AreaFlags.VmMapRam)]
    [InlineData("unpurged vm_area", AreaFlags.Unpurged)]
    [InlineData("vmalloc", AreaFlags.Vmalloc)]
    [InlineData("ioremap vmap", AreaFlags.Ioremap | AreaFlags.Vmap)]
    [InlineData("sparse user", AreaFlags.Sparse | AreaFlags.User)]
    [InlineData("dma-coherent", AreaFlags.DmaCoherent)]
    [InlineData("", AreaFlags.None)]
    public void A_row_needs_no_owner(string rest, AreaFlags words)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"0xf8000000-0xf8003000   12288 {rest}".TrimEnd() + "\n");
        Assert.Equal(0, odd.Count);
        Assert.Equal(0, report.Rows[0].Caller);
        Assert.Equal(words, report.Rows[0].Flags);
    }

    [Theory]
    [InlineData("phys=bfff0000", 0xbfff0000UL, 8)]
    [InlineData("phys=0x00000000fed00000", 0xfed00000UL, 16)]
    [InlineData("phys=0xfed00000", 0xfed00000UL, 8)]
    [InlineData("phys=fed", 0xfedUL, 3)]
    public void A_physical_address_has_any_width(string field, ulong phys, int digits)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"0xf8000000-0xf8003000   12288 f+0x1/0x2 {field} ioremap\n");
        Assert.Equal(0, odd.Count);
        Assert.Equal((phys, digits), (report.Rows[0].Phys, (int)report.Rows[0].PhysDigits));
    }

    [Fact]
    public void Words_nobody_knows_are_kept_with_their_row()
    {
        (VmallocReport report, DiagnosticList odd) = Read("0xf8000000-0xf8003000   12288 f+0x1/0x2 pages=2 lowmem vmalloc order=3 N0=2\n");
        Assert.Equal(0, odd.Count);
        Assert.Equal("lowmem order=3", report.Texts.Text(report.Rows[0].UnknownWords));
        Assert.Equal(2U, report.Rows[0].Pages);
        Assert.Equal(1, report.Rows[0].NodeCount);
    }

    [Theory]
    [InlineData("0x(____ptrval____)-0x(____ptrval____)   12288 f+0x1/0x2 pages=2 vmalloc")]
    [InlineData("0x(ptrval)-0x(ptrval)   12288 f+0x1/0x2 pages=2 vmalloc")]
    [InlineData("(____ptrval____)-(____ptrval____)   12288 f+0x1/0x2 pages=2 vmalloc")]
    [InlineData("0x          (null)-0x          (null)   12288 f+0x1/0x2 pages=2 vmalloc")]
    public void Hidden_addresses_are_told_from_real_ones(string line)
    {
        (VmallocReport report, DiagnosticList odd) = Read(line + "\n");
        Assert.Equal(0, odd.Count);
        Assert.True(report.Rows[0].Has(AreaFlags.AddressHidden));
        Assert.False(report.Rows[0].AddressesMatchSize);
        Assert.Equal("f+0x1/0x2", report.CallerText(report.Rows[0]));
    }

    [Fact]
    public void Sixteen_counts_of_nodes_are_kept()
    {
        string counts = string.Join(' ', Enumerable.Range(0, 16).Select(node => $"N{node}={node + 1}"));
        (VmallocReport report, DiagnosticList odd) = Read($"0xffffc90000000000-0xffffc90000089000  561152 f+0x1/0x2 pages=136 vmalloc {counts}\n");
        Assert.Equal(0, odd.Count);
        Assert.Equal([.. Enumerable.Range(0, 16).Select(node => new NodePages(node, (uint)node + 1))], report.Nodes(report.Rows[0]).ToArray());
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("0xf8000000-0xf8003000")]
    [InlineData("0xf8000000-0xf8003000 twelve f+0x1/0x2")]
    [InlineData("0xf8000000-0xf8003000   12288 f+0x1/0x2 pages=x vmalloc")]
    [InlineData("0xf8000000-0xf8003000   12288 f+0x1/0x2 pages=99999999999 vmalloc")]
    [InlineData("0xf8000000-0xf8003000   12288 f+0x1/0x2 phys=0xzz ioremap")]
    [InlineData("0xf8000000-0xf8003000   12288 f+0x1/0x2 vmalloc N0=")]
    [InlineData("0xf80000000000000000-0xf8003000   12288 f+0x1/0x2")]
    [InlineData("[   12.345678] 0xf8000000-0xf8003000 twelve f+0x1/0x2")]
    public void What_is_no_row_is_kept_as_a_diagnostic(string line)
    {
        (VmallocReport report, DiagnosticList odd) = Read($"{Row}\n{line}\n{Row.Replace("72", "73", StringComparison.Ordinal)}\n");
        Assert.Equal(2, report.Rows.Length);
        Diagnostic diagnostic = Assert.Single(odd.Items);
        Assert.Equal((2L, line, "list"), (diagnostic.Line, diagnostic.Text, diagnostic.File));
        Assert.NotEqual("", diagnostic.Reason);
    }

    [Fact]
    public void Lines_of_a_log_or_of_meminfo_are_counted_and_no_diagnostics()
    {
        string text = "$ dmesg\nBIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\nwithout a prefix\n\nand still the log\n"
            + $"{Row}\nhello\n{Row.Replace("72", "73", StringComparison.Ordinal)}\nVmallocTotal:   34359738367 kB\n<6>device ready\n";
        (VmallocReport report, DiagnosticList odd) = Read(text);
        Assert.Equal(2, report.Rows.Length);
        Assert.Equal([(1L, "$ dmesg"), (7L, "hello")], odd.Items.Select(item => (item.Line, item.Text)));
        Assert.Equal((5L, 2L, "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable"), (odd.OtherText!.Lines, odd.OtherText.FirstLine, odd.OtherText.First));
    }

    [Fact]
    public void A_line_of_ten_megabytes_costs_no_memory_and_one_diagnostic()
    {
        byte[] text = [.. Encoding.ASCII.GetBytes(Row + "\n"), .. Enumerable.Repeat((byte)'x', 10_000_000), .. Encoding.ASCII.GetBytes("\n" + Row + "\n")];
        DiagnosticList odd = new();
        long before = GC.GetAllocatedBytesForCurrentThread();
        VmallocReport report = VmallocInfoReader.ReadReport(new MemoryStream(text), "list", odd);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 2_000_000);
        Assert.Equal(2, report.Rows.Length);
        Assert.Equal(1, odd.Count);
        Assert.Equal(3L, report.Rows[1].Line);
    }

    [Fact]
    public void Owners_that_share_a_hash_stay_apart_and_fast()
    {
        // Same length, same beginning, middle and end: everything the quick hash looks at.
        StringBuilder text = new();
        for (int i = 0; i < 20_000; i++)
        {
            text.Append("0xffffc90000000000-0xffffc90000003000   12288 alloc_aa").Append(i.ToString("d6", System.Globalization.CultureInfo.InvariantCulture))
                .Append("_mmmmmm_").Append("zzzzzz+0x1/0x2 pages=2 vmalloc\n");
        }

        (VmallocReport report, DiagnosticList odd) = Read(text.ToString());
        Assert.Equal(0, odd.Count);
        Assert.Equal(20_001, report.Texts.Count);
        Assert.Equal("alloc_aa019999_mmmmmm_zzzzzz+0x1/0x2", report.CallerText(report.Rows[^1]));
    }

    private static void AssertTty(VmallocReport report, in VmallocRow row)
    {
        Assert.Equal((16384UL, 3U, AreaFlags.Vmalloc | AreaFlags.HasPages), (row.SizeBytes, row.Pages, row.Flags));
        Assert.Equal("n_tty_open+0x19/0xe0", report.CallerText(row));
        Assert.Equal([new NodePages(0, 3)], report.Nodes(row).ToArray());
        Assert.True(row.AddressesMatchSize);
    }

    private static (VmallocReport Report, DiagnosticList Odd) Read(string text)
    {
        DiagnosticList odd = new();
        return (VmallocInfoReader.ReadReport(new MemoryStream(Encoding.Latin1.GetBytes(text)), "list", odd), odd);
    }

    [Theory]
    [InlineData("0xffffc90000741000-0xffffc90000745000\t16384\te1000_setup+0x97/0x550\t[e1000]\tpages=3\tvmalloc")]
    [InlineData("0xffffc90000741000-0xffffc90000745000   16384 e1000_setup+0x97/0x550  [e1000] pages=3 vmalloc")]
    [InlineData("0xffffc90000741000-0xffffc90000745000   16384 e1000_setup+0x97/0x550 [e1000] pages=3 \u001b[01;31m\u001b[Kvmalloc\u001b[m\u001b[K")]
    [InlineData("\u001b[32m0xffffc90000741000-0xffffc90000745000   16384 e1000_setup+0x97/0x550 [e1000] pages=3 vmalloc\u001b[0m")]
    public void Other_blanks_and_colours_change_nothing(string line)
    {
        (VmallocReport report, DiagnosticList odd) = Read(line + "\n");
        Assert.Equal(0, odd.Count);
        VmallocRow row = Assert.Single(report.Rows.ToArray());
        Assert.Equal("e1000_setup+0x97/0x550 [e1000]", report.Texts.Text(row.Caller));
        Assert.Equal(3u, row.Pages);
        Assert.True(row.Has(AreaFlags.Vmalloc));
        Assert.Equal(0, row.UnknownWords);
    }

    /// <summary>The sample of Documentation/filesystems/proc.rst is broken to fit its page.</summary>
    [Fact]
    public void Rows_broken_as_in_the_kernels_manual_are_put_together()
    {
        (VmallocReport report, DiagnosticList odd) = Read(
            """
            0xffffc20000000000-0xffffc20000201000 2101248 alloc_large_system_hash+0x204 ...
                /0x2c0 pages=512 vmalloc N0=128 N1=128 N2=128 N3=128
            0xffffc20000302000-0xffffc20000304000    8192 acpi_tb_verify_table+0x21/0x4f ...
                phys=7fee8000 ioremap
            0xffffc20000347000-0xffffc2000034c000   20480 xt_alloc_table_info+0xfe ...
                /0x130 [x_tables] pages=4 vmalloc N0=4

            """);
        Assert.Equal(0, odd.Count);
        Assert.Equal(
            ["alloc_large_system_hash+0x204/0x2c0", "acpi_tb_verify_table+0x21/0x4f", "xt_alloc_table_info+0xfe/0x130 [x_tables]"],
            report.Rows.ToArray().Select(row => report.Texts.Text(row.Caller)));
        Assert.Equal([512u, 0u, 4u], report.Rows.ToArray().Select(row => row.Pages));
        Assert.Equal([4, 0, 1], report.Rows.ToArray().Select(row => (int)row.NodeCount));
        Assert.All(report.Rows.ToArray(), row => Assert.Equal(0, row.UnknownWords));
    }

    /// <summary>drgn's script prints the bare symbol.</summary>
    [Theory]
    [InlineData("0xffff800080000000-0xffff800080005000      20480 start_kernel pages=4 vmalloc", "start_kernel")]
    [InlineData("0xffff800080005000-0xffff800080007000       8192 ioremap_prot phys=0x8020000 ioremap", "ioremap_prot")]
    [InlineData("0xffff800080005000-0xffff800080007000       8192 probe [drv] phys=0x8020000 ioremap", "probe [drv]")]
    public void An_owner_without_offset_is_an_owner(string line, string owner)
    {
        (VmallocReport report, DiagnosticList odd) = Read(line + "\n");
        Assert.Equal(0, odd.Count);
        VmallocRow row = Assert.Single(report.Rows.ToArray());
        Assert.Equal(owner, report.Texts.Text(row.Caller));
        Assert.Equal(0, row.UnknownWords);
    }

    [Fact]
    public void A_word_alone_is_a_vendors_and_no_owner()
    {
        (VmallocReport report, _) = Read("0xc0000000-0xdfc00000 532676608 lowmem\n0xf0000000-0xf0002000    8192 phys=80000000 ioremap lowmem\n");
        Assert.All(report.Rows.ToArray(), row =>
        {
            Assert.Equal(0, row.Caller);
            Assert.Equal("lowmem", report.Texts.Text(row.UnknownWords));
        });
    }
}
