using System.Collections.Immutable;
using System.Globalization;
using VmScope.Kernels;
using VmScope.Layout;

namespace VmScope.Cli.Output.Pictures;

/// <summary>A predicted layout as a picture: the regions to scale and in order, the numbers and where they come from.</summary>
internal static class LayoutPicture
{
    internal static Picture Of(KernelLayout layout)
    {
        KernelDescription kernel = layout.Inputs.Kernel;
        bool is64Bit = kernel.Architecture.Is64Bit();
        PicturePiece[] pieces =
        [
            .. layout.Regions.Where(region => region.Inside is null && region.Kind is not (RegionKind.User or RegionKind.Gap) && !region.IsBounds)
                .OrderBy(region => region.Range.Start.Value)
                .Select(region => new PicturePiece(region.Range.Start.Value, region.Range.SizeBytes, PieceKind.Owned, region.Name, region.Note ?? "")),
        ];
        ulong first = pieces.Length == 0 ? layout.PageOffset.Value : Math.Min(pieces[0].Start, layout.PageOffset.Value);
        PictureBar space = new("kernel addresses", first, is64Bit ? ulong.MaxValue : uint.MaxValue, [.. pieces]);
        return new Picture($"vmscope layout: {kernel.Architecture.Name()} {kernel.Identity.Release}", layout.Assumed.IsEmpty ? PictureSeverity.Fine : PictureSeverity.Note,
            string.Create(CultureInfo.InvariantCulture, $"VmallocTotal {layout.VmallocTotalKiB:N0} kB: {BarLayout.Hex(layout.Vmalloc.Start.Value)} - {BarLayout.Hex(layout.Vmalloc.Last.Value)}."))
        {
            Statements = [.. layout.Notes],
            Bars = [space, space with { Scale = BarScale.Order }],
            Tables = [Regions(layout), Zones(layout), Numbers(layout)],
            Notes = [.. layout.Assumed.Select(assumption => assumption.ToString() ?? "")],
        };
    }

    private static PictureTable Regions(KernelLayout layout) => new("Regions",
        [new("from", Side.Left), new("to", Side.Left), new("bytes", Side.Right), new("region", Side.Left), new("note", Side.Left)],
        [
            .. layout.Regions.Select(region => ImmutableArray.Create<PictureCell>(BarLayout.Hex(region.Range.Start.Value), BarLayout.Hex(region.Range.Last.Value),
                PictureCell.Bytes(region.Range.SizeBytes), region.Name, (region.IsBounds ? "somewhere in here; " : "") + (region.Note ?? ""))),
        ]);

    private static PictureTable Zones(KernelLayout layout) => new("Zones",
        [new("zone", Side.Left), new("node", Side.Right), new("first frame", Side.Right), new("spanned pages", Side.Right), new("present pages", Side.Right)],
        [
            .. layout.Zones.Select(zone => ImmutableArray.Create<PictureCell>(zone.Name, PictureCell.Count(zone.Node), PictureCell.Bytes(zone.StartPfn),
                PictureCell.Bytes(zone.SpannedPages), PictureCell.Bytes(zone.PresentPages))),
        ]);

    private static PictureTable Numbers(KernelLayout layout) => new("Numbers and where they come from",
        [new("name", Side.Left), new("value", Side.Right), new("formula", Side.Left), new("source", Side.Left)],
        [
            .. layout.Quantities.Select(quantity => ImmutableArray.Create<PictureCell>(quantity.Name,
                quantity.Unit is QuantityUnit.Address or QuantityUnit.PhysicalAddress ? BarLayout.Hex(quantity.Value) : SizeText.Grouped(quantity.Value), quantity.Formula, quantity.Source)),
        ]);
}
