using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace VmScope.Kernels;

/// <summary>A kernel build's configuration: symbol names without <c>CONFIG_</c>, values as written.</summary>
/// <remarks>
/// A whole .config file says "not set" by leaving a symbol out; an excerpt says nothing by it. The difference is
/// <see cref="IsComplete"/>, and it decides between a known "n" and "nobody said".
/// </remarks>
public sealed class KernelConfig
{
    private readonly FrozenDictionary<string, string> _values;

    // Changes on top: a sweep changes one symbol of thousands a hundred thousand times.
    private readonly ImmutableDictionary<string, string> _changes;
    private IReadOnlyDictionary<string, string>? _merged;

    /// <summary>Makes a configuration.</summary>
    /// <param name="values">Symbol (with or without the CONFIG_ prefix) to value; quotes around strings are dropped.</param>
    /// <param name="isComplete">Whether a symbol that is not listed is known to be unset.</param>
    public KernelConfig(IEnumerable<KeyValuePair<string, string>> values, bool isComplete)
    {
        Dictionary<string, string> cleaned = new(StringComparer.Ordinal);
        foreach ((string name, string value) in values)
        {
            cleaned[Symbol(name)] = Cleaned(value);
        }

        _values = cleaned.ToFrozenDictionary(StringComparer.Ordinal);
        _changes = ImmutableDictionary<string, string>.Empty;
        IsComplete = isComplete;
    }

    private KernelConfig(FrozenDictionary<string, string> values, ImmutableDictionary<string, string> changes, bool isComplete) =>
        (_values, _changes, IsComplete) = (values, changes, isComplete);

    /// <summary>Nothing is known.</summary>
    public static KernelConfig Nothing { get; } = new([], isComplete: false);

    /// <summary>Whether a symbol that is not listed is known to be unset.</summary>
    public bool IsComplete { get; }

    /// <summary>The listed symbols and values.</summary>
    public IReadOnlyDictionary<string, string> Values => _changes.IsEmpty ? _values : _merged ??= Merged();

    /// <summary>The value as written: y, m, n, a number or a string; null when nobody said.</summary>
    public string? Value(string symbol) =>
        TryGet(symbol, out string? value) ? value : IsComplete ? "n" : null;

    /// <summary>Whether a yes/no symbol is set (y or m); null when nobody said.</summary>
    public bool? IsSet(string symbol) => Value(symbol) switch
    {
        null => null,
        "n" or "" => false,
        _ => true,
    };

    /// <summary>A decimal or 0x number; null when nobody said, or the value is not a number.</summary>
    public ulong? Number(string symbol)
    {
        if (!TryGet(symbol, out string? text))
        {
            return null;
        }

        bool isNumber = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return isNumber ? value : null;
    }

    /// <summary>The same configuration with one symbol changed.</summary>
    public KernelConfig With(string symbol, string value) =>
        new(_values, _changes.SetItem(Symbol(symbol), Cleaned(value)), IsComplete);

    private bool TryGet(string symbol, [NotNullWhen(true)] out string? value)
    {
        string name = Symbol(symbol);
        return _changes.TryGetValue(name, out value) || _values.TryGetValue(name, out value);
    }

    private Dictionary<string, string> Merged()
    {
        Dictionary<string, string> merged = new(_values, StringComparer.Ordinal);
        foreach ((string name, string value) in _changes)
        {
            merged[name] = value;
        }

        return merged;
    }

    private static string Cleaned(string value) => value.Trim().Trim('"');

    private static string Symbol(string name) =>
        name.StartsWith("CONFIG_", StringComparison.Ordinal) ? name["CONFIG_".Length..] : name;
}
