using System.CommandLine;
using System.Text;
using VmScope.Cli.Output;
using VmScope.Lab;
using VmScope.Physical;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope lab</c>: boots a modelled machine and drives it, from a prompt, a script or standard input.</summary>
internal static class LabCommandLine
{
    internal const string Name = "lab";

    internal static Command Create(Terminal terminal)
    {
        Argument<string?> script = new("script")
        {
            Description = "A file of commands, or - for standard input; a prompt when left out and you sit at a terminal",
            HelpName = "script",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> quiet = new("--quiet", "-q")
        {
            Description = "Print only what expect, show, explain and print say",
        };
        Command command = new(Name, "Boot a modelled machine and see what its memory manager does")
        {
            script, quiet,
        };
        command.SetAction(parsed => Run(terminal, parsed.GetValue(script), parsed.GetValue(quiet)));
        return command.WithExamples(
            new Example("vmscope lab", "a prompt; try: boot i386 2.6.27 ram=1G"),
            new Example("vmscope lab docs/walkthroughs/two-areas.lab", "a script; its status is 1 when an expectation fails"),
            new Example("echo 'boot x86-64 6.1; p = vmalloc 100; show vmallocinfo' | vmscope lab", "commands from a pipe"));
    }

    private static int Run(Terminal terminal, string? script, bool quiet)
    {
        string folder = script is null or "-" ? "" : Path.GetDirectoryName(script) ?? "";
        LabSession session = new(new Host(terminal, folder)) { IsQuiet = quiet };
        if (script is null && terminal.InIsTerminal && terminal.OutIsTerminal)
        {
            LabPrompt.Run(session, terminal);
        }
        else
        {
            string name = script is null or "-" ? "standard input" : script;
            string text = script is null or "-" ? ReadAll(terminal.In) : Host.Read(script);
            try
            {
                session.Run(text);
            }
            catch (LabException error)
            {
                terminal.Out.Flush();
                throw new UsageException($"{name}, line {error.Line}, column {error.Column}: {error.Message}");
            }
        }

        terminal.Out.Flush();
        if (session.FailedExpectations > 0)
        {
            terminal.Error.WriteLine($"vmscope: {session.FailedExpectations} of {session.CheckedExpectations} expectations failed");
            return ExitCode.Finding;
        }

        return ExitCode.Fine;
    }

    private static string ReadAll(Stream stream)
    {
        using StreamReader reader = new(stream, Encoding.UTF8);
        char[] buffer = new char[(4 << 20) + 1];
        int length = reader.ReadBlock(buffer);
        return length < buffer.Length ? new string(buffer, 0, length) : throw new UsageException($"a script has at most {buffer.Length - 1} characters");
    }

    /// <summary>Gives the lab its output, its files and the texts of /proc.</summary>
    private sealed class Host(Terminal terminal, string folder) : LabHost
    {
        internal static string Read(string path)
        {
            if (!File.Exists(path))
            {
                throw new EvidenceException($"{path}: there is no such file");
            }

            using FileStream file = File.OpenRead(path);
            return ReadAll(file);
        }

        public override void Line(string text) => terminal.Out.WriteLine(SafeText.Lines(text));

        public override string Text(Vmalloc.VmallocReport report)
        {
            using MemoryStream bytes = new();
            Proc.VmallocInfoWriter.Write(report, bytes);
            return Encoding.Latin1.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }

        public override string Text(BuddyinfoReport report) => Written(writer => Proc.BuddyinfoFile.Write(report, writer));

        public override string Text(ZoneinfoReport report) => Written(writer => Proc.ZoneinfoFile.Write(report, writer));

        public override string Text(MeminfoReport report) => Written(writer => Proc.MeminfoFile.Write(report, writer));

        public override string Text(IomemReport report) => Written(writer => Proc.IomemFile.Write(report, writer));

        public override string ReadScript(string name) => Read(Beside(name));

        public override void WriteScript(string name, string text) => File.WriteAllText(name, text);

        public override Stream Create(string name) => new FileStream(name, FileMode.Create, FileAccess.Write);

        /// <summary>A script loaded by a script is looked for beside it.</summary>
        private string Beside(string name) =>
            folder.Length > 0 && !Path.IsPathRooted(name) && File.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name) : name;

        private static string Written(Action<TextWriter> write)
        {
            using StringWriter writer = new() { NewLine = "\n" };
            write(writer);
            return writer.ToString();
        }
    }
}
