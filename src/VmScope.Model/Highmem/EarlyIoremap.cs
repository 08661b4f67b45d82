using VmScope.Kernels;
using VmScope.Paging;

namespace VmScope.Highmem;

/// <summary>What early_ioremap answered.</summary>
/// <param name="Address">The address; null when it was refused.</param>
/// <param name="Slot">The slot used.</param>
/// <param name="Complaint">What the kernel warns about when it refuses.</param>
public sealed record EarlyIoremapAnswer(VirtualAddress? Address, int Slot, string? Complaint);

/// <summary>Boot-time mappings of devices and tables before vmalloc works: a few slots of the fixmap.</summary>
/// <remarks>Source: mm/early_ioremap.c, __early_ioremap(), early_iounmap(), 6.12; arch/x86/mm/ioremap.c, 2.6.32.</remarks>
public sealed class EarlyIoremap
{
    private readonly HighmemFacts _facts;
    private readonly Fixmap _fixmap;
    private readonly KernelPageTables _tables;
    private readonly int _beginIndex;
    private readonly (VirtualAddress Address, ulong SizeBytes)?[] _slots;

    /// <summary>Makes the slots, all free.</summary>
    /// <param name="facts">This kernel's way.</param>
    /// <param name="fixmap">The fixmap that holds them.</param>
    /// <param name="tables">The kernel's page tables.</param>
    /// <param name="beginIndex">FIX_BTMAP_BEGIN: the highest index of the block, at its lowest address.</param>
    public EarlyIoremap(HighmemFacts facts, Fixmap fixmap, KernelPageTables tables, int beginIndex)
    {
        (_facts, _fixmap, _tables, _beginIndex) = (facts, fixmap, tables, beginIndex);
        _slots = new (VirtualAddress, ulong)?[facts.EarlySlots];
    }

    /// <summary>Slots in use.</summary>
    public int Used => _slots.Count(slot => slot is not null);

    /// <summary>Slots there are.</summary>
    public int SlotCount => _slots.Length;

    /// <summary>Maps physical addresses in the lowest free slot.</summary>
    public EarlyIoremapAnswer Map(PhysicalAddress start, ulong sizeBytes, ActionLog? log = null)
    {
        ulong pageBytes = _tables.Geometry.PageSize.Bytes;
        int slot = Array.FindIndex(_slots, candidate => candidate is null);
        if (slot < 0)
        {
            return new EarlyIoremapAnswer(Address: null, -1, $"early_ioremap({start.Value:x8}, {sizeBytes:x8}) not found slot");
        }

        if (sizeBytes == 0 || start.Value + sizeBytes - 1 < start.Value)
        {
            return new EarlyIoremapAnswer(Address: null, slot, "the size is 0 or wraps around");
        }

        ulong offset = start.Value & (pageBytes - 1);
        ulong pages = (Align.Up(offset + sizeBytes, pageBytes)) / pageBytes;
        if (pages > (ulong)_facts.EarlySlotPages)
        {
            return new EarlyIoremapAnswer(Address: null, slot, $"{pages} pages; a slot has {_facts.EarlySlotPages}");
        }

        // Indices fall while pages, and addresses, rise.
        int index = _beginIndex - (_facts.EarlySlotPages * slot);
        VirtualAddress first = _fixmap.AddressOf(index);
        for (ulong i = 0; i < pages; i++)
        {
            _fixmap.Set(index - (int)i, new PhysicalAddress(Align.Down(start.Value, pageBytes) + (i * pageBytes)), _tables.Flags.EarlyIoremap, log);
        }

        VirtualAddress address = new(first.Value + offset);
        _slots[slot] = (address, sizeBytes);
        log?.Step($"slot {slot}, the lowest free one, begins at index {index}, {first}");
        return new EarlyIoremapAnswer(address, slot, Complaint: null);
    }

    /// <summary>Gives a mapping back.</summary>
    /// <returns>Null when all is well; otherwise what the kernel warns about.</returns>
    public string? Unmap(VirtualAddress address, ulong sizeBytes, ActionLog? log = null)
    {
        int slot = Array.FindIndex(_slots, candidate => candidate is { } used && used.Address == address);
        if (slot < 0)
        {
            return $"early_iounmap({address}, {sizeBytes:x8}) not found slot";
        }

        if (_slots[slot]!.Value.SizeBytes != sizeBytes)
        {
            return $"early_iounmap({address}, {sizeBytes:x8}) [{slot}] size not consistent {_slots[slot]!.Value.SizeBytes:x8}";
        }

        ulong pageBytes = _tables.Geometry.PageSize.Bytes;
        ulong pages = Align.Up((address.Value & (pageBytes - 1)) + sizeBytes, pageBytes) / pageBytes;
        int index = _beginIndex - (_facts.EarlySlotPages * slot);
        for (ulong i = 0; i < pages; i++)
        {
            _fixmap.Clear(index - (int)i, log);
        }

        _slots[slot] = null;
        return null;
    }
}
