using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text;

namespace VmScope.Cli.Output.Pictures;

/// <summary>The options <c>--svg FILE</c> and <c>--html FILE</c>: add them to a command, then hand over its picture.</summary>
internal sealed class PictureOptions
{
    private readonly Option<string?> _svg = new("--svg") { Description = "Also write the answer as a picture: one SVG file", HelpName = "file" };
    private readonly Option<string?> _html = new("--html") { Description = "Also write the answer as a page: one HTML file that needs no network", HelpName = "file" };

    internal PictureOptions(Command command)
    {
        _svg.Validators.Add(RefuseStandardOutput);
        _html.Validators.Add(RefuseStandardOutput);
        command.Options.Add(_svg);
        command.Options.Add(_html);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_svg) is { } svg && string.Equals(svg, result.GetValue(_html), StringComparison.Ordinal))
            {
                result.AddError($"--svg and --html would both write {svg}: give two names");
            }
        });
    }

    /// <summary>Whether any picture was asked for.</summary>
    internal bool AnyAsked(ParseResult parsed) => parsed.GetValue(_svg) is not null || parsed.GetValue(_html) is not null;

    /// <summary>Writes the files that were asked for; the picture is made only then.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    internal void Write(ParseResult parsed, Terminal terminal, Func<Picture> make)
    {
        if (!AnyAsked(parsed))
        {
            return;
        }

        Picture picture = make();
        if (parsed.GetValue(_svg) is { } svg)
        {
            Save(terminal, svg, SvgReport.Draw(picture));
        }

        if (parsed.GetValue(_html) is { } html)
        {
            Save(terminal, html, HtmlReport.Draw(picture));
        }
    }

    // The answer itself goes there, in whatever form.
    private static void RefuseStandardOutput(OptionResult result)
    {
        if (result.Tokens is [{ Value: "-" or "/dev/stdout" or "/dev/fd/1" or "/proc/self/fd/1" }])
        {
            result.AddError($"{result.Option.Name}: standard output has the answer on it; give the picture a file name");
        }
    }

    private static void Save(Terminal terminal, string path, string content)
    {
        if (path.Length == 0)
        {
            throw new UsageException("a picture needs a file name");
        }

        File.WriteAllText(path, content, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        terminal.Error.WriteLine($"wrote {SafeText.Line(path)}");
    }
}
