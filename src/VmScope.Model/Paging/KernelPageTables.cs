using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Physical;

namespace VmScope.Paging;

/// <summary>Flag values of the kernel's own mappings, after what the processor and the kernel support.</summary>
/// <param name="Data">PAGE_KERNEL: vmalloc, the direct map, kmap.</param>
/// <param name="Text">PAGE_KERNEL_EXEC: modules.</param>
/// <param name="Device">PAGE_KERNEL_NOCACHE: devices in the fixmap.</param>
/// <param name="Ioremap">What ioremap maps with.</param>
/// <param name="EarlyIoremap">What early_ioremap maps with: cached, because tables of the firmware are read through it.</param>
/// <param name="ReadOnly">PAGE_KERNEL_RO.</param>
/// <param name="ReadOnlyText">PAGE_KERNEL_ROX: the kernel's text.</param>
/// <param name="DirectMap">The direct map, which older kernels leave executable.</param>
public readonly record struct KernelPageFlags(
    ulong Data, ulong Text, ulong Device, ulong Ioremap, ulong EarlyIoremap, ulong ReadOnly, ulong ReadOnlyText, ulong DirectMap)
{
    /// <summary>Works the values out.</summary>
    /// <param name="facts">What the kernel does.</param>
    /// <param name="hasGlobal">Whether the processor has global pages and page table isolation does not forbid them.</param>
    /// <param name="hasNoExecute">Whether the processor has the no-execute bit and the entries have room for it.</param>
    /// <param name="is64Bit">Whether it is a 64-bit kernel.</param>
    public static KernelPageFlags For(PagingFacts facts, bool hasGlobal, bool hasNoExecute, bool is64Bit)
    {
        ulong common = X86Entry.Present | X86Entry.Accessed | X86Entry.Dirty | (hasGlobal ? X86Entry.Global : 0);
        ulong noExecute = hasNoExecute && facts.SupportsNoExecute ? X86Entry.NoExecute : 0;
        ulong writable = common | X86Entry.Writable;
        ulong device = facts.IoremapStartsFromPageKernel ? writable | noExecute
            : is64Bit ? writable
            : writable & ~X86Entry.Global;
        return new KernelPageFlags(
            writable | noExecute,
            writable,
            writable | noExecute | facts.NocacheBits | facts.IoMappingBit,
            device | facts.IoremapBits | facts.IoMappingBit,
            writable | noExecute | facts.IoMappingBit,
            common | noExecute,
            common,
            writable | (facts.DirectMapNoExecute ? noExecute : 0));
    }
}

/// <summary>The kernel's half of the address space: its root table, the CPUs that look through it, and flushes.</summary>
public sealed class KernelPageTables
{
    private readonly PagingFacts _facts;

    /// <summary>Makes the tables around an existing, empty root.</summary>
    public KernelPageTables(PagingFacts facts, PagingGeometry geometry, IWritablePhysicalMemory memory, PhysicalAddress root,
        KernelPageFlags flags, int cpus, Func<int, PageFrameNumber?> allocateTable)
    {
        (_facts, Geometry, Memory, Root, Flags) = (facts, geometry, memory, root, flags);
        Mapper = new PageTableMapper(geometry, memory, allocateTable);
        Walker = new PageTableWalker(geometry, memory);
        ImmutableArray<Mmu>.Builder units = ImmutableArray.CreateBuilder<Mmu>(cpus);
        for (int i = 0; i < cpus; i++)
        {
            units.Add(new Mmu(geometry, memory, root, (flags.Data & X86Entry.NoExecute) != 0));
        }

        Cpus = units.MoveToImmutable();
    }

    /// <summary>The shape of the tables.</summary>
    public PagingGeometry Geometry { get; }

    /// <summary>Where they lie.</summary>
    public IWritablePhysicalMemory Memory { get; }

    /// <summary>Physical address of swapper_pg_dir, the kernel's own root table.</summary>
    public PhysicalAddress Root { get; }

    /// <summary>Flag values of kernel mappings.</summary>
    public KernelPageFlags Flags { get; }

    /// <summary>Writes entries.</summary>
    public PageTableMapper Mapper { get; }

    /// <summary>Reads them.</summary>
    public PageTableWalker Walker { get; }

    /// <summary>Each CPU's view.</summary>
    public ImmutableArray<Mmu> Cpus { get; }

    /// <summary>The level of ordinary pages.</summary>
    public int PageLevel => Geometry.Levels.Length - 1;

    /// <summary>Drops a range of kernel addresses on every CPU, the way this kernel does it.</summary>
    public void FlushRange(VirtualRange range, string why, ActionLog? log)
    {
        if (range.SizeBytes / Geometry.PageSize.Bytes > (ulong)_facts.RangeFlushPagesMax)
        {
            FlushAll(why, log);
            return;
        }

        foreach (Mmu cpu in Cpus)
        {
            cpu.Tlb.FlushRange(range);
        }

        log?.Flushes.Add(new TlbFlush(FlushScope.Range, range, Cpu: null, why));
    }

    /// <summary>Drops everything on every CPU.</summary>
    public void FlushAll(string why, ActionLog? log)
    {
        foreach (Mmu cpu in Cpus)
        {
            cpu.Tlb.FlushAll();
        }

        log?.Flushes.Add(new TlbFlush(FlushScope.All, Range: null, Cpu: null, why));
    }

    /// <summary>Drops one page on one CPU, or on all when none is named.</summary>
    public void FlushPage(VirtualAddress address, int? cpu, string why, ActionLog? log)
    {
        for (int i = 0; i < Cpus.Length; i++)
        {
            if (cpu is null || cpu == i)
            {
                Cpus[i].Tlb.FlushPage(address);
            }
        }

        log?.Flushes.Add(new TlbFlush(FlushScope.Page, new VirtualRange(address, Geometry.PageSize.Bytes), cpu, why));
    }
}
