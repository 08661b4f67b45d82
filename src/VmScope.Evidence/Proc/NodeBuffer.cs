using System.Runtime.CompilerServices;
using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <summary>Node counts of the rows of one batch.</summary>
internal sealed class NodeBuffer
{
    private NodePages[] _items = new NodePages[4096];

    internal int Count { get; private set; }

    internal ReadOnlySpan<NodePages> Items => _items.AsSpan(0, Count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Add(NodePages item)
    {
        if (Count == _items.Length)
        {
            Grow();
        }

        _items[Count++] = item;
    }

    private void Grow() => Array.Resize(ref _items, Count * 2);

    /// <summary>Drops what was added since there were <paramref name="count"/>.</summary>
    internal void CutTo(int count) => Count = count;
}
