using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Highmem;

/// <summary>What kmap answered.</summary>
public abstract record KmapAnswer
{
    private KmapAnswer()
    {
    }

    /// <summary>The page has an address now.</summary>
    /// <param name="Address">The address.</param>
    /// <param name="Slot">The slot of the window; null when the direct map answered.</param>
    public sealed record Mapped(VirtualAddress Address, int? Slot) : KmapAnswer;

    /// <summary>Every slot has users: the task sleeps until somebody gives one back.</summary>
    /// <param name="Ticket">Number of the waiting call; <see cref="WokenKmap"/> carries it later.</param>
    public sealed record Sleeps(int Ticket) : KmapAnswer;

    /// <summary>No slot is free, and the caller must not sleep (2.4's kmap_nonblock).</summary>
    public sealed record Refused : KmapAnswer;
}

/// <summary>A call of kmap that slept and was woken.</summary>
/// <param name="Ticket">Which call.</param>
/// <param name="Page">The page it wanted.</param>
/// <param name="Address">The address it got.</param>
/// <param name="Slot">The slot.</param>
public sealed record WokenKmap(int Ticket, PageFrameNumber Page, VirtualAddress Address, int Slot);

/// <summary>One slot of the pkmap window.</summary>
/// <param name="Slot">Its index.</param>
/// <param name="Address">Its address.</param>
/// <param name="Count">The kernel's pkmap_count: 0 free, 1 mapped without users, n mapped with n - 1 users.</param>
/// <param name="Page">The page it maps; null when none.</param>
public sealed record PkmapSlot(int Slot, VirtualAddress Address, int Count, PageFrameNumber? Page);

/// <summary>The window of permanent kernel mappings (pkmap) for pages without an address of their own.</summary>
/// <remarks>
/// Slots are used round robin and reused only after the whole window was gone through: a freed slot may still be in
/// some CPU's TLB, and one flush per round pays for all. Source: mm/highmem.c, map_new_virtual(), kmap_high(),
/// kunmap_high(), flush_all_zero_pkmaps(), 2.4.22 to 6.12.
/// </remarks>
public sealed class PermanentKmap
{
    private readonly HighmemFacts _facts;
    private readonly KernelPageTables _tables;
    private readonly VirtualAddress _base;
    private readonly int[] _counts;
    private readonly ulong[] _pages;
    private readonly Dictionary<ulong, int> _slotOf = [];
    private readonly List<(int Ticket, PageFrameNumber Page)> _sleepers = [];
    private int _last;
    private int _tickets;

    /// <summary>Makes an empty window whose page table exists already.</summary>
    public PermanentKmap(HighmemFacts facts, KernelPageTables tables, VirtualRange window)
    {
        (_facts, _tables, _base, Window) = (facts, tables, window.Start, window);
        int slots = (int)(window.SizeBytes / tables.Geometry.PageSize.Bytes);
        _counts = new int[slots];
        _pages = new ulong[slots];
    }

    /// <summary>The addresses of the window.</summary>
    public VirtualRange Window { get; }

    /// <summary>Its slots (LAST_PKMAP).</summary>
    public int SlotCount => _counts.Length;

    /// <summary>The slot used last; the search goes on behind it.</summary>
    public int LastSlot => _last;

    /// <summary>Calls that sleep now.</summary>
    public int SleeperCount => _sleepers.Count;

    /// <summary>The slots that are not free.</summary>
    public IEnumerable<PkmapSlot> Slots =>
        Enumerable.Range(0, SlotCount).Where(slot => _counts[slot] != 0)
            .Select(slot => new PkmapSlot(slot, AddressOf(slot), _counts[slot], new PageFrameNumber(_pages[slot])));

    /// <summary>Gives a page of high memory an address.</summary>
    /// <param name="page">The page.</param>
    /// <param name="maySleep">Whether the caller waits when all slots have users.</param>
    /// <param name="log">Receives what happened.</param>
    public KmapAnswer Map(PageFrameNumber page, bool maySleep = true, ActionLog? log = null)
    {
        if (TryMap(page, log) is { } slot)
        {
            return new KmapAnswer.Mapped(AddressOf(slot), slot);
        }

        if (!maySleep)
        {
            log?.Step($"all {SlotCount} slots have users and the caller must not sleep");
            return new KmapAnswer.Refused();
        }

        _sleepers.Add((++_tickets, page));
        log?.Step($"all {SlotCount} slots have users: the task sleeps until a kunmap drops one to count 1");
        return new KmapAnswer.Sleeps(_tickets);
    }

