using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Kernels.Timelines;
using VmScope.Layout;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Machine;

/// <summary>Everything a boot follows from, worked out before the first byte is written.</summary>
internal sealed record BootPlan
{
    internal required MachineDescription Description { get; init; }
    internal required KernelLayout Layout { get; init; }
    internal required PhysicalFacts Physical { get; init; }
    internal required PagingFacts Paging { get; init; }
    internal required HighmemFacts Highmem { get; init; }
    internal required PagingGeometry Geometry { get; init; }
    internal required KernelPageFlags Flags { get; init; }
    internal required bool Is64Bit { get; init; }
    internal required bool HasLargePages { get; init; }
    internal required bool HasHugePages { get; init; }
    internal required ulong MaxFrame { get; init; }
    internal required ulong LowFrames { get; init; }
    internal required MemoryMap Ram { get; init; }
    internal required ImmutableArray<ZoneSpan> Zones { get; init; }
    internal required PhysicalRange Image { get; init; }

    /// <summary>Works a description out.</summary>
    internal static BootPlan? Make(MachineDescription description, out string problem)
    {
        KernelDescription kernel = description.Kernel;
        if (kernel.Architecture is not (Architecture.I386 or Architecture.X64))
        {
            problem = $"{kernel.Architecture.Name()} machines are not modelled: i386 and x86-64 are";
            return null;
        }

        if (description.Cpus is < 1 or > 64)
        {
            problem = $"{description.Cpus} CPUs: a modelled machine has 1 to 64";
            return null;
        }

        if (NumaProblem(description) is { } numaProblem)
        {
            problem = numaProblem;
            return null;
        }

        LayoutInputs inputs = new(kernel) { NumaRanges = description.NumaRanges, Memory = description.Memory, RamBytes = description.Memory is null ? description.RamBytes : null };
        if (LayoutPredictor.Predict(inputs) is not LayoutAnswer.Predicted { Layout: { } layout })
        {
            problem = ((LayoutAnswer.Impossible)LayoutPredictor.Predict(inputs)).Reason;
            return null;
        }

        ImmutableArray<ZoneSpan> zones = ZonesOf(layout);
        ImmutableArray<ZoneSpan> spanned = [.. zones.Where(zone => zone.EndExclusive > zone.Start)];
        foreach (ZoneSpan zone in spanned)
        {
            if (spanned.FirstOrDefault(other => other != zone && other.Start < zone.EndExclusive && zone.Start < other.EndExclusive) is { } other)
            {
                problem = $"{zone.Kind.Name()} of node {zone.Node} and {other.Kind.Name()} of node {other.Node} lie in each other: such nodes are not modelled";
                return null;
            }
        }

        KernelVersion version = kernel.Version;
        bool is64Bit = kernel.Architecture.Is64Bit();
        PagingGeometry geometry = is64Bit
            // Up to 2.6.10 the direct map of four levels begins at 1 TiB, in the lower half.
            ? layout.PageOffset.Value is >= 0xff00_0000_0000_0000 and < 0xffff_8000_0000_0000 ? PagingGeometries.X64FiveLevel : PagingGeometries.X64
            : layout.ValueOf("pmd-size") == 2 * Size.MiB ? PagingGeometries.I386Pae : PagingGeometries.I386;
        bool Cpu(string flag, bool otherwise) => kernel.Cpu.Has(flag) ?? otherwise;
        PagingFacts paging = PagingTimelines.At(version);
        bool large = Cpu("pse", true) && kernel.CommandLine.Last("mem") != "nopentium";
        ulong maxFrame = layout.FindQuantity("max-pfn")?.Value ?? layout.ValueOf("ram-end-pfn");
        ulong lowFrames = is64Bit ? maxFrame : layout.ValueOf("max-low-pfn");
        X86Memory memory = X86Memory.Read(inputs, X86Timeline.FirstFrame.At(version));
        MemoryMap ram = new(memory.Ram().Where(run => run.Start < maxFrame).Select(run => new MemoryMapEntry(
            new PhysicalRange(new PhysicalAddress(run.Start << 12), (Math.Min(run.End, maxFrame) - run.Start) << 12), MemoryKind.Usable)));
        if (maxFrame > int.MaxValue / 2)
        {
            problem = "more than 4 TiB of RAM are not modelled";
            return null;
        }

        // The 64-bit image is mapped with large pages: its first is the one that holds the image's start.
        ulong imageStart = is64Bit ? ImageStart64(layout)
            : (layout.FindRegion("kernel-image")?.Range.Start.Value ?? layout.PageOffset.Value + Size.MiB) - layout.PageOffset.Value;
        ulong imageBytes = Math.Min(is64Bit ? 32 * Size.MiB : 8 * Size.MiB, Align.Down((lowFrames << 12) / 4, 4096));
        if (imageStart + imageBytes + (2 * Size.MiB) > lowFrames << 12)
        {
            problem = $"a kernel at {DerivationText.BytesText(imageStart)} needs more than {DerivationText.BytesText(lowFrames << 12)} of low memory";
            return null;
        }

        problem = "";
        return new BootPlan
        {
            Description = description,
            Layout = layout,
            Physical = PhysicalTimelines.At(version),
            Paging = paging,
            Highmem = HighmemTimelines.At(version, kernel.Config.IsSet("DEBUG_HIGHMEM") == true, kernel.Config.IsSet("DEBUG_KMAP_LOCAL") == true),
            Geometry = geometry,
            Flags = KernelPageFlags.For(paging, Cpu("pge", true) && !description.PageTableIsolation, Cpu("nx", true) && geometry.EntryBytes == 8, is64Bit),
            Is64Bit = is64Bit,
            HasLargePages = large,
            HasHugePages = is64Bit && large && Cpu("pdpe1gb", false) && !kernel.CommandLine.Has("nogbpages"),
            MaxFrame = maxFrame,
            LowFrames = lowFrames,
            Ram = ram,
            Zones = zones,
            Image = new PhysicalRange(new PhysicalAddress(imageStart), imageBytes),
        };
    }

