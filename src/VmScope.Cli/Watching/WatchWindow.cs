using VmScope.Analysis;
using VmScope.Recording;
using VmScope.Sources;

namespace VmScope.Cli.Watching;

/// <summary>Finds the bounds of the vmalloc window from what a sample holds.</summary>
internal static class WatchWindow
{
    /// <summary>A larger window would show its areas as one thin line: then the stretch they lie in is shown instead.</summary>
    private const ulong LargestShown = 4UL * 1024 * 1024 * 1024;

    /// <summary>The window; null when its bounds are not known, or too far apart to draw.</summary>
    internal static WatchArea? Find(RecordedSnapshot snapshot)
    {
        EvidenceBundle bundle = EvidenceBundle.FromSnapshot(snapshot, "the sample");
        if (!bundle.TryOpen("vmallocinfo", out Stream stream))
        {
            return null;
        }

        try
        {
            using (stream)
            {
                ListExplanation list = ListExplanation.Read(stream, "vmallocinfo", ExplainFacts.From(bundle), ExplainOptions.Default);
                return list.Vmalloc?.Window is { Sureness: not Sureness.Guessed, Bytes: <= LargestShown } window
                    ? new WatchArea(window.Start, window.EndExclusive)
                    : null;
            }
        }
        catch (EvidenceException)
        {
            // A list nobody can read has no window; the screen says what is wrong with it.
            return null;
        }
    }
}
