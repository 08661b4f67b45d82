namespace VmScope.Kernels;

/// <summary>Who built a kernel; vendors carry changes that plain version numbers do not tell.</summary>
public enum KernelVendor
{
    /// <summary>Nobody in particular: taken as an unmodified release.</summary>
    Mainline,

    /// <summary>Debian; close to the stable release named at the end of the banner.</summary>
    Debian,

    /// <summary>Ubuntu.</summary>
    Ubuntu,

    /// <summary>Red Hat, CentOS and their rebuilds: heavy backports.</summary>
    RedHat,

    /// <summary>SUSE.</summary>
    Suse,

    /// <summary>Android.</summary>
    Android,
}

/// <summary>What a kernel says of itself: the release string, the upstream version behind it, and the builder.</summary>
/// <param name="Release">As <c>uname -r</c> prints it.</param>
/// <param name="Version">The upstream version whose behaviour is expected.</param>
/// <param name="Vendor">The builder.</param>
public sealed record KernelIdentity(string Release, KernelVersion Version, KernelVendor Vendor)
{
    private const string BannerStart = "Linux version ";

    /// <summary>
    /// Reads a "Linux version …" banner, or a bare release. Debian's release names an ABI (6.1.0-50-686); the real
    /// version stands at the end of its banner ("Debian 6.1.176-1"), and that one counts.
    /// </summary>
    /// <returns>Null when the text holds no version.</returns>
    public static KernelIdentity? Parse(string banner)
    {
        int start = banner.IndexOf(BannerStart, StringComparison.Ordinal);
        string text = (start < 0 ? banner : banner[(start + BannerStart.Length)..]).Trim();
        string release = text.Split([' ', '\t', '\n', '\r'], 2)[0];
        if (!KernelVersion.TryParse(release, out KernelVersion version))
        {
            return null;
        }

        KernelVendor vendor = VendorOf(release, text);
        int debian = text.LastIndexOf("Debian ", StringComparison.Ordinal);
        if (vendor == KernelVendor.Debian && debian >= 0
            && KernelVersion.TryParse(text.AsSpan(debian + "Debian ".Length), out KernelVersion packaged)
            && (packaged.Major, packaged.Minor) == (version.Major, version.Minor))
        {
            version = packaged;
        }

        return new KernelIdentity(release, version, vendor);
    }

    private static KernelVendor VendorOf(string release, string banner)
    {
        bool Has(string word) => banner.Contains(word, StringComparison.OrdinalIgnoreCase);
        if (Has("ubuntu"))
        {
            return KernelVendor.Ubuntu;
        }

        if (release.Contains(".el", StringComparison.Ordinal) || Has("red hat") || Has("redhat"))
        {
            return KernelVendor.RedHat;
        }

        if (Has("android"))
        {
            return KernelVendor.Android;
        }

        if (Has("suse"))
        {
            return KernelVendor.Suse;
        }

        return Has("debian") ? KernelVendor.Debian : KernelVendor.Mainline;
    }
}
