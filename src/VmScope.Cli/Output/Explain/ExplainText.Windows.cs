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
        // Two long addresses leave no room for words below this.
        bool isNarrow = _width < NarrowColumns + (2 * (_list.Hex(0).Length - "0x00000000".Length));
        ColumnTable table = isNarrow
            ? new(("start", Side.Left), ("size", Side.Right), ("window", Side.Left)) { WrapsLast = true }
            : new(("start", Side.Left), ("end", Side.Left), ("size", Side.Right), ("bounds", Side.Left), ("window", Side.Left)) { WrapsLast = true };
        foreach (OtherWindow other in others)
        {
            AddressWindow window = other.Window;
            string start = _list.Hex(window.Start);
            string size = SizeText.Short(window.Bytes);
            string words = $"{window.Name}: {other.Meaning}";
            table.Add(isNarrow ? [start, size, words] : [start, _list.Hex(window.EndExclusive), size, AddressWindow.Word(window.Sureness), words]);
        }

        table.Write(_out, _width, "  ");
        _out.WriteLine();
    }
}
