using System.Buffers.Text;
using VmScope.Vmalloc;

namespace VmScope.Traces;

/// <summary>Writes vmalloc events as the kernel's tracer prints them, for traces of modelled kernels.</summary>
/// <remarks>Source: kernel/trace/trace_output.c, trace_print_context(); include/trace/events/vmalloc.h, 6.2 to 7.1.</remarks>
internal sealed class TraceWriter : IDisposable
{
    private const int LineMax = 256;
    private readonly Stream _stream;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _used;

    internal TraceWriter(Stream stream, int cpus)
    {
        _stream = stream;
        Text("# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:"u8);
        Number((ulong)cpus, 'D', 0);
        Text("\n#\n"u8);
    }

    internal void Placed(int task, int cpu, ulong time, in AreaRequest request, ulong? address)
    {
        Begin(task, cpu, time, "alloc_vmap_area: va_start: "u8);
        Number(address ?? request.WindowEnd, 'D', 0);
        Text(" size="u8);
        Number(request.SizeBytes, 'D', 0);
        Text(" align="u8);
        Number(request.AlignBytes, 'D', 0);
        Text(" vstart=0x"u8);
        Number(request.WindowStart, 'x', 0);
        Text(" vend=0x"u8);
        Number(request.WindowEnd, 'x', 0);
        Text(address is null ? " failed=1\n"u8 : " failed=0\n"u8);
    }

    internal void Freed(int task, int cpu, ulong time, ulong start, ulong lazyPages, ulong lazyPagesMax)
    {
        Begin(task, cpu, time, "free_vmap_area_noflush: va_start=0x"u8);
        Number(start, 'x', 0);
        Text(" nr_lazy="u8);
        Number(lazyPages, 'D', 0);
        Text(" nr_lazy_max="u8);
        Number(lazyPagesMax, 'D', 0);
        Text("\n"u8);
    }

    internal void Purged(int task, int cpu, ulong time, ulong lowest, ulong highest, ulong count)
    {
        Begin(task, cpu, time, "purge_vmap_area_lazy: start=0x"u8);
        Number(lowest, 'x', 0);
        Text(" end=0x"u8);
        Number(highest, 'x', 0);
        Text(" num_purged="u8);
        Number(count, 'D', 0);
        Text("\n"u8);
    }

    public void Dispose() => Flush();

    private void Begin(int task, int cpu, ulong time, ReadOnlySpan<byte> name)
    {
        if (_used > _buffer.Length - LineMax)
        {
            Flush();
        }

        Text("            task-"u8);
        int number = _used;
        Number((ulong)task, 'D', 0);
        while (_used - number < 8)
        {
            Text(" "u8);
        }

        Text("["u8);
        Number((ulong)cpu, 'D', 3);
        Text("] .....  "u8);
        Number(time / 1_000_000_000, 'D', 0);
        Text("."u8);
        Number(time / 1000 % 1_000_000, 'D', 6);
        Text(": "u8);
        Text(name);
    }

    private void Text(ReadOnlySpan<byte> text)
    {
        text.CopyTo(_buffer.AsSpan(_used));
        _used += text.Length;
    }

    private void Number(ulong value, char format, byte digits)
    {
        Utf8Formatter.TryFormat(value, _buffer.AsSpan(_used), out int written, new System.Buffers.StandardFormat(format, digits));
        _used += written;
    }

    private void Flush()
    {
        _stream.Write(_buffer, 0, _used);
        _used = 0;
    }
}
