using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace VmScope.Vmalloc;

/// <summary>Texts kept once each and named by small numbers; number 0 is the empty text.</summary>
/// <remarks>
/// Texts are bytes as they were read: names in a log need not be valid text. Looking one up that is already there
/// allocates nothing. Texts of up to <see cref="ShortBytes"/> bytes are stored padded to that length, so that one
/// wide comparison decides; texts from outside that share a hash fall back to an ordinary dictionary, so that nobody
/// can make the table slow by choosing names.
/// </remarks>
public sealed class TextTable
{
    /// <summary>The length up to which a text is looked up by one wide comparison.</summary>
    public const int ShortBytes = 64;

    private const int ProbesMax = 32;
    private const int RecentBits = 11;
    private const int RecentLine = 64;

    /// <summary>The longest text the cache takes: what a line has room for beside length and number.</summary>
    private const int RecentText = RecentLine - (2 * sizeof(int));
    private byte[] _bytes = new byte[64 * ShortBytes];
    private int _bytesUsed;
    private Entry[] _entries = new Entry[64];
    private int _count;
    private int[] _slots = new int[256];
    private string?[] _strings = new string?[64];

    /// <summary>
    /// A cache in front of the table, one place for each hash: a list names few owners, again and again. A place is one line of the
    /// processor's cache: the text itself, its length, its number.
    /// </summary>
    private readonly byte[] _recent = new byte[(RecentLine << RecentBits) + RecentLine];
    private readonly int _recentStart;
    private Dictionary<string, int>? _crowded;

    /// <summary>Makes a table that holds the empty text.</summary>
    public unsafe TextTable()
    {
        // An array of this size is hardly ever moved; if it is, places straddle two lines, and nothing else changes.
        _recentStart = (int)(-(nint)Unsafe.AsPointer(ref _recent[0]) & (RecentLine - 1));
        _entries[0] = default;
        _strings[0] = "";
        _count = 1;
    }

    /// <summary>How many texts there are, the empty one included.</summary>
    public int Count => _count;

    /// <summary>The number of a text, adding it when it is new.</summary>
    public int Intern(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty)
        {
            return 0;
        }

        if ((_count + 1) * 2 > _slots.Length)
        {
            Grow();
        }

        uint hash = Hash(text);
        int mask = _slots.Length - 1;
        int slot = (int)(hash & (uint)mask);
        for (int probe = 0; probe < ProbesMax; probe++)
        {
            int id = _slots[slot];
            if (id == 0)
            {
                id = Append(text, hash);
                _slots[slot] = id;
                return id;
            }

            if (_entries[id].Hash == hash && Bytes(id).SequenceEqual(text))
            {
                return id;
            }

            slot = (slot + 1) & mask;
        }

