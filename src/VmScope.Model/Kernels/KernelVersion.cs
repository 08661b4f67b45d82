using System.Globalization;

namespace VmScope.Kernels;

/// <summary>A kernel release number, ordered as kernels were released.</summary>
/// <param name="Major">First number: 2 to 7.</param>
/// <param name="Minor">Second number.</param>
/// <param name="Patch">Third number; the stable release from 3.0 on.</param>
/// <param name="Stable">Fourth number, the stable release of a 2.6 kernel; otherwise 0.</param>
/// <param name="Candidate">The number behind <c>-rc</c>; 0 for a final release.</param>
public readonly record struct KernelVersion(int Major, int Minor, int Patch = 0, int Stable = 0, int Candidate = 0)
    : IComparable<KernelVersion>
{
    private const int LargestNumber = 99_999;

    /// <summary>
    /// Reads a version from the start of a text: <c>2.6.32.5</c>, <c>6.1.176</c>, <c>7.3-rc7</c>, <c>7.3~rc7</c>,
    /// <c>6.12.107+deb13-cloud</c>. Whatever follows the numbers is left alone.
    /// </summary>
    /// <returns>False when the text does not begin with at least two numbers.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out KernelVersion version)
    {
        version = default;
        Span<int> numbers = stackalloc int[4];
        int count = 0;
        int at = 0;
        while (count < 4 && TakeNumber(text, ref at, out int number))
        {
            numbers[count++] = number;
            if (at + 1 >= text.Length || text[at] != '.' || !char.IsAsciiDigit(text[at + 1]))
            {
                break;
            }

            at++;
        }

        if (count < 2)
        {
            return false;
        }

        int candidate = 0;
        ReadOnlySpan<char> rest = text[at..];
        if (rest.StartsWith("-rc", StringComparison.Ordinal) || rest.StartsWith("~rc", StringComparison.Ordinal))
        {
            at += 3;
            _ = TakeNumber(text, ref at, out candidate);
        }

        version = new KernelVersion(numbers[0], numbers[1], numbers[2], numbers[3], candidate);
        return true;
    }

    /// <summary>Reads a version; see <see cref="TryParse"/>.</summary>
    /// <exception cref="FormatException">The text does not begin with a version.</exception>
    public static KernelVersion Parse(string text) =>
        TryParse(text, out KernelVersion version)
            ? version
            : throw new FormatException($"'{text}' is not a kernel version; one looks like 2.6.32, 6.1.176 or 7.3-rc7");

    /// <inheritdoc />
    public int CompareTo(KernelVersion other)
    {
        int order = (Major, Minor, Patch, Stable).CompareTo((other.Major, other.Minor, other.Patch, other.Stable));
        // A candidate comes before the release it leads to.
        return order != 0 ? order : CandidateOrder.CompareTo(other.CandidateOrder);
    }

    /// <summary>The version as the kernel writes it.</summary>
    public override string ToString()
    {
        string text = Major <= 2 || Patch != 0
            ? string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}.{Patch}")
            : string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
        if (Stable != 0)
        {
            text += string.Create(CultureInfo.InvariantCulture, $".{Stable}");
        }

        return Candidate == 0 ? text : text + string.Create(CultureInfo.InvariantCulture, $"-rc{Candidate}");
    }

    /// <summary>Whether <paramref name="left"/> is older.</summary>
    public static bool operator <(KernelVersion left, KernelVersion right) => left.CompareTo(right) < 0;

    /// <summary>Whether <paramref name="left"/> is newer.</summary>
    public static bool operator >(KernelVersion left, KernelVersion right) => left.CompareTo(right) > 0;

    /// <summary>Whether <paramref name="left"/> is not newer.</summary>
    public static bool operator <=(KernelVersion left, KernelVersion right) => left.CompareTo(right) <= 0;

    /// <summary>Whether <paramref name="left"/> is not older.</summary>
    public static bool operator >=(KernelVersion left, KernelVersion right) => left.CompareTo(right) >= 0;

    private int CandidateOrder => Candidate == 0 ? int.MaxValue : Candidate;

    private static bool TakeNumber(ReadOnlySpan<char> text, ref int at, out int number)
    {
        number = 0;
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]) && number <= LargestNumber)
        {
            number = (number * 10) + (text[at] - '0');
            at++;
        }

        return at > start && number <= LargestNumber;
    }
}
