using VmScope.Kernels;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <content>Which window a request failed in, and what is free there.</content>
public sealed partial class Doctor
{
    /// <summary>The account of the window that failed: of the printed bounds where there are any.</summary>
    private WindowAccount? AccountOf(FailedRequest main)
    {
        if (_list is null || _list.Addresses != AddressState.Real)
        {
            return null;
        }

        if (main.Range is not null)
        {
            return WindowBounds(main) is { } printed ? Measured(_list, printed) : null;
        }

        return main.Window switch
        {
            FailedWindow.Modules or FailedWindow.Bpf => _list.Windows.Find(account => account.Window.Name == WindowName(main))
                ?? (WindowBounds(main) is { } bounds ? Measured(_list, bounds) : null),
            FailedWindow.Vmalloc or FailedWindow.Percpu => _list.Vmalloc,
            FailedWindow.Unknown => _list.Windows.Count == 1 ? _list.Vmalloc : null,
            _ => null,
        };
    }

    private static WindowAccount Measured(ListExplanation list, AddressWindow window) =>
        list.Windows.Find(account => account.Window.Start == window.Start && account.Window.Bytes == window.Bytes)
        ?? list.AccountOf(window);

    /// <summary>Whether compiled BPF programs have a window of their own: arm64 up to 5.11.</summary>
    private bool HasBpfWindow => _layout?.FindRegion("bpf") is { IsBounds: false, Inside: null };

    private string WindowName(FailedRequest main) => main.Window switch
    {
        FailedWindow.Bpf when HasBpfWindow => "bpf",
        FailedWindow.Modules or FailedWindow.Bpf => "modules",
        _ => "vmalloc",
    };

    private string Phrase(FailedRequest main) => main.Window == FailedWindow.Bpf && HasBpfWindow ? "the window of compiled BPF programs" : DoctorWords.Phrase(main.Window);

    private string Purpose(FailedRequest main) => main.Window == FailedWindow.Bpf && HasBpfWindow ? Phrase(main) : DoctorWords.Purpose(main);

    private AddressWindow? WindowBounds(FailedRequest main)
    {
        string name = WindowName(main);
        if (main.Range is { } range)
        {
            return new AddressWindow(main.Window == FailedWindow.FixedRange ? "fixed-range" : name, range.Start.Value, range.SizeBytes, "printed in the failure message", Sureness.Printed);
        }

        if (_dmesg?.LayoutOf(name) is { Start: { } start, End: { } end } && end.Value > start.Value)
        {
            return new AddressWindow(name, start.Value, end.Value - start.Value + (end.Value & 1), "printed in the boot log's memory layout", Sureness.Printed);
        }

        if (main.Window is FailedWindow.Modules or FailedWindow.Bpf)
        {
            return _layout?.FindRegion(name) is { IsBounds: false } modules
                ? new AddressWindow(name, modules.Range.Start.Value, modules.Range.SizeBytes, "computed from this kernel's version, configuration and memory", Sureness.Derived)
                : null;
        }

        return main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu && _layout is not null
            && (_bundle.Meminfo?.VmallocTotalKiB is not { } total || total == _layout.VmallocTotalKiB)
            ? new AddressWindow(name, _layout.Vmalloc.Start.Value, _layout.Vmalloc.SizeBytes, "computed from this kernel's version, configuration and memory", Sureness.Derived)
            : null;
    }

    /// <summary>The window's size, also where its place is not known.</summary>
    private ulong? WindowBytes(FailedRequest main, AddressWindow? window) => window?.Bytes
        ?? (main.Window is FailedWindow.Vmalloc or FailedWindow.Percpu or FailedWindow.Unknown && !Is64Bit ? _bundle.Meminfo?.VmallocTotalKiB * 1024 : null);

    private bool Is64Bit => Architectures.Parse(_architecture).Is64Bit();

