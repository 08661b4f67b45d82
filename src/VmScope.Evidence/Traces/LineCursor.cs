using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VmScope.Proc;

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
        ReadOnlySpan<byte> rest = _line[At..];
        ulong sum = 0;
        int at = 0;
        unchecked
        {
            // Eight digits at a time as long as that many bytes are there; the sum of two steps cannot overflow.
            while (rest.Length - at >= 8 && at <= 8)
            {
                ulong word = BinaryPrimitives.ReadUInt64LittleEndian(rest[at..]);
                int digits = ByteScan.CountDigits(word);
                if (digits == 8)
                {
                    sum = (sum * 100_000_000) + ByteScan.Decimal8(word);
                    at += 8;
                    continue;
                }

                if (digits > 0)
                {
                    sum = (sum * ByteScan.PowerOfTen(digits)) + ByteScan.Decimal8(word << (64 - (8 * digits)));
                    at += digits;
                }

                value = sum;
                At += at;
                return at > 0;
            }

            // An address in decimal: twenty digits, of which the last four may be too many.
            if (at == 16 && rest.Length - at >= 8)
            {
                ulong word = BinaryPrimitives.ReadUInt64LittleEndian(rest[at..]);
                int digits = ByteScan.CountDigits(word);
                if (digits is > 0 and <= 4)
                {
                    ulong last = ByteScan.Decimal8(word << (64 - (8 * digits)));
                    bool fits = Math.BigMul(sum, ByteScan.PowerOfTen(digits), out value) == 0 && value <= ulong.MaxValue - last;
                    value = fits ? value + last : 0;
                    At += fits ? at + digits : 0;
                    return fits;
                }
            }
        }

        return TakeDecimalSlowly(at, sum, out value);
    }

    /// <summary>Goes on where eight digits at a time are too many.</summary>
    private bool TakeDecimalSlowly(int digits, ulong sum, out ulong value)
    {
        value = 0;
        int at = At + digits;
        for (; at < _line.Length; at++)
        {
            uint digit = unchecked((uint)(_line[at] - '0'));
            if (digit > 9)
            {
                break;
            }

            if (sum > (ulong.MaxValue - digit) / 10)
            {
                return false;
            }

            sum = (sum * 10) + digit;
        }

        bool any = at > At && at - At <= 20;
        At = any ? at : At;
        value = any ? sum : 0;
        return any;
    }

    /// <summary>A hexadecimal number of at most 16 digits, without a prefix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool TakeHex(out ulong value)
    {
        ReadOnlySpan<byte> rest = _line[At..];
        if (rest.Length > 16 && ByteScan.TryHex16(ref MemoryMarshal.GetReference(rest), out value))
        {
            At += 16;
            return !IsHexDigit(rest[16]);
        }

        return TakeHexSlowly(out value);
    }

    private bool TakeHexSlowly(out ulong value)
    {
        int start = At;
        ulong sum = 0;
        for (; At < _line.Length && IsHexDigit(_line[At]); At++)
        {
            uint letter = _line[At];
            sum = (sum << 4) | (letter <= '9' ? letter - '0' : (letter | 0x20) - 'a' + 10);
        }

        value = sum;
        return At > start && At - start <= 16;
    }

    private static bool IsHexDigit(byte letter) => char.IsAsciiHexDigit((char)letter);

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
