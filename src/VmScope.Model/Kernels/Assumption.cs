namespace VmScope.Kernels;

/// <summary>Something a formula needed and nobody gave.</summary>
/// <param name="Name">What was needed: a configuration symbol, an option, a fact of the machine.</param>
/// <param name="Value">What was taken.</param>
/// <param name="Reason">Why that.</param>
public sealed record Assumption(string Name, string Value, string Reason)
{
    /// <summary>Name, value and reason in one line.</summary>
    public override string ToString() => $"{Name} = {Value} ({Reason})";
}
