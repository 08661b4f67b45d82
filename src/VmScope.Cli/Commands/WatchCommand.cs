using System.CommandLine;
using System.Runtime.InteropServices;
using VmScope.Cli.Output;
using VmScope.Cli.Watching;
using VmScope.Recording;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope watch</c>: who holds the vmalloc area, live; recorded; played again.</summary>
internal static class WatchCommand
{
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    internal static Command Create(Terminal terminal)
    {
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<string?> every = new("--every") { Description = "Time between samples: 5s (the default), 500ms, 1m; of a replay 1s", HelpName = "time" };
        Option<string?> length = new("--for") { Description = "Stop after this time: 90m, 1h, 2d", HelpName = "time" };
        Option<string?> record = new("--record") { Description = "Append every sample to this file", HelpName = "file" };
        Option<string?> replay = new("--replay") { Description = "Show a recording instead of a machine", HelpName = "file" };
        Option<bool> ascii = new("--ascii") { Description = "Draw with plain characters only" };
        Option<string> color = ColorChoice.Option();
        Command command = new("watch", "Show who holds the vmalloc area, live, and record it")
        {
            evidence, every, length, record, replay, ascii, color,
        };
        command.SetAction(parsed =>
        {
            string? replayed = parsed.GetValue(replay);
            if (replayed is not null && (parsed.GetValue(record) is not null || parsed.GetValue(evidence) is not null))
            {
                throw new UsageException("--replay shows a recording: it goes with neither --record nor other evidence");
            }

            WatchPlan plan = new(
                DurationText.Parse(parsed.GetValue(every) ?? (replayed is null ? "5s" : "1s"), "--every", Shortest, Longest),
                parsed.GetValue(length) is { } text ? DurationText.Parse(text, "--for", Shortest, Longest) : null);
            bool unicode = !parsed.GetValue(ascii) && IsUnicode(terminal);
            Paint paint = new(ColorChoice.Resolve(parsed.GetValue(color)!, terminal));
            if (replayed is not null)
            {
                using RecordingReader reader = RecordingReader.Open(replayed);
                foreach (string damage in reader.Damage)
                {
                    terminal.Error.WriteLine($"vmscope: {SafeText.Line(damage)}");
                }

                if (reader.Count == 0)
                {
                    throw new EvidenceException($"{replayed}: a recording without a readable sample");
                }

                Run(terminal, new ReplaySource(reader, replayed), null, plan, unicode, paint);
                return ExitCode.Fine;
            }

            string? path = parsed.GetValue(evidence);
            if (path == "-")
            {
                throw new UsageException("watch reads a machine again and again; standard input can be read only once");
            }

            EvidenceBundle bundle = EvidenceArgument.Open(path, terminal);
            if (!bundle.TryOpen("vmallocinfo", out Stream first))
            {
                throw new EvidenceException(bundle.WhyMissing("vmallocinfo"));
            }

            first.Dispose();
            using RecordingWriter? writer = parsed.GetValue(record) is { } file ? RecordingWriter.Append(file) : null;
            Run(terminal, new MachineSource(bundle, TimeProvider.System), writer, plan, unicode, paint);
            return ExitCode.Fine;
        });
        return command.WithExamples(
            new Example("sudo vmscope watch", "live: who holds what, and what changes"),
            new Example("sudo vmscope watch --every 1m --for 1d --record day.rec", "a day's recording, for vmscope diff"),
            new Example("vmscope watch --replay day.rec", "the recording again"));
    }

    private static void Run(Terminal terminal, IWatchSource source, RecordingWriter? writer, WatchPlan plan, bool unicode, Paint paint)
    {
        WatchLoop loop = new(source, writer, plan, TimeProvider.System);
        if (terminal.OutIsTerminal)
        {
            using ConsoleDevice device = new(terminal);
            loop.Run(device, new WatchScreen(unicode, paint));
            return;
        }

        using ManualResetEventSlim stop = new();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Set();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        // A recording is not waited for when nobody looks on.
        loop.Run(terminal.Out, () => stop.IsSet, time => stop.Wait(source is ReplaySource ? TimeSpan.Zero : time));
    }

    private static bool IsUnicode(Terminal terminal)
    {
        string? locale = new[] { "LC_ALL", "LC_CTYPE", "LANG" }.Select(terminal.Variable).FirstOrDefault(value => !string.IsNullOrEmpty(value));
        return locale is not null && (locale.Contains("UTF-8", StringComparison.OrdinalIgnoreCase) || locale.Contains("utf8", StringComparison.OrdinalIgnoreCase));
    }
}
