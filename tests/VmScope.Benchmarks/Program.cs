using BenchmarkDotNet.Running;
using VmScope.Benchmarks;
using VmScope.Benchmarks.Placement;

switch (args)
{
    case ["replay", .. string[] rest]:
        ReplayThroughput.Run(rest);
        return 0;
    case ["placement", .. string[] rest]:
        return Race.Run(rest, Console.Out);   // every placement workload, peers in turn, as one table of ratios
    case ["list", .. string[] rest]:
        ListReading.Run(rest);   // a list of a million rows: make it, or measure reading it
        return 0;
    case ["machine"]:
        MachineRun.Run(Console.Out);   // boot, translate, copy, allocate: best of several rounds
        return 0;
    case ["layout-sweep"]:
        LayoutSweep.Run();
        return 0;
    default:
        _ = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        return 0;
}
