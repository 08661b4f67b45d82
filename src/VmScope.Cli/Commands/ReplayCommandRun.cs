using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Replay;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Cli.Commands;

/// <summary>What the command line of <c>replay</c> asks for.</summary>
internal sealed record ReplaySettings
{
    internal string? Trace { get; init; }

    internal string? Evidence { get; init; }

    internal string? Snapshot { get; init; }

    internal string? FreeTree { get; init; }

    internal string? After { get; init; }

    internal KernelVersion? RecordedOn { get; init; }

    internal int? Cpus { get; init; }

    internal required WhatIfChange Change { get; init; }

    internal Workload? Workload { get; init; }

    internal bool Is32Bit { get; init; }

    internal ulong Seed { get; init; }

    internal int Loops { get; init; }

    internal int Pages { get; init; }

    internal int Workers { get; init; }

    internal string? Record { get; init; }

    internal bool Json { get; init; }

    internal bool Csv { get; init; }

    internal bool Ascii { get; init; }
}

/// <summary>Runs a replay, shows how far it is, and prints the result.</summary>
internal static class ReplayCommandRun
{
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan GraceAfterInterrupt = TimeSpan.FromSeconds(1);

    internal static int Run(ReplaySettings settings, Terminal terminal)
    {
        if (settings.Json && settings.Csv)
        {
            throw new UsageException("--json and --csv are different outputs: give one of them");
        }

        using RecordFile? record = settings.Record is { } path
            ? new RecordFile(path, settings.Trace, settings.Evidence, settings.Snapshot, settings.FreeTree, settings.After)
            : null;
        if (settings.Workload is { } workload)
        {
            return RunWorkload(workload, settings, record, terminal);
        }

        if (settings.Trace is null)
        {
            throw new UsageException("replay: give a trace, or --workload");
        }

        using ReplayFiles files = ReplayFiles.Open(
            new ReplayPaths(settings.Trace, settings.Evidence, settings.Snapshot, settings.FreeTree, settings.After), terminal.In);
        if (files.FoundEvidence is { } folder)
        {
            terminal.Error.WriteLine($"note: {SafeText.Line($"evidence taken from {folder}, where the trace is; --evidence names another")}");
        }

        ReplayInput input = files.Input with
        {
            RecordedOn = settings.RecordedOn,
            PossibleCpus = settings.Cpus,
            Record = record,
        };
        int exitCode = settings.Change.IsAny || settings.Csv
            ? RunWhatIf(input, files, settings, terminal)
            : RunReplay(input, files, settings, terminal);
        // Elsewhere it is among the notes of the result, which people read here.
        foreach (Diagnostic damage in settings.Json ? files.Damage : [])
        {
            EvidenceArgument.Tell(damage, terminal);
        }

        return exitCode;
    }

    private static int RunReplay(ReplayInput input, ReplayFiles files, ReplaySettings settings, Terminal terminal)
    {
        using ReplayRun run = new(input);
        Drive(run.Run, () => files.FractionRead, terminal);
        ReplayResult result = run.Result;
        if (settings.Json)
        {
            ReplayJson.Write(result, terminal.Out);
        }
        else
        {
            new ReplayText(terminal).Write(result);
        }

        bool rowsDiffer = result.Final is { DifferenceCount: > 0 } && result.LostEvents == 0;
        return result.Replayable && result.Unexplained == 0 && !rowsDiffer ? ExitCode.Fine : ExitCode.Finding;
    }

    private static int RunWhatIf(ReplayInput input, ReplayFiles files, ReplaySettings settings, Terminal terminal)
    {
        // Which kernel recorded the requests matters little when another one answers them.
        input = input.Machine?.Kernel is null && input.RecordedOn is null ? input with { RecordedOn = settings.Change.Kernel } : input;
        using WhatIfRun run = new(input, recorded => WhatIfTarget.Make(recorded, input.Machine, settings.Change));
        Drive(run.Run, () => files.FractionRead, terminal);
        return Print(run.Result, settings, terminal);
    }

