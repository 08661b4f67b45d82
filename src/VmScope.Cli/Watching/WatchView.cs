namespace VmScope.Cli.Watching;

/// <summary>What the table is sorted by.</summary>
internal enum WatchSort
{
    /// <summary>Bytes held.</summary>
    Bytes,

    /// <summary>Areas held.</summary>
    Areas,

    /// <summary>Bytes more than at the mark.</summary>
    Growth,

    /// <summary>The name.</summary>
    Name,
}

/// <summary>What a key asks the loop to do; everything else a key does is in the view itself.</summary>
internal enum WatchRequest
{
    /// <summary>Draw again.</summary>
    None,

    /// <summary>Leave.</summary>
    Quit,

    /// <summary>Count from here.</summary>
    Mark,

    /// <summary>Next sample now (paused replay).</summary>
    StepForward,

    /// <summary>One sample back (replay).</summary>
    StepBack,
}

/// <summary>What the person at the keyboard chose.</summary>
internal sealed class WatchView
{
    private string _typed = "";

    internal WatchSort Sort { get; private set; }

    internal string Filter { get; private set; } = "";

    internal bool IsPaused { get; private set; }

    internal bool ShowsHelp { get; private set; }

    internal int Scroll { get; private set; }

    /// <summary>What has been typed of a filter; null when none is being typed.</summary>
    internal string? Typing { get; private set; }

    /// <summary>Takes a key.</summary>
    internal WatchRequest Press(ConsoleKeyInfo key, int pageRows)
    {
        if (Typing is not null)
        {
            Type(key);
            return WatchRequest.None;
        }

        bool wasHelp = ShowsHelp;
        ShowsHelp = false;
        switch (key)
        {
            case { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control }:
            case { KeyChar: 'q' or 'Q' }:
                return WatchRequest.Quit;
            case { KeyChar: 'p' or ' ' }:
                IsPaused = !IsPaused;
                return WatchRequest.None;
            case { KeyChar: 's' }:
                Sort = (WatchSort)(((int)Sort + 1) % 4);
                Scroll = 0;
                return WatchRequest.None;
            case { KeyChar: 'f' or '/' }:
                (Typing, _typed) = (Filter, Filter);
                return WatchRequest.None;
            case { KeyChar: 'm' }:
                return WatchRequest.Mark;
            case { KeyChar: '?' or 'h' }:
                ShowsHelp = !wasHelp;
                return WatchRequest.None;
            default:
                return Move(key.Key, pageRows);
        }
    }

    /// <summary>Keeps the scroll position inside the table.</summary>
    internal void LimitScroll(int rows, int pageRows) => Scroll = Math.Clamp(Scroll, 0, Math.Max(rows - pageRows, 0));

    private WatchRequest Move(ConsoleKey key, int pageRows)
    {
        switch (key)
        {
            case ConsoleKey.DownArrow:
                Scroll++;
                break;
            case ConsoleKey.UpArrow:
                Scroll = Math.Max(Scroll - 1, 0);
                break;
            case ConsoleKey.PageDown:
                Scroll += Math.Max(pageRows, 1);
                break;
            case ConsoleKey.PageUp:
                Scroll = Math.Max(Scroll - Math.Max(pageRows, 1), 0);
                break;
            case ConsoleKey.Home:
                Scroll = 0;
                break;
            case ConsoleKey.RightArrow:
                return WatchRequest.StepForward;
            case ConsoleKey.LeftArrow:
                return WatchRequest.StepBack;
            default:
                break;
        }

        return WatchRequest.None;
    }

    private void Type(ConsoleKeyInfo key)
    {
        const int longestFilter = 60;
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                (Filter, Typing, Scroll) = (_typed, null, 0);
                return;
            case ConsoleKey.Escape:
                (Filter, Typing) = ("", null);
                return;
            case ConsoleKey.Backspace:
                _typed = _typed.Length > 0 ? _typed[..^1] : "";
                break;
            default:
                _typed = !char.IsControl(key.KeyChar) && _typed.Length < longestFilter ? _typed + key.KeyChar : _typed;
                break;
        }

        Typing = _typed;
        Filter = _typed;
    }
}
