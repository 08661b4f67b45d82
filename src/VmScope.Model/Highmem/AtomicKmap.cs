using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Paging;

namespace VmScope.Highmem;

/// <summary>A mapping held by a task or CPU.</summary>
/// <param name="Slot">Index of the slot in the fixmap block (KM_TYPE_NR * cpu included).</param>
/// <param name="Address">Its address.</param>
/// <param name="Page">The page; null for a page that the direct map answered and that only takes its turn in the stack.</param>
public sealed record AtomicMapping(int Slot, VirtualAddress Address, PageFrameNumber? Page);

/// <summary>What kmap_atomic or kmap_local answered.</summary>
public abstract record AtomicKmapAnswer
{
    private AtomicKmapAnswer()
    {
    }

    /// <summary>The page has an address now.</summary>
    /// <param name="Mapping">The mapping.</param>
    /// <param name="Replaced">The page that lost the slot; null when it was free.</param>
    public sealed record Mapped(AtomicMapping Mapping, PageFrameNumber? Replaced) : AtomicKmapAnswer;

    /// <summary>The kernel stops with BUG.</summary>
    /// <param name="Reason">Why.</param>
    public sealed record Bug(string Reason) : AtomicKmapAnswer;
}

/// <summary>Temporary mappings of high memory: slots of the fixmap, some for each CPU.</summary>
/// <remarks>
/// Higher slots lie at lower addresses. Source: include/asm-i386/highmem.h, 2.4.22; arch/x86/mm/highmem_32.c, 2.6.37;
/// mm/highmem.c, __kmap_local_pfn_prot(), kmap_local_sched_out(), 5.11 to 6.12.
/// </remarks>
public sealed class AtomicKmap
{
    private readonly KernelPageTables _tables;
    private readonly VirtualAddress _first;
    private readonly Dictionary<int, List<AtomicMapping>> _cpuStacks = [];
    private readonly Dictionary<string, List<AtomicMapping>> _taskStacks = new(StringComparer.Ordinal);
    private readonly string?[] _current;

    /// <summary>Makes the slots, all empty.</summary>
    /// <param name="facts">This kernel's way.</param>
    /// <param name="tables">The kernel's page tables.</param>
    /// <param name="first">The address of slot 0 of CPU 0 (FIX_KMAP_BEGIN).</param>
    public AtomicKmap(HighmemFacts facts, KernelPageTables tables, VirtualAddress first)
    {
        (Facts, _tables, _first) = (facts, tables, first);
        _current = new string?[tables.Cpus.Length];
        for (int cpu = 0; cpu < _current.Length; cpu++)
        {
            _current[cpu] = $"task{cpu}";
        }
    }

    /// <summary>This kernel's way.</summary>
    public HighmemFacts Facts { get; }

    /// <summary>The task that runs on each CPU.</summary>
    public ImmutableArray<string> Running => [.. _current.Select(task => task!)];

    /// <summary>Maps a page of high memory in the slot of a type (up to 2.6.36).</summary>
    /// <param name="page">The page.</param>
    /// <param name="type">Index of the type.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public AtomicKmapAnswer MapType(PageFrameNumber page, int type, int cpu, ActionLog? log = null)
    {
        int slot = type + (Facts.SlotsPerCpu * cpu);
        VirtualAddress address = AddressOf(slot);
        log?.Step($"slot {slot} = {type} ({Facts.SlotTypes[type]}) + {Facts.SlotsPerCpu} * CPU {cpu}, at {address}");
        PageFrameNumber? replaced = PageIn(slot);
        if (replaced is { } old)
        {
            if (Facts.BusySlot == BusySlotRule.Bug)
            {
                return new AtomicKmapAnswer.Bug($"slot {slot} still maps frame 0x{old.Value:x}: its entry is not empty");
            }

            log?.Step($"the slot still maps frame 0x{old.Value:x}; nothing checks, the entry is overwritten");
        }

        Set(slot, page, log);
        if (Facts.FlushesOnMap)
        {
            _tables.FlushPage(address, cpu, "the slot's old translation may be in this CPU's TLB", log);
        }

        return new AtomicKmapAnswer.Mapped(new AtomicMapping(slot, address, page), replaced);
    }

