using BenchmarkDotNet.Running;
using VmScope.Benchmarks;

if (args is ["replay", .. string[] rest])
{
    ReplayThroughput.Run(rest);
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
