using VmScope.Cli.Output;

namespace VmScope.Tests.Cli;

/// <summary>
/// Goal: the line editor does with keys what people expect of a prompt. Method: keys in, lines out; what is drawn is
/// replayed on a one-line screen and must show the line with the cursor in its place.
/// </summary>
public class LineEditorTests
{
    [Fact]
    public void Keys_edit_the_line()
    {
        Assert.Equal("abXcd", Typed("abcd", ConsoleKey.LeftArrow, ConsoleKey.LeftArrow, 'X', ConsoleKey.Enter));
        Assert.Equal("bcd", Typed("abcd", ConsoleKey.Home, ConsoleKey.Delete, ConsoleKey.Enter));
        Assert.Equal("abc", Typed("abcd", ConsoleKey.Backspace, ConsoleKey.Enter));
        Assert.Equal("one ", Typed("one two", Control(ConsoleKey.W), ConsoleKey.Enter));
        Assert.Equal("one ", Typed("one two  ", Control(ConsoleKey.W), ConsoleKey.Enter));
        Assert.Equal("", Typed("one two", Control(ConsoleKey.U), ConsoleKey.Enter));
        Assert.Equal("o", Typed("one", ConsoleKey.Home, ConsoleKey.RightArrow, Control(ConsoleKey.K), ConsoleKey.Enter));
        Assert.Equal("X", Typed("one", Control(ConsoleKey.A), Control(ConsoleKey.K), 'X', ConsoleKey.Enter));
        // Nothing happens past the ends, and control characters do not enter the line.
        Assert.Equal("a", Typed("a", ConsoleKey.RightArrow, ConsoleKey.Delete, ConsoleKey.F5, '\x01', ConsoleKey.Enter));
        Assert.Equal("", Typed("", ConsoleKey.Backspace, ConsoleKey.LeftArrow, ConsoleKey.UpArrow, ConsoleKey.DownArrow, ConsoleKey.Enter));
    }

    [Fact]
    public void Control_C_drops_the_line_and_Control_D_leaves()
    {
        Assert.Equal("", Typed("abc", Control(ConsoleKey.C)));
        Assert.Null(Typed("", Control(ConsoleKey.D)));
        Assert.Equal("bc", Typed("abc", ConsoleKey.Home, Control(ConsoleKey.D), ConsoleKey.Enter));
    }

    [Fact]
    public void History_goes_up_and_down_and_keeps_the_draft()
    {
        Keys terminal = new();
        LineEditor editor = new(terminal, _ => []);
        terminal.Type("first", ConsoleKey.Enter, "second", ConsoleKey.Enter, "second", ConsoleKey.Enter);
        string?[] lines = [editor.Read("> "), editor.Read("> "), editor.Read("> ")];
        Assert.True(lines is ["first", "second", "second"]);
        terminal.Type("draft", ConsoleKey.UpArrow, ConsoleKey.UpArrow, ConsoleKey.UpArrow, ConsoleKey.Enter);
        Assert.Equal("first", editor.Read("> "));
        terminal.Type("draft", ConsoleKey.UpArrow, ConsoleKey.DownArrow, ConsoleKey.DownArrow, "s", ConsoleKey.Enter);
        Assert.Equal("drafts", editor.Read("> "));
    }

    [Fact]
    public void Tab_completes_as_far_as_it_can()
    {
        Assert.Equal("vmalloc ", Typed(["vmalloc"], "vma", ConsoleKey.Tab, ConsoleKey.Enter));
        Assert.Equal("show vm", Typed(["vmallocinfo", "vmlist"], "show v", ConsoleKey.Tab, ConsoleKey.Tab, ConsoleKey.Enter));
        Assert.Equal("boot ram=", Typed(["ram="], "boot ra", ConsoleKey.Tab, ConsoleKey.Enter));
        Assert.Equal("x y", Typed([], "x y", ConsoleKey.Tab, ConsoleKey.Enter));
    }

    [Fact]
    public void A_long_line_scrolls_inside_the_terminal()
    {
        Keys terminal = new();
        LineEditor editor = new(terminal, _ => []);
        string text = string.Concat(Enumerable.Range(0, 60).Select(i => $"{i} "));
        terminal.Type(text, ConsoleKey.Home, "<", ConsoleKey.End, ">", ConsoleKey.Enter);
        Assert.Equal("<" + text + ">", editor.Read("lab> "));
        Assert.True(terminal.LongestDrawn <= 40, $"{terminal.LongestDrawn} columns were drawn on a terminal of 40");
    }

    private static string? Typed(params object[] keys) => Typed([], keys);

    private static string? Typed(string[] words, params object[] keys)
    {
        Keys terminal = new();
        terminal.Type(keys);
        return new LineEditor(terminal, _ => words).Read("> ");
    }

    private static ConsoleKeyInfo Control(ConsoleKey key) => new((char)(key - ConsoleKey.A + 1), key, shift: false, alt: false, control: true);

    private sealed class Keys : Terminal
    {
        private readonly Queue<ConsoleKeyInfo> _keys = new();
        private readonly StringWriter _out = new();

        internal int LongestDrawn => _out.ToString().Split('\r', '\n')
            .Select(line => line.Replace("\x1b[K", "", StringComparison.Ordinal))
            .Where(line => !line.StartsWith('\x1b'))
            .Max(line => line.Length);

        internal override TextWriter Out => _out;

        internal override Stream OutBytes => Stream.Null;

        internal override TextWriter Error => TextWriter.Null;

        internal override Stream In => Stream.Null;

        internal override bool OutIsTerminal => true;

        internal override bool ErrorIsTerminal => true;

        internal override int Width => 40;

        internal override string? Variable(string name) => null;

        internal override ConsoleKeyInfo ReadKey() => _keys.Dequeue();

        internal void Type(params object[] keys)
        {
            foreach (object key in keys)
            {
                switch (key)
                {
                    case string text:
                        foreach (char c in text)
                        {
                            _keys.Enqueue(new ConsoleKeyInfo(c, ConsoleKey.None, shift: false, alt: false, control: false));
                        }

                        break;
                    case char c:
                        _keys.Enqueue(new ConsoleKeyInfo(c, ConsoleKey.None, shift: false, alt: false, control: false));
                        break;
                    case ConsoleKey plain:
                        _keys.Enqueue(new ConsoleKeyInfo('\0', plain, shift: false, alt: false, control: false));
                        break;
                    case ConsoleKeyInfo info:
                        _keys.Enqueue(info);
                        break;
                }
            }
        }
    }
}
