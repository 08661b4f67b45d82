using System.Collections.Immutable;
using VmScope.Vmalloc;

namespace VmScope.Replay;

/// <summary>The state of an address space at one moment of a free-running replay.</summary>
/// <param name="Time">The time stamp of the operation, in nanoseconds.</param>
/// <param name="Operations">Operations run so far.</param>
/// <param name="UsedBytes">Busy areas, guard pages included.</param>
/// <param name="Areas">The number of busy areas.</param>
/// <param name="LazyBytes">Freed, waiting for a purge.</param>
/// <param name="PooledBytes">Lying ready in pools.</param>
/// <param name="LargestHoleBytes">The largest hole inside the vmalloc range.</param>
/// <param name="Failures">Requests without room so far.</param>
public sealed record SpaceSample(
    ulong Time, long Operations, ulong UsedBytes, int Areas, ulong LazyBytes, ulong PooledBytes, ulong LargestHoleBytes, long Failures)
{
    /// <summary>Bytes in use per stretch of the address range, from its start.</summary>
    public ImmutableArray<ulong> UsedPerStretch { get; init; } = [];

    /// <summary>The length of a stretch in bytes.</summary>
    public ulong StretchBytes { get; init; } = 1;
}

/// <summary>Keeps samples of an address space over a run of any length, evenly spread, in a fixed amount of memory.</summary>
internal sealed class SpaceHistory(VmallocSetup setup)
{
    /// <summary>Samples kept; when there are more, every second one goes and the distance doubles.</summary>
    internal const int SamplesMax = 96;

    private const int StretchesMax = 512;

    private readonly List<SpaceSample> _samples = [];
    private readonly List<FreeBlock> _busy = [];
    private long _distance = 1;
    private long _next;
    private ulong _stretch = setup.PageBytes;

    internal IReadOnlyList<SpaceSample> Samples => _samples;

    /// <summary>The highest end of an ordinary area so far; chunks placed from the top down do not count.</summary>
    internal ulong HighestEnd { get; set; }

    /// <summary>Takes a sample when one is due.</summary>
    internal void Pass(VmallocSpace space, ulong time, long operations, long failures)
    {
        if (operations < _next)
        {
            return;
        }

        Take(space, time, operations, failures);
        if (_samples.Count >= SamplesMax)
        {
            for (int i = _samples.Count - 2; i > 0; i -= 2)
            {
                _samples.RemoveAt(i);
            }

            _distance *= 2;
        }

        _next = operations + _distance;
    }

    /// <summary>Takes a sample of the end, where the last one is not that.</summary>
    internal void TakeLast(VmallocSpace space, ulong time, long operations, long failures)
    {
        if (_samples.Count == 0 || _samples[^1].Operations != operations)
        {
            Take(space, time, operations, failures);
        }
    }

    /// <summary>Takes a sample now.</summary>
    internal void Take(VmallocSpace space, ulong time, long operations, long failures)
    {
        while (HighestEnd > setup.WindowStart && (HighestEnd - setup.WindowStart) / _stretch >= StretchesMax)
        {
            _stretch *= 2;
        }

        _samples.Add(new SpaceSample(
            time, operations, space.BusyBytes, space.BusyCount, space.LazyPages * setup.PageBytes, space.PooledBytes,
            LargestHole(space), failures)
        {
            UsedPerStretch = Stretches(space),
            StretchBytes = _stretch,
        });
    }

    /// <summary>The largest hole inside the vmalloc range.</summary>
    internal ulong LargestHole(VmallocSpace space)
    {
        ulong largest = 0;
        bool have = space.TryHoleAtOrBelow(setup.WindowStart, out FreeBlock hole) || space.TryHoleAbove(setup.WindowStart, out hole);
        while (have && hole.Start < setup.WindowEnd)
        {
            ulong start = Math.Max(hole.Start, setup.WindowStart);
            ulong end = Math.Min(hole.End, setup.WindowEnd);
            largest = Math.Max(largest, end > start ? end - start : 0);
            have = space.TryHoleAbove(hole.Start, out hole);
        }

        return largest;
    }

    private ImmutableArray<ulong> Stretches(VmallocSpace space)
    {
        ulong[] used = new ulong[StretchesMax];
        _busy.Clear();
        space.CopyBusyTo(_busy, inOrder: false);
        foreach (FreeBlock area in _busy)
        {
            ulong start = Math.Max(area.Start, setup.WindowStart);
            ulong end = Math.Min(area.End, setup.WindowEnd);
            while (start < end)
            {
                ulong stretch = (start - setup.WindowStart) / _stretch;
                if (stretch >= StretchesMax)
                {
                    break;
                }

                ulong until = Math.Min(end, setup.WindowStart + ((stretch + 1) * _stretch));
                used[stretch] += until - start;
                start = until;
            }
        }

        return [.. used];
    }
}
