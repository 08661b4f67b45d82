using System.Collections.Immutable;

namespace VmScope.Analysis;

/// <summary>A window in the first and the last snapshot.</summary>
/// <param name="Name">The window.</param>
/// <param name="Then">As it was; null when it was not known then.</param>
/// <param name="Now">As it is.</param>
public sealed record DiffWindow(string Name, WindowAccount? Then, WindowAccount Now);

/// <summary>How full and how fragmented the windows were and are.</summary>
public sealed record DiffWindows(ListExplanation First, ListExplanation Last, ImmutableArray<DiffWindow> Items)
{
    /// <summary>Measures the first and the last snapshot.</summary>
    public static DiffWindows Of(ImmutableArray<DiffInput> inputs)
    {
        ListExplanation first = inputs[0].Explain();
        ListExplanation last = inputs[^1].Explain();
        return new DiffWindows(first, last,
        [
            .. last.Windows.Select(now => new DiffWindow(now.Window.Name, first.Windows.Find(then => then.Window.Name == now.Window.Name), now)),
        ]);
    }

    /// <summary>The largest hole, freed areas purged.</summary>
    public static ulong LargestHole(WindowAccount account) => Math.Max(account.LargestHole.Bytes, account.LargestHoleAfterPurge.Bytes);

    /// <summary>1 minus largest hole divided by free bytes: 0 in one piece, near 1 in crumbs; 0 when nothing is free.</summary>
    public static double Fragmentation(WindowAccount account) =>
        account.FreeBytes == 0 ? 0 : Math.Max(0, 1 - ((double)account.LargestHole.Bytes / account.FreeBytes));
}
