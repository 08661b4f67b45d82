using System.Collections.Immutable;
using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>What a region of the address space is for.</summary>
public enum RegionKind
{
    /// <summary>User space.</summary>
    User,

    /// <summary>All (low) memory, mapped one to one.</summary>
    DirectMap,

    /// <summary>The vmalloc and ioremap area.</summary>
    Vmalloc,

    /// <summary>Loadable modules.</summary>
    Modules,

    /// <summary>The window of permanent kmaps.</summary>
    Pkmap,

    /// <summary>Per-process LDT remap of page table isolation.</summary>
    Ldt,

    /// <summary>Per-CPU entry stacks and tables.</summary>
    CpuEntryArea,

    /// <summary>Compile-time addresses.</summary>
    Fixmap,

    /// <summary>The array of struct page, virtually mapped or in memory.</summary>
    PageArray,

    /// <summary>The kernel's own text and data.</summary>
    KernelImage,

    /// <summary>Anything else that has a name and a place.</summary>
    Other,

    /// <summary>Nothing may be here: a hole that catches overruns, or what is left over.</summary>
    Gap,
}

/// <summary>Where a region that is moved at boot may begin.</summary>
/// <param name="Lowest">The lowest first address.</param>
/// <param name="Highest">The highest first address.</param>
/// <param name="StepBytes">Every possible first address is this far from the next.</param>
public readonly record struct RandomStart(VirtualAddress Lowest, VirtualAddress Highest, ulong StepBytes);

/// <summary>A named run of virtual addresses.</summary>
/// <param name="Name">Stable lower-case name, documented in docs/json-layout.md.</param>
/// <param name="Range">
/// Where it lies. With <paramref name="Random"/>, where it lies when nothing is randomised; with
/// <paramref name="IsBounds"/>, the window within which it lies.
/// </param>
/// <param name="Kind">What it is for.</param>
/// <param name="Inside">The name of the region that contains it; null for a region that stands for itself.</param>
/// <param name="IsBounds">Whether the place is not known exactly and <paramref name="Range"/> only bounds it.</param>
/// <param name="Note">One clause for people; null when the name says it all.</param>
/// <param name="Random">Where it may begin instead when it is moved at boot; null when it is not. Its length stays.</param>
public readonly record struct Region(
    string Name, VirtualRange Range, RegionKind Kind, string? Inside = null, bool IsBounds = false, string? Note = null,
    RandomStart? Random = null);

/// <summary>A memory zone of one node as /proc/zoneinfo reports it.</summary>
/// <param name="Name">DMA, DMA32, Normal, HighMem, Movable.</param>
/// <param name="Node">The NUMA node, 0 where there is only one.</param>
/// <param name="StartPfn">Its first page frame; 0 when it is empty.</param>
/// <param name="SpannedPages">Frames from first to last, holes included.</param>
/// <param name="PresentPages">Frames of RAM among them.</param>
public readonly record struct Zone(string Name, int Node, ulong StartPfn, ulong SpannedPages, ulong PresentPages);

/// <summary>One entry of the fixmap: a virtual address known at compile time.</summary>
/// <param name="Name">The kernel's name (FIX_…); of the first index, where an entry has several pages.</param>
/// <param name="Index">Its first index.</param>
/// <param name="Address">The address of that index; further pages lie below it.</param>
/// <param name="Pages">How many indices, and pages, it takes; 0 or more.</param>
/// <param name="IsPermanent">Whether it stays after boot.</param>
/// <param name="Why">Why it is there: what uses it.</param>
/// <param name="When">The configuration symbol that adds it ("!SYMBOL": that removes it); null when it is always there.</param>
public readonly record struct FixmapEntry(
    string Name, int Index, VirtualAddress Address, int Pages, bool IsPermanent, string Why, string? When);

/// <summary>Where a kernel puts everything.</summary>
public sealed record KernelLayout
{
    /// <summary>What was asked.</summary>
    public required LayoutInputs Inputs { get; init; }

    /// <summary>The regions, highest address first; one that contains another comes before it.</summary>
    public required ImmutableArray<Region> Regions { get; init; }

