using System.Collections.Immutable;
using System.CommandLine;
using VmScope.Analysis;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Diffing;
using VmScope.Cli.Output.Pictures;
using VmScope.Recording;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope diff</c>: what changed between snapshots, and what looks like a leak.</summary>
internal static class DiffCommand
{
    internal const string Name = "diff";

    internal static Command Create(Terminal terminal)
    {
        Argument<string[]> snapshots = new("snapshots")
        {
            Arity = ArgumentArity.OneOrMore,
            Description = "Two or more lists or bundles, oldest first; or one recording of vmscope watch",
        };
        Option<bool> fileTimes = new("--file-times") { Description = "Trust the files' times of change for the growth per hour" };
        Option<int> top = new("--top") { Description = "Lines of each table", HelpName = "count", DefaultValueFactory = _ => 15 };
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json-diff.md)" };
        Command command = new(Name, "Say what changed between snapshots, and which owners look like a leak")
        {
            snapshots, fileTimes, top, json,
        };
        PictureOptions pictures = new(command);
        command.SetAction(parsed =>
        {
            int lines = parsed.GetValue(top);
            if (lines is < 0 or > 100_000)
            {
                throw new UsageException($"--top {lines}: 0 to 100000 lines are possible");
            }

            ImmutableArray<DiffInput> inputs = Load(parsed.GetValue(snapshots)!, parsed.GetValue(fileTimes), terminal);
            DiffReport report = SnapshotDiff.Compare([.. inputs.Select(input => input.Snapshot)]);
            DiffWindows windows = DiffWindows.Of(inputs);
            if (parsed.GetValue(json))
            {
                DiffJson.Write(report, windows, inputs, terminal.Out);
            }
            else
            {
                DiffText.Write(report, windows, inputs, lines, terminal);
            }

            pictures.Write(parsed, terminal, () => DiffPicture.Of(report, windows));
            return report.Suspects.IsEmpty ? ExitCode.Fine : ExitCode.Finding;
        });
        return command.WithExamples(
            new Example("vmscope diff monday.tar.gz tuesday.tar.gz", "what grew between two bundles"),
            new Example("vmscope diff day.rec", "over a recording of vmscope watch, with growth per hour"),
            new Example("vmscope diff before.txt after.txt --html diff.html", "two bare lists, as a page"));
    }

    private static ImmutableArray<DiffInput> Load(string[] paths, bool trustsFileTimes, Terminal terminal)
    {
        if (paths.Count(path => path == "-") > 1)
        {
            throw new UsageException("standard input can be read only once");
        }

        ImmutableArray<DiffInput>.Builder inputs = ImmutableArray.CreateBuilder<DiffInput>();
        foreach (string path in paths)
        {
            if (path != "-" && IsRecording(path))
            {
                using RecordingReader reader = RecordingReader.Open(path);
                foreach (string damage in reader.Damage)
                {
                    terminal.Error.WriteLine($"vmscope: {SafeText.Line(damage)}");
                }

                inputs.AddRange(DiffInputs.FromRecording(reader, path));
                continue;
            }

            DateTimeOffset? time = trustsFileTimes && path != "-" ? new DateTimeOffset(new FileInfo(path).LastWriteTimeUtc) : null;
            inputs.Add(DiffInputs.From(EvidenceArgument.Open(path, terminal), path, time));
        }

        return inputs.Count is >= 2 and <= SnapshotDiff.SnapshotsMax
            ? inputs.ToImmutable()
            : throw new UsageException($"{inputs.Count} snapshots; 2 to {SnapshotDiff.SnapshotsMax} can be compared");
    }

    private static bool IsRecording(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        byte[] start = new byte[RecordingFormat.Signature.Length];
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        int length = file.CanSeek ? file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) : 0;
        return RecordingFormat.IsRecording(start.AsSpan(0, length));
    }
}
