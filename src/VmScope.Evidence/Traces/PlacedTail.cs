namespace VmScope.Traces;

/// <summary>The end of the last line of a placed area: the window and the outcome, the same in nearly every line.</summary>
internal sealed class PlacedTail
{
    private readonly byte[] _text = new byte[80];
    private int _length;

    internal ulong WindowStart { get; private set; }

    internal ulong WindowEnd { get; private set; }

    internal bool Failed { get; private set; }

    /// <summary>Whether a line ends as the last one did.</summary>
    internal bool IsSame(ReadOnlySpan<byte> end) => end.SequenceEqual(_text.AsSpan(0, _length)) && _length > 0;

    /// <summary>Keeps what a line's end said.</summary>
    internal void Remember(ReadOnlySpan<byte> end, in TraceEvent read)
    {
        if (end.Length <= _text.Length)
        {
            end.CopyTo(_text);
            (_length, WindowStart, WindowEnd, Failed) = (end.Length, read.WindowStart, read.WindowEnd, read.Failed);
        }
    }
}
