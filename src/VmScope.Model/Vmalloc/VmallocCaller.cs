using System.Globalization;

namespace VmScope.Vmalloc;

/// <summary>The owner of an area taken apart: function, place inside it, module.</summary>
/// <param name="Text">As printed, without the module.</param>
/// <param name="Function">The function's name; empty for a raw address.</param>
/// <param name="Offset">Bytes from the function's start to the call; 0 for a raw address.</param>
/// <param name="FunctionBytes">The function's size; 0 when it was not printed.</param>
/// <param name="Module">The module it belongs to; null for the kernel itself.</param>
/// <remarks>
/// Forms: <c>sym+0x1/0x2</c>, the same with <c> [module]</c> or <c> [module buildid]</c>, a raw <c>0x…</c> address
/// (no symbol table, or the function's init code is gone), and a debugger's <c>&lt;sym+12&gt;</c> with decimal offset.
/// Source: kernel/kallsyms.c, sprint_symbol(), 2.6.28 to 7.1; scripts/gdb/linux/vmalloc.py.
/// </remarks>
public sealed record VmallocCaller(string Text, string Function, ulong Offset, ulong FunctionBytes, string? Module)
{
    /// <summary>The function's name without what compilers append: <c>.isra.0</c>, <c>.constprop.0</c>, <c>.cold</c>, <c>.llvm.…</c></summary>
    public string PlainFunction
    {
        get
        {
            int dot = Function.IndexOf('.', 1 <= Function.Length ? 1 : 0);
            return dot < 0 ? Function : Function[..dot];
        }
    }

    /// <summary>Whether only an address is known.</summary>
    public bool IsRawAddress => Function.Length == 0;

    /// <summary>Takes an owner's text apart; a text of no known form is taken as a function's name.</summary>
    public static VmallocCaller Parse(string text)
    {
        string? module = null;
        string owner = text;
        int bracket = text.IndexOf(" [", StringComparison.Ordinal);
        if (bracket > 0 && text.EndsWith(']'))
        {
            string inside = text[(bracket + 2)..^1];
            int blank = inside.IndexOf(' ', StringComparison.Ordinal);
            module = blank < 0 ? inside : inside[..blank];
            owner = text[..bracket];
        }

        string body = owner.StartsWith('<') && owner.EndsWith('>') ? owner[1..^1] : owner;
        int plus = body.LastIndexOf('+');
        if (plus <= 0)
        {
            bool raw = body.StartsWith("0x", StringComparison.Ordinal);
            return new VmallocCaller(owner, raw ? "" : body, Offset: 0, FunctionBytes: 0, module);
        }

        ReadOnlySpan<char> numbers = body.AsSpan(plus + 1);
        int slash = numbers.IndexOf('/');
        _ = TryNumber(slash < 0 ? numbers : numbers[..slash], out ulong offset);
        ulong size = 0;
        if (slash >= 0)
        {
            _ = TryNumber(numbers[(slash + 1)..], out size);
        }

        return new VmallocCaller(owner, body[..plus], offset, size, module);
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out ulong value) =>
        text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
