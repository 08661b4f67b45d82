using System.Buffers;
using VmScope.Vmalloc;

namespace VmScope.Proc;

/// <summary>Reads one line of /proc/vmallocinfo in any form it was ever seen in.</summary>
/// <remarks>
/// The patient half of the reader: log prefixes, hidden or short addresses, words nobody knows, text that went
/// through a mail. The usual line never gets here; see <see cref="VmallocInfoReader"/>.
/// <code>
/// line   = [prefix] "0x" hex "-" "0x" hex blanks size [rest]
/// rest   = "unpurged vm_area" | "vm_map_ram" | [caller ["[" module "]"]] *(field)
/// field  = "pages=" n | "phys=" ["0x"] hex | word | "N" node "=" pages
/// </code>
/// </remarks>
internal static class VmallocLineParser
{
    /// <summary>How far into a line the addresses may begin: what a log puts in front is shorter.</summary>
    private const int PrefixMax = 256;

    /// <summary>A line that grep or a terminal coloured is read up to this length.</summary>
    private const int ColouredMax = 1024;

    private const byte Escape = 0x1b;

    private static readonly SearchValues<byte> SymbolBytes =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$"u8);

    /// <summary>Node numbers are below this (MAX_NUMNODES of the largest configuration).</summary>
    private const ulong NodeMax = 1024;

    /// <summary>Reads a line without its line end.</summary>
    /// <param name="line">The bytes.</param>
    /// <param name="texts">Where owners and unknown words are kept.</param>
    /// <param name="nodes">Where node counts are appended.</param>
    /// <param name="row">The row; its line number is left alone.</param>
    /// <returns>Null when the line was understood, otherwise what was expected.</returns>
    internal static string? Parse(ReadOnlySpan<byte> line, TextTable texts, NodeBuffer nodes, out VmallocRow row)
    {
        row = default;
        if (line.Contains(Escape) && line.Length <= ColouredMax)
        {
            Span<byte> plain = stackalloc byte[ColouredMax];
            int length = WithoutColours(line, plain);
            if (length < line.Length)
            {
                return Parse(plain[..length], texts, nodes, out row);
            }
        }

        int at = FindRange(line, ref row);
        if (at < 0)
        {
            return "no 0xSTART-0xEND SIZE in this line";
        }

        row.FirstNode = nodes.Count;
        string? problem = ParseRest(line, at, texts, nodes, ref row);
        if (problem is not null)
        {
            nodes.CutTo(row.FirstNode);
        }

        return problem;
    }

    /// <summary>Adds what a line says to the row above it, when the line is the tail of a row that was wrapped.</summary>
    /// <returns>False when it holds anything else; then nothing has changed.</returns>
    internal static bool TryTail(ReadOnlySpan<byte> line, TextTable texts, NodeBuffer nodes, ref VmallocRow row)
    {
        int before = nodes.Count;
        if (row.FirstNode + row.NodeCount != before && row.NodeCount > 0)
        {
            return false;
        }

        VmallocRow longer = row;
        longer.FirstNode = before - row.NodeCount;
        int at = 0;
        if (row.Caller != 0 && NextWord(line, ref at, out ReadOnlySpan<byte> size) && size.StartsWith("/0x"u8)
            && texts.Bytes(row.Caller) is var offset && offset.IndexOfAny("/ ["u8) < 0)
        {
            // The kernel's own manual breaks its sample between an owner's offset and size.
            byte[] whole = [.. offset, .. size];
            byte[] rest = [.. whole, .. line[at..]];
            at = whole.Length;
            longer.Caller = texts.Intern(WithModule(rest, whole, ref at));
            line = rest;
        }
        else
        {
            at = 0;
        }

        string? problem = ParseRest(line, at, texts, nodes, ref longer);
        if (problem is null && longer.UnknownWords == row.UnknownWords && longer != row)
        {
            row = longer;
            return true;
        }

        nodes.CutTo(before);
        return false;
    }

    /// <summary>Whether a line has the addresses and the size of a row.</summary>
    internal static bool HasRange(ReadOnlySpan<byte> line)
    {
        VmallocRow row = default;
        return FindRange(line, ref row) >= 0;
    }

