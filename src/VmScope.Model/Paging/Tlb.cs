namespace VmScope.Paging;

/// <summary>How often a TLB was asked, missed and flushed.</summary>
/// <param name="Hits">Translations answered from it.</param>
/// <param name="Misses">Translations that needed a walk.</param>
/// <param name="PageFlushes">Single pages dropped.</param>
/// <param name="RangeFlushes">Ranges dropped, page by page.</param>
/// <param name="FullFlushes">Times everything was dropped, global entries too.</param>
/// <param name="SwitchFlushes">Times everything but global entries was dropped (a new CR3).</param>
public readonly record struct TlbCounts(
    ulong Hits, ulong Misses, ulong PageFlushes, ulong RangeFlushes, ulong FullFlushes, ulong SwitchFlushes);

/// <summary>One CPU's translation cache.</summary>
/// <remarks>
/// Holds what a walk found until it is flushed or displaced, so an entry that was changed in memory but not flushed
/// keeps working, as on a real CPU. Size and replacement (128 sets of 4, the oldest leaves) are an example: real
/// processors differ and do not say.
/// </remarks>
public sealed class Tlb
{
    private const int Sets = 128;
    private const int Ways = 4;
    private readonly Entry[] _entries = new Entry[Sets * Ways];
    private readonly byte[] _next = new byte[Sets];
    private readonly int[] _shifts;
    private ulong _hits;
    private ulong _misses;
    private ulong _pageFlushes;
    private ulong _rangeFlushes;
    private ulong _fullFlushes;
    private ulong _switchFlushes;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="geometry">Tells which page sizes there are.</param>
    public Tlb(PagingGeometry geometry) =>
        _shifts = [.. geometry.Levels.Where(level => level.Entry.CanBeLeaf).Select(level => level.Shift).Order()];

    /// <summary>The counters since boot.</summary>
    public TlbCounts Counts => new(_hits, _misses, _pageFlushes, _rangeFlushes, _fullFlushes, _switchFlushes);

    /// <summary>The entries held now, lowest address first.</summary>
    public IReadOnlyList<(VirtualAddress Page, Translation Translation)> Entries =>
    [
        .. _entries.Where(entry => entry.IsValid)
            .Select(entry => (new VirtualAddress(entry.Page), entry.Translation))
            .OrderBy(entry => entry.Item1.Value),
    ];

    /// <summary>Looks an address up.</summary>
    public bool TryFind(VirtualAddress address, out Translation translation)
    {
        foreach (int shift in _shifts)
        {
            ulong page = address.Value >> shift << shift;
            int set = SetOf(page, shift);
            for (int i = set; i < set + Ways; i++)
            {
                ref Entry entry = ref _entries[i];
                if (entry.IsValid && entry.Page == page && entry.Translation.PageShift == shift)
                {
                    translation = entry.Translation;
                    _hits++;
                    return true;
                }
            }
        }

        translation = default;
        _misses++;
        return false;
    }

    /// <summary>Keeps the result of a walk.</summary>
    public void Add(VirtualAddress address, Translation translation)
    {
        ulong page = address.Value >> translation.PageShift << translation.PageShift;
        int set = SetOf(page, translation.PageShift);
        ref byte next = ref _next[set / Ways];
        int way = next;
        for (int i = 0; i < Ways; i++)
        {
            // The same page again (its rights changed): replace it, never hold two.
            if (_entries[set + i].IsValid && _entries[set + i].Page == page && _entries[set + i].Translation.PageShift == translation.PageShift)
            {
                _entries[set + i].Translation = translation;
                return;
            }
        }

        _entries[set + way] = new Entry { Page = page, Translation = translation, IsValid = true };
        next = (byte)((way + 1) % Ways);
    }

    /// <summary>Drops one page (the processor's INVLPG).</summary>
    public void FlushPage(VirtualAddress address)
    {
        Drop(address);
        _pageFlushes++;
    }

    /// <summary>Drops every page of a range, one after the other.</summary>
    public void FlushRange(VirtualRange range)
    {
        ulong pageBytes = 1UL << _shifts[0];
        ulong pages = (range.SizeBytes + pageBytes - 1) / pageBytes;
        if (pages > Sets * Ways)
        {
            for (int i = 0; i < _entries.Length; i++)
            {
                if (_entries[i].IsValid && range.Overlaps(new VirtualRange(new VirtualAddress(_entries[i].Page), 1UL << _entries[i].Translation.PageShift)))
                {
                    _entries[i].IsValid = false;
                }
            }
        }
        else
        {
            for (ulong i = 0; i < pages; i++)
            {
                Drop(new VirtualAddress(range.Start.Value + (i * pageBytes)));
            }
        }

        _rangeFlushes++;
    }

    /// <summary>Drops everything, global entries too.</summary>
    public void FlushAll()
    {
        Array.Clear(_entries);
        _fullFlushes++;
    }

    /// <summary>Drops everything but global entries, as loading CR3 does.</summary>
    public void FlushForSwitch()
    {
        for (int i = 0; i < _entries.Length; i++)
        {
            if ((_entries[i].Translation.Entry & X86Entry.Global) == 0)
            {
                _entries[i].IsValid = false;
            }
        }

        _switchFlushes++;
    }

    private static int SetOf(ulong page, int shift) => (int)((page >> shift) & (Sets - 1)) * Ways;

    private void Drop(VirtualAddress address)
    {
        foreach (int shift in _shifts)
        {
            ulong page = address.Value >> shift << shift;
            int set = SetOf(page, shift);
            for (int i = set; i < set + Ways; i++)
            {
                if (_entries[i].Page == page && _entries[i].Translation.PageShift == shift)
                {
                    _entries[i].IsValid = false;
                }
            }
        }
    }

    private struct Entry
    {
        internal ulong Page;
        internal Translation Translation;
        internal bool IsValid;
    }
}
