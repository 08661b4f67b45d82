using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Sums of a list by owner, kind and node, and the place of every area: one pass over the rows.</summary>
/// <remarks>
/// This is on the path of a million rows: arrays indexed by small numbers, no dictionary and no text. A row costs 24
/// bytes in the list of places; everything else depends on the number of owners.
/// </remarks>
internal sealed class ListTotals : VmallocRowSink
{
    /// <summary>SEGMENT_ALIGN of arm64, arch/arm64/include/asm/memory.h.</summary>
    private const ulong ImageSegmentAlign = 64 * Size.KiB;

    /// <summary>Bytes of a page where no row tells.</summary>
    internal const ulong UsualPageBytes = 4096;

    private readonly TextTable _texts;
    private OwnerTotals[] _owners = new OwnerTotals[64];
    private int _ownerCount;

    /// <summary>Sums of the rows that are not of their owner's first kind; those that are stand in the owner's sums.</summary>
    private readonly AreaTotals[] _strays = new AreaTotals[ListedKinds.Count];

    /// <summary>The same rows by their owner's first kind: what the owners' sums hold too much.</summary>
    private readonly AreaTotals[] _strayed = new AreaTotals[ListedKinds.Count];
    private AreaTotals[] _nodes = new AreaTotals[8];
    private readonly byte[] _kindOf = ListedKinds.Table();
    private VmallocRow _previous;

    internal ListTotals(TextTable texts, ulong? pageBytes)
    {
        _texts = texts;
        PageBytes = pageBytes ?? 0;
    }

    /// <summary>Bytes of a page: as told, or as the first rows that name their pages show it; 4096 when none does.</summary>
    internal ulong PageBytes { get; private set; }

    /// <summary>Places of the rows with real addresses.</summary>
    internal AreaList Areas { get; } = new();

    /// <summary>Where areas go that are not to be kept; null to keep them in <see cref="Areas"/>.</summary>
    internal WindowWalk? Walk { get; set; }

    /// <summary>The areas of per-CPU chunks.</summary>
    internal PercpuAreas Percpu { get; } = new();

    /// <summary>Rows whose addresses are not as far apart as their size, or hidden.</summary>
    internal RowList OddRows { get; } = new(keptMax: 262_144);

    /// <summary>Rows that name more pages than their area has room for.</summary>
    internal RowList OverfullRows { get; } = new(keptMax: 64);

    /// <summary>Rows that map a physical range.</summary>
    internal RowList PhysicalRows { get; } = new(keptMax: 32_768);

    /// <summary>Rows with words nobody knows, the first of them, by the words.</summary>
    internal Dictionary<int, long> UnknownWords { get; } = [];

    internal long Rows { get; private set; }

    internal long HiddenRows { get; private set; }

    internal long OddCount { get; private set; }

    /// <summary>Rows that repeat the row before them in every detail.</summary>
    internal long RepeatedRows { get; private set; }

    /// <summary>The first repeated rows.</summary>
    internal RowList Repeated { get; } = new(keptMax: 64);

    /// <summary>Whether some owner is the allocator of per-CPU chunks.</summary>
    internal bool HasPercpu { get; private set; }

    /// <summary>Digits of the addresses.</summary>
    internal int AddressDigits { get; private set; }

    /// <summary>All areas but the unpurged ones.</summary>
    internal AreaTotals Live
    {
        get
        {
            AreaTotals sum = default;
            for (int id = 0; id < _ownerCount; id++)
            {
                Plus(ref sum, _owners[id].Totals);
            }

            return sum;
        }
    }

    /// <summary>Sums by <see cref="ListedKind"/>.</summary>
    internal AreaTotals[] SumByKind()
    {
        AreaTotals[] kinds = (AreaTotals[])_strays.Clone();
        for (int id = 0; id < _ownerCount; id++)
        {
            if (_owners[id].Totals.Areas > 0)
            {
                Plus(ref kinds[_owners[id].FirstKind], _owners[id].Totals);
            }
        }

        for (int kind = 0; kind < kinds.Length; kind++)
        {
            Minus(ref kinds[kind], _strayed[kind]);
        }

        return kinds;
    }

