using System.Numerics;
using VmScope.Kernels;

namespace VmScope.Vmalloc;

/// <summary>Turns what a caller asks for into the size and alignment that are searched.</summary>
/// <remarks>Source: mm/vmalloc.c, __get_vm_area_node(), __vmalloc_node_range(), 2.4.22 to 7.1.</remarks>
public static class AreaSizing
{
    /// <summary>The searched size: whole pages, and a guard page unless the caller refuses it and may.</summary>
    /// <param name="facts">The version's facts.</param>
    /// <param name="sizeBytes">What the caller asks for; 1 or more.</param>
    /// <param name="pageBytes">The page size.</param>
    /// <param name="refusesGuard">Whether the caller passes VM_NO_GUARD.</param>
    /// <exception cref="OverflowException">The size does not fit 64 bits with its guard.</exception>
    public static ulong SearchedBytes(VmallocFacts facts, ulong sizeBytes, ulong pageBytes, bool refusesGuard = false)
    {
        ulong rounded = checked(sizeBytes + (pageBytes - 1)) & ~(pageBytes - 1);
        return refusesGuard && facts.GuardCanBeRefused ? rounded : checked(rounded + pageBytes);
    }

    /// <summary>The alignment of an ioremap of this size, which replaces whatever the caller asked for.</summary>
    /// <param name="facts">The version's facts.</param>
    /// <param name="sizeBytes">The size before the guard page.</param>
    /// <param name="pageBytes">The page size.</param>
    /// <param name="maxOrder">IOREMAP_MAX_ORDER: log2 of the largest alignment.</param>
    public static ulong IoremapAlignBytes(VmallocFacts facts, ulong sizeBytes, ulong pageBytes, int maxOrder) =>
        IoremapAlignBytes(facts.IoremapAlignment, sizeBytes, pageBytes, maxOrder);

    /// <summary>The alignment of an ioremap of this size by a rule.</summary>
    /// <param name="rule">How the kernel chooses.</param>
    /// <param name="sizeBytes">The size before the guard page.</param>
    /// <param name="pageBytes">The page size.</param>
    /// <param name="maxOrder">IOREMAP_MAX_ORDER: log2 of the largest alignment.</param>
    public static ulong IoremapAlignBytes(IoremapAlignment rule, ulong sizeBytes, ulong pageBytes, int maxOrder)
    {
        int pageShift = BitOperations.Log2(pageBytes);
        int order = rule switch
        {
            IoremapAlignment.None => 0,
            // fls() counts bits from one: a single page is aligned to two of them.
            IoremapAlignment.AboveSize => BitOperations.Log2(sizeBytes) + 1,
            IoremapAlignment.RoundedUpSize => BitOperations.Log2(BitOperations.RoundUpToPowerOf2(
                Align.Up(sizeBytes, pageBytes))),
        };
        return rule == IoremapAlignment.None ? 1 : 1UL << Math.Clamp(order, pageShift, Math.Max(pageShift, maxOrder));
    }

    /// <summary>Rounds size and alignment up where a request may use huge pages and is large enough.</summary>
    /// <param name="facts">The version's facts.</param>
    /// <param name="sizeBytes">Size before the guard page; rounded up to huge pages when the answer is true.</param>
    /// <param name="alignBytes">Alignment; raised to a huge page when the answer is true.</param>
    /// <param name="hugeBytes">The size of a huge page; 0 where the architecture or processor has none, or with nohugevmalloc.</param>
    /// <param name="callerAllows">VM_ALLOW_HUGE_VMAP; before 5.18, that the caller does not refuse.</param>
    /// <param name="onlineNodes">Online NUMA nodes.</param>
    public static bool TryMakeHuge(
        VmallocFacts facts, ref ulong sizeBytes, ref ulong alignBytes, ulong hugeBytes, bool callerAllows, int onlineNodes)
    {
        if (facts.HugeVmalloc == HugeVmalloc.Never || !callerAllows || hugeBytes == 0)
        {
            return false;
        }

        ulong compared = facts.HugeVmalloc == HugeVmalloc.WhenAllowed ? sizeBytes : sizeBytes / (ulong)Math.Max(1, onlineNodes);
        if (compared < hugeBytes)
        {
            return false;
        }

        sizeBytes = Align.Up(sizeBytes, hugeBytes);
        alignBytes = Math.Max(alignBytes, hugeBytes);
        return true;
    }

    /// <summary>The size of the second area that holds the page pointers of a vmalloc, or 0 when they fit a page.</summary>
    /// <param name="pages">Pages of the outer area, without guard.</param>
    /// <param name="wordBytes">4 or 8.</param>
    /// <param name="pageBytes">The page size.</param>
    public static ulong PageArrayBytes(ulong pages, int wordBytes, ulong pageBytes) =>
        pages * (ulong)wordBytes <= pageBytes ? 0 : pages * (ulong)wordBytes;

    /// <summary>The length of a vm_map_ram block in pages (VMAP_BBMAP_BITS).</summary>
    /// <param name="facts">The version's facts.</param>
    /// <param name="is64Bit">Whether <c>unsigned long</c> has 64 bits.</param>
    /// <param name="pageBytes">The page size.</param>
    /// <param name="cpusConfigured">NR_CPUS of the build.</param>
    /// <remarks>Source: mm/vmalloc.c, VMAP_BBMAP_BITS, 2.6.28 to 7.1. The vmalloc size in it is a fixed guess.</remarks>
    public static int VmapBlockPages(VmallocFacts facts, bool is64Bit, ulong pageBytes, int cpusConfigured)
    {
        int word = is64Bit ? 64 : 32;
        ulong guessedPages = (is64Bit ? 128 * Size.GiB : 128 * Size.MiB) / pageBytes;
        ulong cpus = (ulong)Math.Max(1, cpusConfigured);
        if (facts.VmapBlocksRoundProcessors)
        {
            cpus = BitOperations.RoundUpToPowerOf2(cpus);
        }

        return (int)Math.Min(1024UL, Math.Max(2UL * (ulong)word, guessedPages / cpus / 16));
    }
}