    /// <summary>Every number on the way, each with formula and source, in the order they were computed.</summary>
    public required ImmutableArray<Quantity> Quantities { get; init; }

    /// <summary>The memory zones, node by node, lowest first; empty ones included.</summary>
    public required ImmutableArray<Zone> Zones { get; init; }

    /// <summary>The fixmap entries, lowest index (highest address) first.</summary>
    public required ImmutableArray<FixmapEntry> Fixmap { get; init; }

    /// <summary>What nobody gave.</summary>
    public required ImmutableArray<Assumption> Assumed { get; init; }

    /// <summary>What else a reader must know: options the kernel ignores, memory it drops.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>The first address of the direct map (or of the kernel's half, where that is the same).</summary>
    public required VirtualAddress PageOffset { get; init; }

    /// <summary>The first address behind directly mapped memory (<c>high_memory</c>).</summary>
    public required VirtualAddress HighMemory { get; init; }

    /// <summary>The vmalloc area, its end exclusive even where the kernel's VMALLOC_END is inclusive.</summary>
    public required VirtualRange Vmalloc { get; init; }

    /// <summary>VmallocTotal as /proc/meminfo prints it, in kB.</summary>
    public required ulong VmallocTotalKiB { get; init; }

    /// <summary>The sources, among those of <see cref="Quantities"/>, that nobody has verified.</summary>
    public IEnumerable<string> Unverified =>
        Quantities.Select(quantity => quantity.Source)
            .Where(source => source.StartsWith("UNVERIFIED", StringComparison.Ordinal))
            .Distinct(StringComparer.Ordinal);

    /// <summary>
    /// The physical address behind an address of directly mapped RAM: virtual - PAGE_OFFSET, plus where RAM begins on
    /// machines whose RAM does not begin at 0. Null outside directly mapped RAM, and where the place of the direct map is
    /// random or RAM's beginning is not known.
    /// </summary>
    public PhysicalAddress? ToPhysical(VirtualAddress address)
    {
        Architecture architecture = Inputs.Kernel.Architecture;
        bool isX86 = architecture is Architecture.I386 or Architecture.X64;
        if (address < PageOffset || address >= HighMemory || FindRegion("direct-map")?.Random is not null
            || (!isX86 && FindQuantity("phys-offset") is null))
        {
            return null;
        }

        return new PhysicalAddress(address.Value - PageOffset.Value + (isX86 ? 0 : ValueOf("phys-offset")));
    }

    /// <summary>The innermost region that contains an address, or null.</summary>
    public Region? FindRegion(VirtualAddress address)
    {
        Region? found = null;
        foreach (Region region in Regions)
        {
            if (region.Range.Contains(address) && (found is not { } outer || region.Range.SizeBytes <= outer.Range.SizeBytes))
            {
                found = region;
            }
        }

        return found;
    }

    /// <summary>The region of a name, or null.</summary>
    public Region? FindRegion(string name)
    {
        foreach (Region region in Regions)
        {
            if (string.Equals(region.Name, name, StringComparison.Ordinal))
            {
                return region;
            }
        }

        return null;
    }

    /// <summary>The quantity of a name, or null.</summary>
    public Quantity? FindQuantity(string name)
    {
        foreach (Quantity quantity in Quantities)
        {
            if (string.Equals(quantity.Name, name, StringComparison.Ordinal))
            {
                return quantity;
            }
        }

        return null;
    }

    /// <summary>The value of a quantity that is known to be there.</summary>
    /// <exception cref="KeyNotFoundException">This layout has no such quantity.</exception>
    public ulong ValueOf(string name) =>
        FindQuantity(name)?.Value ?? throw new KeyNotFoundException($"no quantity '{name}' in this layout");
}

/// <summary>What the predictor answers.</summary>
public abstract record LayoutAnswer
{
    private LayoutAnswer()
    {
    }

    /// <summary>A kernel that boots has this layout.</summary>
    /// <param name="Layout">The layout.</param>
    public sealed record Predicted(KernelLayout Layout) : LayoutAnswer;

    /// <summary>No such kernel can be built, or it cannot boot this way.</summary>
    /// <param name="Reason">What contradicts what, with the numbers.</param>
    public sealed record Impossible(string Reason) : LayoutAnswer;
}
