using System.Text.Json;
namespace VmScope.Replay;

/// <summary>Writes operations as lines of JSON.</summary>
internal sealed class OperationFileWriter : IDisposable
{
    private const int FlushBytes = 64 * 1024;
    private readonly Stream _stream;
    private readonly MemoryStream _line = new();
    private readonly Utf8JsonWriter _json;
    private readonly bool _hasAddresses;
    private bool _isDisposed;

    internal OperationFileWriter(Stream stream, SourceMachine machine, bool is64Bit, bool hasAddresses)
    {
        (_stream, _hasAddresses) = (stream, hasAddresses);
        _json = new Utf8JsonWriter(_line);
        _json.WriteStartObject();
        _json.WriteString("vmscope"u8, OperationFile.Format);
        _json.WriteNumber("version"u8, OperationFile.Version);
        if (machine.Kernel is { } kernel)
        {
            _json.WriteString("kernel"u8, kernel.ToString());
        }

        _json.WriteNumber("bits"u8, is64Bit ? 64 : 32);
        _json.WriteNumber("pageBytes"u8, machine.PageBytes);
        _json.WriteNumber("onlineCpus"u8, machine.Cpus);
        _json.WriteNumber("possibleCpus"u8, machine.PossibleCpus);
        Hex("rangeStart"u8, machine.WindowStart);
        Hex("rangeEnd"u8, machine.WindowEnd);
        _json.WriteBoolean("addresses"u8, hasAddresses);
        EndLine();
    }

    internal void Write(in ReplayOperation operation)
    {
        _json.WriteStartObject();
        _json.WriteString("op"u8, OperationFile.NameOf(operation.Kind));
        _json.WriteNumber("t"u8, operation.Time);
        _json.WriteNumber("cpu"u8, operation.Cpu);
        _json.WriteNumber("task"u8, operation.Task);
        _json.WriteNumber("line"u8, operation.Line);
        if (operation.EntryLine != 0)
        {
            _json.WriteNumber("since"u8, operation.EntryLine);
        }

        switch (operation.Kind)
        {
            case OperationKind.Place:
                _json.WriteNumber("size"u8, operation.SizeBytes);
                _json.WriteNumber("align"u8, operation.AlignBytes);
                Hex("from"u8, operation.WindowStart);
                Hex("to"u8, operation.WindowEnd);
                if (operation.Failed)
                {
                    _json.WriteBoolean("failed"u8, value: true);
                }
                else
                {
                    At(operation.Start);
                }

                break;
            case OperationKind.Appear:
            case OperationKind.Chunk:
                At(operation.Start);
                _json.WriteNumber("size"u8, _hasAddresses ? operation.End - operation.Start : operation.SizeBytes);
                _json.WriteNumber("align"u8, operation.AlignBytes);
                break;
            case OperationKind.Free:
                At(operation.Start);
                if (operation.End != 0)
                {
                    _json.WriteNumber("size"u8, operation.End - operation.Start);
                }

                if (operation.Limit != 0)
                {
                    _json.WriteNumber("lazyPages"u8, operation.Count);
                    _json.WriteNumber("lazyPagesMax"u8, operation.Limit);
                }

                break;
            case OperationKind.PurgeBegin:
            case OperationKind.PurgeEnd:
                if (operation.HasCount)
                {
                    _json.WriteNumber("count"u8, operation.Count);
                    Hex("lowest"u8, operation.Start);
                    Hex("highest"u8, operation.End);
                }

                if (operation.Full)
                {
                    _json.WriteBoolean("full"u8, value: true);
                }

                break;
            case OperationKind.Marker:
                _json.WriteString("which"u8, OperationFile.NameOf(operation.Marker));
                break;
            case OperationKind.Lost:
                _json.WriteNumber("count"u8, operation.Count);
                break;
        }

        EndLine();
    }

    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        Drain();
        _json.Dispose();
        _line.Dispose();
        _stream.Flush();
    }

    private void At(ulong start)
    {
        if (_hasAddresses)
        {
            Hex("at"u8, start);
        }
        else
        {
            _json.WriteNumber("id"u8, start);
        }
    }

    private void Hex(ReadOnlySpan<byte> name, ulong value)
    {
        Span<byte> text = stackalloc byte[18];
        "0x"u8.CopyTo(text);
        System.Buffers.Text.Utf8Formatter.TryFormat(value, text[2..], out int written, 'x');
        _json.WriteString(name, text[..(2 + written)]);
    }

    private void EndLine()
    {
        _json.WriteEndObject();
        _json.Flush();
        _json.Reset();
        _line.WriteByte((byte)'\n');
        if (_line.Length > FlushBytes)
        {
            Drain();
        }
    }

    private void Drain()
    {
        _line.Position = 0;
        _line.CopyTo(_stream);
        _line.SetLength(0);
    }
}
