using System.Globalization;
using System.Text;
using VmScope.Proc;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Proc;

/// <summary>
/// Goal: what any kernel could print is read back as it was, by the quick half of the reader and by the patient one
/// alike; and nothing that can be done to a text makes the program crash, hang or write an escape code.
/// Method: seeded random lists in the format of every era; seeded damage.
/// </summary>
public class VmallocInfoPropertyTests
{
    /// <summary>The formats there were: digits of addresses, 0x before phys, words that existed.</summary>
    private static readonly (string Era, bool Is64Bit, bool HasPhysPrefix, int PhysDigits, AreaFlags[] Words)[] Formats =
    [
        ("2.6.28 i386", false, false, 0, [AreaFlags.Ioremap, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.User, AreaFlags.Vpages]),
        ("2.6.32 x86-64", true, false, 0, [AreaFlags.Ioremap, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.User, AreaFlags.Vpages]),
        ("4.12 arm", false, true, 8, [AreaFlags.Ioremap, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.User, AreaFlags.Vpages]),
        ("4.15 i386 PAE", false, true, 16, [AreaFlags.Ioremap, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.VmMapRam, AreaFlags.Unpurged]),
        ("5.4 x86-64", true, true, 16, [AreaFlags.Ioremap, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.DmaCoherent, AreaFlags.Unpurged, AreaFlags.VmMapRam]),
        ("6.9 x86-64", true, true, 16, [AreaFlags.Ioremap, AreaFlags.Sparse, AreaFlags.Vmalloc, AreaFlags.Vmap, AreaFlags.User, AreaFlags.DmaCoherent, AreaFlags.Vpages, AreaFlags.Unpurged, AreaFlags.VmMapRam]),
    ];

    public static TheoryData<int, int> ErasAndSeeds()
    {
        TheoryData<int, int> data = [];
        for (int format = 0; format < Formats.Length; format++)
        {
            for (int seed = 0; seed < 12; seed++)
            {
                data.Add(format, seed);
            }
        }

        return data;
    }

    public static TheoryData<int> Seeds => new(Enumerable.Range(0, 80));

