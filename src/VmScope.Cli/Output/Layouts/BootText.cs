using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;
using VmScope.Proc;

namespace VmScope.Cli.Output.Layouts;

/// <summary>A layout in the kernel's own words: boot messages and /proc/meminfo.</summary>
internal static class BootText
{
    private const int LimitSymbols = 2_000_000;

    /// <summary>Writes the boot message of the era; what cannot be known is said on the error stream.</summary>
    internal static void WriteDmesg(KernelLayout layout, string? systemMap, Terminal terminal)
    {
        BootMessage message = BootMessages.Of(layout, systemMap is null ? null : ReadSystemMap(systemMap));
        foreach (string line in message.Lines)
        {
            terminal.Out.WriteLine(line);
        }

        if (!message.IsBlock)
        {
            terminal.Error.WriteLine("vmscope: this kernel prints no layout block; these are the lines about memory it does print");
        }

        if (message.LeftOut is { } leftOut)
        {
            terminal.Error.WriteLine($"vmscope: left out: {leftOut}");
        }
    }

    /// <summary>Writes the Vmalloc lines of /proc/meminfo as far as they follow from the layout.</summary>
    internal static void WriteMeminfo(KernelLayout layout, Terminal terminal)
    {
        KernelVersion version = layout.Inputs.Kernel.Version;
        if (VmallocMeminfoTimelines.Used.At(version) == VmallocUsedMeaning.NotPrinted)
        {
            terminal.Error.WriteLine($"vmscope: {version} has no Vmalloc lines in /proc/meminfo");
            return;
        }

        terminal.Out.WriteLine(MeminfoFile.Format(new MeminfoLine("VmallocTotal", layout.VmallocTotalKiB, InKiB: true)));
        List<string> unknown = [];
        if (VmallocMeminfoTimelines.Used.At(version) == VmallocUsedMeaning.AlwaysZero)
        {
            terminal.Out.WriteLine(MeminfoFile.Format(new MeminfoLine("VmallocUsed", 0, InKiB: true)));
        }
        else
        {
            unknown.Add("VmallocUsed");
        }

        if (VmallocMeminfoTimelines.Chunk.At(version) == VmallocChunkMeaning.AlwaysZero)
        {
            terminal.Out.WriteLine(MeminfoFile.Format(new MeminfoLine("VmallocChunk", 0, InKiB: true)));
        }
        else
        {
            unknown.Add("VmallocChunk");
        }

        if (unknown.Count > 0)
        {
            terminal.Error.WriteLine($"vmscope: {string.Join(" and ", unknown)}: depends on what is allocated, not on the layout");
        }
    }

    private static KernelImageSymbols ReadSystemMap(string path)
    {
        ImmutableDictionary<string, ulong>.Builder symbols = ImmutableDictionary.CreateBuilder<string, ulong>(StringComparer.Ordinal);
        int count = 0;
        foreach (string line in File.ReadLines(path))
        {
            // "c0100000 T _text"
            string[] words = line.Split(' ', 3);
            if (++count > LimitSymbols)
            {
                throw new EvidenceException($"{path}: more than {LimitSymbols.ToString(CultureInfo.InvariantCulture)} symbols");
            }

            if (words.Length == 3 && ulong.TryParse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong address)
                && (words[2].StartsWith('_') || words[2].StartsWith("init", StringComparison.Ordinal)))
            {
                symbols[words[2].TrimEnd()] = address;
            }
        }

        return symbols.Count > 0
            ? new KernelImageSymbols(symbols.ToImmutable())
            : throw new EvidenceException($"{path}: no symbols in it; a line looks like 'c0100000 T _text'");
    }
}
