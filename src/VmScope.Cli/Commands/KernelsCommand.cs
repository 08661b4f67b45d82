using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using VmScope.Cli.Output;
using VmScope.Kernels;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope kernels</c>: what is supported; <c>kernels diff A B</c>: what changed for the layout.</summary>
internal static class KernelsCommand
{
    internal static Command Create(Terminal terminal)
    {
        Option<bool> json = new("--json") { Description = "Write JSON" };
        Command command = new("kernels", "List the kernels whose layout is known, and what changed between two of them") { json };
        command.SetAction(parsed =>
        {
            List(terminal, parsed.GetValue(json));
            return ExitCode.Fine;
        });
        command.Subcommands.Add(CreateDiff(terminal, json));
        return command.WithExamples(
            new Example("vmscope kernels", "architectures, versions, and what nobody verified"),
            new Example("vmscope kernels diff 2.6.27 2.6.28", "what changed for the layout, with sources"));
    }

    private static Command CreateDiff(Terminal terminal, Option<bool> jsonBefore)
    {
        Argument<string> from = new("from") { Description = "The older version" };
        Argument<string> to = new("to") { Description = "The newer version" };
        Option<string?> architecture = new("--arch") { Description = "Only i386, x86-64, arm, arm64 or riscv64", HelpName = "name" };
        Option<bool> json = new("--json") { Description = "Write JSON" };
        Command command = new("diff", "Prints what changed for the layout between two versions, with sources") { from, to, architecture, json };
        command.SetAction(parsed =>
        {
            KernelVersion older = Version(parsed.GetValue(from)!, "from");
            KernelVersion newer = Version(parsed.GetValue(to)!, "to");
            if (newer < older)
            {
                (older, newer) = (newer, older);
            }

            ImmutableArray<Architecture> asked = parsed.GetValue(architecture) is { } name
                ? [Architectures.Parse(name) is var one && one != Architecture.Unknown ? one : throw new UsageException($"--arch {name}: one of i386, x86-64, arm, arm64 and riscv64")]
                : [.. KnownKernels.All.Select(known => known.Architecture)];
            Diff(terminal, asked, older, newer, parsed.GetValue(json) || parsed.GetValue(jsonBefore));
            return ExitCode.Fine;
        });
        return command.WithExamples(new Example("vmscope kernels diff 4.14 4.19 --arch i386", "page table isolation arrives"));
    }

    private static void List(Terminal terminal, bool asJson)
    {
        if (asJson)
        {
            WriteJson(terminal, json =>
            {
                json.WriteStartArray("kernels");
                foreach (KnownKernel known in KnownKernels.All)
                {
                    (int facts, int rows, int unverified) = KernelChanges.Count(known.Architecture);
                    json.WriteStartObject();
                    json.WriteString("arch", known.Architecture.Name());
                    json.WriteString("first", known.First.ToString());
                    json.WriteString("lastRead", known.LastRead.ToString());
                    json.WriteString("lastBooted", known.LastBooted.ToString());
                    json.WriteString("gaps", known.Gaps);
                    json.WriteNumber("facts", facts);
                    json.WriteNumber("rows", rows);
                    json.WriteNumber("unverifiedRows", unverified);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            });
            return;
        }

        ColumnTable table = new(("Architecture", Side.Left), ("From", Side.Right), ("Source read to", Side.Right), ("Booted to", Side.Right),
            ("Dated facts", Side.Right), ("Rows", Side.Right), ("Unverified", Side.Right), ("Inside, nobody read", Side.Left));
        foreach (KnownKernel known in KnownKernels.All)
        {
            (int facts, int rows, int unverified) = KernelChanges.Count(known.Architecture);
            table.Add(known.Architecture.Name(), known.First.ToString(), known.LastRead.ToString(), known.LastBooted.ToString(),
                facts.ToString(CultureInfo.InvariantCulture), rows.ToString(CultureInfo.InvariantCulture),
                unverified.ToString(CultureInfo.InvariantCulture), known.Gaps);
        }

        table.Write(terminal.Out, terminal.OutIsTerminal ? terminal.Width : 1000);
        terminal.Out.WriteLine();
        terminal.Out.WriteLine("Newer versions are taken to be like the last one and say so; vendor kernels are taken as the release they name, and say so.");
    }

    private static void Diff(Terminal terminal, ImmutableArray<Architecture> asked, KernelVersion older, KernelVersion newer, bool asJson)
    {
        if (asJson)
        {
            WriteJson(terminal, json =>
            {
                json.WriteString("from", older.ToString());
                json.WriteString("to", newer.ToString());
                json.WriteStartArray("changes");
                foreach (Architecture architecture in asked)
                {
                    foreach (KernelChange change in KernelChanges.Between(architecture, older, newer))
                    {
                        json.WriteStartObject();
                        json.WriteString("arch", architecture.Name());
                        json.WriteString("subject", change.Subject);
                        json.WriteString("since", change.Since.ToString());
                        json.WriteString("before", change.Before);
                        json.WriteString("after", change.After);
                        json.WriteString("source", change.Source);
                        json.WriteEndObject();
                    }
                }

                json.WriteEndArray();
            });
            return;
        }

        foreach (Architecture architecture in asked)
        {
            WriteChanges(terminal.Out, architecture, older, newer);
        }
    }

    private static void WriteChanges(TextWriter output, Architecture architecture, KernelVersion older, KernelVersion newer)
    {
        KnownKernel known = KnownKernels.Of(architecture)!;
        if (newer < known.First)
        {
            output.WriteLine($"{architecture.Name()}: not known before {known.First}");
            return;
        }

        ImmutableArray<KernelChange> changes = KernelChanges.Between(architecture, older, newer);
        output.WriteLine(changes.IsEmpty
            ? $"{architecture.Name()}: nothing changed for the layout from {older} to {newer}"
            : $"{architecture.Name()}: {changes.Length.ToString(CultureInfo.InvariantCulture)} {(changes.Length == 1 ? "change" : "changes")} from {older} to {newer}");
        if (older < known.First)
        {
            output.WriteLine($"  (not known before {known.First}: what changed until then is missing)");
        }

        foreach (KernelChange change in changes)
        {
            output.WriteLine($"  {change.Since}  {change.Subject}");
            if (change.Before.Length > 0)
            {
                output.WriteLine($"    - {change.Before}");
            }

            if (change.After.Length > 0)
            {
                output.WriteLine($"    + {change.After}");
            }

            output.WriteLine($"      {change.Source}");
        }
    }

    private static KernelVersion Version(string text, string argument) => KernelIdentity.Parse(text)?.Version
        ?? throw new UsageException($"{argument} {text}: one looks like 2.6.32, 6.1.176 or 7.3-rc7");

    private static void WriteJson(Terminal terminal, Action<Utf8JsonWriter> write)
    {
        using JsonText text = new(terminal.Out);
        text.Json.WriteStartObject();
        write(text.Json);
        text.Json.WriteEndObject();
    }
}
