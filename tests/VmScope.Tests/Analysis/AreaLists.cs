using System.Globalization;
using System.Text;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Tests.Analysis;

/// <summary>Writes lists of areas as a kernel prints them, for tests that need a certain one.</summary>
internal sealed class AreaLists
{
    private readonly List<(ulong Start, ulong Size, string Words)> _rows = [];
    private readonly int _digits;

    internal AreaLists(bool is64Bit = false) => _digits = is64Bit ? 16 : 8;

    /// <summary>The end of the last area added.</summary>
    internal ulong End => _rows.Count == 0 ? 0 : _rows[^1].Start + _rows[^1].Size;

    internal AreaLists Add(ulong start, ulong size, string rest)
    {
        _rows.Add((start, size, rest));
        return this;
    }

    /// <summary>Areas of one owner, one behind the other with a hole between.</summary>
    internal AreaLists AddMany(int count, ulong start, ulong size, ulong step, string rest)
    {
        for (int i = 0; i < count; i++)
        {
            Add(start + ((ulong)i * step), size, rest);
        }

        return this;
    }

    internal AreaLists Copy()
    {
        AreaLists copy = new(_digits == 16);
        copy._rows.AddRange(_rows);
        return copy;
    }

    internal AreaLists RemoveWhere(Predicate<string> rest)
    {
        _rows.RemoveAll(row => rest(row.Words));
        return this;
    }

    /// <summary>The text; hashed when a key is given: equal addresses stay equal, order and distance are lost.</summary>
    internal string Text(ulong? hashKey = null)
    {
        StringBuilder text = new();
        foreach ((ulong start, ulong size, string rest) in _rows)
        {
            string Address(ulong value) => (hashKey is { } key ? Hash(value, key) : value).ToString(_digits == 16 ? "x16" : "x8", CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture, $"0x{Address(start)}-0x{Address(start + size)} {size,7} {rest}\n");
        }

        return text.ToString();
    }

    internal VmallocReport Report(ulong? hashKey = null)
    {
        DiagnosticList diagnostics = new();
        VmallocReport report = VmallocInfoReader.ReadReport(new MemoryStream(Encoding.UTF8.GetBytes(Text(hashKey))), "list", diagnostics);
        Assert.Equal(0, diagnostics.Count);
        return report;
    }

    private ulong Hash(ulong value, ulong key)
    {
        ulong hash = unchecked((value ^ key) * 0x9E3779B97F4A7C15UL);
        hash ^= hash >> 31;
        return _digits == 16 ? hash : hash & 0xffffffff;
    }
}
