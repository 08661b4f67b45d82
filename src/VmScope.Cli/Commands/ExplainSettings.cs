using VmScope.Cli.Output;
using VmScope.Cli.Output.Pictures;

namespace VmScope.Cli.Commands;

/// <summary>What a list is summed by.</summary>
internal enum Grouping
{
    /// <summary>The function that allocated.</summary>
    Caller,

    /// <summary>The module it belongs to.</summary>
    Module,

    /// <summary>The kernel's word for the area.</summary>
    Kind,

    /// <summary>The NUMA node its memory lies on.</summary>
    Node,

    /// <summary>Not areas but what lies between them.</summary>
    Gap,
}

/// <summary>In which order owners are listed.</summary>
internal enum OwnerOrder
{
    /// <summary>Most address space first.</summary>
    Bytes,

    /// <summary>Most areas first.</summary>
    Areas,

    /// <summary>Most memory first.</summary>
    Pages,

    /// <summary>By name.</summary>
    Name,
}

/// <summary>Everything <c>vmscope explain</c> was asked for.</summary>
internal sealed record ExplainSettings
{
    internal string? Evidence { get; init; }

    internal string? Sample { get; init; }

    internal bool Json { get; init; }

    internal bool Csv { get; init; }

    internal bool All { get; init; }

    internal bool Ascii { get; init; }

    internal Grouping By { get; init; }

    internal OwnerOrder Sort { get; init; }

    internal ulong? Address { get; init; }

    internal string Color { get; init; } = "auto";

    /// <summary>Writes the pictures that were asked for; null when none was.</summary>
    internal Action<Terminal, Func<Picture>>? Draw { get; init; }
}
