using System.Text;

namespace VmScope.Cli.Output;

/// <summary>Reads a line a person types: cursor keys, history, completion.</summary>
/// <param name="terminal">Where keys come from and the line is shown.</param>
/// <param name="complete">Words that could stand where the cursor is, by the line up to it.</param>
internal sealed class LineEditor(Terminal terminal, Func<string, IReadOnlyList<string>> complete)
{
    private const int HistoryMax = 1000;
    private const int LineCharsMax = 100_000;
    private readonly List<string> _history = [];
    private readonly StringBuilder _line = new();
    private string _prompt = "";
    private int _cursor;
    private int _shownAt;

    /// <summary>Reads a line; null when the person leaves (Ctrl-D on an empty line).</summary>
    internal string? Read(string prompt)
    {
        _prompt = prompt;
        _line.Clear();
        (_cursor, _shownAt) = (0, 0);
        int at = _history.Count;
        string draft = "";
        Show();
        while (true)
        {
            ConsoleKeyInfo key = terminal.ReadKey();
            if (key == default)
            {
                // The end of input, as the runtime reports it: the terminal is gone.
                return null;
            }

            bool control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
            switch (key.Key)
            {
                case ConsoleKey.Enter:
                    End();
                    Remember();
                    return _line.ToString();
                case ConsoleKey.D when control && _line.Length == 0:
                    End();
                    return null;
                case ConsoleKey.C when control:
                    End();
                    _line.Clear();
                    return "";
                case ConsoleKey.Backspace when _cursor > 0:
                    _line.Remove(--_cursor, 1);
                    break;
                case ConsoleKey.Delete or ConsoleKey.D when (key.Key == ConsoleKey.Delete || control) && _cursor < _line.Length:
                    _line.Remove(_cursor, 1);
                    break;
                case ConsoleKey.LeftArrow or ConsoleKey.B when (key.Key == ConsoleKey.LeftArrow || control) && _cursor > 0:
                    _cursor--;
                    break;
                case ConsoleKey.RightArrow or ConsoleKey.F when (key.Key == ConsoleKey.RightArrow || control) && _cursor < _line.Length:
                    _cursor++;
                    break;
                case ConsoleKey.Home or ConsoleKey.A when key.Key == ConsoleKey.Home || control:
                    _cursor = 0;
                    break;
                case ConsoleKey.End or ConsoleKey.E when key.Key == ConsoleKey.End || control:
                    _cursor = _line.Length;
                    break;
                case ConsoleKey.U when control:
                    _line.Remove(0, _cursor);
                    _cursor = 0;
                    break;
                case ConsoleKey.K when control:
                    _line.Remove(_cursor, _line.Length - _cursor);
                    break;
                case ConsoleKey.W when control:
                    int end = _cursor;
                    while (_cursor > 0 && _line[_cursor - 1] == ' ')
                    {
                        _cursor--;
                    }

                    _cursor = WordStart();
                    _line.Remove(_cursor, end - _cursor);
                    break;
                case ConsoleKey.L when control:
                    terminal.Out.Write("\x1b[2J\x1b[H");
                    break;
                case ConsoleKey.UpArrow or ConsoleKey.P when (key.Key == ConsoleKey.UpArrow || control) && at > 0:
                    draft = at == _history.Count ? _line.ToString() : draft;
                    Replace(_history[--at]);
                    break;
                case ConsoleKey.DownArrow or ConsoleKey.N when (key.Key == ConsoleKey.DownArrow || control) && at < _history.Count:
                    at++;
                    Replace(at == _history.Count ? draft : _history[at]);
                    break;
                case ConsoleKey.Tab:
                    Complete();
                    break;
                default:
                    if (!char.IsControl(key.KeyChar) && !control && _line.Length < LineCharsMax)
                    {
                        _line.Insert(_cursor++, key.KeyChar);
                    }

                    break;
            }

            Show();
        }
    }

    private void Complete()
    {
        string before = _line.ToString(0, _cursor);
        IReadOnlyList<string> words = complete(before);
        if (words.Count == 0)
        {
            return;
        }

        string common = words[0];
        foreach (string word in words)
        {
            int same = 0;
            while (same < common.Length && same < word.Length && char.ToUpperInvariant(common[same]) == char.ToUpperInvariant(word[same]))
            {
                same++;
            }

            common = common[..same];
        }

        int start = WordStart();
        if (common.Length > _cursor - start || words.Count == 1)
        {
            string text = words.Count == 1 && !words[0].EndsWith('=') ? words[0] + " " : common;
            _line.Remove(start, _cursor - start).Insert(start, text);
            _cursor = start + text.Length;
        }
        else
        {
            End();
            terminal.Out.WriteLine(string.Join("  ", words));
        }
    }

    /// <summary>Where the word that ends at the cursor begins; the cursor itself behind a blank.</summary>
    private int WordStart()
    {
        int start = _cursor;
        while (start > 0 && (char.IsAsciiLetterOrDigit(_line[start - 1]) || _line[start - 1] is '_' or '-' or '.'))
        {
            start--;
        }

        return start;
    }

    private void Replace(string text)
    {
        _line.Clear().Append(text);
        _cursor = _line.Length;
    }

    private void Remember()
    {
        string line = _line.ToString();
        if (line.Trim().Length > 0 && (_history.Count == 0 || _history[^1] != line))
        {
            _history.Add(line);
            if (_history.Count > HistoryMax)
            {
                _history.RemoveAt(0);
            }
        }
    }

    private void End()
    {
        _cursor = _line.Length;
        Show();
        terminal.Out.Write("\r\n");
        terminal.Out.Flush();
    }

    /// <summary>Draws the part of the line around the cursor that fits the terminal, so that it never wraps.</summary>
    private void Show()
    {
        int room = Math.Max(10, terminal.Width - _prompt.Length - 1);
        if (_cursor < _shownAt)
        {
            _shownAt = _cursor;
        }
        else if (_cursor - _shownAt > room)
        {
            _shownAt = _cursor - room;
        }

        if (_line.Length <= room)
        {
            _shownAt = 0;
        }

        string shown = _line.ToString(_shownAt, Math.Min(room, _line.Length - _shownAt));
        terminal.Out.Write($"\r\x1b[K{_prompt}{shown}\r\x1b[{_prompt.Length + _cursor - _shownAt}C");
        terminal.Out.Flush();
    }
}
