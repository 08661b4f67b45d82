using VmScope.Analysis;

namespace VmScope.Tests.Analysis;

/// <summary>Goal: owners are described by what they are, however the compiler named them.</summary>
public class KnownCallersTests
{
    [Fact]
    public void The_table_describes_at_least_eighty_kinds_of_owners() => Assert.True(KnownCallers.Count >= 80);

    [Theory]
    [InlineData("n_tty_open+0x19/0xe0", "tty", "open terminal")]
    [InlineData("e1000_setup_all_tx_resources+0x97/0x550 [e1000]", "net", "transmit ring")]
    [InlineData("pci_iomap_range+0x66/0x80", "pci", "PCI BAR")]
    [InlineData("bpf_prog_alloc.constprop.0+0x36/0xa0", "bpf", "BPF program")]
    [InlineData("<load_module+3560>", "module", "module")]
    [InlineData("kernel_clone+0xbd/0x440", "stack", "task")]
    [InlineData("pcpu_populate_chunk+0x378/0x3a0", "percpu", "per-CPU chunk")]
    [InlineData("fq_codel_init+0x1/0x2 [sch_fq_codel]", "net", "queueing discipline")]
    [InlineData("intel_pmc_core_probe+0x1/0x2", "driver", "device")]
    [InlineData("intel_gt_init+0x1/0x2 [i915]", "graphics", "graphics object")]
    [InlineData("simple_xattr_alloc+0x1/0x2", "fs", "extended attribute")]
    [InlineData("cpu_map_alloc+0x1/0x2", "bpf", "BPF map")]
    [InlineData("alloc_large_system_hash+0x17a/0x238", "boot", "boot-time hash table")]
    public void A_well_known_owner_is_found(string caller, string subject, string oneEach)
    {
        KnownCaller known = Assert.IsType<KnownCaller>(KnownCallers.Find(caller));
        Assert.Equal((subject, oneEach), (known.Subject, known.OneEach));
        Assert.False(known.Meaning.EndsWith('.'));
    }

    [Theory]
    [InlineData("0xffffffff81234567")]
    [InlineData("my_driver_probe+0x1/0x2 [mine]")]
    [InlineData("")]
    public void An_unknown_owner_is_said_to_be_unknown(string caller) => Assert.Null(KnownCallers.Find(caller));

    [Theory]
    [InlineData("pcpu_get_vm_areas+0x0/0x570", true)]
    [InlineData("paging_init+0x130/0x610", true)]
    [InlineData("n_tty_open+0x19/0xe0", false)]
    public void Areas_without_guard_page_are_known(string caller, bool hasNone) =>
        Assert.Equal(hasNone, KnownCallers.Find(caller)!.HasNoGuard);
}
