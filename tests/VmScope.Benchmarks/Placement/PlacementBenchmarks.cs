using BenchmarkDotNet.Attributes;

namespace VmScope.Benchmarks.Placement;

/// <summary>
/// One placement and one free (or one look-up) of a workload, per peer. The command <c>placement</c> runs the peers in turn
/// and compares addresses all the way; this shows the spread, and that nothing is allocated per operation.
/// </summary>
[MemoryDiagnoser]
public abstract class PlacementBenchmarks
{
    /// <summary>What an invocation is made of; a multiple of what every workload does at a time.</summary>
    protected const int Pairs = 12_800;

    private Workload _kernelWork = null!;
    private Workload _indexWork = null!;
    private KernelPeer _kernel;
    private IndexPeer _index;

    /// <summary>Fills both peers and lets them settle.</summary>
    protected void FillBoth(string name)
    {
        (_kernelWork, _indexWork) = (Make(name), Make(name));
        _kernel = new(Workload.WindowStart, _kernelWork.WindowEnd);
        _index = new(Workload.WindowStart, _indexWork.WindowEnd);
        _kernelWork.Prepare(_kernel);
        _indexWork.Prepare(_index);
        _kernelWork.Run(_kernel, _kernelWork.WarmUnits);
        _indexWork.Run(_index, _indexWork.WarmUnits);
        if (_kernelWork.Checksum != _indexWork.Checksum)
        {
            throw new InvalidOperationException("The two peers gave different addresses.");
        }
    }

    /// <summary>The kernel's two trees.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Pairs)]
    public void KernelTrees() => _kernelWork.Run(_kernel, Pairs / _kernelWork.PairsPerUnit);

    /// <summary>The area index.</summary>
    [Benchmark(OperationsPerInvoke = Pairs)]
    public void AreaIndex() => _indexWork.Run(_index, Pairs / _indexWork.PairsPerUnit);

    private protected static IEnumerable<string> NamesWhere(Func<Workload, bool> wanted) =>
        Workload.All().Select(make => make()).Where(wanted).Select(work => work.Name);

    private protected static Workload Make(string name) => Workload.All().Select(make => make()).First(work => work.Name == name);
}

/// <summary>The workloads that the ordinary way can be asked to do as well.</summary>
public class SmallPlacementBenchmarks : PlacementBenchmarks
{
    private Workload _work = null!;
    private SortedSetPeer _peer;

    /// <summary>The workload's name, as the command prints it.</summary>
    [ParamsSource(nameof(Names))]
    public string Work { get; set; } = "";

    /// <summary>The workloads of the class.</summary>
    public IEnumerable<string> Names => NamesWhere(work => work.SuitsSortedSet);

    /// <summary>Fills the trees and the index.</summary>
    [GlobalSetup(Targets = [nameof(KernelTrees), nameof(AreaIndex)])]
    public void Setup() => FillBoth(Work);

    /// <summary>Fills the sorted set.</summary>
    [GlobalSetup(Target = nameof(SortedSet))]
    public void SetupSortedSet()
    {
        _work = Make(Work);
        _peer = new(Workload.WindowStart, _work.WindowEnd);
        _work.Prepare(_peer);
    }

    /// <summary>Sorted collections of the class library.</summary>
    [Benchmark(OperationsPerInvoke = Pairs)]
    public void SortedSet() => _work.Run(_peer, Pairs / _work.PairsPerUnit);
}

/// <summary>A hundred thousand areas and a million.</summary>
public class LargePlacementBenchmarks : PlacementBenchmarks
{
    /// <summary>The workload's name, as the command prints it.</summary>
    [ParamsSource(nameof(Names))]
    public string Work { get; set; } = "";

    /// <summary>The workloads of the class.</summary>
    public IEnumerable<string> Names => NamesWhere(work => !work.SuitsSortedSet);

    /// <summary>Fills the trees and the index.</summary>
    [GlobalSetup]
    public void Setup() => FillBoth(Work);
}
