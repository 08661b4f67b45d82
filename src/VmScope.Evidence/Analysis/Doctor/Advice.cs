using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Analysis;

/// <summary>Says what applies where <c>vmalloc=</c> does not, and why it does not.</summary>
/// <remarks>
/// <c>vmalloc=</c> is read by i386 and 32-bit arm only: arch/x86/mm/pgtable_32.c parse_vmalloc(), arch/arm/mm/mmu.c
/// early_vmalloc(); Documentation/admin-guide/kernel-parameters.txt, 7.1.
/// </remarks>
internal static class Advice
{
    /// <summary>Whether an architecture reads vmalloc= at all; null when the architecture is not known.</summary>
    internal static bool? HasVmallocOption(string architecture) => architecture switch
    {
        "unknown" => null,
        "i386" or "arm" => true,
        _ => false,
    };

    /// <summary>Whether modules have a window of their own there.</summary>
    internal static bool HasModuleWindow(string architecture) => architecture is "x86-64" or "arm" or "arm64" or "riscv64";

    /// <summary>What to do about a full window.</summary>
    internal static IEnumerable<DoctorStatement> For(FailedWindow window, string architecture, KernelConfig config, FailedRequest request, bool hasBpfWindow)
    {
        switch (window)
        {
            case FailedWindow.Vmalloc or FailedWindow.Percpu or FailedWindow.Unknown or FailedWindow.FixedRange:
                foreach (DoctorStatement statement in Vmalloc(architecture, window))
                {
                    yield return statement;
                }

                break;
            case FailedWindow.Modules:
                yield return new DoctorStatement("vmalloc= does nothing for this: modules have a window of their own here, and its size is fixed when the kernel is built.", Sureness.Derived);
                foreach (DoctorStatement statement in Modules(architecture, config, request))
                {
                    yield return statement;
                }

                break;
            case FailedWindow.Bpf:
                yield return new DoctorStatement($"vmalloc= does nothing for this: code of BPF programs lies in {(hasBpfWindow ? "a window of its own" : "the module window")}, whose size is fixed when the kernel is built.", Sureness.Derived);
                foreach (DoctorStatement statement in Bpf(architecture, config))
                {
                    yield return statement;
                }

                break;
            case FailedWindow.Early:
                yield return new DoctorStatement("vmalloc= does nothing for this: the request comes from the boot, before the vmalloc area exists. early_ioremap has a few fixed slots; whoever takes them must give them back (early_iounmap), or the build needs more of them (FIX_BTMAPS_SLOTS).", Sureness.Derived);
                break;
            default:
                break;
        }

    }

    private static IEnumerable<DoctorStatement> Vmalloc(string architecture, FailedWindow window)
    {
        if (HasVmallocOption(architecture) == true)
        {
            yield break;
        }

        if (architecture == "unknown")
        {
            yield return new DoctorStatement("Whether vmalloc= can help depends on the architecture, which the evidence does not name: only i386 and 32-bit arm read it. Say it with --arch, or add the first lines of dmesg.", Sureness.Derived);
            yield break;
        }

        yield return new DoctorStatement($"vmalloc= is not available on {(architecture == "64-bit" ? "64-bit kernels" : architecture)}: only i386 and 32-bit arm read it.", Sureness.Derived);
        if (architecture is "x86-64" or "arm64" or "riscv64" or "s390" or "loongarch" or "ppc64" or "alpha" or "64-bit")
        {
            yield return new DoctorStatement("The vmalloc window of a 64-bit kernel has terabytes. When it refuses, the size was wrong, the range was a small one inside it, or something leaks without end.", Sureness.Derived);
        }
        else if (architecture == "ppc")
        {
            yield return new DoctorStatement("On 32-bit powerpc the vmalloc area is what lies between the end of lowmem and the fixed mappings at the top: a build with a smaller LOWMEM_SIZE, or another PAGE_OFFSET or KERNEL_START, makes it larger; a build without KASAN gives back what its shadow takes.", Sureness.Assumed);
        }
        else
        {
            yield return new DoctorStatement("What applies: fewer or smaller mappings by the owners listed, a build with another split between lowmem and kernel addresses where the architecture offers one, or a 64-bit kernel.", Sureness.Assumed);
        }

        if (window == FailedWindow.Percpu)
        {
            yield return new DoctorStatement("A per-CPU chunk needs one hole for all processors: fewer possible processors (nr_cpus=) make it smaller.", Sureness.Derived);
        }
    }

