using System.Globalization;

namespace VmScope.Cli.Watching;

/// <summary>Durations as people type them: 5s, 500ms, 90m, 1h, 2d; a bare number is seconds.</summary>
internal static class DurationText
{
    private static readonly (string Unit, double Seconds)[] Units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    /// <summary>Reads a duration within bounds.</summary>
    /// <exception cref="UsageException">No duration, or out of bounds.</exception>
    internal static TimeSpan Parse(string text, string option, TimeSpan least, TimeSpan most)
    {
        (string number, double scale) = (text, 1);
        foreach ((string unit, double seconds) in Units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal))
            {
                (number, scale) = (text[..^unit.Length], seconds);
                break;
            }
        }

        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value))
        {
            throw new UsageException($"{option} {text}: not a duration; one looks like 5s, 500ms, 90m, 1h or 2d");
        }

        double asked = value * scale;
        return asked >= least.TotalSeconds && asked <= most.TotalSeconds
            ? TimeSpan.FromSeconds(asked)
            : throw new UsageException($"{option} {text}: {Short(least)} to {Short(most)} is possible");
    }

    /// <summary>A duration in its largest whole unit.</summary>
    internal static string Short(TimeSpan time)
    {
        foreach ((string unit, double seconds) in Units.AsEnumerable().Reverse())
        {
            double value = time.TotalSeconds / seconds;
            if (value >= 1)
            {
                return value.ToString("0.##", CultureInfo.InvariantCulture) + unit;
            }
        }

        return "0s";
    }
}