    private static ulong ImageStart64(KernelLayout layout)
    {
        const ulong KernelMap = 0xffff_ffff_8000_0000;
        ulong start = layout.FindRegion("kernel-image")?.Range.Start.Value ?? 0;
        return start > KernelMap ? Align.Up(start - KernelMap, 2 * Size.MiB) : 16 * Size.MiB;
    }

    /// <summary>The vmalloc family's view of the plan.</summary>
    /// <param name="warner">Who runs on each CPU.</param>
    /// <param name="attributes">Rights of pages.</param>
    internal VmallocEnvironment Vmalloc(AllocationWarner warner, PageAttributes attributes)
    {
        KernelDescription kernel = Description.Kernel;
        VmallocUseFacts uses = VmallocUseTimelines.At(kernel.Version);
        bool pae = !Is64Bit && Geometry.EntryBytes == 8;
        ulong end = Layout.Vmalloc.EndExclusive.Value;
        VirtualRange modules = Layout.FindRegion("modules")?.Range ?? Layout.Vmalloc;
        bool hugeAllowed = HasLargePages && Geometry.EntryBytes == 8;
        ulong unit = Is64Bit ? Align.Up((ulong)Description.Cpus * 512 * Size.KiB, 2 * Size.MiB) : (ulong)Description.Cpus * 33 * 4096;
        return new VmallocEnvironment
        {
            Setup = new VmallocSetup
            {
                Facts = VmallocTimelines.At(kernel.Version),
                WindowStart = Layout.Vmalloc.Start.Value,
                // The kernel's VMALLOC_END is the last byte inside on x86-64, and the first behind it on i386.
                WindowEnd = Is64Bit ? end - 1 : end,
                Is64Bit = Is64Bit,
                OnlineCpus = Description.Cpus,
                PossibleCpus = Description.Cpus,
            },
            Uses = uses,
            Messages = VmallocMessageTimelines.At(kernel.Version),
            Warner = warner,
            Attributes = attributes,
            CpusConfigured = (int)(Layout.FindQuantity("nr-cpus")?.Value ?? kernel.Config.Number("NR_CPUS") ?? 64),
            IoremapOrderMax = Is64Bit ? uses.IoremapOrderMax64 : pae && uses.IoremapOrderMax32 == 22 ? 21 : uses.IoremapOrderMax32,
            ModuleWindow = (modules.Start.Value, modules.EndExclusive.Value),
            DirectMapStart = Layout.PageOffset,
            PhysicalBits = kernel.Cpu.PhysicalAddressBits ?? (Is64Bit ? 46 : pae ? 36 : 32),
            PhysicalDigits = Geometry.EntryBytes == 8 ? (byte)16 : (byte)8,
            // 1 GiB pages of devices need the processor only; "nogbpages" is about the direct map.
            LargePageBytes = !hugeAllowed || kernel.CommandLine.Has("nohugeiomap") || !uses.IoremapUsesLargePages ? []
                : Is64Bit && kernel.Cpu.Has("pdpe1gb") == true ? [1 * Size.GiB, 2 * Size.MiB] : [2 * Size.MiB],
            HugeVmallocBytes = Is64Bit && hugeAllowed && !kernel.CommandLine.Has("nohugevmalloc") ? 2 * Size.MiB : 0,
            StackBytes = 16 * Size.KiB,
            PercpuAtomBytes = Is64Bit ? 2 * Size.MiB : 4096,
            PercpuGroups = Description.NodeCount == 1 ? [new PercpuGroup(0, unit)] : PercpuGroups(),
        };
    }

