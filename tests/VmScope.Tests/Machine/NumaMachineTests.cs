using System.Text;
using System.Text.RegularExpressions;
using VmScope.Layout;
using VmScope.Machine;
using VmScope.Physical;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Machine;

/// <summary>
/// Goal: machines of several NUMA nodes take their pages where the kernel takes them, and say so in its words. Method:
/// small machines whose nodes are exhausted one by one; recorded boots of two-node machines, booted again as models, whose
/// reports must have the same zones in the same lines.
/// </summary>
public partial class NumaMachineTests
{
    public static TheoryData<string> Recorded() => Captures.Theory(name => name.Contains("numa2", StringComparison.Ordinal));

    [Fact]
    public void Pages_come_from_the_node_of_the_processor_and_then_from_the_next_one()
    {
        BootedMachine machine = Boot("x86-64 6.12", 256, nodes: 2, cpus: 2);
        Assert.Equal([0, 1], [machine.Pages.NodeOfCpu(0), machine.Pages.NodeOfCpu(1)]);
        Assert.Equal(1, NodeOf(machine, machine.AllocatePages(new PageRequest(0, ZoneKind.Normal, Cpu: 1))));
        Assert.Equal(0, NodeOf(machine, machine.AllocatePages(new PageRequest(0, ZoneKind.Normal, Cpu: 1, Node: 0))));

        // No zone of DMA on node 1: whoever asks there gets it from node 0, and __GFP_THISNODE gets nothing.
        Assert.Equal(0, NodeOf(machine, machine.AllocatePages(new PageRequest(3, ZoneKind.Dma, Cpu: 1))));
        Assert.False(machine.AllocatePages(new PageRequest(3, ZoneKind.Dma, Cpu: 1, IsNodeOnly: true)).Succeeded);

        VmallocArea large = machine.Vmalloc.AreaAt(machine.Allocate(new VmallocCall(160 << 20, "x")).Address!.Value)!;
        Dictionary<int, int> byNode = large.Frames.GroupBy(frame => machine.Pages.NodeOf(new PageFrameNumber((ulong)frame))).ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal(40960, byNode[0] + byNode[1]);
        Assert.True(byNode[0] > byNode[1] && byNode[1] > 5000);
        Assert.Equal(0, machine.Pages.NodeOf(new PageFrameNumber((ulong)large.Frames[0])));
        Assert.Equal(1, machine.Pages.NodeOf(new PageFrameNumber((ulong)large.Frames[^1])));
        machine.CheckInvariants();
    }

    /// <summary>The first x86-64 kernels have their direct map in the lower half, of four levels all the same.</summary>
    [Fact]
    public void A_direct_map_in_the_lower_half_has_four_levels()
    {
        BootedMachine machine = Boot("x86-64 2.6.9", 512, nodes: 2, cpus: 2);
        Assert.Equal(4, machine.Tables.Geometry.Levels.Length);
        OperationReport page = machine.AllocatePages(new PageRequest(0, ZoneKind.Normal, Cpu: 1));
        Assert.Equal(0x10000000000 + (page.Frame!.Value.Value << 12), page.Address!.Value.Value);
        Assert.True(machine.Write(page.Address.Value, [1, 2, 3]).Succeeded);
        machine.CheckInvariants();
    }

