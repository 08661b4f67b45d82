using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Machine;

/// <summary>Prints x86 page tables as the kernel's own file under /sys/kernel/debug does.</summary>
/// <remarks>
/// Runs of equal entries on one level are one line, holes are runs too, and a heading marks where a region begins. The
/// kernel goes from entry to entry and at most one heading is due at each: where several regions begin inside one entry,
/// the headings follow late, each behind one more line. Source: arch/x86/mm/dump_pagetables.c, note_page(), 2.6.32 to 6.12;
/// mm/ptdump.c, ptdump_walk_pgd(), 6.1.
/// </remarks>
public sealed class PageTableDump
{
    private const ulong Rights = X86Entry.User | X86Entry.Writable;
    private const int NotBegun = -2;
    private const int Flush = -1;

    /// <summary>The kernel's levels: folded ones are counted where they would be.</summary>
    private static readonly ImmutableArray<string> Names = ["pgd", "p4d", "pud", "pmd", "pte"];

    private static readonly int PageMiddle = Names.IndexOf("pmd");
    private static readonly int PageEntry = Names.IndexOf("pte");

    private readonly IPhysicalMemory _memory;
    private readonly PagingGeometry _geometry;
    private readonly PageTableDumpFacts _facts;
    private readonly ImmutableArray<(ulong Start, string Name, int LinesMax)> _markers;
    private readonly StringBuilder _text = new();
    private readonly ulong[] _lastOfLevel = new ulong[5];
    private readonly ulong _addressMask;
    private int _marker;
    private int _lines;
    private int _level = NotBegun;
    private ulong _flags;
    private ulong _effective;
    private ulong _start;

    private PageTableDump(IPhysicalMemory memory, PagingGeometry geometry, PageTableDumpFacts facts,
        ImmutableArray<(ulong Start, string Name, int LinesMax)> markers)
    {
        (_memory, _geometry, _facts, _markers) = (memory, geometry, facts, markers);
        _addressMask = geometry.SignExtends ? ulong.MaxValue : uint.MaxValue;
    }

    /// <summary>The whole dump of a root table, as the machine's kernel prints it.</summary>
    public static string Of(BootedMachine machine, PhysicalAddress root)
    {
        PageTableDumpFacts facts = PageTableDumpTimelines.At(machine.Description.Kernel);
        return Of(machine.Memory, machine.Tables.Geometry, facts, MarkersOf(machine.Layout, facts, machine.Is64Bit), root);
    }

    /// <summary>The dump of tables in any physical memory.</summary>
    /// <param name="memory">Where they lie.</param>
    /// <param name="geometry">Their shape.</param>
    /// <param name="facts">How the kernel prints.</param>
    /// <param name="markers">Its headings, in its order.</param>
    /// <param name="root">The root table.</param>
    internal static string Of(IPhysicalMemory memory, PagingGeometry geometry, PageTableDumpFacts facts,
        ImmutableArray<(ulong Start, string Name, int LinesMax)> markers, PhysicalAddress root)
    {
        PageTableDump dump = new(memory, geometry, facts, markers);
        dump.Table(root, 0, 0, Rights);
        dump.Note(0, 0, 0, Flush);
        return dump._text.ToString();
    }

