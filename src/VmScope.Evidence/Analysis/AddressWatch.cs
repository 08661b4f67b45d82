using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What an address is part of.</summary>
public enum AddressPlace
{
    /// <summary>A page of a live area.</summary>
    Area,

    /// <summary>The guard page of a live area.</summary>
    Guard,

    /// <summary>A freed area that waits for a purge.</summary>
    Unpurged,

    /// <summary>A hole.</summary>
    Hole,

    /// <summary>The page that kernels 2.6.28 to 2.6.39 keep empty behind an area.</summary>
    GapPage,

    /// <summary>Outside every window.</summary>
    Outside,
}

/// <summary>What is at an address, and its neighbours.</summary>
/// <param name="Address">The address.</param>
/// <param name="Place">What it is part of.</param>
/// <param name="Window">The window; null when it lies outside every one.</param>
/// <param name="Area">The area it lies in; null for a hole.</param>
/// <param name="Page">Which page of the area, from 0; 0 for a hole.</param>
/// <param name="OffsetInPage">Bytes from that page's start.</param>
/// <param name="GuardBytes">Bytes of the area's guard page; 0 without one.</param>
/// <param name="HoleStart">Where the hole begins; 0 for an area.</param>
/// <param name="HoleBytes">How long it is; 0 for an area.</param>
/// <param name="Below">The nearest row that ends at or below the address, or the area's lower neighbour; null when there is none.</param>
/// <param name="Above">The nearest row that starts above; null when there is none.</param>
public sealed record AddressAnswer(
    ulong Address, AddressPlace Place, AddressWindow? Window, VmallocRow? Area, ulong Page, ulong OffsetInPage,
    ulong GuardBytes, ulong HoleStart, ulong HoleBytes, VmallocRow? Below, VmallocRow? Above);

/// <summary>Keeps the rows around one address while a list goes by.</summary>
internal sealed class AddressWatch(ulong address, TextTable texts) : VmallocRowSink
{
    private VmallocRow? _inside;
    private VmallocRow? _below;
    private VmallocRow? _above;

    public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
    {
        foreach (ref readonly VmallocRow row in rows)
        {
            if (!row.AddressesMatchSize || row.SizeBytes == 0)
            {
                continue;
            }

            if (row.Start > address)
            {
                _above = _above is { } above && above.Start <= row.Start ? above : row;
            }
            else if (address - row.Start < row.SizeBytes)
            {
                // A live area before an unpurged one: the list is not taken at one instant.
                bool keep = _inside is { } inside && !inside.Has(AreaFlags.Unpurged);
                _inside = keep ? _inside : row;
            }
            else
            {
                _below = _below is { } below && below.End >= row.End ? below : row;
            }
        }
    }

    internal AddressAnswer Answer(ListExplanation list)
    {
        AddressWindow? window = null;
        bool hasGapPages = false;
        foreach (WindowAccount account in list.Windows)
        {
            if (account.Window.Contains(address))
            {
                window = account.Window;
                hasGapPages = account.CountByGapKind[(int)GapKind.GapPage] > 0;
            }
        }

        if (_inside is { } inside)
        {
            ulong offset = address - inside.Start;
            ulong guard = list.Totals.GuardBytesOf(inside, KnownCallers.HasNoGuard(texts.Bytes(inside.Caller)));
            AddressPlace place = inside.Has(AreaFlags.Unpurged) ? AddressPlace.Unpurged
                : offset >= inside.SizeBytes - guard ? AddressPlace.Guard : AddressPlace.Area;
            return new AddressAnswer(address, place, window, inside, offset / list.PageBytes, offset % list.PageBytes,
                guard, 0, 0, _below, _above);
        }

        if (window is null)
        {
            return new AddressAnswer(address, AddressPlace.Outside, null, null, 0, 0, 0, 0, 0, _below, _above);
        }

        ulong start = _below is { } lower && lower.End > window.Start ? lower.End : window.Start;
        ulong last = _above is { } upper && upper.Start <= window.Last ? upper.Start - 1 : window.Last;
        if (hasGapPages && _below is { } area && area.End == start && last - start + 1 >= list.PageBytes)
        {
            if (address - start < list.PageBytes)
            {
                return new AddressAnswer(address, AddressPlace.GapPage, window, null, 0, 0, 0, start, list.PageBytes, _below, _above);
            }

            start += list.PageBytes;
        }

        return new AddressAnswer(address, AddressPlace.Hole, window, null, 0, 0, 0, start, last - start + 1, _below, _above);
    }
}
