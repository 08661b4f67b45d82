using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Where a kernel may put areas and modules, according to its layout.</summary>
internal static class AreaWindows
{
    /// <summary>The vmalloc window; from its lowest to its highest place where KASLR moves it.</summary>
    internal static VirtualRange Vmalloc(KernelLayout layout) =>
        layout.FindRegion("vmalloc") is { } region ? Reach(region) : layout.Vmalloc;

    /// <summary>Every address a region, or its first so many bytes, may take at one boot or another.</summary>
    internal static VirtualRange Reach(Region region, ulong? usedBytes = null)
    {
        if (region.Random is not { } random)
        {
            return region.Range;
        }

        // With 5 levels the window of the direct map is larger than what is left above its highest place.
        ulong size = Math.Min(usedBytes ?? region.Range.SizeBytes, ulong.MaxValue - random.Highest.Value);
        return new VirtualRange(random.Lowest, random.Highest.Value - random.Lowest.Value + size);
    }

    /// <summary>Whether a row outside the vmalloc window has a reason to be where it is.</summary>
    internal static bool Explains(KernelLayout layout, in VmallocRow row, ulong last)
    {
        foreach (Region region in layout.Regions)
        {
            if (region.Kind == RegionKind.Modules && row.Start >= region.Range.Start.Value && last <= region.Range.Last.Value)
            {
                return true;
            }
        }

        return IsStaticMapping(layout, row) || (row.Has(AreaFlags.Ioremap) && InOtherWindow(layout, row.Start, last));
    }

    /// <summary>Whether a module may lie at an address.</summary>
    internal static bool HoldsModule(KernelLayout layout, VirtualAddress address)
    {
        foreach (Region region in layout.Regions)
        {
            if (region.Kind == RegionKind.Modules && region.Range.Contains(address))
            {
                return true;
            }
        }

        // With PLTs both arms fall back to the vmalloc area, and with KASLR arm64 starts there.
        return layout.Inputs.Kernel.Architecture is Architecture.Arm or Architecture.Arm64 && Vmalloc(layout).Contains(address);
    }

    // 32-bit arm maps part of low memory again, page by page, and lists it as a static area at its own address.
    private static bool IsStaticMapping(KernelLayout layout, in VmallocRow row) =>
        layout.Inputs.Kernel.Architecture == Architecture.Arm && row.Has(AreaFlags.Ioremap) && row.Start < layout.HighMemory.Value
        && layout.FindQuantity("phys-offset") is { } physical
        && unchecked(row.Start - layout.PageOffset.Value + physical.Value) == row.Phys;

    // PCI I/O and the device tree's window are mapped like devices.
    private static bool InOtherWindow(KernelLayout layout, ulong start, ulong last)
    {
        foreach (Region region in layout.Regions)
        {
            if (region.Kind is RegionKind.Other or RegionKind.Fixmap && start >= region.Range.Start.Value && last <= region.Range.Last.Value)
            {
                return true;
            }
        }

        return false;
    }
}
