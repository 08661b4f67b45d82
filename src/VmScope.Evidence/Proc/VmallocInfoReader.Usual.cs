using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <content>The quick half: lines exactly as kernels print them. Any other line is left to the patient half.</content>
public sealed partial class VmallocInfoReader
{
    /// <summary>How far behind the data the wide loads may read.</summary>
    private const int WideBytes = 512;

    /// <summary>0x, 16 digits, -0x, 16 digits, a blank: where the size begins.</summary>
    private const int LongHeader = 38;

    /// <summary>The same with 8 digits each.</summary>
    private const int ShortHeader = 22;

    private const byte IsOwner = 1;
    private const byte IsNoOwner = 2;

    private byte[] _ownerForm = new byte[64];

    /// <summary>Takes rows as long as they have the usual form.</summary>
    /// <returns>Where the first line begins that has not, or that has no line end yet.</returns>
    [MethodImpl(HotPath.Compiled)]
    private int TakeUsualRows(byte[] buffer, int at, int end)
    {
        ref byte origin = ref MemoryMarshal.GetArrayDataReference(buffer);
        while (at < end)
        {
            int next = TakeUsualRow(ref Unsafe.Add(ref origin, at), end - at);
            if (next == 0)
            {
                return at;
            }

            at += next;
        }

        return at;
    }

