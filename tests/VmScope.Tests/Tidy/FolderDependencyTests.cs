using VmScope.Tests.Support;

namespace VmScope.Tests.Tidy;

/// <summary>Keeps the table "who may know whom" of ARCHITECTURE.md true.</summary>
public class FolderDependencyTests
{
    /// <summary>Each folder and the ones it may name in a using line.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Addressing"] = [],
        ["Kernels"] = ["Addressing"],
        ["Physical"] = ["Addressing", "Kernels"],
        ["Layout"] = ["Addressing", "Kernels", "Physical"],
        ["Paging"] = ["Addressing", "Kernels", "Physical"],
        ["Vmalloc"] = ["Addressing", "Kernels", "Physical", "Layout", "Paging"],
        ["Highmem"] = ["Addressing", "Kernels", "Physical", "Layout", "Paging"],
        ["Machine"] = ["Addressing", "Kernels", "Physical", "Layout", "Paging", "Vmalloc", "Highmem"],
        ["Recording"] = [],
        ["Proc"] = ["Addressing", "Kernels", "Physical", "Vmalloc", "Layout"],
        ["Sources"] = ["Addressing", "Kernels", "Physical", "Vmalloc", "Layout", "Proc", "Recording"],
        ["Traces"] = ["Addressing", "Kernels", "Physical", "Vmalloc", "Layout", "Proc", "Sources"],
        ["Replay"] = ["Addressing", "Kernels", "Physical", "Vmalloc", "Layout", "Machine", "Proc", "Sources", "Traces"],
        ["Analysis"] = ["Addressing", "Kernels", "Physical", "Vmalloc", "Layout", "Proc", "Sources", "Recording", "Replay"],
        ["Lab"] = ["Addressing", "Kernels", "Physical", "Layout", "Paging", "Vmalloc", "Highmem", "Machine"],
    };

    public static TheoryData<string> Folders() =>
        [.. LibraryFolders().Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Folders))]
    public void A_folder_names_only_what_it_may_use(string folder)
    {
        Assert.True(Allowed.ContainsKey(folder), $"{folder} is not in the table: add it here and to ARCHITECTURE.md");
        string path = LibraryFolders().Single(candidate => Path.GetFileName(candidate) == folder);
        foreach (string file in Directory.EnumerateFiles(path, "*.cs", SearchOption.AllDirectories))
        {
            foreach (string line in File.ReadLines(file))
            {
                if (!line.StartsWith("using VmScope.", StringComparison.Ordinal))
                {
                    continue;
                }

                string used = line["using VmScope.".Length..].TrimEnd(';').Split('.')[0];
                Assert.True(used == folder || Allowed[folder].Contains(used, StringComparer.Ordinal),
                    $"{Path.GetRelativePath(path, file)}: '{line}' but {folder} may use only {string.Join(", ", Allowed[folder])}");
            }
        }
    }

    private static IEnumerable<string> LibraryFolders() =>
        new[] { "VmScope.Model", "VmScope.Evidence" }
            .SelectMany(library => Directory.EnumerateDirectories(Path.Combine(Captures.RepositoryFolder, "src", library)));
}
