using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Proc;

namespace VmScope.Analysis;

/// <summary>Puts failure messages together to requests, and finds out whose addresses each of them wanted.</summary>
/// <remarks>
/// One failed request prints up to two messages: the search for addresses (guard page in its size), then the allocator
/// above it (guard page not in its size). Source: mm/vmalloc.c, alloc_vmap_area(), __vmalloc_node_range(), 2.6.9 to 7.1.
/// </remarks>
internal sealed class FailedRequests(LogReading log, string architecture, ulong pageBytes, KernelLayout? layout, KernelConfig config)
{
    /// <summary>Lines between the two messages of one request: a stack dump begins behind the second.</summary>
    private const int PairLines = 12;

    private static readonly string[] IoremapFunctions = ["__ioremap*", "ioremap*", "__arm_ioremap*", "of_iomap", "generic_ioremap_prot", "pci_ecam*"];

    private static readonly string[] ModuleLoaders = ["insmod", "modprobe", "kmodloader", "rmmod", "kmod"];

    /// <summary>The requests, equal ones counted together, in the order of the log.</summary>
    internal List<FailedRequest> Collect(IReadOnlyList<VmallocFailure> failures)
    {
        List<FailedRequest> requests = [];
        for (int i = 0; i < failures.Count; i++)
        {
            VmallocFailure failure = failures[i];
            if (failure.Kind is VmallocFailureKind.BadFree or VmallocFailureKind.Overlap)
            {
                continue;
            }

            VmallocFailure? second = i + 1 < failures.Count && IsSecondOf(failure, failures[i + 1]) ? failures[i + 1] : null;
            i += second is null ? 0 : 1;
            FailedRequest request = Make(failure, second);
            int same = requests.FindIndex(other => IsLike(other, request));
            if (same < 0)
            {
                requests.Add(request);
                continue;
            }

            // The one whose window is better known stands for all; of equals the last, which is closest to the moment
            // the other files were taken.
            FailedRequest other = requests[same];
            FailedRequest kept = other.WindowCertainty < request.WindowCertainty ? other : request;
            requests.RemoveAt(same);
            requests.Add(kept with { Repeats = other.Repeats > long.MaxValue - request.Repeats ? long.MaxValue : other.Repeats + request.Repeats });
        }

        return requests;
    }

    /// <summary>Whether two messages tell of the same thing: a rate limit often leaves only the first with its call trace.</summary>
    private static bool IsLike(FailedRequest left, FailedRequest right) =>
        left.Bytes == right.Bytes && left.Range == right.Range && left.GuardIncluded == right.GuardIncluded && left.Percpu == right.Percpu
        && (left.Window == FailedWindow.None) == (right.Window == FailedWindow.None)
        && (left.Window == right.Window || left.WindowCertainty >= Sureness.Assumed || right.WindowCertainty >= Sureness.Assumed);

    private static bool IsSecondOf(VmallocFailure first, VmallocFailure second)
    {
        if (IsPercpu(first.Kind) && second.Kind == VmallocFailureKind.PercpuReservedFull && second.Process is not null)
        {
            // The loader of modules names its module behind the allocator's call trace.
            return first.Process is null && first.SizeBytes == second.SizeBytes && second.Line - first.Line <= LogReading.TraceLines;
        }

        if (first.Kind != VmallocFailureKind.NoAddressRange
            || second.Kind is not (VmallocFailureKind.Refused or VmallocFailureKind.NoArea or VmallocFailureKind.NoExecutableMemory)
            || second.Line - first.Line > PairLines)
        {
            return false;
        }

        return first.SizeBytes is not { } searched || second.SizeBytes is not { } asked || (asked < searched && searched - asked <= 2 * 65536);
    }

    private static bool IsPercpu(VmallocFailureKind kind) =>
        kind is VmallocFailureKind.NoPercpuChunk or VmallocFailureKind.PercpuReservedFull or VmallocFailureKind.PercpuAtomic or VmallocFailureKind.NoPercpuPages;

