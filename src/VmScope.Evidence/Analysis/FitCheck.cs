using System.Globalization;
using System.Numerics;
using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What is asked for.</summary>
/// <param name="SizeBytes">What the caller passes, without guard page; at least 1.</param>
/// <param name="AlignBytes">A power of two; 1 for plain vmalloc.</param>
/// <param name="IsIoremap">Whether it is a mapping of device memory, whose alignment the kernel chooses itself.</param>
/// <param name="IncludesGuard">Whether the size already includes the guard page, as the kernel's failure messages give it.</param>
public sealed record FitRequest(ulong SizeBytes, ulong AlignBytes = 1, bool IsIoremap = false, bool IncludesGuard = false);

/// <summary>Whether a request would find room, by the rule of that kernel.</summary>
/// <param name="Fits">Whether it would.</param>
/// <param name="Address">Where it would go; null when it does not fit.</param>
/// <param name="RequestBytes">What the kernel searches: whole pages and the guard page.</param>
/// <param name="AlignBytes">The alignment it searches with.</param>
/// <param name="LargestHoleBytes">The largest run of free addresses, freed areas that a purge returns among them.</param>
/// <param name="ShortByBytes">How many bytes the best hole misses, alignment counted; 0 when it fits.</param>
/// <param name="IsAfterPurge">Whether the kernel has to purge freed areas first.</param>
/// <param name="AddressIsCertain">Whether the address follows from the list alone.</param>
/// <param name="Notes">What decided, what is assumed, what cannot be known.</param>
public sealed record FitAnswer(
    bool Fits, ulong? Address, ulong RequestBytes, ulong AlignBytes, ulong LargestHoleBytes, ulong ShortByBytes,
    bool IsAfterPurge, bool AddressIsCertain, IReadOnlyList<string> Notes);

/// <summary>Answers whether a request fits a window, from the list of areas in it.</summary>
/// <remarks>
/// Finds the lowest hole that takes size and alignment, as every kernel does that does not remember or pool; what a
/// kernel remembers beside the list (search hint, shape of the tree, pools) changes the address, not whether there is room.
/// Sources: mm/vmalloc.c, __get_vm_area_node(), alloc_vmap_area(), 2.6.28 to 7.1.
/// </remarks>
public static class FitCheck
{
    /// <summary>Answers for one request.</summary>
    /// <param name="list">The list; its addresses must be real.</param>
    /// <param name="account">The window to look in.</param>
    /// <param name="request">The request.</param>
    /// <exception cref="OverflowException">The size does not fit 64 bits with its guard page.</exception>
    public static FitAnswer Ask(ListExplanation list, WindowAccount account, FitRequest request)
    {
        List<string> notes = [];
        KernelVersion version = list.Facts.Kernel?.Version ?? new KernelVersion(6, 1);
        if (list.Facts.Kernel is null)
        {
            notes.Add("The kernel's version is not known: the rules of 6.1 are taken.");
        }

        VmallocFacts facts = VmallocTimelines.At(version);
        ulong page = list.PageBytes;
        ulong searched = request.IncludesGuard
            ? Align.Up(request.SizeBytes, page)
            : AreaSizing.SearchedBytes(facts, request.SizeBytes, page);
        ulong align = request.AlignBytes;
        if (request.IsIoremap)
        {
            int order = VmallocListTimelines.IoremapMaxOrder(
                version, list.Architecture, BitOperations.Log2(page), list.Facts.Config.IsSet("X86_PAE") == true,
                hasSupersections: list.Facts.Config.IsSet("SMP") == false && list.Facts.Config.IsSet("ARM_LPAE") != true);
            align = AreaSizing.IoremapAlignBytes(facts, searched - page, page, order);
            notes.Add(string.Create(CultureInfo.InvariantCulture,
                $"ioremap of this size is aligned to {align:N0} bytes here{(request.AlignBytes > 1 ? ", whatever alignment is asked for" : "")}."));
        }

        Search now = new(list, account, facts, searched, align, afterPurge: false);
        bool canPurge = facts.PurgeOrder != PurgeOrder.None && account.UnpurgedAreas > 0;
        Search later = canPurge ? new Search(list, account, facts, searched, align, afterPurge: true) : now;
        bool afterPurge = now.Address is null && later.Address is not null;
        Search decisive = now.Address is null ? later : now;
        if (afterPurge)
        {
            notes.Add("No hole is large enough now; the kernel purges its freed areas before it gives up, and then there is one.");
        }

        bool certain = AddressNotes(list, facts, searched, align, decisive, page, notes);
        if (list.Diagnostics.DamageTo(list.File) is not null)
        {
            certain = false;
            notes.Add($"{list.File} is not whole: what the rows that are missing hold looks free here.");
        }

        MemoryNote(list, request, searched, page, notes);
        if (account.Window.Sureness == Sureness.Guessed)
        {
            notes.Add($"The bounds of the window are not known ({account.Window.Source}); outside the rows there may be more room.");
        }

        return new FitAnswer(decisive.Address is not null, decisive.Address, searched, align,
            later.LargestBytes, decisive.Address is null ? decisive.ShortByBytes : 0, afterPurge, certain, notes);
    }