    private (DoctorVerdict, string) Judge(FailedRequest main, AddressWindow? window, WindowAccount? account, FitAnswer? answer)
    {
        if (main.SearchedBytes is not { } searched)
        {
            return (DoctorVerdict.NoRoom, main.Percpu == PercpuShortage.Chunk
                ? "had no room for another per-CPU chunk"
                : "had no room for a request whose size the message does not give");
        }

        if (searched > LargestBytes)
        {
            return (DoctorVerdict.ImpossibleSize, $"cannot take {Grouped(searched)} bytes: no address space is that large. The size is a bug or an overflow of whoever asked");
        }

        string chunk = main.Percpu == PercpuShortage.Chunk ? " for another per-CPU chunk" : "";
        string guard = main.Percpu == PercpuShortage.Chunk ? "" : " (guard page included)";

        if (WindowBytes(main, window) is { } whole && searched > whole)
        {
            return (DoctorVerdict.LargerThanWindow, $"has {Grouped(whole)} bytes in all, and {Grouped(searched)} were asked for{guard}: {Grouped(searched - whole)} more than the whole window");
        }

        if (account is null && MostFree(main) is { } most && most < searched)
        {
            return (DoctorVerdict.Exhausted, $"is full: the sizes in its list leave at most {Grouped(most)} of {Grouped(WindowBytes(main, window) ?? 0)} bytes free, and {Grouped(searched)} were asked for{guard}: short by at least {Grouped(searched - most)}");
        }

        if (account is null || answer is null)
        {
            string size = WindowBytes(main, window) is { } bytes ? $" of {Grouped(bytes)} bytes" : "";
            string missing = _list is { Addresses: not AddressState.Real } ? "its list has no real addresses, so holes cannot be measured" : "how full it was, only /proc/vmallocinfo shows";
            return (DoctorVerdict.NoRoom, $"{(size.Length > 0 ? $"({size[4..]}) " : "")}had no hole of {Grouped(searched)} bytes{guard}{chunk}; {missing}");
        }

        if (answer.Fits)
        {
            return (DoctorVerdict.NoRoom, $"had no hole of {Grouped(searched)} bytes{chunk} when the request failed; in the list, taken at another moment, the largest has {Grouped(answer.LargestHoleBytes)}");
        }

        if (account.Window.Sureness == Sureness.Guessed)
        {
            return (DoctorVerdict.NoRoom, $"had no hole of {Grouped(searched)} bytes{guard}{chunk}; between the areas of the list the largest has {Grouped(answer.LargestHoleBytes)}, and where the window begins and ends is not known");
        }

        ulong free = Free(account);
        string holes = $"the largest hole has {Grouped(answer.LargestHoleBytes)} bytes and {Grouped(searched)} were asked for{guard}: short by {Grouped(answer.ShortByBytes)}";
        return free >= searched
            ? (DoctorVerdict.Fragmentation, $"is fragmented: {Grouped(free)} bytes are free in {HolesText(account)}, but {holes}")
            : (DoctorVerdict.Exhausted, $"is full: {Grouped(free)} bytes are free in {HolesText(account)}; {holes}");
    }

    private string HolesText(WindowAccount account) =>
        HolesAfterPurge(account) is var holes && holes == 1 ? "1 hole" : $"{Grouped(holes)} holes";

    /// <summary>The holes that the free bytes lie in, those counted that a purge opens.</summary>
    private long HolesAfterPurge(WindowAccount account)
    {
        if (_list is null || account.UnpurgedAreas == 0)
        {
            return account.Holes;
        }

        ulong origin = account.Window.Start;
        ulong cursor = 0;
        if (account.FirstIndex > 0 && _list.Areas[account.FirstIndex - 1].End > origin)
        {
            cursor = Math.Min(_list.Areas[account.FirstIndex - 1].End - origin, account.Window.Bytes);
        }

        long holes = 0;
        for (int i = account.FirstIndex; i < account.EndIndex; i++)
        {
            ref readonly AreaSlot area = ref _list.Areas[i];
            if ((area.Flags & AreaFlags.Unpurged) != AreaFlags.None)
            {
                continue;
            }

            holes += area.Start - origin > cursor ? 1 : 0;
            cursor = Math.Max(cursor, unchecked(area.End - origin - 1) + 1);
        }

        return holes + (cursor < account.Window.Bytes ? 1 : 0);
    }

    /// <summary>
    /// The most that can be free in a window whose list has sizes but no addresses: on i386 every row lies in the vmalloc
    /// window. Null where that is not so, or the window's size is not known.
    /// </summary>
    private ulong? MostFree(FailedRequest main) =>
        _list is { Addresses: not AddressState.Real } && _architecture == "i386" && WindowBytes(main, WindowBounds(main)) is { } whole
            ? whole - Math.Min(whole, _list.Live.Bytes)
            : null;

    private static ulong Free(WindowAccount account) => account.FreeBytes + account.BytesByGapKind[(int)GapKind.Unpurged];
}
