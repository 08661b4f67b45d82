using VmScope.Kernels;
using VmScope.Sources;
using VmScope.Tests.Support;

namespace VmScope.Tests.Sources;

/// <summary>Every recorded boot is read through the same door as any evidence, and nothing in it may be odd.</summary>
public class CaptureEvidenceTests
{
    public static TheoryData<string> All() => Captures.Theory();

    [Theory, MemberData(nameof(All))]
    public void Every_file_of_a_capture_is_understood(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        Assert.Equal(EvidenceKind.Archive, bundle.Kind);
        Assert.NotNull(bundle.Kernel);
        Assert.Equal(KernelVendor.Debian, bundle.Kernel.Vendor);
        Assert.NotEqual(Architecture.Unknown, bundle.Architecture);
        Assert.NotNull(bundle.CommandLine);
        Assert.NotNull(bundle.MemoryMap);
        Assert.NotNull(bundle.Dmesg);
        Assert.NotEmpty(bundle.Dmesg.Zones);
        if (bundle.Has("meminfo"))
        {
            Assert.NotNull(bundle.Meminfo!.VmallocTotalKiB);
            Assert.NotEmpty(bundle.Zoneinfo!.Zones);
            Assert.NotEmpty(bundle.Buddyinfo!.Zones);
            Assert.NotEmpty(bundle.Iomem!.Entries);
            Assert.NotNull(bundle.Cpus.OnlineCount);
            Assert.NotEmpty(bundle.Config.Values);
        }

        _ = bundle.Modules;
        Assert.Empty(bundle.Diagnostics);
    }
}
