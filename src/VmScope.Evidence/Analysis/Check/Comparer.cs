using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Analysis;

/// <summary>Collects comparisons of one layout with a kernel's answers.</summary>
internal sealed class Comparer(KernelLayout layout)
{
    private readonly List<LayoutComparison> _comparisons = [];
    private readonly List<string> _notCompared = [];
    private readonly string _hexFormat = layout.Inputs.Kernel.Architecture.Is64Bit() ? "x16" : "x8";

    internal KernelLayout Layout { get; } = layout;

    internal ImmutableArray<LayoutComparison> Comparisons => [.. _comparisons];

    internal ImmutableArray<string> NotCompared => [.. _notCompared];

    /// <summary>Whether KASLR moves the direct map, vmalloc and vmemmap, so that the layout only bounds them.</summary>
    internal bool HasRandomBases { get; } = layout.FindRegion("direct-map")?.Random is not null;

    /// <summary>Whether KASLR may have moved RAM up in the direct map by so many bytes (arm64).</summary>
    internal bool IsSlide(ulong bytes) =>
        bytes > 0 && bytes <= (Layout.FindQuantity("linear-map-slide")?.Value ?? 0) && bytes % (Layout.FindQuantity("memstart-align")?.Value ?? 1) == 0;

    /// <summary>Compares two addresses.</summary>
    internal void Address(string name, ulong predicted, ulong observed, string source) =>
        Add(name, Hex(predicted), Hex(observed), predicted == observed, source);

    /// <summary>Compares two ranges, end exclusive.</summary>
    internal void Range(string name, ulong predictedStart, ulong predictedEnd, ulong observedStart, ulong observedEnd, string source) =>
        Add(name, RangeText(predictedStart, predictedEnd), RangeText(observedStart, observedEnd),
            predictedStart == observedStart && predictedEnd == observedEnd, source);

    /// <summary>Compares an observed range with the bounds it has to lie in.</summary>
    internal void Within(string name, VirtualRange bounds, ulong observedStart, ulong observedLast, string source) =>
        Add(name, "in " + RangeText(bounds.Start.Value, bounds.EndExclusive.Value), RangeText(observedStart, unchecked(observedLast + 1)),
            observedStart >= bounds.Start.Value && observedLast <= bounds.Last.Value, source);

    /// <summary>Compares an observed base with the places a region may begin at.</summary>
    internal void Base(string name, Region region, ulong observed, string source)
    {
        if (region.Random is { } random)
        {
            Add(name, $"{Hex(random.Lowest.Value)} to {Hex(random.Highest.Value)} in steps of {DerivationText.BytesText(random.StepBytes)}", Hex(observed),
                observed >= random.Lowest.Value && observed <= random.Highest.Value && (observed - random.Lowest.Value) % random.StepBytes == 0,
                source);
        }
        else
        {
            Address(name, region.Range.Start.Value, observed, source);
        }
    }

    /// <summary>Compares two numbers with a unit.</summary>
    internal void Number(string name, ulong predicted, ulong observed, string unit, string source) =>
        Add(name, Text(predicted, unit), Text(observed, unit), predicted == observed, source);

    /// <summary>Compares two page frame numbers.</summary>
    internal void Frame(string name, ulong predicted, ulong observed, string source) =>
        Add(name, "0x" + predicted.ToString("x", CultureInfo.InvariantCulture), "0x" + observed.ToString("x", CultureInfo.InvariantCulture),
            predicted == observed, source);

    /// <summary>Says that an answer is there and cannot be compared.</summary>
    internal void Skip(string source, string reason) => _notCompared.Add($"{source}: {reason}");

    /// <summary>Adds a comparison made elsewhere.</summary>
    internal void Add(string name, string predicted, string observed, bool agrees, string source) =>
        _comparisons.Add(new LayoutComparison(name, predicted, observed, agrees, source));

    /// <summary>An address with all its digits.</summary>
    internal string Hex(ulong address) => "0x" + address.ToString(_hexFormat, CultureInfo.InvariantCulture);

    /// <summary>First and last address of a range whose end is exclusive.</summary>
    internal string RangeText(ulong start, ulong endExclusive) => $"{Hex(start)}-{Hex(unchecked(endExclusive - 1))}";

    private static string Text(ulong value, string unit) =>
        unit.Length == 0
            ? value.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{value} {unit}");
}
