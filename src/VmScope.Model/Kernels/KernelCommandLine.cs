using System.Collections.Immutable;
using System.Text;

namespace VmScope.Kernels;

/// <summary>One boot option.</summary>
/// <param name="Name">The text before '=' ('-' and '_' are the same to the kernel; kept as written).</param>
/// <param name="Value">The text behind '=', without quotes; null when there is no '='.</param>
public sealed record BootOption(string Name, string? Value);

/// <summary>The kernel's boot options, split as the kernel splits them.</summary>
/// <remarks>Source: kernel/params.c, next_arg(): blanks separate, double quotes protect blanks, "--" ends.</remarks>
public sealed class KernelCommandLine
{
    private KernelCommandLine(string text, ImmutableArray<BootOption> options) => (Text, Options) = (text, options);

    /// <summary>No options.</summary>
    public static KernelCommandLine Empty { get; } = Parse("");

    /// <summary>The line as it was given.</summary>
    public string Text { get; }

    /// <summary>The options in order.</summary>
    public ImmutableArray<BootOption> Options { get; }

    /// <summary>Splits a command line.</summary>
    public static KernelCommandLine Parse(string text)
    {
        ImmutableArray<BootOption>.Builder options = ImmutableArray.CreateBuilder<BootOption>();
        StringBuilder word = new();
        bool quoted = false;
        foreach (char c in text + " ")
        {
            if (c == '"')
            {
                quoted = !quoted;
            }
            else if (char.IsWhiteSpace(c) && !quoted)
            {
                if (word.Length == 0)
                {
                    continue;
                }

                string option = word.ToString();
                word.Clear();
                if (option == "--")
                {
                    break;
                }

                int equals = option.IndexOf('=', StringComparison.Ordinal);
                options.Add(equals < 0
                    ? new BootOption(option, Value: null)
                    : new BootOption(option[..equals], option[(equals + 1)..]));
            }
            else
            {
                word.Append(c);
            }
        }

        return new KernelCommandLine(text, options.ToImmutable());
    }

    /// <summary>Whether an option is present, with or without a value.</summary>
    public bool Has(string name) => Options.Any(option => SameName(option.Name, name));

    /// <summary>The values of every occurrence of an option, in order; an occurrence without '=' gives null.</summary>
    public IEnumerable<string?> All(string name) =>
        Options.Where(option => SameName(option.Name, name)).Select(option => option.Value);

    /// <summary>The value of the last occurrence: the one that counts for a setting. Null when absent or without '='.</summary>
    public string? Last(string name) => All(name).LastOrDefault();

    /// <summary>
    /// Reads a size as the kernel's memparse() does: decimal, 0x or 0-octal number, then K, M, G, T, P or E.
    /// </summary>
    /// <param name="text">The text; reading stops at the first character that fits nowhere.</param>
    /// <param name="rest">What was not read.</param>
    /// <returns>The number, modulo 2^64 as in the kernel; null when the text does not begin with a number.</returns>
    /// <remarks>Source: lib/cmdline.c, memparse().</remarks>
    public static ulong? MemoryParse(string text, out string rest) => MemoryParse(text, out rest, out _);

    /// <summary>As <see cref="MemoryParse(string, out string)"/>; also tells whether the number went past 2^64.</summary>
    /// <param name="text">The text; reading stops at the first character that fits nowhere.</param>
    /// <param name="rest">What was not read.</param>
    /// <param name="wrapped">Whether the result is the number modulo 2^64 only.</param>
    public static ulong? MemoryParse(string text, out string rest, out bool wrapped)
    {
        wrapped = false;
        int at = 0;
        uint numberBase = 10;
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            (numberBase, at) = (16, 2);
        }
        else if (text.Length > 1 && text[0] == '0')
        {
            numberBase = 8;
        }

        int start = at;
        ulong value = 0;
        while (at < text.Length && char.IsAsciiHexDigit(text[at]))
        {
            uint digit = (uint)Convert.ToInt32(text[at].ToString(), 16);
            if (digit >= numberBase)
            {
                break;
            }

            wrapped |= value > (ulong.MaxValue - digit) / numberBase;
            value = unchecked((value * numberBase) + digit);
            at++;
        }

        if (at == start)
        {
            rest = text;
            return null;
        }

        int shift = at < text.Length ? "KMGTPE".IndexOf(char.ToUpperInvariant(text[at]), StringComparison.Ordinal) : -1;
        rest = text[(shift < 0 ? at : at + 1)..];
        if (shift < 0)
        {
            return value;
        }

        int bits = 10 * (shift + 1);
        wrapped |= value >> (64 - bits) != 0;
        return value << bits;
    }

    private static bool SameName(string left, string right) =>
        left.Length == right.Length
        && left.Replace('-', '_').Equals(right.Replace('-', '_'), StringComparison.Ordinal);
}
