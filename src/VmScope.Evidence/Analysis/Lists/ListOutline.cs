using Microsoft.Win32.SafeHandles;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What a long list looks like, from a few of its rows: enough to account for the others as they are read.</summary>
/// <remarks>
/// A list that is not what these rows make believe (out of order, addresses hidden further on) is found out while it is
/// read, and then read once more the patient way.
/// </remarks>
internal sealed class ListOutline
{
    /// <summary>Rows looked at to tell a list in address order.</summary>
    private const int Samples = 32;

    /// <summary>Rows from which the size of a page is read, as many as come first in one reading.</summary>
    private const int FirstRows = 128;

    private readonly ulong[] _zoomBytes;

    private ListOutline(WindowPlan plan, ulong pageBytes, in VmallocRow first, in VmallocRow last, ulong[] zoomBytes)
    {
        (Plan, PageBytes, _zoomBytes) = (plan, pageBytes, zoomBytes);
        (First, Last) = (AreaOf(first), AreaOf(last));
        AddressDigits = Math.Max(first.AddressDigits, last.AddressDigits);
    }

    /// <summary>The windows.</summary>
    internal WindowPlan Plan { get; }

    /// <summary>Bytes of a page.</summary>
    internal ulong PageBytes { get; }

    /// <summary>The lowest area.</summary>
    internal AreaSlot First { get; }

    /// <summary>The highest area.</summary>
    internal AreaSlot Last { get; }

    /// <summary>Digits of the addresses.</summary>
    internal int AddressDigits { get; }

    /// <summary>Looks at a list.</summary>
    /// <param name="file">The file.</param>
    /// <param name="facts">What is known beside the list.</param>
    /// <param name="options">What to keep.</param>
    /// <returns>Null where a few rows do not tell.</returns>
    internal static ListOutline? TryRead(SafeFileHandle file, ExplainFacts facts, ExplainOptions options)
    {
        ListProbe probe = new(file);
        if (facts.Predicted is not null || !probe.TryFrom(0, out VmallocRow first, out _, out _)
            || !probe.TryLast(out VmallocRow last, out _) || first.Start >= last.Start || !IsInOrder(probe))
        {
            return null;
        }

        AreaList areas = new();
        Add(areas, first);
        if (first.Start < WindowFinder.X64KernelMap && last.Start > WindowFinder.X64KernelMap)
        {
            if (!probe.TryAround(WindowFinder.X64KernelMap, out _, out VmallocRow module))
            {
                return null;
            }

            Add(areas, module);
        }

        Add(areas, last);
        ulong pageBytes = facts.PageBytes ?? PageBytesOf(probe);
        WindowPlan plan = new(facts, areas, Math.Max(first.AddressDigits, last.AddressDigits), pageBytes, options);
        ulong[] zoomBytes = new ulong[plan.Windows.Count];
        for (int i = 0; i < zoomBytes.Length; i++)
        {
            if (Overlaps(plan.Windows, i) || !TryZoom(probe, plan.Windows[i], first, last, out zoomBytes[i]))
            {
                return null;
            }
        }

        return new ListOutline(plan, pageBytes, first, last, zoomBytes);
    }

    /// <summary>Whether a row can be where a list is cut: a live area in a window.</summary>
    /// <param name="above">The last row of the lower half.</param>
    /// <param name="below">The first row of the upper half.</param>
    internal bool CanBeCut(in VmallocRow above, in VmallocRow below)
    {
        bool isPlain = above.AddressesMatchSize && below.AddressesMatchSize && !above.Has(AreaFlags.Unpurged) && above.End <= below.Start
            && above.Start < above.End;
        foreach (AddressWindow window in Plan.Windows)
        {
            if (isPlain && window.Contains(above.Start) && window.Contains(below.Start))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A walk over the windows with everything expected of them, nothing taken yet.</summary>
    internal WindowWalk NewWalk(TextTable texts, ListTotals totals)
    {
        WindowWalk walk = new(Plan, texts, totals);
        for (int i = 0; i < _zoomBytes.Length; i++)
        {
            walk.Accounts[i].Expect(_zoomBytes[i]);
        }

        return walk;
    }

    /// <summary>Whether a list that was read is what it was taken for.</summary>
    /// <param name="totals">Its sums.</param>
    /// <param name="walk">Its accounts; closed when the answer is yes.</param>
    internal bool Held(ListTotals totals, WindowWalk walk)
    {
        if (totals.OddCount > 0 || totals.PageBytes != PageBytes || totals.AddressDigits != AddressDigits || !totals.Areas.IsInOrder
            || !walk.WasAsExpected(First, Last))
        {
            return false;
        }

        for (int i = 0; i < _zoomBytes.Length; i++)
        {
            WindowAccount account = walk.Accounts[i];
            account.Close(Plan.TopAlignBytes(account.Window, totals));
            if (account.ZoomBytes != _zoomBytes[i] && account.Bar is not null)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The place of a row.</summary>
    internal static AreaSlot AreaOf(in VmallocRow row) => new() { Start = row.Start, End = row.End, Flags = row.Flags };

    private static void Add(AreaList areas, in VmallocRow row) => areas.Add(row.Start, row.End, 0, row.Flags);

    private static bool IsInOrder(ListProbe probe)
    {
        ulong below = 0;
        for (int i = 1; i < Samples; i++)
        {
            if (!probe.TryFrom(probe.Length / Samples * i, out VmallocRow row, out _, out _) || row.Start < below)
            {
                return false;
            }

            below = row.Start;
        }

        return true;
    }

    private static ulong PageBytesOf(ListProbe probe)
    {
        ulong? told = null;
        long at = 0;
        for (int i = 0; i < FirstRows && told is null && probe.TryFrom(at, out VmallocRow row, out _, out long next); i++)
        {
            told = ListTotals.PageBytesOf(new ReadOnlySpan<VmallocRow>(in row));
            at = next;
        }

        return told ?? ListTotals.UsualPageBytes;
    }

    private static bool Overlaps(List<AddressWindow> windows, int index)
    {
        for (int i = 0; i < windows.Count; i++)
        {
            if (i != index && (windows[index].Contains(windows[i].Start) || windows[i].Contains(windows[index].Start)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A hole of more than half a window lies around its middle, and nothing else can make a bar zoom.</summary>
    private static bool TryZoom(ListProbe probe, AddressWindow window, in VmallocRow first, in VmallocRow last, out ulong zoomBytes)
    {
        zoomBytes = 0;
        ulong middle = window.Start + (window.Bytes / 2);
        if (middle <= first.Start)
        {
            return true;
        }

        (VmallocRow below, VmallocRow above) = (last, default);
        if (middle <= last.Start && !probe.TryAround(middle, out below, out above))
        {
            return false;
        }

        ulong from = Math.Max(below.End, window.Start) - window.Start;
        ulong to = middle <= last.Start ? Math.Min(above.Start - window.Start, window.Bytes) : window.Bytes;
        zoomBytes = from < to ? WindowAccount.ZoomTo(window, new Gap(window.Start + from, to - from, GapKind.Free, 0)) : 0;
        return true;
    }
}
