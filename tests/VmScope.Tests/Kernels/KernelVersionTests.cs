using VmScope.Kernels;

namespace VmScope.Tests.Kernels;

public class KernelVersionTests
{
    [Theory]
    [InlineData("2.6.32.5", "2.6.32.5")]
    [InlineData("6.1.176", "6.1.176")]
    [InlineData("6.12.107+deb13-cloud-amd64", "6.12.107")]
    [InlineData("7.3~rc7-1~exp1", "7.3-rc7")]
    [InlineData("7.3-rc7", "7.3-rc7")]
    [InlineData("5.10.0-32-686", "5.10")]
    [InlineData("2.4.0", "2.4.0")]
    public void Reads_the_numbers_and_leaves_the_rest(string text, string expected) =>
        Assert.Equal(expected, KernelVersion.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("linux")]
    [InlineData("6")]
    [InlineData("6.")]
    [InlineData("99999999999.1")]
    public void Refuses_what_is_no_version(string text) => Assert.False(KernelVersion.TryParse(text, out _));

    [Fact]
    public void Orders_candidates_before_their_release()
    {
        KernelVersion[] inOrder =
        [
            new(2, 4, 37), new(2, 6, 27), new(2, 6, 28, Candidate: 1), new(2, 6, 28, Candidate: 4), new(2, 6, 28),
            new(2, 6, 28, 1), new(2, 6, 39), new(3, 0), new(5, 10, 223), new(6, 1), new(7, 3, Candidate: 7), new(7, 3),
        ];
        Assert.Equal(inOrder, inOrder.Reverse().Order());
    }

    [Theory]
    [InlineData("Linux version 6.1.0-50-686 (debian-kernel@lists.debian.org) #1 SMP Debian 6.1.176-1 (2026-07-02)", "6.1.176", KernelVendor.Debian)]
    [InlineData("Linux version 7.3-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian 7.3~rc7-1~exp1", "7.3-rc7", KernelVendor.Debian)]
    [InlineData("4.18.0-477.10.1.el8_8.x86_64", "4.18", KernelVendor.RedHat)]
    [InlineData("Linux version 6.18.44 (someone@host) (gcc) #1 SMP", "6.18.44", KernelVendor.Mainline)]
    public void Finds_the_upstream_version_behind_a_vendor_release(string banner, string version, KernelVendor vendor)
    {
        KernelIdentity identity = KernelIdentity.Parse(banner)!;
        Assert.Equal(version, identity.Version.ToString());
        Assert.Equal(vendor, identity.Vendor);
    }
}
