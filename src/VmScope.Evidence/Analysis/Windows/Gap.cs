namespace VmScope.Analysis;

/// <summary>Why no live area covers a run of addresses.</summary>
public enum GapKind
{
    /// <summary>Free: the next request of a fitting size may go here.</summary>
    Free,

    /// <summary>Free, and exactly what the alignment of the area above had to leave.</summary>
    Alignment,

    /// <summary>The page that kernels 2.6.28 to 2.6.39 keep empty behind every area, beside its guard page.</summary>
    GapPage,

    /// <summary>A freed area that waits for the next purge.</summary>
    Unpurged,

    /// <summary>Not whole pages: no rule of any kernel leaves this.</summary>
    Unexplained,
}

/// <summary>A run of addresses that no live area covers.</summary>
/// <param name="Start">The first address.</param>
/// <param name="Bytes">The length.</param>
/// <param name="Kind">Why.</param>
/// <param name="NextAlignBytes">For <see cref="GapKind.Alignment"/>, the alignment of the area above; otherwise 0.</param>
public readonly record struct Gap(ulong Start, ulong Bytes, GapKind Kind, ulong NextAlignBytes)
{
    /// <summary>The exclusive end; 0 for the top of the 64-bit space.</summary>
    public ulong EndExclusive => unchecked(Start + Bytes);
}

/// <summary>Names of gap kinds.</summary>
public static class GapKinds
{
    /// <summary>How many kinds there are.</summary>
    public const int Count = 5;

    /// <summary>The name in JSON, CSV and tables.</summary>
    public static string Name(GapKind kind) => kind switch
    {
        GapKind.Free => "free",
        GapKind.Alignment => "alignment",
        GapKind.GapPage => "gap-page",
        GapKind.Unpurged => "unpurged",
        GapKind.Unexplained => "unexplained",
    };

    /// <summary>What it is, in one clause.</summary>
    public static string Meaning(GapKind kind) => kind switch
    {
        GapKind.Free => "nothing here: never used, or freed and reusable",
        GapKind.Alignment => "left below an area that had to start at a multiple of a power of two",
        GapKind.GapPage => "a page kept empty behind every area, beside the guard page inside it",
        GapKind.Unpurged => "freed, but blocked until the next purge; the kernel purges before it gives up",
        GapKind.Unexplained => "no rule of any kernel leaves this",
    };
}
