using System.Globalization;
using VmScope.Replay;

namespace VmScope.Cli.Output.Replay;

/// <summary>Draws an address space over time: a line per moment, a column per stretch of addresses, darker where more is used.</summary>
internal sealed class SpacePicture(Terminal terminal, bool ascii)
{
    private const int RowsMax = 24;
    private const int TimeColumns = 12;

    private static readonly string[] Shades = [" ", "░", "▒", "▓", "█"];
    private static readonly string[] AsciiShades = [" ", ".", "-", "+", "#"];

    internal void Write(WhatIfResult result)
    {
        if (result.Samples.Length < 2 || result.HighestEnd <= result.WindowStart)
        {
            return;
        }

        int columns = Math.Clamp(terminal.Width - TimeColumns - 16, 20, 120);
        // What lies far above the rest would squeeze everything else into one column, so the picture ends with the areas.
        ulong drawn = Math.Max(1, result.HighestEnd - result.WindowStart);
        ulong perColumn = Math.Max(1, (drawn + (ulong)columns - 1) / (ulong)columns);
        terminal.Out.WriteLine();
        terminal.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{(result.IsGenerated ? "step" : "seconds"),TimeColumns}  0x{result.WindowStart:x} to 0x{result.HighestEnd:x}, {SizeText.Short(perColumn)} a column"));
        int rows = Math.Min(RowsMax, result.Samples.Length);
        for (int row = 0; row < rows; row++)
        {
            SpaceSample sample = result.Samples[row * (result.Samples.Length - 1) / Math.Max(1, rows - 1)];
            string moment = result.IsGenerated
                ? SizeText.Grouped((ulong)sample.Operations)
                : (sample.Time / 1e9).ToString("0.000", CultureInfo.InvariantCulture);
            terminal.Out.WriteLine($"{moment,TimeColumns} |{Row(sample, columns, perColumn)}| {SizeText.Short(sample.UsedBytes)}"
                + (sample.Failures > 0 ? $", {sample.Failures.ToString(CultureInfo.InvariantCulture)} without room" : ""));
        }
    }

    private string Row(SpaceSample sample, int columns, ulong perColumn)
    {
        double[] used = new double[columns];
        for (int i = 0; i < sample.UsedPerStretch.Length; i++)
        {
            if (sample.UsedPerStretch[i] == 0)
            {
                continue;
            }

            // A stretch is spread over the columns it touches, in proportion.
            ulong start = (ulong)i * sample.StretchBytes;
            ulong end = start + sample.StretchBytes;
            for (ulong column = start / perColumn; column * perColumn < end && column < (ulong)columns; column++)
            {
                ulong from = Math.Max(start, column * perColumn);
                ulong to = Math.Min(end, (column + 1) * perColumn);
                used[column] += (double)sample.UsedPerStretch[i] * (to - from) / sample.StretchBytes;
            }
        }

        string[] shades = ascii ? AsciiShades : Shades;
        return string.Concat(used.Select(bytes =>
        {
            double part = bytes / perColumn;
            return shades[part <= 0 ? 0 : Math.Clamp(1 + (int)(part * (shades.Length - 1)), 1, shades.Length - 1)];
        }));
    }
}
