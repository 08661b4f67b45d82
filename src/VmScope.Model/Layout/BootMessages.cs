using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Addresses of a kernel image, from the System.map of its build.</summary>
/// <param name="Symbols">Symbol to address: _text, _etext, _edata, __init_begin, __init_end …</param>
public sealed record KernelImageSymbols(ImmutableDictionary<string, ulong> Symbols)
{
    /// <summary>The range between two symbols; null when one of them is not known.</summary>
    internal (ulong Start, ulong End)? Between(string start, string end) =>
        Symbols.TryGetValue(start, out ulong first) && Symbols.TryGetValue(end, out ulong last) ? (first, last) : null;
}

/// <summary>The lines a kernel prints about its layout at boot.</summary>
/// <param name="Lines">Without log level and time stamp.</param>
/// <param name="IsBlock">Whether this is the "virtual kernel memory layout" block.</param>
/// <param name="LeftOut">What a line needs that is not known here; null when nothing is left out.</param>
/// <param name="Source">Where the form was read.</param>
public sealed record BootMessage(ImmutableArray<string> Lines, bool IsBlock, string? LeftOut, string Source);

/// <summary>Writes what a kernel of its era prints about its layout at boot, byte for byte.</summary>
/// <remarks>
/// The block "virtual kernel memory layout:" came and went. Kernels without it still announce lowmem and zones, so those
/// lines stand in. Lines about the image need its symbols and are left out without them.
/// </remarks>
public static class BootMessages
{
    /// <summary>The lines of a layout.</summary>
    public static BootMessage Of(KernelLayout layout, KernelImageSymbols? image = null) => layout.Inputs.Kernel.Architecture switch
    {
        Architecture.I386 => OfI386(layout, image),
        Architecture.X64 => Announcements(layout, i386: false),
        Architecture.Arm => OfArm(layout, image),
        Architecture.Arm64 => OfArm64(layout, image),
        Architecture.Riscv64 or Architecture.Unknown => Announcements(layout, i386: false),
    };

    private static BootMessage OfI386(KernelLayout layout, KernelImageSymbols? image)
    {
        I386Facts facts = I386Facts.Resolve(layout.Inputs.Kernel, out _)!;
        if (facts.BootBlock.Value == I386BootBlock.None)
        {
            return Announcements(layout, i386: true);
        }

        Block block = new("virtual kernel memory layout:", 8, 4);
        block.Line("    fixmap  : ", layout.ValueOf("fixaddr-start"), layout.ValueOf("fixaddr-top"), 10, "kB");
        if (facts.BootBlock.Value == I386BootBlock.WithCpuEntry)
        {
            ulong area = layout.ValueOf("cpu-entry-area-base");
            block.Line("  cpu_entry : ", area, area + layout.ValueOf("cpu-entry-area-map-size"), 10, "kB");
        }

        if (layout.FindRegion("pkmap") is { } pkmap)
        {
            block.Line("    pkmap   : ", pkmap.Range.Start.Value, pkmap.Range.EndExclusive.Value, 10, "kB");
        }

        block.Line("    vmalloc : ", layout.Vmalloc.Start.Value, layout.Vmalloc.EndExclusive.Value, 20, "MB");
        block.Line("    lowmem  : ", layout.PageOffset.Value, layout.HighMemory.Value, 20, "MB");
        block.Image("      .init : ", image, "__init_begin", "__init_end", 10, "kB");
        block.Image("      .data : ", image, "_etext", "_edata", 10, "kB");
        block.Image("      .text : ", image, "_text", "_etext", 10, "kB");
        return block.Finish(facts.BootBlock.Source);
    }

