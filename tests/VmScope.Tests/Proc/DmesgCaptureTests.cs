using System.Globalization;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Proc;

/// <summary>What the boot logs say, held against what the same boots said elsewhere: kernel variables, meminfo, zoneinfo.</summary>
public class DmesgCaptureTests
{
    public static TheoryData<string> All() => Captures.Theory();

    [Theory, MemberData(nameof(All))]
    public void The_log_agrees_with_the_rest_of_the_capture(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        DmesgReport log = bundle.Dmesg!;
        Assert.Equal(bundle.Kernel, log.Inputs.Kernel);
        // printk cuts a message at about a thousand characters; a whole line is the whole line.
        Assert.StartsWith(log.Inputs.CommandLine!, bundle.CommandLine!.Text, StringComparison.Ordinal);
        Assert.Equal(bundle.CommandLine.Text.Length > log.Inputs.CommandLine!.Length, log.Inputs.CommandLineIsCut);
        Assert.NotEmpty(log.Memory);
        Assert.NotNull(log.Memory[0].TotalKiB);
        Assert.NotNull(log.Percpu);
        Assert.NotNull(log.Inputs.NodeRanges);
        Assert.Equal(bundle.Architecture is Architecture.I386 or Architecture.X64, log.Inputs.FirmwareMap is not null);
        if (log.Inputs.Architecture != Architecture.Unknown && log.Inputs.FirmwareMap is null)
        {
            Assert.Equal(bundle.Architecture, log.Inputs.Architecture);
        }

        Dictionary<string, ulong> variables = Variables(bundle);
        if (variables.TryGetValue("nr_cpu_ids", out ulong possible))
        {
            Assert.Equal(possible, (ulong)log.Inputs.PossibleCpus!.Value);
        }

        if (bundle.Architecture == Architecture.I386)
        {
            if (variables.TryGetValue("max_low_pfn", out ulong maxLowPfn))
            {
                Assert.Equal(maxLowPfn << 12, log.LowRamEnd!.Value.Value);
                Assert.Equal((maxLowPfn << 12) >> 20, log.LowmemMiB);
                Assert.Equal(variables["max_possible_pfn"], log.LastPfns[0].LastPfn);
            }

            if (variables.TryGetValue("highstart_pfn", out ulong highStart) && log.HighmemMiB is { } highmem)
            {
                Assert.Equal(((variables["highend_pfn"] - highStart) << 12) >> 20, highmem);
            }
        }

        if (bundle.Meminfo?.HighTotalKiB is > 0 and { } high)
        {
            // On arm the pages of a contiguous reserve in highmem join highmem only after this line was printed.
            ulong printed = log.Memory[0].Parts.Single(part => part.Name == "highmem").KiB;
            ulong reserve = log.Memory[0].Parts.Single(part => part.Name == "cma-reserved").KiB;
            Assert.Contains(high, (ulong[])[printed, printed + reserve]);
        }

        foreach (DmesgZone zone in log.Zones)
        {
            // The ranges are printed before zone Movable takes its part of the highest zone.
            if (zone.Range is not { } range || bundle.Zoneinfo is not { } zoneinfo
                || zoneinfo.Zones.Any(candidate => candidate.Zone == "Movable" && candidate.Spanned > 0))
            {
                continue;
            }

            var zones = bundle.Zoneinfo.Zones.Where(candidate => candidate.Zone == zone.Name && candidate.Spanned > 0).ToList();
            Assert.NotEmpty(zones);
            Assert.Equal(range.Start.Value / bundle.PageSize.Bytes, zones.Min(candidate => candidate.StartPfn));
            Assert.Equal(
                range.EndExclusive.Value / bundle.PageSize.Bytes, zones.Max(candidate => candidate.StartPfn + candidate.Spanned));
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Inputs_read_alone_are_the_inputs_read_with_the_rest(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        DmesgInputs alone = bundle.Inputs.BootLog!;
        DmesgInputs whole = bundle.Dmesg!.Inputs;
        Assert.Equal(alone.FirmwareMap?.Entries.AsEnumerable(), whole.FirmwareMap?.Entries.AsEnumerable());
        Assert.Equal(alone.NodeRanges?.Entries.AsEnumerable(), whole.NodeRanges?.Entries.AsEnumerable());
        Assert.Equal(alone.NumaRanges.AsEnumerable(), whole.NumaRanges.AsEnumerable());
        Assert.Equal(
            alone with { FirmwareMap = null, NodeRanges = null, IgnoredRam = [], NumaRanges = [] },
            whole with { FirmwareMap = null, NodeRanges = null, IgnoredRam = [], NumaRanges = [] });
    }

    [Fact]
    public void Failures_of_the_recorded_small_windows_are_found()
    {
        string[] cases = [.. Captures.Names.Where(name => name.Contains("-fail-", StringComparison.Ordinal))];
        Assert.NotEmpty(cases);
        foreach (string name in cases)
        {
            DmesgReport log = EvidenceBundle.Open(Captures.Archive(name), Stream.Null).Dmesg!;
            Assert.NotEmpty(log.Failures);
            Assert.Contains(log.Failures, failure => failure is { Kind: VmallocFailureKind.NoAddressRange, SizeIncludesGuard: true });
            Assert.Contains(log.Failures, failure => failure.Process == "work" && failure.Mode!.Contains("GFP_KERNEL", StringComparison.Ordinal));
        }
    }

    private static Dictionary<string, ulong> Variables(EvidenceBundle bundle)
    {
        Dictionary<string, ulong> variables = new(StringComparer.Ordinal);
        if (bundle.TryOpen("kvars", out Stream stream))
        {
            using StreamReader reader = new(stream);
            while (reader.ReadLine() is { } line)
            {
                string[] words = line.Split(' ');
                if (words.Length >= 4 && words[0] != "#")
                {
                    variables[words[0]] = ulong.Parse(words[0] == "nr_cpu_ids" ? words[2] : words[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                }
            }
        }

        return variables;
    }
}
