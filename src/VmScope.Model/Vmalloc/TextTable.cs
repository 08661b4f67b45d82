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
    private byte[] _bytes = new byte[64 * ShortBytes];
    private int _bytesUsed;
    private Entry[] _entries = new Entry[64];
    private int _count;
    private int[] _slots = new int[256];
    private string?[] _strings = new string?[64];
    private Dictionary<string, int>? _crowded;

    /// <summary>Makes a table that holds the empty text.</summary>
    public TextTable()
    {
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

    private static uint Hash(ReadOnlySpan<byte> text)
    {
        ulong hash = (ulong)text.Length;
        foreach (byte b in text)
        {
            hash = unchecked((hash ^ b) * 0x9E3779B97F4A7C15UL);
            hash ^= hash >> 29;
        }

        return unchecked((uint)hash);
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
        while (_bytesUsed + room > _bytes.Length)
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
