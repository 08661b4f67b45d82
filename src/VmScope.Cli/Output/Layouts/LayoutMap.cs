using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Cli.Output.Layouts;

/// <summary>The address space as a column of lines, top of memory first, each region as tall as it is large.</summary>
/// <remarks>
/// 32 bits fit on a straight scale: one line is a fixed number of bytes, and what is smaller takes a line. 64 bits do not
/// (a fixmap entry beside 64 TiB), so there the height follows the logarithm of the size. The caption says which.
/// </remarks>
internal sealed class LayoutMap(KernelLayout layout, Paint paint, int width)
{
    private const int LinesForKernelHalf = 24;
    private const int Band = 10;

    internal void Write(TextWriter output)
    {
        bool isLog = layout.Inputs.Kernel.Architecture.Is64Bit();
        int digits = isLog ? 16 : 8;
        Region[] column = [.. layout.Regions.Where(region => region.Inside is null)];
        ulong kernelBytes = 0;
        foreach (Region region in column)
        {
            kernelBytes += region.Kind == RegionKind.User || isLog ? 0 : region.Range.SizeBytes;
        }

        ulong bytesPerLine = Math.Max(1, kernelBytes / LinesForKernelHalf);
        foreach (Region region in column)
        {
            int lines = region.Kind == RegionKind.User ? 2 : isLog ? LogLines(region.Range.SizeBytes) : Lines(region.Range.SizeBytes, bytesPerLine);
            for (int i = 0; i < lines; i++)
            {
                string address = i == 0
                    ? "0x" + region.Range.Last.Value.ToString("x" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
                    : new string(' ', digits + 2);
                string label = i == 0 ? $"{region.Name}  {SizeText.Short(region.Range.SizeBytes)}" : "";
                output.WriteLine(Cut($"{address}  {paint.Foreground(Color(region.Kind), new string(Character(region.Kind), Band))}  {label}"));
            }
        }

        output.WriteLine("0x" + new string('0', digits));
        output.WriteLine(paint.Dim(isLog
            ? "Height follows the logarithm of the size; addresses are each region's last."
            : $"One line is {SizeText.Short(bytesPerLine)}, what is smaller takes a line, user space is cut short; addresses are each region's last."));
    }

    private static int Lines(ulong bytes, ulong bytesPerLine) => (int)Math.Clamp((bytes + (bytesPerLine / 2)) / bytesPerLine, 1, 200);

    // A page is one line; every factor of 64 adds one.
    private static int LogLines(ulong bytes) => Math.Max(1, (int)((Math.Log2(bytes) - 12) / 6) + 1);

    private string Cut(string line) => paint.Enabled || line.Length <= width ? line.TrimEnd() : line[..width].TrimEnd();

    private static char Character(RegionKind kind) => kind == RegionKind.Gap ? '.' : '#';

    private static int Color(RegionKind kind) => kind switch
    {
        RegionKind.User => 245,
        RegionKind.DirectMap => 33,
        RegionKind.Vmalloc => 208,
        RegionKind.Modules => 214,
        RegionKind.Pkmap => 135,
        RegionKind.Ldt => 99,
        RegionKind.CpuEntryArea => 170,
        RegionKind.Fixmap => 40,
        RegionKind.PageArray => 37,
        RegionKind.KernelImage => 196,
        RegionKind.Other => 109,
        RegionKind.Gap => 240,
    };
}
