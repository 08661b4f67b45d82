using BenchmarkDotNet.Attributes;

namespace VmScope.Benchmarks.Placement;

/// <summary>
/// One free and one placement in steady churn, per peer. The command <c>placement</c> runs all workloads and compares
/// addresses; this one shows the spread, and that nothing is allocated per operation.
/// </summary>
[MemoryDiagnoser]
public class ChurnBenchmarks
{
    private const int Pairs = 10_000;

    private Workload _kernelWork = null!;
    private Workload _indexWork = null!;
    private KernelPeer _kernel;
    private IndexPeer _index;

    /// <summary>Live areas.</summary>
    [Params(1_000, 10_000, 100_000)]
    public int Live { get; set; }

    /// <summary>Whether 30 % of the requests are aligned above a page.</summary>
    [Params(false, true)]
    public bool Aligned { get; set; }

    /// <summary>Fills both peers and lets them settle.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _kernelWork = new Churn(Live, tight: false, Aligned);
        _indexWork = new Churn(Live, tight: false, Aligned);
        _kernel = new(Workload.WindowStart, Workload.Roomy);
        _index = new(Workload.WindowStart, Workload.Roomy);
        _kernelWork.Prepare(_kernel);
        _indexWork.Prepare(_index);
        _kernelWork.Run(_kernel, 4 * Live);
        _indexWork.Run(_index, 4 * Live);
        if (_kernelWork.Checksum != _indexWork.Checksum)
        {
            throw new InvalidOperationException("The two peers gave different addresses.");
        }
    }

    /// <summary>The kernel's two trees.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Pairs)]
    public ulong KernelTrees()
    {
        _kernelWork.Run(_kernel, Pairs);
        return _kernelWork.Checksum;
    }

    /// <summary>The area index.</summary>
    [Benchmark(OperationsPerInvoke = Pairs)]
    public ulong AreaIndex()
    {
        _indexWork.Run(_index, Pairs);
        return _indexWork.Checksum;
    }
}
