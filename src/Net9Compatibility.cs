namespace VmScope;

/// <summary>
/// What net10.0 has and net9.0 lacks, compiled only into the native build: C# 14 takes an array for a span where it can,
/// and the overloads that keep such calls working came with net10.0.
/// </summary>
internal static class Net9Compatibility
{
    /// <summary>Whether a list of enum values holds one; net9.0's own asks for IEquatable, which enums are not.</summary>
    internal static bool Contains<T>(this ReadOnlySpan<T> values, T value) where T : struct, Enum
    {
        foreach (T candidate in values)
        {
            if (EqualityComparer<T>.Default.Equals(candidate, value))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>An array from back to front, as a sequence; net9.0 would turn a span around in place.</summary>
    internal static IEnumerable<T> Reverse<T>(this T[] array) => Enumerable.Reverse(array);
}
