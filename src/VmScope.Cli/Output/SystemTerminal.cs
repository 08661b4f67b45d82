using System.Globalization;
using System.Text;

namespace VmScope.Cli.Output;

/// <summary>The process's own standard streams, opened only when used.</summary>
internal sealed class SystemTerminal : Terminal, IDisposable
{
    private const int BufferBytes = 32 * 1024;
    private StreamWriter? _out;
    private StreamWriter? _error;
    private StandardStream? _outStream;

    internal override TextWriter Out => _out ??= new StreamWriter(
        _outStream = new StandardStream(StandardStream.Output), new UTF8Encoding(false), BufferBytes);

    internal override Stream OutBytes
    {
        get
        {
            Out.Flush();
            return _outStream!;
        }
    }

    internal override TextWriter Error => _error ??= new StreamWriter(
        new StandardStream(StandardStream.Error), new UTF8Encoding(false), 1024)
    { AutoFlush = true };

    internal override Stream In => Console.OpenStandardInput();

    internal override bool InIsTerminal => !Console.IsInputRedirected;

    internal override ConsoleKeyInfo ReadKey()
    {
        // While a line is typed Ctrl-C drops the line; while a command runs it ends the program, as anywhere.
        Console.TreatControlCAsInput = true;
        try
        {
            return Console.ReadKey(intercept: true);
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

    internal override bool OutIsTerminal => StandardStream.IsTerminal(StandardStream.Output);

    internal override bool ErrorIsTerminal => StandardStream.IsTerminal(StandardStream.Error);

    internal override bool OutputIsGone => _outStream is { HasFailed: true, Problem: null };

    internal override int Width
    {
        get
        {
            if (int.TryParse(Variable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out int columns)
                && columns is >= 20 and <= 1000)
            {
                return columns;
            }

            if (!OutIsTerminal)
            {
                return 100;
            }

            int width = StandardStream.Columns(StandardStream.Output);
            return width is >= 20 and <= 1000 ? width : 80;
        }
    }

    internal override string? Variable(string name) => Environment.GetEnvironmentVariable(name);

    public void Dispose()
    {
        try
        {
            _out?.Dispose();
        }
        catch (IOException) when (_outStream is { HasFailed: true })
        {
            // The reader left before the last buffer: as for any filter, not an error. Anything else was told when the command ended.
        }
    }
}