    /// <summary>Whether a text, module included, can only be an owner.</summary>
    internal static bool IsOwnerText(ReadOnlySpan<byte> text)
    {
        int blank = text.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = blank < 0 ? text : text[..blank];
        return !word.IsEmpty && word.IndexOfAny((byte)'\t', (byte)'\r', (byte)0) < 0 && LooksLikeOwner(word) && WordFlag(word) == AreaFlags.None;
    }

    private static int FindRange(ReadOnlySpan<byte> line, ref VmallocRow row)
    {
        int limit = Math.Min(line.Length, PrefixMax);
        for (int at = 0; at < limit; at++)
        {
            bool mayStart = line[at] is (byte)'0' or (byte)'(' && (at == 0 || !IsWordByte(line[at - 1]));
            if (mayStart)
            {
                int end = TryRange(line, at, ref row);
                if (end > 0)
                {
                    return end;
                }
            }
        }

        return -1;
    }

    private static int TryRange(ReadOnlySpan<byte> line, int at, ref VmallocRow row)
    {
        VmallocRow candidate = default;
        if (!TryAddress(line, ref at, ref candidate, out ulong start) || at >= line.Length || line[at] != '-')
        {
            return -1;
        }

        at++;
        if (!TryAddress(line, ref at, ref candidate, out ulong end) || at >= line.Length || !IsBlank(line[at]))
        {
            return -1;
        }

        while (at < line.Length && IsBlank(line[at]))
        {
            at++;
        }

        if (!TryDecimal(line, ref at, out ulong size) || (at < line.Length && !IsBlank(line[at])))
        {
            return -1;
        }

        candidate.Start = start;
        candidate.End = end;
        candidate.SizeBytes = size;
        row = candidate;
        return at;
    }

    private static bool TryAddress(ReadOnlySpan<byte> line, ref int at, ref VmallocRow row, out ulong address)
    {
        address = 0;
        ReadOnlySpan<byte> rest = line[at..];
        bool prefixed = rest.StartsWith("0x"u8);
        if (prefixed)
        {
            rest = rest[2..];
        }

        int skipped = 0;
        while (skipped < rest.Length && rest[skipped] == ' ' && skipped < 16)
        {
            skipped++;
        }

        ReadOnlySpan<byte> hidden = rest[skipped..];
        int taken = hidden.StartsWith("(____ptrval____)"u8) ? 16
            : hidden.StartsWith("(ptrval)"u8) ? 8
            : hidden.StartsWith("(null)"u8) ? 6 : 0;
        if (taken > 0)
        {
            at += (prefixed ? 2 : 0) + skipped + taken;
            row.AddressDigits = (byte)(taken == 16 ? 16 : 8);
            row.Flags |= AreaFlags.AddressHidden;
            return true;
        }

        int digits = 0;
        while (digits < rest.Length && HexValue(rest[digits]) is >= 0 and int digit)
        {
            if (digits == 16)
            {
                return false;
            }

            address = (address << 4) | (uint)digit;
            digits++;
        }

        at += 2 + digits;
        row.AddressDigits = (byte)Math.Max(row.AddressDigits, digits);
        return prefixed && digits > 0;
    }

