using System.Buffers.Binary;

namespace VmScope.Recording;

/// <summary>Says one text as runs of lines of an earlier one, with the new lines between.</summary>
/// <remarks>
/// A list of areas keeps its order and most of its lines from sample to sample, so one pass forward with a look-up of
/// each line's place in the earlier text is enough; a moved line only costs a step of its own.
/// </remarks>
internal static class LineChanges
{
    private const byte CopyStep = 0;
    private const byte InsertStep = 1;

    /// <summary>Writes the steps that make <paramref name="now"/> out of <paramref name="before"/>.</summary>
    internal static void Write(ReadOnlySpan<byte> before, ReadOnlySpan<byte> now, MemoryStream to)
    {
        List<(int Start, int End)> earlier = Lines(before);
        Dictionary<ulong, int> placeOf = new(earlier.Count);
        for (int i = 0; i < earlier.Count; i++)
        {
            placeOf.TryAdd(Hash(before[earlier[i].Start..earlier[i].End]), i);
        }

        List<(byte Kind, int First, int Count)> steps = [];
        int expected = 0;
        foreach ((int start, int end) in Lines(now))
        {
            ReadOnlySpan<byte> line = now[start..end];
            int place = Same(before, earlier, expected, line) ? expected
                : placeOf.TryGetValue(Hash(line), out int found) && Same(before, earlier, found, line) ? found : -1;
            if (place < 0)
            {
                if (steps is [.., (InsertStep, int at, int count)] && at + count == start)
                {
                    steps[^1] = (InsertStep, at, count + line.Length);
                }
                else
                {
                    steps.Add((InsertStep, start, line.Length));
                }

                continue;
            }

            if (steps is [.., (CopyStep, int first, int copied)] && first + copied == place)
            {
                steps[^1] = (CopyStep, first, copied + 1);
            }
            else
            {
                steps.Add((CopyStep, place, 1));
            }

            expected = place + 1;
        }

        WriteNumber(to, steps.Count);
        foreach ((byte kind, int first, int count) in steps)
        {
            to.WriteByte(kind);
            if (kind == CopyStep)
            {
                WriteNumber(to, first);
                WriteNumber(to, count);
            }
            else
            {
                WriteNumber(to, count);
                to.Write(now.Slice(first, count));
            }
        }
    }

    /// <summary>Carries out the steps.</summary>
    /// <param name="before">The earlier text.</param>
    /// <param name="steps">What <see cref="Write"/> wrote; advanced past it.</param>
    /// <param name="bytesMax">Most bytes the result may have.</param>
    /// <returns>Null when the steps do not fit the earlier text or the result would be too large.</returns>
    internal static byte[]? Apply(ReadOnlySpan<byte> before, ref ReadOnlySpan<byte> steps, int bytesMax)
    {
        if (!TakeNumber(ref steps, out int count))
        {
            return null;
        }

        List<(int Start, int End)> earlier = Lines(before);
        using MemoryStream result = new();
        for (int i = 0; i < count; i++)
        {
            if (steps.IsEmpty)
            {
                return null;
            }

            byte kind = steps[0];
            steps = steps[1..];
            if (!TakeNumber(ref steps, out int first))
            {
                return null;
            }

            ReadOnlySpan<byte> piece;
            if (kind == CopyStep)
            {
                if (!TakeNumber(ref steps, out int lines) || lines < 1 || first > earlier.Count - lines)
                {
                    return null;
                }

                piece = before[earlier[first].Start..earlier[first + lines - 1].End];
            }
            else if (kind == InsertStep && first <= steps.Length)
            {
                piece = steps[..first];
                steps = steps[first..];
            }
            else
            {
                return null;
            }

            if (piece.Length > bytesMax - result.Length)
            {
                return null;
            }

            result.Write(piece);
        }

        return result.ToArray();
    }

    internal static void WriteNumber(MemoryStream to, int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        to.Write(bytes);
    }

    /// <summary>Takes a number that is not negative.</summary>
    internal static bool TakeNumber(ref ReadOnlySpan<byte> from, out int value)
    {
        value = 0;
        if (from.Length < sizeof(int))
        {
            return false;
        }

        value = BinaryPrimitives.ReadInt32LittleEndian(from);
        from = from[sizeof(int)..];
        return value >= 0;
    }

    private static bool Same(ReadOnlySpan<byte> before, List<(int Start, int End)> earlier, int index, ReadOnlySpan<byte> line) =>
        index < earlier.Count && before[earlier[index].Start..earlier[index].End].SequenceEqual(line);

    private static ulong Hash(ReadOnlySpan<byte> line)
    {
        // FNV-1a over whole words: only a hint, equality is checked.
        ulong hash = 14695981039346656037;
        while (line.Length >= sizeof(ulong))
        {
            hash = unchecked((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(line)) * 1099511628211);
            hash ^= hash >> 29;
            line = line[sizeof(ulong)..];
        }

        foreach (byte b in line)
        {
            hash = unchecked((hash ^ b) * 1099511628211);
        }

        return hash;
    }

    private static List<(int Start, int End)> Lines(ReadOnlySpan<byte> text)
    {
        List<(int, int)> lines = new(text.Length / 64);
        int start = 0;
        while (start < text.Length)
        {
            int length = text[start..].IndexOf((byte)'\n');
            int end = length < 0 ? text.Length : start + length + 1;
            lines.Add((start, end));
            start = end;
        }

        return lines;
    }
}
