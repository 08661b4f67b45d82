using System.Text;
using System.Text.Json;
using VmScope.Traces;

namespace VmScope.Replay;

/// <summary>Reads operations from lines of JSON.</summary>
internal sealed class OperationFileReader : OperationSource
{
    private const int OddLinesKept = 8;

    private readonly Stream _stream;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private readonly List<string> _odd = [];
    private readonly SourceMachine _machine;
    private readonly bool _hasAddresses = true;
    private int _at;
    private int _used;
    private long _lines;
    private long _events;
    private long _oddLines;
    private long _bytes;
    private ulong _lost;

    /// <exception cref="EvidenceException">The first line is not that of such a file.</exception>
    internal OperationFileReader(Stream stream, string name)
    {
        (_stream, Name) = (stream, name);
        Header header = new();
        if (!TryLine(out ReadOnlySpan<byte> line) || !TryHeader(line, ref header))
        {
            throw new EvidenceException(
                $$"""{{name}}: line 1: no file of operations; it begins with {"vmscope":"operations","version":1,…} (docs/operations.md)""");
        }

        if (header.Unusable is { } unusable)
        {
            throw new EvidenceException($"{name}: line 1: {unusable}");
        }

        _hasAddresses = header.HasAddresses;
        _machine = new SourceMachine(
            header.Kernel is { } kernel && Kernels.KernelVersion.TryParse(kernel, out Kernels.KernelVersion version) ? version : null,
            header.Cpus, header.PossibleCpus, header.PageBytes, header.WindowStart, header.WindowEnd);
    }

    internal override string Name { get; }

    internal override long Events => _events;

    internal override long Bytes => _bytes;

    internal override bool HasAddresses => _hasAddresses;

    internal override SourceMachine Machine => _machine;

    internal override long OddLines => _oddLines;

    internal override IReadOnlyList<string> OddLineSamples => _odd;

    internal override long Lines => _lines;

    internal override ulong LostEvents => _lost;

    internal override bool TryRead(ref ReplayOperation operation)
    {
        while (TryLine(out ReadOnlySpan<byte> line))
        {
            if (line.Trim((byte)' ').IsEmpty)
            {
                continue;
            }

            if (TryOperation(line, _lines, ref operation))
            {
                _events += operation.Kind is OperationKind.Marker or OperationKind.Lost ? 0 : 1;
                _lost += operation.Kind == OperationKind.Lost ? operation.Count : 0;
                return true;
            }

            _oddLines++;
            if (_odd.Count < OddLinesKept)
            {
                _odd.Add($"line {_lines}: {Encoding.UTF8.GetString(line[..Math.Min(line.Length, 120)])}");
            }
        }

        return false;
    }

