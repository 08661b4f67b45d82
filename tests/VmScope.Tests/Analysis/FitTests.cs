using System.Globalization;
using System.Text;
using System.Text.Json;
using VmScope.Analysis;
using VmScope.Kernels;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: a request fits exactly when the kernel of that version would place it.
/// Method: windows built hole by hole, with the answers worked out by hand; and a plain scan as the second opinion.
/// </summary>
public class FitTests
{
    private const ulong Page = 4096;

    /// <summary>
    /// The case users meet: 65 MiB of window, 7,069,696 bytes free in 217 holes, the largest 831,488; a request that
    /// searches 839,680 bytes is short by 8,192 although the free bytes are eight times as many.
    /// </summary>
    [Fact]
    public void Fragmented_window_refuses_an_eighth_of_its_free_bytes()
    {
        byte[] text = Encoding.ASCII.GetBytes(FragmentedList());
        CliRun run = CliRun.With(text, ["fit", "835584", "-", "--json"]);
        Assert.Equal(1, run.ExitCode);
        JsonElement fit = JsonDocument.Parse(run.OutText).RootElement;
        Assert.False(fit.GetProperty("fits").GetBoolean());
        Assert.Equal(JsonValueKind.Null, fit.GetProperty("address").ValueKind);
        Assert.Equal(839_680UL, fit.GetProperty("requestBytes").GetUInt64());
        Assert.Equal(831_488UL, fit.GetProperty("largestHoleBytes").GetUInt64());
        Assert.Equal(8_192UL, fit.GetProperty("shortByBytes").GetUInt64());
        Assert.Equal(7_069_696UL, fit.GetProperty("freeBytes").GetUInt64());
        Assert.Equal(217, fit.GetProperty("holes").GetInt32());

        CliRun guarded = CliRun.With(text, ["fit", "839680", "-", "--guard-included"]);
        Assert.Equal(1, guarded.ExitCode);
        Assert.Contains("short by 8,192 bytes", guarded.OutText, StringComparison.Ordinal);
        Assert.Contains("Free bytes are 8.4 times the request", guarded.OutText, StringComparison.Ordinal);

        CliRun smaller = CliRun.With(text, ["fit", "827392", "-", "--json"]);
        Assert.Equal(0, smaller.ExitCode);
        Assert.Equal(0UL, JsonDocument.Parse(smaller.OutText).RootElement.GetProperty("shortByBytes").GetUInt64());

        JsonElement explained = JsonDocument.Parse(CliRun.With(text, ["explain", "-", "--json"]).OutText).RootElement;
        Assert.Equal(65UL << 20, explained.GetProperty("window").GetProperty("bytes").GetUInt64());
        Assert.Equal(217, explained.GetProperty("holes").GetInt32());
        Assert.Equal(217, explained.GetProperty("gaps").GetArrayLength());
        Assert.Equal(831_488UL, explained.GetProperty("largestHole").GetProperty("bytes").GetUInt64());
    }

    [Theory]
    [InlineData("2.6.32", 8, 0x5000UL)] // a page more stays free behind the area below
    [InlineData("3.10", 8, 0x4000UL)]
    [InlineData("6.1", 8, 0x4000UL)]
    [InlineData("2.6.32", 11, null)] // 12 pages with guard, 13 - 1 in the hole of 2.6.32: fits exactly there
    [InlineData("6.1", 12, 0x4000UL)]
    [InlineData("6.1", 13, null)]
    public void The_first_hole_that_is_large_enough_takes_the_area(string version, int pages, ulong? offset)
    {
        // [area 4][hole 13][area to the end]
        ListExplanation list = Explain(version, (0, 4, "a+0x1/0x2 pages=3 vmalloc"), (17, 47, "b+0x1/0x2 pages=46 vmalloc"));
        FitAnswer answer = FitCheck.Ask(list, list.Vmalloc!, new FitRequest((ulong)pages * Page));
        ulong expected = offset ?? (version == "2.6.32" ? 0x5000UL : 0);
        if (version != "2.6.32" && offset is null)
        {
            Assert.False(answer.Fits);
            Assert.Equal(Page, answer.ShortByBytes);
        }
        else
        {
            Assert.Equal(list.Vmalloc!.Window.Start + expected, answer.Address);
        }
    }

    [Fact]
    public void In_2_6_39_a_hole_that_fits_exactly_is_not_used()
    {
        ListExplanation list = Explain("2.6.39", (0, 4, "a+0x1/0x2 pages=3 vmalloc"), (17, 47, "b+0x1/0x2 pages=46 vmalloc"));
        Assert.False(FitCheck.Ask(list, list.Vmalloc!, new FitRequest(11 * Page)).Fits);
        Assert.True(FitCheck.Ask(list, list.Vmalloc!, new FitRequest(10 * Page)).Fits);
    }

    [Theory]
    [InlineData("3.10", 8192UL)] // one page is aligned to two up to 4.4
    [InlineData("6.1", 4096UL)]
    public void Ioremap_is_aligned_by_the_rule_of_the_version(string version, ulong align)
    {
        ListExplanation list = Explain(version, (0, 3, "a+0x1/0x2 pages=2 vmalloc"), (20, 44, "b+0x1/0x2 pages=43 vmalloc"));
        FitAnswer answer = FitCheck.Ask(list, list.Vmalloc!, new FitRequest(Page, IsIoremap: true));
        Assert.Equal(align, answer.AlignBytes);
        Assert.Equal(list.Vmalloc!.Window.Start + Align.Up(3 * Page, align), answer.Address);
    }