    private static string? ParseRest(ReadOnlySpan<byte> line, int at, TextTable texts, NodeBuffer nodes, ref VmallocRow row)
    {
        bool first = true;
        Span<byte> unknown = stackalloc byte[256];
        int unknownLength = 0;
        line = line.TrimEnd(" \t\r\0"u8);
        if (line.EndsWith("..."u8))
        {
            // A sample cut to fit a page: what follows stands in the next line, or is left out.
            line = line[..^3];
        }

        while (NextWord(line, ref at, out ReadOnlySpan<byte> word))
        {
            bool isFirst = first;
            first = false;
            AreaFlags flag = WordFlag(word);
            if (flag != AreaFlags.None)
            {
                row.Flags |= flag;
                if (flag == AreaFlags.Unpurged)
                {
                    int behind = at;
                    if (NextWord(line, ref behind, out ReadOnlySpan<byte> area) && area.SequenceEqual("vm_area"u8))
                    {
                        at = behind;
                    }
                }

                continue;
            }

            if (word.StartsWith("pages="u8))
            {
                if (!TryWholeDecimal(word[6..], out ulong pages) || pages > uint.MaxValue || row.Has(AreaFlags.HasPages))
                {
                    return "pages= is not followed by one number";
                }

                row.Pages = (uint)pages;
                row.Flags |= AreaFlags.HasPages;
                continue;
            }

            if (word.StartsWith("phys="u8))
            {
                if (!TryPhys(word[5..], ref row))
                {
                    return "phys= is not followed by one hexadecimal number";
                }

                continue;
            }

            if (IsNodeWord(word))
            {
                int equals = word.IndexOf((byte)'=');
                if (!TryWholeDecimal(word[1..equals], out ulong node) || node >= NodeMax
                    || !TryWholeDecimal(word[(equals + 1)..], out ulong pages) || pages > uint.MaxValue)
                {
                    return "a node count is not N<node>=<pages>";
                }

                if (row.NodeCount == NodeMax)
                {
                    return "more node counts than there can be nodes";
                }

                nodes.Add(new NodePages((int)node, (uint)pages));
                row.NodeCount++;
                continue;
            }

            if (isFirst && row.Caller == 0 && (LooksLikeOwner(word) || IsPlainSymbol(word, line[at..])))
            {
                row.Caller = texts.Intern(WithModule(line, word, ref at));
                continue;
            }

            int separator = unknownLength > 0 ? 1 : 0;
            if (unknownLength + separator + word.Length > unknown.Length)
            {
                return "more unknown words than a kernel writes";
            }

            if (separator > 0)
            {
                unknown[unknownLength++] = (byte)' ';
            }

            word.CopyTo(unknown[unknownLength..]);
            unknownLength += word.Length;
        }

        if (unknownLength > 0)
        {
            row.UnknownWords = texts.Intern(unknown[..unknownLength]);
        }

        return null;
    }

    /// <summary>An owner and the module behind it, as one text with one blank between them.</summary>
    private static ReadOnlySpan<byte> WithModule(ReadOnlySpan<byte> line, ReadOnlySpan<byte> word, ref int at)
    {
        int wordStart = at - word.Length;
        int open = at;
        while (open < line.Length && IsBlank(line[open]))
        {
            open++;
        }

        if (open >= line.Length || line[open] != '[')
        {
            return word;
        }

        int close = line[open..].IndexOf((byte)']');
        if (close < 0)
        {
            return word;
        }

        bool asPrinted = open == at + 1 && line[at] == ' ';
        at = open + close + 1;
        return asPrinted ? line[wordStart..at] : (byte[])[.. word, (byte)' ', .. line[open..at]];
    }

    /// <summary>Copies a line without what colours it: ESC [ digits and semicolons, and an m or K.</summary>
    private static int WithoutColours(ReadOnlySpan<byte> line, Span<byte> plain)
    {
        int length = 0;
        for (int at = 0; at < line.Length; at++)
        {
            if (line[at] == Escape && at + 1 < line.Length && line[at + 1] == '[')
            {
                int end = at + 2;
                while (end < line.Length && line[end] is (>= (byte)'0' and <= (byte)'9') or (byte)';')
                {
                    end++;
                }

                if (end < line.Length && line[end] is (byte)'m' or (byte)'K')
                {
                    at = end;
                    continue;
                }
            }

            plain[length++] = line[at];
        }

        return length;
    }

    /// <summary>Whether a word can only be an owner: it has an offset, is an address, or stands in angle brackets.</summary>
    private static bool LooksLikeOwner(ReadOnlySpan<byte> word)
    {
        if (word.StartsWith("0x"u8) && word.Length > 2)
        {
            return true;
        }

        if (word[0] == '<' && word[^1] == '>' && word.Length > 2)
        {
            return true;
        }

        int plus = word.LastIndexOf((byte)'+');
        return plus > 0 && plus + 1 < word.Length && char.IsAsciiDigit((char)word[plus + 1]);
    }

