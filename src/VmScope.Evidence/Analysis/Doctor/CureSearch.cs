using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Finds the smallest <c>vmalloc=</c> with which a request finds room, and proves it.</summary>
/// <remarks>
/// For each value the whole layout is predicted again. A value counts when the window grew and the request fits both
/// ways: with the present areas placed anew by this kernel's own rule (as after a boot that does the same), and with the
/// present areas and all their holes as they are, only the new room added. The first alone would call a window large
/// enough that has just been too small: a list placed anew has no holes.
/// </remarks>
internal sealed class CureSearch(LayoutInputs inputs, KernelLayout before, ListExplanation? list, WindowAccount? account)
{
    private const ulong StepBytes = Size.MiB;

    /// <summary>No 32-bit kernel has more to give.</summary>
    private const ulong LargestBytes = 3 * Size.GiB;

    private static readonly string[] Splits = ["VMSPLIT_3G", "VMSPLIT_3G_OPT", "VMSPLIT_2G", "VMSPLIT_2G_OPT", "VMSPLIT_1G"];

    private int _count = 1;
    private ulong _stride;

    /// <summary>Areas mapped at addresses fixed at compile time, before there was an allocator.</summary>
    private static readonly string[] FixedOwners = ["iotable_init", "debug_ll_io_init", "pci_reserve_io", "pci_ioremap_io", "init_static_idmap"];

    /// <summary>The smallest value in whole MiB; null when no value the kernel takes is enough.</summary>
    /// <param name="request">The failed request.</param>
    /// <param name="marginBytes">Room that must stay in one piece beside it.</param>
    /// <param name="usedBytes">Bytes in use, for when there is no list; 0 when not known.</param>
    /// <param name="count">How many such requests follow one another, the earlier ones kept.</param>
    internal VmallocCure? Find(FitRequest request, ulong marginBytes, ulong usedBytes, int count = 1)
    {
        if (request.SizeBytes > LargestBytes || marginBytes > LargestBytes)
        {
            return null;
        }

        (_count, _stride) = (count, Align.Up(request.SizeBytes, Math.Max(request.AlignBytes, 4096)));
        ulong needed = NeededBytes(request) + marginBytes;

        for (ulong value = StepBytes; value <= LargestBytes; value += StepBytes)
        {
            if (value < needed || Predict(value) is not { } after || !Works(after, request, marginBytes, usedBytes))
            {
                continue;
            }

            ulong exact = value;
            ulong page = list?.PageBytes ?? 4096;
            for (ulong less = value - page; less > value - StepBytes; less -= page)
            {
                if (Predict(less) is not { } smaller || !Works(smaller, request, marginBytes, usedBytes))
                {
                    break;
                }

                exact = less;
            }

            ulong lost = Lowmem(before) > Lowmem(after) ? Lowmem(before) - Lowmem(after) : 0;
            return new VmallocCure(string.Create(CultureInfo.InvariantCulture, $"{value / StepBytes}M"), value, exact,
                IsProved: list is not null && account is not null, before, after, lost, marginBytes);
        }

        return null;
    }

    /// <summary>The first other split between user and kernel addresses with which some value is enough; null when none is.</summary>
    internal (string Symbol, VmallocCure Cure)? FindWithSplit(FitRequest request, ulong marginBytes, ulong usedBytes, int count)
    {
        foreach ((string symbol, string pageOffset) in new[] { ("VMSPLIT_2G", "0x80000000"), ("VMSPLIT_1G", "0x40000000") })
        {
            KernelConfig config = Splits.Aggregate(inputs.Kernel.Config, (changed, split) => changed.With(split, split == symbol ? "y" : "n")).With("PAGE_OFFSET", pageOffset);
            LayoutInputs changed = inputs with { Kernel = inputs.Kernel with { Config = config } };
            if (new CureSearch(changed, before, list, account).Find(request, marginBytes, usedBytes, count) is { } cure)
            {
                return (symbol, cure);
            }
        }

        return null;
    }

    /// <summary>The layout with a value of vmalloc=; null when no such kernel boots.</summary>
    internal KernelLayout? Predict(ulong valueBytes)
    {
        string text = valueBytes % StepBytes == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{valueBytes / StepBytes}M")
            : string.Create(CultureInfo.InvariantCulture, $"{valueBytes / 1024}K");
        KernelDescription kernel = inputs.Kernel;
        // The last one counts: a second vmalloc= overrules the first.
        LayoutInputs changed = inputs with { Kernel = kernel with { CommandLine = KernelCommandLine.Parse($"{kernel.CommandLine.Text} vmalloc={text}") } };
        return LayoutPredictor.Predict(changed) is LayoutAnswer.Predicted predicted ? predicted.Layout : null;
    }

    /// <summary>Bytes that are mapped directly.</summary>
    internal static ulong Lowmem(KernelLayout layout) => layout.HighMemory.Value - layout.PageOffset.Value;

    private bool Works(KernelLayout after, FitRequest request, ulong marginBytes, ulong usedBytes)
    {
        if (after.Vmalloc.SizeBytes <= before.Vmalloc.SizeBytes)
        {
            return false;
        }

        if (list is null || account is null)
        {
            // Without a list: what is there stays there, and the request gets new room of its own. Only where that was
            // hopeless from the start, the window being smaller than the request, the least that holds it is said.
            ulong present = request.SizeBytes > before.Vmalloc.SizeBytes ? usedBytes : before.Vmalloc.SizeBytes;
            return after.Vmalloc.SizeBytes >= present && after.Vmalloc.SizeBytes - present >= NeededBytes(request) + marginBytes;
        }

        return FitsWithHolesKept(after, request, marginBytes) && FitsPlacedAnew(after, request, marginBytes);
    }

