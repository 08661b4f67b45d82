using System.Buffers;
using System.Text;
using System.Text.Json;
using VmScope.Analysis;

namespace VmScope.Cli.Output;

/// <summary>Writes JSON to a text writer: sizes as integers, addresses as "0x…" strings, indented for people.</summary>
internal sealed class JsonText : IDisposable
{
    private const int FlushBytes = 16 * 1024;
    private readonly ArrayBufferWriter<byte> _buffer = new(FlushBytes);
    private char[] _characters = new char[FlushBytes * 2];
    private readonly TextWriter _writer;

    internal JsonText(TextWriter writer)
    {
        _writer = writer;
        Json = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = PlainJsonEncoder.Instance });
    }

    /// <summary>The writer proper.</summary>
    internal Utf8JsonWriter Json { get; }

    /// <summary>Writes an address.</summary>
    internal void Address(string name, ulong address) => Json.WriteString(name, AddressText.Hex(address));

    /// <summary>Writes an exclusive end: 0 stands for the top of the 64-bit space.</summary>
    internal void End(string name, ulong end) => Json.WriteString(name, end == 0 ? "0x10000000000000000" : AddressText.Hex(end));

    /// <summary>Writes the bounds of a window, where they come from and how sure they are.</summary>
    internal void Window(AddressWindow window)
    {
        Address("start", window.Start);
        End("end", window.EndExclusive);
        Json.WriteNumber("bytes", window.Bytes);
        Json.WriteString("source", window.Source);
        Json.WriteString("sureness", AddressWindow.Word(window.Sureness));
    }

    /// <summary>Writes an element of a long array as one line: JSON as it is, in UTF-8.</summary>
    internal void Line(ReadOnlySpan<byte> json)
    {
        Json.WriteRawValue(json, skipInputValidation: true);
        FlushSome();
    }

    /// <summary>Writes an array of texts.</summary>
    internal void Texts(string name, IEnumerable<string> texts)
    {
        Json.WriteStartArray(name);
        foreach (string text in texts)
        {
            Json.WriteStringValue(text);
        }

        Json.WriteEndArray();
    }

    /// <summary>Hands on what is written so far, so that a long answer is not kept whole.</summary>
    internal void FlushSome()
    {
        if (Json.BytesPending + _buffer.WrittenCount > FlushBytes)
        {
            Drain();
        }
    }

    public void Dispose()
    {
        Drain();
        Json.Dispose();
        _writer.Write('\n');
    }

    private void Drain()
    {
        Json.Flush();
        if (_characters.Length < _buffer.WrittenCount)
        {
            _characters = new char[_buffer.WrittenCount * 2];
        }

        // Through one buffer: a string for each piece would fill the heap of a long answer.
        int length = Encoding.UTF8.GetChars(_buffer.WrittenSpan, _characters);
        _writer.Write(_characters, 0, length);
        _buffer.ResetWrittenCount();
    }
}
