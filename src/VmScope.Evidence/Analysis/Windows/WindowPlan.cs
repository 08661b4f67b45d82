using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>The windows of a list, and by which rules their gaps are explained: what a few of its areas decide.</summary>
internal sealed class WindowPlan
{
    /// <summary>The alignment of per-CPU chunks on x86-64: arch/x86/kernel/setup_percpu.c, PMD_SIZE.</summary>
    private const ulong PercpuAtomBytes = 2 * Size.MiB;

    private readonly ExplainFacts _facts;
    private readonly ExplainOptions _options;
    private readonly ulong _pageBytes;

    /// <param name="facts">What is known beside the list.</param>
    /// <param name="areas">Its areas in address order.</param>
    /// <param name="addressDigits">Digits of its addresses.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    /// <param name="options">What to keep.</param>
    internal WindowPlan(ExplainFacts facts, AreaList areas, int addressDigits, ulong pageBytes, ExplainOptions options)
    {
        (_facts, _options, _pageBytes) = (facts, options, pageBytes);
        WindowFinder finder = new(facts, areas, addressDigits);
        Architecture = finder.Architecture;
        ArchitectureWasTold = finder.ArchitectureWasTold;
        Windows = finder.Find();
    }

    /// <summary>The architecture, as told or as the addresses show it.</summary>
    internal Architecture Architecture { get; }

    /// <summary>Whether the architecture was told.</summary>
    internal bool ArchitectureWasTold { get; }

    /// <summary>The windows, the vmalloc one first.</summary>
    internal List<AddressWindow> Windows { get; }

    /// <summary>An account of each window, nothing taken yet.</summary>
    /// <param name="texts">Knows the owners.</param>
    /// <param name="totals">The list's sums.</param>
    internal List<WindowAccount> NewAccounts(TextTable texts, ListTotals totals)
    {
        AccountRules rules = NewRules(texts);
        List<WindowAccount> accounts = new(Windows.Count);
        foreach (AddressWindow window in Windows)
        {
            accounts.Add(new WindowAccount(window, totals, rules));
        }

        return accounts;
    }

    /// <summary>By which rules gaps are explained.</summary>
    /// <param name="texts">Knows the owners.</param>
    internal AccountRules NewRules(TextTable texts) => new(
        new AlignmentRule(texts, _pageBytes, _facts.Kernel?.Version, Architecture, _facts.Config.IsSet("X86_PAE") == true),
        _pageBytes, _facts.Kernel is { } kernel ? VmallocTimelines.Era.At(kernel.Version) : null, _options.KeepAllGaps, _options.BarCells);

    /// <summary>What the top of a window has to leave for per-CPU chunks to be aligned; 0 for nothing.</summary>
    internal ulong TopAlignBytes(AddressWindow window, ListTotals totals) =>
        window == Windows[0] && totals.HasPercpu && Architecture == Architecture.X64 ? PercpuAtomBytes : 0;
}