    /// <summary>Sums by node number; <see cref="AreaTotals.Bytes"/> is memory there, <see cref="AreaTotals.Areas"/> areas with pages there.</summary>
    internal AreaTotals[] SumByNode()
    {
        AreaTotals[] nodes = (AreaTotals[])_nodes.Clone();
        foreach (ref AreaTotals node in nodes.AsSpan())
        {
            node.Bytes = unchecked(node.Pages * PageBytes);
        }

        return nodes;
    }

    /// <summary>How many owner numbers have sums; numbers without areas among them are zero.</summary>
    internal int OwnerCount => _ownerCount;

    internal ref readonly OwnerTotals Owner(int id) => ref _owners[id];

    /// <inheritdoc />
    [MethodImpl(HotPath.Compiled)]
    public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
    {
        if (PageBytes == 0)
        {
            PageBytes = PageBytesOf(rows) ?? UsualPageBytes;
        }

        // Whatever a row changes is local as far as can be: a million rows come this way.
        long repeated = 0;
        int digits = AddressDigits;
        ulong pageBytes = PageBytes;
        byte[] kindOf = _kindOf;
        AreaList areas = Areas;
        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly VmallocRow row = ref rows[i];
            ref readonly VmallocRow before = ref i > 0 ? ref rows[i - 1] : ref _previous;
            if (row.Start == before.Start && row.Start != 0 && IsRepeat(row, before))
            {
                repeated++;
                Repeated.Add(row);
                AddNodes(nodes.Slice(row.FirstNode, row.NodeCount), -1);
                continue;
            }

            AreaFlags flags = row.Flags;
            ulong size = row.SizeBytes;
            digits = row.AddressDigits > digits ? row.AddressDigits : digits;
            if ((flags & AreaFlags.AddressHidden) == AreaFlags.None && unchecked(row.End - row.Start) == size && size != 0)
            {
                areas.Add(row.Start, row.End, row.Caller, flags);
            }
            else
            {
                AddOdd(row);
            }

            ListedKind kind = ListedKinds.Of(flags, kindOf);
            ref OwnerTotals owner = ref OwnerOf(row.Caller);
            ulong guard = GuardBytes(size, row.Pages, flags, kind, owner.HasNoGuard, pageBytes);
            if (kind == ListedKind.Unpurged)
            {
                Sum(ref _strays[(int)kind], row, guard);
                AddNodes(nodes.Slice(row.FirstNode, row.NodeCount), -1);
                continue;
            }

            if (owner.FirstKind != (byte)kind)
            {
                NoteKind(ref owner, kind, row, guard);
            }

            Sum(ref owner.Totals, row, guard);
            owner.Note(size, flags);
            if (guard == 0 && row.Pages * pageBytes > size)
            {
                OverfullRows.Add(row);
            }

            if (owner.IsPercpu)
            {
                Percpu.Note(row);
            }

            if ((row.Phys | (uint)row.UnknownWords) != 0)
            {
                AddRare(row);
            }
        }

        // Those of all rows in one go: how many a row has is what a processor cannot guess.
        AddNodes(nodes, 1);
        Rows += rows.Length - repeated;
        RepeatedRows += repeated;
        AddressDigits = digits;
        if (rows.Length > 0)
        {
            _previous = rows[^1];
        }

