namespace VmScope.Cli.Watching;

/// <summary>A screen with a keyboard.</summary>
internal interface IWatchDevice
{
    /// <summary>Columns and rows now; changes when the window is resized.</summary>
    (int Width, int Height) Size { get; }

    /// <summary>Whether somebody asked from outside to stop (a signal).</summary>
    bool StopIsAsked { get; }

    /// <summary>Shows these lines, one per row.</summary>
    void Show(string[] lines);

    /// <summary>A key that was pressed, if any.</summary>
    bool TryKey(out ConsoleKeyInfo key);

    /// <summary>Waits; may return early when something happened.</summary>
    void Wait(TimeSpan time);
}