    private static bool AddressNotes(
        ListExplanation list, VmallocFacts facts, ulong searched, ulong align, Search search, ulong page, List<string> notes)
    {
        if (search.Address is null)
        {
            return true;
        }

        bool isPadded = facts.Era is PlacementEra.FreeTree or PlacementEra.PooledFreeTree
            && ((facts.SearchRule == FreeSearchRule.AlwaysPadded && align > 1) || align > page);
        if (isPadded)
        {
            notes.Add(search.HasPaddedHole
                ? "The address is the lowest possible one. This kernel looks for size plus alignment, so which fitting hole it takes depends on the shape of its tree, which the list does not show."
                : "A hole fits only because its start happens to be aligned. This kernel looks for size plus alignment, and passes over such a hole unless its search happens to visit it; the list does not show which.");
            return false;
        }

        if (facts.Era is PlacementEra.HintedBusyAreas or PlacementEra.HintedBusyAreasWithGap)
        {
            notes.Add("This kernel starts its search where it last found room, so the area may go into a higher hole than this, the lowest.");
            return false;
        }

        if (facts.Era == PlacementEra.PooledFreeTree && searched <= 256 * page && list.Facts.PossibleCpus is not 1
            && list.Architecture.Is64Bit())
        {
            notes.Add("With more than one processor this kernel first looks into a pool of freed areas of exactly this size, which the list does not show; otherwise it takes this, the lowest place.");
            return false;
        }

        return true;
    }

    private static void MemoryNote(ListExplanation list, FitRequest request, ulong searched, ulong page, List<string> notes)
    {
        if (!request.IsIoremap && list.Facts.MemTotalKiB is > 0 and ulong kib && (searched - page) / 1024 > kib)
        {
            notes.Add(string.Create(CultureInfo.InvariantCulture,
                $"vmalloc() refuses it all the same, before it looks for addresses: {searched - page:N0} bytes are more than this machine's memory ({kib:N0} KiB)."));
        }
    }

    /// <summary>One walk over the holes of a window.</summary>
    private sealed class Search
    {
        private readonly ulong _searched;
        private readonly ulong _align;
        private readonly ulong _gapPage;
        private readonly bool _refusesExact;

        internal Search(ListExplanation list, WindowAccount account, VmallocFacts facts, ulong searched, ulong align, bool afterPurge)
        {
            (_searched, _align) = (searched, align);
            _gapPage = facts.Era is PlacementEra.BusyAreas or PlacementEra.HintedBusyAreasWithGap ? list.PageBytes : 0;
            _refusesExact = facts.Era == PlacementEra.HintedBusyAreasWithGap;
            ShortByBytes = searched;
            ulong origin = account.Window.Start;
            ulong length = account.Window.Bytes;
            ulong cursor = 0;
            if (account.FirstIndex > 0 && list.Areas[account.FirstIndex - 1].End > origin)
            {
                cursor = Math.Min(list.Areas[account.FirstIndex - 1].End - origin, length);
            }

            bool behindArea = cursor > 0;
            for (int i = account.FirstIndex; i < account.EndIndex; i++)
            {
                ref readonly AreaSlot area = ref list.Areas[i];
                if (afterPurge && (area.Flags & AreaFlags.Unpurged) != AreaFlags.None)
                {
                    continue;
                }

                ulong start = area.Start - origin;
                if (start > cursor)
                {
                    Consider(origin, cursor, start, behindArea, isLast: false);
                }

                cursor = Math.Max(cursor, Math.Min(unchecked(area.End - origin - 1), length - 1) + 1);
                behindArea = true;
            }

            if (cursor < length)
            {
                Consider(origin, cursor, length, behindArea, isLast: true);
            }
        }

        internal ulong? Address { get; private set; }

        internal ulong LargestBytes { get; private set; }

        internal ulong ShortByBytes { get; private set; }

        /// <summary>Whether some hole holds size plus alignment.</summary>
        internal bool HasPaddedHole { get; private set; }

        private void Consider(ulong origin, ulong start, ulong end, bool behindArea, bool isLast)
        {
            start += behindArea ? Math.Min(_gapPage, end - start) : 0;
            ulong bytes = end - start;
            LargestBytes = Math.Max(LargestBytes, bytes);
            HasPaddedHole |= bytes >= _searched && bytes - _searched >= _align - 1;
            ulong skipped = unchecked(Align.Up(origin + start, _align) - (origin + start));
            ulong room = bytes > skipped ? bytes - skipped : 0;
            if (_refusesExact && !isLast && room > 0)
            {
                room--;
            }

            if (room < _searched)
            {
                ShortByBytes = Math.Min(ShortByBytes, _searched - room);
            }
            else
            {
                Address ??= unchecked(origin + start + skipped);
            }
        }
    }
}
