using VmScope.Kernels;

namespace VmScope.Analysis;

/// <summary>By which rules the gaps of a window are explained, and what is kept of them.</summary>
/// <param name="Alignment">What explains a hole.</param>
/// <param name="PageBytes">Bytes of a page.</param>
/// <param name="Era">How the kernel places; null when unknown.</param>
/// <param name="KeepAllGaps">Whether to keep every gap, or only sums and the largest.</param>
/// <param name="BarCells">How many cells the window's bar has; 0 for no bar.</param>
internal sealed record AccountRules(AlignmentRule Alignment, ulong PageBytes, PlacementEra? Era, bool KeepAllGaps, int BarCells);
