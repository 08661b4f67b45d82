using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Analysis;

/// <summary>A run of addresses beside the windows that are accounted for.</summary>
/// <param name="Window">Where it lies, where that comes from, and how sure it is.</param>
/// <param name="Meaning">What it is for, one clause.</param>
public sealed record OtherWindow(AddressWindow Window, string Meaning);

/// <summary>The windows of a kernel that no list accounts for: fixed mappings, and parts of the vmalloc window with a rule of their own.</summary>
/// <remarks>
/// Sources: the boot log's layout block; the predicted layout; on x86-64, which prints no block and needs no prediction,
/// arch/x86/include/asm/fixmap.h and Documentation/arch/x86/x86_64/mm.rst; mm/percpu.c for chunks.
/// </remarks>
public static class OtherWindows
{
    private const ulong X64FixmapBottom = 0xffffffff_ff000000;
    private const ulong X64FixmapTop = 0xffffffff_ff7ff000;

    /// <summary>The name and meaning of a printed or predicted region; null for one that is no such window.</summary>
    internal static (string Name, string Meaning)? Known(string label) => label switch
    {
        "fixmap" or "fixed" => ("fixmap", "slots at fixed addresses"),
        "pkmap" or "highmem PTEs" => ("pkmap", "kmap() of high memory"),
        "vector" or "vectors" => ("vectors", "exception vectors"),
        "cpu_entry" or "cpu-entry-area" => ("cpu-entry-area", "processors' entry stacks"),
        "PCI I/O" or "pci io" or "pci-io" => ("pci-io", "I/O ports of PCI"),
        "DMA" => ("dma", "memory shared with devices"),
        "early ioremap" => ("early-ioremap", "device memory during boot"),
        "fdt" => ("fdt", "the device tree"),
        "bpf" => ("bpf", "compiled BPF programs"),
        "modules" => ("modules", "code and data of modules"),
        _ => null,
    };

    /// <summary>The windows, highest address first; none when addresses are not real.</summary>
    public static IReadOnlyList<OtherWindow> Of(ListExplanation list)
    {
        List<OtherWindow> found = [];
        if (list.Addresses != AddressState.Real || list.Vmalloc is null)
        {
            return found;
        }

        foreach (PrintedRegion region in list.Facts.BootLogRegions)
        {
            Add(list, found, region.Label, region.Start, unchecked(region.EndExclusive - region.Start), "printed in the boot log's memory layout", Sureness.Printed);
        }

        if (list.Facts.Predicted is { } layout)
        {
            foreach (Region region in layout.Regions)
            {
                const string computed = "computed from this kernel's version and configuration";
                if (region.Random is null)
                {
                    Add(list, found, region.Name, region.Range.Start.Value, region.Range.SizeBytes,
                        region.IsBounds ? computed + ": it lies somewhere inside" : computed, region.IsBounds ? Sureness.Guessed : Sureness.Assumed);
                }
            }
        }

        if (list.Architecture == Architecture.X64 && found.Count == 0)
        {
            Add(list, found, "fixmap", X64FixmapBottom, X64FixmapTop - X64FixmapBottom,
                "the architecture's constants: the lowest possible start, the exact end", Sureness.Assumed);
        }

        AddChunks(list, found);
        found.Sort((left, right) => right.Window.Start.CompareTo(left.Window.Start));
        return found;
    }

    private static void Add(
        ListExplanation list, List<OtherWindow> found, string label, ulong start, ulong bytes, string source, Sureness sureness)
    {
        if (bytes == 0 || Known(label) is not { } known)
        {
            return;
        }

        foreach (OtherWindow other in found)
        {
            if (other.Window.Name == known.Name)
            {
                return;
            }
        }

        foreach (WindowAccount account in list.Windows)
        {
            if (account.Window.Name == known.Name || account.Window.Start == start)
            {
                return;
            }
        }

        found.Add(new OtherWindow(new AddressWindow(known.Name, start, bytes, source, sureness), known.Meaning));
    }

    /// <summary>Where per-CPU chunks lie: from the top of the vmalloc window downwards.</summary>
    private static void AddChunks(ListExplanation list, List<OtherWindow> found)
    {
        AddressWindow vmalloc = list.Vmalloc!.Window;
        PercpuAreas chunks = list.Totals.Percpu;
        if (chunks.Count == 0)
        {
            return;
        }

        ulong start = chunks.Lowest[0].Start;
        if (vmalloc.Contains(start) && vmalloc.Contains(chunks.Last))
        {
            found.Add(new OtherWindow(
                new AddressWindow("percpu", start, chunks.Last - start + 1, "the lowest and the highest chunk of the list", Sureness.Derived),
                "chunks, in the vmalloc window"));
        }
    }
}
