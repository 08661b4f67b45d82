using System.IO.Compression;
using VmScope.Proc;
using VmScope.Sources;

namespace VmScope.Tests.Sources;

/// <summary>Gzip data that was cut is noticed wherever the cut is, and whole data never is taken for cut.</summary>
public class GzipDataTests
{
    private static readonly byte[] Text = [.. Enumerable.Range(0, 3000).Select(i => (byte)(i % 7 == 0 ? '\n' : 'a' + (i * i % 23)))];

    [Theory]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.NoCompression)]
    public void Every_cut_is_noticed_and_what_came_before_it_is_kept(CompressionLevel level)
    {
        byte[] packed = Packed(Text, level);
        for (int length = Compression.PrefixBytes; length < packed.Length; length++)
        {
            (byte[] got, DiagnosticList diagnostics) = Read(packed[..length]);
            Diagnostic cut = Assert.Single(diagnostics.Damage);
            Assert.Equal("list.gz", cut.File);
            Assert.Contains("ends in the middle", cut.Reason, StringComparison.Ordinal);
            Assert.True(Text.AsSpan().StartsWith(got));
        }

        Assert.Equal(Text, Read(packed[..^1]).Text);
    }

    [Fact]
    public void Whole_data_of_one_or_more_members_is_not_called_cut()
    {
        byte[] one = Packed(Text, CompressionLevel.Optimal);
        byte[] empty = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        AssertWhole(Text, one);
        AssertWhole([], empty);
        AssertWhole([.. Text, .. Text], [.. one, .. one]);
        AssertWhole([.. Text, .. Text], [.. one, .. empty, .. one, .. empty]);
        // What a tape or a careless copy leaves behind the data is no part of it.
        AssertWhole(Text, [.. one, .. new byte[512]]);
        AssertWhole(Text, [.. one, .. "junk"u8]);
    }

    [Fact]
    public void A_cut_in_a_later_member_is_noticed()
    {
        byte[] one = Packed(Text, CompressionLevel.Optimal);
        for (int length = 4; length < one.Length; length += 17)
        {
            (byte[] got, DiagnosticList diagnostics) = Read([.. one, .. one[..length]]);
            Assert.Single(diagnostics.Damage);
            Assert.True(got.AsSpan().StartsWith(Text));
        }
    }

    [Fact]
    public void Damage_before_the_end_is_an_error()
    {
        byte[] packed = Packed(Text, CompressionLevel.Optimal);
        packed[^6] ^= 1;
        Assert.Contains("the compressed data is damaged after", Assert.Throws<EvidenceException>(() => Read(packed)).Message, StringComparison.Ordinal);
    }

    private static void AssertWhole(byte[] expected, byte[] packed)
    {
        (byte[] got, DiagnosticList diagnostics) = Read(packed);
        Assert.Equal(expected, got);
        Assert.Equal(0, diagnostics.Count);
    }

    private static byte[] Packed(byte[] text, CompressionLevel level)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, level, leaveOpen: true))
        {
            gzip.Write(text);
        }

        return packed.ToArray();
    }

    private static (byte[] Text, DiagnosticList Diagnostics) Read(byte[] packed)
    {
        DiagnosticList diagnostics = new();
        using Stream stream = Compression.Unpacked(new MemoryStream(packed), "list.gz", diagnostics);
        using MemoryStream text = new();
        stream.CopyTo(text);
        return (text.ToArray(), diagnostics);
    }
}
