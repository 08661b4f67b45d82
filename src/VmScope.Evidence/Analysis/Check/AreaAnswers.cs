using System.Collections.Immutable;
using System.Globalization;
using VmScope.Layout;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Where real areas and modules lie: the first and last row of /proc/vmallocinfo, rows outside the window, modules.</summary>
internal static class AreaAnswers
{
    private const string Vmallocinfo = "vmallocinfo";

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        RowBounds? rows = evidence.ReadIfSound(Vmallocinfo, (stream, file) =>
        {
            RowBounds bounds = new(comparer.Layout);
            VmallocInfoReader.Read(stream, file, new TextTable(), evidence.Odd, bounds);
            return bounds;
        });
        if (rows is not null)
        {
            CompareRows(comparer, rows);
        }

        if (evidence.Modules is { } modules)
        {
            CompareModules(comparer, modules);
        }
    }

    private static void CompareRows(Comparer comparer, RowBounds rows)
    {
        if (rows.First is { } first && rows.Last is { } last)
        {
            comparer.Within("vmallocinfo first row", rows.Window, first.Start, first.Last, Vmallocinfo);
            comparer.Within("vmallocinfo last row", rows.Window, last.Start, last.Last, Vmallocinfo);
        }

        if (rows.Hidden > 0)
        {
            comparer.Skip(Vmallocinfo, string.Create(CultureInfo.InvariantCulture,
                $"the addresses of {rows.Hidden} rows are hidden; set kernel.kptr_restrict to 1 or 0 and read it as root"));
        }

        if (rows.Count > 0)
        {
            comparer.Add("vmallocinfo rows outside every window", "none", rows.Stray is { } stray
                ? string.Create(CultureInfo.InvariantCulture, $"{rows.StrayCount}, the first at {comparer.Hex(stray)}")
                : "none", rows.Stray is null, Vmallocinfo);
        }
    }

    private static void CompareModules(Comparer comparer, ImmutableArray<LoadedModule> modules)
    {
        ulong? lowest = null;
        ulong highest = 0;
        LoadedModule? stray = null;
        foreach (LoadedModule module in modules)
        {
            if (module.Address is not { Value: > 0 } address)
            {
                continue;
            }

            lowest = Math.Min(lowest ?? ulong.MaxValue, address.Value);
            highest = Math.Max(highest, address.Value);
            stray ??= AreaWindows.HoldsModule(comparer.Layout, address) ? null : module;
        }

        if (lowest is null && modules.Length > 0)
        {
            comparer.Skip("modules", "the addresses are hidden; read it as root");
        }

        if (lowest is null || comparer.Layout.FindRegion("modules") is not { } window)
        {
            return;
        }

        comparer.Add("modules", "in " + comparer.RangeText(window.Range.Start.Value, window.Range.EndExclusive.Value),
            stray is null ? $"{comparer.Hex(lowest.Value)}-{comparer.Hex(highest)}" : $"{stray.Name} at {comparer.Hex(stray.Address!.Value.Value)}",
            stray is null, "modules");
    }

    /// <summary>Follows the rows of a list past, however long it is.</summary>
    private sealed class RowBounds(KernelLayout layout) : VmallocRowSink
    {
        internal VirtualRange Window { get; } = AreaWindows.Vmalloc(layout);

        internal long Count { get; private set; }

        internal long Hidden { get; private set; }

        internal (ulong Start, ulong Last)? First { get; private set; }

        internal (ulong Start, ulong Last)? Last { get; private set; }

        internal ulong? Stray { get; private set; }

        internal long StrayCount { get; private set; }

        public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
        {
            foreach (ref readonly VmallocRow row in rows)
            {
                // Hashed and zeroed addresses say nothing; an empty row would have no last byte.
                if (!row.AddressesMatchSize || row.SizeBytes == 0 || row.Start == 0)
                {
                    Hidden++;
                    continue;
                }

                Count++;
                ulong last = unchecked(row.Start + (row.SizeBytes - 1));
                if (last >= Window.Start.Value && row.Start <= Window.Last.Value)
                {
                    First = First is { } first && first.Start <= row.Start ? First : (row.Start, last);
                    Last = Last is { } highest && highest.Last >= last ? Last : (row.Start, last);
                }
                else if (!AreaWindows.Explains(layout, row, last))
                {
                    Stray ??= row.Start;
                    StrayCount++;
                }
            }
        }
    }
}
