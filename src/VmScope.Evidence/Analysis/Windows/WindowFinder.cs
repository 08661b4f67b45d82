using VmScope.Kernels;

namespace VmScope.Analysis;

/// <summary>Finds the windows that areas lie in, from the best evidence there is.</summary>
/// <remarks>
/// Order: what the boot log printed; the predicted layout where VmallocTotal and the rows agree with it; VmallocTotal
/// with the architecture's rule for one of the bounds; the architecture's constants; the span of the rows.
/// </remarks>
internal sealed class WindowFinder(ExplainFacts facts, AreaList areas, int addressDigits)
{
    private const ulong X64ModulesEnd = 0xffffffff_ff000000;
    internal const ulong X64KernelMap = 0xffffffff_80000000;

    private readonly Architecture _architecture = ArchitectureOf(facts, areas, addressDigits);

    /// <summary>The architecture: as told, or as the addresses show it.</summary>
    internal Architecture Architecture => _architecture;

    /// <summary>Whether the architecture was told, not read from the addresses.</summary>
    internal bool ArchitectureWasTold => facts.Architecture != Architecture.Unknown;

    /// <summary>The windows, the vmalloc one first; null when there is no row and nothing else tells.</summary>
    internal List<AddressWindow> Find()
    {
        List<AddressWindow> windows = [];
        if (FindVmalloc() is not { } vmalloc)
        {
            return windows;
        }

        windows.Add(vmalloc);
        if (FindModules(vmalloc) is { } modules)
        {
            windows.Add(modules);
        }

        // Compiled BPF programs have a window of their own on some architectures (arm64 up to 5.11, riscv).
        if (facts.Predicted?.FindRegion("bpf") is { IsBounds: false, Inside: null } bpf && Surrounds(bpf.Range))
        {
            windows.Add(new AddressWindow("bpf", bpf.Range.Start.Value, bpf.Range.SizeBytes,
                "computed from this kernel's version and configuration", Sureness.Assumed));
        }

        return windows;
    }

    private ulong? TotalBytes => facts.VmallocTotalKiB is > 0 and < (1UL << 53) and ulong kib ? kib * 1024 : null;

    private AddressWindow? FindVmalloc()
    {
        if (facts.BootLogVmalloc is { } printed && printed.EndExclusive - printed.Start is > 0 and ulong bytes)
        {
            return new AddressWindow("vmalloc", printed.Start, bytes, "printed in the boot log's memory layout", Sureness.Printed);
        }

        return FromPrediction() ?? FromArchitecture() ?? FromRows();
    }

    private AddressWindow? FromPrediction()
    {
        if (facts.Predicted is not { } layout)
        {
            return null;
        }

        VirtualRange range = layout.Vmalloc;
        bool totalAgrees = facts.VmallocTotalKiB == layout.VmallocTotalKiB;
        if ((facts.VmallocTotalKiB is not null && !totalAgrees) || !MostRowsInside(range.Start.Value, range.SizeBytes))
        {
            return null;
        }

        return totalAgrees
            ? new AddressWindow("vmalloc", range.Start.Value, range.SizeBytes,
                "computed from this kernel's version, configuration and memory; VmallocTotal confirms its size", Sureness.Derived)
            : new AddressWindow("vmalloc", range.Start.Value, range.SizeBytes,
                "computed from this kernel's version, configuration and memory", Sureness.Assumed);
    }

    /// <summary>Whether the rows do not contradict a window: module rows may lie elsewhere, the lowest vmalloc rows not.</summary>
    private bool MostRowsInside(ulong start, ulong bytes)
    {
        int first = areas.FirstAtOrAbove(start);
        int inside = 0;
        for (int i = first; i < areas.Count && areas[i].Start - start < bytes; i++)
        {
            inside++;
        }

        return areas.Count == 0 || (inside > 0 && first * 4 <= areas.Count);
    }

