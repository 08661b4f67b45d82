namespace VmScope.Kernels;

/// <summary>What a caller allows the page allocator: the flags that a failure message names.</summary>
[Flags]
public enum GfpWish
{
    /// <summary>GFP_KERNEL: may wait, write back and enter file systems.</summary>
    Kernel = 0,

    /// <summary>GFP_ATOMIC in place of GFP_KERNEL: must not wait.</summary>
    Atomic = 1,

    /// <summary>GFP_DMA: the zone old devices reach.</summary>
    Dma = 2,

    /// <summary>__GFP_HIGHMEM: high memory will do.</summary>
    HighMem = 4,

    /// <summary>GFP_DMA32: the zone 32-bit devices reach.</summary>
    Dma32 = 8,

    /// <summary>__GFP_ZERO: cleared pages.</summary>
    Zero = 16,
}

/// <summary>How the page allocator, and vmalloc through it, says that it failed.</summary>
public enum AllocationWarningForm
{
    /// <summary>"__alloc_pages: 0-order allocation failed (gfp=0x1f0/0)"; vmalloc has no text of its own.</summary>
    OrderFirst,

    /// <summary>"NAME: page allocation failure. order:0, mode:0xd0"; vmalloc has no text of its own.</summary>
    FullStop,

    /// <summary>vmalloc's text on a line of its own, then "NAME: page allocation failure: order:0, mode:0xd0".</summary>
    TextThenFailure,

    /// <summary>The same, the flags named behind the mode: "mode:0x24000c0(GFP_KERNEL)".</summary>
    TextThenFailureNamed,

    /// <summary>One line: "NAME: TEXT, mode:0x24000c0(GFP_KERNEL)".</summary>
    OneLine,

    /// <summary>", nodemask=(null)" behind it, and with cpusets a line "NAME cpuset=/ mems_allowed=0".</summary>
    WithNodes,

    /// <summary>One line again: ", nodemask=(null),cpuset=/,mems_allowed=0" behind it.</summary>
    WithNodesInLine,
}

/// <summary>The numbers of the flags, which moved often.</summary>
/// <param name="Kernel">GFP_KERNEL.</param>
/// <param name="Atomic">GFP_ATOMIC.</param>
/// <param name="Zero">__GFP_ZERO; 0 where there is none.</param>
public sealed record GfpValues(uint Kernel, uint Atomic, uint Zero);

/// <summary>How a kernel words a failed allocation.</summary>
/// <param name="Form">The shape.</param>
/// <param name="Values">The flags' numbers.</param>
public sealed record AllocationWarningFacts(AllocationWarningForm Form, GfpValues Values)
{
    /// <summary>The lines of a failure.</summary>
    /// <param name="text">What the caller says of it; null for the page allocator's own words.</param>
    /// <param name="order">log2 of the pages asked for.</param>
    /// <param name="wish">The flags passed.</param>
    /// <param name="task">The task that asked: at most 15 characters, as the kernel keeps names.</param>
    /// <param name="memsAllowed">The nodes the task may use, as the kernel lists them ("0-1"); null without cpusets.</param>
    public IEnumerable<string> Lines(string? text, int order, GfpWish wish, string task, string? memsAllowed)
    {
        string failure = $"page allocation failure: order:{order}";
        switch (Form)
        {
            case AllocationWarningForm.OrderFirst:
                return text is null ? [$"__alloc_pages: {order}-order allocation failed (gfp=0x{Mode(wish):x}/0)"] : [];
            case AllocationWarningForm.FullStop:
                return text is null ? [$"{task}: page allocation failure. order:{order}, mode:0x{Mode(wish):x}"] : [];
            case AllocationWarningForm.TextThenFailure:
                return [.. Own(text), $"{task}: {failure}, mode:0x{Mode(wish):x}"];
            case AllocationWarningForm.TextThenFailureNamed:
                return [.. Own(text), $"{task}: {failure}, mode:0x{Mode(wish):x}({Names(wish)})"];
            case AllocationWarningForm.OneLine:
                return [$"{task}: {text ?? failure}, mode:0x{Mode(wish):x}({Names(wish)})"];
            case AllocationWarningForm.WithNodes:
                string line = $"{task}: {text ?? failure}, mode:0x{Mode(wish):x}({Names(wish)}), nodemask=(null)";
                return memsAllowed is null ? [line] : [line, $"{task} cpuset=/ mems_allowed={memsAllowed}"];
            case AllocationWarningForm.WithNodesInLine:
                string cpusets = memsAllowed is null ? "" : $",cpuset=/,mems_allowed={memsAllowed}";
                return [$"{task}: {text ?? failure}, mode:0x{Mode(wish):x}({Names(wish)}), nodemask=(null){cpusets}"];
            default:
                throw new InvalidOperationException($"form {Form}");
        }
    }