        return InternCrowded(text, hash);
    }

    /// <summary>The number of a text, adding it when it is new; characters outside Latin-1 become '?'.</summary>
    public int Intern(string text) => Intern(Encoding.Latin1.GetBytes(text));

    /// <summary>The bytes of a text.</summary>
    public ReadOnlySpan<byte> Bytes(int id)
    {
        ref readonly Entry entry = ref Find(id);
        return _bytes.AsSpan(entry.Offset, entry.Length);
    }

    /// <summary>The text, one character for each byte.</summary>
    public string Text(int id)
    {
        _ = Find(id);
        return _strings[id] ??= Encoding.Latin1.GetString(Bytes(id));
    }

    /// <summary>The number of a text of at most <see cref="ShortBytes"/> bytes, adding it when it is new.</summary>
    /// <param name="text">Its first byte; <see cref="ShortBytes"/> bytes from there must be readable.</param>
    /// <param name="length">Its length, 1 to <see cref="ShortBytes"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int InternShort(ref byte text, int length)
    {
        ref byte recent = ref Recent(Hash(ref text, length));
        return Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref recent, RecentText)) == length && SameShort(ref text, ref recent, length)
            ? Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref recent, RecentText + sizeof(int)))
            : InternRecent(ref text, length);
    }

    /// <summary>The place of a hash in the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref byte Recent(uint hash) => ref Unsafe.Add(
        ref MemoryMarshal.GetArrayDataReference(_recent), (nint)(uint)_recentStart + (nint)((hash >> (32 - RecentBits)) * RecentLine));

    private int InternRecent(ref byte text, int length)
    {
        int id = Intern(MemoryMarshal.CreateReadOnlySpan(ref text, length));
        if (length <= RecentText)
        {
            ref byte recent = ref Recent(Hash(ref text, length));
            Unsafe.CopyBlockUnaligned(ref recent, ref text, RecentText);
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref recent, RecentText), length);
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref recent, RecentText + sizeof(int)), id);
        }

        return id;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool SameShort(ref byte left, ref byte right, int length)
    {
        ulong equal;
        if (Vector512.IsHardwareAccelerated)
        {
            equal = Vector512.Equals(Vector512.LoadUnsafe(ref left), Vector512.LoadUnsafe(ref right)).ExtractMostSignificantBits();
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            equal = Vector256.Equals(Vector256.LoadUnsafe(ref left), Vector256.LoadUnsafe(ref right)).ExtractMostSignificantBits()
                | ((ulong)Vector256.Equals(Vector256.LoadUnsafe(ref left, 32), Vector256.LoadUnsafe(ref right, 32)).ExtractMostSignificantBits() << 32);
        }
        else
        {
            return MemoryMarshal.CreateReadOnlySpan(ref left, length).SequenceEqual(MemoryMarshal.CreateReadOnlySpan(ref right, length));
        }

        return ~equal << (ShortBytes - length) == 0;
    }

    private static uint Hash(ReadOnlySpan<byte> text) => Hash(ref MemoryMarshal.GetReference(text), text.Length);

    /// <summary>Mixes the length with eight bytes of the beginning, the middle and the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Hash(ref byte text, int length)
    {
        unchecked
        {
            ulong hash = (ulong)length * 0x9E3779B97F4A7C15UL;
            if (length >= 8)
            {
                ulong first = Unsafe.ReadUnaligned<ulong>(ref text);
                ulong middle = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref text, (length - 8) / 2));
                ulong last = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref text, length - 8));
                hash = (hash ^ first) * 0xC2B2AE3D27D4EB4FUL;
                hash = (BitOperations.RotateLeft(hash, 29) ^ middle) * 0x9E3779B97F4A7C15UL;
                hash = (BitOperations.RotateLeft(hash, 29) ^ last) * 0xC2B2AE3D27D4EB4FUL;
            }
            else
            {
                for (int i = 0; i < length; i++)
                {
                    hash = (hash ^ Unsafe.Add(ref text, i)) * 0x9E3779B97F4A7C15UL;
                }
            }

            return (uint)(hash >> 32);
        }
    }

    private ref readonly Entry Find(int id)
    {
        if ((uint)id >= (uint)_count)
        {
            throw new ArgumentOutOfRangeException(nameof(id), id, $"the table holds {_count} texts");
        }

        return ref _entries[id];
    }

    private int InternCrowded(ReadOnlySpan<byte> text, uint hash)
    {
        _crowded ??= new Dictionary<string, int>(StringComparer.Ordinal);
        string key = Encoding.Latin1.GetString(text);
        if (!_crowded.TryGetValue(key, out int id))
        {
            id = Append(text, hash);
            _crowded.Add(key, id);
        }

        return id;
    }

    private int Append(ReadOnlySpan<byte> text, uint hash)
    {
        int room = Math.Max(text.Length, ShortBytes);
        // A wide comparison may read past the last text.
        while (_bytesUsed + room + ShortBytes > _bytes.Length)
        {
            Array.Resize(ref _bytes, checked(_bytes.Length * 2));
        }

        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, checked(_count * 2));
            Array.Resize(ref _strings, _entries.Length);
        }

        text.CopyTo(_bytes.AsSpan(_bytesUsed));
        int id = _count++;
        _entries[id] = new Entry(_bytesUsed, text.Length, hash);
        _bytesUsed += room;
        return id;
    }

    private void Grow()
    {
        int[] slots = new int[_slots.Length * 2];
        for (int id = 1; id < _count; id++)
        {
            int slot = (int)(_entries[id].Hash & (uint)(slots.Length - 1));
            int probes = 0;
            while (slots[slot] != 0 && probes < ProbesMax)
            {
                slot = (slot + 1) & (slots.Length - 1);
                probes++;
            }

            if (probes < ProbesMax)
            {
                slots[slot] = id;
            }
            else
            {
                _crowded ??= new Dictionary<string, int>(StringComparer.Ordinal);
                _crowded[Text(id)] = id;
            }
        }

        _slots = slots;
    }

    private readonly record struct Entry(int Offset, int Length, uint Hash);
}
