namespace VmScope.Vmalloc;

/// <summary>
/// Takes the first gap among busy areas, from the start or (with a hint) from a remembered area on (2.6.28 to 5.1).
/// </summary>
/// <remarks>
/// Quirks: up to 2.6.39 one page more than the guard stays free behind every area, because the next candidate is one
/// page behind its end; 2.6.39 also refuses a gap that fits exactly. With the hint this is not first fit: a gap that
/// opened below the remembered area and was not counted is missed until the hint is dropped, and a gap counted for one
/// request makes the next smaller one start over.
/// Source: mm/vmalloc.c, alloc_vmap_area() and __free_vmap_area(), 2.6.28 to 5.0.
/// </remarks>
internal sealed class HintedAreaPlacer(SortedAreas areas, ulong lastAddress, HintedAreaPlacer.Rules rules)
    : BusyAreaPlacerBase(areas, lastAddress)
{
    private Hint _hint;

    /// <summary>What differs between the versions.</summary>
    /// <param name="PageBytes">The page size.</param>
    /// <param name="RemembersPlace">Whether there is a hint at all (2.6.39 and later).</param>
    /// <param name="GapBytes">What stays free behind an area on top of its guard: a page, or nothing from 3.0 on.</param>
    /// <param name="RefusesExactGap">Whether a gap that fits exactly is refused (2.6.39).</param>
    /// <param name="RefusesTop">Whether an area that ends at the top of the space is refused (3.14 and later).</param>
    internal sealed record Rules(ulong PageBytes, bool RemembersPlace, ulong GapBytes, bool RefusesExactGap, bool RefusesTop);

    /// <summary>The kernel's free_vmap_cache, cached_hole_size, cached_vstart and cached_align.</summary>
    private struct Hint
    {
        internal bool HasArea;
        internal ulong AreaStart;
        internal ulong HoleBytes;
        internal ulong WindowStart;
        internal ulong AlignBytes;
    }

    public override bool TryFind(in AreaRequest request, out ulong address)
    {
        Hint hint = _hint;
        return Search(request, ref hint, out address);
    }

    public override bool TryPlace(in AreaRequest request, out ulong address)
    {
        // A search that fails leaves its marks in the hint as well.
        if (!Search(request, ref _hint, out address))
        {
            return false;
        }

        Areas.Add(address, address + request.SizeBytes);
        (_hint.HasArea, _hint.AreaStart) = (rules.RemembersPlace, address);
        return true;
    }

    public override bool TryAdopt(in AreaRequest request, ulong address)
    {
        // A search that starts over ends at the lowest place that fits: then even the holes it counted are known.
        Hint startedOver = default;
        bool isLowest = Search(request, ref startedOver, out ulong lowest) && lowest == address;
        if (!TryReserve(address, request.SizeBytes))
        {
            return false;
        }

        _hint = isLowest ? startedOver : _hint;
        (_hint.HasArea, _hint.AreaStart, _hint.WindowStart, _hint.AlignBytes) =
            (rules.RemembersPlace, address, request.WindowStart, request.AlignBytes);
        return true;
    }

    public override IAreaPlacer Clone() => new HintedAreaPlacer(Areas.Clone(), LastAddress, rules) { _hint = _hint };

    protected override void BeforeRemoval(SortedAreas.Position position)
    {
        if (!_hint.HasArea)
        {
            return;
        }

        if (Areas.EndAt(position) < _hint.WindowStart)
        {
            _hint.HasArea = false;
        }
        else if (Areas.StartAt(position) <= _hint.AreaStart)
        {
            _hint.HasArea = Areas.TryPredecessor(Areas.StartAt(position), out SortedAreas.Position below);
            _hint.AreaStart = _hint.HasArea ? Areas.StartAt(below) : 0;
        }
    }

    private bool Search(in AreaRequest request, ref Hint hint, out ulong address)
    {
        ulong size = request.SizeBytes;
        ulong align = request.AlignBytes;
        if (!hint.HasArea || size < hint.HoleBytes || request.WindowStart < hint.WindowStart || align < hint.AlignBytes)
        {
            hint.HoleBytes = 0;
            hint.HasArea = false;
        }

        hint.WindowStart = request.WindowStart;
        hint.AlignBytes = align;
        SortedAreas.Position at = default;
        address = 0;
        bool resumed = false;
        if (hint.HasArea && Areas.TryFindStart(hint.AreaStart, out at))
        {
            if (!TryAlign(Areas.EndAt(at) + rules.GapBytes, align, out address))
            {
                return false;
            }

            resumed = address >= request.WindowStart;
            if (!resumed)
            {
                hint.HoleBytes = 0;
                hint.HasArea = false;
            }
            else if (Wraps(address, size, rules.RefusesTop))
            {
                return false;
            }
        }

        if (!resumed)
        {
            if (!TryAlign(request.WindowStart, align, out address) || Wraps(address, size, rules.RefusesTop))
            {
                return false;
            }

            at = Areas.LowestEndingAtOrAbove(address);
        }

        return Walk(request, ref hint, at, ref address) && address + size <= request.WindowEnd;
    }

    private bool Walk(in AreaRequest request, ref Hint hint, SortedAreas.Position at, ref ulong address)
    {
        ulong size = request.SizeBytes;
        while (!Areas.IsEnd(at) && address + size <= request.WindowEnd)
        {
            ulong start = Areas.StartAt(at);
            if (rules.RefusesExactGap ? address + size < start : address + size <= start)
            {
                return true;
            }

            if (rules.RemembersPlace && start > address && start - address > hint.HoleBytes)
            {
                hint.HoleBytes = start - address;
            }

            if (!TryAlign(Areas.EndAt(at) + rules.GapBytes, request.AlignBytes, out address)
                || Wraps(address, size, rules.RefusesTop))
            {
                return false;
            }

            at = at.Index == 0 ? SkipChunk(request, ref hint, at, ref address) : at;
            at = Areas.Next(at);
        }

        return true;
    }

    /// <summary>Passes the rest of a chunk none of whose gaps can hold the area, with the same marks as a walk leaves.</summary>
    private SortedAreas.Position SkipChunk(
        in AreaRequest request, ref Hint hint, SortedAreas.Position at, ref ulong address)
    {
        ulong widest = Areas.WidestGapOf(at.Chunk);
        SortedAreas.Position last = Areas.LastOf(at.Chunk);
        ulong behind = Areas.EndAt(last) + rules.GapBytes;
        if (request.AlignBytes > rules.PageBytes || widest >= request.SizeBytes
            || Wraps(behind, request.SizeBytes, rules.RefusesTop) || behind + request.SizeBytes > request.WindowEnd)
        {
            return at;
        }

        if (rules.RemembersPlace && widest > rules.GapBytes)
        {
            hint.HoleBytes = Math.Max(hint.HoleBytes, widest - rules.GapBytes);
        }

        address = behind;
        return last;
    }
}
