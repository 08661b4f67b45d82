using VmScope.Physical;

namespace VmScope.Paging;

/// <summary>One CPU's memory management unit: the root it uses and the translations it remembers.</summary>
public sealed class Mmu
{
    private readonly PageTableWalker _walker;
    private readonly IWritablePhysicalMemory _memory;
    private readonly bool _hasNoExecute;

    /// <summary>Makes a unit that translates through the tables at a root.</summary>
    /// <param name="geometry">The shape of the tables.</param>
    /// <param name="memory">Where they lie.</param>
    /// <param name="root">The root table (CR3).</param>
    /// <param name="hasNoExecute">Whether the no-execute bit is in use (EFER.NXE): only then faults tell fetches from reads.</param>
    public Mmu(PagingGeometry geometry, IWritablePhysicalMemory memory, PhysicalAddress root, bool hasNoExecute)
    {
        _hasNoExecute = hasNoExecute;
        _walker = new PageTableWalker(geometry, memory);
        _memory = memory;
        Root = root;
        Tlb = new Tlb(geometry);
    }

    /// <summary>The translation cache.</summary>
    public Tlb Tlb { get; }

    /// <summary>Physical address of the root table (CR3).</summary>
    public PhysicalAddress Root { get; private set; }

    /// <summary>Switches to other tables; entries that are not global leave the cache.</summary>
    public void Load(PhysicalAddress root)
    {
        if (Root != root)
        {
            Root = root;
            Tlb.FlushForSwitch();
        }
    }

    /// <summary>Translates an address for an access of the kernel, through the cache, setting accessed and dirty bits.</summary>
    /// <returns>Null when the access is allowed, otherwise the fault.</returns>
    public PageFault? Translate(VirtualAddress address, AccessKind access, out PhysicalAddress physical) =>
        Translate(address, access, out physical, out _);

    /// <summary>As <see cref="Translate(VirtualAddress, AccessKind, out PhysicalAddress)"/>; also tells whether the cache knew.</summary>
    public PageFault? Translate(VirtualAddress address, AccessKind access, out PhysicalAddress physical, out bool fromTlb)
    {
        fromTlb = Tlb.TryFind(address, out Translation translation);
        if (fromTlb && !Forbids(translation, access) && !(access == AccessKind.Write && (translation.Entry & X86Entry.Dirty) == 0))
        {
            physical = translation.Of(address);
            return null;
        }

        fromTlb = false;
        physical = default;
        switch (_walker.Translate(Root, address, out translation))
        {
            case WalkEnd.NotCanonical:
                return Fault(address, access, FaultKind.NotCanonical);
            case WalkEnd.NotPresent or WalkEnd.TableUnreadable:
                return Fault(address, access, FaultKind.NotPresent);
        }

        if (Forbids(translation, access))
        {
            Tlb.FlushPage(address);
            return Fault(address, access, FaultKind.Protection);
        }

        ulong wanted = access == AccessKind.Write ? X86Entry.Accessed | X86Entry.Dirty : X86Entry.Accessed;
        if ((translation.Entry & wanted) != wanted)
        {
            MarkUsed(address, wanted);
            translation = translation with { Entry = translation.Entry | wanted };
        }

        Tlb.Add(address, translation);
        physical = translation.Of(address);
        return null;
    }

    private static bool Forbids(Translation translation, AccessKind access) => access switch
    {
        AccessKind.Read => false,
        AccessKind.Write => (translation.Rights & X86Entry.Writable) == 0,
        AccessKind.Fetch => (translation.Rights & X86Entry.NoExecute) != 0,
    };

    private PageFault Fault(VirtualAddress address, AccessKind access, FaultKind kind) =>
        new(address, access, kind, IsUser: false, _hasNoExecute, _walker.Walk(Root, address));

    /// <summary>Sets the accessed bit on every level and the dirty bit in the leaf, as the processor does while it walks.</summary>
    private void MarkUsed(VirtualAddress address, ulong leafBits)
    {
        PagingGeometry geometry = _walker.Geometry;
        foreach (WalkStep step in _walker.Walk(Root, address).Steps)
        {
            EntryFormat format = geometry.Levels[step.Level].Entry;
            ulong bits = format.IsLeaf(step.Entry) ? leafBits : X86Entry.Accessed;
            if (!ReferenceEquals(format, EntryFormats.PaeRoot) && (step.Entry & bits) != bits)
            {
                _memory.WriteWord(step.EntryAddress, geometry.EntryBytes, step.Entry | bits);
            }
        }
    }
}
