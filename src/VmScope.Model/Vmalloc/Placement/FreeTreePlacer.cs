namespace VmScope.Vmalloc;

/// <summary>Asks the structure of free blocks (5.2 and later; behind the pools from 6.9 on).</summary>
/// <remarks>Source: mm/vmalloc.c, __alloc_vmap_area(), 5.2 to 7.1.</remarks>
internal sealed class FreeTreePlacer(IFreeSpace free) : IAreaPlacer
{
    public bool TryFind(in AreaRequest request, out ulong address) =>
        free.TryFind(request.SizeBytes, request.AlignBytes, request.WindowStart, request.WindowEnd, out address);

    public bool TryPlace(in AreaRequest request, out ulong address) =>
        free.TryPlace(request.SizeBytes, request.AlignBytes, request.WindowStart, request.WindowEnd, out address);

    public ExpectedPlace PlaceExpected(in AreaRequest request, ulong expected, out ulong address) => free.PlaceExpected(
        request.SizeBytes, request.AlignBytes, request.WindowStart, request.WindowEnd, expected, out address);

    public bool TryReserve(ulong start, ulong sizeBytes) => free.TryReserve(start, sizeBytes);

    public void Release(ulong start, ulong endExclusive) => free.Insert(start, endExclusive);

    public bool TryHoleAtOrBelow(ulong address, out FreeBlock hole) => free.TryBlockAtOrBelow(address, out hole);

    public bool TryHoleAbove(ulong address, out FreeBlock hole) => free.TryBlockAbove(address, out hole);

    public IAreaPlacer Clone() => new FreeTreePlacer(free.Clone());
}
