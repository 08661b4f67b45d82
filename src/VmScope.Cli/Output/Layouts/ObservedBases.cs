using System.Globalization;
using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Cli.Output.Layouts;

/// <summary>Where a randomised region really was, as far as evidence tells; read only when --observed asks for it.</summary>
/// <remarks>
/// The prediction never sees this. The first area of /proc/vmallocinfo lies at the start of the vmalloc area or a little
/// above it, and the area begins on a step of its randomisation.
/// </remarks>
internal sealed class ObservedBases
{
    private readonly Dictionary<string, VirtualAddress> _bases = new(StringComparer.Ordinal);

    internal VirtualAddress? BaseOf(string region) => _bases.TryGetValue(region, out VirtualAddress address) ? address : null;

    internal static ObservedBases Read(EvidenceBundle evidence, KernelLayout layout)
    {
        ObservedBases observed = new();
        foreach (Region region in layout.Regions)
        {
            if (region.Random is { } random && region.Kind == RegionKind.Vmalloc
                && FirstArea(evidence, random.Lowest, region.Range.SizeBytes + random.Highest.Value) is { } first)
            {
                observed._bases[region.Name] = new VirtualAddress(Align.Down(first, random.StepBytes));
            }
        }

        return observed;
    }

    private static ulong? FirstArea(EvidenceBundle evidence, VirtualAddress lowest, ulong highest)
    {
        if (!evidence.TryOpen("vmallocinfo", out Stream stream))
        {
            return null;
        }

        using StreamReader reader = new(stream);
        Span<char> buffer = stackalloc char[64];
        int length = reader.ReadBlock(buffer);
        int dash = buffer[..length].IndexOf('-');
        return dash > 2 && buffer.StartsWith("0x", StringComparison.Ordinal)
            && ulong.TryParse(buffer[2..dash], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong first)
            && first >= lowest.Value && first <= highest
                ? first
                : null;
    }
}
