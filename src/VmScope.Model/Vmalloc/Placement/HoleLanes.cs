using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

/// <summary>The 32 hole sizes of a leaf or of an inner node: 64 bytes, one vector on the machines that have such.</summary>
internal static unsafe class HoleLanes
{
    /// <summary>One bit per lane of at least so many pages, 1 to 65535.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint AtLeast(ushort* lanes, int pages) =>
        Lanes512.IsSupported ? Lanes512.AtLeast(lanes, pages)
        : Lanes256.IsSupported ? Lanes256.AtLeast(lanes, pages)
        : PlainLanes.AtLeast(lanes, pages);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Largest(ushort* lanes) =>
        Lanes512.IsSupported ? Lanes512.Largest(lanes) : PlainLanes.Largest(lanes);

    /// <summary>Writes one lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Set(ushort* lanes, int lane, int pages)
    {
        if (Lanes512.IsSupported)
        {
            Lanes512.Set(lanes, lane, pages);
        }
        else
        {
            unchecked
            {
                lanes[lane] = (ushort)pages;
            }
        }
    }
}