    /// <summary>Where a layout's headings begin; a heading whose place the layout does not have is left out.</summary>
    internal static ImmutableArray<(ulong Start, string Name, int LinesMax)> MarkersOf(KernelLayout layout, PageTableDumpFacts facts, bool is64Bit)
    {
        ulong? StartOf(string name) => layout.FindRegion(name)?.Range.Start.Value;
        ulong? EndOf(string name) => layout.FindRegion(name)?.Range.EndExclusive.Value;
        ulong? Of(DumpPlace place) => place switch
        {
            DumpPlace.User => 0,
            DumpPlace.Kernel => is64Bit ? 1UL << 63 : layout.PageOffset.Value,
            DumpPlace.Ldt => StartOf("ldt-remap"),
            DumpPlace.DirectMap => layout.PageOffset.Value,
            DumpPlace.Vmalloc => layout.Vmalloc.Start.Value,
            // The name stands for the last byte on x86-64, but only i386 prints it.
            DumpPlace.VmallocEnd => layout.Vmalloc.EndExclusive.Value,
            DumpPlace.PageArray => StartOf("vmemmap"),
            DumpPlace.KasanShadow => StartOf("kasan-shadow"),
            DumpPlace.KasanShadowEnd => EndOf("kasan-shadow"),
            DumpPlace.CpuEntryArea => StartOf("cpu-entry-area"),
            DumpPlace.Espfix => 0xffff_ff00_0000_0000,
            DumpPlace.Efi => 0xffff_ffef_0000_0000,
            DumpPlace.KernelMap => 0xffff_ffff_8000_0000,
            DumpPlace.Modules => StartOf("modules"),
            DumpPlace.ModulesEnd => EndOf("modules"),
            DumpPlace.Pkmap => StartOf("pkmap"),
            DumpPlace.Fixmap => StartOf("fixmap"),
        };
        return [.. facts.Markers.Select(marker => (Start: Of(marker.Place), marker.Name, marker.LinesMax))
            .Where(marker => marker.Start is not null).Select(marker => (marker.Start!.Value, marker.Name, marker.LinesMax))];
    }

    private void Table(PhysicalAddress table, int l, ulong start, ulong inherited)
    {
        PagingLevel level = _geometry.Levels[l];
        int named = Names.IndexOf(level.Name);
        for (int i = 0; i < level.EntryCount; i++)
        {
            ulong at = _geometry.Address(start + ((ulong)i << level.Shift)).Value & _addressMask;
            if (l == 0 && InHypervisorHole(i, level))
            {
                continue;
            }

            PhysicalAddress where = new(table.Value + (ulong)(i * _geometry.EntryBytes));
            if (!_memory.TryReadWord(where, _geometry.EntryBytes, out ulong entry) || entry == 0)
            {
                Note(at, 0, 0, named);
                continue;
            }

            bool isLeaf = level.Entry.IsLeaf(entry) || (entry & X86Entry.Present) == 0;
            ulong flags = FlagsOf(entry, level, isLeaf);
            bool grantsAll = IsPaeRoot(l) && _facts.Rights == DumpedRights.Inherited;
            ulong effective = grantsAll ? Rights : (inherited & flags & Rights) | ((inherited | flags) & X86Entry.NoExecute);
            if (isLeaf)
            {
                // Where levels are folded into the root, the generic walker meets a large page on the lowest of them.
                bool isFolded = l == 0 && _geometry.Levels.Length == 2 && _facts.WalksRanges;
                Note(at, flags, effective, isFolded ? PageMiddle : named);
            }
            else
            {
                Table(level.Entry.TableAddress(entry), l + 1, start + ((ulong)i << level.Shift), effective);
            }
        }
    }

    private void Note(ulong address, ulong flags, ulong inherited, int level)
    {
        ulong effective = _facts.Rights switch
        {
            DumpedRights.OwnOnly => 0,
            DumpedRights.Inherited or DumpedRights.InheritedFromRoot => flags == 0 ? 0 : inherited,
            DumpedRights.OfLastLeafAbove => AfterLastLeafAbove(flags, level),
        };
        if (_level == NotBegun)
        {
            (_flags, _effective, _level) = (flags, effective, level);
            Heading();
            return;
        }

        bool newRegion = _marker + 1 < _markers.Length && address >= _markers[_marker + 1].Start;
        if (flags == _flags && effective == _effective && level == _level && !newRegion)
        {
            return;
        }

        int most = _markers[_marker].LinesMax;
        if (most == 0 || _lines < most)
        {
            Line(address);
        }

        _lines++;
        if (newRegion)
        {
            if (most != 0 && _lines > most)
            {
                int skipped = _lines - most;
                _text.Append(CultureInfo.InvariantCulture, $"... {skipped} entr{(skipped == 1 ? "y" : "ies")} skipped ... \n");
            }

            _marker++;
            _lines = 0;
            Heading();
        }

        (_start, _flags, _effective, _level) = (address, flags, effective, level);
    }