    private static int RunWorkload(Workload workload, ReplaySettings settings, Stream? record, Terminal terminal)
    {
        if (settings.Trace is not null)
        {
            throw new UsageException("--workload generates requests: it goes with no trace");
        }

        if (settings.Change.RamBytes is not null || settings.Change.CommandLine is not null)
        {
            throw new UsageException("--ram and --cmdline change the layout of a recorded machine: they go with a trace and evidence");
        }

        int cpus = settings.Cpus ?? 1;
        KernelVersion version = settings.Change.Kernel ?? new KernelVersion(6, 12);
        VmallocSetup setup = new()
        {
            Facts = VmallocTimelines.At(version),
            WindowStart = settings.Is32Bit ? 0xf73fe000 : 0xffffc90000000000,
            WindowEnd = settings.Is32Bit ? 0xfebfe000 : 0xffffe8ffffffffff,
            Is64Bit = !settings.Is32Bit,
            OnlineCpus = cpus,
            PossibleCpus = cpus,
        };
        WhatIf what = WhatIfTarget.Make(setup, machine: null, settings.Change with { Kernel = version });
        WorkloadSettings parameters = new()
        {
            Loops = settings.Loops,
            Pages = settings.Pages,
            Workers = settings.Workers,
            Seed = settings.Seed,
            PageBytes = what.Target.PageBytes,
            WordBytes = settings.Is32Bit ? 4 : 8,
            OnlineCpus = cpus,
            PercpuUnitBytes = settings.Is32Bit ? 135168UL : 2 * Size.MiB,
            PercpuAtomBytes = settings.Is32Bit ? what.Target.PageBytes : 2 * Size.MiB,
            ThreadAlignBytes = settings.Is32Bit ? 8 * Size.KiB : 16 * Size.KiB,
        };
        using WhatIfRun run = new(workload, parameters, what, record);
        Drive(run.Run, () => null, terminal);
        return Print(run.Result, settings, terminal);
    }

    private static int Print(WhatIfResult result, ReplaySettings settings, Terminal terminal)
    {
        if (settings.Json)
        {
            ReplayJson.Write(result, terminal.Out);
        }
        else if (settings.Csv)
        {
            ReplayText.WriteCsv(result, terminal);
        }
        else
        {
            new ReplayText(terminal).Write(result, settings.Ascii);
        }

        return result.Failures > result.FailedOnRecorder ? ExitCode.Finding : ExitCode.Fine;
    }

    /// <summary>
    /// Runs on a thread of its own, so that an interrupt is answered with what is known even while the run waits for a
    /// stream that delivers nothing.
    /// </summary>
    private static void Drive(
        Action<Action<ReplayProgress>?, CancellationToken> run, Func<double?> fraction, Terminal terminal)
    {
        using CancellationTokenSource stop = new();
        using ManualResetEventSlim interrupted = new();
        void Interrupt(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
            interrupted.Set();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        ProgressLine? line = terminal.ErrorIsTerminal ? new ProgressLine(terminal.Error, fraction) : null;
        Task work = Task.Factory.StartNew(
            () => run(line is null ? null : line.Show, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        int first = WaitHandle.WaitAny([((IAsyncResult)work).AsyncWaitHandle, interrupted.WaitHandle]);
        if (first == 1)
        {
            work.Wait(GraceAfterInterrupt);
        }

        line?.Clear();
        if (work.IsCompleted)
        {
            work.GetAwaiter().GetResult();
        }
    }

    /// <summary>One line on standard error that says how far the run is.</summary>
    private sealed class ProgressLine(TextWriter writer, Func<double?> fraction)
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private TimeSpan _shown = TimeSpan.Zero;

        internal void Show(ReplayProgress progress)
        {
            TimeSpan now = _clock.Elapsed;
            if (now - _shown < ProgressEvery)
            {
                return;
            }

            _shown = now;
            double rate = progress.Events / now.TotalSeconds;
            string left = fraction() is { } part and > 0.001
                ? string.Create(CultureInfo.InvariantCulture, $", {part * 100:0} %, {now.TotalSeconds / part * (1 - part):0} s left")
                : "";
            writer.Write(string.Create(CultureInfo.InvariantCulture,
                $"\r{progress.Events / 1e6:0.0} million events, {rate / 1e6:0.00} million/s{left}   "));
        }

        internal void Clear()
        {
            if (_shown > TimeSpan.Zero)
            {
                writer.Write("\r" + new string(' ', 70) + "\r");
            }
        }
    }
}