    [Theory, MemberData(nameof(ErasAndSeeds))]
    public void What_is_written_in_the_format_of_any_era_is_read_back_equal(int format, int seed)
    {
        VmallocReport report = RandomReport(format, new Random(seed));
        using MemoryStream text = new();
        VmallocInfoWriter.Write(report, text);
        DiagnosticList odd = new();
        text.Position = 0;
        VmallocReport back = VmallocInfoReader.ReadReport(text, "list", odd);
        Assert.Equal(0, odd.Count);
        Assert.True(report.SaysTheSameAs(back), Formats[format].Era);
        using MemoryStream again = new();
        VmallocInfoWriter.Write(back, again);
        Assert.Equal(text.ToArray(), again.ToArray());
        AssertBothHalvesAgree(text.ToArray(), back);
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Damage_never_crashes_hangs_or_reaches_the_terminal(int seed)
    {
        Random random = new(seed);
        VmallocReport report = RandomReport(random.Next(Formats.Length), random);
        using MemoryStream text = new();
        VmallocInfoWriter.Write(report, text);
        byte[] damaged = Damage(text.ToArray(), random);

        DiagnosticList odd = new();
        VmallocReport read = VmallocInfoReader.ReadReport(new MemoryStream(damaged), "list", odd);
        Assert.True(read.Rows.Length + odd.Count <= damaged.Length + 1);
        string[] format = random.Next(4) switch
        {
            0 => ["explain", "-", "--json"],
            1 => ["explain", "-", "--csv"],
            2 => ["explain", "-", "--all", "--ascii"],
            _ => ["explain", "-", "--area", "0xffffc90000010000"],
        };
        CliRun run = CliRun.With([.. "0xf8000000-0xf8002000    8192 f+0x1/0x2 pages=1 vmalloc\n"u8, .. damaged], format);
        Assert.InRange(run.ExitCode, 0, 3);
        AssertPlain(run.OutText);
        AssertPlain(run.ErrorText);
    }

    [Fact]
    public void Escape_codes_in_names_are_made_visible()
    {
        const string list = "0xf8000000-0xf8002000    8192 \u001b[31mred\u001b[0m+0x1/0x2 pages=1 vmalloc \u001b]0;title\u0007\n"
            + "0xf8002000-0xf8004000    8192 bell\u0007+0x1/0x2 [\u001b[2Jmod] pages=1 vmalloc\nno \u001b[31mrow\n";
        foreach (string[] args in (string[][])[["explain", "-"], ["explain", "-", "--all"], ["explain", "-", "--csv"], ["explain", "-", "--json"], ["explain", "-", "--area", "f8000000"]])
        {
            CliRun run = CliRun.With(list, args);
            AssertPlain(run.OutText);
            Assert.Contains("red", run.OutText, StringComparison.Ordinal);
        }
    }

    private static void AssertPlain(string text)
    {
        foreach (char c in text)
        {
            Assert.False(char.IsControl(c) && c != '\n', $"control character {(int)c:x2} in the output");
        }
    }

    /// <summary>The quick half must say of every line what the patient half says.</summary>
    private static void AssertBothHalvesAgree(byte[] text, VmallocReport read)
    {
        VmallocReportBuilder builder = new();
        NodeBuffer nodes = new();
        foreach (string line in Encoding.Latin1.GetString(text).TrimEnd('\n').Split('\n'))
        {
            Assert.Null(VmallocLineParser.Parse(Encoding.Latin1.GetBytes(line), builder.Texts, nodes, out VmallocRow row));
            builder.Add(row, nodes.Items.Slice(row.FirstNode, row.NodeCount));
        }

        Assert.True(builder.Build().SaysTheSameAs(read));
    }

    private static VmallocReport RandomReport(int format, Random random)
    {
        (_, bool is64Bit, bool hasPhysPrefix, int physDigits, AreaFlags[] words) = Formats[format];
        VmallocReportBuilder builder = new();
        ulong at = is64Bit ? 0xffffc900_00000000UL : 0xf0000000UL;
        int rows = random.Next(1, 400);
        for (int i = 0; i < rows; i++)
        {
            AreaFlags word = words[random.Next(words.Length)];
            uint pages = (uint)(random.Next(8) == 0 ? random.Next(1, 100_000) : random.Next(1, 20));
            ulong bytes = (pages + 1UL) * 4096;
            if (!is64Bit && at + bytes > 0xff000000)
            {
                break;
            }

            VmallocRow row = new()
            {
                Start = at,
                End = at + bytes,
                SizeBytes = bytes,
                AddressDigits = is64Bit ? (byte)16 : (byte)8,
                Flags = word,
            };
            List<NodePages> nodes = [];
            bool isPhrase = word is AreaFlags.VmMapRam or AreaFlags.Unpurged;
            if (!isPhrase)
            {
                row.Caller = builder.Texts.Intern(RandomCaller(random));
                row.Flags |= word == AreaFlags.Vmalloc && random.Next(6) == 0 ? AreaFlags.Vpages : AreaFlags.None;
                if (word is AreaFlags.Vmalloc)
                {
                    row.Flags |= AreaFlags.HasPages;
                    row.Pages = pages;
                    for (int node = 0; node < random.Next(0, 12); node++)
                    {
                        nodes.Add(new NodePages(node, (uint)random.Next(1, 1_000_000)));
                    }
                }
                else if (word is AreaFlags.Ioremap)
                {
                    row.Phys = (ulong)random.NextInt64(1, physDigits == 8 ? 1L << 32 : 1L << 40);
                    row.PhysDigits = (byte)(physDigits == 0 ? row.Phys.ToString("x", CultureInfo.InvariantCulture).Length : physDigits);
                    row.Flags |= AreaFlags.HasPhys | (hasPhysPrefix ? AreaFlags.PhysPrefixed : AreaFlags.None);
                }
            }

            builder.Add(row, [.. nodes]);
            at += bytes + ((ulong)random.Next(0, 3) * 4096);
        }

        return builder.Build();
    }

    private static string RandomCaller(Random random)
    {
        switch (random.Next(20))
        {
            case 0:
                return "";
            case 1:
                return $"0x{random.NextInt64():x16}";
            default:
                break;
        }

        StringBuilder name = new();
        int length = random.Next(1, random.Next(8) == 0 ? 90 : 30);
        for (int i = 0; i < length; i++)
        {
            name.Append("abcdefghijklmnopqrstuvwxyz_0123456789.$"[random.Next(i == 0 ? 27 : 39)]);
        }

        name.Append(CultureInfo.InvariantCulture, $"+0x{random.Next(1, 5000):x}/0x{random.Next(1, 9000):x}");
        return random.Next(4) == 0 ? $"{name} [mod_{random.Next(9)}]" : name.ToString();
    }

    private static byte[] Damage(byte[] text, Random random)
    {
        List<byte> bytes = [.. text];
        int wounds = random.Next(1, 12);
        for (int i = 0; i < wounds && bytes.Count > 0; i++)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0:
                    bytes.RemoveRange(at, Math.Min(bytes.Count - at, random.Next(1, 300)));
                    break;
                case 1:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(bytes.Count - at, random.Next(1, 300))));
                    break;
                case 2:
                    byte[] junk = new byte[random.Next(1, 200)];
                    random.NextBytes(junk);
                    bytes.InsertRange(at, junk);
                    break;
                case 3:
                    bytes.InsertRange(at, "\u001b[31;1m"u8.ToArray());
                    break;
                case 4:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 5:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)'f', random.Next(1, 2) * 300_000));
                    break;
                case 6:
                    bytes.InsertRange(at, "=\n=3D=0A"u8.ToArray());
                    break;
                default:
                    bytes.InsertRange(at, "0xffffffffffffffff-0xffffffffffffffff 18446744073709551615 x+0x1/0x1\n0x0000000000000000-0xffffffffffffffff 18446744073709551615 x+0x1/0x1\n"u8.ToArray());
                    break;
            }
        }

        return [.. bytes];
    }
}
