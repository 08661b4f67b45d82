using System.Runtime.InteropServices;

namespace VmScope.Cli.Output;

/// <summary>Standard output or standard error, without the library's console in between.</summary>
/// <remarks>
/// Before the console writes its first byte it prepares terminal and signals, and starts a thread for them. A filter needs
/// none of it, and on a start of a few milliseconds it is felt; so on Linux bytes go straight to the descriptor.
/// </remarks>
internal sealed unsafe partial class StandardStream : WriteOnlyStream
{
    /// <summary>The descriptor of standard output.</summary>
    internal const int Output = 1;

    /// <summary>The descriptor of standard error.</summary>
    internal const int Error = 2;

    /// <summary>EPIPE and EIO of include/uapi/asm-generic/errno-base.h: the reader, or the terminal, has gone away.</summary>
    private const int BrokenPipe = 32;
    private const int InputOutputError = 5;

    /// <summary>TIOCGWINSZ of include/uapi/asm-generic/ioctls.h; rows, columns and two sizes in pixels, 16 bits each.</summary>
    private const nuint GetWindowSize = 0x5413;

    private readonly int _descriptor;

    /// <summary>What writes where the short way does not go: another system, or a descriptor that did not take all.</summary>
    private Stream? _console;

    /// <param name="descriptor"><see cref="Output"/> or <see cref="Error"/>.</param>
    internal StandardStream(int descriptor) => _descriptor = descriptor;

    /// <summary>Whether a write has failed; what is written afterwards goes nowhere.</summary>
    internal bool HasFailed { get; private set; }

    /// <summary>Why a write failed, when it was not because the reader left; otherwise null.</summary>
    internal string? Problem { get; private set; }

    /// <summary>Whether a person's terminal is at the other end.</summary>
    /// <param name="descriptor"><see cref="Output"/> or <see cref="Error"/>.</param>
    internal static bool IsTerminal(int descriptor) => OperatingSystem.IsLinux()
        ? IsTerminalDevice(descriptor) != 0
        : !(descriptor == Output ? Console.IsOutputRedirected : Console.IsErrorRedirected);

    /// <summary>Columns of the terminal at the other end; 0 when nobody says.</summary>
    /// <remarks>The console asks too, but prepares the terminal before, with signs of its own that nobody wants to see.</remarks>
    internal static int Columns(int descriptor)
    {
        ushort* size = stackalloc ushort[4];
        return !OperatingSystem.IsLinux() || Control(descriptor, GetWindowSize, size) != 0 ? Console.WindowWidth : size[1];
    }

    public override void Flush()
    {
        // Nothing is kept here.
    }

    /// <exception cref="IOException">Not all of the output could be written. It is said once; for notes that is no reason to stop.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (HasFailed)
        {
            return;
        }

        int done = _console is not null || !OperatingSystem.IsLinux() ? 0 : WriteShort(buffer);
        if (!HasFailed && done < buffer.Length)
        {
            // A full pipe that does not wait, a signal, a full disk: the console knows what to do about each, or what to call it.
            WriteLong(buffer[done..]);
        }

        if (HasFailed && _descriptor == Output)
        {
            throw new IOException("standard output: " + (Problem ?? "nobody reads it any more"));
        }
    }

    private void WriteLong(ReadOnlySpan<byte> buffer)
    {
        try
        {
            _console ??= _descriptor == Output ? Console.OpenStandardOutput() : Console.OpenStandardError();
            _console.Write(buffer);
        }
        catch (IOException error)
        {
            (HasFailed, Problem) = (true, error.Message);
        }
        catch (UnauthorizedAccessException error)
        {
            (HasFailed, Problem) = (true, (error.InnerException ?? error).Message);
        }
    }

    /// <summary>Writes as much as the descriptor takes.</summary>
    /// <returns>How many bytes.</returns>
    private int WriteShort(ReadOnlySpan<byte> buffer)
    {
        int done = 0;
        fixed (byte* bytes = buffer)
        {
            while (done < buffer.Length)
            {
                nint written = WriteBytes(_descriptor, bytes + done, buffer.Length - done);
                if (written <= 0)
                {
                    HasFailed = written < 0 && Marshal.GetLastSystemError() is BrokenPipe or InputOutputError;
                    break;
                }

                done += (int)written;
            }
        }

        return done;
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint WriteBytes(int descriptor, byte* bytes, nint count);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int descriptor, nuint request, ushort* answer);

    [LibraryImport("libc", EntryPoint = "isatty", SetLastError = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int IsTerminalDevice(int descriptor);
}