    /// <summary>Gives the slot of a type back. Where mapping flushes and nothing checks, the entry is left as it is.</summary>
    public void UnmapType(int type, int cpu, ActionLog? log = null)
    {
        int slot = type + (Facts.SlotsPerCpu * cpu);
        // A kernel that stops at a busy entry must empty it, or the next mapping of this type would stop it.
        if (Facts.FlushesOnMap && Facts.BusySlot == BusySlotRule.Overwrites)
        {
            log?.Step($"slot {slot} keeps its entry: the next mapping will overwrite and flush it");
        }
        else
        {
            Clear(slot, cpu, log);
        }
    }

    /// <summary>Maps a page in the next slot of the CPU's or the running task's stack (2.6.37 on).</summary>
    /// <param name="page">The page, of high memory.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    public AtomicKmapAnswer Push(PageFrameNumber page, int cpu, ActionLog? log = null)
    {
        List<AtomicMapping> stack = StackOf(cpu);
        int depth = stack.Count;
        int index = Facts.AtomicRule == AtomicKmapRule.TaskStack ? ((depth + 1) * Facts.SlotStep) - 1 : depth * Facts.SlotStep;
        string owner = Facts.AtomicRule == AtomicKmapRule.TaskStack ? $"task {_current[cpu]}" : $"CPU {cpu}";
        if (index + 1 > Facts.SlotsPerCpu - (Facts.AtomicRule == AtomicKmapRule.TaskStack ? 1 : 0))
        {
            return new AtomicKmapAnswer.Bug($"{owner} holds {depth} mappings, the most that {Facts.SlotsPerCpu} slots allow"
                + (Facts.AtomicRule == AtomicKmapRule.CpuStack ? " (without DEBUG_HIGHMEM nothing checks, and the next slot is another CPU's)" : ""));
        }

        int slot = index + (Facts.SlotsPerCpu * cpu);
        AtomicMapping mapping = new(slot, AddressOf(slot), page);
        log?.Step($"{owner} holds {depth} mappings: slot {slot} = {index} + {Facts.SlotsPerCpu} * CPU {cpu}, at {mapping.Address}");
        Set(slot, page, log);
        stack.Add(mapping);
        return new AtomicKmapAnswer.Mapped(mapping, Replaced: null);
    }

    /// <summary>Gives the newest mapping of the CPU or the running task back.</summary>
    /// <param name="address">The address the caller passes.</param>
    /// <param name="cpu">The CPU that runs the caller.</param>
    /// <param name="log">Receives what happened.</param>
    /// <returns>Null when all is well; otherwise what the kernel complains about. The newest slot goes all the same.</returns>
    public string? Pop(VirtualAddress address, int cpu, ActionLog? log = null)
    {
        List<AtomicMapping> stack = StackOf(cpu);
        string complainer = Facts.AtomicRule == AtomicKmapRule.TaskStack ? "the kernel" : "a kernel with DEBUG_HIGHMEM";
        if (stack.Count == 0)
        {
            return $"no mapping is held: {complainer} stops with BUG";
        }

        AtomicMapping newest = stack[^1];
        stack.RemoveAt(stack.Count - 1);
        Clear(newest.Slot, cpu, log);
        ulong pageMask = ~(_tables.Geometry.PageSize.Bytes - 1);
        return (address.Value & pageMask) == newest.Address.Value
            ? null
            : $"unmapped out of order: {address} was given, {newest.Address} is the newest; {complainer} warns, and the newest slot goes";
    }

    /// <summary>Whether an address lies in a slot of some CPU; the kernel leaves all others alone.</summary>
    public bool IsSlot(VirtualAddress address) =>
        address >= AddressOf((Facts.SlotsPerCpu * _current.Length) - 1)
        && address.Value < _first.Value + _tables.Geometry.PageSize.Bytes;

