using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace VmScope.Proc;

/// <summary>Looks at many bytes at once, as wide as the processor can; the same answers on every processor.</summary>
internal static class ByteScan
{
    /// <summary>One bit for each of 64 bytes that equals <paramref name="value"/>; all 64 must be readable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Equal64(ref byte bytes, byte value)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            return Vector512.Equals(Vector512.LoadUnsafe(ref bytes), Vector512.Create(value)).ExtractMostSignificantBits();
        }

        if (Vector256.IsHardwareAccelerated)
        {
            Vector256<byte> wanted = Vector256.Create(value);
            ulong low = Vector256.Equals(Vector256.LoadUnsafe(ref bytes), wanted).ExtractMostSignificantBits();
            ulong high = Vector256.Equals(Vector256.LoadUnsafe(ref bytes, 32), wanted).ExtractMostSignificantBits();
            return low | (high << 32);
        }

        Vector128<byte> each = Vector128.Create(value);
        ulong first = Vector128.Equals(Vector128.LoadUnsafe(ref bytes), each).ExtractMostSignificantBits();
        ulong second = Vector128.Equals(Vector128.LoadUnsafe(ref bytes, 16), each).ExtractMostSignificantBits();
        ulong third = Vector128.Equals(Vector128.LoadUnsafe(ref bytes, 32), each).ExtractMostSignificantBits();
        ulong fourth = Vector128.Equals(Vector128.LoadUnsafe(ref bytes, 48), each).ExtractMostSignificantBits();
        return first | (second << 16) | (third << 32) | (fourth << 48);
    }

    /// <summary>Reads 16 lower-case hexadecimal digits; all 16 bytes must be readable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryHex16(ref byte digits, out ulong value)
    {
        Vector128<byte> nibbles = Nibbles(Vector128.LoadUnsafe(ref digits), out bool valid);
        value = BinaryPrimitives.ReverseEndianness(Packed(nibbles).AsUInt64().ToScalar());
        return valid;
    }

    /// <summary>Reads two times 16 lower-case hexadecimal digits; all 16 bytes of each must be readable.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryHex16Twice(ref byte first, ref byte second, out ulong firstValue, out ulong secondValue)
    {
        Vector256<byte> text = Vector128.LoadUnsafe(ref first).ToVector256Unsafe().WithUpper(Vector128.LoadUnsafe(ref second));
        Vector256<byte> decimals = text - Vector256.Create((byte)'0');
        Vector256<byte> letters = text - Vector256.Create((byte)'a');
        Vector256<byte> isDecimal = Vector256.LessThanOrEqual(decimals, Vector256.Create((byte)9));
        Vector256<byte> isLetter = Vector256.LessThanOrEqual(letters, Vector256.Create((byte)5));
        Vector256<byte> nibbles = Vector256.ConditionalSelect(isDecimal, decimals, letters + Vector256.Create((byte)10));
        Vector256<ushort> pairs = nibbles.AsUInt16();
        Vector256<ushort> joined = ((pairs << 4) | (pairs >> 8)) & Vector256.Create((ushort)0xff);
        Vector128<ulong> both = Vector128.Narrow(joined.GetLower(), joined.GetUpper()).AsUInt64();
        firstValue = BinaryPrimitives.ReverseEndianness(both.ToScalar());
        secondValue = BinaryPrimitives.ReverseEndianness(both.GetElement(1));
        return (isDecimal | isLetter) == Vector256<byte>.AllBitsSet;
    }

    /// <summary>Reads two times 8 lower-case hexadecimal digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryHex8Twice(ulong first, ulong second, out ulong firstValue, out ulong secondValue)
    {
        Vector128<byte> nibbles = Nibbles(Vector128.Create(first, second).AsByte(), out bool valid);
        ulong both = BinaryPrimitives.ReverseEndianness(Packed(nibbles).AsUInt64().ToScalar());
        firstValue = both >> 32;
        secondValue = both & uint.MaxValue;
        return valid;
    }

    /// <summary>Reads 1 to 8 decimal digits that end where an 8-byte word ends; whatever precedes them in it is ignored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static bool TryDecimal8(ulong word, int digits, out ulong value)
    {
        unchecked
        {
            ulong v = (word ^ 0x3030303030303030UL) & (ulong.MaxValue << (64 - (8 * digits)));
            bool valid = ((v | (v + 0x7676767676767676UL)) & 0x8080808080808080UL) == 0;
            value = Joined(v);
            return valid;
        }
    }

    /// <summary>How many decimal digits a word begins with, 0 to 8; the first byte is the lowest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int CountDigits(ulong word)
    {
        ulong plain = word ^ 0x3030303030303030UL;
        ulong others = (plain | unchecked(plain + 0x7676767676767676UL)) & 0x8080808080808080UL;
        return BitOperations.TrailingZeroCount(others) >> 3;
    }

    /// <summary>The number of eight digits; leading bytes of zero count as zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Decimal8(ulong word) => Joined(word & 0x0f0f0f0f0f0f0f0fUL);

    /// <summary>Ten to a power of 0 to 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong PowerOfTen(int power) => Powers[power];

    private static ReadOnlySpan<uint> Powers => [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Joined(ulong digits)
    {
        unchecked
        {
            ulong v = (digits * 10) + (digits >> 8);
            return (((v & 0x000000FF000000FFUL) * 0x000F424000000064UL)
                + (((v >> 16) & 0x000000FF000000FFUL) * 0x0000271000000001UL)) >> 32;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Nibbles(Vector128<byte> text, out bool valid)
    {
        Vector128<byte> decimals = text - Vector128.Create((byte)'0');
        Vector128<byte> letters = text - Vector128.Create((byte)'a');
        Vector128<byte> isDecimal = Vector128.LessThanOrEqual(decimals, Vector128.Create((byte)9));
        Vector128<byte> isLetter = Vector128.LessThanOrEqual(letters, Vector128.Create((byte)5));
        valid = (isDecimal | isLetter) == Vector128<byte>.AllBitsSet;
        return Vector128.ConditionalSelect(isDecimal, decimals, letters + Vector128.Create((byte)10));
    }

    /// <summary>Joins nibbles in pairs: 8 bytes in the low half, first digit first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Packed(Vector128<byte> nibbles)
    {
        Vector128<ushort> pairs = nibbles.AsUInt16();
        Vector128<ushort> joined = ((pairs << 4) | (pairs >> 8)) & Vector128.Create((ushort)0xff);
        return Vector128.Narrow(joined, joined);
    }
}
