using System.Runtime.InteropServices;
using System.Text;
using VmScope.Cli.Output;

namespace VmScope.Cli.Watching;

/// <summary>The person's own terminal: its second screen, so that what was there before comes back.</summary>
internal sealed class ConsoleDevice : IWatchDevice, IDisposable
{
    private const string Enter = "\x1b[?1049h\x1b[?25l\x1b[2J";
    private const string Leave = "\x1b[?25h\x1b[?1049l";
    private readonly Terminal _terminal;
    private readonly ManualResetEventSlim _wake = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly bool _takesKeys = !Console.IsInputRedirected;
    private string[] _shown = [];
    private (int, int) _shownSize;
    private volatile bool _stop;

    internal ConsoleDevice(Terminal terminal)
    {
        _terminal = terminal;
        foreach (PosixSignal signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
        {
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                // Ending here would leave the terminal on its second screen with the cursor hidden.
                context.Cancel = true;
                _stop = true;
                _wake.Set();
            }));
        }

        if (!OperatingSystem.IsWindows())
        {
            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => _wake.Set()));
        }

        _terminal.Out.Write(Enter);
        _terminal.Out.Flush();
    }

    public (int Width, int Height) Size
    {
        get
        {
            int width = Console.WindowWidth;
            int height = Console.WindowHeight;
            return (width is > 0 and <= 2000 ? width : 80, height is > 0 and <= 1000 ? height : 24);
        }
    }

    public bool StopIsAsked => _stop || _terminal.OutputIsGone;

    public void Show(string[] lines)
    {
        (int, int) size = Size;
        StringBuilder text = new();
        if (size != _shownSize)
        {
            text.Append("\x1b[2J");
            _shown = [];
            _shownSize = size;
        }

        for (int row = 0; row < lines.Length; row++)
        {
            if (row >= _shown.Length || _shown[row] != lines[row])
            {
                // Cleared before it is written: behind a full line the cursor stands on its last column.
                text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\x1b[{row + 1};1H\x1b[2K").Append(lines[row]);
            }
        }

        _shown = lines;
        if (text.Length > 0)
        {
            _terminal.Out.Write(text);
            _terminal.Out.Flush();
        }
    }

    public bool TryKey(out ConsoleKeyInfo key)
    {
        key = default;
        if (!_takesKeys || !Console.KeyAvailable)
        {
            return false;
        }

        key = Console.ReadKey(intercept: true);
        if (key == default)
        {
            // The runtime answers the end of input with a key that is none: the terminal is gone, and would answer so for ever.
            _stop = true;
            return false;
        }

        return true;
    }

    public void Wait(TimeSpan time)
    {
        _ = _wake.Wait(time);
        _wake.Reset();
    }

    public void Dispose()
    {
        try
        {
            _terminal.Out.Write(Leave);
            _terminal.Out.Flush();
        }
        catch (IOException)
        {
            // The terminal is gone: nobody is left to give it back to.
            _shown = [];
        }

        _signals.ForEach(signal => signal.Dispose());
        _wake.Dispose();
    }
}
