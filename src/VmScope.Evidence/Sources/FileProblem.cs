namespace VmScope.Sources;

/// <summary>What went wrong with a file, in words.</summary>
/// <remarks>
/// The executable carries no message texts of the runtime (they cost size and start-up), only their keys; so the usual
/// problems are worded here. What the operating system says of itself is passed on.
/// </remarks>
public static class FileProblem
{
    /// <summary>The problem alone, without the file.</summary>
    public static string Text(Exception error) => error switch
    {
        DirectoryNotFoundException or FileNotFoundException => "no such file or directory",
        PathTooLongException => "the name is too long",
        UnauthorizedAccessException => "permission denied, or a directory",
        _ when KeyEnd(error.Message) > 0 => "cannot be read or written",
        _ => error.Message,
    };

    /// <summary>The file and the problem, as far as the exception names the file.</summary>
    public static string TextWithFile(Exception error) =>
        KeyEnd(error.Message) is > 0 and int end && end + 2 < error.Message.Length
            ? $"{error.Message[(end + 2)..]}: {Text(error)}"
            : error.Message;

    // "IO_PathNotFound_Path, /some/file": where the key ends; 0 when the message is a sentence.
    private static int KeyEnd(string message)
    {
        int end = 0;
        while (end < message.Length && (char.IsAsciiLetterOrDigit(message[end]) || message[end] == '_'))
        {
            end++;
        }

        bool isKey = message.AsSpan(0, end).Contains('_') && (end == message.Length || message.AsSpan(end).StartsWith(", ", StringComparison.Ordinal));
        return isKey ? end : 0;
    }
}
