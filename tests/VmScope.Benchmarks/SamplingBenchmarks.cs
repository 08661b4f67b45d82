using System.Globalization;
using System.Text;
using BenchmarkDotNet.Attributes;
using VmScope.Cli.Output;
using VmScope.Cli.Watching;
using VmScope.Recording;

namespace VmScope.Benchmarks;

/// <summary>What a sample of <c>vmscope watch</c> costs: parse and sum, draw, record.</summary>
[MemoryDiagnoser]
public class SamplingBenchmarks
{
    private RecordedSnapshot _before = null!;
    private RecordedSnapshot _now = null!;
    private WatchHistory _history = null!;
    private readonly WatchView _view = new();
    private readonly WatchScreen _screen = new(usesUnicode: true, new Paint(Enabled: true));

    /// <summary>Rows of the list.</summary>
    [Params(1_000, 100_000)]
    public int Rows { get; set; }

    /// <summary>Makes two lists that differ in one row of a hundred.</summary>
    [GlobalSetup]
    public void Setup()
    {
        (_before, _now) = (Snapshot(0), Snapshot(1));
        _history = new WatchHistory();
        _history.Add(WatchSample.Of(_before, ""));
        _history.Add(WatchSample.Of(_now, ""));
    }

    /// <summary>Parses a list and sums it.</summary>
    [Benchmark]
    public long Sample() => WatchSample.Of(_now, "").AreaCount;

    /// <summary>Draws a screen of 120 by 40.</summary>
    [Benchmark]
    public int Draw() => _screen.Draw(_history, _view, new WatchStatus("t", "s", "c"), 120, 40).Length;

    /// <summary>Makes the bytes a recorder appends.</summary>
    [Benchmark]
    public int Record() => RecordingWriter.Frame(_now, _before).Length;

    private RecordedSnapshot Snapshot(int number)
    {
        StringBuilder text = new(Rows * 90);
        for (int i = 0; i < Rows; i++)
        {
            ulong start = 0xffffc90000000000 + ((ulong)i * 0x8000) + (i % 100 == 0 ? (ulong)number * 0x1000 : 0);
            text.Append(CultureInfo.InvariantCulture, $"0x{start:x16}-0x{start + 0x5000:x16}   20480 owner_{i % 300}+0x50/0x1c0 pages=4 vmalloc N0=4\n");
        }

        return new RecordedSnapshot(DateTimeOffset.UnixEpoch.AddSeconds(number), null,
            [new RecordedFile("vmallocinfo", Encoding.UTF8.GetBytes(text.ToString()))]);
    }
}
