using System.Runtime.CompilerServices;

namespace VmScope.Traces;

/// <summary>A place in a line of bytes, with the few moves a trace needs. Every move says whether it found what it wants.</summary>
internal ref struct LineCursor
{
    private readonly ReadOnlySpan<byte> _line;

    internal LineCursor(ReadOnlySpan<byte> bytes, int start = 0)
    {
        _line = bytes;
        At = start;
    }

    internal int At { get; set; }

    internal readonly bool IsEnd => At >= _line.Length;

    internal readonly byte Current => At < _line.Length ? _line[At] : (byte)0;

    internal readonly ReadOnlySpan<byte> Rest => _line[At..];

    internal readonly ReadOnlySpan<byte> From(int start) => _line[start..At];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool Take(ReadOnlySpan<byte> literal)
    {
        if (!_line[At..].StartsWith(literal))
        {
            return false;
        }

        At += literal.Length;
        return true;
    }

    internal void SkipSpaces()
    {
        while (At < _line.Length && _line[At] is (byte)' ' or (byte)'\t')
        {
            At++;
        }
    }

    internal void SkipToSpace()
    {
        int length = _line[At..].IndexOf((byte)' ');
        At = length < 0 ? _line.Length : At + length;
    }

    /// <summary>A decimal number of at most 20 digits that fits 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TakeDecimal(out ulong value)
    {
        int start = At;
        int at = At;
        ulong sum = 0;
        ReadOnlySpan<byte> line = _line;
        unchecked
        {
            while (at < line.Length)
            {
                uint digit = (uint)(line[at] - '0');
                if (digit > 9)
                {
                    break;
                }

                if (at - start >= 19 && (at - start >= 20 || sum > (ulong.MaxValue - digit) / 10))
                {
                    value = 0;
                    return false;
                }

                sum = (sum * 10) + digit;
                at++;
            }
        }

        value = sum;
        At = at;
        return at > start;
    }

    /// <summary>A hexadecimal number of at most 16 digits, without a prefix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TakeHex(out ulong value)
    {
        int start = At;
        int at = At;
        ulong sum = 0;
        ReadOnlySpan<byte> line = _line;
        unchecked
        {
            while (at < line.Length)
            {
                uint c = line[at];
                uint digit = c - '0';
                if (digit > 9)
                {
                    digit = (c | 0x20) - 'a' + 10;
                    if (digit - 10 > 5)
                    {
                        break;
                    }
                }

                sum = (sum << 4) | digit;
                at++;
            }
        }

        value = sum;
        At = at;
        return at > start && at - start <= 16;
    }

    /// <summary>A number as a probe prints it: 0x and hexadecimal, or decimal with an optional minus.</summary>
    internal bool TakeNumber(out ulong value)
    {
        if (Take("0x"u8))
        {
            return TakeHex(out value);
        }

        bool negative = Current == '-';
        At += negative ? 1 : 0;
        if (!TakeDecimal(out value))
        {
            return false;
        }

        value = negative ? unchecked(0 - value) : value;
        return true;
    }
}