    private AddressWindow? FromArchitecture() => _architecture switch
    {
        Architecture.X64 => X64(),
        Architecture.Arm => Arm(),
        Architecture.I386 => FromLowest(),
        Architecture.Arm64 or Architecture.Riscv64 => Rounded(),
        Architecture.Unknown => addressDigits > 8 ? Rounded() : FromLowest(),
    };

    private AddressWindow? X64()
    {
        ulong constant = VmallocListTimelines.X64VmallocStart(facts.Kernel?.Version);
        ulong first = areas.Count > 0 ? areas[0].Start : constant;
        bool fiveLevels = first < 0xffff8000_00000000UL;
        ulong bytes = fiveLevels ? 12800 * Size.TiB : 32 * Size.TiB;
        string size = fiveLevels ? "12800 TiB with 5-level paging" : "32 TiB with 4-level paging";
        Sureness sureness = Sureness.Assumed;
        if (TotalBytes is { } total)
        {
            // VMALLOC_END is the last byte inside, so the figure is one KiB short of the truth.
            ulong rounded = Align.Up(total, Size.MiB);
            size = rounded == bytes ? size + ", as VmallocTotal says" : "VmallocTotal";
            bytes = rounded;
            sureness = Sureness.Derived;
        }

        if (fiveLevels)
        {
            constant = 0xffa00000_00000000UL;
        }

        if (first >= constant && first - constant < Size.GiB)
        {
            return new AddressWindow("vmalloc", constant, Clip(constant, bytes), $"the architecture's start; {size}", sureness);
        }

        ulong start = Align.Down(first, Size.GiB);
        return new AddressWindow("vmalloc", start, Clip(start, bytes),
            $"the start is random (KASLR) in steps of 1 GiB, taken from the lowest area; {size}",
            sureness == Sureness.Derived ? Sureness.Derived : Sureness.Guessed);
    }

    private AddressWindow? Arm()
    {
        if (TotalBytes is not { } total || facts.Kernel is not { } kernel)
        {
            return null;
        }

        ulong end = VmallocListTimelines.ArmVmallocEnd.At(kernel.Version);
        return total >= end
            ? null
            : new AddressWindow("vmalloc", end - total, total, "the architecture's end, and VmallocTotal", Sureness.Derived);
    }

    /// <summary>The very first areas of a boot stay for ever, and the first of all lies at VMALLOC_START.</summary>
    private AddressWindow? FromLowest()
    {
        if (TotalBytes is not { } total || areas.Count == 0)
        {
            return null;
        }

        ulong start = areas[0].Start;
        ulong last = unchecked(areas[areas.Count - 1].End - 1);
        if (total > 0x1_0000_0000UL || last >= 0x1_0000_0000UL)
        {
            return null;
        }

        ulong end = last + 1;
        if (end - start <= total)
        {
            return start + total > 0x1_0000_0000UL
                ? null
                : new AddressWindow("vmalloc", start, total, "the lowest area, and VmallocTotal", Sureness.Derived);
        }

        // The lowest row lies below the window: a mapping fixed at boot. A per-CPU chunk often ends where the window does.
        return total >= end
            ? null
            : new AddressWindow("vmalloc", end - total, total, "the highest area, and VmallocTotal", Sureness.Assumed);
    }

    /// <summary>64-bit windows begin at multiples of 128 MiB, and the first areas of a boot lie right there.</summary>
    private AddressWindow? Rounded()
    {
        if (areas.Count == 0)
        {
            return null;
        }

        ulong start = Align.Down(areas[0].Start, 128 * Size.MiB);
        return TotalBytes is { } total
            ? new AddressWindow("vmalloc", start, Clip(start, total),
                "the lowest area rounded down to 128 MiB, and VmallocTotal", Sureness.Derived)
            : null;
    }

    private AddressWindow? FromRows()
    {
        if (areas.Count == 0)
        {
            return null;
        }

        ulong start = areas[0].Start;
        ulong top = start;
        for (int i = 0; i < areas.Count; i++)
        {
            // An area may end at 2^64, which is printed as 0.
            top = Math.Max(top, unchecked(areas[i].End - 1));
        }

        return new AddressWindow("vmalloc", start, (top - start) + 1,
            "only the span of the rows: holes below the first and above the last cannot be seen", Sureness.Guessed);
    }

