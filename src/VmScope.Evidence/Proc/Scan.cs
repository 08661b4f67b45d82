using System.Globalization;

namespace VmScope.Proc;

/// <summary>Reads a line piece by piece from the left; every step says whether it fitted and otherwise moves nothing.</summary>
internal ref struct Scan(ReadOnlySpan<char> text)
{
    private readonly ReadOnlySpan<char> _text = text;

    /// <summary>Characters already read.</summary>
    internal int Position { get; private set; }

    /// <summary>What is left.</summary>
    internal readonly ReadOnlySpan<char> Rest => _text[Position..];

    /// <summary>Whether nothing but blanks is left.</summary>
    internal readonly bool AtEnd => Rest.IsWhiteSpace();

    /// <summary>Skips blanks and tabs; tells how many.</summary>
    internal int Blanks()
    {
        int start = Position;
        while (Position < _text.Length && _text[Position] is ' ' or '\t')
        {
            Position++;
        }

        return Position - start;
    }

    /// <summary>Takes a literal text.</summary>
    internal bool Text(string expected)
    {
        if (!Rest.StartsWith(expected, StringComparison.Ordinal))
        {
            return false;
        }

        Position += expected.Length;
        return true;
    }

    /// <summary>Moves behind the next occurrence of a text.</summary>
    internal bool Behind(string marker)
    {
        int at = Rest.IndexOf(marker, StringComparison.Ordinal);
        if (at < 0)
        {
            return false;
        }

        Position += at + marker.Length;
        return true;
    }

    /// <summary>Takes a decimal number that fits 64 bits.</summary>
    internal bool Decimal(out ulong value)
    {
        int length = 0;
        while (Position + length < _text.Length && char.IsAsciiDigit(_text[Position + length]))
        {
            length++;
        }

        if (length == 0 || !ulong.TryParse(_text.Slice(Position, length), NumberStyles.None, CultureInfo.InvariantCulture, out value))
        {
            value = 0;
            return false;
        }

        Position += length;
        return true;
    }

    /// <summary>Takes a hexadecimal number of at most 16 digits, with or without 0x.</summary>
    internal bool Hex(out ulong value)
    {
        value = 0;
        int at = Position;
        if (Rest.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            at += 2;
        }

        int start = at;
        while (at < _text.Length && char.IsAsciiHexDigit(_text[at]))
        {
            at++;
        }

        if (at == start || at - start > 16
            || !ulong.TryParse(_text[start..at], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value))
        {
            return false;
        }

        Position = at;
        return true;
    }

    /// <summary>Takes everything up to the next blank.</summary>
    internal ReadOnlySpan<char> Word()
    {
        int start = Position;
        while (Position < _text.Length && _text[Position] is not (' ' or '\t'))
        {
            Position++;
        }

        return _text[start..Position];
    }

    /// <summary>
    /// Takes a range in the form of newer kernels, "[mem 0x…-0x…]" or "[gap 0x…-0x…]", both ends inclusive.
    /// </summary>
    internal bool InclusiveRange(string word, out PhysicalRange range)
    {
        int back = Position;
        range = default;
        if (Text("[") && Text(word) && Blanks() > 0 && Hex(out ulong first) && Text("-") && Hex(out ulong last) && Text("]")
            && last >= first && last - first != ulong.MaxValue)
        {
            range = new PhysicalRange(new PhysicalAddress(first), last - first + 1);
            return true;
        }

        Position = back;
        return false;
    }
}