    [Fact]
    public void Freed_areas_are_room_after_a_purge()
    {
        ListExplanation list = Explain("6.1", (0, 4, "a+0x1/0x2 pages=3 vmalloc"), (6, 10, "unpurged vm_area"), (18, 46, "b+0x1/0x2 pages=45 vmalloc"));
        Assert.Equal(2 * Page, list.Vmalloc!.FreeBytes - (2 * Page));
        FitAnswer answer = FitCheck.Ask(list, list.Vmalloc!, new FitRequest(12 * Page));
        Assert.True(answer.Fits);
        Assert.True(answer.IsAfterPurge);
        Assert.Equal(list.Vmalloc!.Window.Start + (4 * Page), answer.Address);
        Assert.Equal(14 * Page, answer.LargestHoleBytes);
    }

    [Fact]
    public void A_padded_search_makes_an_aligned_address_uncertain()
    {
        ListExplanation list = Explain("6.1", (0, 4, "a+0x1/0x2 pages=3 vmalloc"), (17, 47, "b+0x1/0x2 pages=46 vmalloc"));
        FitAnswer aligned = FitCheck.Ask(list, list.Vmalloc!, new FitRequest(4 * Page, AlignBytes: 4 * Page));
        Assert.True(aligned.Fits);
        Assert.False(aligned.AddressIsCertain);
        Assert.True(FitCheck.Ask(list, list.Vmalloc!, new FitRequest(4 * Page)).AddressIsCertain);
    }

    public static TheoryData<int> Seeds => new(Enumerable.Range(0, 60));

    [Theory, MemberData(nameof(Seeds))]
    public void Agrees_with_a_plain_scan_of_every_page(int seed)
    {
        Random random = new(seed);
        List<(int At, int Pages, string Text)> rows = [(0, 2, "a+0x1/0x2 pages=1 vmalloc")];
        int next = 2;
        while (next < 200)
        {
            next += random.Next(0, 5) * random.Next(0, 4);
            int pages = random.Next(2, 9);
            rows.Add((next, pages, "a+0x1/0x2 pages=1 vmap"));
            next += pages;
        }

        ListExplanation list = Explain("6.1", [.. rows]);
        bool[] busy = new bool[next];
        foreach ((int at, int pages, _) in rows)
        {
            busy.AsSpan(at, pages).Fill(true);
        }

        for (int pages = 1; pages < 14; pages++)
        {
            int align = 1 << random.Next(0, 3);
            int expected = -1;
            for (int at = 0; at + pages + 1 <= next && expected < 0; at += align)
            {
                expected = busy.AsSpan(at, pages + 1).Contains(true) ? -1 : at;
            }

            FitAnswer answer = FitCheck.Ask(list, list.Vmalloc!, new FitRequest((ulong)pages * Page, (ulong)align * Page));
            Assert.Equal(expected >= 0, answer.Fits);
            if (expected >= 0)
            {
                Assert.Equal(list.Vmalloc!.Window.Start + ((ulong)expected * Page), answer.Address);
            }
            else
            {
                Assert.NotEqual(0UL, answer.ShortByBytes);
            }
        }
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-5")]
    [InlineData("zebra")]
    [InlineData("12Q")]
    [InlineData("99999999999999999999999")]
    [InlineData("18446744073709551615")]
    public void A_size_that_is_none_is_a_usage_error(string size) =>
        Assert.Equal(2, CliRun.Of("fit", "--sample", "tty", "--", size).ExitCode);

    [Fact]
    public void Alignment_must_be_a_power_of_two() =>
        Assert.Equal(2, CliRun.Of("fit", "4096", "--sample", "tty", "--align", "12288").ExitCode);

    private static ListExplanation Explain(string version, params (int At, int Pages, string Text)[] rows)
    {
        StringBuilder text = new();
        const ulong start = 0xf0000000;
        foreach ((int at, int pages, string rest) in rows)
        {
            ulong from = start + ((ulong)at * Page);
            ulong bytes = (ulong)pages * Page;
            text.Append(CultureInfo.InvariantCulture, $"0x{from:x8}-0x{from + bytes:x8} {bytes,7} {rest}\n");
        }

        using MemoryStream stream = new(Encoding.ASCII.GetBytes(text.ToString()));
        ExplainFacts facts = new() { Kernel = new KernelIdentity(version, KernelVersion.Parse(version), KernelVendor.Mainline) };
        return ListExplanation.Read(stream, "list", facts, ExplainOptions.Default);
    }

    private static string FragmentedList()
    {
        const int windowPages = 65 * 256;
        int[] holes = new int[217];
        Array.Fill(holes, 7);
        holes.AsSpan(100, 11).Fill(8);
        holes[150] = 203;
        int used = windowPages - holes.Sum();
        StringBuilder text = new();
        ulong at = 0xf1000000;
        for (int i = 0; i <= holes.Length; i++)
        {
            int pages = i == holes.Length ? used : 60 + (i % 9);
            used -= pages;
            ulong bytes = (ulong)pages * Page;
            text.Append(CultureInfo.InvariantCulture, $"0x{at:x8}-0x{at + bytes:x8} {bytes,7} driver_{i % 12}_probe+0x10/0x80 pages={pages - 1} vmalloc\n");
            at += bytes + (i < holes.Length ? (ulong)holes[i] * Page : 0);
        }

        return text.ToString();
    }
}
