using Microsoft.Win32.SafeHandles;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>A run of a file's bytes as a stream; several may read one file at the same time.</summary>
internal sealed class FilePart(SafeFileHandle file, long start, long end) : ForwardStream
{
    private long _at = start;

    public override int Read(Span<byte> buffer)
    {
        int wanted = (int)Math.Min(buffer.Length, end - _at);
        int got = wanted == 0 ? 0 : RandomAccess.Read(file, buffer[..wanted], _at);
        _at += got;
        return got;
    }
}
