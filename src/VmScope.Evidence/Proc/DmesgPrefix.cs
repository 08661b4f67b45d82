using System.Buffers;

namespace VmScope.Proc;

/// <summary>Finds where a kernel message begins behind whatever a log wrote before it.</summary>
/// <remarks>
/// Known: a mail's quotation marks; the level <c>&lt;4&gt;</c>; the time <c>[   12.345678]</c>, with a CPU (<c>@0</c>) or a caller
/// (<c>[    T1]</c>, <c>[0:  swapper/0:    1]</c>) behind it; <c>dmesg -T</c>'s and <c>-x</c>'s forms; /dev/kmsg records
/// (<c>6,339,5140900,-;</c>); syslog and journal lines up to <c>kernel: </c>.
/// Exactly one blank follows a prefix: more belong to the message, and the layout block begins with blanks.
/// </remarks>
internal static class DmesgPrefix
{
    private static readonly SearchValues<char> Seconds = SearchValues.Create("0123456789.@");

    /// <summary>The message without what stands before it; the whole line when it has no prefix.</summary>
    internal static ReadOnlySpan<char> Strip(ReadOnlySpan<char> line)
    {
        ReadOnlySpan<char> rest = Unquoted(line);
        // Two rounds of everything: a syslog line repeats the level or the time behind "kernel: ".
        for (int round = 0; round < 2; round++)
        {
            rest = AfterSyslog(AfterKmsg(AfterLevel(rest)));
            rest = AfterTimes(rest);
        }

        return rest;
    }

    /// <summary>A line without the quotation marks of a mail: "> ", ">> ", "> > ".</summary>
    internal static ReadOnlySpan<char> Unquoted(ReadOnlySpan<char> line)
    {
        ReadOnlySpan<char> rest = line;
        while (rest.Length > 0 && rest[0] == '>')
        {
            rest = AfterOneBlank(rest[1..]);
        }

        return rest;
    }

    private static ReadOnlySpan<char> AfterLevel(ReadOnlySpan<char> text)
    {
        // <4>, <12>, and the continuation mark <c>.
        if (text.Length < 3 || text[0] != '<')
        {
            return AfterDecodedLevel(text);
        }

        int close = text[..Math.Min(text.Length, 6)].IndexOf('>');
        return close >= 2 && IsLevel(text[1..close]) ? text[(close + 1)..] : text;
    }

    private static bool IsLevel(ReadOnlySpan<char> text) => text is "c" || text.IndexOfAnyExceptInRange('0', '9') < 0;

    // dmesg -x: "kern  :info  : [    0.000000] text".
    private static ReadOnlySpan<char> AfterDecodedLevel(ReadOnlySpan<char> text)
    {
        if (!text.StartsWith("kern ", StringComparison.Ordinal) && !text.StartsWith("user ", StringComparison.Ordinal))
        {
            return text;
        }

        int first = text.IndexOf(':');
        if (first is < 4 or > 8)
        {
            return text;
        }

        int second = text[(first + 1)..].IndexOf(':');
        return second is > 2 and < 9 ? AfterOneBlank(text[(first + second + 2)..]) : text;
    }

    // /dev/kmsg: priority, sequence, microseconds, flags; then the message.
    private static ReadOnlySpan<char> AfterKmsg(ReadOnlySpan<char> text)
    {
        if (text.Length == 0 || !char.IsAsciiDigit(text[0]))
        {
            return text;
        }

        int semicolon = text[..Math.Min(text.Length, 80)].IndexOf(';');
        if (semicolon < 0)
        {
            return text;
        }

        ReadOnlySpan<char> head = text[..semicolon];
        return head.Count(',') >= 2 && char.IsAsciiDigit(head[head.IndexOf(',') + 1]) ? text[(semicolon + 1)..] : text;
    }

    // "Jan  1 12:34:56 host kernel: text", "2026-01-01T12:34:56+00:00 host kernel: text", and journalctl's forms.
    private static ReadOnlySpan<char> AfterSyslog(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> head = text[..Math.Min(text.Length, 128)];
        int at = head.IndexOf(" kernel: ", StringComparison.Ordinal);
        if (at >= 0 && LooksLikeSyslogHead(head[..at]))
        {
            return text[(at + " kernel: ".Length)..];
        }

        // dmesg --time-format iso has no host.
        int blank = head.IndexOf(' ');
        return blank >= 19 && IsIsoTime(head[..blank]) ? text[(blank + 1)..] : text;
    }

    private static bool LooksLikeSyslogHead(ReadOnlySpan<char> head)
    {
        int blank = head.IndexOf(' ');
        if (blank > 0 && IsIsoTime(head[..blank]))
        {
            return true;
        }

        // A month, a day and a time; or journalctl -o short-monotonic's bracketed seconds.
        return (head.Length >= 15 && char.IsAsciiLetterUpper(head[0]) && head[6] == ' ' && head[9] == ':' && head[12] == ':')
            || (head.Length > 3 && head[0] == '[' && head.IndexOf(']') > 0);
    }

    private static bool IsIsoTime(ReadOnlySpan<char> word) =>
        word.Length >= 19 && word[4] == '-' && word[7] == '-' && word[10] == 'T' && word[13] == ':' && word[16] == ':';

    private static ReadOnlySpan<char> AfterTimes(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> rest = text;
        if (!TryTime(ref rest))
        {
            return text;
        }

        // A caller may follow directly or behind a blank.
        ReadOnlySpan<char> caller = rest;
        while (caller.Length > 0 && caller[0] == ' ' && caller.Length + 2 > rest.Length)
        {
            caller = caller[1..];
        }

        return AfterOneBlank(TryCaller(ref caller) ? caller : rest);
    }

    // "[    0.000000]", "[    0.000000@0]", "[Mon Jan  1 12:34:56 2026]".
    private static bool TryTime(ref ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> inside = Bracketed(text);
        if (inside.IsEmpty)
        {
            return false;
        }

        ReadOnlySpan<char> trimmed = inside.Trim();
        bool seconds = trimmed.IndexOf('.') is > 0 and < 12 && trimmed.IndexOfAnyExcept(Seconds) < 0;
        bool calendar = trimmed.Length is >= 20 and <= 32 && char.IsAsciiLetterUpper(trimmed[0]) && trimmed.Count(':') == 2;
        if (!seconds && !calendar)
        {
            return false;
        }

        text = text[(inside.Length + 2)..];
        return true;
    }

    // "[    T1]", "[   C0]" and the vendor form "[0:      swapper:    0]".
    private static bool TryCaller(ref ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> inside = Bracketed(text);
        ReadOnlySpan<char> trimmed = inside.Trim();
        bool standard = trimmed.Length > 1 && trimmed[0] is 'T' or 'C' && trimmed[1..].IndexOfAnyExceptInRange('0', '9') < 0;
        bool vendor = trimmed.Length > 4 && trimmed.Count(':') >= 2 && char.IsAsciiDigit(trimmed[0]) && char.IsAsciiDigit(trimmed[^1]);
        if (!standard && !vendor)
        {
            return false;
        }

        text = text[(inside.Length + 2)..];
        return true;
    }

    private static ReadOnlySpan<char> Bracketed(ReadOnlySpan<char> text)
    {
        if (text.Length < 3 || text[0] != '[')
        {
            return default;
        }

        int close = text[..Math.Min(text.Length, 48)].IndexOf(']');
        return close < 2 ? default : text[1..close];
    }

    private static ReadOnlySpan<char> AfterOneBlank(ReadOnlySpan<char> text) =>
        text.Length > 0 && text[0] == ' ' ? text[1..] : text;
}