    private FailedRequest Make(VmallocFailure failure, VmallocFailure? second)
    {
        CallTrace trace = log.TraceOf(failure.Line);
        if (second is not null && trace.Functions.Length == 0)
        {
            trace = log.TraceOf(second.Line);
        }

        VirtualRange? range = failure.RangeStart is { } start && failure.RangeEnd is { } end && end.Value > start.Value
            ? new VirtualRange(start, end.Value - start.Value)
            : null;
        string? process = failure.Process ?? second?.Process;
        bool isExecutable = second?.Kind == VmallocFailureKind.NoExecutableMemory;
        (FailedWindow window, string reason, Sureness certainty) = WindowOf(failure, range, trace, process, isExecutable);
        // A per-CPU object is no area: what found no place is a chunk, whose size the message does not give.
        ulong? searched = failure.SizeBytes is not { } size || IsPercpu(failure.Kind) ? null
            : size > ulong.MaxValue - (2 * pageBytes) ? size
            : Align.Up(size, pageBytes) + (failure.SizeIncludesGuard ? 0 : pageBytes);
        return new FailedRequest(failure.Line, window, reason, certainty, failure.SizeBytes, failure.SizeIncludesGuard, searched, range, process, (long)Math.Clamp(failure.Times, 1, long.MaxValue), failure.Text)
        {
            IsIoremap = trace.HasAny(IoremapFunctions),
            Percpu = !IsPercpu(failure.Kind) ? PercpuShortage.None
                : failure.Kind == VmallocFailureKind.PercpuAtomic ? PercpuShortage.Atomic
                : failure.Kind != VmallocFailureKind.PercpuReservedFull ? PercpuShortage.Chunk
                : architecture == "i386" && !failure.Text.Contains("reserved chunk", StringComparison.Ordinal) ? PercpuShortage.Chunk
                : PercpuShortage.Reserved,
        };
    }

    private (FailedWindow, string, Sureness) WindowOf(VmallocFailure failure, VirtualRange? range, CallTrace trace, string? process, bool isExecutable)
    {
        switch (failure.Kind)
        {
            case VmallocFailureKind.NoPages or VmallocFailureKind.NoPageArray or VmallocFailureKind.NotMapped or VmallocFailureKind.ExceedsTotalPages or VmallocFailureKind.NoPercpuPages:
                return (FailedWindow.None, "the message is about memory, not about addresses", Sureness.Printed);
            case VmallocFailureKind.PercpuReservedFull when failure.Process is not null:
                return (FailedWindow.Percpu, $"the per-CPU variables of the module {failure.Process}", Sureness.Printed);
            case VmallocFailureKind.NoPercpuChunk or VmallocFailureKind.PercpuReservedFull or VmallocFailureKind.PercpuAtomic:
                return (FailedWindow.Percpu, "the message comes from the per-CPU allocator", Sureness.Printed);
            case VmallocFailureKind.NoExecutableMemory:
                return IsBpf(trace) ? (FailedWindow.Bpf, "executable memory for BPF", Sureness.Printed) : (FailedWindow.Modules, "the message comes from the allocator of executable memory", Sureness.Printed);
            case VmallocFailureKind.Refused or VmallocFailureKind.NoArea when failure.SizeBytes == 0:
                return (FailedWindow.None, "a request of no bytes looks for no addresses", Sureness.Printed);
            default:
                break;
        }

        if (range is { } printed)
        {
            return OfRange(printed, trace, isExecutable);
        }

        isExecutable |= trace.HasAny("module_alloc", "module_alloc_update_bounds", "execmem_alloc*", "__execmem_alloc", "execmem_vmalloc", "layout_and_allocate", "move_module", "bpf_jit_alloc_exec", "bpf_jit_binary_alloc");
        if (isExecutable)
        {
            FailedWindow exec = IsBpf(trace) ? FailedWindow.Bpf : FailedWindow.Modules;
            string what = exec == FailedWindow.Bpf ? "the call trace leads from BPF into module_alloc()" : "the call trace leads through module_alloc()";
            return architecture == "i386"
                ? (FailedWindow.Vmalloc, what + ", and on i386 modules live in the vmalloc window", Sureness.Derived)
                : (exec, what, Sureness.Printed);
        }

        if (trace.HasAny("pcpu_get_vm_areas", "pcpu_create_chunk"))
        {
            return (FailedWindow.Percpu, "the call trace leads through the per-CPU allocator", Sureness.Printed);
        }

        if (trace.HasAny(IoremapFunctions))
        {
            return (FailedWindow.Vmalloc, "the call trace leads through ioremap", Sureness.Printed);
        }

        if (trace.Functions.Length > 0)
        {
            return (FailedWindow.Vmalloc, "the call trace leads through no allocator of executable memory", Sureness.Derived);
        }

        bool isLoader = process is not null && ModuleLoaders.Contains(process, StringComparer.Ordinal);
        if (isLoader && architecture != "i386")
        {
            return (FailedWindow.Modules, $"{process} loads modules, and a module's memory comes from the module window", Sureness.Assumed);
        }

        if (isLoader)
        {
            return (FailedWindow.Vmalloc, $"{process} loads modules, and on i386 modules live in the vmalloc window", Sureness.Derived);
        }

        return Is64Bit && failure.SizeBytes is < 1UL << 36
            ? (FailedWindow.Modules, "the vmalloc window of a 64-bit kernel cannot be full of such sizes; of the windows that can be, the module window is the usual one", Sureness.Guessed)
            : architecture == "unknown"
                ? (FailedWindow.Unknown, "neither architecture nor call trace are in the evidence", Sureness.Guessed)
                : (FailedWindow.Vmalloc, "the message names no other window", Sureness.Assumed);
    }

