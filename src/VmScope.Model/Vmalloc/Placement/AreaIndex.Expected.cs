namespace VmScope.Vmalloc;

internal sealed unsafe partial class AreaIndex
{
    /// <inheritdoc />
    public ExpectedPlace PlaceExpected(
        ulong sizeBytes, ulong alignBytes, ulong windowStart, ulong windowEnd, ulong expected, out ulong address)
    {
        if (!Locate(sizeBytes, alignBytes, windowStart, windowEnd, out long page, out int block))
        {
            address = 0;
            return ExpectedPlace.NoRoom;
        }

        address = (ulong)page << _pageShift;
        if (address != expected)
        {
            return ExpectedPlace.Elsewhere;
        }

        Cut(block, page, (long)(sizeBytes >> _pageShift));
        return ExpectedPlace.Placed;
    }
}