        Walk?.Take(areas.Drain());
    }

    /// <summary>Takes note of an owner's first kind, or of a row of another kind than that.</summary>
    private void NoteKind(ref OwnerTotals owner, ListedKind kind, in VmallocRow row, ulong guard)
    {
        owner.Kinds |= 1U << (int)kind;
        if (owner.FirstKind == OwnerTotals.NoKind)
        {
            owner.FirstKind = (byte)kind;
            return;
        }

        Sum(ref _strays[(int)kind], row, guard);
        Sum(ref _strayed[owner.FirstKind], row, guard);
    }

    private void AddRare(in VmallocRow row)
    {
        if (row.Phys != 0)
        {
            PhysicalRows.Add(row);
        }

        if (row.UnknownWords != 0)
        {
            UnknownWords[row.UnknownWords] = UnknownWords.GetValueOrDefault(row.UnknownWords) + 1;
        }
    }

    /// <summary>Adds everything another reading of a later part of the same file has summed.</summary>
    /// <param name="later">The sums of the part behind this one.</param>
    /// <param name="lines">Lines of this part: what the later one's line numbers lack.</param>
    /// <returns>The numbers of owners and words here, by their numbers there.</returns>
    internal int[] Append(ListTotals later, long lines)
    {
        int[] ids = new int[later._texts.Count];
        for (int id = 1; id < ids.Length; id++)
        {
            ids[id] = _texts.Intern(later._texts.Bytes(id));
        }

        for (int id = 0; id < later._ownerCount; id++)
        {
            if (later._owners[id].Totals.Areas > 0)
            {
                Append(ref OwnerOf(ids[id]), later._owners[id]);
            }
        }

        Areas.Append(later.Areas, ids);
        for (int kind = 0; kind < _strays.Length; kind++)
        {
            Plus(ref _strays[kind], later._strays[kind]);
            Plus(ref _strayed[kind], later._strayed[kind]);
        }

        if (later._nodes.Length > _nodes.Length)
        {
            Array.Resize(ref _nodes, later._nodes.Length);
        }

        for (int node = 0; node < later._nodes.Length; node++)
        {
            Plus(ref _nodes[node], later._nodes[node]);
        }

        OddRows.Append(later.OddRows, ids, lines);
        OverfullRows.Append(later.OverfullRows, ids, lines);
        PhysicalRows.Append(later.PhysicalRows, ids, lines);
        Repeated.Append(later.Repeated, ids, lines);
        foreach (KeyValuePair<int, long> word in later.UnknownWords)
        {
            int id = ids[word.Key];
            UnknownWords[id] = UnknownWords.GetValueOrDefault(id) + word.Value;
        }

        Rows += later.Rows;
        HiddenRows += later.HiddenRows;
        OddCount += later.OddCount;
        RepeatedRows += later.RepeatedRows;
        AddressDigits = Math.Max(AddressDigits, later.AddressDigits);
        Percpu.Append(later.Percpu, ids);
        return ids;
    }

    private void Append(ref OwnerTotals owner, in OwnerTotals later)
    {
        if (owner.Totals.Areas > 0 && owner.FirstKind != later.FirstKind)
        {
            Plus(ref _strays[later.FirstKind], later.Totals);
            Plus(ref _strayed[owner.FirstKind], later.Totals);
        }

        owner.Append(later);
    }

    private static void Minus(ref AreaTotals sum, in AreaTotals less)
    {
        sum.Areas -= less.Areas;
        sum.Bytes = unchecked(sum.Bytes - less.Bytes);
        sum.Pages = unchecked(sum.Pages - less.Pages);
        sum.GuardBytes = unchecked(sum.GuardBytes - less.GuardBytes);
    }

    internal static void Plus(ref AreaTotals sum, in AreaTotals more)
    {
        sum.Areas += more.Areas;
        sum.Bytes = unchecked(sum.Bytes + more.Bytes);
        sum.Pages = unchecked(sum.Pages + more.Pages);
        sum.GuardBytes = unchecked(sum.GuardBytes + more.GuardBytes);
    }

    /// <summary>The guard page of an area in bytes; 0 without one.</summary>
    internal ulong GuardBytesOf(in VmallocRow row, bool ownerHasNoGuard) =>
        GuardBytes(row.SizeBytes, row.Pages, row.Flags, ListedKinds.Of(row.Flags), ownerHasNoGuard, PageBytes);

    /// <summary>Whether an owner's areas have no guard page, from what is known of it.</summary>
    private bool OwnerHasNoGuard(int caller) => caller != 0 && KnownCallers.HasNoGuard(_texts.Bytes(caller));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum(ref AreaTotals totals, in VmallocRow row, ulong guard)
    {
        unchecked
        {
            totals.Areas++;
            totals.Bytes += row.SizeBytes;
            totals.Pages += row.Pages;
            totals.GuardBytes += guard;
        }
    }

    /// <summary>The guard page of an area: one page behind what can be used, where the area has one.</summary>
    /// <remarks>
    /// Source: mm/vmalloc.c, __get_vm_area_node() adds it; vm_map_ram(), pcpu_get_vm_areas() and areas registered
    /// before vmalloc_init() have none, 2.6.28 to 7.1.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong GuardBytes(ulong size, uint pages, AreaFlags flags, ListedKind kind, bool ownerHasNoGuard, ulong pageBytes)
    {
        if ((flags & AreaFlags.HasPages) != AreaFlags.None)
        {
            // The number of pages settles it: one page more than there is memory for is the guard.
            return size > unchecked(pages * pageBytes) ? pageBytes : 0;
        }

        if (ownerHasNoGuard && kind == ListedKind.Vmap && size % ImageSegmentAlign == pageBytes)
        {
            // The last segment of an arm64 image has a guard page; the others are whole multiples of the alignment.
            return pageBytes;
        }

        bool none = ownerHasNoGuard || kind is ListedKind.VmMapRam or ListedKind.Unpurged || size <= pageBytes;
        return none ? 0 : pageBytes;
    }

    /// <summary>Whether a row says once more what the row before it says.</summary>
    internal static bool IsRepeat(in VmallocRow row, in VmallocRow before) =>
        row.End == before.End && row.SizeBytes == before.SizeBytes && row.Caller == before.Caller
        && row.Flags == before.Flags && row.Pages == before.Pages && row.Phys == before.Phys
        && !row.Has(AreaFlags.AddressHidden);

    private void AddOdd(in VmallocRow row)
    {
        OddCount++;
        if (row.Has(AreaFlags.AddressHidden) || (row.Start == 0 && row.End == 0))
        {
            HiddenRows++;
        }

        OddRows.Add(row);
    }

    /// <summary>Adds the pages of areas to the sums of their nodes, or takes them off again.</summary>
    /// <param name="nodes">The counts.</param>
    /// <param name="sign">1 or -1.</param>
    [MethodImpl(HotPath.Compiled)]
    private void AddNodes(ReadOnlySpan<NodePages> nodes, long sign)
    {
        foreach (NodePages count in nodes)
        {
            while (count.Node >= _nodes.Length)
            {
                Array.Resize(ref _nodes, _nodes.Length * 2);
            }

            ref AreaTotals node = ref _nodes[count.Node];
            node.Areas = unchecked(node.Areas + sign);
            node.Pages = unchecked(node.Pages + (count.Pages * (ulong)sign));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref OwnerTotals OwnerOf(int caller)
    {
        if (caller >= _ownerCount)
        {
            AddOwners(caller);
        }

        return ref _owners[caller];
    }

    private void AddOwners(int upTo)
    {
        if (upTo >= _owners.Length)
        {
            Array.Resize(ref _owners, Math.Max(_owners.Length * 2, upTo + 1));
        }

        for (int id = _ownerCount; id <= upTo; id++)
        {
            (_owners[id].FirstKind, _owners[id].SmallestBytes) = (OwnerTotals.NoKind, ulong.MaxValue);
            _owners[id].HasNoGuard = OwnerHasNoGuard(id);
            _owners[id].IsPercpu = KnownCallers.Function(_texts.Bytes(id)).SequenceEqual("pcpu_get_vm_areas"u8);
            HasPercpu |= _owners[id].IsPercpu;
        }

        _ownerCount = upTo + 1;
    }

    /// <summary>Bytes of a page as rows show it that name their pages; null when none does.</summary>
    internal static ulong? PageBytesOf(ReadOnlySpan<VmallocRow> rows)
    {
        foreach (ref readonly VmallocRow row in rows)
        {
            ulong pages = row.Pages + 1UL;
            bool tells = row.Has(AreaFlags.HasPages) && row.SizeBytes % pages == 0;
            if (tells && row.SizeBytes / pages is 4096 or 16384 or 65536 or 8192)
            {
                return row.SizeBytes / pages;
            }
        }

        return null;
    }
}
