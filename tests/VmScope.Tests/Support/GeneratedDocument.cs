namespace VmScope.Tests.Support;

/// <summary>A document under docs/ that a test writes from what the code does, so that it is reviewed as a difference.</summary>
internal static class GeneratedDocument
{
    /// <summary>Compares the document to what it should say; a stale one is rewritten and the test fails once.</summary>
    internal static void Check(string name, string content)
    {
        string path = Path.Combine(Captures.RepositoryFolder, "docs", name);
        string expected = content.ReplaceLineEndings("\n");
        if (File.Exists(path) && File.ReadAllText(path) == expected)
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, expected);
        Assert.Fail($"docs/{name} said something else and has been rewritten; review the difference and run again");
    }
}