    private static bool TryOperation(ReadOnlySpan<byte> line, long lineNumber, ref ReplayOperation operation)
    {
        operation = default;
        OperationKind? kind = null;
        ulong size = 0;
        try
        {
            Members members = new(line);
            if (!members.IsObject)
            {
                return false;
            }

            while (members.Next())
            {
                ref Utf8JsonReader name = ref members.Name;
                ref Utf8JsonReader json = ref members.Value;
                if (name.ValueTextEquals("op"u8))
                {
                    kind = json.TokenType == JsonTokenType.String ? OperationFile.KindOf(ref json) : null;
                }
                else if (name.ValueTextEquals("which"u8))
                {
                    operation.Marker = Marker(ref json);
                }
                else if (json.TokenType is JsonTokenType.True or JsonTokenType.False)
                {
                    operation.Failed |= name.ValueTextEquals("failed"u8) && json.GetBoolean();
                    operation.Full |= name.ValueTextEquals("full"u8) && json.GetBoolean();
                }
                else if (json.TokenType is JsonTokenType.String or JsonTokenType.Number)
                {
                    bool isNegative = json.TokenType == JsonTokenType.Number && json.ValueSpan[0] == (byte)'-';
                    if (!TryNumber(ref json, out long value) || (isNegative && !name.ValueTextEquals("task"u8)))
                    {
                        return false;
                    }

                    Store(ref name, value, ref operation, ref size);
                }
                else
                {
                    return false;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            return false;
        }

        if (kind is null)
        {
            return false;
        }

        operation.Kind = kind.Value;
        operation.Line = operation.Line == 0 ? lineNumber : operation.Line;
        operation.SizeBytes = size;
        if (kind is OperationKind.Place or OperationKind.Appear or OperationKind.Chunk or OperationKind.Free
            && !operation.Failed && size != 0)
        {
            operation.End = unchecked(operation.Start + size);
        }

        return true;
    }

    private static void Store(ref Utf8JsonReader name, long value, ref ReplayOperation operation, ref ulong size)
    {
        ulong bits = unchecked((ulong)value);
        if (name.ValueTextEquals("t"u8))
        {
            operation.Time = bits;
        }
        else if (name.ValueTextEquals("cpu"u8))
        {
            operation.Cpu = (int)Math.Clamp(value, 0, ushort.MaxValue);
        }
        else if (name.ValueTextEquals("task"u8))
        {
            operation.Task = (int)Math.Clamp(value, int.MinValue, int.MaxValue);
        }
        else if (name.ValueTextEquals("line"u8))
        {
            operation.Line = value;
        }
        else if (name.ValueTextEquals("since"u8))
        {
            operation.EntryLine = value;
        }
        else if (name.ValueTextEquals("size"u8))
        {
            size = bits;
        }
        else if (name.ValueTextEquals("align"u8))
        {
            operation.AlignBytes = bits;
        }
        else if (name.ValueTextEquals("from"u8))
        {
            operation.WindowStart = bits;
        }
        else if (name.ValueTextEquals("to"u8))
        {
            operation.WindowEnd = bits;
        }
        else if (name.ValueTextEquals("at"u8) || name.ValueTextEquals("id"u8) || name.ValueTextEquals("lowest"u8))
        {
            operation.Start = bits;
        }
        else if (name.ValueTextEquals("highest"u8))
        {
            operation.End = bits;
        }
        else if (name.ValueTextEquals("lazyPages"u8))
        {
            operation.Count = bits;
        }
        else if (name.ValueTextEquals("lazyPagesMax"u8))
        {
            operation.Limit = bits;
        }
        else if (name.ValueTextEquals("count"u8))
        {
            (operation.Count, operation.HasCount) = (bits, true);
        }
    }

    private static TraceMarker Marker(ref Utf8JsonReader json)
    {
        foreach (TraceMarker marker in Enum.GetValues<TraceMarker>())
        {
            if (json.TokenType == JsonTokenType.String && json.ValueTextEquals(OperationFile.NameOf(marker)))
            {
                return marker;
            }
        }

        return TraceMarker.None;
    }

    /// <summary>A number, or a hexadecimal one with 0x as a string; as the 64 bits it has.</summary>
    private static bool TryNumber(ref Utf8JsonReader json, out long value)
    {
        value = 0;
        if (json.TokenType == JsonTokenType.Number)
        {
            if (json.TryGetInt64(out value))
            {
                return true;
            }

            bool isLarge = json.TryGetUInt64(out ulong large);
            value = unchecked((long)large);
            return isLarge;
        }

        ReadOnlySpan<byte> text = json.ValueSpan;
        if (!text.StartsWith("0x"u8) || text.Length is < 3 or > 18
            || !System.Buffers.Text.Utf8Parser.TryParse(text[2..], out ulong hex, out int used, 'x') || used != text.Length - 2)
        {
            return false;
        }

        value = unchecked((long)hex);
        return true;
    }

    private struct Header
    {
        public Header()
        {
        }

        internal string? Kernel;
        internal int Cpus;
        internal int PossibleCpus;
        internal ulong PageBytes;
        internal ulong WindowStart;
        internal ulong WindowEnd;
        internal bool HasAddresses = true;

        /// <summary>Why the machine it describes cannot be modelled; null when it can.</summary>
        internal string? Unusable;
    }

    /// <summary>The members of a line's object, one after the other.</summary>
    private ref struct Members
    {
        /// <summary>Stands at a member's name.</summary>
        internal Utf8JsonReader Name;

        /// <summary>Stands at its value.</summary>
        internal Utf8JsonReader Value;

        /// <summary>Begins a line.</summary>
        /// <exception cref="JsonException">It is no JSON.</exception>
        internal Members(ReadOnlySpan<byte> line)
        {
            Value = new Utf8JsonReader(line);
            IsObject = Value.Read() && Value.TokenType == JsonTokenType.StartObject;
        }

        /// <summary>Whether the line is an object.</summary>
        internal bool IsObject { get; }

        /// <summary>Goes to the next member.</summary>
        internal bool Next()
        {
            if (!Value.Read() || Value.TokenType != JsonTokenType.PropertyName)
            {
                return false;
            }

            Name = Value;
            return Value.Read();
        }
    }

    private static bool TryHeader(ReadOnlySpan<byte> line, ref Header header)
    {
        bool isOurs = false;
        bool isKnown = false;
        try
        {
            Members members = new(line);
            if (!members.IsObject)
            {
                return false;
            }

            while (members.Next())
            {
                ref Utf8JsonReader name = ref members.Name;
                ref Utf8JsonReader json = ref members.Value;
                if (name.ValueTextEquals("vmscope"u8))
                {
                    isOurs = json.TokenType == JsonTokenType.String && json.ValueTextEquals(OperationFile.Format);
                }
                else if (name.ValueTextEquals("kernel"u8) && json.TokenType == JsonTokenType.String)
                {
                    header.Kernel = json.GetString();
                }
                else if (name.ValueTextEquals("addresses"u8) && json.TokenType is JsonTokenType.False)
                {
                    header.HasAddresses = false;
                }
                else if (json.TokenType is JsonTokenType.Number or JsonTokenType.String && TryNumber(ref json, out long value))
                {
                    ulong bits = unchecked((ulong)value);
                    if (name.ValueTextEquals("version"u8))
                    {
                        isKnown = true;
                        header.Unusable ??= value == OperationFile.Version ? null
                            : $"version {value} of the format is not known; this vmscope reads version {OperationFile.Version}";
                    }
                    else if (name.ValueTextEquals("pageBytes"u8) && value is not (0 or 4096 or 8192 or 16384 or 65536))
                    {
                        header.Unusable ??= $"pageBytes is {value}, which is none of 4096, 8192, 16384 and 65536";
                    }

                    header.Cpus = name.ValueTextEquals("onlineCpus"u8) ? (int)Math.Clamp(value, 0, 8192) : header.Cpus;
                    header.PossibleCpus = name.ValueTextEquals("possibleCpus"u8) ? (int)Math.Clamp(value, 0, 8192) : header.PossibleCpus;
                    header.PageBytes = name.ValueTextEquals("pageBytes"u8) && value is 4096 or 8192 or 16384 or 65536 ? bits : header.PageBytes;
                    header.WindowStart = name.ValueTextEquals("rangeStart"u8) ? bits : header.WindowStart;
                    header.WindowEnd = name.ValueTextEquals("rangeEnd"u8) ? bits : header.WindowEnd;
                }
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            return false;
        }

        if ((header.WindowStart | header.WindowEnd) != 0 && header.WindowStart >= header.WindowEnd)
        {
            header.Unusable ??= $"rangeStart 0x{header.WindowStart:x} is not below rangeEnd 0x{header.WindowEnd:x}";
        }

        return isOurs && isKnown;
    }

    /// <summary>The next line; one that is too long counts as odd and is passed over.</summary>
    private bool TryLine(out ReadOnlySpan<byte> line)
    {
        bool skipping = false;
        while (true)
        {
            int length = _buffer.AsSpan(_at, _used - _at).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = _buffer.AsSpan(_at, length).TrimEnd((byte)'\r');
                _at += length + 1;
                _lines++;
                if (!skipping)
                {
                    return true;
                }

                skipping = false;
                continue;
            }

            int kept = _used - _at;
            if (kept > OperationFile.LineBytesMax)
            {
                _oddLines += skipping ? 0 : 1;
                skipping = true;
                kept = 0;
            }

            Array.Copy(_buffer, _at, _buffer, 0, kept);
            (_at, _used) = (0, kept);
            int count;
            try
            {
                count = _stream.Read(_buffer, kept, _buffer.Length - kept);
            }
            catch (InvalidDataException error)
            {
                throw new EvidenceException($"{Name}: line {_lines + 1}: {error.Message}", error);
            }

            _bytes += count;
            _used += count;
            if (count == 0)
            {
                line = _buffer.AsSpan(0, _used);
                _at = _used;
                _lines += line.IsEmpty ? 0 : 1;
                return !line.IsEmpty && !skipping;
            }
        }
    }
}