    private static IEnumerable<DoctorStatement> Modules(string architecture, KernelConfig config, FailedRequest request)
    {
        switch (architecture)
        {
            case "arm":
                yield return config.IsSet("ARM_MODULE_PLTS") switch
                {
                    true => new DoctorStatement("This build has ARM_MODULE_PLTS: a module that finds no room in the module window goes to the vmalloc window instead, so this message alone does no harm; if the module did not load, the vmalloc window was full too.", Sureness.Derived),
                    false => new DoctorStatement("This build lacks ARM_MODULE_PLTS: with it modules that do not fit go to the vmalloc window.", Sureness.Derived),
                    null => new DoctorStatement("A build with ARM_MODULE_PLTS lets modules that do not fit go to the vmalloc window.", Sureness.Derived),
                };
                break;
            case "arm64":
                yield return new DoctorStatement("On arm64 the module window has 128 MiB (64 MiB before 4.6), and 2 GiB from 6.5 on; a kernel with module PLTs (ARM64_MODULE_PLTS, always from 6.5) can use more than the nearest 128 MiB.", Sureness.Derived);
                break;
            case "x86-64":
                yield return new DoctorStatement("On x86-64 modules share 1008 MiB (1520 MiB without RANDOMIZE_BASE) with BPF code, kprobes and ftrace; what fills it is in the list below ffffffffff000000.", Sureness.Derived);
                break;
            case "ppc":
                yield return new DoctorStatement("32-bit powerpc tries near the kernel's text first and then anywhere: when the module loaded, this message was the first of two tries and harmless.", Sureness.Assumed);
                break;
            default:
                break;
        }

        if (request.SearchedBytes is { } bytes)
        {
            yield return new DoctorStatement(string.Create(CultureInfo.InvariantCulture,
                $"A smaller module helps: strip its debug sections (INSTALL_MOD_STRIP=1), build data in differently, or link it into the kernel. It asked for {bytes:N0} bytes in one piece; what is loaded and in use counts beside it (lsmod)."), Sureness.Derived);
        }
    }

    private static IEnumerable<DoctorStatement> Bpf(string architecture, KernelConfig config)
    {
        yield return new DoctorStatement("Programs that are loaded and never freed fill it: compare two lists taken some time apart (vmscope diff), and see who loads them (bpftool prog). net.core.bpf_jit_limit bounds how much unprivileged programs may take; raising it only moves the end.", Sureness.Derived);
        if (architecture == "arm")
        {
            foreach (DoctorStatement statement in Modules(architecture, config, NoRequest))
            {
                yield return statement;
            }
        }

        yield return new DoctorStatement("net.core.bpf_jit_enable=0 makes programs run interpreted, without this memory, where the build allows it (BPF_JIT_ALWAYS_ON off).", Sureness.Derived);
    }

    private static FailedRequest NoRequest { get; } =
        new(0, FailedWindow.Bpf, "", Sureness.Derived, null, GuardIncluded: false, null, null, null, 1, "");

    /// <summary>What memory, addresses and zones a value of vmalloc= moves.</summary>
    internal static IEnumerable<DoctorStatement> Costs(VmallocCure cure, ulong? lowFreeKiB)
    {
        KernelLayout after = cure.After;
        if (cure.Before is { } before)
        {
            yield return new DoctorStatement(string.Create(CultureInfo.InvariantCulture,
                $"vmalloc={cure.Value} makes the vmalloc window {after.Vmalloc.SizeBytes / 1024:N0} kB (now {before.Vmalloc.SizeBytes / 1024:N0} kB) and costs {cure.LowmemLostBytes:N0} bytes of directly mapped memory, which ends at {after.HighMemory.Value:x8} instead of {before.HighMemory.Value:x8}."), Sureness.Derived);
            yield return new DoctorStatement($"Zones: {Zones(before)}; with vmalloc={cure.Value}: {Zones(after)}.", Sureness.Derived);
            if (lowFreeKiB is { } free && cure.LowmemLostBytes > 0)
            {
                yield return cure.LowmemLostBytes / 1024 > free
                    ? new DoctorStatement(string.Create(CultureInfo.InvariantCulture, $"That is more than the {free:N0} kB of lowmem that are free: everything that needs lowmem (page tables, slab, DMA) will suffer. Do not do it; take a 64-bit kernel or another split."), Sureness.Derived)
                    : new DoctorStatement(string.Create(CultureInfo.InvariantCulture, $"{free:N0} kB of lowmem are free now, so {free - (cure.LowmemLostBytes / 1024):N0} kB would be left."), Sureness.Derived);
            }
        }
    }

    private static string Zones(KernelLayout layout) => string.Join(", ",
        layout.Zones.Where(zone => zone.PresentPages > 0).Select(zone => string.Create(CultureInfo.InvariantCulture, $"{zone.Name} {zone.PresentPages:N0} pages")));
}
