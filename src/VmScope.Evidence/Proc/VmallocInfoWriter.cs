using System.Buffers.Text;
using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <summary>Writes rows as a kernel prints them.</summary>
/// <remarks>
/// Kernel text that was read comes out byte for byte; a row that was read from elsewhere (a log, a debugger) comes out
/// in the kernel's form. Source: mm/vmalloc.c, s_show() in 2.6.28, vmalloc_info_show() in 7.1.
/// </remarks>
public static class VmallocInfoWriter
{
    private const int SizeColumns = 7;

    /// <summary>Writes every row of a report.</summary>
    public static void Write(VmallocReport report, Stream stream)
    {
        byte[] buffer = new byte[16 * 1024];
        int used = 0;
        foreach (ref readonly VmallocRow row in report.Rows)
        {
            int room = MaxBytes(row, report);
            if (used + room > buffer.Length)
            {
                stream.Write(buffer, 0, used);
                used = 0;
                if (room > buffer.Length)
                {
                    buffer = new byte[room];
                }
            }

            used += WriteRow(row, report, buffer.AsSpan(used));
        }

        stream.Write(buffer, 0, used);
    }

    private static int MaxBytes(in VmallocRow row, VmallocReport report) =>
        256 + report.Texts.Bytes(row.Caller).Length + report.Texts.Bytes(row.UnknownWords).Length + (row.NodeCount * 24);

    private static int WriteRow(in VmallocRow row, VmallocReport report, Span<byte> to)
    {
        int at = 0;
        Address(row, row.Start, to, ref at);
        to[at++] = (byte)'-';
        Address(row, row.End, to, ref at);
        to[at++] = (byte)' ';
        Span<byte> digits = stackalloc byte[20];
        _ = Utf8Formatter.TryFormat(row.SizeBytes, digits, out int length);
        for (int blank = length; blank < SizeColumns; blank++)
        {
            to[at++] = (byte)' ';
        }

        digits[..length].CopyTo(to[at..]);
        at += length;
        if (row.Caller != 0)
        {
            Word(report.Texts.Bytes(row.Caller), to, ref at);
        }

        if (row.Has(AreaFlags.Unpurged))
        {
            Word("unpurged vm_area"u8, to, ref at);
        }

        if (row.Has(AreaFlags.VmMapRam))
        {
            Word("vm_map_ram"u8, to, ref at);
        }

        if (row.Has(AreaFlags.HasPages))
        {
            Number("pages="u8, row.Pages, to, ref at);
        }

        if (row.Has(AreaFlags.HasPhys))
        {
            Word(row.Has(AreaFlags.PhysPrefixed) ? "phys=0x"u8 : "phys="u8, to, ref at);
            Hex(row.Phys, row.PhysDigits, to, ref at);
        }

        Flag(row, AreaFlags.Ioremap, "ioremap"u8, to, ref at);
        Flag(row, AreaFlags.Sparse, "sparse"u8, to, ref at);
        Flag(row, AreaFlags.Vmalloc, "vmalloc"u8, to, ref at);
        Flag(row, AreaFlags.Vmap, "vmap"u8, to, ref at);
        Flag(row, AreaFlags.User, "user"u8, to, ref at);
        Flag(row, AreaFlags.DmaCoherent, "dma-coherent"u8, to, ref at);
        Flag(row, AreaFlags.Vpages, "vpages"u8, to, ref at);
        if (row.UnknownWords != 0)
        {
            Word(report.Texts.Bytes(row.UnknownWords), to, ref at);
        }

        foreach (NodePages count in report.Nodes(row))
        {
            Number("N"u8, (uint)count.Node, to, ref at);
            to[at++] = (byte)'=';
            _ = Utf8Formatter.TryFormat(count.Pages, to[at..], out int written);
            at += written;
        }

        to[at++] = (byte)'\n';
        return at;
    }

    private static void Address(in VmallocRow row, ulong value, Span<byte> to, ref int at)
    {
        if (row.Has(AreaFlags.AddressHidden))
        {
            ReadOnlySpan<byte> hidden = row.AddressDigits == 16 ? "0x(____ptrval____)"u8 : "0x(ptrval)"u8;
            hidden.CopyTo(to[at..]);
            at += hidden.Length;
            return;
        }

        to[at++] = (byte)'0';
        to[at++] = (byte)'x';
        Hex(value, row.AddressDigits == 8 ? 8 : 16, to, ref at);
    }

    private static void Flag(in VmallocRow row, AreaFlags flag, ReadOnlySpan<byte> word, Span<byte> to, ref int at)
    {
        if (row.Has(flag))
        {
            Word(word, to, ref at);
        }
    }

    private static void Word(ReadOnlySpan<byte> word, Span<byte> to, ref int at)
    {
        to[at++] = (byte)' ';
        word.CopyTo(to[at..]);
        at += word.Length;
    }

    private static void Number(ReadOnlySpan<byte> name, uint value, Span<byte> to, ref int at)
    {
        Word(name, to, ref at);
        _ = Utf8Formatter.TryFormat(value, to[at..], out int written);
        at += written;
    }

    private static void Hex(ulong value, int digits, Span<byte> to, ref int at)
    {
        int needed = Math.Max(digits, value == 0 ? 1 : ((63 - System.Numerics.BitOperations.LeadingZeroCount(value)) / 4) + 1);
        for (int i = needed - 1; i >= 0; i--)
        {
            to[at + i] = (byte)"0123456789abcdef"[(int)(value & 15)];
            value >>= 4;
        }

        at += needed;
    }
}
