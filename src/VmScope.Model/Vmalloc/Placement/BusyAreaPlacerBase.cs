namespace VmScope.Vmalloc;

/// <summary>What the placers that only know which addresses are taken have in common.</summary>
/// <param name="areas">Every taken area.</param>
/// <param name="lastAddress">The last address of the address space: 2^32 - 1 or 2^64 - 1.</param>
internal abstract class BusyAreaPlacerBase(SortedAreas areas, ulong lastAddress) : IAreaPlacer
{
    protected SortedAreas Areas { get; } = areas;

    protected ulong LastAddress { get; } = lastAddress;

    public abstract bool TryFind(in AreaRequest request, out ulong address);

    public abstract bool TryPlace(in AreaRequest request, out ulong address);

    public abstract IAreaPlacer Clone();

    public virtual bool TryReserve(ulong start, ulong sizeBytes)
    {
        if (Areas.Overlaps(start, start + sizeBytes))
        {
            return false;
        }

        Areas.Add(start, start + sizeBytes);
        return true;
    }

    public virtual bool TryAdopt(in AreaRequest request, ulong address) => TryReserve(address, request.SizeBytes);

    public void Release(ulong start, ulong endExclusive)
    {
        if (!Areas.TryFindStart(start, out SortedAreas.Position position) || Areas.EndAt(position) != endExclusive)
        {
            throw new ArgumentException($"no area 0x{start:x}-0x{endExclusive:x} is taken", nameof(start));
        }

        BeforeRemoval(position);
        Areas.RemoveAt(position);
    }

    public bool TryHoleAtOrBelow(ulong address, out FreeBlock hole) => Areas.TryHoleAtOrBelow(address, out hole);

    public bool TryHoleAbove(ulong address, out FreeBlock hole) => Areas.TryHoleAbove(address, out hole);

    /// <summary>Called while the area is still there.</summary>
    protected virtual void BeforeRemoval(SortedAreas.Position position)
    {
    }

    /// <summary>Rounds up as an <c>unsigned long</c> of the kernel does, and says whether it went past the top.</summary>
    protected bool TryAlign(ulong value, ulong alignBytes, out ulong aligned)
    {
        ulong mask = alignBytes - 1;
        aligned = unchecked(value + mask) & ~mask & LastAddress;
        return aligned >= value;
    }

    /// <summary>Whether [address, address + size) goes past the top of the address space.</summary>
    protected bool Wraps(ulong address, ulong sizeBytes, bool refusesTop) =>
        refusesTop ? sizeBytes > LastAddress - address : sizeBytes - 1 > LastAddress - address;
}
