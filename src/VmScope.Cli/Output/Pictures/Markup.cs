using System.Globalization;
using System.Text;

namespace VmScope.Cli.Output.Pictures;

/// <summary>Writes XML-shaped text in which nothing from outside can become markup.</summary>
/// <remarks>
/// Tag and attribute names come from this program; every value and text passes <see cref="SafeText"/> (no control or
/// bidirectional characters, hence nothing XML forbids) and is then escaped.
/// </remarks>
internal sealed class Markup
{
    private readonly StringBuilder _text = new(64 * 1024);
    private readonly Stack<string> _open = new();

    /// <summary>Opens an element. Attributes come in pairs of name and value; a null value leaves its attribute out.</summary>
    internal Markup Open(string tag, params ReadOnlySpan<string?> attributes)
    {
        Start(tag, attributes);
        _text.Append('>');
        _open.Push(tag);
        return this;
    }

    /// <summary>Closes the innermost open element.</summary>
    internal Markup Close()
    {
        _text.Append("</").Append(_open.Pop()).Append('>');
        return this;
    }

    /// <summary>Closes the innermost open element and ends the line.</summary>
    internal Markup CloseLine()
    {
        Close();
        _text.Append('\n');
        return this;
    }

    /// <summary>An SVG element without content.</summary>
    internal Markup Empty(string tag, params ReadOnlySpan<string?> attributes)
    {
        Start(tag, attributes);
        _text.Append("/>");
        return this;
    }

    /// <summary>An element that holds only text.</summary>
    internal Markup Leaf(string tag, string content, params ReadOnlySpan<string?> attributes)
    {
        Open(tag, attributes);
        Text(content);
        return Close();
    }

    /// <summary>Text content.</summary>
    internal Markup Text(string content)
    {
        Escape(content);
        return this;
    }

    /// <summary>This program's own markup, style sheet or script, taken as it is.</summary>
    internal Markup Own(string constant)
    {
        _text.Append(constant);
        return this;
    }

    /// <summary>A position with at most two decimals.</summary>
    internal static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    public override string ToString() =>
        _open.Count == 0 ? _text.ToString() : throw new InvalidOperationException($"<{_open.Peek()}> is still open");

    private void Start(string tag, ReadOnlySpan<string?> attributes)
    {
        _text.Append('<').Append(tag);
        for (int i = 0; i + 1 < attributes.Length; i += 2)
        {
            if (attributes[i + 1] is { } value)
            {
                _text.Append(' ').Append(attributes[i]).Append("=\"");
                Escape(value);
                _text.Append('"');
            }
        }
    }

    private void Escape(string content)
    {
        foreach (char c in SafeText.Line(content))
        {
            switch (c)
            {
                case '&': _text.Append("&amp;"); break;
                case '<': _text.Append("&lt;"); break;
                case '>': _text.Append("&gt;"); break;
                case '"': _text.Append("&quot;"); break;
                case '\'': _text.Append("&#39;"); break;
                default: _text.Append(c); break;
            }
        }
    }
}
