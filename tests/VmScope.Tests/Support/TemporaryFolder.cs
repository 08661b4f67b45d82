namespace VmScope.Tests.Support;

/// <summary>A folder for one test; gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Root { get; } = Directory.CreateTempSubdirectory("vmscope-test-").FullName;

    internal string Path(string relative) => System.IO.Path.Join(Root, relative);

    internal void Write(string relative, string text) => Write(relative, System.Text.Encoding.UTF8.GetBytes(text));

    internal void Write(string relative, byte[] content)
    {
        string path = Path(relative);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
