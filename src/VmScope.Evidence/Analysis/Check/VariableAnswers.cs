using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>What the kernel's own variables hold, where a capture lists them.</summary>
internal static class VariableAnswers
{
    private const string Source = "kvars";

    /// <summary>Variables that hold a quantity as it is; a quantity this architecture has not is passed over.</summary>
    private static readonly (string Variable, string Quantity)[] Plain =
    [
        ("max_low_pfn", "max-low-pfn"),
        ("max_pfn", "max-pfn"),
        ("min_low_pfn", "min-low-pfn"),
        ("highstart_pfn", "highstart-pfn"),
        ("highend_pfn", "max-pfn"),
        ("__VMALLOC_RESERVE", "vmalloc-reserve"),
        ("__FIXADDR_TOP", "fixaddr-top"),
        ("arm_lowmem_limit", "lowmem-limit"),
        ("vabits_actual", "va-bits-actual"),
    ];

    internal static void Compare(Comparer comparer, EvidenceBundle evidence)
    {
        if (evidence.Kind == EvidenceKind.LiveMachine || evidence.ReadIfSound(Source, KernelVariables.Read) is not { } variables)
        {
            return;
        }

        foreach ((string variable, string quantity) in Plain)
        {
            if (variables.TryGetValue(variable, out ulong observed) && comparer.Layout.FindQuantity(quantity) is { } predicted)
            {
                if (predicted.Unit == QuantityUnit.Frames)
                {
                    comparer.Frame(variable, predicted.Value, observed, Source);
                }
                else
                {
                    comparer.Address(variable, predicted.Value, observed, Source);
                }
            }
        }

        HighMemory(comparer, variables);
        Bases(comparer, variables);
        Arm(comparer, variables);
        Riscv(comparer, variables);
    }

    private static void HighMemory(Comparer comparer, Dictionary<string, ulong> variables)
    {
        if (!variables.TryGetValue("high_memory", out ulong observed))
        {
            return;
        }

        KernelLayout layout = comparer.Layout;
        if (comparer.HasRandomBases)
        {
            // The base is random; how far behind it memory ends is not.
            if (variables.TryGetValue("page_offset_base", out ulong pageOffset))
            {
                comparer.Address("high_memory - page_offset_base", unchecked(layout.HighMemory.Value - layout.PageOffset.Value),
                    unchecked(observed - pageOffset), Source);
            }

            return;
        }

        ulong slide = unchecked(observed - layout.HighMemory.Value);
        bool slides = comparer.IsSlide(slide);
        comparer.Add("high_memory", comparer.Hex(layout.HighMemory.Value) + (slides ? " and a slide of KASLR" : ""), comparer.Hex(observed),
            slide == 0 || slides, Source);
    }

    private static void Bases(Comparer comparer, Dictionary<string, ulong> variables)
    {
        foreach ((string variable, string name) in (ReadOnlySpan<(string, string)>)
            [("page_offset_base", "direct-map"), ("vmalloc_base", "vmalloc"), ("vmemmap_base", "vmemmap")])
        {
            if (variables.TryGetValue(variable, out ulong observed) && comparer.Layout.FindRegion(name) is { } region)
            {
                comparer.Base(variable, region, observed, Source);
            }
        }
    }

    private static void Arm(Comparer comparer, Dictionary<string, ulong> variables)
    {
        KernelLayout layout = comparer.Layout;
        if (variables.TryGetValue("__pv_phys_pfn_offset", out ulong frame) && layout.FindQuantity("phys-offset") is { } physical)
        {
            comparer.Frame("__pv_phys_pfn_offset", physical.Value >> 12, frame, Source);
        }

        // The variable stands for PAGE_OFFSET of the build, which lies below the map of a processor with fewer bits; KASLR
        // moves RAM up by taking from it.
        if (variables.TryGetValue("memstart_addr", out ulong start) && layout.FindQuantity("memstart") is { } memory)
        {
            ulong expected = unchecked(memory.Value - (layout.PageOffset.Value - layout.ValueOf("page-offset")));
            bool slides = comparer.IsSlide(unchecked(expected - start));
            comparer.Add("memstart_addr", comparer.Hex(expected) + (slides ? " less a slide of KASLR" : ""), comparer.Hex(start),
                expected == start || slides, Source);
        }
    }

    private static void Riscv(Comparer comparer, Dictionary<string, ulong> variables)
    {
        if (variables.TryGetValue("satp_mode", out ulong mode) && comparer.Layout.FindQuantity("va-bits") is { } bits
            && comparer.Layout.Inputs.Kernel.Architecture == Architecture.Riscv64)
        {
            // The mode field of satp: 8 for three levels, one more for each further level.
            comparer.Number("satp_mode", ((bits.Value - 12) / 9) + 5, mode >> 60, "", Source);
        }
    }
}
