using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Tests.Vmalloc;

/// <summary>
/// Goal: the same short story of requests, frees and purges ends at the addresses each era's kernel gives.
/// Method: the columns come from the kernel's own placement functions compiled into a test program (A, B) and from
/// addresses recorded on running kernels (C); each version below must reproduce its column cell for cell.
/// </summary>
public class PlacementVectorTests
{
    private const ulong Start = 0xf8000000;
    private const ulong End = 0xfebfe000;

    private static readonly string[] Steps =
    [
        "vmalloc a 4096", "vmalloc b 4096", "vmalloc c 8192", "ioremap d 4096", "vmalloc e 4096", "free b",
        "vmalloc g 4096", "free c", "purge", "vmalloc h 4096", "ioremap k 16384", "vmalloc l 8192", "free a", "free d",
        "purge", "vmalloc m 4096", "vmalloc n 20480", "ioremap o 4096", "vmalloc q 4096", "bare r 8192",
    ];

    private static readonly Dictionary<string, ulong[]> Columns = new(StringComparer.Ordinal)
    {
        ["A"] = [0, 0x2000, 0x4000, 0x8000, 0xa000, 0x2000, 0x4000, 0x10000, 0xc000, 0, 0x15000, 0x6000, 0x8000, 0x1b000],
        ["B1"] = [0, 0x3000, 0x6000, 0xa000, 0xd000, 0x10000, 0x3000, 0x18000, 0x6000, 0, 0x1e000, 0xa000, 0x13000, 0x16000],
        ["B2"] = [0, 0x3000, 0x6000, 0xa000, 0xd000, 0x10000, 0x3000, 0x18000, 0x6000, 0, 0x1e000, 0xa000, 0x13000, 0x25000],
        ["B3 early"] = [0, 0x2000, 0x4000, 0x8000, 0xa000, 0xc000, 0x2000, 0x10000, 0x4000, 0, 0x15000, 0x8000, 0xe000, 0x1b000],
        ["B3 late"] = [0, 0x2000, 0x4000, 0x7000, 0x9000, 0xb000, 0x2000, 0x10000, 0x4000, 0, 0x15000, 0x7000, 0xd000, 0x1b000],
        ["C1"] = [0, 0x2000, 0x4000, 0x7000, 0x9000, 0xb000, 0x2000, 0x10000, 0x4000, 0, 0x15000, 0xd000, 0x7000, 0x1b000],
        ["C3"] = [0, 0x2000, 0x4000, 0x7000, 0x9000, 0xb000, 0x2000, 0x10000, 0x4000, 0, 0x15000, 0x7000, 0xd000, 0x1b000],
    };

    [Theory]
    [InlineData("2.6.9", "A")]
    [InlineData("2.6.18", "A")]
    [InlineData("2.6.24", "A")]
    [InlineData("2.6.28", "B1")]
    [InlineData("2.6.37", "B1")]
    [InlineData("2.6.39.4", "B2")]
    [InlineData("3.0.1", "B3 early")]
    [InlineData("3.19", "B3 early")]
    [InlineData("4.4.155", "B3 early")]
    [InlineData("4.9", "B3 late")]
    [InlineData("5.0", "B3 late")]
    [InlineData("5.2.1", "C1")]
    [InlineData("5.10.223", "C1")]
    [InlineData("5.15", "C1")]
    [InlineData("5.17", "C3")]
    [InlineData("5.19", "C3")]
    [InlineData("6.1.176", "C3")]
    [InlineData("6.8.1", "C3")]
    [InlineData("6.12.107", "C3")]
    [InlineData("7.3-rc7", "C3")]
    public void A_version_places_the_story_as_its_era_does(string version, string column)
    {
        VmallocFacts facts = VmallocTimelines.At(KernelVersion.Parse(version));
        VmallocSpace space = new(new VmallocSetup { Facts = facts, WindowStart = Start, WindowEnd = End, Is64Bit = false });
        Dictionary<string, ulong> areas = new(StringComparer.Ordinal);
        int cell = 0;
        foreach (string step in Steps)
        {
            string[] words = step.Split(' ');
            if (words[0] == "purge")
            {
                if (facts.PurgeOrder != PurgeOrder.None)
                {
                    space.Purge(PurgeKind.Normal);
                }
            }
            else if (words[0] == "free")
            {
                Assert.True(space.TryFree(areas[words[1]], out _));
            }
            else
            {
                ulong bytes = ulong.Parse(words[2]);
                AreaRequest request = new(
                    SizeBytes: words[0] == "bare" ? bytes : AreaSizing.SearchedBytes(facts, bytes, 4096),
                    AlignBytes: words[0] switch
                    {
                        "ioremap" => AreaSizing.IoremapAlignBytes(facts, bytes, 4096, maxOrder: 19),
                        "bare" => 4096,
                        _ => 1,
                    },
                    WindowStart: Start,
                    WindowEnd: End);
                Assert.True(space.TryFind(request, out ulong expected));
                Assert.True(space.TryPlace(request, out ulong address), step);
                Assert.Equal(expected, address);
                Assert.True(Columns[column][cell] == address - Start,
                    $"{version}: {step}: 0x{address - Start:x}, expected 0x{Columns[column][cell]:x}");
                areas[words[1]] = address;
                cell++;
            }
        }

        Assert.Equal(Columns[column].Length, cell);
    }

    [Fact]
    public void Pools_give_back_the_highest_address_first_and_only_to_their_own_processor()
    {
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(new KernelVersion(6, 12)),
            WindowStart = 0xffffc90000000000,
            WindowEnd = 0xffffe8ffffffffff,
            Is64Bit = true,
            PossibleCpus = 2,
            OnlineCpus = 2,
        };
        VmallocSpace space = new(setup);

        ulong On(int cpu, ulong align = 1)
        {
            Assert.True(space.TryPlace(
                new AreaRequest(8192, align, setup.WindowStart, setup.WindowEnd, cpu), out ulong address));
            return address - setup.WindowStart;
        }

        Assert.Equal([0UL, 0x2000UL, 0x4000UL], [On(0), On(0), On(0)]);
        foreach (ulong offset in new ulong[] { 0, 0x2000, 0x4000 })
        {
            Assert.True(space.TryFree(setup.WindowStart + offset, out _));
        }

        space.Purge(PurgeKind.Normal);
        Assert.Equal([0x4000UL, 0x6000UL, 0x2000UL], [On(0), On(1), On(0)]);
        Assert.Equal(0UL, On(0, align: 16384));
    }
}
