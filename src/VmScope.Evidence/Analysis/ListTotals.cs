using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Sums over areas.</summary>
public record struct AreaTotals
{
    /// <summary>How many areas.</summary>
    public long Areas { get; set; }

    /// <summary>Bytes of address space, guard pages included.</summary>
    public ulong Bytes { get; set; }

    /// <summary>Pages of memory that belong to the areas.</summary>
    public ulong Pages { get; set; }

    /// <summary>Bytes of guard pages among <see cref="Bytes"/>.</summary>
    public ulong GuardBytes { get; set; }
}

/// <summary>How a list gives its addresses.</summary>
public enum AddressState
{
    /// <summary>Real ones.</summary>
    Real,

    /// <summary>Hashes: equal addresses look equal, nothing else can be told.</summary>
    Hashed,

    /// <summary>All zero, or a word in their place.</summary>
    Hidden,
}

/// <summary>Sums of a list by owner, kind and node, and the place of every area: one pass over the rows.</summary>
/// <remarks>
/// This is on the path of a million rows: arrays indexed by small numbers, no dictionary and no text. A row costs 24
/// bytes in the list of places; everything else depends on the number of owners.
/// </remarks>
internal sealed class ListTotals : VmallocRowSink
{
    /// <summary>SEGMENT_ALIGN of arm64, arch/arm64/include/asm/memory.h.</summary>
    private const ulong ImageSegmentAlign = 64 * Size.KiB;

    private readonly TextTable _texts;
    private OwnerTotals[] _owners = new OwnerTotals[64];
    private int _ownerCount;
    private readonly AreaTotals[] _kinds = new AreaTotals[ListedKinds.Count];
    private AreaTotals[] _nodes = new AreaTotals[8];
    private VmallocRow _previous;

    internal ListTotals(TextTable texts, ulong? pageBytes)
    {
        _texts = texts;
        PageBytes = pageBytes ?? 0;
    }

    /// <summary>Bytes of a page: as told, or as the first rows that name their pages show it; 4096 when none does.</summary>
    internal ulong PageBytes { get; private set; }

    /// <summary>Whether the page size was read from the rows.</summary>
    internal bool PageSizeWasRead { get; private set; }

    /// <summary>Places of the rows with real addresses.</summary>
    internal AreaList Areas { get; } = new();

    /// <summary>Rows whose addresses are not as far apart as their size, or hidden.</summary>
    internal RowList OddRows { get; } = new();

    /// <summary>Rows that map a physical range.</summary>
    internal RowList PhysicalRows { get; } = new();

    /// <summary>Rows with words nobody knows, the first of them, by the words.</summary>
    internal Dictionary<int, long> UnknownWords { get; } = [];

    internal long Rows { get; private set; }

    internal long HiddenRows { get; private set; }

    internal long OddCount { get; private set; }

    /// <summary>Rows that repeat the row before them in every detail.</summary>
    internal long RepeatedRows { get; private set; }

    /// <summary>The first repeated rows.</summary>
    internal RowList Repeated { get; } = new();

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
            for (int kind = 0; kind < _kinds.Length; kind++)
            {
                if (kind != (int)ListedKind.Unpurged)
                {
                    sum.Areas += _kinds[kind].Areas;
                    sum.Bytes = unchecked(sum.Bytes + _kinds[kind].Bytes);
                    sum.Pages = unchecked(sum.Pages + _kinds[kind].Pages);
                    sum.GuardBytes = unchecked(sum.GuardBytes + _kinds[kind].GuardBytes);
                }
            }