    /// <summary>Takes one row.</summary>
    /// <param name="line">Its first byte; <see cref="WideBytes"/> more than <paramref name="available"/> are readable.</param>
    /// <param name="available">How many bytes are data.</param>
    /// <returns>Bytes taken with the line end; 0 when this is not a whole usual line, and then nothing has changed.</returns>
    [MethodImpl(HotPath.Compiled)]
    private int TakeUsualRow(ref byte line, int available)
    {
        unchecked
        {
            const ushort prefix = '0' | ('x' << 8);
            const uint middle = '-' | ('0' << 8) | ('x' << 16);
            if (Unsafe.ReadUnaligned<ushort>(ref line) != prefix)
            {
                return 0;
            }

            ulong start;
            ulong end;
            int header;
            if ((Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref line, 18)) & 0xffffff) == middle && Unsafe.Add(ref line, LongHeader - 1) == ' ')
            {
                header = LongHeader;
                if (!ByteScan.TryHex16Twice(ref Unsafe.Add(ref line, 2), ref Unsafe.Add(ref line, 21), out start, out end))
                {
                    return 0;
                }
            }
            else if ((Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref line, 10)) & 0xffffff) == middle && Unsafe.Add(ref line, ShortHeader - 1) == ' ')
            {
                header = ShortHeader;
                if (!ByteScan.TryHex8Twice(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref line, 2)),
                    Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref line, 13)), out start, out end))
                {
                    return 0;
                }
            }
            else
            {
                return 0;
            }

            // Everything from the size on fits 128 bytes in a usual line: two masks of blanks and line ends say where words end.
            ref byte rest = ref Unsafe.Add(ref line, header);
            ulong blanks = ByteScan.Equal64(ref rest, (byte)' ');
            ulong feeds = ByteScan.Equal64(ref rest, (byte)'\n');
            ulong moreFeeds = ByteScan.Equal64(ref Unsafe.Add(ref rest, 64), (byte)'\n');
            // Without a branch: which half a line ends in is what a processor cannot guess. 128 when it ends in neither.
            int first = BitOperations.TrailingZeroCount(feeds);
            int length = first + (BitOperations.TrailingZeroCount(moreFeeds) & -(first >> 6));
            if (length >= Math.Min(available - header, 128))
            {
                return 0;
            }

            int lead = BitOperations.TrailingZeroCount(~blanks);
            int word = lead + BitOperations.TrailingZeroCount(blanks >> lead);
            int digits = word - lead;
            if (digits is < 1 or > 8 || word < 7 || word >= length || word > 32)
            {
                return 0;
            }

            if (!ByteScan.TryDecimal8(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref rest, word - 8)), digits, out ulong size))
            {
                return 0;
            }

            word++;
            ref VmallocRow row = ref _batch[_batchCount];
            row = default;
            row.FirstNode = _nodes.Count;
            word = TakeOwner(ref rest, word, length, blanks | feeds, ref row);
            if (word == 0 || (word < length && !TakeFields(ref rest, word, length, ref row)))
            {
                _nodes.CutTo(row.FirstNode);
                return 0;
            }

            row.Start = start;
            row.End = end;
            row.SizeBytes = size;
            row.AddressDigits = header == LongHeader ? (byte)16 : (byte)8;
            row.Line = ++_line;
            if (++_batchCount == BatchRows)
            {
                FlushBatch();
            }

            return header + length + 1;
        }
    }

    /// <summary>Takes the owner, or one of the two phrases that stand in its place.</summary>
    /// <returns>Where the next word begins, or the length at the end of the line; 0 when the form is not usual.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int TakeOwner(ref byte rest, int word, int length, ulong stops, ref VmallocRow row)
    {
        unchecked
        {
            ulong stop = stops >> word;
            int end = stop != 0 && word < 64 ? word + BitOperations.TrailingZeroCount(stop) : WordEnd(ref rest, Math.Max(word, 64), length);
            ref byte text = ref Unsafe.Add(ref rest, word);
            if (end < length && Unsafe.Add(ref rest, end + 1) == '[')
            {
                end = ModuleEnd(ref rest, end + 2, length);
            }

            int size = end - word;
            if (size is < 4 or > TextTable.ShortBytes)
            {
                return 0;
            }

            int id = _texts.InternShort(ref text, size);
            if (id >= _ownerForm.Length)
            {
                Array.Resize(ref _ownerForm, _ownerForm.Length * 2 > id ? _ownerForm.Length * 2 : id + 1);
            }

            byte form = _ownerForm[id];
            if (form == 0)
            {
                form = VmallocLineParser.IsOwnerText(_texts.Bytes(id)) ? IsOwner : IsNoOwner;
                _ownerForm[id] = form;
            }

            if (form == IsOwner)
            {
                row.Caller = id;
                return end == length ? length : end + 1;
            }

            return TakePhrase(ref text, word, length, ref row);
        }
    }

    [MethodImpl(HotPath.Compiled)]
    private static int TakePhrase(ref byte text, int word, int length, ref VmallocRow row)
    {
        ReadOnlySpan<byte> line = MemoryMarshal.CreateReadOnlySpan(ref text, length - word);
        if (line.SequenceEqual("unpurged vm_area"u8))
        {
            row.Flags = AreaFlags.Unpurged;
            return length;
        }

        if (line.SequenceEqual("vm_map_ram"u8))
        {
            row.Flags = AreaFlags.VmMapRam;
            return length;
        }

        return 0;
    }

    [MethodImpl(HotPath.Compiled)]
    private static int WordEnd(ref byte rest, int from, int length)
    {
        while (from < length && Unsafe.Add(ref rest, from) != ' ')
        {
            from++;
        }

        return from;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ModuleEnd(ref byte rest, int from, int length)
    {
        ulong closing = ByteScan.Equal64(ref Unsafe.Add(ref rest, from), (byte)']');
        from = closing == 0 ? length : from + BitOperations.TrailingZeroCount(closing);
        bool whole = from < length && (from + 1 == length || Unsafe.Add(ref rest, from + 1) == ' ');
        return whole ? from + 1 : 0;
    }

    /// <summary>Takes the fields behind the owner.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TakeFields(ref byte rest, int at, int length, ref VmallocRow row)
    {
        unchecked
        {
            AreaFlags flags = AreaFlags.None;
            while (at < length)
            {
                ref byte word = ref Unsafe.Add(ref rest, at);
                ulong eight = Unsafe.ReadUnaligned<ulong>(ref word);
                int taken;
                if ((eight & Six) == Pages)
                {
                    taken = Decimal(ref word, 6, out uint pages);
                    row.Pages = pages;
                    taken = (flags & AreaFlags.HasPages) == AreaFlags.None ? taken : 0;
                    flags |= AreaFlags.HasPages;
                }
                else if ((eight & Seven) == Vmalloc)
                {
                    taken = 7;
                    flags |= AreaFlags.Vmalloc;
                }
                else if ((byte)eight == (byte)'N')
                {
                    taken = NodeCount(ref word, ref row);
                }
                else if ((eight & Seven) == Ioremap)
                {
                    taken = 7;
                    flags |= AreaFlags.Ioremap;
                }
                else if ((eight & Five) == Phys)
                {
                    taken = (flags & AreaFlags.HasPhys) == AreaFlags.None ? Physical(ref word, ref row, ref flags) : 0;
                }
                else
                {
                    taken = RareWord(eight, ref word, ref flags);
                }

                if (taken == 0)
                {
                    return false;
                }

                at += taken;
                byte stop = Unsafe.Add(ref rest, at);
                if (stop != ' ' && at != length)
                {
                    return false;
                }

                at++;
            }

            // A blank before the line end takes the position one too far: such a line is not as kernels print it.
            row.Flags = flags;
            return at == length + 1;
        }
    }

    private const ulong Five = 0xff_ffffffff;
    private const ulong Six = 0xffff_ffffffff;
    private const ulong Seven = 0xffffff_ffffffff;
    private const ulong Pages = 'p' | ((ulong)'a' << 8) | ((ulong)'g' << 16) | ((ulong)'e' << 24) | ((ulong)'s' << 32) | ((ulong)'=' << 40);
    private const ulong Phys = 'p' | ((ulong)'h' << 8) | ((ulong)'y' << 16) | ((ulong)'s' << 24) | ((ulong)'=' << 32);
    private const ulong Vmalloc = 'v' | ((ulong)'m' << 8) | ((ulong)'a' << 16) | ((ulong)'l' << 24) | ((ulong)'l' << 32) | ((ulong)'o' << 40) | ((ulong)'c' << 48);
    private const ulong Ioremap = 'i' | ((ulong)'o' << 8) | ((ulong)'r' << 16) | ((ulong)'e' << 24) | ((ulong)'m' << 32) | ((ulong)'a' << 40) | ((ulong)'p' << 48);
    private const ulong Vpages = 'v' | ((ulong)'p' << 8) | ((ulong)'a' << 16) | ((ulong)'g' << 24) | ((ulong)'e' << 32) | ((ulong)'s' << 40);
    private const ulong Sparse = 's' | ((ulong)'p' << 8) | ((ulong)'a' << 16) | ((ulong)'r' << 24) | ((ulong)'s' << 32) | ((ulong)'e' << 40);
    private const uint Vmap = 'v' | ('m' << 8) | ('a' << 16) | ('p' << 24);
    private const uint User = 'u' | ('s' << 8) | ('e' << 16) | ('r' << 24);

    [MethodImpl(HotPath.Compiled)]
    private static int RareWord(ulong eight, ref byte word, ref AreaFlags flags)
    {
        (AreaFlags flag, int length) = unchecked((uint)eight) == Vmap ? (AreaFlags.Vmap, 4)
            : (eight & Six) == Vpages ? (AreaFlags.Vpages, 6)
            : unchecked((uint)eight) == User ? (AreaFlags.User, 4)
            : (eight & Six) == Sparse ? (AreaFlags.Sparse, 6)
            : MemoryMarshal.CreateReadOnlySpan(ref word, 12).SequenceEqual("dma-coherent"u8) ? (AreaFlags.DmaCoherent, 12)
            : (AreaFlags.None, 0);
        flags |= flag;
        return length;
    }

    /// <summary>Reads up to seven digits behind <paramref name="from"/> bytes.</summary>
    /// <returns>Bytes up to the first that is no digit; 0 when there is no digit, or more than seven.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Decimal(ref byte word, int from, out uint value)
    {
        unchecked
        {
            // No loop: how many digits follow is what a processor cannot guess.
            ulong text = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref word, from));
            int digits = ByteScan.CountDigits(text);
            if (digits is 0 or 8)
            {
                value = 0;
                return 0;
            }

            value = (uint)ByteScan.Decimal8(text << (64 - (8 * digits)));
            return from + digits;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int NodeCount(ref byte word, ref VmallocRow row)
    {
        unchecked
        {
            // Nearly every machine has fewer than ten nodes.
            uint node = (uint)(Unsafe.Add(ref word, 1) - '0');
            int at = 2;
            if (Unsafe.Add(ref word, 2) != '=')
            {
                at = Decimal(ref word, 1, out node);
                if (at == 0 || node >= 1024 || Unsafe.Add(ref word, at) != '=')
                {
                    return 0;
                }
            }
            else if (node > 9)
            {
                return 0;
            }

            if (row.NodeCount == 1024)
            {
                return 0;
            }

            at = Decimal(ref word, at + 1, out uint pages);
            if (at != 0)
            {
                _nodes.Add(new NodePages((int)node, pages));
                row.NodeCount++;
            }

            return at;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Physical(ref byte word, ref VmallocRow row, ref AreaFlags flags)
    {
        unchecked
        {
            int at = 5;
            bool prefixed = Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref word, at)) == ('0' | ('x' << 8));
            at += prefixed ? 2 : 0;
            int from = at;
            ulong value = 0;
            if (ByteScan.TryHex16(ref Unsafe.Add(ref word, at), out ulong sixteen))
            {
                value = sixteen;
                at += 16;
            }

            while (at - from < 17 && at != from + 16)
            {
                uint digit = Unsafe.Add(ref word, at);
                uint number = digit - '0' <= 9 ? digit - '0' : digit - 'a' <= 5 ? digit - 'a' + 10 : 16;
                if (number == 16)
                {
                    break;
                }

                value = (value << 4) | number;
                at++;
            }

            if (at - from is < 1 or > 16)
            {
                return 0;
            }

            row.Phys = value;
            row.PhysDigits = (byte)(at - from);
            flags |= prefixed ? AreaFlags.HasPhys | AreaFlags.PhysPrefixed : AreaFlags.HasPhys;
            return at;
        }
    }
}
