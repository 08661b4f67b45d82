using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using VmScope.Physical;

namespace VmScope.Machine;

/// <summary>Writes a machine's physical memory as an ELF core file, the form crash dumps have.</summary>
/// <remarks>
/// Every run of written frames is a PT_LOAD segment whose physical address is its place in the machine's memory and
/// whose virtual address is its place in the direct map; frames nobody wrote hold zeros and are left out. A VMCOREINFO note tells release, page size and the root of the page tables.
/// Source: System V ABI, "Program Loading"; kernel/crash_core.c, 6.1 (the note's names).
/// </remarks>
public static class ElfCoreWriter
{
    private const int FrameBytes = 4096;
    private const int HeaderBytes = 64;
    private const int SegmentBytes = 56;
    private const int NoteAlign = 4;
    private const uint LoadSegment = 1;
    private const uint NoteSegment = 4;
    private const ushort CoreFile = 4;

    /// <summary>Writes the file.</summary>
    /// <returns>Bytes written.</returns>
    public static ulong Write(BootedMachine machine, Stream stream)
    {
        List<(ulong First, ulong Count)> runs = Runs(machine);
        byte[] note = Note(machine);
        ulong noteAt = (ulong)(HeaderBytes + ((runs.Count + 1) * SegmentBytes));
        ulong dataAt = Align.Up(noteAt + (ulong)note.Length, FrameBytes);
        byte[] head = new byte[dataAt];
        Span<byte> elf = head;
        "\x7f"u8.CopyTo(elf);
        "ELF"u8.CopyTo(elf[1..]);
        // 64-bit, little endian, version 1: as QEMU and makedumpfile write machines of more than 4 GiB, whatever their width.
        (elf[4], elf[5], elf[6]) = (2, 1, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[16..], CoreFile);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[18..], (ushort)(machine.Is64Bit ? 62 : 3));
        BinaryPrimitives.WriteUInt32LittleEndian(elf[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(elf[32..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[52..], HeaderBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[54..], SegmentBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(elf[56..], checked((ushort)(runs.Count + 1)));
        Segment(elf[HeaderBytes..], NoteSegment, noteAt, 0, 0, (ulong)note.Length, 0);
        ulong at = dataAt;
        for (int i = 0; i < runs.Count; i++)
        {
            (ulong first, ulong count) = runs[i];
            ulong physical = first * FrameBytes;
            ulong virt = machine.DirectAddress(new PageFrameNumber(first))?.Value ?? ulong.MaxValue;
            Segment(elf[(HeaderBytes + ((i + 1) * SegmentBytes))..], LoadSegment, at, virt, physical, count * FrameBytes, FrameBytes);
            at += count * FrameBytes;
        }

        note.CopyTo(elf[(int)noteAt..]);
        stream.Write(head);
        byte[] frame = new byte[FrameBytes];
        foreach ((ulong first, ulong count) in runs)
        {
            for (ulong i = 0; i < count; i++)
            {
                if (!machine.Memory.TryRead(new PhysicalAddress((first + i) * FrameBytes), frame))
                {
                    throw new ModelInvariantException($"frame 0x{first + i:x} cannot be read");
                }

                stream.Write(frame);
            }
        }

        return at;
    }

    /// <summary>Runs of written RAM frames; small gaps are filled with zeros so that the headers stay few.</summary>
    private static List<(ulong First, ulong Count)> Runs(BootedMachine machine)
    {
        const ulong GapFilled = 16;
        const int RunsMax = 60000;
        List<(ulong First, ulong Count)> runs = [];
        ulong gap = GapFilled;
        do
        {
            runs.Clear();
            foreach (PageFrameNumber frame in machine.Memory.WrittenFrames)
            {
                if (frame.Value >= (ulong)machine.Pages.Frames.FrameCount)
                {
                    // What was written to a device is no memory of the machine.
                    break;
                }

                if (runs.Count > 0 && frame.Value <= runs[^1].First + runs[^1].Count + gap)
                {
                    runs[^1] = (runs[^1].First, frame.Value - runs[^1].First + 1);
                }
                else
                {
                    runs.Add((frame.Value, 1));
                }
            }

            gap *= 2;
        }
        while (runs.Count > RunsMax);
        return runs;
    }

    private static byte[] Note(BootedMachine machine)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"OSRELEASE={machine.Description.Kernel.Identity.Release}\n");
        text.Append(CultureInfo.InvariantCulture, $"PAGESIZE={FrameBytes}\n");
        text.Append(CultureInfo.InvariantCulture, $"SYMBOL({(machine.Is64Bit ? "init_top_pgt" : "swapper_pg_dir")})={SwapperAddress(machine):x}\n");
        if (machine.Is64Bit)
        {
            text.Append(CultureInfo.InvariantCulture, $"NUMBER(pgtable_l5_enabled)={(machine.Tables.Geometry.Levels.Length == 5 ? 1 : 0)}\n");
            text.Append("NUMBER(phys_base)=0\n");
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"CONFIG_X86_PAE={(machine.Tables.Geometry.EntryBytes == 8 ? "y" : "n")}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"VMSCOPE_CR3={machine.Tables.Root.Value:x}\n");
        byte[] description = Encoding.ASCII.GetBytes(text.ToString());
        byte[] name = "VMCOREINFO\0"u8.ToArray();
        int nameRoom = (name.Length + NoteAlign - 1) / NoteAlign * NoteAlign;
        int room = (description.Length + NoteAlign - 1) / NoteAlign * NoteAlign;
        byte[] note = new byte[12 + nameRoom + room];
        BinaryPrimitives.WriteUInt32LittleEndian(note, (uint)name.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(4), (uint)description.Length);
        name.CopyTo(note.AsSpan(12));
        description.CopyTo(note.AsSpan(12 + nameRoom));
        return note;
    }

    /// <summary>Where the kernel itself would look for its root table: in its own image on x86-64, in the direct map on i386.</summary>
    private static ulong SwapperAddress(BootedMachine machine) =>
        machine.Is64Bit ? 0xffff_ffff_8000_0000 + machine.Tables.Root.Value : machine.Layout.PageOffset.Value + machine.Tables.Root.Value;

    private static void Segment(Span<byte> at, uint type, ulong offset, ulong virt, ulong physical, ulong bytes, ulong align)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, type);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], type == LoadSegment ? 7u : 0);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], offset);
        BinaryPrimitives.WriteUInt64LittleEndian(at[16..], virt);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], physical);
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(at[40..], bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(at[48..], align);
    }
}
