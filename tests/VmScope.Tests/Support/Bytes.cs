using System.Text;

namespace VmScope.Tests.Support;

/// <summary>Texts as streams.</summary>
internal static class Bytes
{
    /// <summary>The UTF-8 bytes of a text.</summary>
    internal static MemoryStream Of(string text) => new(Encoding.UTF8.GetBytes(text), writable: false);
}
