namespace VmScope.Analysis;

/// <summary>What somebody adds to the evidence, or wants beside the answer.</summary>
public sealed record DoctorOptions
{
    /// <summary>No additions.</summary>
    public static DoctorOptions Default { get; } = new();

    /// <summary>Room in bytes that a cure must leave in one piece beside the request.</summary>
    public ulong MarginBytes { get; init; }

    /// <summary>The architecture, where the evidence does not name it; null to take the evidence's word.</summary>
    public string? Architecture { get; init; }
}
