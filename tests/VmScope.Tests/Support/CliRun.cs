using System.Text;
using VmScope.Cli.Output;

namespace VmScope.Tests.Support;

/// <summary>Runs the command line in this process, with the three streams in memory.</summary>
internal sealed class CliRun : Terminal
{
    private readonly StringWriter _out = new() { NewLine = "\n" };
    private readonly MemoryStream _outBytes = new();
    private readonly StringWriter _error = new() { NewLine = "\n" };
    private readonly Dictionary<string, string> _variables;
    private readonly byte[] _input;

    private CliRun(byte[] input, Dictionary<string, string> variables, int width) =>
        (_input, _variables, Width) = (input, variables, width);

    internal int ExitCode { get; private set; }

    internal string OutText => _out.ToString();

    internal string ErrorText => _error.ToString();

    internal override TextWriter Out => _out;

    internal override Stream OutBytes => _outBytes;

    /// <summary>What was written as bytes rather than as text.</summary>
    internal byte[] OutBytesWritten => _outBytes.ToArray();

    internal override TextWriter Error => _error;

    internal override Stream In => new MemoryStream(_input, writable: false);

    internal override bool OutIsTerminal => false;

    internal override bool ErrorIsTerminal => false;

    internal override int Width { get; }

    /// <summary>Runs <c>vmscope</c> with these arguments and an empty standard input.</summary>
    internal static CliRun Of(params string[] args) => With(input: "", args);

    /// <summary>Runs <c>vmscope</c> with this text on standard input.</summary>
    internal static CliRun With(string input, params string[] args) => With(Encoding.UTF8.GetBytes(input), args);

    /// <summary>Runs <c>vmscope</c> with these bytes on standard input.</summary>
    internal static CliRun With(byte[] input, string[] args, Dictionary<string, string>? variables = null, int width = 100)
    {
        CliRun run = new(input, variables ?? [], width);
        run.ExitCode = VmScope.Cli.Cli.Run(args, run);
        return run;
    }

    internal override string? Variable(string name) => _variables.GetValueOrDefault(name);
}
