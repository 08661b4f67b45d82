using System.Collections.Immutable;

namespace VmScope.Kernels;

/// <summary>One dated row of a timeline: a value and the first kernel that has it.</summary>
/// <param name="Since">The first version with this value.</param>
/// <param name="Source">Where it was read: kernel file, function, version; or "UNVERIFIED: …".</param>
/// <param name="Value">The value.</param>
public sealed record TimelineRow<T>(KernelVersion Since, string Source, T Value);

/// <summary>A fact with dates: which value holds from which kernel version on.</summary>
public sealed class Timeline<T>
{
    /// <summary>Makes a timeline of rows in date order.</summary>
    /// <exception cref="ArgumentException">No rows, or two rows out of order.</exception>
    public Timeline(params TimelineRow<T>[] rows)
    {
        if (rows.Length == 0)
        {
            throw new ArgumentException("a timeline needs at least one row", nameof(rows));
        }

        for (int i = 1; i < rows.Length; i++)
        {
            if (rows[i].Since <= rows[i - 1].Since)
            {
                throw new ArgumentException($"row {rows[i].Since} does not follow row {rows[i - 1].Since}", nameof(rows));
            }
        }

        Rows = [.. rows];
    }

    /// <summary>All rows, oldest first.</summary>
    public ImmutableArray<TimelineRow<T>> Rows { get; }

    /// <summary>The row that holds for a version; a version older than the first row gets the first row.</summary>
    public TimelineRow<T> RowAt(KernelVersion version)
    {
        TimelineRow<T> answer = Rows[0];
        foreach (TimelineRow<T> row in Rows)
        {
            if (row.Since > version)
            {
                break;
            }

            answer = row;
        }

        return answer;
    }

    /// <summary>The value that holds for a version.</summary>
    public T At(KernelVersion version) => RowAt(version).Value;
}
