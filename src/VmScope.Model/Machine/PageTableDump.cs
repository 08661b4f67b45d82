using System.Globalization;
using System.Text;
using VmScope.Layout;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Machine;

/// <summary>Prints page tables as the kernel's debugfs file kernel_page_tables does on x86.</summary>
/// <remarks>
/// Runs of equal flags on one level are joined, holes are runs too, and a heading marks where a region begins. Source:
/// arch/x86/mm/dump_pagetables.c, 4.12 to 5.6.
/// </remarks>
public sealed class PageTableDump
{
    private const ulong Rights = X86Entry.User | X86Entry.Writable;
    private readonly BootedMachine _machine;
    private readonly PagingGeometry _geometry;
    private readonly List<(ulong Start, string Name)> _markers;
    private readonly StringBuilder _text = new();
    private readonly List<string> _names = ["cr3", "pgd", "p4d", "pud", "pmd", "pte"];
    private int _marker;
    private int _level;
    private ulong _flags;
    private ulong _effective;
    private ulong _start;

    private PageTableDump(BootedMachine machine)
    {
        (_machine, _geometry) = (machine, machine.Tables.Geometry);
        _markers = Markers(machine);
    }

    /// <summary>The whole dump of a root table.</summary>
    public static string Of(BootedMachine machine, PhysicalAddress root)
    {
        PageTableDump dump = new(machine);
        dump.Table(root, 0, 0, Rights);
        dump.Note(dump.Normal(dump._geometry.SignExtends ? 1UL << dump._geometry.VirtualBits : 0), 0, 0, 0);
        return dump._text.ToString();
    }

    private void Table(PhysicalAddress table, int l, ulong start, ulong inherited)
    {
        PagingLevel level = _geometry.Levels[l];
        for (int i = 0; i < level.EntryCount; i++)
        {
            ulong at = start + ((ulong)i << level.Shift);
            PhysicalAddress where = new(table.Value + (ulong)(i * _geometry.EntryBytes));
            if (!_machine.Memory.TryReadWord(where, _geometry.EntryBytes, out ulong entry) || (entry & X86Entry.Present) == 0)
            {
                Note(Normal(at), 0, 0, LevelOf(level));
                continue;
            }

            ulong flags = level.Entry.FlagsOf(entry);
            bool isPaeRoot = _geometry.EntryBytes == 8 && level.IndexBits == 2;
            ulong effective = isPaeRoot
                ? Rights
                : (inherited & flags & Rights) | ((inherited | flags) & X86Entry.NoExecute);
            if (level.Entry.IsLeaf(entry))
            {
                Note(Normal(at), flags, effective, LevelOf(level));
            }
            else
            {
                Table(level.Entry.TableAddress(entry), l + 1, at, effective);
            }
        }
    }

    private void Note(ulong address, ulong flags, ulong effective, int level)
    {
        if (_level == 0)
        {
            (_flags, _effective, _level) = (flags, effective, level);
            Heading();
            return;
        }

        bool newRegion = _marker + 1 < _markers.Count && address >= _markers[_marker + 1].Start;
        if (flags == _flags && effective == _effective && level == _level && !newRegion)
        {
            return;
        }

        Line(address);
        if (newRegion)
        {
            _marker++;
            Heading();
        }

        (_start, _flags, _effective, _level) = (address, flags, effective, level);
    }

    private void Heading() => _text.Append(CultureInfo.InvariantCulture, $"---[ {_markers[_marker].Name} ]---\n");

    private void Line(ulong end)
    {
        string digits = _machine.Is64Bit ? "x16" : "x8";
        ulong size = unchecked(end - _start) & (_machine.Is64Bit ? ulong.MaxValue : uint.MaxValue);
        int unit = 0;
        while ((size & 1023) == 0 && unit < 6)
        {
            size >>= 10;
            unit++;
        }

        _text.Append(CultureInfo.InvariantCulture, $"0x{_start.ToString(digits, CultureInfo.InvariantCulture)}-0x{end.ToString(digits, CultureInfo.InvariantCulture)}   ")
            .Append(size.ToString(CultureInfo.InvariantCulture).PadLeft(9)).Append("BKMGTPE"[unit]).Append(' ');
        if ((_flags & X86Entry.Present) == 0)
        {
            _text.Append(' ', 30);
        }
        else
        {
            bool large = _level <= 4;
            Word(X86Entry.User, "USR ");
            _text.Append((_flags & X86Entry.Writable) != 0 ? "RW " : "ro ");
            Word(X86Entry.WriteThrough, "PWT ");
            Word(X86Entry.CacheDisable, "PCD ");
            _text.Append(large && (_flags & X86Entry.LargePage) != 0 ? "PSE " : "    ");
            _text.Append((_flags & (large ? 1UL << 12 : 1UL << 7)) != 0 ? "PAT " : "    ");
            Word(X86Entry.Global, "GLB ");
            _text.Append((_flags & X86Entry.NoExecute) != 0 ? "NX " : "x  ");
        }

        _text.Append(_names[_level]).Append('\n');

        void Word(ulong bit, string word) => _text.Append((_flags & bit) != 0 ? word : "    ");
    }

    private int LevelOf(PagingLevel level) => _names.IndexOf(level.Name);

    private ulong Normal(ulong address) => _geometry.Address(address).Value & (_machine.Is64Bit ? ulong.MaxValue : uint.MaxValue);

    private static List<(ulong Start, string Name)> Markers(BootedMachine machine)
    {
        List<(ulong Start, string Name)> markers = [(0, "User Space")];
        if (machine.Is64Bit)
        {
            markers.Add((1UL << 63, "Kernel Space"));
        }

        foreach (Region region in machine.Layout.Regions.OrderBy(region => region.Range.Start.Value))
        {
            string? name = (region.Kind, machine.Is64Bit) switch
            {
                (RegionKind.DirectMap, false) => "Kernel Mapping",
                (RegionKind.DirectMap, true) => "Low Kernel Mapping",
                (RegionKind.Vmalloc, _) => "vmalloc() Area",
                (RegionKind.Pkmap, _) => "Persistent kmap() Area",
                (RegionKind.Ldt, _) => "LDT remap",
                (RegionKind.CpuEntryArea, false) => "CPU entry area",
                (RegionKind.CpuEntryArea, true) => "CPU entry Area",
                (RegionKind.PageArray, true) => "Vmemmap",
                (RegionKind.KernelImage, true) when region.Inside is null => "High Kernel Mapping",
                (RegionKind.Modules, true) when region.Inside is null => "Modules",
                (RegionKind.Fixmap, false) when region.Name == "fixmap" => "Fixmap area",
                (RegionKind.Fixmap, true) when region.Name == "fixmap" => "Fixmap Area",
                _ => null,
            };
            if (name is not null)
            {
                markers.Add((region.Range.Start.Value, name));
                if (name == "Modules")
                {
                    markers.Add((region.Range.EndExclusive.Value, "End Modules"));
                }

                if (region.Kind == RegionKind.Vmalloc && !machine.Is64Bit)
                {
                    markers.Add((region.Range.EndExclusive.Value, "vmalloc() End"));
                }
            }
        }

        return [.. markers.OrderBy(marker => marker.Start)];
    }
}
