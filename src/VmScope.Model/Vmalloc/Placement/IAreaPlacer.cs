namespace VmScope.Vmalloc;

/// <summary>Chooses where the next area goes. One class per era; what is lazily freed is still taken for it.</summary>
public interface IAreaPlacer
{
    /// <summary>Finds the place this era's kernel would choose, and changes nothing.</summary>
    /// <returns>False when there is no room; a purge may make some.</returns>
    bool TryFind(in AreaRequest request, out ulong address);

    /// <summary>Finds the place and takes it.</summary>
    /// <returns>False when there is no room.</returns>
    bool TryPlace(in AreaRequest request, out ulong address);

    /// <summary>Finds the place, and takes it only when it is the expected one.</summary>
    ExpectedPlace PlaceExpected(in AreaRequest request, ulong expected, out ulong address)
    {
        if (!TryFind(request, out address))
        {
            return ExpectedPlace.NoRoom;
        }

        return address == expected && TryPlace(request, out _) ? ExpectedPlace.Placed : ExpectedPlace.Elsewhere;
    }

    /// <summary>Takes a known place: an area that existed before, or one the kernel chose and we would not have.</summary>
    /// <returns>False when part of it is taken already; then nothing changed.</returns>
    bool TryReserve(ulong start, ulong sizeBytes);

    /// <summary>Takes the place that a kernel gave a request, and remembers what a search that ends there leaves behind.</summary>
    /// <returns>False when part of it is taken; then nothing changed.</returns>
    bool TryAdopt(in AreaRequest request, ulong address) => TryReserve(address, request.SizeBytes);

    /// <summary>Makes a range reusable.</summary>
    /// <exception cref="ArgumentException">It is not taken.</exception>
    void Release(ulong start, ulong endExclusive);

    /// <summary>The hole with the greatest start that is not above <paramref name="address"/>.</summary>
    bool TryHoleAtOrBelow(ulong address, out FreeBlock hole);

    /// <summary>The hole with the smallest start above <paramref name="address"/>.</summary>
    bool TryHoleAbove(ulong address, out FreeBlock hole);

    /// <summary>An independent copy that answers every later request alike.</summary>
    IAreaPlacer Clone();
}
