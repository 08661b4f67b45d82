using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace VmScope.Analysis;

/// <summary>Opens an ordinary file with two system calls.</summary>
/// <remarks>
/// The library's way to a handle prepares for everything a file can be, and costs a short list more than reading it. What is
/// not plainly an ordinary file, or not there, is left to it: it knows what to say.
/// </remarks>
internal static unsafe partial class LinuxFile
{
    // include/uapi/linux/stat.h and fcntl.h: the layout of struct statx is the same on every architecture.
    private const int StatxBytes = 256;
    private const int StatxModeOffset = 28;
    private const int StatxSizeOffset = 40;
    private const uint StatxTypeAndSize = 0x201;
    private const int FromWorkingDirectory = -100;
    private const int TypeMask = 0xf000;
    private const int OrdinaryFile = 0x8000;
    private const int ReadOnlyCloseOnExec = 0x80000;

    /// <summary>Opens an ordinary file that is not empty, for reading.</summary>
    /// <returns>Null for anything else; nothing was opened then.</returns>
    internal static SafeFileHandle? TryOpen(string path)
    {
        byte[] name = new byte[Encoding.UTF8.GetMaxByteCount(path.Length) + 1];
        int length = Encoding.UTF8.GetBytes(path, 0, path.Length, name, 0);
        for (int i = 0; i < length; i++)
        {
            if (name[i] == 0)
            {
                return null;
            }
        }

        byte* status = stackalloc byte[StatxBytes];
        fixed (byte* first = name)
        {
            // Asked without opening: a pipe that was opened and closed again has lost its writer.
            bool isOrdinary = Statx(FromWorkingDirectory, first, 0, StatxTypeAndSize, status) == 0
                && (*(ushort*)(status + StatxModeOffset) & TypeMask) == OrdinaryFile && *(ulong*)(status + StatxSizeOffset) > 0;
            int descriptor = isOrdinary ? Open(first, ReadOnlyCloseOnExec) : -1;
            return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int directory, byte* path, int flags, uint mask, byte* status);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(byte* path, int flags);
}
