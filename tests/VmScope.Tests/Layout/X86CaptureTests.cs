using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Layout;

/// <summary>
/// Goal: predictions equal what recorded x86 kernels held in their own variables. Method: predict from the inputs of each
/// recorded boot, then compare with kernel variables read from memory, the segments of /proc/kcore, and /proc/zoneinfo.
/// </summary>
public class X86CaptureTests
{
    public static TheoryData<string> Cases() => Captures.Theory(name =>
        name.StartsWith("i386-", StringComparison.Ordinal) || name.StartsWith("amd64-", StringComparison.Ordinal));

    [Theory, MemberData(nameof(Cases))]
    public void The_prediction_is_what_the_kernel_held(string name)
    {
        EvidenceBundle evidence = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        LayoutAnswer answer = LayoutPredictor.Predict(evidence.Inputs.ToLayoutInputs(name));
        KernelLayout layout = Assert.IsType<LayoutAnswer.Predicted>(answer).Layout;
        Dictionary<string, ulong> variables = Variables(evidence);

        Equal(layout, variables, "max_low_pfn", "max-low-pfn");
        Equal(layout, variables, "max_pfn", "max-pfn");
        Equal(layout, variables, "__FIXADDR_TOP", "fixaddr-top");
        Equal(layout, variables, "highstart_pfn", "highstart-pfn");
        Equal(layout, variables, "__VMALLOC_RESERVE", "vmalloc-reserve");
        bool randomBases = layout.FindRegion("direct-map")?.Random is not null;
        Base(layout, variables, "page_offset_base", "direct-map");
        Base(layout, variables, "vmalloc_base", "vmalloc");
        Base(layout, variables, "vmemmap_base", "vmemmap");
        if (variables.TryGetValue("high_memory", out ulong high) && !randomBases)
        {
            Assert.Equal(high, layout.HighMemory.Value);
        }

        // A few recordings are a boot trace only: they hold neither meminfo nor zoneinfo.
        bool isTraceOnly = name.Contains("-trace-boot-", StringComparison.Ordinal) || name.EndsWith("-trace-free-tree", StringComparison.Ordinal);
        Assert.True(isTraceOnly || evidence is { Meminfo: not null, Zoneinfo: not null }, "answers are missing");
        if (evidence.Meminfo is { } meminfo)
        {
            Assert.Equal(layout.VmallocTotalKiB, meminfo.VmallocTotalKiB);
        }

        if (!randomBases)
        {
            CompareSegments(layout, evidence);
        }

        if (evidence.Zoneinfo is { } zones)
        {
            CompareZones(layout, zones);
        }
    }

    private static void Equal(KernelLayout layout, Dictionary<string, ulong> variables, string variable, string quantity)
    {
        if (variables.TryGetValue(variable, out ulong observed) && layout.FindQuantity(quantity) is { } predicted)
        {
            Assert.Equal((variable, observed), (variable, predicted.Value));
        }
    }

    private static void Base(KernelLayout layout, Dictionary<string, ulong> variables, string variable, string name)
    {
        if (!variables.TryGetValue(variable, out ulong observed))
        {
            return;
        }

        Region region = layout.FindRegion(name)!.Value;
        if (region.Random is not { } random)
        {
            Assert.Equal(region.Range.Start.Value, observed);
            return;
        }

        Assert.InRange(observed, random.Lowest.Value, random.Highest.Value);
        Assert.Equal(0UL, (observed - random.Lowest.Value) % random.StepBytes);
    }

    private static void CompareSegments(KernelLayout layout, EvidenceBundle evidence)
    {
        if (!evidence.TryOpen("kcore", out Stream stream))
        {
            return;
        }

        using StreamReader reader = new(stream);
        List<(ulong Start, ulong Last, string Physical)> segments = [];
        while (reader.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            if (line.StartsWith('#') || words.Length != 5)
            {
                continue;
            }

            segments.Add((Hex(words[0]), Hex(words[1]), words[3]));
        }

        bool is64Bit = layout.Inputs.Kernel.Architecture == Architecture.X64;
        ulong end = layout.Vmalloc.EndExclusive.Value - (is64Bit ? 2UL : 1UL);
        Assert.Contains(segments, segment => segment.Start == layout.Vmalloc.Start.Value && segment.Last == end);
        if (!is64Bit)
        {
            Assert.Equal(layout.HighMemory.Value - 1, segments.Where(segment => segment.Start < layout.HighMemory.Value).Max(segment => segment.Last));
        }
        else
        {
            Region modules = layout.FindRegion("modules")!.Value;
            Assert.Contains(segments, segment => segment.Start == modules.Range.Start.Value && segment.Last == modules.Range.Last.Value);
        }
    }

    private static void CompareZones(KernelLayout layout, ZoneinfoReport observed)
    {
        Assert.NotEmpty(observed.Zones);
        Assert.All(layout.Zones, zone => Assert.Contains(observed.Zones, candidate => candidate.Zone == zone.Name && candidate.Node == zone.Node));
        foreach (ZoneinfoZone zone in observed.Zones)
        {
            if (zone.Zone is "Device")
            {
                continue;
            }

            Zone predicted = Assert.Single(layout.Zones, candidate => candidate.Name == zone.Zone && candidate.Node == zone.Node);
            Assert.Equal(
                (zone.Zone, zone.Node, zone.StartPfn ?? 0, zone.Spanned ?? 0, zone.Present ?? 0),
                (predicted.Name, predicted.Node, predicted.StartPfn, predicted.SpannedPages, predicted.PresentPages));
        }
    }

    private static Dictionary<string, ulong> Variables(EvidenceBundle evidence)
    {
        Dictionary<string, ulong> variables = new(StringComparer.Ordinal);
        if (evidence.TryOpen("kvars", out Stream stream))
        {
            using StreamReader reader = new(stream);
            while (reader.ReadLine() is { } line)
            {
                string[] words = line.Split(' ');
                if (!line.StartsWith('#') && words.Length == 4)
                {
                    variables.TryAdd(words[0], Hex(words[3]));
                }
            }
        }

        return variables;
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
