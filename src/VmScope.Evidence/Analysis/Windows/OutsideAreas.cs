using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Live areas outside every window.</summary>
public sealed class OutsideAreas
{
    /// <summary>How many.</summary>
    public long Count { get; private set; }

    /// <summary>Their bytes.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>The lowest of them; meaningful when there is one.</summary>
    public AreaSlot First { get; private set; }

    /// <summary>Counts an area, unless it is freed; areas come in address order.</summary>
    internal void Note(in AreaSlot area)
    {
        if ((area.Flags & AreaFlags.Unpurged) == AreaFlags.None)
        {
            First = Count == 0 ? area : First;
            Count++;
            Bytes = unchecked(Bytes + area.SizeBytes);
        }
    }

    /// <summary>Adds the areas of a later part.</summary>
    /// <param name="later">The part.</param>
    /// <param name="ids">The owners' numbers here, by their numbers there.</param>
    internal void Append(OutsideAreas later, ReadOnlySpan<int> ids)
    {
        First = Count == 0 && later.Count > 0 ? later.First with { Caller = ids[later.First.Caller] } : First;
        Count += later.Count;
        Bytes = unchecked(Bytes + later.Bytes);
    }
}