    /// <summary>What all of the requests take in one run: each but the last reaches to the next aligned address.</summary>
    private ulong NeededBytes(FitRequest request) => (_stride * (ulong)(_count - 1)) + request.SizeBytes;

    private bool FitsWithHolesKept(KernelLayout after, FitRequest request, ulong marginBytes)
    {
        ulong grown = after.Vmalloc.SizeBytes - account!.Window.Bytes;
        if (after.Vmalloc.SizeBytes <= account.Window.Bytes)
        {
            return false;
        }

        // Everything is placed from below but per-CPU chunks and mappings at fixed addresses, which keep to the top: the
        // new room lies between.
        ulong bottomEnd = account.Window.Start;
        ulong topStart = account.Window.EndExclusive;
        for (int i = account.EndIndex - 1; i >= account.FirstIndex; i--)
        {
            ref readonly AreaSlot area = ref list!.Areas[i];
            if ((area.Flags & AreaFlags.Unpurged) != AreaFlags.None)
            {
                continue;
            }

            if (area.Caller != 0 && (list.IsPercpu(area.Caller) || IsFixed(area)))
            {
                topStart = Math.Min(topStart, area.Start);
                continue;
            }

            bottomEnd = Math.Min(area.End, topStart);
            break;
        }

        ulong room = topStart - bottomEnd + grown;
        ulong slack = request.AlignBytes > list!.PageBytes ? request.AlignBytes - list.PageBytes : 0;
        return room >= NeededBytes(request) + slack + marginBytes;
    }

    private bool FitsPlacedAnew(KernelLayout after, FitRequest request, ulong marginBytes)
    {
        VmallocFacts facts = VmallocTimelines.At(inputs.Kernel.Version);
        ulong start = after.Vmalloc.Start.Value;
        ulong end = start + after.Vmalloc.SizeBytes;
        VmallocSpace space = new(new VmallocSetup
        {
            Facts = facts,
            PageBytes = list!.PageBytes,
            WindowStart = start,
            WindowEnd = end,
            Is64Bit = inputs.Kernel.Architecture.Is64Bit(),
        });
        int order = VmallocListTimelines.IoremapMaxOrder(inputs.Kernel.Version, inputs.Kernel.Architecture,
            System.Numerics.BitOperations.Log2(list.PageBytes), inputs.Kernel.Config.IsSet("X86_PAE") == true,
            hasSupersections: inputs.Kernel.Config.IsSet("SMP") == false && inputs.Kernel.Config.IsSet("ARM_LPAE") != true);
        for (int i = account!.FirstIndex; i < account.EndIndex; i++)
        {
            if (!PlaceAnew(space, list.Areas[i], facts, order, start, end))
            {
                return false;
            }
        }

        for (int i = 0; i < _count; i++)
        {
            if (!space.TryPlace(new AreaRequest(Align.Up(request.SizeBytes, list.PageBytes), request.AlignBytes, start, end), out _))
            {
                return false;
            }
        }

        return marginBytes == 0 || space.TryPlace(new AreaRequest(Align.Up(marginBytes, list.PageBytes), 1, start, end), out _);
    }

    private bool PlaceAnew(VmallocSpace space, in AreaSlot area, VmallocFacts facts, int ioremapOrder, ulong start, ulong end)
    {
        if ((area.Flags & AreaFlags.Unpurged) != AreaFlags.None)
        {
            // A purge returns it before any request fails.
            return true;
        }

        ulong page = list!.PageBytes;
        ulong size = Align.Up(area.SizeBytes, page);
        ReadOnlySpan<byte> owner = list.Texts.Bytes(area.Caller);
        if (area.Caller != 0 && list.IsPercpu(area.Caller))
        {
            return space.TryPlacePercpu([new PercpuGroup(0, size)], page, out _);
        }

        if (size == 0)
        {
            return true;
        }

        // A row that is not made of pages, or lies over another, is no kernel's: it is placed like any other.
        if (IsFixed(area) && area.Start >= start && area.End <= end && area.Start % page == 0 && area.End % page == 0 && space.TryAddKnown(area.Start, area.End))
        {
            return true;
        }

        ulong align = (area.Flags & AreaFlags.Ioremap) != AreaFlags.None && size > page
            ? AreaSizing.IoremapAlignBytes(facts, size - page, page, ioremapOrder)
            : (area.Flags & AreaFlags.VmMapRam) != AreaFlags.None && System.Numerics.BitOperations.IsPow2(size) ? size
            : KnownCallers.IsStack(owner) && size > page && System.Numerics.BitOperations.IsPow2(size - page) ? 2 * (size - page)
            : 1;
        return space.TryPlace(new AreaRequest(size, align, start, end), out _);
    }

    private bool IsFixed(in AreaSlot area) =>
        FixedOwners.Contains(System.Text.Encoding.Latin1.GetString(KnownCallers.Function(list!.Texts.Bytes(area.Caller))), StringComparer.Ordinal);
}
