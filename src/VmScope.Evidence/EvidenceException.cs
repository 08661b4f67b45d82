namespace VmScope;

/// <summary>Input that cannot be read at all: a missing file, a broken archive, a number out of bounds.</summary>
/// <remarks>
/// A single odd line is a diagnostic beside the parsed rest, not this. The message names file, line, value and bound;
/// a command ends with exit code 3.
/// </remarks>
public sealed class EvidenceException : Exception
{
    /// <summary>Makes the error.</summary>
    public EvidenceException(string message) : base(message)
    {
    }

    /// <summary>Makes the error, keeping what caused it.</summary>
    public EvidenceException(string message, Exception inner) : base(message, inner)
    {
    }
}
