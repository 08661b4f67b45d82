using VmScope.Physical;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Proc;

/// <summary>What is read from a recorded file and written back is the recorded file, byte for byte.</summary>
public class ProcRoundTripTests
{
    public static TheoryData<string> WithProcFiles() => Captures.Theory(name =>
        !name.Contains("trace-boot", StringComparison.Ordinal) && !name.Contains("free-tree", StringComparison.Ordinal));

    [Theory, MemberData(nameof(WithProcFiles))]
    public void Files_come_back_unchanged(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        Same(bundle, "meminfo", writer => MeminfoFile.Write(bundle.Meminfo!, writer));
        Same(bundle, "buddyinfo", writer => BuddyinfoFile.Write(bundle.Buddyinfo!, writer));
        Same(bundle, "zoneinfo", writer => ZoneinfoFile.Write(bundle.Zoneinfo!, writer));
        Same(bundle, "iomem", writer => IomemFile.Write(bundle.Iomem!, writer));
    }

    [Fact]
    public void A_counter_line_made_from_scratch_is_the_kernels()
    {
        ZoneinfoReport report = new(
        [
            new ZoneinfoZone(0, "DMA",
            [
                ZoneinfoFile.Page("pages free", 3840),
                ZoneinfoFile.Page("min", 190),
                ZoneinfoFile.Counter(ZoneinfoSection.Counters, "nr_free_pages", 3840),
                ZoneinfoFile.Counter(ZoneinfoSection.Counters, "nr_mlock", 0),
            ]),
        ]);
        StringWriter writer = new();
        ZoneinfoFile.Write(report, writer);
        Assert.Equal(
            "Node 0, zone      DMA\n  pages free     3840\n        min      190\n      nr_free_pages 3840\n      nr_mlock     0\n",
            writer.ToString());
        Assert.Equal(report.Zones[0].Lines, ZoneinfoFile.Read(Bytes.Of(writer.ToString()), "zoneinfo", new DiagnosticList()).Zones[0].Lines);
    }

    [Fact]
    public void Zone_members_are_the_recorded_ones()
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive("i386-6.1.176-686-1024-base"), Stream.Null);
        ZoneinfoZone normal = bundle.Zoneinfo!.Zones.Single(zone => zone.Zone == "Normal");
        Assert.Equal(
            (210132UL, 10585UL, 13231UL, 15877UL, 220158UL, 220158UL, 213689UL, 4096UL),
            (normal.Free, normal.Min, normal.Low, normal.High, normal.Spanned, normal.Present, normal.Managed, normal.StartPfn));
        Assert.Equal(210132UL, normal.Counter("nr_free_pages"));
        Assert.Equal(360UL, bundle.Zoneinfo.Zones[0].NodeCounter("nr_kernel_stack"));
        Assert.Equal(3840UL, bundle.Buddyinfo!.Zones[0].FreePages);
        Assert.Equal(122880UL, bundle.Meminfo!.VmallocTotalKiB);
        Assert.Equal(151432UL, bundle.Meminfo.HighTotalKiB);
    }

    private static void Same(EvidenceBundle bundle, string name, Action<TextWriter> write)
    {
        StringWriter written = new();
        write(written);
        Assert.True(bundle.TryOpen(name, out Stream stream));
        using StreamReader recorded = new(stream);
        Assert.Equal(recorded.ReadToEnd(), written.ToString());
    }
}
