using System.Globalization;
using System.Text;
using VmScope.Sources;

namespace VmScope.Cli.Output;

/// <summary>The process's own standard streams, opened only when used.</summary>
internal sealed class SystemTerminal : Terminal, IDisposable
{
    private const int BufferBytes = 32 * 1024;
    private StreamWriter? _out;
    private StreamWriter? _error;
    private GuardedStream? _outStream;

    internal override TextWriter Out => _out ??= new StreamWriter(
        _outStream = new GuardedStream(Console.OpenStandardOutput()), new UTF8Encoding(false), BufferBytes);

    internal override Stream OutBytes
    {
        get
        {
            Out.Flush();
            return _outStream!;
        }
    }

    internal override TextWriter Error => _error ??= new StreamWriter(
        Console.OpenStandardError(), new UTF8Encoding(false), 1024)
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

    internal override bool OutIsTerminal => !Console.IsOutputRedirected;

    internal override bool ErrorIsTerminal => !Console.IsErrorRedirected;

    internal override bool OutputIsGone => _outStream?.IsGone ?? false;

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

            int width = Console.WindowWidth;
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
        catch (IOException) when (OutputIsGone)
        {
            // The reader left before the last buffer: as for any filter, not an error.
        }

        _error?.Dispose();
    }

    /// <summary>Remembers that a write failed, so that a closed pipe is told from an unreadable input.</summary>
    private sealed class GuardedStream(Stream inner) : Stream
    {
        // EPIPE and EIO: the reader, or the terminal, has gone away.
        private const int BrokenPipe = 32;
        private const int InputOutputError = 5;
        private bool _failed;

        internal bool IsGone { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
            if (!IsGone && !_failed)
            {
                inner.Flush();
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (IsGone || _failed)
            {
                return;
            }

            try
            {
                inner.Write(buffer);
            }
            catch (IOException error) when (error.HResult is BrokenPipe or InputOutputError)
            {
                IsGone = true;
                throw;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A full disk, or no standard output at all: what was asked for is not there.
                _failed = true;
                throw new IOException(
                    $"standard output: {(error is IOException ? FileProblem.Text(error) : "closed, or not for writing")}", error);
            }
        }
    }
}
