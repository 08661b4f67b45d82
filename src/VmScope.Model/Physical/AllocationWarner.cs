using VmScope.Kernels;

namespace VmScope.Physical;

/// <summary>Knows which task runs on each CPU, and words its failed allocations as the kernel does.</summary>
/// <remarks>
/// Every failure is worded: the kernel prints one in ten seconds and counts the rest. Source: mm/page_alloc.c,
/// warn_alloc().
/// </remarks>
/// <param name="facts">The kernel's words.</param>
/// <param name="task">The task that runs on every CPU until another is named.</param>
/// <param name="memsAllowed">The nodes tasks may use, as the kernel lists them; null without cpusets.</param>
public sealed class AllocationWarner(AllocationWarningFacts facts, string task, string? memsAllowed)
{
    /// <summary>The longest name a kernel keeps for a task.</summary>
    public const int NameCharsMax = 15;

    private readonly Dictionary<int, string> _tasks = [];

    /// <summary>The task on a CPU.</summary>
    public string TaskOn(int cpu) => _tasks.GetValueOrDefault(cpu) ?? Kept(task);

    /// <summary>Makes a task run on a CPU.</summary>
    public void Run(string name, int cpu) => _tasks[cpu] = Kept(name);

    /// <summary>The lines of a failure.</summary>
    /// <param name="text">What the caller says of it; null for the page allocator's own words.</param>
    /// <param name="order">log2 of the pages asked for.</param>
    /// <param name="wish">The flags passed.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    public IEnumerable<string> Lines(string? text, int order, GfpWish wish, int cpu) =>
        facts.Lines(text, order, wish, TaskOn(cpu), memsAllowed);

    private static string Kept(string name) => name.Length <= NameCharsMax ? name : name[..NameCharsMax];
}
