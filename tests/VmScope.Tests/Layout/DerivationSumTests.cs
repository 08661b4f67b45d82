using System.Globalization;
using System.Text.RegularExpressions;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Tests.Layout;

/// <summary>Goal: a derivation adds up as it is printed. Method: the line with values in place is computed again, by arithmetic of its own.</summary>
public partial class DerivationSumTests
{
    public static TheoryData<string, string> Kernels() => new()
    {
        { "i386", "2.4.22" }, { "i386", "2.6.24" }, { "i386", "2.6.28" }, { "i386", "4.12" }, { "i386", "4.15" }, { "i386", "6.1" },
        { "arm64", "4.4" }, { "arm64", "5.10" }, { "arm64", "6.12" },
    };

    [Theory, MemberData(nameof(Kernels))]
    public void Sums_products_and_powers_come_to_what_is_printed(string architecture, string version)
    {
        KernelLayout layout = Predict.Of(Architectures.Parse(architecture), version, 3UL << 30);
        int computed = 0;
        foreach (Quantity quantity in layout.Quantities)
        {
            DerivationStep step = DerivationText.Steps(layout, quantity.Name)[^1];
            if (step.Substituted.Length > 0 && Value(step.Substituted) is { } sum && Value(step.Result) is { } result)
            {
                computed++;
                ulong mask = layout.PageOffset.Value >> 32 == 0 ? uint.MaxValue : ulong.MaxValue;
                Assert.True((sum & mask) == (result & mask), $"{quantity.Name}: {step.Substituted} is 0x{sum & mask:x}, not {step.Result}");
            }
        }

        Assert.True(computed > 8, $"only {computed} steps could be computed");
    }

    [Theory]
    [InlineData("2.6.27")]
    [InlineData("4.12")]
    [InlineData("6.1")]
    public void No_number_of_the_fixmap_falls_from_the_sky(string version)
    {
        KernelLayout layout = Predict.Of(Architecture.I386, version, 1UL << 30);
        foreach (string name in new[] { "fixmap-permanent", "fixmap-total" })
        {
            DerivationStep step = DerivationText.Steps(layout, name)[^1];
            Assert.NotNull(Value(step.Substituted));
        }
    }

    /// <summary>Plus, minus, times and powers of numbers with their units; null for anything else.</summary>
    private static ulong? Value(string text)
    {
        string plain = Unit().Replace(text, match => (Number(match.Groups[1].Value) << (match.Groups[2].Value[0] switch
        {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            _ => 0,
        })).ToString(CultureInfo.InvariantCulture));
        if (!Simple().IsMatch(plain))
        {
            return null;
        }

        ulong total = 0;
        bool minus = false;
        foreach (Match part in Part().Matches(plain))
        {
            if (part.Value is "+" or "-")
            {
                minus = part.Value == "-";
                continue;
            }

            ulong product = 1;
            foreach (string factor in part.Value.Split('*', StringSplitOptions.TrimEntries))
            {
                string[] power = factor.Split('^');
                ulong value = Number(power[0]);
                product = unchecked(product * (power.Length == 1 ? value : (ulong)System.Numerics.BigInteger.ModPow(value, Number(power[1]), System.Numerics.BigInteger.One << 64)));
            }

            total = unchecked(minus ? total - product : total + product);
        }

        return total;
    }

    private static ulong Number(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
        : ulong.Parse(text, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(0x[0-9a-f]+|\d+) (KiB|MiB|GiB|TiB|bytes|pages|page)\b")]
    private static partial Regex Unit();

    [GeneratedRegex(@"^-?\s?(0x[0-9a-f]+|\d+)(\^\d+)?( [-+*] (0x[0-9a-f]+|\d+)(\^\d+)?)*$")]
    private static partial Regex Simple();

    [GeneratedRegex(@"[-+]|[^-+]+")]
    private static partial Regex Part();
}
