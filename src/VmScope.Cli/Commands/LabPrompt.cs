using VmScope.Cli.Output;
using VmScope.Lab;

namespace VmScope.Cli.Commands;

/// <summary>The lab's prompt: reads lines from a person, and keeps going after a mistake.</summary>
internal static class LabPrompt
{
    internal static void Run(LabSession session, Terminal terminal)
    {
        LineEditor editor = new(terminal, session.Complete);
        terminal.Out.WriteLine("vmscope lab. Try: boot i386 2.6.27 ram=1G   help lists commands, quit or Ctrl-D leaves.");
        while (!session.IsOver)
        {
            string? line = editor.Read("lab> ");
            while (line is not null && IsOpen(line))
            {
                string? more = editor.Read("...> ");
                line = more is null ? null : line + "\n" + more;
            }

            if (line is null)
            {
                return;
            }

            try
            {
                session.Run(line);
            }
            catch (LabException error)
            {
                terminal.Out.WriteLine($"line {error.Line}, column {error.Column}: {SafeText.Line(error.Message)}");
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or EvidenceException or UsageException)
            {
                terminal.Out.WriteLine(SafeText.Line(error.Message));
            }
        }
    }

    private static bool IsOpen(string text)
    {
        try
        {
            return LabSession.NeedsMore(text);
        }
        catch (LabException)
        {
            // Running it will say what is wrong.
            return false;
        }
    }
}
