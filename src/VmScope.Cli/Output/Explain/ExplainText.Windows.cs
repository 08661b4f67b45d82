using VmScope.Analysis;

namespace VmScope.Cli.Output.Explain;

internal sealed partial class ExplainText
{
    /// <summary>The windows that no list accounts for, and where each bound comes from.</summary>
    private void OtherWindowTable()
    {
        IReadOnlyList<OtherWindow> others = OtherWindows.Of(_list);
        if (others.Count == 0)
        {
            return;
        }

        Title("Other windows");
        bool isNarrow = _width < NarrowColumns;
        ColumnTable table = isNarrow
            ? new(("start", Side.Left), ("size", Side.Right), ("window", Side.Left))
            : new(("start", Side.Left), ("end", Side.Left), ("size", Side.Right), ("bounds", Side.Left), ("window", Side.Left)) { WrapsLast = true };
        foreach (OtherWindow other in others)
        {
            AddressWindow window = other.Window;
            string start = _list.Hex(window.Start);
            string size = SizeText.Short(window.Bytes);
            table.Add(isNarrow
                ? [start, size, window.Name]
                : [start, _list.Hex(window.EndExclusive), size, AddressWindow.Word(window.Sureness), $"{window.Name}: {other.Meaning}"]);
        }

        table.Write(_out, _width, "  ");
        _out.WriteLine();
    }
}
