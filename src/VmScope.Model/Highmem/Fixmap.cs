using VmScope.Paging;

namespace VmScope.Highmem;

/// <summary>Compile-time addresses that can be pointed at any physical page; a higher index lies at a lower address.</summary>
/// <remarks>Source: arch/i386/mm/pgtable.c, __set_fixmap(), 2.6.11; arch/x86/mm/pgtable.c, 6.12.</remarks>
/// <param name="tables">The kernel's page tables.</param>
/// <param name="top">FIXADDR_TOP: the address of index 0.</param>
/// <param name="count">Indices (__end_of_fixed_addresses).</param>
public sealed class Fixmap(KernelPageTables tables, VirtualAddress top, int count)
{
    /// <summary>Indices there are.</summary>
    public int Count => count;

    /// <summary>The address of an index.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such index (the kernel stops with BUG).</exception>
    public VirtualAddress AddressOf(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
        return new VirtualAddress(top.Value - ((ulong)index << tables.Geometry.PageSize.Shift));
    }

    /// <summary>The index an address belongs to.</summary>
    public int IndexOf(VirtualAddress address) =>
        (int)((top.Value - Align.Down(address.Value, tables.Geometry.PageSize.Bytes)) >> tables.Geometry.PageSize.Shift);

    /// <summary>Points an index at a physical page.</summary>
    /// <returns>The address.</returns>
    public VirtualAddress Set(int index, PhysicalAddress page, ulong flags, ActionLog? log = null)
    {
        VirtualAddress address = AddressOf(index);
        tables.Mapper.TryMap(tables.Root, address, new PhysicalAddress(Align.Down(page.Value, tables.Geometry.PageSize.Bytes)), tables.PageLevel, flags, log?.Entries);
        tables.FlushPage(address, cpu: null, $"fixmap index {index} changed", log);
        return address;
    }

    /// <summary>Points an index at nothing.</summary>
    public void Clear(int index, ActionLog? log = null)
    {
        VirtualAddress address = AddressOf(index);
        tables.Mapper.Unmap(tables.Root, new VirtualRange(address, tables.Geometry.PageSize.Bytes), log?.Entries);
        tables.FlushPage(address, cpu: null, $"fixmap index {index} cleared", log);
    }
}