    private static BootMessage OfArm(KernelLayout layout, KernelImageSymbols? image)
    {
        ArmFacts? facts = ArmFacts.Resolve(layout.Inputs.Kernel, out _);
        if (facts is null || facts.BootMessage.Value == Kernels.Timelines.ArmBootMessage.None)
        {
            return Announcements(layout, i386: false);
        }

        Block block = new("Virtual kernel memory layout:", 8, 4);
        block.Line("    vector  : ", 0xffff0000, 0xffff1000, 10, "kB");
        Region(block, layout, "    fixmap  : ", "fixmap", 10, "kB");
        if (facts.BootMessage.Value == Kernels.Timelines.ArmBootMessage.PrintedWithDma)
        {
            Region(block, layout, "    DMA     : ", "consistent-dma", 20, "MB");
        }

        Region(block, layout, "    vmalloc : ", "vmalloc", 20, "MB");
        block.Line("    lowmem  : ", layout.PageOffset.Value, layout.HighMemory.Value, 20, "MB");
        Region(block, layout, "    pkmap   : ", "pkmap", 20, "MB");
        Region(block, layout, "    modules : ", "modules", 20, "MB");
        block.ImageRoundedUp("      .text : ", image, "_text", "_etext");
        block.ImageRoundedUp("      .init : ", image, "__init_begin", "__init_end");
        block.ImageRoundedUp("      .data : ", image, "_sdata", "_edata");
        block.ImageRoundedUp("       .bss : ", image, "__bss_start", "__bss_stop");
        return block.Finish(facts.BootMessage.Source);
    }

    private static BootMessage OfArm64(KernelLayout layout, KernelImageSymbols? image)
    {
        Arm64Facts? facts = Arm64Facts.Resolve(layout.Inputs.Kernel, out _);
        if (facts is null || !facts.BootMessage.Value)
        {
            return Announcements(layout, i386: false);
        }

        Block block = new("Virtual kernel memory layout:", 16, 6);
        Region(block, layout, "    kasan   : ", "kasan", 30, "GB");
        Region(block, layout, "    modules : ", "modules", 20, "MB");
        Region(block, layout, "    vmalloc : ", "vmalloc", 30, "GB");
        block.Image("      .text : ", image, "_text", "_etext", 10, "KB");
        block.Image("    .rodata : ", image, "__start_rodata", "__init_begin", 10, "KB");
        block.Image("      .init : ", image, "__init_begin", "__init_end", 10, "KB");
        block.Image("      .data : ", image, "_sdata", "_edata", 10, "KB");
        block.Image("       .bss : ", image, "__bss_start", "__bss_stop", 10, "KB");
        Region(block, layout, "    fixed   : ", "fixmap", 10, "KB");
        Region(block, layout, "    PCI I/O : ", "pci-io", 20, "MB");
        if (facts.Map.Value != Kernels.Timelines.Arm64Map.ImageBelowVmalloc)
        {
            block.LeftOut("the lines vmemmap and memory, whose form was read in 4.15 only");
        }
        else if (layout.FindQuantity("linear-map-slide") is not null)
        {
            block.LeftOut("the lines vmemmap and memory: KASLR may move RAM inside the linear map");
        }
        else
        {
            Arm64Ram(block, layout, facts);
        }

        return block.Finish("arch/arm64/mm/init.c, mem_init(), 4.15; other versions order the lines differently");
    }

    private static void Arm64Ram(Block block, KernelLayout layout, Arm64Facts facts)
    {
        ulong start = layout.ValueOf("min-low-pfn") << facts.PageShift;
        ulong first = unchecked(start - layout.ValueOf("memstart") + layout.PageOffset.Value);
        ulong pages = layout.ValueOf("vmemmap-start");
        ulong PageOf(ulong address) => pages + Arm64Layout.PageArrayBytes(facts, unchecked(address - layout.PageOffset.Value));
        block.Line("    vmemmap : ", pages, pages + layout.ValueOf("vmemmap-size"), 30, "GB maximum");
        block.Line("              ", PageOf(first), PageOf(layout.HighMemory.Value), 20, "MB actual");
        block.Line("    memory  : ", first, layout.HighMemory.Value, 20, "MB");
    }

    private static void Region(Block block, KernelLayout layout, string label, string name, int shift, string unit)
    {
        if (layout.FindRegion(name) is { } region)
        {
            block.Line(label, region.Range.Start.Value, region.Range.EndExclusive.Value, shift, unit);
        }
    }