    /// <summary>Makes another task run on a CPU: its predecessor's mappings leave, its own come back (5.11 on).</summary>
    /// <exception cref="InvalidOperationException">The task holds mappings of another CPU, to which it is bound.</exception>
    public void SwitchTo(string task, int cpu, ActionLog? log = null)
    {
        string before = _current[cpu]!;
        if (string.Equals(before, task, StringComparison.Ordinal))
        {
            return;
        }

        if (Facts.AtomicRule == AtomicKmapRule.TaskStack)
        {
            List<AtomicMapping> coming = TaskStack(task);
            foreach (AtomicMapping mapping in coming)
            {
                if (mapping.Slot / Facts.SlotsPerCpu != cpu)
                {
                    throw new InvalidOperationException($"task {task} holds kmap_local mappings on CPU {mapping.Slot / Facts.SlotsPerCpu} and cannot run on CPU {cpu}");
                }
            }

            List<AtomicMapping> leaving = TaskStack(before);
            for (int i = leaving.Count - 1; i >= 0; i--)
            {
                Clear(leaving[i].Slot, cpu, log);
            }

            foreach (AtomicMapping mapping in coming)
            {
                Set(mapping.Slot, mapping.Page!.Value, log);
            }

            log?.Step($"{before} leaves CPU {cpu} ({leaving.Count} slots cleared), {task} runs ({coming.Count} slots set again at the same addresses)");
        }
        else
        {
            log?.Step($"{before} leaves CPU {cpu}, {task} runs; atomic mappings belong to the CPU and stay");
        }

        _current[cpu] = task;
    }

    /// <summary>Mappings held on a CPU's stack, or by the task that runs there.</summary>
    public IReadOnlyList<AtomicMapping> HeldOn(int cpu) => StackOf(cpu);

    /// <summary>Every slot that maps something, by index.</summary>
    public IEnumerable<AtomicMapping> Slots()
    {
        for (int slot = 0; slot < Facts.SlotsPerCpu * _current.Length; slot++)
        {
            if (PageIn(slot) is { } page)
            {
                yield return new AtomicMapping(slot, AddressOf(slot), page);
            }
        }
    }

    /// <summary>The index of a type by its name (with or without KM_); null when this kernel has no such type.</summary>
    public int? TypeOf(string name)
    {
        string plain = name.StartsWith("KM_", StringComparison.OrdinalIgnoreCase) ? name[3..] : name;
        int index = Facts.SlotTypes.IndexOf(plain.ToUpperInvariant());
        // With fences the types stand at every second index, behind their fence.
        return index < 0 ? null : Facts.SlotStep == 2 ? (2 * index) + 1 : index;
    }

    private VirtualAddress AddressOf(int slot) => new(_first.Value - ((ulong)slot << _tables.Geometry.PageSize.Shift));

    private List<AtomicMapping> StackOf(int cpu) =>
        Facts.AtomicRule == AtomicKmapRule.TaskStack
            ? TaskStack(_current[cpu]!)
            : _cpuStacks.TryGetValue(cpu, out List<AtomicMapping>? stack) ? stack : _cpuStacks[cpu] = [];

    private List<AtomicMapping> TaskStack(string task) =>
        _taskStacks.TryGetValue(task, out List<AtomicMapping>? stack) ? stack : _taskStacks[task] = [];

    private PageFrameNumber? PageIn(int slot) =>
        _tables.Walker.Translate(_tables.Root, AddressOf(slot), out Translation translation) == WalkEnd.Mapped
            ? new PageFrameNumber(translation.Page.Value >> _tables.Geometry.PageSize.Shift)
            : null;

    private void Set(int slot, PageFrameNumber page, ActionLog? log) =>
        _tables.Mapper.TryMap(_tables.Root, AddressOf(slot), page.StartAddress(_tables.Geometry.PageSize), _tables.PageLevel, _tables.Flags.Data, log?.Entries);

    private void Clear(int slot, int cpu, ActionLog? log)
    {
        VirtualAddress address = AddressOf(slot);
        _tables.Mapper.Unmap(_tables.Root, new VirtualRange(address, _tables.Geometry.PageSize.Bytes), log?.Entries);
        _tables.FlushPage(address, cpu, $"slot {slot} was cleared", log);
    }
}