    private AddressWindow? FindModules(AddressWindow vmalloc)
    {
        if (facts.BootLogModules is { } printed && printed.EndExclusive - printed.Start is > 0 and ulong bytes
            && !vmalloc.Contains(printed.Start))
        {
            return new AddressWindow("modules", printed.Start, bytes, "printed in the boot log's memory layout", Sureness.Printed);
        }

        if (facts.Predicted?.FindRegion("modules") is { IsBounds: false } region && !vmalloc.Contains(region.Range.Start.Value)
            && Surrounds(region.Range))
        {
            return new AddressWindow("modules", region.Range.Start.Value, region.Range.SizeBytes,
                "computed from this kernel's version and configuration", Sureness.Assumed);
        }

        return _architecture switch
        {
            Architecture.X64 => X64Modules(),
            // A window guessed from the rows may begin where the kernel's half does: then nothing lies below it.
            Architecture.Arm64 => vmalloc.Sureness == Sureness.Guessed && (vmalloc.Start & (512 * Size.GiB - 1)) == 0 ? null : BelowVmalloc(vmalloc, VmallocListTimelines.Arm64ModulesBytes(facts.Kernel?.Version)),
            Architecture.I386 or Architecture.Arm or Architecture.Riscv64 or Architecture.Unknown => null,
        };
    }

    private bool Surrounds(VirtualRange range)
    {
        int first = areas.FirstAtOrAbove(range.Start.Value);
        return first < areas.Count && range.Contains(new VirtualAddress(areas[first].Start));
    }

    private AddressWindow? X64Modules()
    {
        int first = areas.FirstAtOrAbove(X64KernelMap);
        if (first == areas.Count)
        {
            return null;
        }

        // The text window is 1 GiB when the kernel can be moved (RANDOMIZE_BASE), else 512 MiB; modules follow it.
        bool isWide = facts.Config.IsSet("RANDOMIZE_BASE") ?? areas[first].Start >= 0xffffffff_c0000000UL;
        ulong start = isWide && areas[first].Start >= 0xffffffff_c0000000UL ? 0xffffffff_c0000000UL : 0xffffffff_a0000000UL;
        if (areas[first].Start < start)
        {
            start = Align.Down(areas[first].Start, 16 * Size.MiB);
        }

        return new AddressWindow("modules", start, X64ModulesEnd - start, "the architecture's constants", Sureness.Assumed);
    }

    private static AddressWindow BelowVmalloc(AddressWindow vmalloc, ulong bytes) =>
        new("modules", vmalloc.Start - bytes, bytes, "the architecture's constants: right below the vmalloc window", Sureness.Assumed);

    private static ulong Clip(ulong start, ulong bytes) => bytes - 1 > ulong.MaxValue - start ? (ulong.MaxValue - start) + 1 : bytes;

    private static Architecture ArchitectureOf(ExplainFacts facts, AreaList areas, int addressDigits)
    {
        if (facts.Architecture != Architecture.Unknown)
        {
            return facts.Architecture;
        }

        if (addressDigits <= 8 || areas.Count == 0)
        {
            return Architecture.Unknown;
        }

        ulong first = areas[0].Start;
        ulong last = areas[areas.Count - 1].Start;
        bool x64Default = first is >= 0xffffc200_00000000UL and < 0xffffe900_00000000UL
            or >= 0xffa00000_00000000UL and < 0xffd20000_00000000UL;
        bool x64Random = first is (>= 0xffff8880_00000000UL and < 0xfffffe00_00000000UL)
            or (>= 0xff110000_00000000UL and < 0xffdf0000_00000000UL) && last >= X64KernelMap;
        return x64Default || x64Random ? Architecture.X64
            : first is >= 0xffff8000_00000000UL and < 0xffff8001_00000000UL ? Architecture.Arm64
            : Architecture.Unknown;
    }
}
