using System.Collections.Immutable;
using System.Runtime.InteropServices;
using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Collects a layout while a predictor computes it.</summary>
/// <remarks>
/// Every number passes through <see cref="Set"/> with its formula and source, so nothing can be shown whose reason
/// cannot be shown too. All texts are constants and all records are structs: a sweep of a hundred thousand
/// configurations pays for a few arrays each.
/// </remarks>
internal sealed class LayoutBuilder(LayoutInputs inputs)
{
    private readonly List<Region> _regions = new(16);
    private readonly List<Quantity> _quantities = new(48);
    private readonly List<Zone> _zones = new(5);
    private readonly List<FixmapEntry> _fixmap = new(24);
    private readonly List<Assumption> _assumed = new(16);
    private readonly List<string> _notes = [];

    internal LayoutInputs Inputs { get; } = inputs;

    /// <summary>Records a number with its reason and hands it back.</summary>
    internal ulong Set(string name, string symbol, ulong value, QuantityUnit unit, string formula, string source)
    {
        _quantities.Add(new Quantity(name, symbol, value, unit, formula, source));
        return value;
    }

    /// <summary>Records an address with its reason and hands it back.</summary>
    internal ulong Address(string name, string symbol, ulong value, string formula, string source) =>
        Set(name, symbol, value, QuantityUnit.Address, formula, source);

    /// <summary>Records a size in bytes with its reason and hands it back.</summary>
    internal ulong Bytes(string name, string symbol, ulong value, string formula, string source) =>
        Set(name, symbol, value, QuantityUnit.Bytes, formula, source);

    /// <summary>Records page frames with their reason and hands them back.</summary>
    internal ulong Frames(string name, string symbol, ulong value, string formula, string source) =>
        Set(name, symbol, value, QuantityUnit.Frames, formula, source);

    /// <summary>Records a plain number with its reason and hands it back.</summary>
    internal ulong Count(string name, string symbol, ulong value, string formula, string source) =>
        Set(name, symbol, value, QuantityUnit.Count, formula, source);

    /// <summary>Adds a region from its first address to its exclusive end (0 is 2^64); an empty one is left out.</summary>
    internal void Region(string name, ulong start, ulong endExclusive, RegionKind kind, string? inside = null,
        bool isBounds = false, string? note = null, RandomStart? random = null)
    {
        ulong sizeBytes = unchecked(endExclusive - start);
        if (sizeBytes != 0)
        {
            _regions.Add(new Region(name, new VirtualRange(new VirtualAddress(start), sizeBytes), kind, inside, isBounds, note, random));
        }
    }

    /// <summary>Adds a zone.</summary>
    internal void Zone(Zone zone) => _zones.Add(zone);

    /// <summary>Adds a fixmap entry.</summary>
    internal void Fixmap(FixmapEntry entry) => _fixmap.Add(entry);

    /// <summary>States something that nobody gave.</summary>
    internal void Assume(Assumption assumption) => _assumed.Add(assumption);

    /// <summary>States everything a resolver had to assume.</summary>
    internal void Assume(IEnumerable<Assumption> assumptions) => _assumed.AddRange(assumptions);

    /// <summary>Tells the reader something: an option the kernel ignores, memory it drops.</summary>
    internal void Note(string text) => _notes.Add(text);

    /// <summary>Finishes the layout.</summary>
    internal LayoutAnswer Build(ulong pageOffset, ulong highMemory, ulong vmallocStart, ulong vmallocEndExclusive,
        ulong vmallocTotalKiB)
    {
        // Highest first; of two that start at the same address the larger one first, so that a container precedes.
        _regions.Sort(static (left, right) =>
        {
            int order = right.Range.Last.Value.CompareTo(left.Range.Last.Value);
            order = order != 0 ? order : right.Range.SizeBytes.CompareTo(left.Range.SizeBytes);
            return order != 0 ? order : (left.Inside is null ? 0 : 1).CompareTo(right.Inside is null ? 0 : 1);
        });
        NameHoles();
        return new LayoutAnswer.Predicted(new KernelLayout
        {
            Inputs = Inputs,
            Regions = Frozen(_regions),
            Quantities = Frozen(_quantities),
            Zones = Frozen(_zones),
            Fixmap = Frozen(_fixmap),
            Assumed = Inputs.Assumed.IsDefaultOrEmpty ? Frozen(_assumed) : [.. Inputs.Assumed, .. _assumed],
            Notes = Frozen(_notes),
            PageOffset = new VirtualAddress(pageOffset),
            HighMemory = new VirtualAddress(highMemory),
            Vmalloc = new VirtualRange(new VirtualAddress(vmallocStart), unchecked(vmallocEndExclusive - vmallocStart)),
            VmallocTotalKiB = vmallocTotalKiB,
        });
    }

    /// <summary>Names what lies between two neighbours and belongs to neither, so that the map has no blank.</summary>
    private void NameHoles()
    {
        ulong top = Inputs.Kernel.Architecture.Is64Bit() ? ulong.MaxValue : uint.MaxValue;
        ulong nextFree = top;
        bool full = false;
        for (int i = 0; i < _regions.Count && !full; i++)
        {
            Region region = _regions[i];
            if (region.Inside is not null)
            {
                continue;
            }

            if (region.Range.Last.Value < nextFree)
            {
                ulong start = region.Range.Last.Value + 1;
                _regions.Insert(i, new Region(region.Name + "-above", new VirtualRange(new VirtualAddress(start), nextFree - start + 1),
                    RegionKind.Gap, Note: "unused"));
                i++;
            }

            full = region.Range.Start.Value == 0;
            nextFree = full ? 0 : Math.Min(nextFree, region.Range.Start.Value - 1);
        }
    }

    private static ImmutableArray<T> Frozen<T>(List<T> list) =>
        ImmutableCollectionsMarshal.AsImmutableArray(list.ToArray());
}
