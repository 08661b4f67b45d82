using System.Collections.Immutable;

namespace VmScope.Proc;

/// <summary>A line that could not be understood, kept beside what could.</summary>
/// <param name="File">The file's name inside the evidence.</param>
/// <param name="Line">Line number, from 1; 0 when the whole file is meant.</param>
/// <param name="Text">The line, cut at <see cref="DiagnosticList.TextLimit"/> characters; may hold anything, so print it through SafeText.</param>
/// <param name="Reason">Why, in a few words.</param>
public sealed record Diagnostic(string File, long Line, string Text, string Reason);

/// <summary>Diagnostics of a run, bounded: the first ones are kept, all are counted.</summary>
public sealed class DiagnosticList
{
    /// <summary>Most diagnostics kept.</summary>
    public const int Limit = 1000;

    /// <summary>Most characters of a line kept.</summary>
    public const int TextLimit = 200;

    private readonly List<Diagnostic> _items = [];

    /// <summary>How many there were; more than are kept when the input is very odd.</summary>
    public long Count { get; private set; }

    /// <summary>The ones kept, in the order they were met.</summary>
    public ImmutableArray<Diagnostic> Items => [.. _items];

    /// <summary>Records one.</summary>
    public void Add(string file, long line, string text, string reason)
    {
        Count++;
        if (_items.Count < Limit)
        {
            _items.Add(new Diagnostic(file, line, text.Length > TextLimit ? text[..TextLimit] : text, reason));
        }
    }
}
