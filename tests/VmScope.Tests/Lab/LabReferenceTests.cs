using VmScope.Lab;
using VmScope.Tests.Support;

namespace VmScope.Tests.Lab;

/// <summary>Goal: docs/lab.md lists what the lab has. Method: its second half is written from the tables of the code.</summary>
public class LabReferenceTests
{
    [Fact]
    public void The_reference_is_what_the_tables_say()
    {
        const string Start = "## Commands\n\n";
        string path = Path.Combine(Captures.RepositoryFolder, "docs", "lab.md");
        string text = File.ReadAllText(path);
        string head = text[..(text.IndexOf(Start, StringComparison.Ordinal) + Start.Length)];
        string whole = head + LabHelp.Reference();
        if (text != whole)
        {
            // Written here so that a change shows as a difference in the tree.
            File.WriteAllText(path, whole);
        }

        Assert.Equal(whole, text);
    }
}
