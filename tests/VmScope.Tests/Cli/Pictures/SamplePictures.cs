using System.Collections.Immutable;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Tests.Cli.Pictures;

/// <summary>Pictures to draw: a crowded small window, an almost empty huge one, hostile names.</summary>
internal static class SamplePictures
{
    /// <summary>What must never come out as it went in: markup, script ends, attribute ends, terminal escapes, lone surrogates.</summary>
    internal static readonly ImmutableArray<string> HostileNames =
    [
        "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='alert(1)", "]]><!--", "&lt;b&gt;",
        "\u001b]0;owned\u0007\u001b[31mred", "a\u202eb\u0000c\r\nd", "\ud800 lone \udfff", "\uffff\ufffe", "javascript:alert(1)", "url(#x)",
    ];

    /// <summary>A window of 16 MiB with areas of eleven owners and 39 holes.</summary>
    internal static Picture Crowded()
    {
        Random random = new(7);
        ImmutableArray<PicturePiece>.Builder pieces = ImmutableArray.CreateBuilder<PicturePiece>();
        ulong at = 0xfdbfe000;
        const ulong last = 0xfebfdfff;
        int number = 0;
        while (true)
        {
            ulong size = (ulong)random.Next(2, 40) * 4096;
            if (at + size > last)
            {
                break;
            }

            bool isHole = number % 6 == 5;
            string owner = $"owner_number_{Math.Min(random.Next(0, 14), random.Next(0, 14))}";
            pieces.Add(new PicturePiece(at, size, isHole ? PieceKind.Hole : number % 17 == 3 ? PieceKind.Unpurged : PieceKind.Owned, isHole ? "" : owner, $"row {number}"));
            at += size;
            number++;
        }

        PictureTable owners = new("Who holds the window",
            [new("owner", Side.Left), new("areas", Side.Right), new("bytes", Side.Right)],
            [.. Enumerable.Range(0, 40).Select(i => ImmutableArray.Create<PictureCell>($"owner_number_{i}+0x{i:x}/0x100", PictureCell.Count(i * 3), PictureCell.Bytes((ulong)i * 123456)))]);
        return new Picture("vmscope doctor: i386 6.1.176", PictureSeverity.Problem, "no hole of 65,536 bytes is left in the vmalloc area; the largest has 57,344: short by 8,192 bytes")
        {
            Statements = ["vmalloc=17M is the smallest value that would have taken the request", "61 areas belong to netlink_sendmsg"],
            Bars =
            [
                new PictureBar("vmalloc", 0xfdbfe000, last, pieces.ToImmutable()),
                new PictureBar("request against the largest hole", 0, 65535,
                    [new PicturePiece(0, 57344, PieceKind.Hole, "", "largest hole"), new PicturePiece(57344, 8192, PieceKind.Request, "missing", "what is missing")]) { AddressesAreReal = false },
            ],
            Tables = [owners],
            Notes = ["Sizes contain the guard page."],
        };
    }

    /// <summary>A window of 32 TiB with two clusters of small areas far apart.</summary>
    internal static Picture Sparse()
    {
        ImmutableArray<PicturePiece>.Builder pieces = ImmutableArray.CreateBuilder<PicturePiece>();
        for (ulong i = 0; i < 200; i++)
        {
            pieces.Add(new PicturePiece(0xffffc90000000000 + (i * 0x8000), 0x5000, PieceKind.Owned, "dup_task_struct", "stack"));
        }

        pieces.Add(new PicturePiece(0xffffe8ffffc00000, 0x200000, PieceKind.Owned, "pcpu_get_vm_areas", "chunk"));
        return new Picture("vmscope explain: x86-64 6.12", PictureSeverity.Fine, "nothing wrong")
        {
            Bars = [new PictureBar("vmalloc", 0xffffc90000000000, 0xffffe8ffffffffff, pieces.ToImmutable()), WholeSpace()],
        };
    }

    /// <summary>Every text a picture can hold, hostile.</summary>
    internal static Picture Hostile() => new(HostileNames[0], PictureSeverity.Note, HostileNames[1])
    {
        Statements = HostileNames,
        Bars = [new PictureBar(HostileNames[2], 0, ulong.MaxValue,
            [.. HostileNames.Select((name, i) => new PicturePiece((ulong)i << 59, 1UL << 58, PieceKind.Owned, name, name))]) { Note = HostileNames[0] }],
        Tables = [new PictureTable(HostileNames[0], [.. HostileNames.Select(name => new PictureColumn(name, Side.Left))],
            [[.. HostileNames.Select(name => new PictureCell(name))]])],
        Notes = HostileNames,
    };

    private static PictureBar WholeSpace() => new("kernel space", 0xffff800000000000, ulong.MaxValue,
    [
        new(0xffff888000000000, 0x400000000000, PieceKind.Owned, "direct map", ""),
        new(0xffffc90000000000, 0x200000000000, PieceKind.Owned, "vmalloc", ""),
        new(0xffffea0000000000, 0x10000000000, PieceKind.Owned, "vmemmap", ""),
        new(0xffffffff80000000, 0x40000000, PieceKind.Owned, "kernel text", ""),
    ])
    { Scale = BarScale.Order };
}
