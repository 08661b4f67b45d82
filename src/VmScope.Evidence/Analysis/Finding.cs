namespace VmScope.Analysis;

/// <summary>How serious a finding is.</summary>
public enum Severity
{
    /// <summary>Harmless; said because people ask.</summary>
    Info,

    /// <summary>Worth knowing; nothing is wrong.</summary>
    Notice,

    /// <summary>Something is likely wrong, or soon will be.</summary>
    Warning,

    /// <summary>Something is wrong.</summary>
    Error,
}

/// <summary>Something the evidence shows, and how serious it is.</summary>
/// <param name="Id">Stable lower-case name, documented in docs/json.md.</param>
/// <param name="Severity">How serious.</param>
/// <param name="Text">What was seen and what it means, with the numbers; one or more sentences.</param>
/// <param name="Areas">The rows that show it, as the list prints them, the first few of them.</param>
public sealed record Finding(string Id, Severity Severity, string Text, IReadOnlyList<string> Areas)
{
    /// <summary>Whether it makes a command end with exit code 1.</summary>
    public bool HasWeight => Severity >= Severity.Warning;
}