    [Fact]
    public void Four_nodes_are_tried_upward_and_round()
    {
        BootedMachine machine = Boot("x86-64 6.1", 512, nodes: 4, cpus: 8);
        Assert.Equal([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1], [3, 0, 1, 2]], Enumerable.Range(0, 4).Select(machine.Pages.FallbackOrder));
        Assert.Equal([0, 0, 1, 1, 2, 2, 3, 3], Enumerable.Range(0, 8).Select(machine.Pages.NodeOfCpu));
    }

    /// <summary>The hash tables of recorded boots say N0=256 N1=256 of 512 pages, and N0=1 N1=1 of 2.</summary>
    [Theory]
    [InlineData("x86-64 4.19", 2UL << 20, "N0=256 N1=256")]
    [InlineData("x86-64 5.14", 2UL << 20, "N0=512")]
    [InlineData("x86-64 6.12", 2UL << 20, "N0=256 N1=256")]
    [InlineData("x86-64 6.12", 8192UL, "N0=1 N1=1")]
    [InlineData("x86-64 6.12", 103 * 4096UL, "N0=52 N1=51")]
    public void Interleaved_pages_spread_as_this_kernel_spreads_them(string name, ulong size, string counts)
    {
        BootedMachine machine = Boot(name, 256, nodes: 2, cpus: 2);
        machine.Allocate(new VmallocCall(size, "alloc_large_system_hash+0x15a/0x2c0") { Interleaves = true });
        using MemoryStream stream = new();
        VmallocInfoWriter.Write(MachineReports.Vmallocinfo(machine)!, stream);
        Assert.Contains($" pages={size / 4096} vmalloc {counts}\n", Encoding.ASCII.GetString(stream.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_large_vmalloc_needs_a_large_page_per_node()
    {
        BootedMachine machine = Boot("x86-64 6.1", 256, nodes: 2, cpus: 2);
        Assert.Equal(12, PageShift(2UL << 20, node: null));
        Assert.Equal(21, PageShift(4UL << 20, node: null));
        Assert.Equal(21, PageShift(2UL << 20, node: 1));

        int PageShift(ulong size, int? node) => machine.Vmalloc.AreaAt(machine.Allocate(
            new VmallocCall(size, "x") { Variant = VmallocVariant.Huge, Node = node }).Address!.Value)!.PageShift;
    }

    [Fact]
    public void Failures_name_all_nodes_that_were_allowed()
    {
        BootedMachine machine = Boot("x86-64 6.12", 256, nodes: 2, cpus: 1);
        string message = Assert.Single(machine.AllocatePages(new PageRequest(10, ZoneKind.Dma, IsNodeOnly: true, Node: 1)).Log.Messages);
        Assert.Equal("insmod: page allocation failure: order:10, mode:0xcc1(GFP_KERNEL|GFP_DMA), nodemask=(null),cpuset=/,mems_allowed=0-1", message);
    }

    [Theory]
    [InlineData("i386 6.1", "", "NUMA machines of i386 are not modelled: x86-64 ones are")]
    [InlineData("x86-64 6.1", "NUMA", "a kernel with NUMA=n knows no nodes")]
    public void What_is_not_modelled_is_refused(string name, string unset, string reason)
    {
        MachineDescription description = Machines.Describe(name, 1 * Size.GiB);
        description = unset.Length == 0 ? description : new MachineDescription(description.Kernel with { Config = description.Kernel.Config.With(unset, "n") });
        Assert.Equal(reason, Assert.IsType<BootOutcome.Impossible>(BootedMachine.Boot(description.WithNodes(2))).Reason);
    }

    [Fact]
    public void Nodes_whose_memory_lies_in_each_other_are_refused()
    {
        MachineDescription description = Machines.Describe("x86-64 6.1", 1 * Size.GiB);
        NumaRange Piece(int node, ulong from, ulong to) => new(node, PhysicalRange.FromBounds(new PhysicalAddress(from), new PhysicalAddress(to)));
        BootOutcome outcome = BootedMachine.Boot(description with
        {
            NumaRanges = [Piece(0, 0, 256 * Size.MiB), Piece(1, 256 * Size.MiB, 512 * Size.MiB), Piece(0, 512 * Size.MiB, 1024 * Size.MiB)],
        });
        Assert.Contains("lie in each other", Assert.IsType<BootOutcome.Impossible>(outcome).Reason, StringComparison.Ordinal);
    }

    /// <summary>Zone by zone, and line by line where the line is modelled, in the recorded file's form.</summary>
    [Theory, MemberData(nameof(Recorded))]
    public void A_recorded_machine_booted_as_a_model_reports_the_same_zones(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        LayoutInputs inputs = bundle.Inputs.ToLayoutInputs(bundle.Name);
        MachineDescription description = new(inputs.Kernel) { Memory = inputs.Memory, NumaRanges = inputs.NumaRanges, Cpus = 2 };
        BootOutcome outcome = BootedMachine.Boot(description);
        BootedMachine machine = outcome is BootOutcome.Booted booted ? booted.Machine : throw new InvalidOperationException(((BootOutcome.Impossible)outcome).Reason);

        ZoneinfoZone[] recorded = [.. bundle.Zoneinfo!.Zones];
        ZoneinfoReport own = MachineReports.Zoneinfo(machine);
        Assert.Equal(recorded.Select(zone => (zone.Node, zone.Zone, zone.Spanned, zone.Present, zone.StartPfn)),
            own.Zones.Select(zone => (zone.Node, zone.Zone, zone.Spanned, zone.Present, zone.StartPfn)));
        foreach ((ZoneinfoZone theirs, ZoneinfoZone ours) in recorded.Zip(own.Zones))
        {
            string[] forms = Forms(theirs);
            Assert.All(Forms(ours), line => Assert.Contains(line, forms));
        }

        Assert.Equal(bundle.Buddyinfo!.Zones.Select(zone => (zone.Node, zone.Zone, zone.FreeBlocks.Length)),
            MachineReports.Buddyinfo(machine).Zones.Select(zone => (zone.Node, zone.Zone, zone.FreeBlocks.Length)));
    }

    private static string[] Forms(ZoneinfoZone zone)
    {
        using StringWriter text = new();
        ZoneinfoFile.Write(new ZoneinfoReport([zone]), text);
        return [.. text.ToString().TrimEnd('\n').Split('\n').Skip(1).Select(line => Number().Replace(line.Split('(')[0], "#"))];
    }

    private static int NodeOf(BootedMachine machine, OperationReport report) => machine.Pages.NodeOf(report.Frame!.Value);

    private static BootedMachine Boot(string name, ulong mebibytes, int nodes, int cpus) =>
        ((BootOutcome.Booted)BootedMachine.Boot(Machines.Describe(name, mebibytes * Size.MiB, cpus).WithNodes(nodes))).Machine;

    [GeneratedRegex("[0-9]+$")]
    private static partial Regex Number();
}
