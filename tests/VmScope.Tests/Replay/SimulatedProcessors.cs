using VmScope.Traces;
using VmScope.Vmalloc;

namespace VmScope.Tests.Replay;

/// <summary>
/// Several processors that allocate, free and purge at the same time on a modelled kernel, and the trace they leave: lines
/// are written some time after the lock is released, a purge returns its areas one by one while others allocate and is
/// written when it is over, and now and then a task is preempted before it writes.
/// </summary>
internal sealed class SimulatedProcessors(VmallocSetup setup, int seed, int preemptedNanosecondsMax = 100_000, ulong lazyPagesMax = 2000)
{
    private readonly Random _random = new(seed);
    private readonly List<(ulong Time, int Order, Action<TraceWriter> Write)> _lines = [];
    private readonly List<(ulong Start, ulong WrittenAt)> _live = [];
    private readonly int[] _tasks = [.. Enumerable.Range(100, 64)];
    private readonly ulong[] _busyUntil = new ulong[64];
    private readonly VmallocSpace _space = new(setup);
    private int _lastTask = 200;
    private int _purger = -1;
    private int _wantsPurge = -1;
    private ulong _purgesFrom;
    private ulong _purgedPages;
    private (ulong Lowest, ulong Highest, int Count) _purge;

    /// <summary>Requests placed.</summary>
    internal int Placed { get; private set; }

    /// <summary>Runs and returns the text of the trace.</summary>
    internal byte[] Run(int operations)
    {
        ulong now = 1_000_000_000;
        for (int i = 0; i < operations; i++)
        {
            now += (ulong)_random.Next(300, 6000);
            int cpu = _random.Next(setup.OnlineCpus);
            if (_wantsPurge >= 0 && now > _purgesFrom)
            {
                BeginPurge();
            }
            else if (_purger >= 0 && _random.Next(3) > 0)
            {
                Return(now);
            }
            else if (cpu != _purger && _busyUntil[cpu] <= now)
            {
                Step(cpu, now);
            }
        }

        MemoryStream text = new();
        using (TraceWriter writer = new(text, setup.OnlineCpus))
        {
            foreach ((_, _, Action<TraceWriter> write) in _lines.OrderBy(line => line.Time).ThenBy(line => line.Order))
            {
                write(writer);
            }
        }

        return text.ToArray();
    }

    private void Step(int cpu, ulong now)
    {
        bool grows = _live.Count < 400 || (_live.Count < 3000 && _random.Next(100) < 54);
        if (grows)
        {
            Place(cpu, now);
            return;
        }

        // Nobody frees an area before the request for it has returned, and that is after its line.
        int at = _random.Next(_live.Count);
        if (_live[at].WrittenAt > now)
        {
            return;
        }

        ulong start = _live[at].Start;
        _live[at] = _live[^1];
        _live.RemoveAt(_live.Count - 1);
        _space.TryFree(start, out _);
        // The sum goes down only when a purge has returned everything.
        ulong pages = _space.LazyPages + (_purger >= 0 ? _purgedPages : 0);
        ulong written = Line(cpu, now, (writer, task, time) => writer.Freed(task, cpu, time, start, pages, setup.LazyPagesMax));
        if (_purger < 0 && _wantsPurge < 0 && (_space.LazyPages > lazyPagesMax || _random.Next(400) == 0))
        {
            // The task that freed writes that line before it purges.
            (_wantsPurge, _purgesFrom) = (cpu, written);
        }
    }

    private void BeginPurge()
    {
        (_purger, _wantsPurge) = (_wantsPurge, -1);
        _purgedPages = _space.LazyPages;
        int count = _space.CountForPurge(0, out ulong lowest, out ulong highest);
        _purge = (lowest, highest, count);
        _space.BeginPurge(PurgeKind.Normal, keepNewest: 0);
    }

    private void Place(int cpu, ulong now)
    {
        bool isStack = _random.Next(100) < 40;
        AreaRequest request = new(
            SizeBytes: isStack ? 20480UL : (ulong)_random.Next(2, _random.Next(10) == 0 ? 300 : 12) * 4096,
            AlignBytes: isStack ? 16384UL : _random.Next(10) == 0 ? 4096UL : 1,
            WindowStart: setup.WindowStart,
            WindowEnd: setup.WindowEnd,
            Cpu: cpu);
        if (!_space.TryPlace(request, out ulong address))
        {
            return;
        }

        Placed++;
        ulong written = Line(cpu, now, (writer, task, time) => writer.Placed(task, cpu, time, request, address));
        _live.Add((address, written));
    }

    private void Return(ulong now)
    {
        // A purge returns many areas between two operations of another processor.
        for (int i = _random.Next(1, 400); i > 0 && _space.ReturnNext(); i--)
        {
        }

        if (!_space.IsReturning)
        {
            int cpu = _purger;
            (ulong lowest, ulong highest, int count) = _purge;
            Line(cpu, now, (writer, task, time) => writer.Purged(task, cpu, time, lowest, highest, (ulong)count));
            _purger = -1;
        }
    }

    /// <summary>
    /// A line is written a little after the lock is released; the processor does nothing else until then. Now and then
    /// its task is preempted first: another one runs there, and the line comes when the first one runs again.
    /// </summary>
    private ulong Line(int cpu, ulong now, Action<TraceWriter, int, ulong> write)
    {
        int task = _tasks[cpu];
        ulong time = now + (ulong)_random.Next(100, 1500);
        if (_random.Next(200) == 0)
        {
            time = now + (ulong)_random.Next(5000, preemptedNanosecondsMax);
            _tasks[cpu] = ++_lastTask;
        }
        else
        {
            _busyUntil[cpu] = time;
        }

        _lines.Add((time, _lines.Count, writer => write(writer, task, time)));
        return time;
    }
}
