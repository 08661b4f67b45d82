using System.Runtime.CompilerServices;

namespace VmScope.Vmalloc;

/// <summary>An inner node of <see cref="AreaIndex"/>: up to 32 children as parallel arrays.</summary>
/// <remarks>
/// <code>
/// byte   0  first page  int64  x 32   of the first area below the child
///      256  hole        uint16 x 32   the largest below the child
///      320  child       int32  x 32   its id
/// </code>
/// Unused lanes hold <see cref="Unused"/> and zeros. Children come and go rarely: those changes are plain.
/// </remarks>
internal static unsafe class InnerNode
{
    internal const int Lanes = LeafNode.Lanes;
    internal const int Bytes = 448;
    internal const long Unused = long.MaxValue;

    private const int HoleOffset = 256;
    private const int ChildOffset = 320;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long* Starts(byte* node) => (long*)node;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ushort* Holes(byte* node) => unchecked((ushort*)(node + HoleOffset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int* Children(byte* node) => unchecked((int*)(node + ChildOffset));

    /// <summary>Makes every lane unused.</summary>
    internal static void Clear(byte* node)
    {
        new Span<long>(Starts(node), Lanes).Fill(Unused);
        new Span<byte>(node + HoleOffset, Bytes - HoleOffset).Clear();
    }

    internal static bool IsFull(byte* node) => Starts(node)[Lanes - 1] != Unused;

    /// <summary>The number of children.</summary>
    internal static int Count(byte* node) => CountAtOrBelow(node, Unused - 1);

    /// <summary>How many children start at or below a page; the one before is the one to go on in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountAtOrBelow(byte* node, long page) =>
        Lanes512.IsSupported ? Lanes512.CountUpTo(Starts(node), page)
        : Lanes256.IsSupported ? Lanes256.CountUpTo(Starts(node), page)
        : PlainLanes.CountUpTo(Starts(node), page);

    /// <summary>One bit per child with a hole of at least so many pages below.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint HolesOfAtLeast(byte* node, int pages) => HoleLanes.AtLeast(Holes(node), pages);

    /// <summary>The largest hole below.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int LargestHole(byte* node) => HoleLanes.Largest(Holes(node));

    /// <summary>Adds a child behind lane <paramref name="lane"/> (-1: as the first); the node has room.</summary>
    internal static void Insert(byte* node, int lane, long start, int child, int hole)
    {
        PlainLanes.Insert(Starts(node), lane + 1, start);
        PlainLanes.Insert(Holes(node), lane + 1, (ushort)hole);
        PlainLanes.Insert(Children(node), lane + 1, child);
    }

    /// <summary>Removes the child of a lane.</summary>
    internal static void Remove(byte* node, int lane)
    {
        PlainLanes.Remove(Starts(node), lane, Unused);
        PlainLanes.Remove(Holes(node), lane, (ushort)0);
        PlainLanes.Remove(Children(node), lane, 0);
    }

    /// <summary>Moves <paramref name="count"/> children, the last of their node, into unused lanes of another node.</summary>
    internal static void Move(byte* from, int fromLane, int count, byte* to, int toLane)
    {
        Span<long> starts = new(Starts(from) + fromLane, count);
        starts.CopyTo(new(Starts(to) + toLane, count));
        starts.Fill(Unused);
        MoveLanes(Holes(from) + fromLane, Holes(to) + toLane, count);
        MoveLanes(Children(from) + fromLane, Children(to) + toLane, count);
    }

    private static void MoveLanes<T>(T* from, T* to, int count) where T : unmanaged
    {
        Span<T> lanes = new(from, count);
        lanes.CopyTo(new(to, count));
        lanes.Clear();
    }
}