    private bool Is64Bit => architecture is "x86-64" or "arm64" or "riscv64" or "s390" or "loongarch" or "ppc64" or "alpha" or "64-bit";

    private static bool IsBpf(CallTrace trace) => trace.HasAny("bpf_*", "__bpf_*", "arch_bpf_trampoline*", "sk_attach_filter", "seccomp_*");

    private (FailedWindow, string, Sureness) OfRange(VirtualRange range, CallTrace trace, bool isExecutable)
    {
        FailedWindow executable = IsBpf(trace) ? FailedWindow.Bpf : FailedWindow.Modules;
        if (layout is not null)
        {
            if (range.Start.Value >= layout.Vmalloc.Start.Value && range.Last.Value <= layout.Vmalloc.Last.Value + pageBytes
                && range.SizeBytes > layout.Vmalloc.SizeBytes / 2)
            {
                return (FailedWindow.Vmalloc, "the printed range is this kernel's vmalloc area", Sureness.Derived);
            }

            foreach (Region region in layout.Regions)
            {
                if (region.Kind == RegionKind.Modules && region.Range.Overlaps(range))
                {
                    return (executable, "the printed range lies in this kernel's module area", Sureness.Derived);
                }
            }
        }

        // arm64 takes memory for BPF from the whole vmalloc area.
        if (range.SizeBytes > 1UL << 33)
        {
            return (FailedWindow.Vmalloc, "only the vmalloc area of a 64-bit kernel is that large", Sureness.Derived);
        }

        if (trace.HasAny("module_alloc", "execmem_alloc*", "__execmem_alloc", "execmem_vmalloc", "bpf_jit_alloc_exec", "bpf_jit_binary_alloc"))
        {
            return architecture == "i386" ? (FailedWindow.Vmalloc, "modules live in the vmalloc window on i386", Sureness.Derived)
                : (executable, "the call trace leads through the allocator of executable memory", Sureness.Printed);
        }

        return architecture switch
        {
            "x86-64" when range.Start.Value >= 0xffffffff_80000000 => (executable, "on x86-64 modules live in the top 2 GiB", Sureness.Derived),
            "arm64" or "riscv64" => (executable, "a range of at most 2 GiB on a 64-bit kernel is the module area", Sureness.Assumed),
            "arm" when config.IsSet("MODULES") != false && range.Last.Value <= 0xc0000000 && range.SizeBytes <= 16 * Size.MiB => (executable, "on arm the module area ends at the direct map", Sureness.Derived),
            "i386" or "arm" when range.Start.Value >= 0xc0000000 => (FailedWindow.Vmalloc, "the printed range lies above the direct map", Sureness.Assumed),
            _ when range.SizeBytes >= 16 * Size.MiB && range.Last.Value <= uint.MaxValue && range.Start.Value >= 0x80000000 =>
                (FailedWindow.Vmalloc, "the printed range is as large as a 32-bit kernel's vmalloc area", Sureness.Assumed),
            _ when isExecutable => (executable, "the next message comes from the allocator of executable memory", Sureness.Printed),
            _ when range.Start.Value >= 0xffffffff_00000000 => (executable, "only the module areas of 64-bit kernels lie that high", Sureness.Assumed),
            _ => (FailedWindow.FixedRange, "the printed range is no window known here", Sureness.Printed),
        };
    }
}
