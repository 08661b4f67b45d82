using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace VmScope.Layout;

/// <summary>One step of a derivation, written out.</summary>
/// <param name="Quantity">What the step computes.</param>
/// <param name="Symbolic">The formula with names, empty for something given.</param>
/// <param name="Substituted">The formula with values, empty for something given.</param>
/// <param name="Result">The value with its unit.</param>
public sealed record DerivationStep(Quantity Quantity, string Symbolic, string Substituted, string Result);

/// <summary>Writes down how a number of a layout follows from the inputs, the way one does on paper.</summary>
public static class DerivationText
{
    /// <summary>The steps that lead to a quantity, inputs first, the quantity itself last.</summary>
    /// <returns>Empty when the layout has no quantity of that name.</returns>
    public static ImmutableArray<DerivationStep> Steps(KernelLayout layout, string name)
    {
        Dictionary<string, Quantity> byName = new(StringComparer.Ordinal);
        foreach (Quantity quantity in layout.Quantities)
        {
            byName[quantity.Name] = quantity;
        }

        ImmutableArray<DerivationStep>.Builder steps = ImmutableArray.CreateBuilder<DerivationStep>();
        HashSet<string> seen = new(StringComparer.Ordinal);
        Visit(name);
        return steps.ToImmutable();

        void Visit(string wanted)
        {
            if (!byName.TryGetValue(wanted, out Quantity quantity) || !seen.Add(wanted))
            {
                return;
            }

            foreach (string input in Inputs(quantity.Formula))
            {
                Visit(input);
            }

            steps.Add(new DerivationStep(
                quantity,
                Replace(quantity.Formula, input => byName.TryGetValue(input, out Quantity of) ? of.Label : input),
                Replace(quantity.Formula, input => byName.TryGetValue(input, out Quantity of) ? ValueText(of) : input),
                ValueText(quantity)));
        }
    }

    /// <summary>The names a formula refers to, in order, each once.</summary>
    public static IEnumerable<string> Inputs(string formula)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        int at = 0;
        while ((at = formula.IndexOf('{', at)) >= 0)
        {
            int end = formula.IndexOf('}', at);
            if (end < 0)
            {
                yield break;
            }

            string name = formula[(at + 1)..end];
            if (seen.Add(name))
            {
                yield return name;
            }

            at = end;
        }
    }

    /// <summary>A value with its unit: 0xf8800000, 896 MiB, 0x36bfe frames, 114680 kB, 32.</summary>
    public static string ValueText(Quantity quantity) => quantity.Unit switch
    {
        QuantityUnit.Address or QuantityUnit.PhysicalAddress => AddressText.Hex(quantity.Value),
        QuantityUnit.Bytes => BytesText(quantity.Value),
        QuantityUnit.KiB => quantity.Value.ToString(CultureInfo.InvariantCulture) + " kB",
        QuantityUnit.Frames => AddressText.Hex(quantity.Value) + " pages",
        QuantityUnit.Count => quantity.Value.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Bytes exactly: whole MiB or KiB where they are whole, otherwise the bytes themselves.</summary>
    public static string BytesText(ulong bytes) => bytes switch
    {
        0 => "0",
        _ when bytes % Size.PiB == 0 => (bytes / Size.PiB).ToString(CultureInfo.InvariantCulture) + " PiB",
        _ when bytes % Size.TiB == 0 => (bytes / Size.TiB).ToString(CultureInfo.InvariantCulture) + " TiB",
        _ when bytes % Size.GiB == 0 => (bytes / Size.GiB).ToString(CultureInfo.InvariantCulture) + " GiB",
        _ when bytes % Size.MiB == 0 => (bytes / Size.MiB).ToString(CultureInfo.InvariantCulture) + " MiB",
        _ when bytes % Size.KiB == 0 => (bytes / Size.KiB).ToString(CultureInfo.InvariantCulture) + " KiB",
        _ => bytes.ToString(CultureInfo.InvariantCulture) + " bytes",
    };

    private static string Replace(string formula, Func<string, string> text)
    {
        StringBuilder result = new(formula.Length + 32);
        int at = 0;
        while (at < formula.Length)
        {
            int open = formula.IndexOf('{', at);
            int close = open < 0 ? -1 : formula.IndexOf('}', open);
            if (close < 0)
            {
                break;
            }

            result.Append(formula, at, open - at).Append(text(formula[(open + 1)..close]));
            at = close + 1;
        }

        return result.Append(formula, at, formula.Length - at).ToString();
    }
}
