using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary>Evidence that is built in, so that everybody can try every command at once.</summary>
internal static class Samples
{
    /// <summary>Names and what each is.</summary>
    internal static readonly (string Name, string What)[] All =
    [
        ("tty", "a 4.x x86-64 machine's short list: terminals, network rings, a frame buffer, a per-CPU chunk"),
        ("server", "x86-64, Linux 6.12, two memory nodes, right after boot, with freed areas not yet purged"),
        ("small", "i386, Linux 5.10, booted with vmalloc=64M"),
        ("arm64", "arm64, Linux 6.1: the kernel image is part of the list"),
        ("arm", "32-bit arm, Linux 6.1, 1 GiB of memory"),
    ];

    /// <summary>Opens one.</summary>
    /// <exception cref="UsageException">There is no such sample.</exception>
    internal static EvidenceBundle Open(string name)
    {
        foreach ((string known, _) in All)
        {
            if (string.Equals(known, name, StringComparison.Ordinal))
            {
                Stream resource = typeof(Samples).Assembly.GetManifestResourceStream($"sample.{name}")
                    ?? throw new InvalidOperationException($"the sample {name} was not built in");
                return EvidenceBundle.OpenStream(resource, $"sample {name}");
            }
        }

        throw new UsageException($"no sample '{name}'; there are: {Names}");
    }

    /// <summary>The names in one line.</summary>
    internal static string Names
    {
        get
        {
            string[] names = new string[All.Length];
            for (int i = 0; i < names.Length; i++)
            {
                names[i] = All[i].Name;
            }

            return string.Join(", ", names);
        }
    }
}
