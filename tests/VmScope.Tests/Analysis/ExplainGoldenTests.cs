using System.Globalization;
using VmScope.Analysis;
using VmScope.Sources;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: on every recorded boot the vmalloc window is the kernel's own, and every byte of it is accounted for.
/// Method: explain each recorded list from what else was recorded of that boot; compare the window with the segments of
/// /proc/kcore, which the explanation never reads, and the account with a plain walk over the rows.
/// </summary>
public class ExplainGoldenTests
{
    public static TheoryData<string> Cases() => Captures.Theory();

    [Theory, MemberData(nameof(Cases))]
    public void The_window_is_the_kernels_own_and_adds_up(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        int lists = 0;
        foreach (string file in (string[])["vmallocinfo", "vmallocinfo-before", "vmallocinfo-after"])
        {
            if (bundle.TryOpen(file, out Stream stream))
            {
                using (stream)
                {
                    Check(bundle, ListExplanation.Read(stream, file, ExplainFacts.From(bundle), new ExplainOptions { KeepAllGaps = true }));
                }

                lists++;
            }
        }

        Assert.NotEqual(0, lists);
        if (bundle.Has("vmallocinfo"))
        {
            // Every file of the capture was read: no reader may complain of what a kernel printed.
            Assert.Empty(ListExplanation.Read(bundle, ExplainOptions.Default).Diagnostics.Items);
        }
    }

    private static void Check(EvidenceBundle bundle, ListExplanation list)
    {
        Assert.Equal(0, list.Diagnostics.Count);
        Assert.Equal(AddressState.Real, list.Addresses);
        WindowAccount account = Assert.IsType<WindowAccount>(list.Vmalloc);
        AssertSegment(bundle, account.Window);
        AssertAccount(list, account);

        // A boot is healthy unless its window was made too small on purpose.
        bool isSmall = bundle.CommandLine?.Last("vmalloc") is "16M" or "32M" or "40M";
        Assert.DoesNotContain(list.Findings, finding => finding.HasWeight && !(isSmall && finding.Id == "no-room"));
        Assert.Equal(0, account.OverlapCount);
        Assert.Equal(0UL, account.BytesByGapKind[(int)GapKind.Unexplained]);
    }

    private static void AssertSegment(EvidenceBundle bundle, AddressWindow window)
    {
        if (!bundle.TryOpen("kcore", out Stream stream))
        {
            return;
        }

        using StreamReader reader = new(stream);
        bool found = false;
        int segments = 0;
        while (reader.ReadLine() is { } line)
        {
            string[] fields = line.Split(' ');
            if (fields.Length == 5 && ulong.TryParse(fields[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong start)
                && ulong.TryParse(fields[2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong size))
            {
                // Where VMALLOC_END is the last byte inside, kcore shows the segment one byte short.
                segments++;
                found |= start == window.Start && window.Bytes - size <= 1;
            }
        }

        // 32-bit arm kernels here have no kcore.
        Assert.True(found || segments == 0, $"no segment of kcore is {window}");
    }

    private static void AssertAccount(ListExplanation list, WindowAccount account)
    {
        ulong gaps = 0;
        ulong previousEnd = account.Window.Start;
        foreach (Gap gap in account.All)
        {
            Assert.True(gap.Start >= previousEnd && gap.Bytes > 0);
            previousEnd = gap.EndExclusive;
            gaps += gap.Bytes;
        }

        ulong areas = 0;
        for (int i = 0; i < list.Areas.Count; i++)
        {
            AreaSlot area = list.Areas[i];
            bool counts = account.Window.Contains(area.Start) && (area.Flags & AreaFlags.Unpurged) == AreaFlags.None;
            areas += counts ? area.SizeBytes : 0;
        }

        Assert.Equal(areas, account.CoveredBytes);
        Assert.Equal(account.Window.Bytes, areas + gaps);
    }
}