    /// <summary>Quirk: rights are kept per level when a leaf or hole is noted, never when a table is passed.</summary>
    private ulong AfterLastLeafAbove(ulong flags, int level)
    {
        ulong above = level > 0 ? _lastOfLevel[level - 1] : 0;
        ulong effective = level > 0 ? (above & flags & Rights) | ((above | flags) & X86Entry.NoExecute) : flags;
        if (level >= 0)
        {
            _lastOfLevel[level] = effective;
        }

        return effective;
    }

    private void Heading() => _text.Append(CultureInfo.InvariantCulture, $"---[ {_markers[_marker].Name} ]---\n");

    private void Line(ulong end)
    {
        string digits = _geometry.SignExtends ? "x16" : "x8";
        string units = _facts.SmallestUnit == 'K' ? "KMGTPE" : "BKMGTPE";
        ulong size = (unchecked(end - _start) & _addressMask) >> (_facts.SmallestUnit == 'K' ? 10 : 0);
        int unit = 0;
        while ((size & 1023) == 0 && unit + 1 < units.Length)
        {
            size >>= 10;
            unit++;
        }

        _text.Append(CultureInfo.InvariantCulture, $"0x{_start.ToString(digits, CultureInfo.InvariantCulture)}-0x{end.ToString(digits, CultureInfo.InvariantCulture)}   ")
            .Append(size.ToString(CultureInfo.InvariantCulture).PadLeft(9)).Append(units[unit]).Append(' ');
        if ((_flags & X86Entry.Present) == 0)
        {
            _text.Append(' ', _facts.AbsentColumns);
        }
        else
        {
            Word(X86Entry.User, "USR ");
            _text.Append((_flags & X86Entry.Writable) != 0 ? "RW " : "ro ");
            Word(X86Entry.WriteThrough, "PWT ");
            Word(X86Entry.CacheDisable, "PCD ");
            SizeAndPat(_level < PageEntry);
            Word(X86Entry.Global, "GLB ");
            _text.Append((_flags & X86Entry.NoExecute) != 0 ? "NX " : "x  ");
        }

        _text.Append(Names[_level]).Append('\n');
    }

    /// <summary>Bit 7 is PSE above the last level and PAT on it; bit 12 is the PAT of a large page.</summary>
    private void SizeAndPat(bool isLarge)
    {
        if (_facts.Pat == PatColumn.SharedWithPse)
        {
            Word(X86Entry.LargePage, isLarge ? "PSE " : "pat ");
            return;
        }

        Word(isLarge ? X86Entry.LargePage : 0, "PSE ");
        Word(isLarge ? 1UL << 12 : X86Entry.LargePage, _facts.Pat == PatColumn.OwnLowerCase ? "pat " : "PAT ");
    }

    private void Word(ulong bit, string word) => _text.Append((_flags & bit) != 0 ? word : "    ");

    /// <summary>An entry's flags: everything but its address, as far as the kernel takes the address out.</summary>
    private ulong FlagsOf(ulong entry, PagingLevel level, bool isLeaf)
    {
        ulong flags = entry & ~(_geometry.EntryBytes == 8 ? 0x000f_ffff_ffff_f000UL : 0xffff_f000UL);
        bool keepsLow = isLeaf && _facts.Pat == PatColumn.OwnAndLargePages && _geometry.EntryBytes == 8 && level.Shift > 12
            && (entry & X86Entry.LargePage) != 0;
        return keepsLow ? flags | (entry & (level.SpanBytes - 1)) : flags;
    }

    private bool IsPaeRoot(int l) => l == 0 && _geometry.EntryBytes == 8 && _geometry.Levels[0].IndexBits == 2;

    /// <summary>The sixteen root entries kept for hypervisors, which the generic walker is not sent through.</summary>
    private bool InHypervisorHole(int index, PagingLevel level) =>
        _facts.WalksRanges && _geometry.SignExtends && index >= level.EntryCount / 2 && index < (level.EntryCount / 2) + 16;
}
