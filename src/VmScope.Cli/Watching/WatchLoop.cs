using System.Globalization;
using VmScope.Cli.Output;
using VmScope.Recording;

namespace VmScope.Cli.Watching;

/// <summary>How long and how often.</summary>
/// <param name="Every">Time between samples.</param>
/// <param name="For">How long in all; null for until somebody quits.</param>
internal readonly record struct WatchPlan(TimeSpan Every, TimeSpan? For);

/// <summary>Takes samples, records them, shows them, and listens to keys until it is over.</summary>
internal sealed class WatchLoop(IWatchSource source, RecordingWriter? recording, WatchPlan plan, TimeProvider clock)
{
    private static readonly TimeSpan KeyPause = TimeSpan.FromMilliseconds(80);
    private WatchHistory _history = new();
    private string _cost = "";

    /// <summary>Runs with a screen.</summary>
    internal void Run(IWatchDevice device, WatchScreen screen)
    {
        WatchView view = new();
        long started = clock.GetTimestamp();
        TimeSpan next = TimeSpan.Zero;
        (int, int) size = default;
        while (!device.StopIsAsked)
        {
            TimeSpan now = clock.GetElapsedTime(started);
            bool redraw = false;
            if (plan.For is { } limit && now >= limit)
            {
                break;
            }

            if (now >= next && !view.IsPaused)
            {
                redraw = Sample();
                // From now, not from when it was due: a machine too slow for the interval must not fall behind for ever.
                next = clock.GetElapsedTime(started) + plan.Every;
            }

            while (!device.StopIsAsked && device.TryKey(out ConsoleKeyInfo key))
            {
                redraw = true;
                if (!Do(view.Press(key, WatchScreen.TableRows(device.Size.Height))))
                {
                    return;
                }
            }

            if (redraw || device.Size != size)
            {
                size = device.Size;
                device.Show(screen.Draw(_history, view, Status(), size.Item1, size.Item2));
            }

            TimeSpan left = next - clock.GetElapsedTime(started);
            device.Wait(left > TimeSpan.Zero && left < KeyPause ? left : KeyPause);
        }
    }

    /// <summary>Runs without a screen: one line of text per sample.</summary>
    internal void Run(TextWriter output, Func<bool> stopIsAsked, Action<TimeSpan> wait)
    {
        long started = clock.GetTimestamp();
        while (!stopIsAsked() && Sample())
        {
            output.WriteLine(Line());
            output.Flush();
            if (plan.For is { } limit && clock.GetElapsedTime(started) + plan.Every > limit)
            {
                break;
            }

            wait(plan.Every);
        }
    }

    /// <summary>Takes one sample.</summary>
    /// <returns>False at the end of a recording.</returns>
    private bool Sample()
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        if (source.Next() is not { } snapshot)
        {
            return false;
        }

        recording?.Write(snapshot);
        WatchSample sample = WatchSample.Of(snapshot, snapshot.File("vmallocinfo") is null ? source.WhyMissing : "");
        if (_history.Count == 0 && WatchWindow.Find(snapshot) is { } window)
        {
            _history = new WatchHistory { KnownWindow = window };
        }

        _history.Add(sample);
        TimeSpan cost = Environment.CpuUsage.TotalTime - before;
        _cost = string.Create(CultureInfo.InvariantCulture,
            $"sample {cost.TotalMilliseconds:0.0} ms CPU, {SizeText.Short((ulong)sample.FileBytes)}, {cost / plan.Every:0.00 %}");
        return true;
    }

    private bool Do(WatchRequest request)
    {
        switch (request)
        {
            case WatchRequest.Quit:
                return false;
            case WatchRequest.Mark:
                _history.SetMark();
                break;
            case WatchRequest.StepForward when source is ReplaySource:
                _ = Sample();
                break;
            case WatchRequest.StepBack when source is ReplaySource replay:
                int samples = replay.StepBack();
                _history = new WatchHistory { KnownWindow = _history.KnownWindow };
                while (samples-- > 0 && Sample())
                {
                }

                break;
            default:
                break;
        }

        return true;
    }

    private WatchStatus Status()
    {
        string time = _history.Last is { } last ? last.Time.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture) : "";
        string kept = recording is null ? "" : $"recorded {SizeText.Short((ulong)recording.LengthBytes)}  ";
        return new WatchStatus(source.Title, string.Create(CultureInfo.InvariantCulture, $"{kept}every {DurationText.Short(plan.Every)}  #{_history.Count}  {time}"), _cost);
    }

    private string Line()
    {
        if (_history.Missing is { } missing)
        {
            return $"{clock.GetUtcNow():yyyy-MM-ddTHH:mm:ssZ}  {SafeText.Line(missing)}";
        }

        WatchSample last = _history.Last!;
        string more = _history.Before is { } before
            ? string.Create(CultureInfo.InvariantCulture, $"  {last.AreaCount - before.AreaCount:+#;-#;+0} areas  {(Int128)last.Bytes - before.Bytes:+#;-#;+0} bytes")
            : "";
        return string.Create(CultureInfo.InvariantCulture, $"{last.Time:yyyy-MM-ddTHH:mm:ssZ}  {last.AreaCount} areas  {last.Bytes} bytes{more}");
    }
}
