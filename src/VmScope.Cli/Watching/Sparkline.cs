using System.Text;

namespace VmScope.Cli.Watching;

/// <summary>A row of small bars.</summary>
/// <param name="UsesUnicode">Block characters, or plain ones for a terminal without them.</param>
internal readonly record struct Sparkline(bool UsesUnicode)
{
    private const string Blocks = "▁▂▃▄▅▆▇█";
    private const string Plain = "_.-=+*#@";

    /// <summary>The newest values that fit, right-aligned; a missing one is blank.</summary>
    internal string Of(IEnumerable<ulong?> values, int width)
    {
        List<ulong?> shown = [.. values.TakeLast(Math.Max(width, 0))];
        ulong low = ulong.MaxValue;
        ulong high = 0;
        foreach (ulong value in shown.OfType<ulong>())
        {
            (low, high) = (Math.Min(low, value), Math.Max(high, value));
        }

        string signs = UsesUnicode ? Blocks : Plain;
        StringBuilder line = new(new string(' ', Math.Max(width - shown.Count, 0)));
        foreach (ulong? value in shown)
        {
            // All equal: a line in the middle, so that steady and zero look different from rising.
            line.Append(value is not { } v ? ' ' : high == low ? signs[3] : signs[(int)Math.Min((v - low) / (double)(high - low) * signs.Length, signs.Length - 1)]);
        }

        return line.ToString();
    }
}
