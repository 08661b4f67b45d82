using System.Globalization;

namespace VmScope.Kernels;

/// <summary>Reads what a formula needs from a configuration, and states what it had to assume.</summary>
internal sealed class ConfigReader(KernelConfig config)
{
    private readonly List<Assumption> _assumed = new(16);

    /// <summary>What was asked for and not given, in the order it was asked.</summary>
    internal IReadOnlyList<Assumption> Assumed => _assumed;

    /// <summary>A yes/no symbol; the default is taken, and stated, when nobody said.</summary>
    internal bool Flag(string symbol, bool byDefault, string reason)
    {
        if (config.IsSet(symbol) is { } set)
        {
            return set;
        }

        Assume(symbol, byDefault ? "y" : "n", reason);
        return byDefault;
    }

    /// <summary>A number; the default is taken, and stated, when nobody said.</summary>
    internal ulong Number(string symbol, ulong byDefault, string reason)
    {
        if (config.Number(symbol) is { } number)
        {
            return number;
        }

        Assume(symbol, byDefault.ToString(CultureInfo.InvariantCulture), reason);
        return byDefault;
    }

    /// <summary>Whether a symbol is set; null when nobody said. Assumes nothing.</summary>
    internal bool? Ask(string symbol) => config.IsSet(symbol);

    /// <summary>A number; null when nobody said. Assumes nothing.</summary>
    internal ulong? AskNumber(string symbol) => config.Number(symbol);

    /// <summary>States something that was taken for granted; a second statement about the same name is dropped.</summary>
    internal void Assume(string name, string value, string reason)
    {
        foreach (Assumption assumption in _assumed)
        {
            if (string.Equals(assumption.Name, name, StringComparison.Ordinal))
            {
                return;
            }
        }

        _assumed.Add(new Assumption(name, value, reason));
    }
}