    private static string[] Own(string? text) => text is null ? [] : [text];

    private uint Mode(GfpWish wish) =>
        (wish.HasFlag(GfpWish.Atomic) ? Values.Atomic : Values.Kernel)
        | (wish.HasFlag(GfpWish.Dma) ? 1U : 0) | (wish.HasFlag(GfpWish.HighMem) ? 2U : 0) | (wish.HasFlag(GfpWish.Dma32) ? 4U : 0)
        | (wish.HasFlag(GfpWish.Zero) ? Values.Zero : 0);

    private static string Names(GfpWish wish) =>
        (wish.HasFlag(GfpWish.Atomic) ? "GFP_ATOMIC" : "GFP_KERNEL")
        + (wish.HasFlag(GfpWish.Dma) ? "|GFP_DMA" : "") + (wish.HasFlag(GfpWish.HighMem) ? "|__GFP_HIGHMEM" : "")
        + (wish.HasFlag(GfpWish.Dma32) ? "|GFP_DMA32" : "") + (wish.HasFlag(GfpWish.Zero) ? "|__GFP_ZERO" : "");
}

/// <summary>The history of how failed allocations are worded.</summary>
public static class AllocationWarningTimelines
{
    /// <summary>The shape.</summary>
    public static Timeline<AllocationWarningForm> Form { get; } = new(
        new(new(2, 4), "mm/page_alloc.c, __alloc_pages(), 2.4.22; logs of 2.4", AllocationWarningForm.OrderFirst),
        new(new(2, 6), "mm/page_alloc.c, __alloc_pages(), 2.6.11; __alloc_pages_slowpath(), 2.6.32", AllocationWarningForm.FullStop),
        new(new(3, 0), "mm/page_alloc.c, warn_alloc_failed(), 3.0; logs of 3.2, 3.18 and 4.4", AllocationWarningForm.TextThenFailure),
        new(new(4, 6), "mm/page_alloc.c, warn_alloc_failed(), %pGg (a log of 4.4 has no names; 4.6 UNVERIFIED)", AllocationWarningForm.TextThenFailureNamed),
        new(new(4, 9), "mm/page_alloc.c, warn_alloc(), as the change of 4.11 found it; logs of 4.9", AllocationWarningForm.OneLine),
        new(new(4, 11), "mm/page_alloc.c, warn_alloc(), the change that prints the node mask; a log of 4.14", AllocationWarningForm.WithNodes),
        new(new(5, 0), "mm/page_alloc.c, warn_alloc(), kernel/cgroup/cpuset.c, cpuset_print_current_mems_allowed(), 5.10 to 7.2; a log of 5.4", AllocationWarningForm.WithNodesInLine));

    /// <summary>The flags' numbers.</summary>
    public static Timeline<GfpValues> Values { get; } = new(
        new(new(2, 4), "include/linux/mm.h, GFP_KERNEL, 2.4.22", new GfpValues(0x1f0, 0x20, 0)),
        new(new(2, 6), "include/linux/gfp.h, 2.6.11 (__GFP_ZERO 0x8000); logs of 3.2 and 3.10: 0xd0, 0xd2", new GfpValues(0xd0, 0x20, 0x8000)),
        new(new(4, 4), "include/linux/gfp.h, ___GFP_KSWAPD_RECLAIM; logs of 4.4 and 4.9: 0x24000c0, 0x2080020", new GfpValues(0x24000c0, 0x2080020, 0x8000)),
        new(new(4, 10), "include/linux/gfp.h, a log of 4.14: 0x14000c0 (since the flag of foreign nodes went: 4.10 UNVERIFIED)", new GfpValues(0x14000c0, 0x1080020, 0x8000)),
        new(new(4, 16), "UNVERIFIED: include/linux/gfp.h, 0x6000c0 in 4.19, 0x14000c0 in 4.14", new GfpValues(0x6000c0, 0x480020, 0x8000)),
        new(new(5, 0), "include/linux/gfp.h, 5.10 and 6.1; logs of 5.4: 0xcc0 (4.20 not read)", new GfpValues(0xcc0, 0xa20, 0x100)),
        new(new(6, 3), "include/linux/gfp_types.h, 6.12: ___GFP_UNUSED_BIT where __GFP_ATOMIC was in 6.1", new GfpValues(0xcc0, 0x820, 0x100)));

    /// <summary>How a kernel words a failed allocation.</summary>
    public static AllocationWarningFacts At(KernelVersion version) => new(Form.At(version), Values.At(version));
}