    /// <summary>Whether a word is an owner without offset, as debuggers' scripts print it: a symbol, and known words behind it.</summary>
    private static bool IsPlainSymbol(ReadOnlySpan<byte> word, ReadOnlySpan<byte> behind)
    {
        if (word[0] is >= (byte)'0' and <= (byte)'9' || word.ContainsAnyExcept(SymbolBytes))
        {
            return false;
        }

        int at = 0;
        return NextWord(behind, ref at, out ReadOnlySpan<byte> next)
            && (next[0] == '[' || next.StartsWith("pages="u8) || next.StartsWith("phys="u8) || WordFlag(next) != AreaFlags.None);
    }

    private static AreaFlags WordFlag(ReadOnlySpan<byte> word) => word.Length switch
    {
        4 when word.SequenceEqual("vmap"u8) => AreaFlags.Vmap,
        4 when word.SequenceEqual("user"u8) => AreaFlags.User,
        6 when word.SequenceEqual("vpages"u8) => AreaFlags.Vpages,
        6 when word.SequenceEqual("sparse"u8) => AreaFlags.Sparse,
        7 when word.SequenceEqual("vmalloc"u8) => AreaFlags.Vmalloc,
        7 when word.SequenceEqual("ioremap"u8) => AreaFlags.Ioremap,
        8 when word.SequenceEqual("unpurged"u8) => AreaFlags.Unpurged,
        10 when word.SequenceEqual("vm_map_ram"u8) => AreaFlags.VmMapRam,
        12 when word.SequenceEqual("dma-coherent"u8) => AreaFlags.DmaCoherent,
        _ => AreaFlags.None,
    };

    private static bool IsNodeWord(ReadOnlySpan<byte> word) =>
        word.Length >= 3 && word[0] == 'N' && word[1] is >= (byte)'0' and <= (byte)'9' && word.Contains((byte)'=');

    private static bool TryPhys(ReadOnlySpan<byte> text, ref VmallocRow row)
    {
        AreaFlags form = AreaFlags.HasPhys;
        if (text.StartsWith("0x"u8))
        {
            form |= AreaFlags.PhysPrefixed;
            text = text[2..];
        }

        if (text.IsEmpty || text.Length > 16 || row.Has(AreaFlags.HasPhys))
        {
            return false;
        }

        ulong value = 0;
        foreach (byte b in text)
        {
            int digit = HexValue(b);
            if (digit < 0)
            {
                return false;
            }

            value = (value << 4) | (uint)digit;
        }

        row.Phys = value;
        row.PhysDigits = (byte)text.Length;
        row.Flags |= form;
        return true;
    }

    private static bool TryWholeDecimal(ReadOnlySpan<byte> text, out ulong value)
    {
        int at = 0;
        return TryDecimal(text, ref at, out value) && at == text.Length;
    }

    private static bool TryDecimal(ReadOnlySpan<byte> text, ref int at, out ulong value)
    {
        value = 0;
        int start = at;
        while (at < text.Length && text[at] is >= (byte)'0' and <= (byte)'9')
        {
            // 19 digits always fit; more are no size of anything.
            if (at - start == 19)
            {
                return false;
            }

            value = (value * 10) + (uint)(text[at] - '0');
            at++;
        }

        return at > start;
    }

    private static bool NextWord(ReadOnlySpan<byte> line, ref int at, out ReadOnlySpan<byte> word)
    {
        while (at < line.Length && IsBlank(line[at]))
        {
            at++;
        }

        int start = at;
        while (at < line.Length && !IsBlank(line[at]))
        {
            at++;
        }

        word = line[start..at];
        return !word.IsEmpty;
    }

    private static int HexValue(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };

    private static bool IsBlank(byte b) => b is (byte)' ' or (byte)'\t' or (byte)'\r' or 0;

    private static bool IsWordByte(byte b) => b == '_' || char.IsAsciiLetterOrDigit((char)b);
}
