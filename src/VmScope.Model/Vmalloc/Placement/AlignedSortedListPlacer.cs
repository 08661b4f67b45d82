namespace VmScope.Vmalloc;

/// <summary>Walks the list of areas from its start and takes the first aligned gap (2.6.9 to 2.6.27).</summary>
/// <remarks>Source: mm/vmalloc.c, __get_vm_area() and __get_vm_area_node(), 2.6.9 to 2.6.24.</remarks>
internal sealed class AlignedSortedListPlacer(SortedAreas areas, ulong lastAddress, ulong pageBytes)
    : BusyAreaPlacerBase(areas, lastAddress)
{
    public override bool TryFind(in AreaRequest request, out ulong address)
    {
        ulong size = request.SizeBytes;
        ulong align = request.AlignBytes;
        ulong limit = unchecked(request.WindowEnd - size);
        if (!TryAlign(request.WindowStart, align, out address))
        {
            return false;
        }

        SortedAreas.Position at = Areas.First;
        while (!Areas.IsEnd(at))
        {
            ulong start = Areas.StartAt(at);
            ulong end = Areas.EndAt(at);
            if (start < address)
            {
                // Quirk: nothing is compared with the window's end here, so a list that ends now lets the area pass it.
                if (end >= address && !TryAlign(end, align, out address))
                {
                    return false;
                }

                at = Areas.Next(at);
                continue;
            }

            if (Wraps(address, size, refusesTop: true))
            {
                return false;
            }

            if (address + size <= start)
            {
                return true;
            }

            if (!TryAlign(end, align, out address) || address > limit)
            {
                return false;
            }

            if (at.Index == 0 && align <= pageBytes && Areas.WidestGapOf(at.Chunk) < size)
            {
                SortedAreas.Position last = Areas.LastOf(at.Chunk);
                if (Areas.EndAt(last) <= limit)
                {
                    address = Areas.EndAt(last);
                    at = last;
                }
            }

            at = Areas.Next(at);
        }

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

    public override IAreaPlacer Clone() => new AlignedSortedListPlacer(Areas.Clone(), LastAddress, pageBytes);
}