    /// <summary>A group of units per node that has CPUs, as far apart as the nodes' memory.</summary>
    private ImmutableArray<PercpuGroup> PercpuGroups()
    {
        ImmutableArray<PercpuGroup>.Builder groups = ImmutableArray.CreateBuilder<PercpuGroup>();
        for (int node = 0; node < Description.NodeCount; node++)
        {
            int cpus = Enumerable.Range(0, Description.Cpus).Count(cpu => Description.NodeOfCpu(cpu) == node);
            if (cpus > 0)
            {
                ulong start = Description.NumaRanges.Where(range => range.Node == node).Min(range => range.Range.Start.Value);
                groups.Add(new PercpuGroup(Align.Down(start, 2 * Size.MiB), Align.Up((ulong)cpus * 512 * Size.KiB, 2 * Size.MiB)));
            }
        }

        ulong first = groups[0].OffsetBytes;
        return [.. groups.Select(group => group with { OffsetBytes = group.OffsetBytes - first })];
    }

    private static string? NumaProblem(MachineDescription description)
    {
        if (description.NumaRanges.IsDefaultOrEmpty)
        {
            return null;
        }

        KernelDescription kernel = description.Kernel;
        int nodes = description.NodeCount;
        return !kernel.Architecture.Is64Bit() ? "NUMA machines of i386 are not modelled: x86-64 ones are"
            : kernel.Config.IsSet("NUMA") == false ? "a kernel with NUMA=n knows no nodes"
            : nodes > 64 ? $"{nodes} NUMA nodes: a modelled machine has 1 to 64"
            : Enumerable.Range(0, nodes).FirstOrDefault(node => description.NumaRanges.All(range => range.Node != node), -1) is >= 0 and var missing
                ? $"node {missing} has no memory: nodes are numbered without gaps"
            : !description.CpuNodes.IsDefaultOrEmpty && (description.CpuNodes.Length != description.Cpus || description.CpuNodes.Any(node => node < 0 || node >= nodes))
                ? $"the nodes of {description.Cpus} CPUs must be given one by one, from 0 to {nodes - 1}"
            : null;
    }

    private static ImmutableArray<ZoneSpan> ZonesOf(KernelLayout layout)
    {
        ImmutableArray<ZoneSpan>.Builder spans = ImmutableArray.CreateBuilder<ZoneSpan>();
        ulong end = 0;
        foreach (Zone zone in layout.Zones)
        {
            ZoneKind kind = zone.Name switch
            {
                "DMA" => ZoneKind.Dma,
                "DMA32" => ZoneKind.Dma32,
                "HighMem" => ZoneKind.HighMem,
                "Movable" => ZoneKind.Movable,
                "Device" => ZoneKind.Device,
                _ => ZoneKind.Normal,
            };
            ulong start = zone.SpannedPages == 0 ? end : zone.StartPfn;
            end = start + zone.SpannedPages;
            spans.Add(new ZoneSpan(kind, start, end, zone.Node));
        }

        return spans.ToImmutable();
    }
}
