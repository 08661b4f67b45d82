using System.Collections.Immutable;
using System.Diagnostics;
using VmScope.Kernels;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Vmalloc;

namespace VmScope.Benchmarks;

/// <summary>What a modelled machine costs: booting, translating, copying, allocating. Best of several rounds, because the
/// machine that measures has other things to do.</summary>
internal static class MachineRun
{
    private const int Rounds = 15;
    private const int CopyBytes = 16 << 20;

    internal static void Run(TextWriter output)
    {
        Boot(output, "boot i386 2.6.27, 4 GiB", "2.6.27", Architecture.I386, 4 * Size.GiB, []);
        Boot(output, "boot i386 6.1 PAE, 4 GiB", "6.1", Architecture.I386, 4 * Size.GiB, [new("HIGHMEM64G", "y"), new("HIGHMEM", "y"), new("X86_PAE", "y")]);
        Boot(output, "boot x86-64 6.12, 64 GiB", "6.12", Architecture.X64, 64 * Size.GiB, []);

        BootedMachine machine = Machine("6.1", Architecture.X64, 2 * Size.GiB, []);
        VirtualAddress area = machine.Vmalloc.Allocate(new VmallocCall(CopyBytes, "bench")).Address!.Value;
        VirtualAddress other = machine.Vmalloc.Allocate(new VmallocCall(CopyBytes, "bench")).Address!.Value;
        Mmu mmu = machine.Tables.Cpus[0];
        const int Translations = 1_000_000;
        double hit = Best(() =>
        {
            for (int i = 0; i < Translations; i++)
            {
                _ = mmu.Translate(new VirtualAddress(area.Value + ((ulong)(i & 63) << 12)), AccessKind.Read, out _);
            }
        });
        output.WriteLine($"translate, TLB hit: {hit * 1e9 / Translations:F1} ns");
        double miss = Best(() =>
        {
            for (int i = 0; i < Translations; i++)
            {
                // 4096 pages, eight times what the TLB holds.
                _ = mmu.Translate(new VirtualAddress(area.Value + ((ulong)(i & 4095) << 12)), AccessKind.Read, out _);
            }
        });
        output.WriteLine($"translate, TLB miss: {miss * 1e9 / Translations:F1} ns");

        byte[] from = new byte[CopyBytes];
        byte[] to = new byte[CopyBytes];
        Random.Shared.NextBytes(from);
        machine.Move(area, from, AccessKind.Write);
        machine.Move(other, to, AccessKind.Write);
        double plain = Best(() => from.CopyTo(to, 0));
        double mapped = Best(() => machine.Copy(area, other, CopyBytes));
        output.WriteLine($"copy of 16 MiB: plain {plain * 1e3:F2} ms, through two vmalloc mappings {mapped * 1e3:F2} ms, ratio {mapped / plain:F2}");

        foreach (string version in new[] { "2.6.27", "6.1", "6.12" })
        {
            BootedMachine small = Machine(version, version == "2.6.27" ? Architecture.I386 : Architecture.X64, 2 * Size.GiB, []);
            Stopwatch watch = Stopwatch.StartNew();
            for (int i = 0; i < 1_000_000; i++)
            {
                VmallocAnswer answer = small.Vmalloc.Allocate(new VmallocCall(4096, "bench"));
                _ = small.Vmalloc.Free(answer.Address!.Value, []);
            }

            output.WriteLine($"a million vmalloc(4096) and vfree with mapping, {version}: {watch.Elapsed.TotalSeconds:F2} s, {small.Vmalloc.PurgeCount} purges");
        }
    }

    private static void Boot(TextWriter output, string name, string version, Architecture architecture, ulong ram, KeyValuePair<string, string>[] config)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        _ = Machine(version, architecture, ram, config);
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        double best = Best(() => Machine(version, architecture, ram, config));
        output.WriteLine($"{name}: {best * 1e3:F2} ms, {bytes / 1024} KiB allocated");
    }

    private static BootedMachine Machine(string version, Architecture architecture, ulong ram, KeyValuePair<string, string>[] config)
    {
        MachineDescription description = new(new KernelDescription(KernelIdentity.Parse(version)!, architecture)
        {
            Config = new KernelConfig(config, isComplete: false),
            CommandLine = KernelCommandLine.Parse("nokaslr"),
            Cpu = new CpuFacts { Flags = ImmutableHashSet.Create("pse", "pge", "pae", "nx", "pdpe1gb") },
        })
        {
            RamBytes = ram,
        };
        return BootedMachine.Boot(description) switch
        {
            BootOutcome.Booted booted => booted.Machine,
            BootOutcome.Impossible impossible => throw new InvalidOperationException(impossible.Reason),
            _ => throw new UnreachableException(),
        };
    }

    private static double Best(Action action)
    {
        double best = double.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }
}
