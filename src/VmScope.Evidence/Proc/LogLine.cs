namespace VmScope.Proc;

/// <summary>Tells a line of a kernel log from a line of anything else, by the line alone.</summary>
internal static class LogLine
{
    private static readonly string[] Openings =
    [
        "Linux version ", "Booting Linux on ", "Kernel command line: ", "BIOS-provided physical RAM map", "BIOS-e820:", " BIOS-e820:", "Zone ranges:", "Zone PFN ranges:",
    ];

    private static readonly string[] Parts =
    [
        "irtual kernel memory layout:", "Kernel virtual memory layout:", "vmap allocation for size", "vmalloc error: size",
        " allocation failure: vm_struct", "vmalloc_node_range for size", "vmalloc: allocation failure",
    ];

    /// <summary>Whether it has a log's prefix, or is one of the messages that tell most.</summary>
    internal static bool IsOne(ReadOnlySpan<char> line)
    {
        ReadOnlySpan<char> message = DmesgPrefix.Strip(line);
        // A failure message alone, as people paste it.
        return message.Length != DmesgPrefix.Unquoted(line).Length || IsMessage(line) || VmallocFailureParser.TryParse(message, line: 1) is not null;
    }

    private static bool IsMessage(ReadOnlySpan<char> line)
    {
        foreach (string opening in Openings)
        {
            if (line.StartsWith(opening, StringComparison.Ordinal))
            {
                return true;
            }
        }

        foreach (string part in Parts)
        {
            if (line.Contains(part, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