    /// <summary>Lowmem and zones, in the form recorded from kernels of 5.10 to 7.3.</summary>
    private static BootMessage Announcements(KernelLayout layout, bool i386)
    {
        List<string> lines = [];
        if (i386)
        {
            if (layout.FindRegion("pkmap") is not null)
            {
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"{layout.ValueOf("highmem-mb")}MB HIGHMEM available."));
            }

            lines.Add(string.Create(CultureInfo.InvariantCulture, $"{layout.ValueOf("lowmem-mb")}MB LOWMEM available."));
            if (I386Facts.Resolve(layout.Inputs.Kernel, out _)!.PrintsLowRam)
            {
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"  mapped low ram: 0 - {layout.ValueOf("max-low-pfn-mapped") * 4096:x8}"));
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"  low ram: 0 - {layout.ValueOf("max-low-pfn") * 4096:x8}"));
            }
        }

        ZoneLineForm form = ZoneLineForms.Rows.At(layout.Inputs.Kernel.Version);
        if (form == ZoneLineForm.NotKnown)
        {
            return new BootMessage([.. lines], IsBlock: false, "the zone lines, whose form is not known for this version", ZoneLineForms.Rows.RowAt(layout.Inputs.Kernel.Version).Source);
        }

        lines.Add("Zone ranges:");
        int shift = layout.FindQuantity("page-shift") is { } pageShift ? (int)pageShift.Value : 12;
        ulong first = layout.FindQuantity("zone-first-pfn")?.Value ?? 0;
        foreach (string name in layout.Zones.Select(zone => zone.Name).Where(name => name != "Movable").Distinct(StringComparer.Ordinal))
        {
            ulong end = layout.FindQuantity($"zone-{name.ToLowerInvariant()}-end-pfn")?.Value ?? first;
            string width = form == ZoneLineForm.SixteenDigits ? "x16" : "x8";
            lines.Add(end <= first
                ? $"  {name,-8} empty"
                : $"  {name,-8} [mem 0x{(first << shift).ToString(width, CultureInfo.InvariantCulture)}-0x{((end << shift) - 1).ToString(width, CultureInfo.InvariantCulture)}]");
            first = Math.Max(first, end);
        }

        lines.Add("Movable zone start for each node");
        return new BootMessage([.. lines], IsBlock: false, LeftOut: null, ZoneLineForms.Rows.RowAt(layout.Inputs.Kernel.Version).Source);
    }

    /// <summary>The block under construction: label, two addresses, a size in a column of its own.</summary>
    private sealed class Block(string title, int digits, int sizeColumns)
    {
        private readonly List<string> _lines = [title];
        private string? _leftOut;

        internal void Line(string label, ulong start, ulong end, int shift, string unit) =>
            Add(label, start, end, unchecked(end - start) >> shift, unit);

        internal void Image(string label, KernelImageSymbols? image, string first, string last, int shift, string unit)
        {
            if (image?.Between(first, last) is { } range)
            {
                Line(label, range.Start, range.End, shift, unit);
            }
            else
            {
                LeftOut("the lines about the kernel image, which need System.map");
            }
        }

        internal void ImageRoundedUp(string label, KernelImageSymbols? image, string first, string last)
        {
            if (image?.Between(first, last) is { } range)
            {
                Add(label, range.Start, range.End, (range.End - range.Start + 1023) / 1024, "kB");
            }
            else
            {
                LeftOut("the lines about the kernel image, which need System.map");
            }
        }

        internal void LeftOut(string what) =>
            _leftOut = _leftOut is null || _leftOut == what ? what : _leftOut.Contains(what, StringComparison.Ordinal) ? _leftOut : $"{_leftOut}; {what}";

        internal BootMessage Finish(string source) => new([.. _lines], IsBlock: true, _leftOut, source);

        private void Add(string label, ulong start, ulong end, ulong size, string unit)
        {
            string form = "x" + digits.ToString(CultureInfo.InvariantCulture);
            string amount = size.ToString(CultureInfo.InvariantCulture).PadLeft(sizeColumns);
            _lines.Add($"{label}0x{start.ToString(form, CultureInfo.InvariantCulture)} - 0x{end.ToString(form, CultureInfo.InvariantCulture)}   ({amount} {unit})");
        }
    }
}
