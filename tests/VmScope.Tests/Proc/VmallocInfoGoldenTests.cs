using System.Formats.Tar;
using System.IO.Compression;
using VmScope.Proc;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Proc;

/// <summary>
/// Goal: every list a real kernel printed is understood, every byte of it.
/// Method: read each recorded list; no line may be left over; writing what was read gives the same bytes.
/// </summary>
public class VmallocInfoGoldenTests
{
    public static TheoryData<string> Cases() => Captures.Theory();

    [Theory, MemberData(nameof(Cases))]
    public void A_recorded_list_is_read_and_written_back_byte_for_byte(string name)
    {
        int lists = 0;
        using FileStream file = File.OpenRead(Captures.Archive(name));
        using GZipStream unzipped = new(file, CompressionMode.Decompress);
        using TarReader tar = new(unzipped);
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is null || !Path.GetFileName(entry.Name).StartsWith("vmallocinfo", StringComparison.Ordinal))
            {
                continue;
            }

            lists++;
            using MemoryStream text = new();
            entry.DataStream.CopyTo(text);
            text.Position = 0;
            DiagnosticList diagnostics = new();
            VmallocReport report = VmallocInfoReader.ReadReport(text, entry.Name, diagnostics);
            Assert.Empty(diagnostics.Items);
            Assert.NotEqual(0, report.Rows.Length);
            foreach (VmallocRow row in report.Rows)
            {
                Assert.True(row.AddressesMatchSize);
                Assert.Equal(0, row.UnknownWords);
            }

            using MemoryStream written = new();
            VmallocInfoWriter.Write(report, written);
            Assert.Equal(text.ToArray(), written.ToArray());
        }

        Assert.NotEqual(0, lists);
    }
}