    /// <summary>Gives an address back.</summary>
    /// <returns>Calls that slept and got a slot now.</returns>
    /// <exception cref="KeyNotFoundException">The page has no address in the window, or no user (the kernel stops with BUG).</exception>
    public ImmutableArray<WokenKmap> Unmap(PageFrameNumber page, ActionLog? log = null)
    {
        if (!_slotOf.TryGetValue(page.Value, out int slot) || _counts[slot] < 2)
        {
            throw new KeyNotFoundException($"frame 0x{page.Value:x} is not mapped by kmap: the kernel would stop with BUG");
        }

        _counts[slot]--;
        log?.Step($"slot {slot}: count {_counts[slot] + 1} to {_counts[slot]}{(_counts[slot] == 1 ? "; the entry stays until the next wrap-around" : "")}");
        if (_counts[slot] != 1 || _sleepers.Count == 0)
        {
            return [];
        }

        List<WokenKmap> woken = [];
        for (int i = 0; i < _sleepers.Count;)
        {
            (int ticket, PageFrameNumber wanted) = _sleepers[i];
            if (TryMap(wanted, log) is not { } got)
            {
                i++;
                continue;
            }

            _sleepers.RemoveAt(i);
            log?.Step($"the sleeping kmap of frame 0x{wanted.Value:x} wakes and gets slot {got}");
            woken.Add(new WokenKmap(ticket, wanted, AddressOf(got), got));
        }

        return [.. woken];
    }

    /// <summary>Frees every slot without users (kmap_flush_unused), as changes of page attributes do.</summary>
    /// <returns>How many slots became free.</returns>
    public int FlushUnused(ActionLog? log = null) => Flush(log);

    /// <summary>The page's address in the window; null when it has none.</summary>
    public VirtualAddress? AddressOf(PageFrameNumber page) =>
        _slotOf.TryGetValue(page.Value, out int slot) ? AddressOf(slot) : null;

    /// <summary>The page mapped at an address of the window; null when none.</summary>
    public PageFrameNumber? PageAt(VirtualAddress address) =>
        Window.Contains(address) && _counts[SlotOf(address)] > 0 ? new PageFrameNumber(_pages[SlotOf(address)]) : null;

    /// <summary>Checks counts against page-table entries.</summary>
    /// <exception cref="ModelInvariantException">They contradict each other.</exception>
    public void CheckInvariants()
    {
        for (int slot = 0; slot < SlotCount; slot++)
        {
            WalkEnd end = _tables.Walker.Translate(_tables.Root, AddressOf(slot), out Translation translation);
            ModelInvariantException.Unless((end == WalkEnd.Mapped) == (_counts[slot] > 0), $"pkmap slot {slot}: count {_counts[slot]} but the walk ends {end}");
            ModelInvariantException.Unless(_counts[slot] == 0 || translation.Page.Value >> _tables.Geometry.PageSize.Shift == _pages[slot],
                $"pkmap slot {slot} maps {translation.Page}, not frame {_pages[slot]:x}");
            ModelInvariantException.Unless(_counts[slot] == 0 || _slotOf.GetValueOrDefault(_pages[slot], -1) == slot,
                $"frame {_pages[slot]:x} in pkmap slot {slot} does not know its address");
        }
    }

    private int? TryMap(PageFrameNumber page, ActionLog? log)
    {
        if (_slotOf.TryGetValue(page.Value, out int known))
        {
            _counts[known]++;
            log?.Step($"the page still has slot {known}: count {_counts[known] - 1} to {_counts[known]}, no flush");
            return known;
        }

        int left = SlotCount;
        while (true)
        {
            _last = (_last + 1) % SlotCount;
            if (_last == 0)
            {
                log?.Step("the search wraps around: slots without users are freed");
                _ = Flush(log);
                left = SlotCount;
            }

            if (_counts[_last] == 0)
            {
                break;
            }

            if (--left == 0)
            {
                return null;
            }
        }

        int slot = _last;
        _tables.Mapper.TryMap(_tables.Root, AddressOf(slot), page.StartAddress(_tables.Geometry.PageSize), _tables.PageLevel, _tables.Flags.Data, log?.Entries);
        _counts[slot] = 2;
        _pages[slot] = page.Value;
        _slotOf[page.Value] = slot;
        log?.Step($"slot {slot}, the next free one, gets the page: count 2 (one user)");
        return slot;
    }

    private int Flush(ActionLog? log)
    {
        int freed = 0;
        for (int slot = 0; slot < SlotCount; slot++)
        {
            if (_counts[slot] != 1)
            {
                continue;
            }

            _counts[slot] = 0;
            _slotOf.Remove(_pages[slot]);
            _tables.Mapper.Unmap(_tables.Root, new VirtualRange(AddressOf(slot), _tables.Geometry.PageSize.Bytes), log?.Entries);
            freed++;
        }

        if (freed > 0 || _facts.PkmapAlwaysFlushes)
        {
            if (_facts.PkmapFlushesAll)
            {
                _tables.FlushAll($"{freed} pkmap slots freed", log);
            }
            else
            {
                _tables.FlushRange(Window, $"{freed} pkmap slots freed", log);
            }
        }

        return freed;
    }

    private VirtualAddress AddressOf(int slot) => new(_base.Value + ((ulong)slot << _tables.Geometry.PageSize.Shift));

    private int SlotOf(VirtualAddress address) => (int)((address.Value - _base.Value) >> _tables.Geometry.PageSize.Shift);
}
