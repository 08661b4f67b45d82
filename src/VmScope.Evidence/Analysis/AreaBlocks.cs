using System.Runtime.CompilerServices;

namespace VmScope.Analysis;

/// <summary>
/// Bytes by kind of every thousand areas of a window, so that a picture of a million areas looks at a thousand sums.
/// </summary>
public sealed class AreaBlocks
{
    /// <summary>How many areas make a block; blocks begin at multiples of it, the first where the window begins.</summary>
    public const int BlockAreas = 1024;

    /// <summary>Sums by <see cref="ListedKind"/>, and one more for per-CPU chunks, which no word of their rows names.</summary>
    public const int SumCount = ListedKinds.Count + 1;

    /// <summary>Which of the sums holds the per-CPU chunks.</summary>
    public const int Percpu = ListedKinds.Count;

    private ulong[] _sums = new ulong[SumCount];
    private ulong[] _ends = [];
    private int[] _next = [];
    private int _count;

    /// <summary>Which of the sums an area belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SumOf(ListedKind kind, bool isPercpu) =>
        isPercpu && kind is ListedKind.Vmalloc or ListedKind.Unnamed ? Percpu : (int)kind;

    /// <summary>The sums of a block that ends, with all its areas, at or below an offset into the window.</summary>
    /// <param name="block">The block, counted from 0.</param>
    /// <param name="offset">The offset in bytes.</param>
    /// <param name="next">The index of the first area behind the block.</param>
    /// <returns>None when the block reaches higher, or was not closed.</returns>
    public ReadOnlySpan<ulong> EndingBy(int block, ulong offset, out int next)
    {
        bool ends = block < _count && _ends[block] <= offset;
        next = ends ? _next[block] : 0;
        return ends ? _sums.AsSpan(block * SumCount, SumCount) : default;
    }

    /// <summary>The sums of the block that is open.</summary>
    internal Span<ulong> Open => _sums.AsSpan(_count * SumCount, SumCount);

    /// <summary>Closes the open block.</summary>
    /// <param name="next">The index of the first area behind it.</param>
    /// <param name="end">The offset no area up to here reaches beyond.</param>
    internal void Close(int next, ulong end)
    {
        if (_count == _ends.Length)
        {
            Array.Resize(ref _ends, Math.Max(4, _count * 2));
            Array.Resize(ref _next, _ends.Length);
            Array.Resize(ref _sums, (_ends.Length + 1) * SumCount);
        }

        (_ends[_count], _next[_count]) = (end, next);
        _count++;
    }
}
