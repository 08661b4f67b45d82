using System.Globalization;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What names an area from list to list; texts are numbers of the run's <see cref="DiffTexts"/>.</summary>
internal readonly record struct DiffKey(ulong Start, ulong SizeBytes, ulong Phys, int Owner, AreaFlags Words);

/// <summary>A row, with its texts as numbers that hold across lists.</summary>
internal readonly record struct DiffArea(
    ulong Start, ulong SizeBytes, ulong Phys, long Line, int OwnerText, int Owner, int Module, int Kind, int PhysRange,
    AreaFlags Words, bool AddressIsReal, bool AddressIsHidden)
{
    internal bool IsUnpurged => (Words & AreaFlags.Unpurged) != AreaFlags.None;

    /// <summary>vpages says how the array of page pointers was made: not what the area is.</summary>
    internal DiffKey Key(DiffMatching matching) =>
        new(matching == DiffMatching.ByAddress ? Start : 0, SizeBytes, Phys, OwnerText, Words & ~AreaFlags.Vpages);
}

/// <summary>Numbers for the texts of all lists of a comparison.</summary>
internal sealed class DiffTexts
{
    private const string NoOwner = "(no owner)";
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly List<string> _texts = [];

    internal string Text(int number) => _texts[number];

    internal int Number(string text)
    {
        if (!_numbers.TryGetValue(text, out int number))
        {
            number = _texts.Count;
            _numbers.Add(text, number);
            _texts.Add(text);
        }

        return number;
    }

    /// <summary>The rows of a list.</summary>
    internal DiffArea[] Areas(VmallocReport report)
    {
        Dictionary<int, (int Text, int Owner, int Module)> owners = [];
        DiffArea[] areas = new DiffArea[report.Rows.Length];
        int kernel = Number("(kernel)");
        int none = Number("");
        for (int i = 0; i < areas.Length; i++)
        {
            ref readonly VmallocRow row = ref report.Rows[i];
            string kind = SnapshotDiff.KindOf(row);
            if (!owners.TryGetValue(row.Caller, out (int Text, int Owner, int Module) owner))
            {
                VmallocCaller? caller = report.Caller(row);
                string name = caller is null ? NoOwner : OwnerName(caller);
                owner = (Number(report.CallerText(row)), Number(name), caller?.Module is { } module ? Number(module) : kernel);
                owners.Add(row.Caller, owner);
            }

            bool hasOwner = row.Caller != 0;
            bool hasPhys = row.Has(AreaFlags.HasPhys) && row.Phys != 0;
            areas[i] = new DiffArea(row.Start, row.SizeBytes, row.Phys, row.Line, owner.Text,
                hasOwner ? owner.Owner : Number(kind is "vm_map_ram" or "unpurged" ? kind : NoOwner),
                hasOwner ? owner.Module : kernel, Number(kind),
                hasPhys ? Number(PhysName(row.Phys, row.SizeBytes)) : none,
                row.Flags & AreaFlags.Words, row.AddressesMatchSize, row.Has(AreaFlags.AddressHidden) || (row.Start == 0 && row.End == 0));
        }

        return areas;
    }

    internal DiffRow Row(DiffArea area, int snapshot) => new(snapshot, area.Line, area.Start, area.SizeBytes, Text(area.OwnerText),
        Text(area.Kind), area.Phys == 0 ? null : area.Phys);

    /// <summary>The function without the place inside it, so that all its calls count as one; a raw address stays as it is.</summary>
    private static string OwnerName(VmallocCaller caller) =>
        (caller.IsRawAddress ? caller.Text : caller.Function) + (caller.Module is { } module ? $" [{module}]" : "");

    private static string PhysName(ulong phys, ulong sizeBytes) =>
        string.Create(CultureInfo.InvariantCulture, $"0x{phys:x} + {sizeBytes}");
}
