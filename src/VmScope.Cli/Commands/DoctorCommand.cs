using System.CommandLine;
using VmScope.Analysis;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Doctoring;
using VmScope.Cli.Output.Pictures;
using VmScope.Kernels;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope doctor</c>: why a request for kernel addresses failed, and what helps.</summary>
internal static class DoctorCommand
{
    internal const string Name = "doctor";

    internal static Command Create(Terminal terminal)
    {
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<string?> margin = new("--margin") { Description = "Room a cure must leave in one piece beside the request: bytes, or with K, M, G", HelpName = "bytes" };
        Option<string?> arch = new("--arch") { Description = "The architecture, where the evidence does not name it: i386, arm, ppc, …", HelpName = "name" };
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json-doctor.md)" };
        Command command = new(Name, "Say why a request for kernel addresses failed, and whether vmalloc= helps")
        {
            evidence, margin, arch, json,
        };
        PictureOptions pictures = new(command);
        command.SetAction(parsed =>
        {
            DoctorOptions options = new()
            {
                MarginBytes = parsed.GetValue(margin) is { } text ? Margin(text) : 0,
                Architecture = parsed.GetValue(arch) is { } name
                    ? VmScope.Analysis.Doctor.ArchitectureNamed(name) ?? throw new UsageException($"--arch {name}: no architecture of Linux that is known here, such as i386, x86-64, arm, arm64, riscv64, ppc, mips or s390")
                    : null,
            };
            DoctorReport report = VmScope.Analysis.Doctor.Examine(EvidenceArgument.Open(parsed.GetValue(evidence), terminal), options);
            if (parsed.GetValue(json))
            {
                DoctorJson.Write(report, terminal.Out);
            }
            else
            {
                DoctorText.Write(report, terminal);
            }

            pictures.Write(parsed, terminal, () => DoctorPicture.Of(report));
            return report.IsProblem ? ExitCode.Finding : ExitCode.Fine;
        });
        return command.WithExamples(
            new Example("sudo vmscope doctor", "is anything wrong on this machine?"),
            new Example("dmesg | vmscope doctor -", "from the kernel log alone"),
            new Example("vmscope doctor bundle.tar.gz --margin 8M --html report.html", "everything there is, as a page for the bug report"));
    }

    private static ulong Margin(string text) =>
        text.Length <= 20 && text.Length > 0 && char.IsAsciiDigit(text[0]) && KernelCommandLine.MemoryParse(text, out string rest, out bool wrapped) is { } bytes && !wrapped && rest.Length == 0 && bytes <= 1UL << 32
            ? bytes
            : throw new UsageException($"--margin {text}: a number of bytes up to 4G, such as 65536, 512K or 8M");
}
