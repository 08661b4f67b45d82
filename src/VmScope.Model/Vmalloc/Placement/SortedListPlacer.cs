namespace VmScope.Vmalloc;

/// <summary>Walks the list of areas from its start and takes the first gap; knows no alignment (2.4).</summary>
/// <remarks>Source: mm/vmalloc.c, get_vm_area(), 2.4.20 and 2.4.22.</remarks>
internal sealed class SortedListPlacer(SortedAreas areas, ulong lastAddress) : BusyAreaPlacerBase(areas, lastAddress)
{
    public override bool TryFind(in AreaRequest request, out ulong address)
    {
        ulong size = request.SizeBytes;
        ulong limit = unchecked(request.WindowEnd - size);
        address = request.WindowStart;
        for (SortedAreas.Position at = Areas.First; !Areas.IsEnd(at); at = Areas.Next(at))
        {
            // Quirk: the test is "below", so an area that would end exactly at the top of the space is refused.
            if (Wraps(address, size, refusesTop: true))
            {
                return false;
            }

            if (address + size <= Areas.StartAt(at))
            {
                return true;
            }

            address = Math.Max(address, Areas.EndAt(at));
            if (address > limit)
            {
                return false;
            }
        }

        // Quirk: with nothing behind, the end of the window was compared only if an area was passed.
        return true;
    }

    public override bool TryPlace(in AreaRequest request, out ulong address)
    {
        if (!TryFind(request, out address))
        {
            return false;
        }

        Areas.Add(address, address + request.SizeBytes);
        return true;
    }

    public override IAreaPlacer Clone() => new SortedListPlacer(Areas.Clone(), LastAddress);
}