            return sum;
        }
    }

    internal ReadOnlySpan<AreaTotals> Kinds => _kinds;

    /// <summary>Sums by node number; <see cref="AreaTotals.Bytes"/> is memory there, <see cref="AreaTotals.Areas"/> areas with pages there.</summary>
    internal ReadOnlySpan<AreaTotals> Nodes => _nodes;

    /// <summary>How many owner numbers have sums; numbers without areas among them are zero.</summary>
    internal int OwnerCount => _ownerCount;

    internal ref readonly OwnerTotals Owner(int id) => ref _owners[id];

    /// <inheritdoc />
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
    {
        if (PageBytes == 0)
        {
            ReadPageSize(rows);
        }

        for (int i = 0; i < rows.Length; i++)
        {
            ref readonly VmallocRow row = ref rows[i];
            ref readonly VmallocRow before = ref i > 0 ? ref rows[i - 1] : ref _previous;
            if (row.Start == before.Start && row.Start != 0 && IsRepeat(row, before))
            {
                RepeatedRows++;
                Repeated.Add(row);
                continue;
            }

            AddRow(row, nodes);
        }

        if (rows.Length > 0)
        {
            _previous = rows[^1];
        }
    }

    /// <summary>Adds everything another reading of a later part of the same file has summed.</summary>
    /// <param name="later">The sums of the part behind this one.</param>
    /// <param name="lines">Lines of this part: what the later one's line numbers lack.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Append(ListTotals later, long lines)
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
                OwnerOf(ids[id]).Append(later._owners[id]);
            }
        }

        for (int i = 0; i < later.Areas.Count; i++)
        {
            ref readonly AreaSlot area = ref later.Areas[i];
            Areas.Add(area.Start, area.End, ids[area.Caller], area.Flags);
        }

        for (int kind = 0; kind < _kinds.Length; kind++)
        {
            Plus(ref _kinds[kind], later._kinds[kind]);
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
    }

    internal static void Plus(ref AreaTotals sum, in AreaTotals more)
    {
        sum.Areas += more.Areas;
        sum.Bytes = unchecked(sum.Bytes + more.Bytes);
        sum.Pages = unchecked(sum.Pages + more.Pages);
        sum.GuardBytes = unchecked(sum.GuardBytes + more.GuardBytes);
    }

    /// <summary>The guard page of an area in bytes; 0 without one.</summary>
    internal ulong GuardBytesOf(in VmallocRow row, bool ownerHasNoGuard) => GuardBytes(row, ListedKinds.Of(row.Flags), ownerHasNoGuard);

    /// <summary>Whether an owner's areas have no guard page, from what is known of it.</summary>
    private bool OwnerHasNoGuard(int caller) => caller != 0 && KnownCallers.HasNoGuard(_texts.Bytes(caller));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddRow(in VmallocRow row, ReadOnlySpan<NodePages> nodes)
    {
        Rows++;
        AddressDigits = row.AddressDigits > AddressDigits ? row.AddressDigits : AddressDigits;
        if (!row.AddressesMatchSize || row.SizeBytes == 0)
        {
            AddOdd(row);
        }
        else
        {
            Areas.Add(row.Start, row.End, row.Caller, row.Flags);
        }

        ListedKind kind = ListedKinds.Of(row.Flags);
        ref OwnerTotals owner = ref OwnerOf(row.Caller);
        ulong guard = GuardBytes(row, kind, owner.HasNoGuard);
        Sum(ref _kinds[(int)kind], row, guard);
        if (kind == ListedKind.Unpurged)
        {
            return;
        }

        Sum(ref owner.Totals, row, guard);
        owner.Kinds |= (uint)(1 << (int)kind);
        owner.Note(row.SizeBytes, row.Flags);
        if (row.NodeCount > 0)
        {
            AddNodes(nodes.Slice(row.FirstNode, row.NodeCount));
        }

        if (row.Phys != 0)
        {
            PhysicalRows.Add(row);
        }

        if (row.UnknownWords != 0)
        {
            UnknownWords[row.UnknownWords] = UnknownWords.GetValueOrDefault(row.UnknownWords) + 1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sum(ref AreaTotals totals, in VmallocRow row, ulong guard)
    {
        totals.Areas++;
        totals.Bytes = unchecked(totals.Bytes + row.SizeBytes);
        totals.Pages = unchecked(totals.Pages + row.Pages);
        totals.GuardBytes = unchecked(totals.GuardBytes + guard);
    }

    /// <summary>The guard page of an area: one page behind what can be used, where the area has one.</summary>
    /// <remarks>
    /// Source: mm/vmalloc.c, __get_vm_area_node() adds it; vm_map_ram(), pcpu_get_vm_areas() and areas registered
    /// before vmalloc_init() have none, 2.6.28 to 7.1.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong GuardBytes(in VmallocRow row, ListedKind kind, bool ownerHasNoGuard)
    {
        if ((row.Flags & AreaFlags.HasPages) != AreaFlags.None)
        {
            // The number of pages settles it: one page more than there is memory for is the guard.
            ulong mapped = unchecked(row.Pages * PageBytes);
            return row.SizeBytes > mapped ? PageBytes : 0;
        }

        if (ownerHasNoGuard && kind == ListedKind.Vmap && row.SizeBytes % ImageSegmentAlign == PageBytes)
        {
            // The last segment of an arm64 image has a guard page; the others are whole multiples of the alignment.
            return PageBytes;
        }

        bool none = ownerHasNoGuard || kind is ListedKind.VmMapRam or ListedKind.Unpurged || row.SizeBytes <= PageBytes;
        return none ? 0 : PageBytes;
    }

    private static bool IsRepeat(in VmallocRow row, in VmallocRow before) =>
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddNodes(ReadOnlySpan<NodePages> nodes)
    {
        foreach (NodePages count in nodes)
        {
            while (count.Node >= _nodes.Length)
            {
                Array.Resize(ref _nodes, _nodes.Length * 2);
            }

            ref AreaTotals node = ref _nodes[count.Node];
            node.Areas++;
            node.Pages = unchecked(node.Pages + count.Pages);
            node.Bytes = unchecked(node.Bytes + (count.Pages * PageBytes));
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
            _owners[id].HasNoGuard = OwnerHasNoGuard(id);
            _owners[id].IsPercpu = KnownCallers.Function(_texts.Bytes(id)).SequenceEqual("pcpu_get_vm_areas"u8);
            HasPercpu |= _owners[id].IsPercpu;
        }

        _ownerCount = upTo + 1;
    }

    private void ReadPageSize(ReadOnlySpan<VmallocRow> rows)
    {
        PageBytes = 4096;
        foreach (ref readonly VmallocRow row in rows)
        {
            ulong pages = row.Pages + 1UL;
            bool tells = row.Has(AreaFlags.HasPages) && row.SizeBytes % pages == 0;
            if (tells && row.SizeBytes / pages is 4096 or 16384 or 65536 or 8192)
            {
                PageBytes = row.SizeBytes / pages;
                PageSizeWasRead = true;
                return;
            }
        }
    }
}

/// <summary>Sums of one owner.</summary>
internal struct OwnerTotals
{
    internal AreaTotals Totals;

    /// <summary>One bit for each <see cref="ListedKind"/> that occurs.</summary>
    internal uint Kinds;

    /// <summary>The size most of the areas have, if any size has a majority.</summary>
    internal ulong MajorityBytes;

    /// <summary>At least so many areas have <see cref="MajorityBytes"/>.</summary>
    internal long Votes;

    /// <summary>Whether areas of this owner have no guard page.</summary>
    internal bool HasNoGuard;

    /// <summary>Whether this is the allocator of per-CPU chunks.</summary>
    internal bool IsPercpu;

    /// <summary>The smallest size; 0 when there is no area.</summary>
    internal ulong SmallestBytes;

    /// <summary>The largest size.</summary>
    internal ulong LargestBytes;

    /// <summary>Every word that any of the areas has.</summary>
    internal AreaFlags Words;

    /// <summary>Adds the sums of a later part.</summary>
    internal void Append(in OwnerTotals later)
    {
        ListTotals.Plus(ref Totals, later.Totals);
        Kinds |= later.Kinds;
        Words |= later.Words;
        SmallestBytes = SmallestBytes == 0 || later.SmallestBytes < SmallestBytes ? later.SmallestBytes : SmallestBytes;
        LargestBytes = Math.Max(LargestBytes, later.LargestBytes);
        if (MajorityBytes == later.MajorityBytes)
        {
            Votes += later.Votes;
        }
        else if (Votes < later.Votes)
        {
            (MajorityBytes, Votes) = (later.MajorityBytes, later.Votes - Votes);
        }
        else
        {
            Votes -= later.Votes;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Note(ulong sizeBytes, AreaFlags words)
    {
        SmallestBytes = SmallestBytes == 0 || sizeBytes < SmallestBytes ? sizeBytes : SmallestBytes;
        LargestBytes = sizeBytes > LargestBytes ? sizeBytes : LargestBytes;
        Words |= words;
        Vote(sizeBytes);
    }

    /// <summary>Counts a size for the majority: the only candidate left is the one to be counted afterwards.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Vote(ulong sizeBytes)
    {
        if (sizeBytes == MajorityBytes)
        {
            Votes++;
        }
        else if (Votes == 0)
        {
            (MajorityBytes, Votes) = (sizeBytes, 1);
        }
        else
        {
            Votes--;
        }
    }
}

/// <summary>Rows kept whole, the first of them: enough to show and to compare, bounded whatever the list.</summary>
internal sealed class RowList
{
    /// <summary>How many rows are kept.</summary>
    internal const int KeptMax = 65_536;

    private VmallocRow[] _rows = [];

    /// <summary>How many are kept.</summary>
    internal int Count { get; private set; }

    /// <summary>How many were added.</summary>
    internal long Total { get; private set; }

    internal ref readonly VmallocRow this[int index] => ref _rows[index];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Add(in VmallocRow row)
    {
        Total++;
        if (Count == KeptMax)
        {
            return;
        }

        if (Count == _rows.Length)
        {
            Array.Resize(ref _rows, Math.Min(KeptMax, Math.Max(16, Count * 2)));
        }

        _rows[Count++] = row;
    }

    /// <summary>Adds the rows of a later part, whose texts have other numbers there.</summary>
    internal void Append(RowList later, int[] ids, long lines)
    {
        for (int i = 0; i < later.Count; i++)
        {
            VmallocRow row = later._rows[i];
            row.Caller = ids[row.Caller];
            row.UnknownWords = ids[row.UnknownWords];
            row.Line += lines;
            Add(row);
        }

        Total += later.Total - later.Count;
    }
}
