using System.CommandLine;
using VmScope.Cli.Output;
using VmScope.Kernels;
using VmScope.Replay;
using VmScope.Vmalloc;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope replay</c>: recorded or generated requests against the model.</summary>
internal static class ReplayCommand
{
    internal static Command Create(Terminal terminal)
    {
        Argument<string?> trace = new("trace")
        {
            Arity = ArgumentArity.ZeroOrOne,
            Description = "Ftrace text (also gzipped), a capture that holds one, a file of operations, or - for standard input",
        };
        Option<string?> evidence = File("--evidence", "Evidence of the machine that recorded it: directory, archive or file");
        Option<string?> snapshot = File("--snapshot", "The vmallocinfo at the start of the trace");
        Option<string?> tree = File("--free-tree", "The free tree at the start, read from the kernel's memory");
        Option<string?> after = File("--after", "The vmallocinfo at the end, compared row by row");
        Option<string?> recordedOn = new("--recorded-on") { Description = "The kernel that recorded the trace, when no evidence tells", HelpName = "version" };
        Option<int?> cpus = new("--cpus") { Description = "Processors possible on that machine, or for --workload", HelpName = "count" };
        Option<string?> kernel = new("--kernel") { Description = "What if: the same requests on this kernel", HelpName = "version" };
        Option<string?> era = new("--era") { Description = $"What if: with the placement rules of an era: {string.Join(", ", WhatIfTarget.Eras)}", HelpName = "era" };
        Option<string?> ram = new("--ram") { Description = "What if: with this much RAM", HelpName = "size" };
        Option<string?> cmdline = new("--cmdline") { Description = "What if: booted with these options too", HelpName = "options" };
        Option<string?> pageSize = new("--page-size") { Description = "What if: with pages of 4K, 16K or 64K", HelpName = "size" };
        Option<bool> noLazy = new("--no-lazy") { Description = "What if: freed areas are reusable at once" };
        Option<string?> workload = new("--workload") { Description = $"Generate requests instead of reading them: {string.Join(", ", Workloads.All.Select(item => item.Name))}", HelpName = "name" };
        Option<string?> arch = new("--arch") { Description = "With --workload: i386 or x86-64 (the default)", HelpName = "arch" };
        Option<ulong> seed = new("--seed") { Description = "With --workload: the seed", HelpName = "number", DefaultValueFactory = _ => 1 };
        Option<int> loops = new("--loops") { Description = "With --workload: loops (test_loop_count)", HelpName = "count", DefaultValueFactory = _ => 10_000 };
        Option<int> pages = new("--pages") { Description = "With --workload fix-size: pages (nr_pages)", HelpName = "count", DefaultValueFactory = _ => 1 };
        Option<int> workers = new("--workers") { Description = "With --workload: workers side by side (nr_threads)", HelpName = "count", DefaultValueFactory = _ => 1 };
        Option<string?> record = File("--record", "Write the operations to this file (docs/operations.md)");
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json-replay.md)" };
        Option<bool> csv = new("--csv") { Description = "What if: print the state over time as CSV" };
        Option<bool> ascii = new("--ascii") { Description = "Draw with plain ASCII characters" };
        Command command = new("replay", "Replay recorded allocations: every address against the kernel's, or what if")
        {
            trace, evidence, snapshot, tree, after, recordedOn, cpus, kernel, era, ram, cmdline, pageSize, noLazy,
            workload, arch, seed, loops, pages, workers, record, json, csv, ascii,
        };
        command.Validators.Add(result =>
        {
            foreach (Option option in (Option[])[arch, seed, loops, pages, workers])
            {
                if (result.GetResult(option) is { Implicit: false } && result.GetResult(workload) is null)
                {
                    result.AddError($"{option.Name} goes with --workload");
                }
            }

            foreach (Option option in (Option[])[evidence, snapshot, tree, after, recordedOn])
            {
                if (result.GetResult(option) is not null && result.GetResult(workload) is not null)
                {
                    result.AddError($"{option.Name} goes with a trace, --workload with none");
                }
            }
        });
        command.SetAction(parsed => ReplayCommandRun.Run(new ReplaySettings
        {
            Trace = parsed.GetValue(trace),
            Evidence = parsed.GetValue(evidence),
            Snapshot = parsed.GetValue(snapshot),
            FreeTree = parsed.GetValue(tree),
            After = parsed.GetValue(after),
            RecordedOn = Version(parsed.GetValue(recordedOn), "--recorded-on"),
            Cpus = AtLeastOne(parsed.GetValue(cpus), "--cpus", 8192),
            Change = new WhatIfChange
            {
                Kernel = Version(parsed.GetValue(kernel), "--kernel"),
                Era = Era(parsed.GetValue(era)),
                RamBytes = Bytes(parsed.GetValue(ram), "--ram"),
                CommandLine = parsed.GetValue(cmdline),
                PageBytes = PageBytes(parsed.GetValue(pageSize)),
                WithoutLazyFreeing = parsed.GetValue(noLazy),
            },
            Workload = parsed.GetValue(workload) is { } name ? Named(name) : null,
            Is32Bit = parsed.GetValue(arch) is { } architecture && Is32Bit(architecture),
            Seed = parsed.GetValue(seed),
            Loops = AtLeastOne(parsed.GetValue(loops), "--loops", 1_000_000_000) ?? 1,
            Pages = AtLeastOne(parsed.GetValue(pages), "--pages", 1 << 20) ?? 1,
            Workers = AtLeastOne(parsed.GetValue(workers), "--workers", 1024) ?? 1,
            Record = parsed.GetValue(record),
            Json = parsed.GetValue(json),
            Csv = parsed.GetValue(csv),
            Ascii = parsed.GetValue(ascii),
        }, terminal));
        return command.WithExamples(
            new Example("vmscope replay trace.txt --evidence bundle.tar.gz", "every address against the kernel's"),
            new Example("vmscope replay trace.txt.gz --snapshot vmallocinfo-before --recorded-on 6.1", "a trace that starts late"),
            new Example("vmscope replay bundle.tar.gz --kernel 5.10 --cmdline vmalloc=192M", "would it have fitted?"),
            new Example("vmscope replay --workload full-fit --kernel 6.12 --csv", "the kernel's own test, over time"));
    }

    private static Option<string?> File(string name, string description) => new(name) { Description = description, HelpName = "file" };

    private static KernelVersion? Version(string? text, string option) => text is null
        ? null
        : KernelIdentity.Parse(text)?.Version
            ?? throw new UsageException($"{option}: '{text}' is no kernel version; one looks like 2.6.32, 6.1.176 or 7.3-rc7");

    private static string? Era(string? text) => text is null || WhatIfTarget.Eras.Contains(text, StringComparer.Ordinal)
        ? text
        : throw new UsageException($"--era: '{text}' is none of {string.Join(", ", WhatIfTarget.Eras)}");

    private static ulong? Bytes(string? text, string option)
    {
        if (text is null)
        {
            return null;
        }

        return KernelCommandLine.MemoryParse(text, out string rest, out bool wrapped) is { } value and > 0 && rest.Length == 0 && !wrapped
            ? value
            : throw new UsageException($"{option}: '{text}' is no size; give one such as 512M or 4G");
    }

    private static ulong? PageBytes(string? text) => Bytes(text, "--page-size") switch
    {
        null => null,
        4096 => 4096,
        16384 => 16384,
        65536 => 65536,
        _ => throw new UsageException($"--page-size: '{text}' is none of 4K, 16K and 64K"),
    };

    private static Workload Named(string name) => Workloads.Find(name)
        ?? throw new UsageException($"--workload: '{name}' is none of {string.Join(", ", Workloads.All.Select(item => item.Name))}");

    private static bool Is32Bit(string name) => Architectures.Parse(name) switch
    {
        Architecture.I386 => true,
        Architecture.X64 => false,
        _ => throw new UsageException($"--arch: '{name}' is neither i386 nor x86-64"),
    };

    private static int? AtLeastOne(int? value, string option, int most) => value is null || (value >= 1 && value <= most)
        ? value
        : throw new UsageException($"{option}: {value} is not between 1 and {most}");
}
