using System.Text;

namespace VmScope.Analysis;

/// <summary>What an owner is, for people.</summary>
/// <param name="Subject">The part of the kernel: tty, net, stack, bpf …</param>
/// <param name="OneEach">What there is one area of, when many areas are normal; null when many are not.</param>
/// <param name="HasNoGuard">Whether its areas have no guard page.</param>
/// <param name="Meaning">What the areas hold, one sentence without a full stop.</param>
public sealed record KnownCaller(string Subject, string? OneEach, bool HasNoGuard, string Meaning);

/// <summary>Well-known owners of vmalloc areas and what each of them is.</summary>
/// <remarks>
/// The function in a list is the one that called into vmalloc after the compiler folded helpers into their callers,
/// so one purpose has several names. A name that is not in the table is unknown, and said to be.
/// </remarks>
public static partial class KnownCallers
{
    private static NameIndex? _index;

    /// <summary>How many lines the table has.</summary>
    public static int Count => Table.Count((byte)'\n') + 1;

    /// <summary>What an owner is; null for one nobody described.</summary>
    /// <param name="caller">The owner as printed; offset, size and module behind the function's name do not matter.</param>
    public static KnownCaller? Find(string caller) => Find(Encoding.Latin1.GetBytes(caller));

    /// <summary>What an owner is; null for one nobody described.</summary>
    public static KnownCaller? Find(ReadOnlySpan<byte> caller)
    {
        ReadOnlySpan<byte> function = Function(caller);
        ReadOnlySpan<byte> line = FindLine(function);
        if (line.IsEmpty)
        {
            return null;
        }

        line = line[(line.IndexOf((byte)'|') + 1)..];
        string subject = Field(ref line);
        string oneEach = Field(ref line);
        return new KnownCaller(subject, oneEach == "-" ? null : oneEach, IsListed(Guardless, function), Encoding.UTF8.GetString(line));
    }

    /// <summary>Whether areas of this owner are known to have no guard page.</summary>
    internal static bool HasNoGuard(ReadOnlySpan<byte> caller) => IsListed(Guardless, Function(caller));

    /// <summary>Whether a name is a mapping helper of many drivers, so that two areas of it need not be of one user.</summary>
    internal static bool HidesUser(ReadOnlySpan<byte> caller) => IsListed(Helpers, Function(caller));

    /// <summary>Whether areas of this owner are kernel stacks, which are aligned to their size.</summary>
    internal static bool IsStack(ReadOnlySpan<byte> caller)
    {
        ReadOnlySpan<byte> line = FindLine(Function(caller));
        return line.IndexOf("|stack|task|"u8) >= 0 || line.IndexOf("|stack|processor|the stack"u8) >= 0;
    }

    private static bool IsListed(ReadOnlySpan<byte> names, ReadOnlySpan<byte> function)
    {
        while (!names.IsEmpty)
        {
            int comma = names.IndexOf((byte)',');
            ReadOnlySpan<byte> name = comma < 0 ? names : names[..comma];
            names = comma < 0 ? default : names[(comma + 1)..];
            if (Match(name, function) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The plain name of the function in an owner's text: without offset and compiler's endings.</summary>
    internal static ReadOnlySpan<byte> Function(ReadOnlySpan<byte> caller)
    {
        if (!caller.IsEmpty && caller[0] == '<')
        {
            caller = caller[1..];
        }

        int end = caller.IndexOfAny("+ "u8);
        ReadOnlySpan<byte> name = end < 0 ? caller : caller[..end];
        int dot = name.IndexOf((byte)'.');
        return dot > 0 ? name[..dot] : name;
    }

    /// <summary>The line for a function: an exact name before any pattern, then the longest pattern.</summary>
    private static ReadOnlySpan<byte> FindLine(scoped ReadOnlySpan<byte> function)
    {
        ReadOnlySpan<byte> best = default;
        int bestLength = -1;
        if (function.IsEmpty || function.StartsWith("0x"u8))
        {
            return best;
        }

        NameIndex index = _index ??= NameIndex.Of(Table);
        for (int at = index.First(function[0]); at >= 0; at = index.Next(at))
        {
            int length = Match(index.Name(Table, at), function);
            // The index gives the last line first; of equally good names the first line counts.
            if (length >= 0 && length >= bestLength)
            {
                bestLength = length;
                best = index.Line(Table, at);
            }
        }

        return best;
    }

    /// <summary>How well a name of the table fits: -1 not at all, otherwise the letters that decide; the most when equal.</summary>
    private static int Match(ReadOnlySpan<byte> name, ReadOnlySpan<byte> function)
    {
        int star = name.IndexOf((byte)'*');
        if (star < 0)
        {
            return name.SequenceEqual(function) ? int.MaxValue : -1;
        }

        ReadOnlySpan<byte> head = name[..star];
        ReadOnlySpan<byte> tail = name[(star + 1)..];
        int inner = tail.IndexOf((byte)'*');
        if (inner >= 0)
        {
            tail = tail[..inner];
            return function.StartsWith(head) && function[head.Length..].IndexOf(tail) >= 0 ? head.Length + tail.Length : -1;
        }

        bool fits = function.Length >= head.Length + tail.Length && function.StartsWith(head) && function.EndsWith(tail);
        return fits ? head.Length + tail.Length : -1;
    }

    private static string Field(ref ReadOnlySpan<byte> line)
    {
        int bar = line.IndexOf((byte)'|');
        string field = Encoding.UTF8.GetString(line[..bar]);
        line = line[(bar + 1)..];
        return field;
    }
}
