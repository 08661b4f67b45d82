using System.Runtime.CompilerServices;

namespace VmScope.Tests.Support;

/// <summary>The recorded boots of real kernels under <c>Golden/captures</c>, one gzipped tar each.</summary>
internal static class Captures
{
    /// <summary>Fewer than this many means that recorded files got lost, and a test that loops over none cannot fail.</summary>
    private const int AtLeast = 300;

    /// <summary>The folder that holds the archives.</summary>
    internal static string Folder { get; } = Path.Combine(ProjectFolder(), "Golden", "captures");

    /// <summary>The folder of this test project in the source tree.</summary>
    internal static string ProjectFolder([CallerFilePath] string here = "") =>
        Path.GetDirectoryName(Path.GetDirectoryName(here)!)!;

    /// <summary>The root of the repository.</summary>
    internal static string RepositoryFolder { get; } = Path.GetFullPath(Path.Combine(ProjectFolder(), "..", ".."));

    /// <summary>Names of all cases, sorted.</summary>
    internal static IReadOnlyList<string> Names { get; } = FindNames();

    /// <summary>The archive of a case: something every command accepts as evidence.</summary>
    internal static string Archive(string name) => Path.Combine(Folder, name + ".tar.gz");

    /// <summary>Names as theory data.</summary>
    internal static TheoryData<string> Theory(Func<string, bool>? where = null)
    {
        TheoryData<string> data = [];
        foreach (string name in Names.Where(where ?? (_ => true)))
        {
            data.Add(name);
        }

        return data;
    }

    private static string[] FindNames()
    {
        string[] names =
        [
            .. Directory.EnumerateFiles(Folder, "*.tar.gz")
                .Select(path => Path.GetFileName(path)[..^".tar.gz".Length])
                .Order(StringComparer.Ordinal),
        ];
        return names.Length >= AtLeast
            ? names
            : throw new InvalidOperationException($"{names.Length} captures in {Folder}; at least {AtLeast} belong there");
    }
}
