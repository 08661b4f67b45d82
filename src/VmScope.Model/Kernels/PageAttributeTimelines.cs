namespace VmScope.Kernels;

/// <summary>How a kernel changes the rights of its own mappings.</summary>
/// <param name="HasFunctions">Whether set_memory_ro() and its relatives exist.</param>
/// <param name="ReadOnlyClearsDirty">Whether making a page read-only clears its dirty bit too.</param>
/// <param name="FlushPagesMax">Up to how many pages are flushed one by one; 0 when everything is flushed.</param>
public sealed record PageAttributeFacts(bool HasFunctions, bool ReadOnlyClearsDirty, int FlushPagesMax);

/// <summary>The history of changing the rights of kernel mappings on x86.</summary>
public static class PageAttributeTimelines
{
    /// <summary>Whether the functions exist.</summary>
    public static Timeline<bool> HasFunctions { get; } = new(
        new(new(2, 4), "arch/i386/mm/pageattr.c, change_page_attr() only, 2.6.24", false),
        new(new(2, 6, 25), "UNVERIFIED: arch/x86/mm/pageattr.c, set_memory_ro(); read in later releases only", true));

    /// <summary>Whether read-only pages lose their dirty bit.</summary>
    public static Timeline<bool> ReadOnlyClearsDirty { get; } = new(
        new(new(2, 4), "arch/x86/mm/pat/set_memory.c, set_memory_ro(), 6.1: _PAGE_RW alone", false),
        new(new(6, 6), "arch/x86/mm/pat/set_memory.c, set_memory_ro(), _PAGE_RW | _PAGE_DIRTY, read in 6.12 (6.6 UNVERIFIED)", true));

    /// <summary>Up to how many pages are flushed one by one.</summary>
    public static Timeline<int> FlushPagesMax { get; } = new(
        new(new(2, 4), "UNVERIFIED: arch/x86/mm/pageattr.c, cpa_flush_range(), up to 4.20: everything", 0),
        new(new(5, 0), "arch/x86/mm/pat/set_memory.c, cpa_flush(), tlb_single_page_flush_ceiling, read in 6.1", 33));

    /// <summary>All of one version.</summary>
    public static PageAttributeFacts At(KernelVersion version) => new(HasFunctions.At(version), ReadOnlyClearsDirty.At(version), FlushPagesMax.At(version));
}
