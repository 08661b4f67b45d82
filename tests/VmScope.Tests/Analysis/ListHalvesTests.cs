using System.Globalization;
using System.Text;
using VmScope.Analysis;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: a long list read in two halves is the list read in one piece.
/// Method: a seeded list beyond the length where halves begin, with odd lines and new owners in both; every sum compared.
/// </summary>
public class ListHalvesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Two_halves_say_what_the_whole_says(int seed)
    {
        string path = Path.Combine(Path.GetTempPath(), $"vmscope-halves-{Environment.ProcessId}-{seed}.txt");
        try
        {
            File.WriteAllText(path, LongList(new Random(seed)));
            using FileStream file = new(path, FileMode.Open, FileAccess.Read);
            long middle = ListHalves.FindMiddle(file.SafeFileHandle);
            Assert.InRange(middle, file.Length / 3, file.Length * 2 / 3);
            ListExplanation halves = ListExplanation.ReadFile(file.SafeFileHandle, path, ExplainOptions.Default);
            ListExplanation whole = ListExplanation.Read(file, path, ExplainFacts.None, ExplainOptions.Default);

            Assert.Equal(whole.Rows, halves.Rows);
            Assert.Equal(whole.Live, halves.Live);
            Assert.Equal(whole.Kinds.ToArray(), halves.Kinds.ToArray());
            Assert.Equal(whole.Nodes.ToArray(), halves.Nodes.ToArray());
            Assert.Equal(whole.Owners.Select(Line), halves.Owners.Select(Line));
            Assert.Equal(whole.Diagnostics.Items, halves.Diagnostics.Items);
            Assert.Equal(whole.Diagnostics.Count, halves.Diagnostics.Count);
            Assert.Equal(whole.Vmalloc!.FreeBytes, halves.Vmalloc!.FreeBytes);
            Assert.Equal(whole.Vmalloc!.Holes, halves.Vmalloc!.Holes);
            Assert.Equal(whole.Vmalloc!.LargestHole, halves.Vmalloc!.LargestHole);
            Assert.Equal(whole.Findings.Select(finding => (finding.Id, finding.Text)), halves.Findings.Select(finding => (finding.Id, finding.Text)));
        }
        finally
        {
            File.Delete(path);
        }

        static string Line(OwnerRow owner) => string.Create(CultureInfo.InvariantCulture,
            $"{owner.FullName} {owner.Totals.Areas} {owner.Totals.Bytes} {owner.Totals.Pages} {owner.Totals.GuardBytes} {owner.SmallestBytes} {owner.LargestBytes} {owner.Words}");
    }

    private static string LongList(Random random)
    {
        StringBuilder text = new(10 << 20);
        ulong at = 0xffffc900_00000000;
        for (int i = 0; text.Length < 9 << 20; i++)
        {
            ulong bytes = (ulong)random.Next(2, 20) * 4096;
            string owner = string.Create(CultureInfo.InvariantCulture, $"owner_{(i < 50_000 ? random.Next(50) : random.Next(25, 90))}_probe+0x1/0x2");
            string rest = random.Next(5) switch
            {
                0 => "unpurged vm_area",
                1 => string.Create(CultureInfo.InvariantCulture, $"{owner} phys=0x{i % 900 * 4096:x16} ioremap"),
                _ => string.Create(CultureInfo.InvariantCulture, $"{owner} pages={(bytes / 4096) - 1} vmalloc N{random.Next(3)}={(bytes / 4096) - 1}"),
            };
            text.Append(CultureInfo.InvariantCulture, $"0x{at:x16}-0x{at + bytes:x16} {bytes,7} {rest}\n");
            if (random.Next(4000) == 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"odd line {i}\n");
            }

            at += bytes + ((ulong)random.Next(3) * 4096);
        }

        return text.ToString();
    }
}
