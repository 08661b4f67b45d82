using VmScope.Kernels;

namespace VmScope.Proc;

/// <summary>Reads a kernel's .config.</summary>
public static class ConfigFile
{
    private const long LimitBytes = 8 << 20;

    /// <summary>A whole configuration has thousands of symbols; fewer than this is an excerpt.</summary>
    private const int CompleteAtLeast = 400;

    /// <summary>
    /// Reads a configuration. It is taken as complete ("not listed" means "not set") when the kernel's own heading
    /// stands in it or it has hundreds of symbols.
    /// </summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static KernelConfig Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        List<KeyValuePair<string, string>> values = [];
        bool heading = false;
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            ReadOnlySpan<char> trimmed = line.AsSpan().Trim();
            if (trimmed.StartsWith("CONFIG_", StringComparison.Ordinal) && trimmed.IndexOf('=') is > 0 and int equals)
            {
                values.Add(new(trimmed[..equals].ToString(), trimmed[(equals + 1)..].ToString()));
            }
            else if (trimmed.StartsWith("# CONFIG_", StringComparison.Ordinal) && trimmed.EndsWith(" is not set", StringComparison.Ordinal))
            {
                values.Add(new(trimmed["# ".Length..^" is not set".Length].ToString(), "n"));
            }
            else if (trimmed.Length > 0 && trimmed[0] == '#')
            {
                // "Automatically generated file; DO NOT EDIT." (2.6.38 and later), "… make config: don't edit" before.
                heading |= trimmed.StartsWith("# Automatically generated", StringComparison.Ordinal);
            }
            else if (trimmed.Length > 0)
            {
                diagnostics.Add(file, text.Number, line, "not a configuration line");
            }
        }

        return new KernelConfig(values, isComplete: values.Count >= CompleteAtLeast || (heading && values.Count > 0));
    }
}
