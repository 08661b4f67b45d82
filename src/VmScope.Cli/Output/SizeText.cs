using System.Globalization;

namespace VmScope.Cli.Output;

/// <summary>Sizes and counts for people. JSON and CSV carry exact bytes instead.</summary>
internal static class SizeText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>Three or four digits and a binary unit: 4 KiB, 831.5 KiB, 12.5 PiB; exact multiples carry no fraction.</summary>
    internal static string Short(ulong bytes)
    {
        int unit = 0;
        double value = bytes;
        while (unit < Units.Length - 1 && value >= 1024)
        {
            value /= 1024;
            unit++;
        }

        string format = value >= 100 || value == Math.Truncate(value) ? "0" : value >= 10 ? "0.#" : "0.##";
        return value.ToString(format, CultureInfo.InvariantCulture) + " " + Units[unit];
    }

    /// <summary>Digits in groups of three: 4,198,400.</summary>
    internal static string Grouped(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
